"""An OData V2 write is proven by an entity that says which one it is, whether a reference is declared or not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runtime.connectors.protocols import OutboundMessage
from runtime.connectors.registry import open_sink
from tests.runtime.connectors.conformance import call
from tests.runtime.connectors.server import Server

NO_ENTITY = [{}, [], "ok", 0, False, None, {"results": []}, {"results": [{}]}, {"__deferred": {"uri": "x"}}]
NAMELESS = [{"message": "queued"}, {"__metadata": {}}, {"__metadata": {"type": "E"}}, {"Ref": ""}, {"Ref": None}]
BY_KEY = {"Ref": "A-1", "Text": "x"}
BY_ADDRESS = {"Text": "x", "__metadata": {"uri": "/svc/E('A-1')"}}


def written(d: Any, operation: str, *, status: int = 0, headers: dict[str, str] | None = None, **more: Any) -> str:
    """What is made of an answer whose `d` is this."""
    answer = (status or (201 if operation == "create" else 200), headers or {}, {"d": d})
    settings = {"service": "svc", "entity_set": "E", "key_fields": ["Ref"], "csrf": False, "match": "any"}
    with Server(lambda seen: answer) as server:
        sink = open_sink("odata_v2", {"base_url": server.url, "operation": operation, **settings, **more})
        item = OutboundMessage("k", "tg-1", b'{"Ref": "A-1"}', address={"Ref": "A-1"})
        (result,) = sink.write([item], call=call())
        sink.close()
    return result.status


@pytest.mark.parametrize("operation", ["create", "update"])
@pytest.mark.parametrize("d", [*NO_ENTITY, *NAMELESS], ids=json.dumps)
def test_what_names_no_entity_is_unknown(d: Any, operation: str) -> None:
    assert written(d, operation) == "unknown"


@pytest.mark.parametrize("operation", ["create", "update"])
@pytest.mark.parametrize("d", [BY_KEY, BY_ADDRESS, {"results": BY_KEY}, {"results": [BY_KEY]}], ids=json.dumps)
def test_an_entity_with_its_key_or_its_address_is_a_proof(d: Any, operation: str) -> None:
    assert written(d, operation) == "confirmed"


@pytest.mark.parametrize("d", [BY_KEY, BY_ADDRESS], ids=json.dumps)
def test_a_declared_reference_has_to_be_there(d: Any) -> None:
    assert written(d, "create", reference="Order") == "unknown"
    assert written(d | {"Order": "4711"}, "create", reference="Order") == "confirmed"


def test_the_place_of_what_was_created_is_a_proof_and_another_key_is_none() -> None:
    assert written({"Text": "x"}, "create", headers={"Location": "/svc/E('A-1')"}) == "confirmed"
    assert written({"Ref": "A-2"}, "update") == "unknown"
