"""Masking makes no two records one: what names a receipt or a row is not looked into, whichever way it comes, and its
document says the same."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.connectors.page_cards import looked_through, without_cards
from runtime.connectors.poslog.connector import documents, transaction_again
from runtime.connectors.poslog.rules import PosLogRules
from runtime.connectors.protocols import Page, Record, RejectedRecord
from runtime.connectors.rawjson import KeyReader
from runtime.connectors.registry import open_source
from runtime.domain import masking, record_keys
from tests.runtime.card_numbers import TWINS, like_a_card
from tests.runtime.connectors.conformance import call, read_all
from tests.runtime.connectors.dropped import read_files
from tests.runtime.connectors.receipts import goods, poslog, receipt, tender, total
from tests.runtime.connectors.test_workbooks import workbook

RUNG = (goods(1, "10.00"), tender(9, "10.00"), total("10.00"))
NUMBER = "<SequenceNumber>1</SequenceNumber><Business"
TILLS = Path(__file__).parent / "tills"
CARD = "4111111111111111"


def of_poslog(numbers: list[str], place: str) -> list[Any]:
    """Receipts that differ in the number of one place."""
    rules: dict[str, Any] = {"currency": "EUR"}
    made = []
    for one in numbers:
        content = receipt(*RUNG)
        if place == "store":
            content = content.replace("<RetailStoreID>7<", f"<RetailStoreID>{one}<")
        elif place == "unit":
            content = content.replace(
                "<RetailStoreID>7</RetailStoreID>", f"<BusinessUnit><UnitID>{one}</UnitID></BusinessUnit>"
            )
        elif place == "workstation":
            content = content.replace("<WorkstationID>1<", f"<WorkstationID>{one}<")
        elif place == "operator":
            rules["numbers_per"] = "operator"
            content = content.replace("<RetailStoreID>", f"<OperatorID>{one}</OperatorID><RetailStoreID>")
        elif place == "transaction":
            rules["number"] = "transaction"
            content = content.replace(NUMBER, f"<TransactionID>{one}</TransactionID><Business")
        else:
            rules["number"] = "receipt"
            content = content.replace(NUMBER, "<Business").replace(
                "<RetailTransaction >", f"<RetailTransaction><ReceiptNumber>{one}</ReceiptNumber>"
            )
        made.append(content)
    return list(documents(io.BytesIO(poslog(*made)), "f.xml", rules=msgspec.convert(rules, PosLogRules)))


def of_sap(numbers: list[str]) -> list[Any]:
    content = (TILLS / "wpubon01.xml").read_text()
    found = []
    for one in numbers:
        changed = content.replace("<BONNUMMER>231<", f"<BONNUMMER>{one}<").encode("latin-1")
        rules = PosLogRules(number="receipt", currency="EUR")
        found.append(next(documents(io.BytesIO(changed), "f.xml", rules=rules)))
    return found


def of_naxml(numbers: list[str]) -> list[Any]:
    content = (TILLS / "naxml.xml").read_text()
    first = content.partition("<TransactionID>")[2].partition("<")[0]
    found = []
    for one in numbers:
        changed = content.replace(f"<TransactionID>{first}<", f"<TransactionID>{one}<").encode()
        rules = PosLogRules(number="transaction", currency="USD")
        found.append(next(documents(io.BytesIO(changed), "f.xml", rules=rules)))
    return found


def paged(found: list[Any]) -> Page:
    """As a run gets them: looked through again, as a page of any source is."""
    records = [one for one in found if isinstance(one, Record)]
    rejected = [one for one in found if isinstance(one, RejectedRecord)]
    return without_cards(Page(records, None, True, rejected), way="sources")


def assert_apart(page: Page, numbers: list[str]) -> None:
    assert not [one.reason for one in page.rejected]
    keys = [one.key for one in page.records]
    assert len(set(keys)) == len(numbers), keys
    for one, number in zip(page.records, numbers, strict=True):
        assert number in one.key
        assert json.loads(one.payload)["id"] == one.key


RECEIPTS: dict[str, Callable[[list[str]], list[Any]]] = {
    **{
        place: lambda numbers, place=place: of_poslog(numbers, place)  # type: ignore[misc]
        for place in ("store", "unit", "workstation", "operator", "transaction", "receipt")
    },
    "SAP": of_sap,
    "NAXML": of_naxml,
}


@settings(max_examples=12, deadline=None)
@given(numbers=TWINS)
@pytest.mark.parametrize("place", RECEIPTS)
def test_no_two_receipts_get_one_key(place: str, numbers: list[str]) -> None:
    assert_apart(paged(RECEIPTS[place](numbers)), numbers)


@pytest.mark.parametrize("place", ["store", "transaction", "receipt"])
def test_a_rejected_receipt_that_is_judged_again_has_the_key_that_it_would_have_had(place: str, tmp_path: Path) -> None:
    number, named = like_a_card(7), {"transaction": "transaction", "receipt": "receipt"}.get(place, "")
    rules = msgspec.convert({"currency": "EUR", "number": named}, PosLogRules)
    (good,) = of_poslog([number], place)
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / "a.xml").write_bytes(_unpaid(place, number))
    source = open_source("poslog", {"root": str(tmp_path), "quiet": 0.0, "currency": "EUR", "number": named})
    pages = [without_cards(page, way="sources") for page in read_all(source, circumstances=call())]
    source.close()
    (held,) = [one for page in pages for one in page.rejected]
    corrected = held.payload.replace(b">9.99<", b">10.00<")
    again = looked_through(transaction_again(corrected, rules), before=True)
    assert isinstance(again, Record), again.reason
    assert again.key == good.key


def _unpaid(place: str, number: str) -> bytes:
    content = receipt(goods(1, "10.00"), tender(9, "9.99"), total("10.00"))
    if place == "store":
        return poslog(content.replace("<RetailStoreID>7<", f"<RetailStoreID>{number}<"))
    if place == "transaction":
        return poslog(content.replace(NUMBER, f"<TransactionID>{number}</TransactionID><Business"))
    content = content.replace(NUMBER, "<Business")
    return poslog(
        content.replace("<RetailTransaction >", f"<RetailTransaction><ReceiptNumber>{number}</ReceiptNumber>")
    )


def table(numbers: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows([["id", "day", "note"], *([one, "2", f"by {CARD}"] for one in numbers)])
    return out.getvalue()


def lines(numbers: list[str], *, digits: bool = False) -> str:
    rows = ({"id": int(one) if digits else one, "day": "2", "note": f"by {CARD}"} for one in numbers)
    return "".join(f"{json.dumps(row)}\n" for row in rows)


FILES: dict[str, tuple[Callable[[list[str]], bytes | str], dict[str, Any]]] = {
    "delimited": (table, {"format": "delimited"}),
    "jsonl": (lines, {"format": "jsonl"}),
    "numbers": (lambda numbers: lines(numbers, digits=True), {"format": "jsonl"}),
    "json": (
        lambda numbers: json.dumps([{"id": one, "day": "2", "note": f"by {CARD}"} for one in numbers]),
        {"format": "json"},
    ),
    "xml": (
        lambda numbers: (
            "<a>" + "".join(f"<r><id>{one}</id><day>2</day><note>by {CARD}</note></r>" for one in numbers) + "</a>"
        ),
        {"format": "xml", "xml": {"record": "a/r"}},
    ),
    "workbook": (
        lambda numbers: workbook(["id", "day", "note"], *([one, "2", f"by {CARD}"] for one in numbers)),
        {"format": "xlsx"},
    ),
    "fixed": (
        lambda numbers: "".join(f"{one}2by {CARD}\n" for one in numbers),
        {
            "format": "fixed",
            "lines": {
                "fields": [{"name": "id", "width": 16}, {"name": "day", "width": 1}, {"name": "note", "width": 19}]
            },
        },
    ),
}


@settings(max_examples=6, deadline=None)
@given(numbers=TWINS, fields=st.sampled_from((["id"], ["id", "day"], ["day", "id"])))
@pytest.mark.parametrize("kind", FILES)
def test_no_two_rows_of_a_file_get_one_key(kind: str, numbers: list[str], fields: list[str]) -> None:
    made, layout = FILES[kind]
    records, rejected, _ = read_files({"a.dat": made(numbers)}, key_fields=fields, patterns=["*.dat"], **layout)
    assert not rejected
    page = paged(records)
    assert len({one.key for one in page.records}) == len(numbers)
    for one, number in zip(page.records, numbers, strict=True):
        row = json.loads(one.payload)
        assert (str(row["id"]), row["note"]) == (number, "by 411111******1111")
        assert number in record_keys.parts_of(one.key)


_parts = st.lists(
    st.one_of(st.sampled_from((CARD, like_a_card(1), "a/b", "a\\b", "\\", "")), st.text("/\\a4", max_size=4)),
    min_size=1,
    max_size=4,
)


@given(parts=_parts)
def test_a_key_tells_its_parts(parts: list[str]) -> None:
    key = record_keys.joined(parts)
    if len(parts) > 1:
        assert record_keys.parts_of(key) == parts


_members = st.sampled_from(("id", "number", "ref", "note"))
_values = st.one_of(
    st.sampled_from([like_a_card(one) for one in (1, 2, 3)]),
    st.sampled_from([int(like_a_card(one)) for one in (1, 2, 3)]),
    st.sampled_from((f"by {CARD}", CARD, "7", 7)),
)
_rows = st.dictionaries(_members, _values, min_size=1)


@settings(max_examples=300, deadline=None)
@given(rows=st.lists(_rows, min_size=2, max_size=4), fields=st.sampled_from((["number"], ["id"], ["number", "ref"])))
def test_masking_leaves_every_key_of_a_document_as_it_is(rows: list[dict[str, Any]], fields: list[str]) -> None:
    """Read from the document before and after masking, a key is the same."""
    reader = KeyReader(fields, None)
    for row in rows:
        payload = json.dumps(row).encode()
        key, *_ = reader.read(payload)
        made, _ = masking.without_cards(payload, key)
        assert reader.read(made)[0] == key


def keyed(document: dict[str, Any], name: str) -> Page:
    payload = json.dumps(document).encode()
    return without_cards(Page([Record(document[name], payload, datetime.now(UTC), origin="f:1")], None, True))


def test_a_card_number_that_is_named_as_one_is_no_key() -> None:
    (rejected,) = keyed({"pan": CARD, "total": 1}, "pan").rejected
    assert "card number" in rejected.reason
    assert rejected.key is None
    assert CARD.encode() not in rejected.payload
    (twice,) = keyed({"id": CARD, "payment": {"cardNumber": CARD}}, "id").rejected
    assert CARD.encode() not in twice.payload


def test_a_key_that_is_called_a_card_number_and_is_none_stays() -> None:
    page = keyed({"card_number": "M-000000000071", "total": 1}, "card_number")
    assert ([one.key for one in page.records], list(page.rejected)) == (["M-000000000071"], [])


def test_a_card_number_beside_the_key_is_masked() -> None:
    (kept,) = keyed({"id": like_a_card(1), "note": CARD, "pan": like_a_card(2)}, "id").records
    shown = json.loads(kept.payload)
    assert shown == {"id": like_a_card(1), "note": "411111******1111", "pan": "400010******2556"}


def test_what_lost_the_middle_of_its_key_is_not_taken_for_another_one() -> None:
    record = Record("7/400010******2556", b'{"id": "7/400010******2556"}', datetime.now(UTC))
    again = looked_through(record, before=False)
    assert isinstance(again, RejectedRecord)
    assert "hand it in whole" in again.reason
