"""A time of change that has not come yet moves no cursor."""

from __future__ import annotations

from datetime import timedelta

from kernel import clock
from runtime.connectors.registry import open_source
from runtime.connectors.stamps import StampRules
from tests.runtime.connectors.conformance import call
from tests.runtime.connectors.server import Server


def test_a_time_with_zone_some_hours_ahead_has_not_come_yet_and_one_without_may_have() -> None:
    now, rules = clock.now(), StampRules()
    assert rules.in_future((now + timedelta(hours=20)).isoformat())
    assert not rules.in_future((now + timedelta(minutes=2)).isoformat())
    assert not rules.in_future((now + timedelta(hours=10)).replace(tzinfo=None).isoformat())
    assert rules.in_future((now + timedelta(hours=30)).replace(tzinfo=None).isoformat())


def test_a_row_ahead_of_time_is_read_and_warned_of() -> None:
    now = clock.now()
    true, wrong = (now - timedelta(minutes=1)).isoformat(), (now + timedelta(hours=20)).isoformat()
    rows = [{"id": 1, "at": true}, {"id": 2, "at": wrong}]
    with Server(lambda _: (200, {}, {"data": rows})) as server:
        changes = {"param": "since", "field": "at"}
        settings = {"path": "/rows", "items": "data", "key_fields": ["id"], "changes": changes}
        source = open_source("rest", {"base_url": server.url, **settings})
        page = source.read(None, call=call())
        source.close()
    assert [record.key for record in page.records] == ["1", "2"]
    assert page.cursor == {"since": true}
    assert "future" in page.warnings[0]
