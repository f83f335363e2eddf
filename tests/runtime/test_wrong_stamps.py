"""A change stamp that cannot be true keeps nothing else from being read: no other row, no later state of its own.

The source is a real HTTP server that lies about when its rows changed; ledger, checks and connectors are the real ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bench.order_server import order
from kernel import clock
from runtime.connectors import registry
from runtime.connectors.protocols import Secrets
from runtime.domain.versions import version_number
from runtime.models import Message, Run
from runtime.services import intake, system_connections
from tests.runtime.connectors.server import Server
from tests.runtime.scripted_source import Feed, feed
from tests.runtime.test_services import FEED, catalog, deployed

__all__ = ["catalog", "feed"]
pytestmark = pytest.mark.django_db(transaction=True)
UNITS = {"seconds": 1, "milliseconds": 1_000, "microseconds": 1_000_000}
Stamp = Callable[[float], Any]


class LyingSource:
    """Rows with a change stamp; gives those that changed at or after what it is asked for, oldest first."""

    def __init__(self, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.protocol, self.rows = protocol, dict[int, dict[str, Any]]()
        self.server = Server(self._answer)
        monkeypatch.setattr(system_connections, "open_source", self._open)

    def _open(self, connection: Any, **_: Any) -> Any:
        settings = {"base_url": self.server.url} | connection.settings
        return registry.open_source(self.protocol, settings), Secrets()

    def change(self, number: int, stamp: Any, *, total: float = 1.0) -> None:
        self.rows[number] = {**order(number), "total": total, "updated_at": stamp}

    def _answer(self, seen: Any) -> Any:
        since = seen.query.get("since")
        found = sorted(self.rows.values(), key=lambda row: row["updated_at"])
        if since is not None:
            found = [row for row in found if row["updated_at"] >= type(row["updated_at"])(since)]
        return 200, {}, {"data": found}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILLGATE_PLACE_DROP", str(tmp_path))


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Iterator[LyingSource]:
    made = LyingSource("rest", monkeypatch)
    with made.server:
        yield made


def changes(overlap: int = 0, **more: Any) -> dict[str, Any]:
    feed = {"param": "since", "field": "updated_at", "overlap": overlap}
    settings = {"path": "orders", "items": "data", "key_fields": ["number"], "changes": feed, **more}
    return {"protocol": "rest", "settings": settings}


def deploy(feed: Feed, connection: dict[str, Any]) -> None:
    event = {"name": "order.changed", "meaning": "state", "key": "/number"}
    source = {"name": "orders", "system": "shop", "connection": connection}
    feed.deploy_with(event=event, sources=[source])


def totals(number: int) -> list[float]:
    found = Message.objects.filter(key=f"ORD-{number:08d}").order_by("position")
    return [payload["total"] for payload in found.values_list("payload", flat=True)]


def numbers(unit: str) -> Stamp:
    return lambda seconds: int((clock.now().timestamp() + seconds) * UNITS[unit])


def text(seconds: float) -> str:
    return (clock.now() + timedelta(seconds=seconds)).isoformat()


KINDS = [pytest.param(unit, numbers(unit), id=unit) for unit in UNITS] + [pytest.param(None, text, id="text")]


@pytest.mark.parametrize(("unit", "at"), KINDS)
def test_a_stamp_far_ahead_keeps_no_other_row_from_being_read(
    feed: Feed, source: LyingSource, unit: str | None, at: Stamp
) -> None:
    deploy(feed, changes(stamps={"numbers": unit}))
    source.change(1, at(-60))
    source.change(2, at(86_400 * 365))
    run = feed.run()
    assert (run.read, Message.objects.count()) == (2, 2)
    assert "lies in the future" in run.warnings[0]
    source.change(3, at(-30))
    feed.run()
    assert totals(3) == [1.0]


@pytest.mark.parametrize(("unit", "at"), KINDS)
def test_later_states_of_a_row_whose_stamp_was_far_ahead_are_stored(
    feed: Feed, source: LyingSource, unit: str | None, at: Stamp
) -> None:
    deploy(feed, changes(stamps={"numbers": unit}))
    source.change(1, at(-60), total=1.0)
    source.change(2, at(86_400 * 365), total=1.0)
    feed.run()
    source.change(2, at(-30), total=2.0)
    feed.run()
    assert totals(2) == [1.0, 2.0]


def test_how_far_ahead_a_stamp_may_lie_is_a_setting(feed: Feed, source: LyingSource) -> None:
    deploy(feed, changes(stamps={"ahead": 7200}))
    stamp = text(3600)
    source.change(1, stamp)
    assert feed.run().warnings is None
    assert Message.objects.get().version == version_number(stamp), "it counts as changed when it says"


def test_a_counter_may_climb_but_not_jump(feed: Feed, source: LyingSource) -> None:
    deploy(feed, changes(stamps={"jump": 1000}))
    for number in range(1, 6):
        source.change(number, number * 900)
    source.change(6, 9_000_000_000)
    run = feed.run()
    assert (Message.objects.count(), feed.source.cursor) == (6, {"since": "4500"})
    assert "more than 1000 above 4500" in run.warnings[0]
    source.change(6, 4600, total=2.0)
    feed.run()
    assert (totals(6), feed.source.cursor) == ([1.0, 2.0], {"since": "4600"})


def test_a_cursor_that_such_a_stamp_has_moved_heals_once_the_numbers_are_known_as_times(
    feed: Feed, source: LyingSource
) -> None:
    at = numbers("milliseconds")
    deploy(feed, changes())
    source.change(1, at(86_400 * 365))
    feed.run()
    source.change(2, at(-60))
    deploy(feed, changes(stamps={"numbers": "milliseconds"}))
    feed.run()
    assert totals(2) == [1.0]


def test_odata_holds_to_the_same_setting(feed: Feed, source: LyingSource) -> None:
    source.protocol = "odata_v2"
    stamp = numbers("milliseconds")(3600)

    def answer(seen: Any) -> Any:
        rows = [{**order(1), "updated_at": f"/Date({stamp}+0000)/"}]
        return 200, {}, {"d": {"results": rows}}

    source.server.answer = answer
    connection = {"service": "s", "entity_set": "Orders", "key_fields": ["number"], "changed": "updated_at"}
    deploy(feed, {"protocol": "odata_v2", "settings": connection})
    assert "lies in the future" in feed.run().warnings[0]
    assert feed.source.cursor == {}
    deploy(feed, {"protocol": "odata_v2", "settings": connection | {"stamps": {"ahead": 7200}}})
    feed.run()
    assert feed.source.cursor == {"changed": stamp}


@pytest.mark.parametrize(("unit", "at"), [KINDS[1], KINDS[3]])
def test_a_version_far_ahead_in_a_file_keeps_no_later_state_from_being_stored(
    feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit: str | None, at: Stamp
) -> None:
    settings = {
        "root": "${TILLGATE_PLACE_DROP}",
        "format": "jsonl",
        "quiet": 0,
        "key_fields": ["number"],
        "version_field": "updated_at",
        "stamps": {"numbers": unit},
    }
    deploy(feed, {"protocol": "file_drop", "settings": settings})
    for name, stamp, total in [("a", at(86_400 * 365), 1.0), ("b", at(60), 2.0)]:
        row = {**order(1), "total": total, "updated_at": stamp}
        (tmp_path / "incoming").mkdir(exist_ok=True)
        (tmp_path / "incoming" / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
        feed.run()
    assert totals(1) == [1.0, 2.0]
    assert any("lies in the future" in str(run.warnings) for run in Run.objects.all())


# -- what is wrong stands in the way of nothing ------------------------------------------------------------------------
def test_a_counter_that_jumps_alone_is_passed_by_the_next_true_one(feed: Feed, source: LyingSource) -> None:
    deploy(feed, changes(stamps={"jump": 1000}))
    for total, stamp in enumerate([500, 10**9, 501, 10**9, 502], 1):
        source.change(1, stamp, total=float(total))
        run = feed.run()
        assert (run.state, run.accepted, run.older) == ("succeeded", 1, 0)
    assert (totals(1), feed.source.cursor) == ([1.0, 2.0, 3.0, 4.0, 5.0], {"since": "502"})


@pytest.mark.parametrize(("unit", "at"), KINDS)
def test_a_row_that_stood_above_the_others_is_delivered_with_a_stamp_that_cannot_be_true(
    feed: Feed, source: LyingSource, unit: str | None, at: Stamp
) -> None:
    deploy(feed, changes(overlap=3600, stamps={"numbers": unit}))
    source.change(1, at(-1200))
    source.change(2, at(-600))
    feed.run()
    source.change(2, at(86_400 * 365), total=2.0)
    assert (feed.run().accepted, feed.run().accepted) == (1, 0), "it is one state, however often it is read"
    source.change(2, at(-300), total=3.0)
    feed.run()
    assert totals(2) == [1.0, 2.0, 3.0]


def test_a_true_date_of_the_same_day_is_not_older_than_one_that_cannot_be_true(feed: Feed, source: LyingSource) -> None:
    deploy(feed, changes())
    today = clock.now().date()
    for total, stamp in enumerate([(today - timedelta(days=1)).isoformat(), "2999-01-01", today.isoformat()], 1):
        source.change(1, stamp, total=float(total))
        feed.run()
    assert totals(1) == [1.0, 2.0, 3.0]


def test_a_wrong_stamp_counts_no_higher_than_now_whatever_others_show(feed: Feed, source: LyingSource) -> None:
    deploy(feed, changes(overlap=3600))
    source.change(1, text(250))
    source.change(2, text(86_400 * 365))
    feed.run()
    source.change(2, text(5), total=2.0)
    feed.run()
    assert totals(2) == [1.0, 2.0]


def test_odata_delivers_such_a_row_and_what_comes_after_it(feed: Feed, source: LyingSource) -> None:
    source.protocol = "odata_v2"
    at, rows = numbers("milliseconds"), dict[int, Any]()
    source.server.answer = lambda seen: (200, {}, {"d": {"results": list(rows.values())}})
    connection = {"service": "s", "entity_set": "Orders", "key_fields": ["number"], "changed": "updated_at"}
    deploy(feed, {"protocol": "odata_v2", "settings": connection})
    for total, seconds in enumerate([-60, 86_400 * 365, -30], 1):
        rows[1] = {**order(1), "total": float(total), "updated_at": f"/Date({at(seconds)}+0000)/"}
        feed.run()
    assert totals(1) == [1.0, 2.0, 3.0]


def test_a_file_with_a_stamp_that_cannot_be_true_leaves_the_way_free(feed: Feed, tmp_path: Path) -> None:
    settings = {"root": "${TILLGATE_PLACE_DROP}", "format": "jsonl", "quiet": 0, "key_fields": ["number"]}
    deploy(feed, {"protocol": "file_drop", "settings": settings | {"version_field": "updated_at"}})
    (tmp_path / "incoming").mkdir()
    for total, seconds in enumerate([-600, 86_400 * 365, -300], 1):
        row = {**order(1), "total": float(total), "updated_at": text(seconds)}
        (tmp_path / "incoming" / f"{total}.jsonl").write_text(json.dumps(row) + "\n")
        feed.run()
    assert totals(1) == [1.0, 2.0, 3.0]


def test_what_is_stored_of_such_a_row_is_a_version_like_others(feed: Feed, source: LyingSource) -> None:
    deploy(feed, changes(stamps={"jump": 1000}))
    source.change(1, 500)
    source.change(2, 10**9)
    feed.run()
    assert Message.objects.get(key="ORD-00000002").version == 500


# -- stamps finer than what the ledger keeps ---------------------------------------------------------------------------
FINER = [f"2026-03-02T10:00:00.{digits}Z" for digits in ("1234561", "1234565", "123456", "1234569")]


def test_an_older_state_of_the_same_microsecond_does_not_replace_the_newer_one(feed: Feed, source: LyingSource) -> None:
    deploy(feed, changes(overlap=120))
    for number, stamp in enumerate(FINER, 1):
        source.change(1, stamp, total=float(number))
        run = feed.run()
        assert (run.state, run.older) == ("succeeded", int(number == 3))
    assert totals(1) == [1.0, 2.0, 4.0]


def test_of_a_page_as_well_the_latest_state_of_a_microsecond_counts(feed: Feed, tmp_path: Path) -> None:
    settings = {"root": "${TILLGATE_PLACE_DROP}", "format": "jsonl", "quiet": 0, "key_fields": ["number"]}
    deploy(feed, {"protocol": "file_drop", "settings": settings | {"version_field": "updated_at"}})
    rows = [{**order(1), "total": float(n), "updated_at": stamp} for n, stamp in enumerate(FINER, 1)]
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    feed.run()
    assert totals(1) == [1.0, 2.0, 4.0]


def test_a_handed_in_state_of_the_same_microsecond_is_older_by_its_own_digits(catalog: None) -> None:
    deployed(event={"name": "order.changed", "meaning": "state", "key": "/number", "version": "/updated_at"})
    said = []
    for number, stamp in enumerate(FINER, 1):
        given = {**order(1), "total": float(number), "updated_at": stamp}
        said.append(intake.accept(FEED, "production", [given])[0].status)
    assert said == ["accepted", "accepted", "older", "accepted"]
