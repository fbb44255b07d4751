"""The account: other keys, another OrgId, and what is learnt without an operator."""

import pytest

from lsq_ops.models import Account, ActivitySnapshot
from lsq_ops.services import accounts, agenda, leads
from lsq_ops.services.may import Barred
from tests.world import WELL_KNOWN


def test_with_other_keys_nothing_is_asked_and_the_account_pauses(world, settings):
    """In another account every lead of this one looks deleted: that must not be believed."""
    leads.add_leads(world.rita, [WELL_KNOWN["asha"]])
    calls = world.sandbox.stats["calls"]
    settings.LSQ_ACCESS_KEY = "u$rsomebody-else"
    agenda.work(2)
    account = accounts.current_account()
    assert world.sandbox.stats["calls"] == calls
    assert account.pause_reason == accounts.KEYS_CHANGED
    assert not ActivitySnapshot.objects.filter(read_at__isnull=False).exists()
    with pytest.raises(Barred, match="have changed since"):
        leads.search(world.rita, "asha@example.com")


def test_with_other_keys_nothing_is_sent(world, settings):
    request = world.running()
    settings.LSQ_SECRET_KEY = "another"
    agenda.work(2)
    request.refresh_from_db()
    assert request.state == "running"
    assert not request.attempts.exists()


def test_another_org_id_is_another_account_and_the_old_one_is_read_only(world):
    old = world.account
    Account.objects.filter(pk=old.pk).update(org_id="another-org")
    new = accounts.test_connection(world.omar)
    old.refresh_from_db()
    assert new.pk != old.pk
    assert (old.current, new.current, old.is_paused) == (False, True, True)


def test_what_offset_means_is_found_out_once_a_lead_is_known(world):
    world.mirror_leads("asha")
    agenda.catch_up()
    assert accounts.current_account().offset_meaning == "pages0"
