"""What a request costs of the account's rate budget, how long that takes, and how many days because of the caps.

Times are ranges: how many pages a list has, and who else calls, is not known before.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min, Q
from django.utils.translation import gettext as _

from lsq_ops.models import DeletionCall, DeletionRequest, db_now, timing

from . import budget, run_windows

READINGS = 4  # calls to read a lead before and after its deletion, of two pages each
OWNER_LISTS = 4  # as many for the lists of a task's owner


@dataclass(frozen=True, slots=True)
class Cost:
    """API calls, seconds (from, to), the share of a day's calls in per cent, and the days that the caps make of it.
    `when`: where blackouts make it wait, from when to when its calls would go if it were approved now."""

    calls: int
    seconds: tuple[int, int]
    day_percent: float | None
    days: int
    when: str = ""

    def needs(self) -> str:
        """Why it takes more than a day, or waits for the run window, and when it ends; empty where it doesn't."""
        if self.when or self.days < 2:
            return self.when
        ends = db_now() + timedelta(days=self.days - 1)
        return _("The daily caps spread this over {days} days: it will end on {ends:%A, %d %b}.").format(
            days=self.days, ends=ends
        )


def cost_of(request: DeletionRequest) -> Cost:
    """What is still to come of a request that was not sent yet."""
    version = request.version
    calls = _calls(request.kind, version.calls_count, version.leads_count)
    cap, clock = budget.daily_cap(), timing()
    days = max(math.ceil(version.items_count / clock.items_per_day), math.ceil(calls / cap) if cap else 1)
    hours_waited = (math.ceil(version.items_count / clock.items_per_hour) - 1) * 3600
    low, high = _seconds(request, calls, calls)
    low, high = max(low, hours_waited), max(high, hours_waited + 3600 if hours_waited > 0 else 0)
    return Cost(
        calls=calls,
        seconds=(low, high),
        day_percent=round(100 * calls / cap, 1) if cap else None,
        days=days,
        when=_when(request, days, high),
    )


def _when(request: DeletionRequest, days: int, seconds: int) -> str:
    """From when to when the blackouts and the caps let its calls go, were it approved now; "" where none makes it
    wait."""
    windows = run_windows.of(request.account)
    if not windows.blackouts or request.state not in ("draft", "pending"):
        return ""
    ready = db_now() + timedelta(seconds=request.version.wait_seconds)
    begins = windows.opens(ready)
    ends: datetime | None = begins
    for day in range(days):
        ends = ends and windows.done_at(max(ends, begins + timedelta(days=day)), seconds / days)
    if ends is None:
        return _("The blackouts leave too little time: it would take more than a year.")
    if days < 2 and ends <= ready + timedelta(seconds=seconds):
        return ""
    said = _("Approved now, it would begin {begins} and end about {ends}").format(
        begins=_("at once") if begins == ready else run_windows.clock_of(begins, windows.zone),
        ends=run_windows.clock_of(ends, windows.zone),
    )
    return _("{said}, {days} days by the daily caps.").format(said=said, days=days) if days > 1 else f"{said}."


def time_left(request: DeletionRequest) -> tuple[int, int] | None:
    """Seconds (from, to) until a running request is done if nothing is in its way; None where that can't be said."""
    count = request.version.calls.aggregate(
        planned=Count("id", filter=Q(state="planned")),
        under_way=Count("id", filter=Q(state__in=("sent", "verifying"))),
        reads_at=Min("not_before", filter=Q(state="verifying")),
    )
    if not count["planned"] + count["under_way"]:
        return None
    ours = count["planned"] * (1 + READINGS) + count["under_way"] * READINGS // 2
    others = DeletionCall.objects.filter(state="planned", request__account=request.account, request__state="running")
    ahead = others.exclude(request=request).count() * (1 + READINGS)
    low, high = _seconds(request, ours, ours + ahead)
    scheduled = (count["reads_at"] - db_now()).total_seconds() if count["reads_at"] else 0
    return low, max(high, int(scheduled) + 60)


def _calls(kind: str, calls: int, leads: int) -> int:
    """Deletes, and the readings before and after each. A list of tasks serves many calls."""
    return calls + (READINGS * (leads + OWNER_LISTS) if kind == "tasks" else READINGS * max(leads, calls))


def _seconds(request: DeletionRequest, ours: int, everybodys: int) -> tuple[int, int]:
    pace = budget.size_of(request.account) / request.account.rate_seconds
    return int(ours / pace) + 1, int(everybodys * 2 / pace) + 60
