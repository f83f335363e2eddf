"""What is wrong with a body as a whole is said as HTTP means it; what is wrong with one entry costs that entry."""

from __future__ import annotations

import gzip
import json

import pytest

from runtime.models import Message, RejectedMessage

pytestmark = pytest.mark.django_db(transaction=True)

XML = "application/xml"
PART = (
    "<Transaction><RetailStoreID>0187</RetailStoreID><WorkstationID>07</WorkstationID>"
    "<SequenceNumber>1</SequenceNumber><BusinessDayDate>2026-11-18</BusinessDayDate>"
    "<Note>{note}</Note><RetailTransaction/></Transaction>"
)
POSLOG = '<POSLog xmlns="http://www.nrf-arts.org/IXRetail/namespace/">' + PART + "</POSLog>"

WHOLE = {
    "empty": (b"", "application/json", 400, "request.empty"),
    "empty XML": (b"", XML, 400, "request.empty"),
    "blank": (b" \n ", "application/json", 400, "json.syntax"),
    "blank XML": (b" \n ", XML, 400, "xml.syntax"),
    "only a byte order mark": (b"\xef\xbb\xbf", "application/json", 400, "json.syntax"),
    "no end": (b'{"items": [{"id": "a"}', "application/json", 400, "json.syntax"),
    "something behind it": (b'{"items": [{"id": "a"}]}x', "application/json", 400, "json.syntax"),
    "two of them": (b'{"items": [{"id": "a"}]}\n{"items": [{"id": "b"}]}', "application/json", 400, "json.syntax"),
    "one item without items": (b'{"id": "a"}', "application/json", 422, "request.invalid"),
    "a list": (b'[{"id": "a"}]', "application/json", 422, "request.invalid"),
    "a number": (b"7", "application/json", 422, "request.invalid"),
    "a text": (b'"items"', "application/json", 422, "request.invalid"),
    "null": (b"null", "application/json", 422, "request.invalid"),
    "an empty object": (b"{}", "application/json", 422, "request.invalid"),
    "NaN": (b"NaN", "application/json", 422, "json.not_a_number"),
    "packed": (gzip.compress(b'{"items": []}'), "application/json", 400, "json.encoding"),
    "XML without an end": (POSLOG.format(note="a").encode()[:-9], XML, 400, "xml.syntax"),
    "XML with something behind it": (POSLOG.format(note="a").encode() + b"<x/>", XML, 400, "xml.syntax"),
    "XML with a wrong tag": (b"<POSLog><Transaction></POSLog>", "text/xml", 400, "xml.syntax"),
    "JSON as XML": (b'{"items": []}', XML, 400, "xml.syntax"),
    "XML as JSON": (b"<POSLog/>", "application/json", 400, "json.syntax"),
    "XML of a charset that nobody knows": (b'<?xml version="1.0" encoding="x-none"?><POSLog/>', XML, 400, "xml.syntax"),
    "another XML document": (b"<Order/>", XML, 422, "poslog.unreadable"),
    "a document type": (b'<!DOCTYPE POSLog [<!ENTITY a "b">]><POSLog>&a;</POSLog>', XML, 422, "poslog.unreadable"),
    "another media type": (b"id,total\n", "text/csv", 415, None),
    "no media type": (b'{"items": []}', "", 415, None),
    "a charset that is not read": (b'{"items": []}', "application/json; charset=utf-16", 415, "request.charset"),
    "an XML charset that is not known": (b"<POSLog/>", "text/xml; charset=x-none", 415, "request.charset"),
}


def test_a_body_that_cannot_be_read_has_the_status_that_the_documentation_says(till):
    for what, (body, kind, status, code) in WHOLE.items():
        answer = till(body, kind)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json"), what
        problem = answer.json()
        assert code in (None, problem["code"]), what
        assert problem["type"] == f"https://tillgate.dev/problems/{problem['code']}"
        assert "receipts" not in problem
    assert not Message.objects.exists()
    assert not RejectedMessage.objects.exists()


