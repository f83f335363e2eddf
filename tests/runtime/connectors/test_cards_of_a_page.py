"""A page of records is looked through together: what comes out is what each record alone would give."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import msgspec
import pytest

from runtime.connectors.page_cards import TOGETHER, without_cards
from runtime.connectors.protocols import Page, Record
from runtime.domain import masking

NOW = datetime(2026, 12, 1, tzinfo=UTC)
CARD = "4111111111111111"
ODD = [
    {"note": f"by {CARD}"},
    {"note": "4111-1111-1111-1111"},
    {"n": int(CARD)},
    {"cvv": "123"},
    {"PAN": "x"},
    {"trac\u212a": "x"},
    {"a": "\u0664\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661"},
    {"a": "caf\u00e9"},
    {"ean": "4006381333931"},
    {"big": 4.111111111111111e15},
    {"a\\b": CARD[:8], "b": CARD[8:]},
    {"last": 4111111111},
    {"111111": 1},
]


def record(number: int, document: dict[str, object]) -> Record:
    return Record(str(number), msgspec.json.encode({"id": f"O{number}", **document}), NOW)


@pytest.mark.parametrize("seed", range(12))
def test_a_page_is_masked_as_its_records_one_by_one(seed: int) -> None:
    chosen = random.Random(seed)
    share = chosen.choice([0.0, 0.01, 0.3, 1.0])
    records = [
        record(number, chosen.choice(ODD) if chosen.random() < share else {"total": "12.50", "store": number})
        for number in range(TOGETHER * 2 + chosen.randrange(TOGETHER))
    ]
    page = without_cards(Page(records, {}, True))
    assert [one.payload for one in page.records] == [masking.without_cards(one.payload, one.key)[0] for one in records]


@pytest.mark.parametrize("place", [0, TOGETHER - 1, TOGETHER, TOGETHER + 6])
@pytest.mark.parametrize("odd", ODD[:7], ids=str)
def test_one_card_among_many_records_is_found_wherever_it_stands(place: int, odd: dict[str, object]) -> None:
    records = [record(number, odd if number == place else {"total": "1.00"}) for number in range(TOGETHER + 7)]
    shown = without_cards(Page(records, {}, True)).records
    changed = [number for number, one in enumerate(shown) if one is not records[number]]
    alone, _ = masking.without_cards(records[place].payload, records[place].key)
    assert changed == ([place] if alone != records[place].payload else [])


def test_records_that_stand_side_by_side_do_not_make_a_card_together() -> None:
    records = [record(1, {"last": 41111111}), record(2, {"x": 1}), Record("11111111", b'{"id":11111111}', NOW)]
    page = without_cards(Page(records, {}, True))
    assert page.records == records
    assert not page.warnings
