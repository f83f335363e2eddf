"""One odd item never keeps the others from being stored, and never ends in a 500."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from runtime.models import Message, RejectedMessage

pytestmark = pytest.mark.django_db(transaction=True)

BAD = {
    "lone surrogate in text": (rb'{"id": "x", "text": "\ud800"}', "/text"),
    "lone low surrogate": (rb'{"id": "x", "lines": [{"text": "a\udc00b"}]}', "/lines/0/text"),
    "surrogate in the key": (rb'{"id": "\ud800"}', "/id"),
    "surrogate in a name": (rb'{"id": "x", "\ud800": 1}', ""),
    "NUL, escaped": (rb'{"id": "x", "text": "a\u0000b"}', "/text"),
    "NUL in the key": (rb'{"id": "x\u0000"}', "/id"),
    "NUL, raw": (b'{"id": "x", "text": "a\x00b"}', ""),
    "raw line break in text": (b'{"id": "x", "text": "a\nb"}', ""),
    "bytes that are not UTF-8": (b'{"id": "x", "text": "\xff\xfe"}', ""),
    "absurd exponent": (b'{"id": "x", "total": 1e999999999}', "/total"),
    "absurd negative exponent": (b'{"id": "x", "lines": [1, {"p": -1E-999999999}]}', "/lines/1/p"),
    "whole number without end": (b'{"id": "x", "total": ' + b"9" * 6_000 + b"}", "/total"),
    "too many digits": (b'{"id": "x", "total": 0.' + b"1" * 70 + b"}", "/total"),
    "a long key of digits": (b'{"id": ' + b"7" * 65 + b"}", "/id"),
    "not a number": (b'{"id": "x", "total": NaN}', "/total"),
    "deep": (b'{"id": "x", "deep": ' + b"[" * 80 + b"]" * 80 + b"}", ""),
    "deeper than a stack": (b'{"id": "x", "deep": ' + b'{"a":' * 30_000 + b"1" + b"}" * 30_000 + b"}", ""),
    "large": (b'{"id": "x", "text": "' + b"a" * 1_100_000 + b'"}', ""),
    "a name twice": (b'{"id": "x", "a": 1, "a": 2}', "/a"),
    "key missing": (b'{"total": 1}', ""),
    "key empty": (b'{"id": ""}', "/id"),
    "key of another kind": (b'{"id": [1]}', "/id"),
    "key too long": (b'{"id": "' + b"k" * 501 + b'"}', "/id"),
    "the contract refuses it": (b'"text"', ""),
    "null": (b"null", ""),
}


def batch(*items: bytes) -> bytes:
    return b'{"items": [' + b", ".join(items) + b"]}"


@pytest.mark.parametrize("what", BAD)
def test_whatever_one_item_holds_the_others_are_stored_and_it_is_kept_with_its_reason(till, what):
    raw, pointer = BAD[what]
    body = batch(b'{"id": "before"}', raw, b'{"id": "after", "total": 1.50}')
    answers = [till(body), till(body)]
    assert [answer.status_code for answer in answers] == [422, 422], answers[0].content[:300]
    assert [one["status"] for one in answers[0].json()["receipts"]] == ["accepted", "refused", "accepted"]
    assert [one["status"] for one in answers[1].json()["receipts"]] == ["duplicate", "refused", "duplicate"]
    for answer in answers:
        assert [one["pointer"] for one in answer.json()["findings"]] == [f"/items/1{pointer}"]
        receipt = answer.json()["receipts"][1]
        assert receipt["reason"]
        assert receipt["pointer"] == pointer
    assert answers[0].json()["receipts"][1] == answers[1].json()["receipts"][1]
    assert sorted(Message.objects.values_list("key", flat=True)) == ["after", "before"]
    kept = RejectedMessage.objects.get()
    assert (kept.seen, kept.reason) == (2, answers[0].json()["receipts"][1]["reason"])


def test_harmless_text_that_looks_like_an_escape_is_accepted(till):
    answer = till(rb'{"items": [{"id": "a", "text": "a\\u0000b and \\ud800 and \ud83d\ude00"}]}')
    assert answer.status_code == 202, answer.content
    assert Message.objects.get().payload["text"] == "a\\u0000b and \\ud800 and \U0001f600"


def test_an_item_is_kept_as_it_came(till):
    raw = b'{ "total" : 1.10 , "id":"a",\n "name": "\\u00e4" }'
    assert till(batch(raw)).status_code == 202
    kept = Message.objects.extra(select={"text": "payload::text"}).values_list("text", flat=True)[0]
    assert kept.encode() == raw


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"items": [{"id": "a"}, {"id": tru}]}', 400, "json.syntax"),
        (b'{"items": [{"id": "a"},]}', 400, "json.syntax"),
        (b'{"items": [{"id": "a"}]', 400, "json.syntax"),
        (b'{"items": [{"id": "a"}]} more', 400, "json.syntax"),
        ('{"items": []}'.encode("utf-16"), 400, "json.encoding"),
        (b"[" * 100_000, 422, "json.depth"),
        (b'{"items": [], "items": []}', 422, "json.duplicate_key"),
        (b'{"items": {}}', 422, "request.invalid"),
        (b"[]", 422, "request.invalid"),
        (b'{"items": [], "source": 5e9999999}', 422, "json.number"),
        (b'{"items": [{"id": "a"}], "correlation_ids": ["a", "b"]}', 422, "intake.correlation"),
        (b'{"items": [{"id": "a"}], "source": "\\ud800"}', 422, None),
        (b'{"items": [' + b" " * (12 * 1024 * 1024) + b"]}", 413, "request.too_large"),
    ],
)
def test_only_a_body_that_is_wrong_as_a_whole_is_refused_as_a_whole(till, body, status, code):
    answer = till(body)
    assert answer.status_code == status, answer.content[:300]
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert code in (None, answer.json()["code"])
    assert not Message.objects.exists()


def test_a_body_that_is_no_json_says_where(till):
    answer = till(b'{"items": [\n  {"id": "a"},\n  {"id": tru}]}')
    assert answer.status_code == 400
    assert "line 3, column 10" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("kind", "headers"),
    [
        ("text/plain", {}),
        ("application/x-www-form-urlencoded", {}),
        ("application/json; charset=utf-16", {}),
        ("application/json", {"Content-Encoding": "gzip"}),
    ],
)
def test_a_media_type_that_is_not_read_is_415(till, kind, headers):
    answer = till(b'{"items": []}', kind, **headers)
    assert answer.status_code == 415, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_byte_order_mark_is_passed_over(till):
    assert till(b'\xef\xbb\xbf{"items": [{"id": "a"}]}').status_code == 202


def test_one_transaction_that_cannot_be_identified_does_not_keep_the_document_out(till):
    part = (
        "<Transaction><RetailStoreID>0187</RetailStoreID>{till}<SequenceNumber>{number}</SequenceNumber>"
        "<BusinessDayDate>2026-11-18</BusinessDayDate><RetailTransaction/></Transaction>"
    )
    good = part.format(till="<WorkstationID>07</WorkstationID>", number=1)
    body = '<POSLog xmlns="http://www.nrf-arts.org/IXRetail/namespace/">' + part.format(till="", number=2) + good
    answer = till((body + "</POSLog>").encode(), "application/xml")
    assert answer.status_code == 422, answer.content
    assert [one["status"] for one in answer.json()["receipts"]] == ["refused", "accepted"]
    assert Message.objects.get().key == "0187/07/2026-11-18/1"
    assert RejectedMessage.objects.count() == 1


def test_a_token_that_has_ended_is_401_and_one_without_the_scope_403(till, client):
    address = reverse("runtime-api:intake", args=["sales"])
    ended = client.post(
        address, b'{"items": []}', content_type="application/json", headers={"Authorization": "Bearer tg_gone"}
    )
    assert (ended.status_code, ended.headers["Content-Type"]) == (401, "application/problem+json")
    assert ended.headers["WWW-Authenticate"].startswith("Bearer")
    assert json.loads(ended.content)["code"] == "request.authentication-failed"
