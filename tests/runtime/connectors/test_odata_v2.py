"""OData V2 against the ERP emulator."""

import itertools
import json

import pytest

from kernel.errors import Invalid
from runtime.connectors.odata_literals import after, instant, milliseconds, predicate
from runtime.connectors.odata_session import error_of
from runtime.connectors.protocols import OutboundMessage
from runtime.connectors.registry import open_sink, open_source
from runtime.profiles import profile
from tests.runtime.connectors.conformance import HttpSourceConformance, SinkConformance, call, read_all

SECRETS = {"user": "TILLGATE", "password": "sandbox"}
NUMBER = itertools.count(1)


def connection(sandbox, name, **more):
    return profile(name).connection({"base_url": sandbox.erp.url, "parameters": {"sap-client": "100"}, **more})


@pytest.fixture
def circumstances(calm):
    calm.erp.control(set={"page_size": 7, "csrf_writes": None})
    return call(SECRETS)


@pytest.fixture
def wrong():
    return call({"user": "TILLGATE", "password": "not-the-password"})


@pytest.fixture
def fault(calm):
    return calm.erp.fault


class TestSource(HttpSourceConformance):
    @pytest.fixture
    def make(self, calm):
        return lambda **more: open_source("odata_v2", connection(calm, "s4hana-cloud", overlap=0.0, **more))

    @pytest.fixture
    def expected(self, make, circumstances):
        """Keys by another way: one page that holds everything."""
        source = make()
        response = source.session.get(
            "A_Product", call=circumstances, params={"$top": "1000", "$format": "json", "$select": "Product"}
        )
        source.close()
        return [row["Product"] for row in json.loads(response.body)["d"]["results"]]

    def test_a_second_run_reads_only_the_boundary_again(self, source, circumstances):
        pages = read_all(source, circumstances=circumstances)
        last = max(int(r.version) for page in pages for r in page.records)
        again = [r for page in read_all(source, pages[-1].cursor, circumstances=circumstances) for r in page.records]
        assert {int(r.version) for r in again} == {last}

    def test_a_change_is_found_by_the_next_run_and_only_it(self, calm, source, circumstances):
        cursor = read_all(source, circumstances=circumstances)[-1].cursor
        before = {r.key for page in read_all(source, cursor, circumstances=circumstances) for r in page.records}
        sink = open_sink("odata_v2", connection(calm, "s4hana-cloud", operation="update", match="fetch", expand=[]))
        item = OutboundMessage(
            "TG", "k", b'{"ProductOldID":"CHANGED"}', address={"Product": self.some_key(source, circumstances)}
        )
        assert [o.status for o in sink.write([item], call=circumstances)] == ["confirmed"]
        sink.close()
        after_change = {r.key for page in read_all(source, cursor, circumstances=circumstances) for r in page.records}
        assert after_change - before <= {item.address["Product"]}
        assert item.address["Product"] in after_change

    def some_key(self, source, circumstances):
        return source.read(None, call=circumstances).records[0].key

    def test_a_row_that_changes_during_the_run_hides_no_other(self, calm, make, circumstances, expected):
        """Following an offset would skip one row here; asking by position does not."""
        source = make()
        page = source.read(None, call=circumstances)
        seen = [r.key for r in page.records]
        sink = open_sink("odata_v2", connection(calm, "s4hana-cloud", operation="update", match="any", expand=[]))
        sink.write(
            [OutboundMessage("x", "k", b'{"ProductOldID":"MOVED"}', address={"Product": seen[0]})], call=circumstances
        )
        sink.close()
        while not page.done:
            page = source.read(page.cursor, call=circumstances)
            seen += [r.key for r in page.records]
        source.close()
        assert set(seen) == set(expected)

    def test_the_sweep_lists_every_key_without_content(self, source, circumstances, expected):
        keys, cursor, done = [], None, False
        while not done:
            page = source.sweep(cursor, call=circumstances)
            keys += [r.key for r in page.records]
            assert all(r.payload == b"" for r in page.records)
            cursor, done = page.cursor, page.done
        assert sorted(keys) == sorted(expected)

    def test_overlap_reads_late_commits_again(self, make, circumstances):
        source = make()
        cursor = read_all(source, circumstances=circumstances)[-1].cursor
        source.close()
        wide = open_source("odata_v2", {**self.settings(make), "overlap": 1_000_000_000.0})
        again = sum(len(p.records) for p in read_all(wide, cursor, circumstances=circumstances))
        wide.close()
        assert again > 1

    def settings(self, make):
        import msgspec

        source = make()
        source.close()
        return msgspec.to_builtins(source.settings)

    def test_discover_reads_the_metadata(self, source, circumstances):
        found = {r.name: r for r in source.discover(call=circumstances)}
        assert list(found["A_Product"].key_fields) == ["Product"]
        assert found["A_Product"].fields["LastChangeDateTime"] == "Edm.DateTimeOffset"

    def test_composite_keys_with_empty_parts_are_read(self, calm, circumstances):
        source = open_source("odata_v2", connection(calm, "s4hana-stock"))
        pages = read_all(source, circumstances=circumstances)
        keys = [r.key for page in pages for r in page.records]
        source.close()
        assert len(keys) == len(set(keys)) > 7
        assert not any(page.rejected for page in pages)


