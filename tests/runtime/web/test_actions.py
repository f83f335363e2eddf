"""What a person does on the pages, and what the pages answer when it may not be."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from kernel import clock
from kernel.digest import short
from kernel.models import AuditEntry
from runtime.models import Attempt, ConflictCase, Deployment, QuarantinedMessage, RejectedMessage, Run, Schedule
from tests.runtime import scene

pytestmark = pytest.mark.django_db


@pytest.fixture
def day() -> scene.Day:
    return scene.day()


def _place(letter: QuarantinedMessage) -> str:
    return f"{letter.subscription_id}/{letter.lane}/{letter.position}"


def settle(client, letter: QuarantinedMessage, **more: str):
    return client.post(reverse("runtime:dead-letter-settle", args=["parked", _place(letter)]), more)


def test_pause_needs_a_reason_and_stands_on_the_page(client, day):
    client.force_login(day.people.sofia)
    address = reverse("runtime:pause", args=["sales"])
    assert client.post(address, {"reason": "  "}).status_code == 422
    assert client.post(address, {"reason": "month end"}).status_code == 302
    assert Deployment.objects.get(integration__key="sales", active=True).paused
    page = client.get(reverse("runtime:integration", args=["sales"]))
    assert "Paused by a person: month end" in page.text
    assert client.post(reverse("runtime:resume", args=["sales"])).status_code == 302
    assert not Deployment.objects.get(integration__key="sales", active=True).paused


def test_an_unapproved_release_cannot_be_deployed_and_the_button_says_so(client, day):
    release = day.sales.register({**scene.SALES, "note": "another text is another digest"})
    client.force_login(day.people.sofia)
    page = client.get(reverse("runtime:integration", args=["sales"]) + f"?release={release.digest}")
    assert f"not for {short(release.digest)}" in page.text
    assert "Open a change for this digest" in page.text
    answer = client.post(reverse("runtime:deploy", args=["sales"]), {"release": release.digest})
    assert answer.status_code == 403
    assert Deployment.objects.filter(integration__key="sales").count() == 1


def test_a_run_of_an_integration_without_source_is_not_started(client, day):
    client.force_login(day.people.sofia)
    answer = client.post(reverse("runtime:start", args=["sales"]))
    assert answer.status_code == 409
    assert "come by intake" in answer.text
    assert Run.objects.count() == 2


def test_starting_twice_gives_the_run_that_goes_on(client, day):
    client.force_login(day.people.petra)
    first = client.post(reverse("runtime:start", args=["prices"]))
    second = client.post(reverse("runtime:start", args=["prices"]))
    assert first.status_code == 302
    assert first.headers["Location"] == second.headers["Location"]
    run = Run.objects.get(integration__key="prices")
    assert client.post(reverse("runtime:run-cancel", args=[run.pk]), {"reason": "wrong day"}).status_code == 302
    run.refresh_from_db()
    assert (run.state, run.error) == ("cancelled", "wrong day")


def test_a_dry_run_says_how_many_would_be_mapped_and_changes_nothing(client, day):
    client.force_login(day.people.sofia)
    group = f"parked.{day.sales.stream.pk}.journal.{day.letters[0].fingerprint}"
    answer = client.post(reverse("runtime:dead-letters"), {"group": group, "act": "try"})
    assert answer.status_code == 200
    assert "Dry run: 3 of 3 would be mapped" in answer.text
    assert set(
        QuarantinedMessage.objects.filter(fingerprint=day.letters[0].fingerprint).values_list("state", flat=True)
    ) == {"dead"}


def test_a_group_is_given_back_to_the_workers_at_a_rate(client, day):
    client.force_login(day.people.sofia)
    group = f"parked.{day.sales.stream.pk}.journal.{day.letters[0].fingerprint}"
    answer = client.post(
        reverse("runtime:dead-letters"), {"group": group, "act": "redrive", "rate": "0.5"}, follow=True
    )
    assert "Retrying 3 messages" in answer.text
    rows = QuarantinedMessage.objects.filter(fingerprint=day.letters[0].fingerprint).order_by("not_before")
    assert {row.state for row in rows} == {"sending"}, "an attempt of each has no answer, so it is asked about first"
    assert round((rows[2].not_before - rows[0].not_before).total_seconds()) == 4


def test_discarding_a_group_needs_a_reason_and_leaves_history(client, day):
    client.force_login(day.people.sofia)
    group = f"parked.{day.sales.stream.pk}.journal.{day.letters[0].fingerprint}"
    refused = client.post(reverse("runtime:dead-letters"), {"group": group, "act": "discard"})
    assert refused.status_code == 422
    assert "Give a reason for discarding these" in refused.text
    client.post(reverse("runtime:dead-letters"), {"group": group, "act": "discard", "reason": "posted by hand"})
    assert not QuarantinedMessage.objects.filter(fingerprint=day.letters[0].fingerprint).exists()
    assert Attempt.objects.filter(outcome="given_up", detail="posted by hand").count() == 3
    trace = client.get(reverse("runtime:traces"), {"q": day.letters[0].key})
    assert "posted by hand" in trace.text


def test_an_edited_message_keeps_the_stored_message_and_sends_the_correction(client, day):
    client.force_login(day.people.sofia)
    letter = day.letters[0]
    assert settle(client, letter, act="edit", payload='{"total": 1.10', reason="tax").status_code == 422
    assert settle(client, letter, act="edit", payload='{"total": 1.10}').status_code == 422
    assert (
        settle(client, letter, act="edit", payload='{"total": 1.10}', reason="tax class corrected").status_code == 302
    )
    page = client.get(reverse("runtime:dead-letter", args=[letter.subscription_id, letter.lane, letter.position]))
    assert "Corrected, not yet sent" in page.text
    assert "1.10" in page.text
    assert AuditEntry.objects.get(verb="runtime.dead_letter_mended").reason == "tax class corrected"
    trace = client.get(reverse("runtime:traces"), {"q": letter.key})
    assert "23.95" in trace.text


def test_what_is_asked_about_is_on_the_page_with_what_a_person_can_do(client, day):
    client.force_login(day.people.sofia)
    asked = day.sales.park(
        day.places[7], "journal", state="sending", reason="404 of the lookup", reason_class="question", key="k7"
    )
    group = f"asked.{day.sales.stream.pk}.journal.{asked.fingerprint}"
    page = client.get(reverse("runtime:dead-letters"), {"group": group})
    assert "Being asked about" in page.text
    assert "Ask about 1" in page.text
    assert "They did not arrive: send them" in page.text
    refused = client.post(reverse("runtime:dead-letters"), {"group": group, "act": "resend"})
    assert refused.status_code == 422
    answer = client.post(reverse("runtime:dead-letters"), {"group": group, "act": "redrive"}, follow=True)
    assert "Asking about 1 message." in answer.text
    one = client.get(reverse("runtime:dead-letter", args=[asked.subscription_id, asked.lane, asked.position]))
    assert "Ask now" in one.text
    early = settle(client, asked, act="resend", reason="not in their list", follow=True)
    assert "may still act on what was sent" in early.text
    QuarantinedMessage.objects.filter(pk=asked.pk).update(first_seen_at=clock.now() - timedelta(hours=1))
    assert settle(client, asked, act="resend", reason="not in their list").status_code == 302
    asked.refresh_from_db()
    assert (asked.state, asked.not_arrived) == ("retry", True)


def test_what_a_worker_is_trying_is_not_decided_on_the_page(client, day):
    client.force_login(day.people.sofia)
    asked = day.sales.park(day.places[7], "journal", state="sending", reason="x", reason_class="unanswered", key="k7")
    QuarantinedMessage.objects.filter(pk=asked.pk).update(lease_until=clock.now() + timedelta(minutes=1))
    answer = settle(client, asked, act="discard", reason="x")
    assert answer.status_code == 302
    assert QuarantinedMessage.objects.filter(pk=asked.pk).exists()


def test_an_unknown_outcome_is_asked_about_first_when_it_is_sent_again(client, day):
    client.force_login(day.people.sofia)
    assert settle(client, day.letters[3], act="redrive").status_code == 302
    day.letters[3].refresh_from_db()
    assert day.letters[3].state == "sending"


def test_what_cannot_be_asked_about_is_not_replayed_by_the_plain_button(client, day):
    client.force_login(day.people.sofia)
    waits = day.sales.park(day.places[7], "journal", state="unknown", reason="gone", reason_class="forgotten", key="k7")
    one = client.get(reverse("runtime:dead-letter", args=[waits.subscription_id, waits.lane, waits.position]))
    assert re.search(r'value="redrive" disabled\s+aria-describedby="why-decide"', one.text)
    assert "its target cannot be asked" in one.text
    assert "It did not arrive: send it" in one.text
    group = f"parked.{day.sales.stream.pk}.journal.{waits.fingerprint}"
    page = client.get(reverse("runtime:dead-letters"), {"group": group})
    assert re.search(r'value="redrive"\s+disabled\s+aria-describedby="why-decide"', page.text)
    refused = client.post(reverse("runtime:dead-letters"), {"group": group, "act": "redrive"})
    assert "sent again, they could be there twice" in refused.text
    waits.refresh_from_db()
    assert waits.state == "unknown"
    assert settle(client, waits, act="resend", reason="not in their list").status_code == 302
    waits.refresh_from_db()
    assert (waits.state, waits.not_arrived) == ("retry", True)


def test_a_settled_message_is_gone_and_says_so(client, day):
    client.force_login(day.people.sofia)
    settle(client, day.letters[0], act="discard", reason="by hand")
    again = settle(client, day.letters[0], act="discard", reason="by hand")
    assert again.status_code == 404
    assert "settled" in again.text


def test_a_rejected_input_is_dismissed_with_a_reason(client, day):
    client.force_login(day.people.sofia)
    address = reverse("runtime:dead-letter-settle", args=["rejected", str(day.rejected.pk)])
    assert client.post(address, {"act": "dismiss"}).status_code == 422
    assert client.post(address, {"act": "dismiss", "reason": "test till"}).status_code == 302
    assert RejectedMessage.objects.get().state == "dismissed"
    assert "Dismissed by sofia: test till" in client.get(reverse("runtime:rejected", args=[day.rejected.pk])).text


def test_a_conflict_is_settled_once(client, day):
    client.force_login(day.people.sofia)
    address = reverse("runtime:dead-letter-settle", args=["conflict", str(day.conflict.pk)])
    assert client.post(address, {"act": "keep", "reason": "the first is right"}).status_code == 302
    assert ConflictCase.objects.get().state == "kept"
    assert client.post(address, {"act": "keep", "reason": "again"}).status_code == 404


def test_a_schedule_is_moved_and_a_wrong_one_is_refused_beside_its_field(client, day):
    client.force_login(day.people.petra)
    schedule = Schedule.objects.get(integration__key="prices")
    address = reverse("runtime:schedule", args=[schedule.pk])
    form = {
        "expression": "daily 25:00",
        "zone": "Europe/Berlin",
        "skipped": "shift",
        "repeated": "first",
        "enabled": "on",
    }
    refused = client.post(address, form)
    assert refused.status_code == 422
    assert "25:00 is not a time of day" in refused.text
    assert client.post(address, form | {"zone": "Mars/Base"}).status_code == 422
    assert client.post(address, form | {"expression": "daily 02:30", "enabled": ""}).status_code == 302
    schedule.refresh_from_db()
    assert (schedule.expression, schedule.enabled) == ("daily 02:30", False)


def test_a_manifest_with_faults_is_shown_again_with_every_place(client, day):
    client.force_login(day.people.sofia)
    manifest = {**scene.SALES, "tier": 9, "surplus": True}
    answer = client.post(reverse("runtime:register"), {"text": json.dumps(manifest)})
    assert answer.status_code == 422
    assert "/tier" in answer.text
    assert "surplus" in answer.text
    assert "sale-to-journal" in answer.text


def test_a_manifest_that_the_catalog_contradicts_is_refused_with_its_places(client, day):
    client.force_login(day.people.sofia)
    answer = client.post(reverse("runtime:register"), {"text": json.dumps({**scene.SALES, "note": "new"})})
    assert answer.status_code == 422
    assert "/targets/0/api" in answer.text
    assert "Nothing was saved" in answer.text


@pytest.mark.parametrize(
    "text", ["a: [1, 2", "a: 1\na: 2", "&a [*a]", "\x01", "[]", '{"a": NaN}', "!!python/object:os.system {}"]
)
def test_text_that_is_no_manifest_is_named_and_kept(client, day, text):
    client.force_login(day.people.sofia)
    answer = client.post(reverse("runtime:register"), {"text": text})
    assert answer.status_code == 422
    assert "Nothing was saved" in answer.text


def test_an_uploaded_file_counts_before_pasted_text_and_is_shown_again(client, day):
    client.force_login(day.people.sofia)
    file = SimpleUploadedFile("m.yaml", b"integration: from-the-file\n")
    answer = client.post(reverse("runtime:register"), {"file": file, "text": "integration: pasted"})
    assert answer.status_code == 422
    assert "integration: from-the-file" in answer.text
    assert "integration: pasted" not in answer.text
