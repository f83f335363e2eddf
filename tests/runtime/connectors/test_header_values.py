"""What fails before the first byte has left is no unknown outcome: a value of the message refuses that message alone, a
value of the connection is its fault."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.connectors.protocols import OutboundMessage, Secrets
from runtime.connectors.registry import open_sink
from runtime.domain.manifest import ManifestTarget
from runtime.ledger.vendor_client import SendResult
from runtime.services.sink_vendor import SinkVendor
from tests.runtime.connectors.server import Server

BAD = [" k", "k ", "\tk", "é", "a\nb", "a\rb", "a\x00b", "a\x7fb", "k" * 9_000]


def delivered(
    documents: list[dict[str, Any]], secrets: dict[str, str] | None = None, protocol: str = "rest", **settings: Any
) -> tuple[list[SendResult], list[str]]:
    """The results of messages, and what of their documents has reached the vendor."""
    answer = (201, {}, {"id": 1}) if protocol == "rest" else (204, {}, b"")
    with Server(lambda seen: answer) as server:
        sink = open_sink(protocol, {"base_url": server.url, **settings})
        address = {"Id": "{id}"} if protocol == "odata_v2" else {}
        client = SinkVendor(sink, Secrets(secrets or {}), ManifestTarget("t", "s", {}, [], "N", address=address), "7")
        items = [OutboundMessage(one["key"], f"tg-{n}", b"", one, n) for n, one in enumerate(documents)]
        results = client.send(items, guard=lambda: None)
        client.close()
        return results, [seen.json()["id"] for seen in server.seen]


def of(results: list[SendResult]) -> list[str]:
    return [one.status for one in results]


@pytest.mark.parametrize("value", [f'"{one}"' if one.strip() == one else one for one in BAD])
def test_an_etag_that_no_header_can_hold_refuses_its_message_alone(value: str) -> None:
    documents = [{"key": f"k{n}", "id": n, "etag": etag} for n, etag in enumerate(['"1"', value, '"3"'])]
    results, arrived = delivered(documents, path="x", method="PUT", idempotency="N", match_field="etag")
    assert of(results) == ["confirmed", "refused", "confirmed"]
    assert arrived == [0, 2]
    assert "The ETag" in results[1].detail
    assert "Nothing was sent" in results[1].detail


def test_the_etag_of_an_odata_entity_is_held_to_the_same() -> None:
    documents = [{"key": f"k{n}", "id": n, "etag": etag} for n, etag in enumerate(['"1"', '"é"', '"3"'])]
    results, arrived = delivered(
        documents,
        protocol="odata_v2",
        service="s",
        entity_set="E",
        key_fields=["Id"],
        csrf=False,
        operation="update",
        match="item",
        match_field="etag",
    )
    assert of(results) == ["confirmed", "refused", "confirmed"]
    assert arrived == [0, 2]


@pytest.mark.parametrize("key", [one for one in BAD if one])
def test_a_key_that_no_header_can_hold_refuses_its_message_alone(key: str) -> None:
    documents = [{"key": one, "id": n} for n, one in enumerate(["a", key, "b"])]
    results, arrived = delivered(documents, path="x", idempotency="N", idempotency_header="X-Key")
    assert of(results) == ["confirmed", "refused", "confirmed"]
    assert arrived == [0, 2]


@pytest.mark.parametrize("secret", ["t\n", " t ", "tä", "t\x00"])
def test_a_secret_that_no_header_can_hold_is_a_fault_of_the_connection(secret: str) -> None:
    auth = {"kind": "header", "name": "X-Api-Key"}
    documents = [{"key": "a", "id": 1}]
    results, arrived = delivered(documents, {"key": secret}, path="x", auth=auth, idempotency="U")
    assert [(one.status, one.fault) for one in results] == [("unsent", "secret")]
    assert not arrived


@pytest.mark.parametrize("name", ["X Key", "", "X-Schlüssel", "X:Y"])
def test_a_header_whose_name_is_none_is_a_fault_of_the_settings(name: str) -> None:
    results, arrived = delivered([{"key": "a", "id": 1}], path="x", headers={name: "1"}, idempotency="U")
    assert [(one.status, one.fault) for one in results] == [("unsent", "settings")]
    assert not arrived


def test_an_address_that_is_too_long_to_be_called_refuses_its_message_alone() -> None:
    documents = [{"key": f"k{n}", "id": name} for n, name in enumerate(["a", "x" * 70_000, "b"])]
    with Server(lambda seen: (201, {}, {"id": 1})) as server:
        sink = open_sink("rest", {"base_url": server.url, "path": "x/{id}", "idempotency": "U"})
        client = SinkVendor(sink, Secrets(), ManifestTarget("t", "s", {}, [], "U", address={"id": "{id}"}), "7")
        items = [OutboundMessage(one["key"], f"tg-{n}", b"", one, n) for n, one in enumerate(documents)]
        results = client.send(items, guard=lambda: None)
        client.close()
    assert of(results) == ["confirmed", "refused", "confirmed"]
    assert len(server.seen) == 2