class TestSalesOrderSink(SinkConformance):
    @pytest.fixture
    def make(self, calm):
        return lambda **more: open_sink("odata_v2", connection(calm, "s4hana-sales-order", **more))

    @pytest.fixture
    def item(self):
        def make_item(reference=None, quantity="2"):
            reference = reference or f"PO-{next(NUMBER)}"
            order = {
                "SalesOrderType": "OR",
                "SalesOrganization": "1010",
                "SoldToParty": "0010100001",
                "PurchaseOrderByCustomer": reference,
                "to_Item": [{"Material": "TG11", "RequestedQuantity": quantity}],
            }
            return OutboundMessage(reference, reference, json.dumps(order).encode(), correlation_id="till-9-42")

        return make_item

    @pytest.fixture
    def bad(self, item):
        return item(quantity="0")

    @pytest.fixture
    def journal(self, calm):
        return lambda items: [e for e in calm.erp.journal() if e.ref in {i.key for i in items}]

    @pytest.fixture
    def effects(self, journal):
        return lambda items: [len([e for e in journal([i]) if e.effect == "salesorder.created"]) for i in items]

    def test_a_token_that_ended_is_fetched_anew(self, calm, sink, circumstances, item, effects):
        calm.erp.control(set={"csrf_writes": 1})
        items = [item() for _ in range(3)]
        assert [o.status for o in sink.write(items, call=circumstances)] == ["confirmed"] * 3
        assert effects(items) == [1, 1, 1]

    def test_the_refusal_says_what_the_vendor_said(self, sink, circumstances, bad):
        outcome = sink.write([bad], call=circumstances)[0]
        assert outcome.code == "V1/555"
        assert "quantity must be greater than zero" in outcome.message

    def test_a_success_may_carry_a_warning(self, calm, sink, circumstances, item):
        calm.erp.fault("warning", message="Price was carried out with an old condition", next=2)
        outcome = sink.write([item()], call=circumstances)[0]
        assert outcome.status == "confirmed"
        assert any("old condition" in w for w in outcome.warnings)

    def test_a_doubled_document_shows_when_asked(self, sink, circumstances, item):
        one = item()
        sink.write([one, one], call=circumstances)
        assert len(sink.ask([one.key], call=circumstances)[one.key].split(",")) == 2


def test_what_is_expanded_comes_beside_a_selection(calm, circumstances):
    source = open_source("odata_v2", connection(calm, "s4hana-cloud", select=["ProductType"]))
    payload = json.loads(source.read(None, call=circumstances).records[0].payload)
    source.close()
    assert set(payload) == {"__metadata", "Product", "ProductType", "LastChangeDateTime", "to_Description"}
    assert payload["to_Description"]["results"]


def test_an_update_with_an_old_etag_changes_nothing_and_may_be_tried_again(calm, circumstances):
    sink = open_sink(
        "odata_v2", connection(calm, "s4hana-cloud", operation="update", match="item", match_field="etag", expand=[])
    )
    source = open_source("odata_v2", connection(calm, "s4hana-cloud", expand=[]))
    key = source.read(None, call=circumstances).records[0].key
    old = OutboundMessage(
        key,
        "a",
        b'{"ProductOldID":"OLD"}',
        address={"Product": key},
        match="W/\"datetimeoffset'2001-01-01T00%3A00%3A00Z'\"",
    )
    none = OutboundMessage(key, "b", b'{"ProductOldID":"NONE"}', address={"Product": key})
    outcomes = sink.write([old, none], call=circumstances)
    sink.close()
    source.close()
    assert [(o.status, o.retriable) for o in outcomes] == [("refused", True), ("refused", True)]


def test_an_item_without_its_key_field_is_refused_before_anything_is_sent(calm, circumstances):
    sink = open_sink("odata_v2", connection(calm, "s4hana-cloud", operation="update", expand=[]))
    before = len(calm.erp.journal())
    outcome = sink.write([OutboundMessage("k", "k", b"{}")], call=circumstances)[0]
    sink.close()
    assert outcome.code == "odata.address"
    assert len(calm.erp.journal()) == before


def test_positions_are_asked_for_in_order_of_their_fields():
    assert after([("a", "1")]) == "a gt 1"
    assert (
        after([("a", "1"), ("b", "'x'"), ("c", "'y'")])
        == "a gt 1 or (a eq 1 and (b gt 'x' or (b eq 'x' and (c gt 'y'))))"
    )


def test_dates_go_both_ways():
    assert milliseconds("/Date(1459900800123+0060)/") == 1459900800123
    assert instant(1459900800123, "datetimeoffset") == "datetimeoffset'2016-04-06T00:00:00.123Z'"
    assert instant(-86400000, "datetime") == "datetime'1969-12-31T00:00:00'"
    with pytest.raises(ValueError, match="not of the form"):
        milliseconds("2016-04-06")


def test_key_predicates_escape_quotes_and_keep_leading_zeros():
    assert predicate(["Product"], {"Product": "00/1'x"}) == "('00%2F1''x')"
    assert predicate(["A", "B"], {"A": "1", "B": "ü"}) == "(A='1',B='%C3%BC')"


def test_error_bodies_in_every_known_shape():
    v2 = {
        "error": {
            "code": "X/1",
            "message": {"lang": "en", "value": "No"},
            "innererror": {"errordetails": [{"message": "Why", "target": "F"}]},
        }
    }
    assert error_of(json.dumps(v2).encode()) == ("X/1", "No; Why (F)")
    assert error_of(b'{"error":{"code":"A","message":"plain"}}') == ("A", "plain")
    assert error_of(b"<html>") == ("", "")
    assert error_of(b'{"error":[]}') == ("", "")


def test_tls_checks_cannot_be_switched_off():
    with pytest.raises(Invalid, match="always checked"):
        open_source(
            "odata_v2",
            {"base_url": "https://x", "service": "s", "entity_set": "E", "key_fields": ["K"], "verify": False},
        )
