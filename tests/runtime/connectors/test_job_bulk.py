"""A bulk operation of GraphQL by the profile of jobs, against the emulator of a shop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from runtime.connectors.protocols import ConnectionFault, Retriable
from runtime.connectors.registry import open_source
from runtime.profiles import profile
from sandbox.client import Sandbox
from tests.runtime.connectors.conformance import call, read_all


@pytest.fixture(scope="module")
def shop_running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(state=tmp_path_factory.mktemp("bulk"), ports={"shop": 0}, seed=7) as sandbox:
        yield sandbox


@pytest.fixture
def shop(shop_running: Sandbox) -> Iterator[Any]:
    fresh = {"bulk_polls": 0, "bulk_lose": 0, "bulk_fails": "", "bulk_expired": False}
    shop_running.shop.control(clear=True, release=True, set=fresh, points=2_000)
    yield shop_running.shop
    shop_running.shop.control(clear=True, release=True, set=fresh, points=2_000)


def bulk(url: str, **more: Any) -> dict[str, Any]:
    """The profile, at the emulator's path and with the words of its schema."""
    one = profile("shopify-bulk")
    query = "query Ask($id: ID!) { node: bulkOperation(id: $id) { id status errorCode objectCount url } }"
    phase = {**one.settings["phases"][0], "path": "/admin/graphql.json"}
    phase["body"] = {"query": query, "variables": {"id": "{job}"}}
    own = {"base_url": url, "auth": {"kind": "header", "name": "X-Shop-Access-Token"}, "phases": [phase]}
    return one.connection({**own, "submit": {"path": "/admin/graphql.json"}, **more})


class TestBulkOperation:
    def test_products_come_with_their_variants(self, shop: Any) -> None:
        with closing(open_source("job", bulk(shop.url))) as source:
            pages = read_all(source, circumstances=call({"key": "sandbox"}))
        rows = [json.loads(one.payload) for page in pages for one in page.records]
        assert len(rows) == 40
        assert [one["size"] for one in rows[0]["variants"]] == ["S", "M"]
        assert pages[-1].cursor == {"since": "2026-03-01T10:00:10Z"}

    def test_another_operation_that_runs_is_waited_for(self, shop: Any) -> None:
        shop.control(set={"bulk_polls": 1})
        circumstances = call({"key": "sandbox"})
        with closing(open_source("job", bulk(shop.url))) as first, closing(open_source("job", bulk(shop.url))) as other:
            page = first.read(None, call=circumstances)
            with pytest.raises(Retriable, match="already in progress") as told:
                other.read(None, call=circumstances)
            assert told.value.after == 60
            with pytest.raises(Retriable, match="is at work"):
                first.read(page.cursor, call=circumstances)
            assert len([r for p in read_all(first, page.cursor, circumstances=circumstances) for r in p.records]) == 40

    @pytest.mark.parametrize(
        ("setting", "words"),
        [
            ({"bulk_lose": 1}, "120 rows, and its result has 119"),
            ({"bulk_expired": True}, "404"),
            ({"bulk_fails": "INTERNAL_SERVER_ERROR"}, "INTERNAL_SERVER_ERROR"),
        ],
    )
    def test_what_is_not_whole_fails_the_run(self, shop: Any, setting: Any, words: str) -> None:
        shop.control(set=setting)
        with closing(open_source("job", bulk(shop.url))) as source, pytest.raises(Exception, match=words):
            read_all(source, circumstances=call({"key": "sandbox"}))

    def test_a_caller_who_is_throttled_or_not_known_is_told_so(self, shop: Any) -> None:
        with closing(open_source("job", bulk(shop.url))) as source:
            shop.control(points=-500)
            with pytest.raises(Retriable, match="Throttled") as told:
                source.read(None, call=call({"key": "sandbox"}))
            assert told.value.after == 10
            with pytest.raises(ConnectionFault):
                source.read(None, call=call({"key": "another"}))
