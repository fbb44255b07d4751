"""One small round of `./dev deployed`: what compose names, on two hosts, with a worker and a web server killed."""

import pytest

from tests.deployed import rounds


@pytest.mark.timeout(900)  # a dozen processes start, and a call that was cut off waits for its lease
def test_two_hosts_do_the_whole_job_while_parts_of_them_are_killed() -> None:
    outcome = rounds.one(3, requests=2, nginx=False, workers=1)
    assert outcome.troubles == [], f"{outcome}"
