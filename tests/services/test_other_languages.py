"""The portal does the same in another language: no state, right or finding hangs on the words of a sentence."""

import io

from lsq_ops.models import AuditEvent, DeletionCall, Notice
from lsq_ops.services import approval, people, trail, uploads
from lsq_ops.services.judging import Judge
from lsq_ops.services.may import may
from lsq_ops.services.sheets import open_sheet
from tests.pseudo import OPEN, spoken
from tests.world import skip_wait

from .steps import to_the_end
from .test_lapses import confirm, look, lose


def test_a_request_goes_its_whole_way(world):
    with spoken():
        for kind, count in (("activities", None), ("tasks", 12), ("owner_history", None)):
            request = world.draft_tasks(count) if count else world.draft(kind, "asha", days=90)
            request = world.approved(submitted(world, request))
            skip_wait(request)
            request = to_the_end(world, request)
            assert request.state == "completed", request.attention
            assert set(request.version.items.values_list("outcome", flat=True)) <= {"gone", "already_gone"}
        assert OPEN in Notice.objects.filter(request=request).latest("pk").text
        assert trail.verify().ok
    assert not AuditEvent.objects.filter(action__contains=OPEN).exists()


def submitted(world, request):
    approval.submit(world.rita, request)
    request.refresh_from_db()
    return request


def test_a_lapsed_approval_is_made_good(world):
    with spoken():
        people.set_roles(world.pia, world.vera, {"Approver"})
        people._grant(world.vera, people.Team.objects.get(name="Data control"), by="test")
        request = world.running("stage_history", "asha", days=90)
        lose(world, world.dana)
        look(request)
        assert request.state == "running" and DeletionCall.objects.filter(request=request, state="planned").exists()
        vera = type(world.vera).objects.get(pk=world.vera.pk)
        assert may(vera, "confirm_vote", request)
        confirm(vera, request)
        assert not DeletionCall.objects.filter(request=request, state="planned").exclude(note="").exists()
        assert to_the_end(world, request).state == "completed"


def test_verdicts_of_an_upload_are_kept_in_english(world):
    with spoken():
        sample, _ = uploads.begin(open_sheet(io.BytesIO(b"Phone\nhello\n+91 98450 12345\n")))
        judge = Judge(world.account, "lead", {"by": "phone"}, sample)
        found = [line.verdict for line in judge.judge(sample[judge.before_lines :])]
    assert found == ["no phone number", "not in the mirror"]
