"""What other people and programs do in LeadSquared while a request runs: records come, change, move and go."""

from typing import TYPE_CHECKING

from lsq_ops.models import DeletionRequest

from .crm import Activity, Record, Task

if TYPE_CHECKING:
    from .scene import Scene
    from .wire import Wire


class Others:
    def __init__(self, scene: "Scene", wire: "Wire") -> None:
        self.scene, self.wire = scene, wire

    def meanwhile(self, name: str, request: DeletionRequest) -> bool:
        """One of plan.OTHERS; False where there is no occasion for it now."""
        if name == "rate eaten":
            self.wire.eaten_until = self.scene.clock.now + self.scene.random.uniform(1, 12)
            return True
        if name == "keys withdrawn":
            self.wire.keys_until = self.scene.clock.now + self.scene.random.uniform(1, 300)
            return True
        item = self._an_item(request)
        return item is not None and bool(getattr(self, "_" + name.replace(" ", "_"))(item))

    def _an_item(self, request: DeletionRequest) -> Record | None:
        with self.scene.harness():
            ids = sorted(request.version.items.values_list("record_id", flat=True))
        there = [record for i in ids if (record := self.scene.crm.get(i))]
        return self.scene.random.choice(there) if there else None

    def _task_completed(self, item: Record) -> bool:
        if isinstance(item, Task):
            item.done = True
        return isinstance(item, Task)

    def _task_reassigned(self, item: Record) -> bool:
        if isinstance(item, Task):
            item.owner = next(owner for owner in self.scene.crm.owners if owner != item.owner)
        return isinstance(item, Task)

    def _neighbour_deleted(self, item: Record) -> bool:
        """Not by us: of another type where there is one, as far as LeadSquared's users do that."""
        same = self.scene.random.random() < 0.3
        near = self.scene.crm.neighbour_of([item.id], same_code=same)
        return self.scene.crm.remove(near, self.scene.clock.now, None) > 0

    def _item_deleted(self, item: Record) -> bool:
        return self.scene.crm.remove([item.id], self.scene.clock.now, None) > 0

    def _item_changed(self, item: Record) -> bool:
        if isinstance(item, Activity):
            item.note += " (corrected)"
        else:
            item.name += " (corrected)"
        return True

    def _new_in_the_window(self, item: Record) -> bool:
        if isinstance(item, Activity):
            self.scene.crm.add_activity(item.lead, item.code, item.at)
        else:
            self.scene.crm.add_task(item.lead, item.owner, item.at)
        return True

    def _lead_removed(self, item: Record) -> bool:
        if isinstance(item, Activity):
            self.scene.crm.remove_lead(item.lead, self.scene.clock.now)
        return isinstance(item, Activity)
