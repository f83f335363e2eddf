"""GraphQL against the emulator of a shop, whose own journal is the witness, and against answers of the test."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from kernel.errors import Invalid
from runtime.connectors.protocols import ConnectionFault, OutboundMessage, Retriable
from runtime.connectors.registry import open_sink, open_source
from sandbox.client import Sandbox
from tests.runtime.connectors.conformance import HttpSourceConformance, SinkConformance, call, read_all
from tests.runtime.connectors.server import Server

KEY = {"key": "sandbox"}
NUMBER = itertools.count(1)
AUTH = {"kind": "header", "name": "X-Shop-Access-Token"}
QUERY = """query Products($first: Int!, $after: String, $filter: String) {
  products(first: $first, after: $after, query: $filter) {
    edges { node { id title price updatedAt stock } } pageInfo { hasNextPage endCursor }
  }
}"""
CREATE = """mutation Create($order: OrderInput!) {
  made: orderCreate(order: $order) { order { id note } userErrors { code field message } }
}"""
LOOKUP = "query Orders($query: String) { orders(first: 10, query: $query) { nodes { id reference total } } }"
FIND = {
    "query": LOOKUP,
    "variable": "query",
    "value": "reference:'{key}'",
    "found": "orders.nodes",
    "match": "reference",
}


BY_ID = """query Products($first: Int!, $filter: String) {
  products(first: $first, query: $filter, sort: "ID") { nodes { id title updatedAt } }
}"""
KEYSET = {"variable": "filter", "fields": ["id"], "value": "id:>{id}", "quote": "single"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(state=tmp_path_factory.mktemp("shop"), ports={"shop": 0}, seed=7) as sandbox:
        yield sandbox


FRESH = {"page_size": 250, "points": 2_000.0, "rate": 100.0, "broken": ""}


@pytest.fixture
def shop(running: Sandbox) -> Iterator[Any]:
    running.shop.control(clear=True, release=True, set=FRESH, points=2_000)
    yield running.shop
    running.shop.control(clear=True, release=True, set=FRESH, points=2_000, auth="restore")


@pytest.fixture
def circumstances(shop: Any) -> Any:
    return call(KEY)


@pytest.fixture
def wrong() -> Any:
    return call({"key": "another-key"})


@pytest.fixture
def fault(shop: Any) -> Any:
    return shop.fault


def reading(url: str, **more: Any) -> dict[str, Any]:
    changes = {"variable": "filter", "field": "updatedAt", "value": "updated_at:>='{since}'"}
    own = {"query": QUERY, "connection": "products", "size": 9, "key_fields": ["id"], "changes": changes}
    return {"base_url": url, "path": "/admin/graphql.json", "auth": AUTH, **own, **more}


def writing(url: str, **more: Any) -> dict[str, Any]:
    own = {"mutation": CREATE, "input": "order", "reference": "order.id", "idempotency": "L", "lookup": FIND}
    return {"base_url": url, "path": "/admin/graphql.json", "auth": AUTH, **own, **more}


class TestSource(HttpSourceConformance):
    @pytest.fixture
    def make(self, shop: Any) -> Any:
        return lambda **more: open_source("graphql", reading(shop.url, **more))

    @pytest.fixture
    def expected(self) -> list[str]:
        return [f"gid://shop/Product/{number}" for number in range(1, 41)]

    def test_a_later_run_reads_what_has_changed(self, shop: Any, make: Any, circumstances: Any) -> None:
        with closing(make()) as source:
            end = read_all(source, circumstances=circumstances)[-1].cursor
            assert end["since"] == "2026-03-01T10:00:10Z"
            shop.control(change={"id": 3, "price": "9.99"})
            records = [one for page in read_all(source, end, circumstances=circumstances) for one in page.records]
        assert "gid://shop/Product/3" in {one.key for one in records}
        assert len(records) < 42  # less the overlap: these rows lie within two minutes of the last one

    def test_data_that_come_with_errors_are_trouble_and_no_page(
        self, shop: Any, source: Any, circumstances: Any
    ) -> None:
        shop.control(set={"broken": "field"})
        with pytest.raises(Retriable, match="The stock service is away"):
            read_all(source, circumstances=circumstances)

    def test_a_node_that_is_kept_back_is_no_smaller_page(self, shop: Any, source: Any, circumstances: Any) -> None:
        shop.control(set={"broken": "node"})
        with pytest.raises(Retriable, match="may hold less"):
            read_all(source, circumstances=circumstances)
        nodes = QUERY.replace("edges { node { id title price updatedAt stock } }", "nodes { id updatedAt }")
        with closing(open_source("graphql", reading(shop.url, query=nodes, rows="nodes"))) as other:
            with pytest.raises(Retriable, match="may hold less"):
                read_all(other, circumstances=circumstances)
            shop.control(set={"broken": ""})
            assert len([one for page in read_all(other, circumstances=circumstances) for one in page.records]) == 40

    def test_a_caller_without_points_waits_for_as_long_as_they_take_to_come_back(
        self, shop: Any, source: Any, circumstances: Any
    ) -> None:
        shop.control(set={"rate": 0.5}, points=3)
        with pytest.raises(Retriable, match="Throttled") as told:
            source.read(None, call=circumstances)
        assert told.value.after == pytest.approx(14, abs=1)  # 10 points for 9 nodes, 3 there, one in two seconds

    def test_a_call_that_is_known_to_cost_too_much_is_not_made(
        self, shop: Any, source: Any, circumstances: Any
    ) -> None:
        shop.control(set={"rate": 0.5}, points=15)
        page = source.read(None, call=circumstances)
        before = shop.state()["calls"]["graphql.call"]
        with pytest.raises(Retriable, match="no points left") as told:
            source.read(page.cursor, call=circumstances)
        assert 5 < told.value.after <= 10
        assert shop.state()["calls"]["graphql.call"] == before

    def test_a_query_that_does_not_fit_is_a_fault_of_the_connection(self, shop: Any, circumstances: Any) -> None:
        source = open_source("graphql", reading(shop.url, query=QUERY.replace("title", "headline")))
        with pytest.raises(ConnectionFault, match="headline") as told:
            source.read(None, call=circumstances)
        assert told.value.kind == "settings"
        shop.control(set={"points": 5})
        other = open_source("graphql", reading(shop.url))
        with pytest.raises(ConnectionFault, match="MAX_COST_EXCEEDED"):
            other.read(None, call=circumstances)
        source.close()
        other.close()


class TestSink(SinkConformance):
    @pytest.fixture
    def make(self, shop: Any) -> Any:
        return lambda **more: open_sink("graphql", writing(shop.url, **more))

    @pytest.fixture
    def item(self) -> Any:
        def make_item(total: str = "12.50", **more: Any) -> OutboundMessage:
            key = f"order-{next(NUMBER)}."
            body = json.dumps({"reference": key, "total": total, **more}).encode()
            return OutboundMessage(key, key, body, correlation_id="till-9-42")

        return make_item

    @pytest.fixture
    def bad(self, item: Any) -> OutboundMessage:
        made: OutboundMessage = item(total="dear")
        return made

    @pytest.fixture
    def journal(self, shop: Any) -> Any:
        return lambda items: [e for e in shop.journal() if e.ref in {i.key for i in items}]

    @pytest.fixture
    def effects(self, journal: Any) -> Any:
        return lambda items: [len(journal([i])) for i in items]

    def test_what_the_shop_refuses_comes_with_its_field_and_code(self, sink: Any, circumstances: Any, bad: Any) -> None:
        (result,) = sink.write([bad], call=circumstances)
        assert (result.status, result.code) == ("refused", "INVALID")
        assert result.message == "order.total: Total is not an amount"

    def test_an_error_behind_the_effect_is_unknown_and_asking_finds_it(
        self, shop: Any, sink: Any, circumstances: Any, item: Any, effects: Any
    ) -> None:
        shop.control(set={"broken": "behind"})
        one = item()
        (result,) = sink.write([one], call=circumstances)
        assert result.status == "unknown", result
        assert effects([one]) == [1]
        assert sink.ask([one.key], call=circumstances)[one.key].status == "confirmed"

    def test_a_caller_who_may_not_write_is_no_matter_of_the_message(
        self, shop: Any, sink: Any, circumstances: Any, item: Any
    ) -> None:
        shop.control(set={"broken": "denied"})
        with pytest.raises(ConnectionFault) as told:
            sink.write([item()], call=circumstances)
        assert told.value.kind == "credentials"

    def test_variables_that_do_not_fit_refuse_this_message_alone(
        self, sink: Any, circumstances: Any, item: Any, effects: Any
    ) -> None:
        good, odd = item(), item(colour="red")
        results = sink.write([odd, good], call=circumstances)
        assert [one.status for one in results] == ["refused", "confirmed"]
        assert "colour" in results[0].message
        assert effects([good]) == [1]

    def test_a_shop_without_points_sends_nothing_on_and_says_when(
        self, shop: Any, sink: Any, circumstances: Any, item: Any, effects: Any
    ) -> None:
        shop.control(set={"rate": 0.5}, points=10)
        items = [item(), item(), item()]
        results = sink.write(items, call=circumstances)
        assert [one.status for one in results] == ["confirmed", "refused", "refused"]
        assert all(15 < one.retry_after <= 20 for one in results[1:])
        assert effects(items) == [1, 0, 0]

    def test_a_search_that_finds_a_neighbour_finds_nothing(
        self, shop: Any, sink: Any, circumstances: Any, item: Any
    ) -> None:
        one = item()
        shop.control(sold=[{"reference": f"{one.key}-2", "total": "1"}])
        assert sink.ask([one.key], call=circumstances) == {one.key: None}

    def test_an_upsert_has_one_effect(self, shop: Any, circumstances: Any, item: Any, effects: Any) -> None:
        mutation = CREATE.replace("orderCreate", "orderUpsert")
        with closing(open_sink("graphql", writing(shop.url, mutation=mutation, idempotency="N"))) as sink:
            one = item()
            statuses = [sink.write([one], call=circumstances)[0].status for _ in range(2)]
        assert statuses == ["confirmed", "confirmed"]
        assert effects([one]) == [1]


REFERENCE = {"data": {"made": {"order": {"id": "gid://shop/Order/7"}, "userErrors": []}}}
DENIED = {"message": "Access denied", "path": ["made"], "extensions": {"code": "ACCESS_DENIED"}}
ANSWERS = [
    (200, REFERENCE, "confirmed"),
    (200, {"data": {"made": None}}, "unknown"),
    (200, {"data": {"made": {"order": None, "userErrors": []}}}, "unknown"),
    (200, {"data": None, "errors": [{"message": "boom", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]}, "unknown"),
    (200, {"errors": [{"message": "Internal error"}]}, "unknown"),
    (200, {**REFERENCE, "errors": [{"message": "late", "path": ["made", "order", "total"]}]}, "unknown"),
    (200, {**REFERENCE, "errors": [DENIED]}, "unknown"),
    (200, {"data": {"made": None}, "errors": [DENIED]}, "credentials"),
    (200, {"data": {"made": {"order": None, "userErrors": [{"code": "TAKEN", "message": "taken"}]}}}, "refused"),
    (200, {"data": {"made": {"userErrors": [{"code": "LATER", "message": "later"}]}}}, "retry"),
    (200, {"errors": [{"message": 'Variable "$order" got invalid value'}]}, "refused"),
    (400, {"errors": [{"message": "x", "extensions": {"code": "BAD_USER_INPUT"}}]}, "refused"),
    (400, {"errors": [{"message": "x", "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"}}]}, "settings"),
    (200, {"errors": [{"message": "x", "extensions": {"code": "THROTTLED"}}]}, "busy"),
    (400, {"errors": [{"message": "Cannot query field 'x' on type 'Mutation'."}]}, "settings"),
    (403, {"errors": [{"message": "no"}]}, "credentials"),
    (502, {"errors": [{"message": "x", "extensions": {"code": "THROTTLED"}}]}, "unknown"),
]


@pytest.mark.parametrize(("status", "body", "expected"), ANSWERS)
def test_an_answer_to_a_mutation_means_what_is_proven(status: int, body: Any, expected: str) -> None:
    rules = [{"says": "retry", "codes": ["LATER"], "wait": 30}]
    with Server(lambda seen: (status, {}, body)) as server:
        sink = open_sink("graphql", writing(server.url, answers=rules))
        try:
            (result,) = sink.write([OutboundMessage("k", "k", b'{"reference": "k"}')], call=call(KEY))
            found = "retry" if result.retriable else result.status
        except ConnectionFault as told:
            found = told.kind
        except Retriable:
            found = "busy"
        sink.close()
    assert found == expected
    sent = server.seen[0].json()
    assert sent == {"query": CREATE, "variables": {"order": {"reference": "k"}}}


@pytest.mark.parametrize("path", ["key", "order.clientKey"])
def test_the_key_of_class_k_goes_where_the_mutation_takes_it(path: str) -> None:
    mutation = CREATE.replace("$order: OrderInput!", "$order: OrderInput!, $key: String")
    given = {"mutation": mutation, "key_variable": path, "idempotency": "K", "lookup": None}
    with Server(lambda seen: (200, {}, REFERENCE)) as server:
        sink = open_sink("graphql", writing(server.url, **given))
        sink.write([OutboundMessage("k", "key-1", b'{"reference": "r"}')], call=call(KEY))
        sink.close()
    found = server.seen[0].json()["variables"]
    for step in path.split("."):
        found = found[step]
    assert found == "key-1"


WRONG = [
    ("source", {"query": ""}, "/query"),
    ("source", {"query": "{ products("}, "/query"),
    ("source", {"query": CREATE}, "/query"),
    ("source", {"query": "query A { a } query B { b }"}, "/query"),
    ("source", {"query": "{ a" * 60 + " }" * 60}, "/query"),
    ("source", {"query": QUERY.replace("$after: String, ", "")}, "/query"),
    ("source", {"connection": ""}, "/connection"),
    ("source", {"connection": "orders"}, "/query"),
    ("source", {"query": QUERY.replace("hasNextPage ", "")}, "/query"),
    ("source", {"query": QUERY.replace("endCursor ", "")}, "/query"),
    ("source", {"rows": "nodes"}, "/query"),
    ("source", {"keyset": {**KEYSET, "variable": "where.id"}}, "/keyset/variable"),
    ("source", {"keyset": {**KEYSET, "value": "id > 7"}}, "/keyset/fields"),
    ("sink", {"reference": "order.number"}, "/reference"),
    ("sink", {"lookup": {**FIND, "found": "orders.edges"}}, "/lookup/found"),
    ("source", {"changes": {"variable": "since", "field": "updatedAt"}}, "/changes/variable"),
    ("source", {"key_fields": []}, "/key_fields"),
    ("sink", {"mutation": QUERY}, "/mutation"),
    ("sink", {"mutation": "mutation M($order: A) { a(b: $order) { id } c { id } }"}, "/mutation"),
    ("sink", {"input": "document"}, "/input"),
    ("sink", {"lookup": None}, "/lookup"),
    ("sink", {"lookup": {**FIND, "variable": "q"}}, "/lookup/variable"),
    ("sink", {"lookup": {**FIND, "value": "reference:*"}}, "/lookup/value"),
    ("sink", {"idempotency": "K"}, "/idempotency"),
]


def test_a_connection_without_a_cursor_is_read_by_a_filter_behind_the_last_node(shop: Any, circumstances: Any) -> None:
    given = {"query": BY_ID, "rows": "nodes", "keyset": KEYSET, "changes": None}
    with closing(open_source("graphql", reading(shop.url, **given))) as source:
        pages = [source.read(None, call=circumstances)]
        shop.control(change={"id": 2})
        pages += read_all(source, pages[0].cursor, circumstances=circumstances)
    keys = [one.key for page in pages for one in page.records]
    assert keys == [f"gid://shop/Product/{number}" for number in range(1, 41)]
    assert [len(page.records) for page in pages] == [9, 9, 9, 9, 4, 0]


def test_a_filter_of_pages_stands_in_the_place_of_that_of_changes() -> None:
    rows = [[{"id": "b'7", "updatedAt": "2026-03-01T10:00:00Z"}], []]
    given = {"query": BY_ID.replace("nodes", "results"), "rows": "results", "keyset": KEYSET}
    given["changes"] = {"variable": "filter", "field": "updatedAt", "value": "at>{since}", "initial": "2026-01-01"}
    with Server(lambda seen: (200, {}, {"data": {"products": {"results": rows.pop(0)}}})) as server:
        source = open_source("graphql", reading(server.url, **given))
        end = read_all(source, circumstances=call(KEY))[-1].cursor
        source.close()
    assert [seen.json()["variables"]["filter"] for seen in server.seen] == ["at>2026-01-01", "id:>'b''7'"]
    assert end == {"since": "2026-03-01T10:00:00Z"}


def test_what_a_fragment_asks_for_counts() -> None:
    query = QUERY.replace("pageInfo { hasNextPage endCursor }", "...End")
    query += " fragment End on ProductConnection { pageInfo { hasNextPage ... on PageInfo { endCursor } } }"
    open_source("graphql", reading("http://127.0.0.1:1", query=query)).close()


@pytest.mark.parametrize(("role", "more", "pointer"), WRONG)
def test_settings_that_cannot_work_are_refused_with_a_pointer(role: str, more: dict[str, Any], pointer: str) -> None:
    given = (reading if role == "source" else writing)("http://127.0.0.1:1", **more)
    with pytest.raises(Invalid) as refused:
        (open_source if role == "source" else open_sink)("graphql", given)
    assert [one["pointer"] for one in refused.value.findings] == [pointer]
