"""A source that says by which field its service sorts: the rows that come are looked at, and a run is warned."""

from __future__ import annotations

from typing import Any

import pytest

from tests.runtime.connectors.conformance import call
from tests.runtime.connectors.server import Server
from tests.runtime.connectors.test_moving_rows import reader

SORTED = [
    ([1, 2, 2, 9, 10], "id"),
    ([10, 9, 3], "descending"),
    (["9", "10", "100"], "numbers as texts"),
    (["2026-03-01T10:00:00Z", "2026-03-01T12:00:00+01:00", "2026-03-02"], "times"),
    (["apple", "Banana", "cherry"], "texts whatever their case"),
    (["a-b", "ab", "a c"], "texts whose order depends on a collation"),
    ([None, 1, 2, None], "rows without it"),
    ([5, 5, 5], "all alike"),
]
UNSORTED = [
    ([1, 3, 2], "3, then 2"),
    (["10", "9", "100"], "9, then 100"),
    (["2026-03-01T10:00:00Z", "2026-03-03T10:00:00Z", "2026-03-02T10:00:00Z"], "2026-03-02"),
    (["apple", "Cherry", "banana"], "Cherry, then banana"),
    ([1.5, 1.25, 1.75], "1.25, then 1.75"),
]


def warnings(values: list[Any], strategy: str = "offset", name: str = "at") -> list[str]:
    rows = [{"id": number, name: value} for number, value in enumerate(values)]

    def answer(seen: Any) -> Any:
        start = int(seen.query.get("offset", 0)) if strategy == "offset" else (int(seen.query["page"]) - 1) * 50
        return 200, {}, {"data": rows[start : start + 50]}

    with Server(answer) as server:
        source = reader(server, strategy, order_by="at")
        try:
            pages = list(pages_of(source))
        finally:
            source.close()
    return [one for page in pages for one in page.warnings]


def pages_of(source: Any) -> Any:
    cursor = None
    for _ in range(10):
        page = source.read(cursor, call=call())
        yield page
        if page.done:
            return
        cursor = page.cursor


@pytest.mark.parametrize(("values", "what"), SORTED, ids=[what for _, what in SORTED])
def test_rows_that_come_in_the_order_that_is_said_are_no_news(values: list[Any], what: str) -> None:
    assert warnings(values) == []


@pytest.mark.parametrize(("values", "shown"), UNSORTED)
@pytest.mark.parametrize("strategy", ["offset", "page"])
def test_rows_in_another_order_are_told_of(values: list[Any], shown: str, strategy: str) -> None:
    said = warnings(values, strategy)
    assert "do not come in the order of 'at'" in said[0]
    assert shown in said[0]


def test_a_field_that_no_row_has_is_told_of() -> None:
    assert "no row has 'at'" in warnings([1, 2], name="other")[0]


def test_everything_is_read_all_the_same() -> None:
    rows = [{"id": number, "at": at} for number, at in enumerate((3, 1, 2))]
    with Server(lambda seen: (200, {}, {"data": rows[int(seen.query.get("offset", 0)) :]})) as server:
        source = reader(server, "offset", order_by="at")
        assert {record.key for page in pages_of(source) for record in page.records} == {"0", "1", "2"}
        source.close()
