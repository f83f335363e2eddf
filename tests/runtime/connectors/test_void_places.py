"""A place inside of a run from which it cannot go on: positions that a service does not take any more, pages in a
circle under positions that are always new. The service is scripted; the witness is its own list of rows."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.connectors.protocols import Refused, Retriable
from runtime.connectors.registry import open_source
from tests.runtime.connectors.conformance import call, read_all
from tests.runtime.connectors.server import Server

COUNT = 25


class Tokens:
    """Rows in pages of five by tokens of a session. From `breaks` on it is down once, and every token is void, which it
    says by `status`. `circle`: where it leads on from there to a page that was given, under a token that is new."""

    def __init__(self, status: int = 410, breaks: int = COUNT + 1, circle: dict[int, int] | None = None) -> None:
        self.rows = [{"id": n, "at": f"2026-03-01T10:00:{n:02}Z"} for n in range(COUNT)]
        self.status, self.breaks, self.circle = status, breaks, circle or {}
        self.sessions, self.alive, self.calls, self.asked = 0, set[int](), 0, list[Any]()

    def answer(self, seen: Any) -> Any:
        self.calls += 1
        self.asked.append(dict(seen.query))
        session, start = (int(part) for part in seen.query.get("token", "0-0").split("-")[:2])
        if not start:
            self.sessions += 1
            session = self.sessions
            self.alive.add(session)
        if session not in self.alive:
            return self.status, {}, {"error": {"code": "TokenExpired", "message": "the token has expired"}}
        if start >= self.breaks:
            self.alive.clear()
            self.breaks = COUNT + 1
            return 503, {}, {"code": "restart"}
        after = self.circle.get(start, start + 5)
        more = {} if after >= COUNT else {"next": f"{seen.path}?token={session}-{after}-{self.calls}"}
        return 200, {}, {"data": self.rows[start : start + 5], **more}


class Cursors(Tokens):
    def answer(self, seen: Any) -> Any:
        status, headers, page = super().answer(seen)
        if "next" in page:
            page["next"] = page["next"].rpartition("=")[2]
        return status, headers, page


def reader(server: Server, strategy: str = "next", **more: Any) -> Any:
    paging = {"strategy": strategy, "cursor_param": "token", **more.pop("paging", {})}
    settings = {"base_url": server.url, "path": "/rows", "items": "data", "key_fields": ["id"], "paging": paging}
    return open_source("rest", {**settings, **more})


def run_until_it_fails(server: Server, cursor: Any = None, **more: Any) -> tuple[Any, Exception]:
    """The cursor that is stored when a run fails, and why it does."""
    source = reader(server, **more)
    try:
        for _ in range(200):
            try:
                page = source.read(cursor, call=call())
            except (Refused, Retriable) as error:
                return cursor, error
            assert not page.done
            cursor = page.cursor
    finally:
        source.close()
    raise AssertionError("the run goes on and on")


def keys_of(pages: list[Any]) -> set[str]:
    return {record.key for page in pages for record in page.records}


@pytest.mark.parametrize(("strategy", "service"), [("next", Tokens), ("cursor", Cursors)])
@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_a_run_whose_position_is_void_begins_anew(strategy: str, service: Any, status: int) -> None:
    service = service(status, breaks=10)
    with Server(service.answer) as server:
        stored, error = run_until_it_fails(server, strategy=strategy)
        assert isinstance(error, Retriable)
        source = reader(server, strategy)
        pages = read_all(source, stored, circumstances=call())
        source.close()
    assert keys_of(pages) == {str(n) for n in range(COUNT)}
    assert any("does not go on at the place" in said for page in pages for said in page.warnings)


def test_the_changes_of_the_run_are_asked_for_again_and_no_more() -> None:
    service = Tokens(breaks=10)
    changes = {"param": "since", "field": "at", "overlap": 0}
    with Server(service.answer) as server:
        stored, _ = run_until_it_fails(server, {"since": "2026-03-01T10:00:00Z"}, changes=changes)
        source = reader(server, changes=changes)
        pages = read_all(source, stored, circumstances=call())
        source.close()
    firsts = [asked for asked in service.asked if "token" not in asked]
    assert [asked["since"] for asked in firsts] == ["2026-03-01T10:00:00Z"] * 2
    assert pages[-1].cursor == {"since": "2026-03-01T10:00:24Z"}


def test_a_service_whose_positions_are_always_void_fails_after_one_new_beginning_and_is_no_address_fault() -> None:
    service = Tokens(404)

    def answer(seen: Any) -> Any:
        service.alive.clear()
        return service.answer(seen)

    with Server(answer) as server:
        stored, error = run_until_it_fails(server)
        assert service.sessions == 1
        stored, again = run_until_it_fails(server, stored)
    assert isinstance(error, Refused)
    assert isinstance(again, Refused)
    assert "404" in again.message
    assert service.sessions == 2


def test_a_place_that_is_missing_for_once_is_taken_up_by_the_next_run() -> None:
    service = Tokens()
    missing = [1]

    def answer(seen: Any) -> Any:
        if seen.query.get("token", "").split("-")[1:2] == ["15"] and missing:
            return 404, {}, {"no": missing.pop()}
        return service.answer(seen)

    with Server(answer) as server:
        stored, error = run_until_it_fails(server)
        source = reader(server)
        pages = read_all(source, stored, circumstances=call())
        source.close()
    assert "404" in str(error)
    assert keys_of(pages) == {str(n) for n in range(15, COUNT)}
    assert service.sessions == 1


def test_credentials_that_are_refused_in_the_middle_begin_nothing_anew() -> None:
    service = Tokens()

    def answer(seen: Any) -> Any:
        return (403, {}, {"message": "no"}) if "token" in seen.query else service.answer(seen)

    with Server(answer) as server:
        source = reader(server)
        place = source.read(None, call=call()).cursor
        with pytest.raises(Exception, match=r"\[credentials\]"):
            source.read(place, call=call())
        source.close()


CIRCLES = [{10: 5}, {15: 5}, {20: 5}, {20: 0}, {10: 10}]


@pytest.mark.parametrize("circle", CIRCLES)
@pytest.mark.parametrize(("strategy", "service"), [("next", Tokens), ("cursor", Cursors)])
def test_pages_in_a_circle_under_positions_that_are_always_new_are_refused_and_read_once_repaired(
    strategy: str, service: Any, circle: dict[int, int]
) -> None:
    service = service(circle=circle)
    with Server(service.answer) as server:
        stored, error = run_until_it_fails(server, strategy=strategy)
        assert isinstance(error, Refused)
        assert error.code == "rest.loop"
        assert service.calls < 60
        service.circle = {}
        source = reader(server, strategy)
        pages = read_all(source, stored, circumstances=call())
        source.close()
    assert keys_of(pages) == {str(n) for n in range(COUNT)}


@pytest.mark.parametrize("strategy", ["page", "offset"])
def test_pages_by_number_in_a_circle_are_refused(strategy: str) -> None:
    rows = [{"id": n} for n in range(15)]

    def answer(seen: Any) -> Any:
        start = int(seen.query["offset"]) if "offset" in seen.query else (int(seen.query["page"]) - 1) * 5
        return 200, {}, {"data": [rows[(start + n) % 15] for n in range(5)]}

    with Server(answer) as server:
        _, error = run_until_it_fails(server, strategy=strategy)
    assert isinstance(error, Refused)
    assert error.code == "rest.loop"


def test_a_circle_that_an_earlier_release_stored_is_left_once_it_is_repaired() -> None:
    service = Tokens()
    service.answer(type("Seen", (), {"query": {}, "path": "/rows"}))
    with Server(service.answer) as server:
        at = f"{server.url}/rows?token=1-5-9"
        source = reader(server)
        service.circle = {5: 5}
        page = source.read({"at": at, "mark": at, "pages": 2}, call=call())
        for _ in range(12):
            if "at" not in page.cursor:
                break
            page = source.read(page.cursor, call=call())
        service.circle = {}
        pages = read_all(source, page.cursor, circumstances=call())
        source.close()
    assert keys_of(pages) == {str(n) for n in range(COUNT)}


def test_a_long_collection_of_pages_that_are_alike_now_and_then_is_read() -> None:
    """Rows that come twice, at the borders of pages and once more behind them."""
    pages = [[{"id": n // 2}, {"id": n // 2}] if n % 7 else [] for n in range(120)]

    def answer(seen: Any) -> Any:
        number = int(seen.query.get("token", 0))
        return 200, {}, {"data": pages[number], "next": str(number + 1) if number < 119 else None}

    with Server(answer) as server:
        source = reader(server, "cursor")
        found = keys_of(read_all(source, circumstances=call()))
        source.close()
    assert found == {str(row["id"]) for page in pages for row in page}
