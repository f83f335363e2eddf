"""Intake over HTTP: durable before the answer, every item accounted for, POSLog as XML and batches as JSON."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.urls import reverse

from runtime.api import serializers as shapes
from runtime.api.serializers import IntakeReceiptSerializer
from runtime.ledger import pool
from runtime.models import ConflictCase, Deployment, Message, RejectedMessage, StreamSource
from runtime.services import intake
from tests.round_trips import record

pytestmark = pytest.mark.django_db(transaction=True)

POSLOG = """<?xml version="1.0"?>
<POSLog xmlns="http://www.nrf-arts.org/IXRetail/namespace/">
  <Transaction><RetailStoreID>0187</RetailStoreID><WorkstationID>07</WorkstationID>
  <SequenceNumber>{number}</SequenceNumber>
    <BusinessDayDate>2026-11-18</BusinessDayDate><RetailTransaction/></Transaction>
</POSLog>"""


def test_a_batch_is_held_before_it_is_answered_and_twice_is_once(till):
    body = {"items": [{"id": "a", "total": 1}, {"id": "b", "total": 2}], "correlation_ids": ["till-1", None]}
    first, second = till(body, traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01"), till(body)
    assert (first.status_code, second.status_code) == (202, 202)
    assert (first.json()["accepted"], second.json()["accepted"], second.json()["duplicate"]) == (2, 0, 2)
    assert first.json()["receipts"][0]["correlation"] == "till-1"
    assert set(first.json()["receipts"][0]) == set(IntakeReceiptSerializer().fields)
    assert sorted(Message.objects.values_list("key", "correlation")) == [("a", "till-1"), ("b", None)]
    assert Message.objects.get(key="a").traceparent.startswith("00-aaaa")


def test_an_empty_batch_is_a_sign_of_life(till):
    """Nothing new up to now: how a source that only hands in tells silence from nothing new."""
    assert StreamSource.objects.get().read_at is None
    answer = till({"items": []})
    assert (answer.status_code, answer.json()["accepted"]) == (202, 0)
    assert StreamSource.objects.get().read_at is not None


def test_other_content_under_a_known_key_is_a_conflict_and_overwrites_nothing(till):
    till({"items": [{"id": "a", "total": 1}]})
    answer = till({"items": [{"id": "a", "total": 2}, {"id": "c", "total": 3}]})
    assert answer.status_code == 409
    assert answer.json()["findings"][0]["pointer"] == "/items/0"
    assert answer.json()["accepted"] == 1
    assert Message.objects.get(key="a").payload == {"id": "a", "total": 1}
    assert ConflictCase.objects.get().key == "a"


def test_what_the_contract_refuses_is_named_and_kept_and_the_rest_is_stored(till):
    answer = till({"items": [{"id": "a"}, {"total": 3}, "text"]})
    assert answer.status_code == 422
    assert [one["pointer"] for one in answer.json()["findings"]] == ["/items/1", "/items/2"]
    assert answer.json()["accepted"] == 1
    assert RejectedMessage.objects.count() == 2


def test_a_poslog_document_is_one_item_per_transaction(till):
    first = till(POSLOG.format(number=231).encode(), content_type="application/xml")
    assert first.status_code == 202, first.content
    assert first.json()["receipts"][0]["key"] == "0187/07/2026-11-18/231"
    assert till(POSLOG.format(number=231).encode(), content_type="text/xml").json()["duplicate"] == 1


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"<POSLog", "application/xml", "xml.syntax"),
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]><POSLog>&a;</POSLog>", "application/xml", "poslog.unreadable"),
        (b"<Other/>", "application/xml", "poslog.unreadable"),
        (b'{"items": [1', "application/json", "json.syntax"),
        (b'{"items": [], "items": []}', "application/json", "json.duplicate_key"),
        (b'{"items": {}}', "application/json", "request.invalid"),
        (b'{"items": [{"id": "a"}], "source": "nobody"}', "application/json", "intake.source"),
        (b'{"items": [{"id": "a"}], "correlation_ids": []}', "application/json", "intake.correlation"),
        (b'{"items": [{"id": "a"}], "environment": "nowhere"}', "application/json", "environment.unknown"),
    ],
)
def test_what_cannot_be_read_stores_nothing_and_says_where(till, body, kind, code):
    answer = till(body, content_type=kind)
    assert answer.status_code in (400, 404, 422)
    assert answer.json()["code"] == code
    assert not Message.objects.exists()
    assert not RejectedMessage.objects.exists()


def test_a_fraction_is_taken_over_http_with_every_digit(till):
    answer = till(b'{"items": [{"id": "f", "total": 12345678901234567890.10}]}')
    assert answer.status_code == 202, answer.content
    assert (
        b"12345678901234567890.10"
        in Message.objects.extra(select={"text": "payload::text"}).values_list("text", flat=True)[0].encode()
    )


@pytest.mark.parametrize("shape", [shapes.MendSerializer, shapes.ResubmitSerializer])
def test_a_mended_message_may_hold_fractions(shape):
    made = shape(data={"payload": {"total": Decimal("1.10")}, "reason": "the till rounded", "keep": True})
    made.is_valid()
    assert "payload" not in made.errors


@pytest.mark.parametrize("query", ["", "?environment=production"])
def test_an_address_without_its_last_slash_is_answered_and_led_nowhere_else(till, query):
    """Many clients follow a redirect with another method, and all that follow it send the body twice."""
    path = reverse("runtime-api:intake", args=["sales"]).removesuffix("/") + query
    answer = till({"items": [{"id": "slash", "total": 1}]}, at=path)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
    assert Message.objects.filter(key="slash").exists()


def test_a_sale_is_three_round_trips_to_the_database(till, tmp_path, monkeypatch):
    """Who asks and what that account may do; the locks with what is deployed; the rows with their commit."""
    monkeypatch.setattr(intake, "announce", lambda *_: None)  # its thread speaks over the same line
    monkeypatch.setattr(pool, "TRUSTED_SECONDS", 600.0)  # a machine that stands still for a second asks once more
    for number in range(3):
        assert till({"items": [{"id": f"before-{number}"}]}).status_code == 202
    storing = pool._pool.idle[-1][0]
    with record(connection.connection, tmp_path) as asking, record(storing, tmp_path) as line:
        assert till({"items": [{"id": "a"}]}).status_code == 202
    assert asking.round_trips == 1
    assert line.round_trips == 2


def test_a_store_that_hands_in_everything_again_costs_no_round_trip_for_each_sale(till, tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "announce", lambda *_: None)  # its thread speaks over the same line
    monkeypatch.setattr(pool, "TRUSTED_SECONDS", 600.0)  # a machine that stands still for a second asks once more
    trips = {}
    for many in (5, 250):
        body = {"items": [{"id": f"again-{many}-{number}"} for number in range(many)]}
        for _ in range(3):
            assert till(body).status_code == 202
        storing, folder = pool._pool.idle[-1][0], tmp_path / str(many)
        folder.mkdir()
        with record(connection.connection, folder) as asking, record(storing, folder) as line:
            assert till(body).json()["duplicate"] == many
        trips[many] = (asking.round_trips, line.round_trips)
    assert min(trips[5]) > 0, "both lines are recorded"
    assert trips[250] == trips[5]


def test_what_is_deployed_is_asked_again_with_each_call(till):
    assert till({"items": [{"id": "a"}]}).status_code == 202
    Deployment.objects.update(active=False, ended_at=Now())
    refused = till({"items": [{"id": "b"}]})
    assert (refused.status_code, refused.json()["code"]) == (404, "deployment.none")
    Deployment.objects.update(active=True, ended_at=None)
    assert till({"items": [{"id": "c"}]}).status_code == 202
    assert sorted(Message.objects.values_list("key", flat=True)) == ["a", "c"]


def test_the_environment_in_the_body_decides_which_right_is_asked(till):
    answer = till({"items": [{"id": "a"}], "environment": "moon"})
    assert (answer.status_code, answer.json()["code"]) == (404, "environment.unknown")


@pytest.mark.parametrize("accept", ["application/xml", "text/html"])
def test_who_takes_no_json_is_told_so(till, accept):
    assert till({"items": [{"id": "a"}]}, accept=accept).status_code == 406
    assert till({"items": [{"id": "a"}]}, accept="text/csv, */*;q=0.1").status_code == 202