def test_the_same_media_type_in_other_spellings_is_read(till):
    for kind in ("APPLICATION/JSON", 'application/json; charset="UTF-8"', "application/json;charset=utf8"):
        assert till(b'{"items": [{"id": "a"}]}', kind).status_code == 202, kind


def test_an_item_that_is_no_object_is_one_reject(till):
    items = [b"[]", b"{}", b"7", b'"a"', b"true", b"[[1]]", b"-0", b"1e400", b"Infinity"]
    answer = till(b'{"items": [{"id": "a"}, ' + b", ".join(items) + b', {"id": "b"}]}')
    assert answer.status_code == 422
    statuses = [one["status"] for one in answer.json()["receipts"]]
    assert statuses == ["accepted", *["refused"] * len(items), "accepted"]
    assert sorted(RejectedMessage.objects.values_list("raw", flat=True)) == sorted(item.decode() for item in items)


UNUSABLE = [rb'"\ud800"', rb'"\u0000"', b'"' + b"x" * 65 + b'"', b'""', b"{}", b'["a"]', b"true", b"NaN", b"1e999"]


def test_a_correlation_id_that_cannot_be_used_costs_nothing_but_itself(till):
    for number, bad in enumerate([*UNUSABLE, b'"a\nb"', rb'"a\nb"', b"7"]):
        items = json.dumps([{"id": f"{number}/{one}"} for one in range(3)]).encode()
        answer = till(b'{"correlation_ids": ["x-1", ' + bad + b', null], "items": ' + items + b"}")
        assert answer.status_code == 202, (bad, answer.content)
        receipts = answer.json()["receipts"]
        assert [one["status"] for one in receipts] == ["accepted"] * 3
        assert receipts[0]["correlation"] == "x-1"
        assert receipts[1]["correlation"] not in ("", "x-1")
        assert ["correlation id" in one["reason"] for one in receipts] == [False, True, False]


def test_correlation_ids_that_are_no_list_or_too_few_are_refused_for_nobody_knows_whose_they_are(till):
    for given in (b'"x"', b'["x"]', b"{}", b'["x", "y", "z"]'):
        answer = till(b'{"items": [{"id": "a"}, {"id": "b"}], "correlation_ids": ' + given + b"}")
        assert (answer.status_code, answer.json()["findings"][0]["pointer"]) == (422, "/correlation_ids")
    assert not Message.objects.exists()


XML_CHARSETS = [
    ("text/xml; charset=iso-8859-1", "", "iso-8859-1"),
    ("application/xml; charset=utf-8", '<?xml version="1.0" encoding="iso-8859-1"?>', "utf-8"),
    ("application/xml; charset=iso-8859-1", "", "utf-8-sig"),
    ("application/xml", '<?xml version="1.0" encoding="utf-16"?>', "utf-16"),
]


def test_the_media_type_says_the_charset_of_xml_and_a_mark_says_it_better(till):
    for kind, declared, encoding in XML_CHARSETS:
        answer = till((declared + POSLOG.format(note="Käse")).encode(encoding), kind)
        assert answer.status_code == 202, (kind, answer.content)
    assert [one["status"] for one in answer.json()["receipts"]] == ["duplicate"]


def test_an_item_that_is_nested_without_end_is_one_refused_item(till):
    for number, levels in enumerate((70, 2_000, 100_000)):
        deep = b'{"id": "deep%d", "n": ' % number + b"[" * levels + b"]" * levels + b"}"
        around = [b'{"id": "%d%s"}' % (number, side) for side in (b"a", b"b")]
        answer = till(b'{"items": [' + b", ".join([around[0], deep, around[1]]) + b"]}", "application/json")
        assert answer.status_code == 422, answer.content[:500]
        assert [one["status"] for one in answer.json()["receipts"]] == ["accepted", "refused", "accepted"], levels
        assert "nested deeper than 64 levels" in answer.json()["receipts"][1]["reason"]
