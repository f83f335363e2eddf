"""Every real contract is read, or refused with a precise reason; and what a catalog shows of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tillgate_contracts.reading import Document, read, read_file

ASYNC_2 = b"""asyncapi: 2.6.0
info: {title: Prices, version: 1.0.0}
servers: {main: {url: 'kafka.example.com:9092', protocol: kafka}}
channels:
  price/changed:
    publish: {operationId: priceChanged, message: {oneOf: [{$ref: '#/components/messages/Changed'}, {name: Gone}]}}
    subscribe: {message: {name: Ask, payload: {type: object, properties: {sku: {type: string}}}}}
components:
  messages: {Changed: {payload: {type: object, properties: {amount: {type: string}}}}}
"""
ASYNC_3 = b"""asyncapi: 3.0.0
info: {title: Prices, version: 1.0.0}
servers: {main: {host: 'kafka.example.com', protocol: kafka, pathname: /a}}
channels:
  prices: {address: price.changed, messages: {changed: {payload: {type: object}}}}
operations:
  announce:
    action: send
    channel: {$ref: '#/channels/prices'}
    messages: [{$ref: '#/channels/prices/messages/changed'}]
components:
  securitySchemes: {sasl: {type: scramSha256}}
"""

PROBLEMS = {f"adyen/checkout-v{version}.json": {"keyword.other_version"} for version in (70, 71, 72)}
"""Of real contracts, what is wrong in the file itself: OpenAPI 3.1 with `nullable`."""


def test_channels_are_operations() -> None:
    two = read(ASYNC_2)
    assert [(one.method, one.path, one.messages) for one in two.operations] == [
        ("PUBLISH", "price/changed", ("Changed", "Gone")),
        ("SUBSCRIBE", "price/changed", ("Ask",)),
    ]
    assert two.servers == ("kafka.example.com:9092",)
    assert set(two.fields) == {"amount", "sku"}
    three = read(ASYNC_3)
    assert [(one.method, one.path, one.operation_id, one.messages) for one in three.operations] == [
        ("SEND", "price.changed", "announce", ("changed",))
    ]
    assert three.servers == ("kafka://kafka.example.com/a",)
    assert dict(three.security_schemes) == {"sasl": "scramSha256"}


def test_webhooks_and_new_methods_are_listed() -> None:
    document = read(
        b"openapi: 3.2.0\npaths:\n  /a:\n    query: {operationId: find, deprecated: true, tags: [x]}\n"
        b"    additionalOperations: {COPY: {summary: Copy}}\nwebhooks:\n  paid:\n    post: {summary: Paid}\n"
    )
    assert [(one.method, one.path, one.deprecated) for one in document.operations] == [
        ("QUERY", "/a", True),
        ("COPY", "/a", False),
        ("POST", "webhook:paid", False),
    ]


def test_component_digests_change_only_where_the_text_changes() -> None:
    text = (
        b'{"openapi": "3.0.3", "components": {"schemas": {"A": {"type": "string"}, '
        b'"B": {"$ref": "#/components/schemas/A"}}}}'
    )
    one, two = read(text), read(text.replace(b'"string"', b'"number"'))
    assert one.schema_digests["/components/schemas/B"] == two.schema_digests["/components/schemas/B"]
    assert one.schema_digests["/components/schemas/A"] != two.schema_digests["/components/schemas/A"]


@pytest.mark.thorough
@pytest.mark.shared_data
def test_every_real_contract_is_read(shared_data: Path) -> None:
    files = [path for path in sorted((shared_data / "specs").rglob("*")) if path.is_file() and path.suffix != ".md"]
    assert len(files) >= 60
    found: set[str] = set()
    for path in files:
        document = read_file(path)
        assert document.operations or document.format.startswith("jsonschema"), path
        said = {problem.code for problem in document.problems} - {"ref.network"}
        assert said <= PROBLEMS.get(path.relative_to(shared_data / "specs").as_posix(), set()), path
        found |= said
        again = Document.from_canonical(document.canonical)
        assert again.digest == document.digest
        assert again.tree == document.tree
    assert found == {"keyword.other_version"}, "the publisher's own mistakes are told"


@pytest.mark.shared_data
def test_the_table_of_real_contracts_pairs_neighbours_and_counts_removals_by_direction(shared_data: Path) -> None:
    from bench.real_contracts import Entry, judge, neighbours, removed_by_direction

    names = (
        "adyen/checkout-v70.json",
        "adyen/checkout-v71.json",
        "klaviyo/stable-2022-10-17.json",
        "crm-zoho/crm-rest.yaml",
    )
    entries = [Entry(name, 0, read_file(shared_data / "specs" / name)) for name in names]
    pairs = neighbours(entries)
    assert [(base.name, revision.name) for base, revision in pairs] == [names[:2]]
    result, _ = judge(*pairs[0])
    assert removed_by_direction(result) == {"request": 32}
