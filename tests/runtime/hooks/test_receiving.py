"""Webhooks over HTTP: believed by their signature alone, stored before the answer, done once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from datetime import timedelta

import pytest

from kernel import clock
from kernel.errors import Unavailable
from kernel.models import AuditEntry, OutboxEvent
from runtime.ledger import pool
from runtime.models import Deployment, Hook, HookEvent, HookSequence, Message, RejectedMessage, StreamSource
from sandbox.hook_signing import VENDORS, secret_of
from tests.runtime.hooks.conftest import VARIABLE, event

pytestmark = pytest.mark.django_db(transaction=True)

STATE = {"meaning": "state", "version": "/triggeredAt"}


def test_a_signed_call_is_stored_before_it_is_answered_and_twice_is_once(vendor):
    shop = vendor()
    first, second = shop.send(event(1, total=12.5)), shop.send(event(1, total=12.5))
    assert (first.status_code, first.content, second.status_code) == (200, b"", 200)
    held = Message.objects.get()
    assert (held.key, held.payload["total"], held.correlation) == ("o-1", 12.5, "evt-1")
    assert HookEvent.objects.get().times == 2
    assert Hook.objects.get().event_at is not None


def test_the_words_are_the_same_for_a_wrong_signature_no_signature_and_an_address_that_is_none(vendor):
    shop = vendor()
    answers = [
        shop.send(event(1), secret=secret_of("shopify", "another")),
        shop.call(b"{}", {}),
        shop.send(event(1), at="sales-0123456789abcdef01234567"),
    ]
    assert {one.status_code for one in answers} == {401}
    told = [{**one.json(), "request_id": ""} for one in answers]
    assert all(
        {k: v for k, v in one.items() if k != "instance"} == {k: v for k, v in told[0].items() if k != "instance"}
        for one in told
    )
    assert b"shopify" not in answers[0].content.lower()
    assert not Message.objects.exists()
    assert not HookEvent.objects.exists()
    assert "another secret" in Hook.objects.get().unsigned_why


def test_the_owner_is_told_of_refused_calls_once_an_hour(vendor):
    shop = vendor()
    for _ in range(3):
        shop.call(b"{}", {})
        Hook.objects.update(unsigned_at=clock.now() - timedelta(minutes=2))
    told = OutboxEvent.objects.filter(topic="runtime.hook_fault")
    assert told.count() == 1
    assert told.get().payload["source"] == "shop"
    Hook.objects.update(told_at=clock.now() - timedelta(hours=2), unsigned_at=None)
    shop.call(b"{}", {})
    assert told.count() == 2


def test_an_ended_address_is_an_unknown_one_and_ending_is_in_the_ledger(vendor):
    shop = vendor()
    assert shop.owner("DELETE", f"/{shop.hook.pk}").status_code == 204
    assert shop.send(event(1)).status_code == 401
    assert AuditEntry.objects.filter(verb__in=["runtime.hook_made", "runtime.hook_ended"]).count() == 2


def test_while_a_secret_is_changed_both_are_believed_and_then_only_the_new_one(vendor, monkeypatch):
    shop = vendor()
    monkeypatch.setenv("TILLGATE_WEBHOOK_NEW", new := secret_of("shopify", "new"))
    both = {"secret_ref": "env:TILLGATE_WEBHOOK_NEW", "old_secret_ref": f"env:{VARIABLE}"}
    assert shop.owner("PATCH", f"/{shop.hook.pk}", both).status_code == 200
    assert [shop.send(event(1)).status_code, shop.send(event(2), secret=new).status_code] == [200, 200]
    assert shop.owner("PATCH", f"/{shop.hook.pk}", {"secret_ref": "env:TILLGATE_WEBHOOK_NEW"}).status_code == 200
    assert [shop.send(event(3)).status_code, shop.send(event(4), secret=new).status_code] == [401, 200]


@pytest.mark.parametrize("value", [None, "", "short"])
def test_without_a_usable_secret_nothing_is_believed_and_the_vendor_is_asked_to_come_again(vendor, monkeypatch, value):
    shop = vendor()
    monkeypatch.delenv(VARIABLE) if value is None else monkeypatch.setenv(VARIABLE, value)
    answer = shop.send(event(1), secret=value or "x")
    assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    assert VARIABLE not in answer.content.decode()
    assert VARIABLE in Hook.objects.get().fault
    assert OutboxEvent.objects.filter(topic="runtime.hook_fault").count() == 1
    assert not Message.objects.exists()


@pytest.mark.parametrize("name", ["env:DATABASE_URL", "env:TILLGATE_SECRET_ERP", "file:../x", "secret", ""])
def test_a_secret_is_named_among_those_of_webhooks_alone(vendor, name):
    shop = vendor()
    assert shop.owner("PATCH", f"/{shop.hook.pk}", {"secret_ref": name}).status_code in (400, 422)
    assert Hook.objects.get().secret_ref == f"env:{VARIABLE}"


def test_an_old_payload_that_is_sent_again_after_a_newer_one_is_older_and_not_applied(vendor):
    """Shopify sends what it built at first, however late."""
    shop, now = vendor(**STATE), time.time()
    old, new = event(1, at=now - 60, stock=5), event(1, at=now, stock=3)
    old.id, new.id = "evt-old", "evt-new"
    assert [shop.send(new).status_code, shop.send(old).status_code] == [200, 200]
    assert [one.payload["stock"] for one in Message.objects.all()] == [3]
    assert HookEvent.objects.get(name="evt-old").outcome == "older"


def test_a_captured_call_under_another_id_is_older_where_the_signed_body_holds_the_version(vendor):
    shop = vendor(meaning="state", version="/updated_at")
    body, headers = VENDORS["shopify"](event(1, updated_at="2026-11-23T12:00:00Z"), shop.secret, "", 0)
    later, signed = VENDORS["shopify"](event(2, updated_at="2026-11-23T13:00:00Z"), shop.secret, "", 0)
    assert shop.call(body, headers).status_code == 200
    assert shop.call(later.replace(b"o-2", b"o-1"), signed).status_code == 401
    newer, signed = VENDORS["shopify"](event(1, updated_at="2026-11-23T13:00:00Z"), shop.secret, "", 0)
    assert shop.call(newer, {**signed, "X-Shopify-Webhook-Id": "evt-3"}).status_code == 200
    assert shop.call(body, {**headers, "X-Shopify-Webhook-Id": "captured"}).status_code == 200
    assert [one.payload["updated_at"][11:13] for one in Message.objects.order_by("position")] == ["12", "13"]


def test_the_same_id_with_other_content_is_not_taken_for_done(vendor):
    shop = vendor()
    first, second = event(1), event(2)
    second.id = first.id
    assert [shop.send(first).status_code, shop.send(second).status_code] == [200, 200]
    assert sorted(Message.objects.values_list("key", flat=True)) == ["o-1", "o-2"]


@pytest.mark.parametrize("body", [b"", b"not json", b"[1", b"\xff\xfe", b'{"id": 1, "id": 2}', b'{"total": 1}', b"7"])
def test_what_is_signed_and_cannot_be_used_is_kept_for_a_person_and_answered_with_success(vendor, body):
    shop = vendor()
    made = base64.b64encode(hmac.new(shop.secret.encode(), body, hashlib.sha256).digest()).decode()
    answer = shop.call(body, {"X-Shopify-Hmac-SHA256": made, "X-Shopify-Webhook-Id": "evt-9"})
    assert answer.status_code == 200, answer.content
    assert RejectedMessage.objects.count() == 1
    assert not Message.objects.exists()
    assert HookEvent.objects.get().outcome == "refused"
    assert HookEvent.objects.get().why


def test_cards_are_masked_before_anything_is_stored(vendor):
    shop = vendor()
    shop.send(event(1, pan="4111111111111111", cvv="123"))
    assert Message.objects.get().payload["pan"] == "411111******1111"
    assert "123" not in json.dumps(Message.objects.get().payload["cvv"])


def test_an_event_that_is_not_wanted_is_a_sign_of_life_and_no_message(vendor):
    shop = vendor(settings={"only": {"header:X-Shopify-Topic": ["orders/paid", "products/*"]}}, expect_every="15m")
    assert shop.send(event(1)).status_code == 200
    assert not Message.objects.exists()
    assert HookEvent.objects.get().outcome == "ignored"
    assert StreamSource.objects.get().read_at is not None


def test_an_older_event_is_a_sign_of_life_as_well(vendor):
    shop, now = vendor(**STATE, expect_every="15m"), time.time()
    new, old = event(1, at=now), event(1, at=now - 60)
    old.id = "evt-old"
    shop.send(new)
    before = clock.now()
    StreamSource.objects.update(read_at=None)
    shop.send(old)
    assert HookEvent.objects.get(name="evt-old").outcome == "older"
    assert StreamSource.objects.get().read_at >= before - timedelta(seconds=1)


def test_what_the_signed_body_says_itself_counts_more_than_a_header_of_the_same_name(vendor):
    shop = vendor(**STATE)
    assert shop.send(event(1, triggeredAt="2026-11-23T12:00:00Z")).status_code == 200
    held = Message.objects.get().payload
    assert (held["triggeredAt"], held["topic"]) == ("2026-11-23T12:00:00Z", "orders/create")


def test_adyen_hears_its_own_word_and_each_item_is_a_message(vendor):
    shop = vendor("adyen", key="/event")
    payment = event(1, reference="r-1", value=1130)
    payment.topic = "AUTHORISATION"
    answer = shop.send(payment)
    assert (answer.status_code, answer.content) == (200, b"[accepted]")
    held = Message.objects.get()
    assert (held.key, held.payload["live"]) == ("evt-1:AUTHORISATION:true", "false")
    assert shop.send(payment).content == b"[accepted]"
    assert Message.objects.count() == 1


def test_numbers_of_one_resource_that_are_missing_are_known_and_filled_by_what_comes_late(vendor):
    shop = vendor("commercetools", key="/id")
    for number in (1, 2, 5, 5, 4):
        one = event(number)
        one.payload["id"] = "order-7"
        assert shop.send(one).status_code == 200
    assert (HookSequence.objects.get().highest, HookSequence.objects.get().missing) == (5, [[3, 3]])
    late = event(3)
    late.payload["id"] = "order-7"
    shop.send(late)
    assert HookSequence.objects.get().missing == []
    assert HookSequence.objects.get().gap_at is None


def test_nothing_that_is_too_large_or_packed_is_read(vendor):
    shop = vendor()
    assert shop.call(b"x" * (1024 * 1024 + 1), {}).status_code == 413
    assert shop.send(event(1), headers={"Content-Encoding": "gzip"}).status_code == 415
    assert shop.client.get(f"/hooks/{shop.hook.key}").status_code == 405


def test_where_nothing_is_deployed_any_more_the_vendor_comes_again(vendor):
    shop = vendor()
    Deployment.objects.update(active=False, ended_at=clock.now())
    assert shop.send(event(1)).status_code == 503
    assert "not deployed" in Hook.objects.get().fault


def test_without_the_database_the_vendor_comes_again_and_nothing_is_lost(vendor, monkeypatch):
    shop = vendor()

    def gone(*_args, **_more):
        raise Unavailable("database.unavailable", "The database does not answer.")

    monkeypatch.setattr(pool, "connection", gone)
    assert shop.send(event(1)).status_code == 503
    monkeypatch.undo()
    monkeypatch.setenv(VARIABLE, shop.secret)
    assert shop.send(event(1)).status_code == 200
    assert Message.objects.count() == 1


def test_only_the_owner_makes_an_address_and_each_source_has_one(vendor):
    shop = vendor()
    again = shop.owner("POST", "", {"source": "shop", "secret_ref": f"env:{VARIABLE}"})
    assert again.status_code == 409
    for wrong in (
        {"source": "other"},
        {"source": "shop", "environment": "nowhere"},
        {"source": "shop", "public_url": "x"},
    ):
        answer = shop.owner("POST", "", {"secret_ref": f"env:{VARIABLE}", **wrong})
        assert answer.status_code in (400, 404, 422), answer.content
    listed = shop.owner("GET").json()
    assert [one["source"] for one in listed] == ["shop"]
    assert listed[0]["address"].endswith(f"/hooks/{shop.hook.key}")
    assert shop.secret not in json.dumps(listed)
