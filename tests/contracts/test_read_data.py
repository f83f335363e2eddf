"""What is data in a contract: examples, bodies of links, extensions, defaults, unknown fields.

Whatever stands in there, the contract is read, nothing in it is judged or followed, and a change of it breaks nothing.
"""

from __future__ import annotations

import itertools
from typing import Any

import orjson
import pytest

from tests.contracts.contract_documents import OK, judge, openapi, rules, with_operation
from tillgate_contracts.errors import ContractError
from tillgate_contracts.reading import Document, read

#: Words that mean something elsewhere, with values that they could not have there.
TRAPS: list[Any] = [
    {"content": "x"},
    {"links": [1]},
    {"responses": [1]},
    {"options": True},
    {"servers": {"a": 1}},
    {"required": True, "schema": 5, "type": {"a": 1}, "properties": [1]},
    {"$ref": "#/nowhere"},
    {"$ref": "other.yaml#/a", "$id": "https://x.example/y", "$anchor": "a"},
    {"parameters": "text", "paths": None, "security": {"a": 1}},
    [{"$ref": "#/nowhere"}, {"content": 5}],
    {"allOf": [{"$ref": "#/nowhere"}], "discriminator": 5},
    {"components": {"schemas": 5}, "channels": 7, "messages": 8, "payload": 9},
]
SWAGGER: dict[str, Any] = {"swagger": "2.0", "info": {"title": "t", "version": "1"}}
EVENTS: dict[str, Any] = {"info": {"title": "t", "version": "1"}}


def _swagger(**response: Any) -> dict[str, Any]:
    return {**SWAGGER, "paths": {"/a": {"get": {"responses": {"200": {"description": "ok", **response}}}}}}


def _media(**more: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "string"}, **more}}
    return with_operation({"responses": {"200": {"description": "OK", "content": content}}})


def _link(**link: Any) -> dict[str, Any]:
    links = {"next": {"operationId": "x", **link}}
    return with_operation({"responses": {"200": {"description": "OK", "links": links}}})


def _message(**message: Any) -> dict[str, Any]:
    channels = {"a": {"address": "a", "messages": {"m": {"payload": {"type": "object"}, **message}}}}
    return {"asyncapi": "3.0.0", **EVENTS, "channels": channels}


def _schema(**schema: Any) -> dict[str, Any]:
    return openapi({}, components={"schemas": {"A": {"type": "object", **schema}}})


PLACES: dict[str, Any] = {
    "example of a Swagger response": lambda trap: _swagger(examples={"application/json": trap}),
    "shared response of Swagger": lambda trap: {
        **SWAGGER,
        "paths": {},
        "responses": {"Ok": {"description": "ok", "examples": {"application/json": trap}}},
    },
    "example of a Swagger schema": lambda trap: _swagger(schema={"type": "object", "example": trap}),
    "default of a Swagger schema": lambda trap: _swagger(schema={"type": "object", "default": trap}),
    "body of a link": lambda trap: _link(requestBody=trap),
    "parameter of a link": lambda trap: _link(parameters={"id": trap}),
    "link of the components": lambda trap: openapi({}, components={"links": {"next": {"requestBody": trap}}}),
    "example of a media type": lambda trap: _media(example=trap),
    "named example": lambda trap: _media(examples={"one": {"value": trap}}),
    "example of the components": lambda trap: openapi({}, components={"examples": {"one": {"value": trap}}}),
    "default of a schema": lambda trap: _schema(default=trap),
    "constant of a schema": lambda trap: _schema(const=trap),
    "values of a schema": lambda trap: _schema(enum=[trap]),
    "examples of a schema": lambda trap: _schema(examples=[trap]),
    "extension of the contract": lambda trap: openapi({}, **{"x-own": trap}),
    "extension of an operation": lambda trap: with_operation({"x-own": trap}),
    "extension of a schema": lambda trap: _schema(**{"x-own": trap}),
    "unknown field of the contract": lambda trap: openapi({}, own=trap),
    "unknown field of an operation": lambda trap: with_operation({"oaiMeta": trap}),
    "unknown field of a response": lambda trap: _swagger(own=trap),
    "unknown field of a media type": lambda trap: _media(own=trap),
    "unknown keyword of a schema": lambda trap: _schema(own=trap),
    "unknown component": lambda trap: openapi({}, components={"own": {"A": trap}}),
    "example of a message": lambda trap: _message(examples=[{"payload": trap}]),
    "extension of a message": lambda trap: _message(**{"x-own": trap}),
    "unknown field of a message": lambda trap: _message(own=trap),
    "unknown field of a channel": lambda trap: {"asyncapi": "2.6.0", **EVENTS, "channels": {"a": {"own": trap}}},
    "default of an event schema": lambda trap: _message(payload={"default": trap}),
}


