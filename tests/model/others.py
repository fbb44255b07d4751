"""What others do in LeadSquared meanwhile: records come, change, move and go."""

from typing import TYPE_CHECKING

from tests.chaos.crm import Activity, Record

from .book import Wish

if TYPE_CHECKING:
    from .stage import Stage

OTHERS = ("item goes", "item changes", "task moves", "task is done", "neighbour goes", "one comes", "lead goes")


def meddle(stage: "Stage", wish: Wish, number: int, what: str) -> None:
    crm, now = stage.crm, stage.clock.now
    items = [record for version in wish.versions.values() for i in version.items if (record := crm.get(i))]
    if not items:
        return
    item = items[number % len(items)]
    if what == "item goes":
        crm.remove([item.id], now, None)
    elif what == "neighbour goes":
        crm.remove(crm.neighbour_of([i.id for i in items], same_code=number % 2 == 0), now, None)
    elif what == "lead goes" and isinstance(item, Activity):
        crm.remove_lead(item.lead, now)
    elif what == "one comes":
        made: Record = (
            crm.add_activity(item.lead, item.code, item.at)
            if isinstance(item, Activity)
            else crm.add_task(item.lead, item.owner, item.at)
        )
        stage.book.changed[made.id] = now
    else:
        _change(stage, item, what)


def _change(stage: "Stage", item: Record, what: str) -> None:
    if isinstance(item, Activity):
        item.note += " (corrected)"
    elif what == "task moves":
        item.owner = next(owner for owner in stage.crm.owners if owner != item.owner)
    elif what == "task is done":
        item.done = not item.done
    else:
        item.name += " (corrected)"
    stage.book.changed[item.id] = stage.clock.now
