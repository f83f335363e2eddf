"""A source that is read by page number while its rows go away: what the log has is compared with what the service
has. And what is said to those who register such a source."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bench.order_server import order
from runtime.connectors.protocols import Secrets
from runtime.connectors.registry import open_source
from runtime.domain import manifest as manifests
from runtime.models import Message
from runtime.services import manifest_checks, system_connections
from tests.runtime import scene
from tests.runtime.connectors.server import Server
from tests.runtime.scripted_source import Feed, feed

__all__ = ["feed"]
SIZE = 5
PAGING = {"strategy": "page", "total": "total", "order_by": "number"}


class Orders:
    """A service with forty orders, by page number. `before` is done before a page is given."""

    def __init__(self) -> None:
        self.rows = [order(number) for number in range(1, 41)]
        self.before: Callable[[int], None] = lambda page: None
        self.left_out = 0

    def answer(self, seen: Any) -> tuple[int, dict[str, str], dict[str, Any]]:
        page = int(seen.query["page"])
        self.before(page)
        rows = self.rows[(page - 1) * SIZE : page * SIZE]
        return 200, {}, {"data": rows, "total": len(self.rows) + self.left_out}

    @property
    def numbers(self) -> set[str]:
        return {row["number"] for row in self.rows}


@pytest.fixture
def orders(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> Iterator[Orders]:
    made = Orders()
    feed.deploy()
    with Server(made.answer) as server:

        def opened(connection: Any, **_: Any) -> Any:
            settings = {**connection.settings, "base_url": server.url, "paging": PAGING}
            return open_source("rest", settings), Secrets()

        monkeypatch.setattr(system_connections, "open_source", opened)
        yield made


def stored() -> set[str]:
    return set(Message.objects.values_list("key", flat=True))


@pytest.mark.django_db(transaction=True)
def test_a_run_stores_every_row_that_stays_while_others_go_away(orders: Orders, feed: Feed) -> None:
    def two_go(page: int) -> None:
        if page in (2, 4, 6) and len(orders.rows) > 34:
            del orders.rows[:2]

    orders.before = two_go
    run = feed.run()
    assert run.state == "succeeded"
    assert orders.numbers <= stored()


@pytest.mark.django_db(transaction=True)
def test_a_run_that_gets_less_than_the_service_says_it_has_fails_and_the_next_one_reads_it_all(
    orders: Orders, feed: Feed
) -> None:
    orders.left_out = 1
    run = feed.run()
    assert run.state == "failed"
    assert "says that it has 41 rows, and gave 40" in run.error
    assert any("once more" in said for said in run.warnings)
    assert "since" not in feed.source.cursor

    orders.left_out = 0
    orders.rows[0]["version"] += 1  # on the first page, which a run that went on from its place would not ask for
    run = feed.run()
    assert (run.state, run.read) == ("succeeded", 40)
    assert stored() == orders.numbers


# -- what is said at registration --------------------------------------------------------------------------------------
def told(**settings: Any) -> list[tuple[str, str]]:
    given = copy.deepcopy(scene.PRICES)
    given["sources"][0]["connection"] = {"protocol": "rest", "settings": {"path": "x", "key_fields": ["id"]} | settings}
    found = manifest_checks.warnings(manifests.parse(given).manifest)
    return [(one["pointer"].removeprefix("/sources/0/connection/settings"), one["code"]) for one in found]


CHANGES = {"param": "since", "field": "at"}
ORDER, CHANGES_ONLY = ("/paging/order_by", "paging.order"), ("/changes/full_every", "paging.changes_only")


@pytest.mark.django_db
@pytest.mark.parametrize("strategy", ["page", "offset"])
def test_a_source_that_is_read_by_number_is_warned_of_where_it_may_miss_rows(strategy: str) -> None:
    assert told(paging={"strategy": strategy}) == [ORDER]
    assert told(paging={"strategy": strategy}, changes=CHANGES) == [ORDER, CHANGES_ONLY]
    assert told(paging={"strategy": strategy, "order_by": "id"}, changes=CHANGES) == [CHANGES_ONLY]
    assert told(paging={"strategy": strategy, "order_by": "id"}, changes={**CHANGES, "full_every": "24h"}) == []


@pytest.mark.django_db
def test_other_ways_of_paging_are_not_warned_of() -> None:
    for strategy in ("none", "link", "next", "cursor"):
        assert told(paging={"strategy": strategy}, changes=CHANGES) == []
    assert told(changes=CHANGES) == []


@pytest.mark.django_db
@pytest.mark.parametrize("strategy", ["page", "offset", "range"])
@pytest.mark.parametrize(
    ("changes", "loses"),
    [
        ({"overlap": 0}, True),
        ({"overlap": 0.0, "operator": "gt"}, True),
        ({}, False),
        ({"overlap": 1}, False),
        ({"overlap": 0, "full_every": "24h"}, False),
        ({"overlap": 0, "window": "1h", "until_param": "u", "initial": "2026-01-01T00:00:00Z"}, False),
    ],
)
def test_a_source_by_number_that_would_lose_rows_is_refused_with_its_place(
    strategy: str, changes: dict[str, Any], loses: bool
) -> None:
    settings = {"path": "x", "key_fields": ["id"], "paging": {"strategy": strategy, "size": 10}}
    given = copy.deepcopy(scene.PRICES)
    given["sources"][0]["connection"] = {"protocol": "rest", "settings": settings | {"changes": CHANGES | changes}}
    found = manifest_checks.links(manifests.parse(given).manifest)
    places = [one["pointer"] for one in found if one["code"] == "paging.loses_rows"]
    assert places == (["/sources/0/connection/settings/changes/overlap"] if loses else [])
