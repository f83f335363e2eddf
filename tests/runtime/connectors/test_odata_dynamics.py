"""OData V4 against the emulator that speaks as Dynamics 365 does; its own journal is the witness."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from runtime.connectors.protocols import OutboundMessage
from runtime.connectors.registry import open_sink, open_source
from runtime.profiles import profile
from sandbox.client import Sandbox
from tests.runtime.connectors.conformance import HttpSourceConformance, SinkConformance, call, read_all

TOKEN = {"token": "sandbox"}
NUMBER = itertools.count(1)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(state=tmp_path_factory.mktemp("dynamics"), ports={"dynamics": 0}, seed=7) as sandbox:
        yield sandbox


@pytest.fixture
def dynamics(running: Sandbox) -> Iterator[Any]:
    yield running.dynamics
    running.dynamics.control(clear=True, release=True, set={"page_size": 7})


def connection(url: str, entity_set: str, **more: Any) -> dict[str, Any]:
    keys = {"Products": ["dataAreaId", "ItemNumber"], "SalesOrders": ["dataAreaId", "SalesOrderNumber"]}
    own = {"entity_set": entity_set, "key_fields": keys[entity_set], "changed": "ModifiedDateTime", "overlap": 0.0}
    settings = profile("dynamics365-finance").connection({"base_url": url, **own, **more})
    return {**settings, "auth": {"kind": "bearer"}}


@pytest.fixture
def circumstances(dynamics: Any) -> Any:
    dynamics.control(set={"page_size": 7})
    return call(TOKEN)


@pytest.fixture
def wrong() -> Any:
    return call({"token": "another"})


@pytest.fixture
def fault(dynamics: Any) -> Any:
    return dynamics.fault


class TestSource(HttpSourceConformance):
    test_discover_names_something_to_read = None  # it has no metadata

    @pytest.fixture
    def make(self, dynamics: Any) -> Any:
        return lambda **more: open_source("odata_v4", connection(dynamics.url, "Products", **more))

    @pytest.fixture
    def expected(self) -> list[str]:
        return [f"{company}/{number:04}" for company in ("usmf", "ussi") for number in range(30)]

    def test_without_the_parameter_of_the_profile_one_company_alone_is_seen(
        self, make: Any, circumstances: Any
    ) -> None:
        with closing(make(parameters={"cross-company": "false"})) as source:
            keys = [one.key for page in read_all(source, circumstances=circumstances) for one in page.records]
        assert {key.partition("/")[0] for key in keys} == {"usmf"}

    def test_a_row_that_changes_during_the_run_hides_no_other(
        self, dynamics: Any, source: Any, circumstances: Any, expected: list[str]
    ) -> None:
        page = source.read(None, call=circumstances)
        seen = [one.key for one in page.records]
        company, number = seen[0].split("/")
        dynamics.control(change={"set": "Products", "row": {"dataAreaId": company, "ItemNumber": number}})
        while not page.done:
            page = source.read(page.cursor, call=circumstances)
            seen += [one.key for one in page.records]
        assert set(seen) == set(expected)
        assert len(seen) == len(expected) + 1

    def test_the_sweep_lists_every_key(self, source: Any, circumstances: Any, expected: list[str]) -> None:
        keys, page = list[str](), source.sweep(None, call=circumstances)
        keys += [one.key for one in page.records]
        while not page.done:
            page = source.sweep(page.cursor, call=circumstances)
            keys += [one.key for one in page.records]
        assert sorted(keys) == sorted(expected)


def item_of(document: Any, key: str, **more: Any) -> OutboundMessage:
    return OutboundMessage(key, key, json.dumps(document).encode(), correlation_id="till-9-42", **more)


class TestSink(SinkConformance):
    @pytest.fixture
    def make(self, dynamics: Any) -> Any:
        lookup = {"field": "CustomerRef", "reference": "SalesOrderNumber"}
        own = {"reference": "SalesOrderNumber", "lookup": lookup, "idempotency": "L"}
        return lambda **more: open_sink("odata_v4", connection(dynamics.url, "SalesOrders", **own, **more))

    @pytest.fixture
    def item(self) -> Any:
        def make_item(quantity: int = 2) -> OutboundMessage:
            key = f"PO-{next(NUMBER)}"
            return item_of({"CustomerRef": key, "Quantity": quantity}, key)

        return make_item

    @pytest.fixture
    def bad(self, item: Any) -> OutboundMessage:
        made: OutboundMessage = item(quantity=0)
        return made

    @pytest.fixture
    def journal(self, dynamics: Any) -> Any:
        return lambda items: [e for e in dynamics.journal() if e.ref in {i.key for i in items}]

    @pytest.fixture
    def effects(self, journal: Any) -> Any:
        return lambda items: [len([e for e in journal([i]) if e.effect == "salesorder.created"]) for i in items]

    def test_the_refusal_says_what_the_vendor_hides_inside(self, sink: Any, circumstances: Any, bad: Any) -> None:
        outcome = sink.write([bad], call=circumstances)[0]
        assert "more than zero" in outcome.message

    def test_an_order_is_changed_in_the_state_that_was_meant_and_deleted_once(
        self, dynamics: Any, sink: Any, circumstances: Any, item: Any
    ) -> None:
        (made,) = sink.write([item()], call=circumstances)
        address = {"dataAreaId": "usmf", "SalesOrderNumber": made.reference}
        for operation, document in (("update", {"Quantity": 5}), ("delete", {}), ("delete", {})):
            own = {"operation": operation, "reference": None, "lookup": None}
            with closing(open_sink("odata_v4", connection(dynamics.url, "SalesOrders", **own))) as changing:
                one = item_of(document, f"{operation}-{made.reference}", address=address, own_address=True)
                (result,) = changing.write([one], call=circumstances)
            assert result.status == "confirmed", result
        entity = f"SalesOrders(usmf,{made.reference})"
        told = [entry.effect for entry in dynamics.journal() if entry.entity == entity]
        assert told == ["salesorder.created", "entity.changed", "entity.deleted"]