def _read(tree: dict[str, Any]) -> Document:
    return read(orjson.dumps(tree))


@pytest.mark.parametrize("place", PLACES)
def test_nothing_in_data_is_structure(place: str) -> None:
    for trap in TRAPS:
        document = _read(PLACES[place](trap))
        # An unknown field is named; what is in it is not.
        assert {problem.code for problem in document.problems} <= {"field.unknown"}, (trap, document.problems)
        assert not any(problem.unread for problem in document.problems)
        assert "nowhere" not in "".join(problem.message for problem in document.problems)


@pytest.mark.parametrize("place", PLACES)
def test_a_change_in_data_breaks_nothing_and_is_no_doubt(place: str) -> None:
    quiet = ("none", "compatible")
    for before, after in itertools.pairwise(TRAPS):
        result = judge(PLACES[place](before), PLACES[place](after))
        values = ("default", "constant", "values", "unknown keyword")
        assert result.verdict in quiet or place.startswith(values), (before, after, result.findings)


def test_an_unknown_field_is_named_once_with_its_place() -> None:
    document = _read(with_operation({"oaiMeta": {"parameters": "text"}}))
    assert [(item.code, item.pointer) for item in document.problems] == [
        ("field.unknown", "/paths/~1orders/post/oaiMeta")
    ]
    assert "oaiMeta" in document.problems[0].message
    many = {f"/a{number}": {"get": {"responses": OK, "oaiMeta": {"a": 1}}} for number in range(50)}
    assert len(_read(openapi(many)).problems) == 1
    # Plain values of unknown fields are nobody's structure.
    assert _read(with_operation({"own": "text"})).problems == ()


def test_what_a_reference_names_is_structure_wherever_it_stands() -> None:
    """Many contracts keep shared parts below a field of their own."""
    answer = {
        "200": {"description": "OK", "content": {"application/json": {"schema": {"$ref": "#/definitions/Order"}}}}
    }
    old = openapi({"/a": {"get": {"responses": answer}}}, definitions={"Order": {"type": "object", "required": ["a"]}})
    new = {**old, "definitions": {"Order": {"type": "object"}}}
    assert _read(old).problems == ()
    assert "response-property-became-optional" in rules(judge(old, new), "breaking")
    broken = _read({**old, "definitions": {"Order": {"type": "object", "required": True}}})
    assert [item.code for item in broken.problems] == ["keyword.malformed"]


def test_a_broken_structure_is_still_refused() -> None:
    for tree in (
        openapi({"/a": {"get": {"responses": [1]}}}),
        openapi({"/a": {"get": {"responses": {"200": {"content": "x"}}}}}),
        openapi({}, servers={"a": 1}),
        openapi({}, components={"responses": {"A": 5}}),
        {**SWAGGER, "paths": {"/a": {"get": {"responses": {"200": 5}}}}},
        {"asyncapi": "3.0.0", **EVENTS, "channels": {"a": {"messages": [1]}}},
        {"asyncapi": "2.6.0", **EVENTS, "channels": {"a": {"publish": "x"}}},
    ):
        with pytest.raises(ContractError) as refused:
            _read(tree)
        assert refused.value.code == "contract.wrong_type"


def _channel(version: str, servers: Any) -> dict[str, Any]:
    three = version.startswith("3")
    server = {"host": "b", "protocol": "kafka"} if three else {"url": "b", "protocol": "kafka"}
    channel = (
        {"address": "a", "messages": {"m": {"payload": {"type": "object"}}}}
        if three
        else {"publish": {"message": {"payload": {"type": "object"}}}}
    )
    if servers is not None:
        channel["servers"] = servers
    tree = {"asyncapi": version, **EVENTS, "servers": {"prod": server, "test": server}, "channels": {"a": channel}}
    if three:
        tree["operations"] = {"r": {"action": "send", "channel": {"$ref": "#/channels/a"}}}
    return tree


