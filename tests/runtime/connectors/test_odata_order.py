"""OData V2 services that do not keep the order that is asked for, and pages on which no row has a place. The service
is scripted and pages by `__next`; the witness is its own list of rows."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import urlencode

import pytest

from runtime.connectors.protocols import Refused
from runtime.connectors.registry import open_source
from tests.runtime.connectors.conformance import call, read_all
from tests.runtime.connectors.server import Server
from tests.runtime.connectors.test_odata_stamps import Service

COUNT = 40


class Paged(Service):
    """Gives its rows as `arranged` has them, in pages that lead on by `__next`. `shown(row)` is what it says of one."""

    def __init__(self, arranged: Any = lambda rows: rows, shown: Any = dict, *, size: int = 5) -> None:
        super().__init__({f"m{n:02}": (n + 1) * 1_000_000 for n in range(COUNT)}, size=size)
        self.arranged, self.shown, self.void = arranged, shown, False

    def answer(self, seen: Any) -> Any:
        asked, start = seen.query.get("$filter", ""), int(seen.query.get("$skiptoken", 0))
        if start and self.void:
            return 410, {}, {"error": {"code": "gone", "message": {"lang": "en", "value": "the token has expired"}}}
        rows = [(key, at) for key, at in self.rows.items() if self._fits(asked, key, at)]
        rows = self.arranged(rows)
        page = [self.shown({"id": key, "changed": f"/Date({at // 1000})/"}) for key, at in rows[start:][: self.size]]
        after = {**seen.query, "$skiptoken": start + self.size}
        more = {"__next": f"{seen.path}?{urlencode(after)}"} if start + self.size < len(rows) else {}
        return 200, {}, {"d": {"results": page, **more}}


def reader(server: Server, **more: Any) -> Any:
    settings = {"base_url": server.url, "service": "s", "entity_set": "Rows", "key_fields": ["id"], "overlap": 0.0}
    return open_source("odata_v2", {**settings, "changed": "changed", **more})


def shuffled(rows: list[Any]) -> list[Any]:
    return random.Random(5).sample(rows, len(rows))


def descending(rows: list[Any]) -> list[Any]:
    return rows[::-1]


def by_pairs(rows: list[Any]) -> list[Any]:
    """Each page of two is in order, and the pages come from the last to the first."""
    return [row for n in range(len(rows) - 2, -2, -2) for row in rows[max(n, 0) : n + 2]]


def failure_after(source: Any, cursor: Any, pages: list[Any]) -> Refused:
    """Why a run ends, and the pages before that: what is stored of it."""
    while True:
        try:
            pages.append(source.read(cursor, call=call()))
        except Refused as error:
            return error
        assert not pages[-1].done
        cursor = pages[-1].cursor


DISORDER = [(shuffled, 5), (descending, 5), (descending, 1), (by_pairs, 2)]


@pytest.mark.parametrize(("arranged", "size"), DISORDER)
@pytest.mark.parametrize("changed", ["changed", None])
def test_a_service_that_ignores_the_order_fails_the_run_and_is_never_read_in_part(
    arranged: Any, size: int, changed: str | None
) -> None:
    with Server(Paged(arranged, size=size).answer) as server:
        source = reader(server, changed=changed)
        with pytest.raises(Refused, match=r"ignores \$orderby") as told:
            read_all(source, circumstances=call())
        source.close()
    assert told.value.code == "odata.order"


def test_the_cursor_goes_back_to_where_the_run_began_and_a_repaired_service_is_read_in_full() -> None:
    service = Paged(lambda rows: [r for r in rows if r[0] < "m12"] + shuffled([r for r in rows if r[0] >= "m12"]))
    with Server(service.answer) as server:
        source, pages = reader(server), []
        told = failure_after(source, {"changed": 3000}, pages)
        source.close()
        assert told.code == "odata.order"
        assert pages[0].records[0].key == "m02"
        cursor = pages[-1].cursor
        assert cursor["changed"] == 3000
        service.arranged = lambda rows: rows
        source = reader(server)
        pages = read_all(source, cursor, circumstances=call())
        source.close()
    assert [one.key for page in pages for one in page.records] == [f"m{n:02}" for n in range(2, COUNT)]


def test_a_service_that_gives_a_next_page_behind_its_last_row_is_read_to_its_end() -> None:
    service = Paged(size=5)

    def answer(seen: Any) -> Any:
        status, headers, page = service.answer(seen)
        if len(page["d"]["results"]) == 5:
            page["d"]["__next"] = f"{seen.path}?{urlencode({**seen.query, '$skiptoken': 1000})}"
        return status, headers, page

    with Server(answer) as server:
        source = reader(server)
        pages = read_all(source, circumstances=call())
        source.close()
    assert len({one.key for page in pages for one in page.records}) == COUNT


def odd(places: range, **what: Any) -> Any:
    def shown(row: dict[str, Any]) -> dict[str, Any]:
        return {**row, **what, "was": row["id"]} if int(row["id"][1:]) in places else row

    return shown


ODD = [
    (odd(range(7), id=None), 7, "key"),
    (odd(range(12, 30), id=None), 18, "key"),
    (odd(range(7), changed="yesterday"), 7, "changed: 'yesterday' is not of the form"),
    (odd(range(12, 30), changed="yesterday"), 18, "changed: "),
    (odd(range(28, 40), changed="/Date(253402300800000)/"), 12, "lies outside of the years"),
    (odd(range(40), id=None, changed="never"), 40, "key"),
]


@pytest.mark.parametrize(("shown", "count", "reason"), ODD)
@pytest.mark.parametrize("size", [1, 5])
def test_a_page_full_of_odd_rows_is_so_many_rejects_and_the_others_are_read(
    shown: Any, count: int, reason: str, size: int
) -> None:
    with Server(Paged(shown=shown, size=size).answer) as server:
        source = reader(server)
        pages = read_all(source, circumstances=call())
        source.close()
    rejected = [one for page in pages for one in page.rejected]
    assert len({one.payload for one in rejected}) == count
    assert all(reason in one.reason for one in rejected)
    assert len({one.key for page in pages for one in page.records}) == COUNT - count


def test_a_next_page_that_is_gone_is_begun_anew_by_the_next_run() -> None:
    service = Paged(shown=odd(range(10), changed="yesterday"))
    with Server(service.answer) as server:
        source = reader(server)
        place: Any = source.read(None, call=call()).cursor
        service.void = True
        stored: list[Any] = []
        assert "expired" in failure_after(source, place, stored).message
        source.close()
        service.void = False
        source = reader(server)
        pages = read_all(source, stored[-1].cursor, circumstances=call())
        source.close()
    assert len({one.key for page in pages for one in page.records}) == COUNT - 10


def test_a_next_page_that_leads_nowhere_is_told_of() -> None:
    rows = [{"id": None, "changed": "never"}]
    with Server(lambda seen: (200, {}, {"d": {"results": rows, "__next": "Rows?$skiptoken=1"}})) as server:
        source = reader(server)
        with pytest.raises(Refused, match="never end"):
            read_all(source, circumstances=call())
        source.close()
