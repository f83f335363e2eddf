"""A placeholder that nothing fills is refused when a manifest is handed in, in both directions."""

from decimal import Decimal
from typing import Any

import pytest

from runtime.connectors.protocols import OutboundMessage, Secrets
from runtime.connectors.registry import open_sink
from runtime.domain import manifest as manifests
from runtime.domain.templates import NoName, fill, names_in, problem_of, text_of
from runtime.profiles import profile
from runtime.services.address_checks import addresses
from runtime.services.sink_vendor import SinkVendor
from tests.runtime.connectors.server import Server

FIELDS = [
    {"to": "id", "from": "id", "type": "string", "required": True},
    {"to": "customer.number", "from": "customer", "type": "string"},
    {"to": "lines", "from": "lines", "each": [{"to": "n", "from": "n", "type": "string"}]},
]


def found(**target: Any) -> dict[str, str]:
    """Pointer → message of the findings about one target."""
    made = {
        "name": "t",
        "system": "s",
        "mapping": {"mapping": "m", "version": "1", "fields": FIELDS},
        "writes": [],
        "idempotency": "N",
        "connection": {"protocol": "rest", "settings": {"path": "w/{id}", "idempotency": "N"}},
        **target,
    }
    manifest = manifests.load(
        {
            "integration": "i",
            "title": "I",
            "domain": "sales",
            "owner": "o",
            "tier": 2,
            "sources": [{"name": "s", "system": "pos"}],
            "event": {"name": "sale", "meaning": "fact"},
            "targets": [made],
        }
    )
    return {one["pointer"]: one["message"] for one in addresses(manifest)}


def test_a_path_that_needs_what_the_address_lacks_is_found() -> None:
    assert "{id}" in found()["/targets/0/address"]
    assert found(address={"id": "{id}"}) == {}


def test_the_path_of_the_question_counts_too() -> None:
    lookup = {"path": "w/{shop}/ask"}
    connection = {"protocol": "rest", "settings": {"path": "w", "idempotency": "L", "lookup": lookup}}
    assert "{shop}" in found(connection=connection)["/targets/0/address"]


def test_the_key_of_an_odata_update_comes_from_the_address() -> None:
    settings = {"service": "s", "entity_set": "E", "key_fields": ["A", "B"], "operation": "update", "idempotency": "N"}
    connection = {"protocol": "odata_v2", "settings": settings}
    assert "{B}" in found(connection=connection, address={"A": "{id}"})["/targets/0/address"]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{reservation}", "makes no field 'reservation'"),
        ("{customer}", "is an object"),
        ("{lines}", "is a list"),
        ("{instance}", "needs 'instances'"),
        ("{id", "brace"),
        ("{a b}", "no field"),
    ],
)
def test_a_template_names_only_what_the_mapping_makes(template: str, said: str) -> None:
    assert said in found(address={"id": template})["/targets/0/address/id"]
    assert said in found(address={"id": "{id}"}, ask_by=template)["/targets/0/ask_by"]


@pytest.mark.parametrize("template", ["ref", "order"])
def test_a_name_that_is_the_same_for_every_message_is_refused(template: str) -> None:
    assert "for every message" in found(address={"id": "{id}"}, ask_by=template)["/targets/0/ask_by"]


def test_a_field_inside_an_object_and_an_instance_are_fine() -> None:
    assert found(address={"id": "{customer.number}-{instance}"}, instances=["1"]) == {}