def _named(version: str, *names: str) -> list[Any]:
    return [{"$ref": f"#/servers/{name}"} if version.startswith("3") else name for name in names]


@pytest.mark.parametrize("version", ["2.2.0", "2.6.0", "3.0.0"])
def test_a_channel_may_list_its_servers(version: str) -> None:
    """AsyncAPI 2.2 to 2.6 "Channel Item Object": names; 3.0 "Channel Object": references. Without: all servers."""
    one, both = _named(version, "prod"), _named(version, "prod", "test")
    for listed in (one, both, [], None):
        assert _read(_channel(version, listed)).problems == ()
    fewer = judge(_channel(version, both), _channel(version, one))
    assert rules(fewer, "breaking") == {"channel-server-removed"}
    more = judge(_channel(version, one), _channel(version, both))
    assert (more.verdict, rules(more)) == ("compatible", {"channel-server-added"})
    # No list, and an empty one, mean every server.
    assert judge(_channel(version, None), _channel(version, both)).verdict == "none"
    assert judge(_channel(version, []), _channel(version, None)).verdict == "none"
    assert judge(_channel(version, None), _channel(version, one)).verdict == "breaking"
    assert judge(_channel(version, one), _channel(version, None)).verdict == "compatible"


def test_a_server_of_a_channel_that_is_not_there_is_said() -> None:
    with pytest.raises(ContractError):
        _read(_channel("3.0.0", "prod"))
    assert [item.code for item in _read(_channel("3.0.0", [{"$ref": "#/servers/gone"}])).problems] == ["ref.unresolved"]


STRANGERS: list[Any] = [
    {"type": "module", "dependencies": {}},
    {"name": "shop", "version": "1.0.0", "type": "module", "dependencies": {"a": "^1.0.0"}},
    {"format": "json"},
    {"type": "commonjs"},
    {"type": "bar", "data": []},
    {"items": 5},
    {"required": True},
    {"pattern": "*.py", "format": "text"},
    {"enum": "a"},
    {"definitions": []},
    {"if": "github.event_name", "runs-on": "x"},
    {"contains": "x", "not": "y"},
    {"minimum": "3"},
    {"$schema": "https://json.schemastore.org/tsconfig", "compilerOptions": {}},
    {"$schema": "https://json.schemastore.org/package", "type": "module"},
    {"items": [{"id": 1}], "total": 1},
    {"title": "Shop", "description": "x"},
]
SCHEMAS: list[Any] = [
    {"type": "object"},
    {"type": ["string", "null"]},
    {"properties": {"a": {"type": "string"}}},
    {"required": ["a"]},
    {"$ref": "#/$defs/A", "$defs": {"A": {}}},
    {"allOf": [{"type": "string"}]},
    {"enum": ["a"]},
    {"const": "a"},
    {"minimum": 3},
    {"pattern": "^a"},
    {"format": "date", "type": "string"},
    {"definitions": {"A": {"type": "object"}}},
    {"$schema": "https://json-schema.org/draft/2020-12/schema"},
    {"not": {"type": "string"}},
    {"dependencies": {"a": ["b"]}},
    {"type": "object", "dependencies": {}},
    {"additionalProperties": False},
    {"$schema": "http://json-schema.org/draft-07/schema#"},
    {"$schema": "https://shop.example/meta", "type": "object"},
    {"title": "Price", "minimum": 0, "x-owner": "pricing"},
]


@pytest.mark.parametrize("tree", STRANGERS)
def test_a_file_is_no_contract_because_a_word_of_it_is_one_of_json_schema(tree: Any) -> None:
    with pytest.raises(ContractError) as refused:
        _read(tree)
    assert refused.value.code == "contract.not_a_contract"


@pytest.mark.parametrize("tree", SCHEMAS)
def test_a_keyword_with_a_fitting_value_makes_a_schema(tree: Any) -> None:
    assert _read(tree).format.startswith("jsonschema")
