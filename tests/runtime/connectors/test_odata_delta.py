"""OData V4 by delta links: all rows first, then what the service says has changed; a link that it forgets begins the
reading anew."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from runtime.connectors.protocols import Refused
from runtime.connectors.registry import open_source
from tests.runtime.connectors.conformance import call, read_all
from tests.runtime.connectors.server import Server

ROWS = [{"id": f"r{n}", "at": f"2026-03-01T10:00:0{n}Z"} for n in range(4)]


class Tracking:
    """Two pages of rows, then a delta link by which changes come. `whole`: its links are whole addresses."""

    def __init__(self, *, whole: bool) -> None:
        self.start = "http://internal.invalid/s/" if whole else ""
        self.changes: list[Any] = []
        self.forgotten = False
        self.given = 0

    def answer(self, seen: Any) -> Any:
        token, page = seen.query.get("$deltatoken"), seen.query.get("$skiptoken")
        if token is None:
            rows, more = (ROWS[2:], False) if page else (ROWS[:2], True)
            link = {"@odata.nextLink": f"{self.start}Rows?$skiptoken=2"} if more else self._delta()
            return 200, {"Preference-Applied": "odata.track-changes"}, {"value": rows, **link}
        if self.forgotten:
            return 410, {}, {"error": {"code": "gone", "message": "the delta token has expired"}}
        return 200, {}, {"value": self.changes[int(token) :], **self._delta()}

    def _delta(self) -> dict[str, str]:
        return {"@odata.deltaLink": f"{self.start}Rows?$deltatoken={len(self.changes)}"}


def reader(server: Server, **more: Any) -> Any:
    settings = {"base_url": server.url, "service": "s", "entity_set": "Rows", "key_fields": ["id"]}
    return open_source("odata_v4", {**settings, "track_changes": True, "changed": "at", **more})


def keys(pages: list[Any]) -> list[str]:
    return [record.key for page in pages for record in page.records]


@pytest.mark.parametrize("whole", [False, True], ids=["relative links", "whole addresses of another host"])
def test_changes_come_by_the_link_of_the_run_before_and_what_was_removed_is_said(whole: bool) -> None:
    service = Tracking(whole=whole)
    with Server(service.answer) as server, closing(reader(server, select=["id"], page_size=2)) as source:
        first = read_all(source, circumstances=call())
        assert keys(first) == ["r0", "r1", "r2", "r3"]
        assert [one.version for one in first[0].records] == [ROWS[0]["at"], ROWS[1]["at"]]
        assert server.seen[0].headers["prefer"] == "odata.maxpagesize=2, odata.track-changes"
        assert server.seen[0].query == {"$select": "id,at"}
        assert keys(read_all(source, first[-1].cursor, circumstances=call())) == []
        service.changes += [
            {"id": "r1", "at": "2026-03-02T10:00:00Z"},
            {"@removed": {"reason": "deleted"}, "@odata.id": "Rows('r2')"},
            {"@odata.context": "$metadata#Rows/$deletedEntity", "id": "Rows('r3')", "reason": "deleted"},
        ]
        (second,) = read_all(source, first[-1].cursor, circumstances=call())
        assert keys([second]) == ["r1"]
        assert "2: Rows('r2'), Rows('r3')" in second.warnings[0]
        assert not second.rejected
        assert keys(read_all(source, second.cursor, circumstances=call())) == []


def test_a_link_that_the_service_has_forgotten_fails_the_run_and_the_next_one_reads_everything() -> None:
    service = Tracking(whole=False)
    with Server(service.answer) as server:
        with closing(reader(server)) as source:
            end = read_all(source, circumstances=call())[-1].cursor
        service.forgotten = True
        with closing(reader(server)) as source:
            page = source.read(end, call=call())
            assert not page.done
            with pytest.raises(Refused, match="has expired"):
                source.read(page.cursor, call=call())
        with closing(reader(server)) as source:
            assert keys(read_all(source, page.cursor, circumstances=call())) == ["r0", "r1", "r2", "r3"]


def test_a_service_that_tracks_nothing_says_so_once_and_a_link_in_a_circle_ends() -> None:
    with (
        Server(lambda seen: (200, {}, {"value": ROWS})) as server,
        closing(reader(server)) as source,
        pytest.raises(Refused, match="does not track"),
    ):
        source.read(None, call=call())
    circle = {"value": ROWS, "@odata.nextLink": "Rows?$skiptoken=2"}
    with Server(lambda seen: (200, {}, circle)) as server, closing(reader(server)) as source:
        page = source.read(None, call=call())
        with pytest.raises(Refused, match="its own page"):
            source.read(page.cursor, call=call())