def test_match_item_is_refused_without_the_field_that_holds_the_etag_and_works_with_it() -> None:
    settings = {"service": "s", "entity_set": "E", "key_fields": ["A"], "operation": "update", "match": "item"}
    with pytest.raises(Exception, match="match_field"):
        open_sink("odata_v2", {"base_url": "http://x", **settings})
    connection = {"protocol": "odata_v2", "settings": {**settings, "match_field": "etag"}}
    places = found(connection=connection, address={"A": "{id}"})
    assert "makes no field 'etag'" in places["/targets/0/connection/settings/match_field"]
    with Server(lambda seen: (204, {"x-csrf-token": "T"}, b"")) as server:
        sink = open_sink("odata_v2", {"base_url": server.url, **settings, "match_field": "etag", "csrf": False})
        made = manifests.ManifestTarget("t", "s", {}, [], "L", address={"A": "{id}"})
        client = SinkVendor(sink, Secrets(), made, "")
        message = OutboundMessage("k", "tg-1", b"", {"id": "1", "etag": 'W/"7"', "name": "n"}, 1)
        results = client.send([message], guard=lambda: None)
        client.close()
    assert [one.status for one in results] == ["confirmed"]
    assert server.seen[0].headers["if-match"] == 'W/"7"'
    assert server.seen[0].json() == {"id": "1", "name": "n"}
    assert server.seen[0].path == "/s/E('1')"


def test_the_talon_one_profile_writes_each_session_to_its_own_address() -> None:
    fields = [{"to": "session", "from": "id", "type": "string", "required": True}]
    fields += [{"to": "customerSession.state", "constant": "closed"}]
    target = {
        "mapping": {"mapping": "m", "version": "1", "fields": fields},
        "idempotency": "K",
        "connection": {"protocol": "rest", "profile": "talon-one", "settings": {"not_sent": ["session"]}},
        "address": {"customerSessionId": "{session}"},
    }
    assert found(**target) == {}
    with Server(lambda seen: (200, {}, {"effects": [], "createdCoupons": []})) as server:
        settings = profile("talon-one").connection({"base_url": server.url, "not_sent": ["session"]})
        made = manifests.ManifestTarget("t", "s", {}, [], "K", address=target["address"])
        client = SinkVendor(open_sink("rest", settings), Secrets({"key": "x"}), made, "")
        documents = [{"session": f"S {n}", "customerSession": {"state": "closed"}} for n in (1, 2)]
        sent = [OutboundMessage(f"k{n}", f"tg-{n}", b"", one, n) for n, one in enumerate(documents)]
        results = client.send(sent, guard=lambda: None)
        client.close()
    assert [one.status for one in results] == ["confirmed", "confirmed"]
    assert [s.target for s in server.seen] == ["/v2/customer_sessions/S%201", "/v2/customer_sessions/S%202"]
    assert server.seen[0].json() == {"customerSession": {"state": "closed"}}
    assert server.seen[0].headers["idempotency-key"] == "tg-0"


def test_a_stored_release_whose_address_nothing_fills_sends_nothing_and_kills_no_message() -> None:
    with Server(lambda seen: (200, {}, {"id": 1})) as server:
        for address, instance in (({}, "7"), ({"id": "{instance}"}, "")):
            sink = open_sink("rest", {"base_url": server.url, "path": "w/{id}", "idempotency": "N"})
            made = manifests.ManifestTarget("t", "s", {}, [], "N", address=address)
            client = SinkVendor(sink, Secrets(), made, instance)
            results = client.send([OutboundMessage("k", "tg-1", b"", {"id": "1"}, 1)], guard=lambda: None)
            client.close()
            assert [(one.status, one.fault) for one in results] == [("unsent", "settings")]
            assert "'address'" in results[0].detail
        assert server.seen == []


def test_templates_are_filled_by_text_and_numbers_only() -> None:
    assert names_in("{a}/{b.c}/{a}") == ["a", "b.c"]
    assert problem_of("{a}-{b.c}") == ""
    assert fill("{a}/{b}", {"a": 1, "b": "x"}.get) == "1/x"
    for value in (None, "", True, 1.5, [], {}):
        with pytest.raises(NoName):
            text_of("a", value)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [("7", "7"), ("7.00", "7"), ("7e0", "7"), ("1.50", "1.5"), ("0.00", "0"), ("1E-7", "0.0000001"), ("7E+3", "7000")],
)
def test_a_number_in_a_name_is_its_value_whatever_the_mapping_makes_of_its_digits(spelling: str, name: str) -> None:
    assert fill("/orders/{id}", {"id": Decimal(spelling)}.get) == f"/orders/{name}"
