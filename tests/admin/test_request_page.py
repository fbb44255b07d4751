"""The one page of a request: what it says, who may press what, how it lives, and how little it weighs."""

import json
import re

import pytest
from django.test import Client
from django.urls import reverse

from lsq_ops.models import (
    AuditEvent,
    Decision,
    DeletionItem,
    DeletionRequest,
    ItemContent,
    RequestVersion,
    Vote,
    db_now,
)
from lsq_ops.services import approval, deciding

HOSTILE = '<script>alert("x")</script> \u202etxt.exe {{ 7*7 }}'


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def page(request, name="change", *more):
    return reverse(f"admin:lsq_ops_deletionrequest_{name}", args=[request.pk, *more])


def look(user, request, query=""):
    answer = client_of(user).get(page(request) + query)
    assert answer.status_code == 200
    return answer.content.decode()


def words(html):
    """What a person reads."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def pressable(html):
    return set(re.findall(r'<a id="button-\d+" class="button[^"]*" href="[^"]*/(\w+)/">', html))


def test_a_pending_request_says_what_goes_what_stays_and_who_decides(world):
    request = world.pending("activities", "asha", "bruno")
    version, html = request.version, words(look(world.arun, request))

    assert f"{version.items_count} items · 2 leads" in html
    assert f"{version.kept_count} neighbours" in html
    assert "“ entered twice ”" in html
    assert "OPS-1" in html
    assert "asked by Rita Rao" in html
    assert f"Approve {version.items_count} deletions" in html
    assert "Waiting for approval: 0 of" in html


def test_a_request_from_a_file_says_how_many_of_its_lines_it_covers(world):
    request = world.draft("activities", "asha")
    source = {"upload": 7, "name": "visits of asha.xlsx", "lines": 40, "taken": 38, "refused": {"not in the mirror": 2}}
    RequestVersion.objects.filter(request=request).update(source=source)
    assert "visits of asha.xlsx : 40 lines, 38 taken · 2 not in the mirror" in words(look(world.rita, request))
    RequestVersion.objects.filter(request=request).update(reading="complete")
    assert "2 of the 40 lines of its file are not in this request" in words(look(world.rita, request))
    told = words(look(world.vera, request))  # who may not see what it holds reads no file's name
    assert "From 40 lines, 38 taken" in told and "visits of asha" not in told


def test_each_person_may_press_what_the_rules_say(world):
    request = world.pending("activities", "asha")
    assert pressable(look(world.rita, request)) == {"withdraw", "cancel", "clone", "ask", "evidence"}
    assert pressable(look(world.arun, request)) == {"approve", "changes", "reject", "cancel", "ask"}
    assert pressable(look(world.omar, request)) == {"ask"}
    assert pressable(look(world.aida, request)) == {"evidence"}
    for nobody in (world.vera, world.pia):
        assert pressable(look(nobody, request)) == set()


def test_a_draft_offers_its_requester_to_submit_it(world):
    request = world.draft("activities", "asha")
    html = look(world.rita, request)
    assert pressable(html) == {"submit", "edit", "reread", "clone", "withdraw"}
    assert 'button-primary" href="' + page(request, "submit") in html

    answer = client_of(world.rita).post(page(request, "submit"), follow=True)
    request.refresh_from_db()
    assert request.state == "pending"
    assert "is submitted" in answer.content.decode()


def test_who_may_not_vote_reads_why(world):
    request = world.pending("activities", "asha")
    assert "You can’t decide: Only an approver may do this" in words(look(world.vera, request))
    approval.vote(
        world.arun,
        world.pending("owner_history", "bruno", days=60),
        "approve",
        **shown(DeletionRequest.objects.first()),
    )
    second = DeletionRequest.objects.first()
    html = look(world.arun, second)
    assert "You have voted on this version already." in html
    assert 'aria-disabled="true"' in html


def shown(request):
    return {"digest": request.version.digest, "count": request.version.items_count}


def test_a_wrong_count_is_a_sentence_and_no_vote(world):
    request = world.pending("owner_history", "asha", days=60)
    client, address = client_of(world.arun), page(request, "approve")
    answer = client.post(address, {"digest": request.version.digest, "count": "99999"})
    assert answer.status_code == 409
    assert "Type the number of items" in answer.content.decode()
    assert client.post(address, {"digest": request.version.digest, "count": "many"}).status_code == 200
    assert not Vote.objects.exists()


def test_a_stale_page_cannot_decide_on_another_version(world):
    request = world.pending("activities", "asha")
    answer = client_of(world.arun).post(
        page(request, "approve"), {"digest": "0" * 64, "count": request.version.items_count}
    )
    assert answer.status_code == 409
    assert "no longer what is asked" in answer.content.decode()
    assert not Vote.objects.exists()


def test_a_double_click_votes_once(world):
    request = world.pending("owner_history", "asha", days=60)
    client = client_of(world.arun)
    first = client.post(page(request, "approve"), shown(request))
    second = client.post(page(request, "approve"), shown(request))
    assert first.status_code == 302
    assert second.status_code == 403
    assert "You have voted on this version already." in second.content.decode()
    assert Vote.objects.count() == 1


def test_rejecting_needs_a_reason(world):
    request = world.pending("activities", "asha")
    client, address = client_of(world.dana), page(request, "reject")
    assert "This field is required" in client.post(address, {"digest": request.version.digest}).content.decode()
    client.post(address, {"digest": request.version.digest, "reason": "these are real visits"})
    request.refresh_from_db()
    assert request.state == "rejected"


def test_undo_before_anything_was_sent(world):
    request = world.approved(world.pending("activities", "asha"))
    html = look(world.rita, request)
    assert "until then it can be undone" in html
    assert ">Undo</a>" in html
    client_of(world.rita).post(page(request, "cancel"))
    request.refresh_from_db()
    assert request.state == "cancelled"


def test_the_end_is_one_sentence_and_every_item_has_its_outcome(world):
    request = world.work_out(world.running("activities", "asha"))
    count = request.version.items_count
    html = words(look(world.rita, request))
    assert f"{count} of {count} gone from what LeadSquared&#x27;s API shows, read at" in html
    assert f"read back {count and request.calls.count()} of {request.calls.count()}" in html
    assert words(look(world.rita, request, "?tab=items&outcome=gone")).count(" gone ") >= count
    assert "hx-trigger" not in look(world.rita, request).split('id="live"')[1].split(">")[0]


# --- The live part -------------------------------------------------------------------------------------------


def seen_in(html):
    return re.search(r'id="live"[^>]*hx-get="([^"]+)"', html)[1].replace("&amp;", "&")


def test_the_live_part_answers_only_when_something_changed(world):
    request = world.pending("owner_history", "asha", days=60)
    client = client_of(world.rita)
    address = seen_in(client.get(page(request)).content.decode())
    assert client.get(address).status_code == 204

    approval.vote(world.arun, request, "approve", **shown(request))
    answer = client.get(address)
    html = answer.content.decode()
    assert answer["X-Live"] == "1"
    assert "Arun Iyer" in html
    assert 'id="part-panel"' not in html  # nothing in it changed; rows that were opened stay open

    approval.vote(world.dana, request, "approve", **shown(request))
    html = client.get(seen_in(html)).content.decode()
    assert 'id="part-panel"' in html
    assert "is now approved" in html
    assert client.get(seen_in(html)).status_code == 204


@pytest.mark.parametrize("seen", ["", "x", "stage:", "a:b:c,stage", "next:%00"])
def test_the_live_part_takes_any_garbage(seen, world):
    request = world.pending("activities", "asha")
    assert client_of(world.vera).get(page(request, "live") + f"?seen={seen}").status_code == 200


# --- What others wrote ---------------------------------------------------------------------------------------


def test_hostile_data_is_text(world):
    request = world.draft("activities", "asha")
    item = request.version.items.first()
    ItemContent.objects.filter(item=item).update(raw={"Note": HOSTILE, HOSTILE: 1})
    html = client_of(world.rita).get(page(request, "content", item.pk)).content.decode()
    assert "<script>" not in html
    assert "\u202e" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize(
    "query",
    ["?tab=x", "?page=x", "?page=99999999999999999999", "?code=abc&lead=%00", "?code=9" * 9, "?tab=kept&page=-1"],
)
def test_a_wrong_address_still_shows_the_page(query, world):
    request = world.draft("activities", "asha")
    assert "DR-" in look(world.rita, request, query)


def test_an_item_of_another_request_is_not_shown_here(world):
    mine, other = world.draft("activities", "asha"), world.draft("activities", "bruno")
    item = other.version.items.first()
    assert client_of(world.rita).get(page(mine, "content", item.pk)).status_code == 404


# --- Evidence ------------------------------------------------------------------------------------------------


def test_a_snapshot_is_downloaded_by_post_and_written_down(world):
    request = world.pending("activities", "asha")
    snapshot = request.snapshots.first()
    client, address = client_of(world.rita), page(request, "download", snapshot.pk)
    assert client.get(address).status_code == 405
    assert client_of(world.vera).post(address).status_code == 302, "who may only look gets no file of it"

    answer = client.post(address)
    assert answer["Content-Disposition"].startswith("attachment;")
    assert len(json.loads(answer.content)["records"]) == snapshot.records
    assert AuditEvent.objects.filter(action="snapshot.downloaded", actor="rita").count() == 1


# --- Weight --------------------------------------------------------------------------------------------------


def test_two_readings_are_compared_on_a_page_and_linked_from_the_tab(world):
    request = world.work_out(world.running("activities", "asha"))
    tab = look(world.rita, request, "?tab=snapshots")
    address = re.findall(r'href="([^"]*/against/\d+/)"', tab)[-1]  # of the reading after the deletion
    html = words(client_of(world.rita).get(address).content.decode())
    assert f"{request.version.items_count} went, 0 came" in html
    assert all(item.record_id in html for item in request.version.items.all())
    assert "against" not in look(world.vera, request, "?tab=snapshots")
    answer = client_of(world.vera).get(address)
    assert answer.status_code == 302
    assert client_of(world.rita).get(page(request, "difference", 999999, 999999)).status_code == 404


def test_twelve_thousand_items_make_a_light_page(world):
    request = world.draft("activities", "asha")
    version, call = request.version, request.calls.first()
    DeletionItem.objects.bulk_create(
        (
            DeletionItem(
                version=version,
                call=call,
                record_id=f"{n:08d}-aaaa",
                lead_id=f"lead {n % 40}",
                event_code=201,
                content_hash="0",
            )
            for n in range(12_000)
        ),
        batch_size=500,
    )
    for tab in ("items", "leads", "kept", "calls", "votes", "snapshots", "timeline"):
        assert len(look(world.rita, request, f"?tab={tab}")) < 200_000, tab


# --- The list ------------------------------------------------------------------------------------------------


def found(user, query):
    html = client_of(user).get(reverse("admin:lsq_ops_deletionrequest_changelist") + query).content.decode()
    return set(re.findall(r"/deletionrequest/(\d+)/change/", html))


def test_the_list_finds_by_number_ticket_words_state_and_whose(world):
    pending, draft = world.pending("activities", "asha"), world.draft("owner_history", "bruno", days=60)
    both = {str(pending.pk), str(draft.pk)}
    assert found(world.vera, "") == both
    assert found(world.vera, f"?q=dr-{draft.pk}") == {str(draft.pk)}
    assert found(world.vera, "?q=ops-1") == both
    assert found(world.vera, "?q=entered+twice") == both
    assert found(world.vera, "?q=nothing+like+it") == set()
    assert found(world.vera, "?state__exact=draft") == {str(draft.pk)}
    assert found(world.vera, "?kind=activities") == {str(pending.pk)}
    assert found(world.arun, "?whose=waiting") == {str(pending.pk)}
    assert found(world.rita, "?whose=waiting") == set()


def test_home_says_what_waits_and_why_the_rest_does_not(world):
    request = world.pending("owner_history", "asha", days=60)
    home = reverse("admin:index")
    assert "1 request needs your decision" in words(client_of(world.arun).get(home).content.decode())
    approval.vote(world.arun, request, "approve", **shown(request))
    html = words(client_of(world.arun).get(home).content.decode())
    assert "Nothing waits for your decision" in html
    assert "not for me: You have voted on this version already" in html
    assert f"DR-{request.pk}" in client_of(world.rita).get(home).content.decode()


def test_a_proposal_that_is_no_longer_to_be_decided_does_not_hide_the_one_that_is(world):
    """The call ended by itself, its lead is gone: what is left is to close the request, and that can be confirmed."""
    request = world.running("activities", "asha")
    call = request.calls.get()
    DeletionRequest.objects.filter(pk=request.pk).update(state="needs_attention", attention="can't be read any more")
    Decision.objects.create(
        request=request, call=call, choice="end", reason="old", proposed_by=world.omar, proposed_at=db_now()
    )
    assert "confirm_decision" not in pressable(look(world.olga, request))  # the call is not being read back
    request.refresh_from_db()
    deciding.propose(world.omar, request, None, "close", "nothing can be done")
    html = words(client_of(world.olga).get(page(request, "confirm_decision")).content.decode())
    assert "nothing can be done" in html
    client_of(world.olga).post(page(request, "confirm_decision"), {"decision": Decision.objects.latest("id").pk})
    request.refresh_from_db()
    assert request.state == "closed"
