"""Every duration and cap of the portal, in one place; seconds unless the name says otherwise.

Sandbox mode ships seconds instead of hours, so that a newcomer sees a whole request end; its pages say so.
"""

from dataclasses import dataclass, replace

from django.conf import settings
from django.utils.translation import gettext as _

MINUTE, HOUR, DAY = 60, 3600, 86400


@dataclass(frozen=True, slots=True)
class Timing:
    wait_low: int = 2 * MINUTE
    wait_medium: int = 2 * MINUTE
    wait_high: int = 30 * MINUTE
    pending_working_days: int = 3
    approved_expires: int = DAY
    draft_idle: int = 30 * DAY
    remind_after: tuple[float, ...] = (1 / 2, 5 / 6)  # shares of the time that is left for voting
    remind_start_after: float = 5 / 6  # the share of `approved_expires` after which not to have started is told
    messages_a_day: int = 20  # of one person about one request
    same_message: int = MINUTE  # the same text again within so long is a second press of the button
    strike_outs: int = 5_000
    reading_max_age: int = 4 * HOUR
    window_settled: int = HOUR
    change_counts_after: int = DAY

    vote_suspended_for: int = DAY  # after a changed password or second factor
    factor_fresh: int = 10 * MINUTE  # a second factor counts for a vote on a high request
    sign_in_tries: int = 5  # wrong ones, of one name from one address
    sign_in_blocked: int = 15 * MINUTE
    # What strangers may cost: (so many at once, so many a second after that); see services/throttles.py.
    wrong_tries_of_address: tuple[int, float] = (100, 100 / (15 * MINUTE))
    strangers_of_address: tuple[int, float] = (50, 5)  # webhooks to unknown addresses that the database is asked about
    strangers_of_all: tuple[int, float] = (500, 50)
    arrivals_of_body: tuple[int, float] = (20, 2)  # the same body at the same webhook address
    arrivals_of_token: tuple[int, float] = (200, 20)
    session_idle: int = 8 * HOUR
    session_idle_privileged: int = HOUR  # approvers, operators, policy admins
    session_longest: int = 12 * HOUR

    before_send_age: int = 2 * MINUTE
    before_send_list_age: int = 10 * MINUTE  # an owner's list of tasks is long, and serves many calls
    begins_within: int = 15  # after its slot's time: a call that is held up longer has lost it
    http_deadline: int = 30
    attempt_lease: int = 90
    claim_lease: int = 60
    job: int = 40

    read_schedule: tuple[int, ...] = (15, 60, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE)
    read_then_every: int = HOUR
    read_until: int = DAY
    look_again: int = DAY
    grace: int = DAY  # at first, and at most
    grace_least: int = HOUR
    grace_learns_from: int = 20  # calls that were seen done
    read_retries: tuple[int, ...] = (5, 30, 120, 600)
    send_retries: tuple[int, ...] = (5, 30, 120, 600)

    items_per_hour: int = 5_000
    items_per_day: int = 20_000
    proving_leads: int = 1
    proving_items: int = 10

    sync_every: int = 15 * MINUTE
    sync_overlap: int = DAY  # LeadSquared's index lags behind, and clocks differ
    sync_whole_every: int = DAY  # so often every lead of the mirror is looked for
    sync_answer: int = DAY  # so long a question waits
    sync_retries: tuple[int, ...] = (5, 30, 120, 600)

    retention_every: int = DAY

    anchor_every: int = HOUR
    anchor_events: int = 1000  # or so many events, whichever comes first
    trail_check_every: int = DAY

    beat: int = 10
    beat_stale: int = 30


SHIPPED = Timing()
SANDBOX = replace(
    SHIPPED,
    wait_low=4,
    wait_medium=4,
    wait_high=8,
    change_counts_after=0,
    vote_suspended_for=0,
    read_schedule=(2, 3, 5, 8, 13),
    read_then_every=20,
    read_until=3 * MINUTE,
    look_again=60,
    grace=30,
    grace_least=30,
    read_retries=(1, 2, 5, 10),
    send_retries=(1, 2, 5, 10),
    sync_every=60,
    sync_whole_every=5 * MINUTE,
    sync_retries=(1, 2, 5, 10),
    items_per_hour=100_000,
    items_per_day=500_000,
    beat=2,
)


def timing() -> Timing:
    return SANDBOX if settings.SANDBOX_MODE else SHIPPED


def span(seconds: float) -> str:
    """A duration in the unit that a person would choose: 40 s, 7 min, 5 h, 3 days."""
    seconds = max(0, int(seconds))
    for size, words in ((86400, _("{number} days")), (3600, _("{number} h")), (60, _("{number} min"))):
        if seconds >= 2 * size or (seconds >= size and size != 86400):
            return words.format(number=seconds // size)
    return _("{number} s").format(number=seconds)
