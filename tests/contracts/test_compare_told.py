"""Changes that somebody notices and that were told as none, or as compatible. The labels stand by the standards' own
words, which each case names."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.contract_documents import OK, judge, openapi, rules, with_request

TEXT: dict[str, Any] = {"type": "string"}
KEY: dict[str, Any] = {"k": {"type": "apiKey", "in": "header", "name": "K"}}
Document = dict[str, Any]


def operation(**more: Any) -> Document:
    components = more.pop("components", {})
    return openapi({"/a": {"get": {"responses": OK, **more}}}, components=components)


def parameter(**more: Any) -> Document:
    return operation(parameters=[{"name": "p", "in": "query", "schema": TEXT, **more}])


def answer(media: dict[str, Any], status: str = "200", **more: Any) -> Document:
    return operation(responses={status: {"description": "", "content": media, **more}})


def header(**more: Any) -> Document:
    return operation(responses={"200": {"description": "", "headers": {"X-R": more}}})


def server(**variable: Any) -> Document:
    return {**operation(), "servers": [{"url": "https://{h}.example.com", "variables": {"h": variable}}]}


def called(kind: str, security: list[Any] | None = None, answers: dict[str, Any] | None = None) -> Document:
    post: dict[str, Any] = {"requestBody": {"required": True, "content": json(TEXT)}, "responses": answers or OK}
    if security is not None:
        post["security"] = security
    if kind == "callback":
        return operation(callbacks={"e": {"{$request.body#/u}": {"post": post}}}, components={"securitySchemes": KEY})
    made = openapi({}, components={"securitySchemes": KEY})
    return {**made, "openapi": "3.1.0", "webhooks": {"n": {"post": post}}}


def webhook(name: str, schema: Any) -> Document:
    post = {"requestBody": {"required": True, "content": json(schema)}, "responses": OK}
    return {**openapi({}), "openapi": "3.1.0", "webhooks": {name: {"post": post}}}


def json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def closed(**more: Any) -> Document:
    schema = {"type": "object", "properties": {"k": TEXT}, **more, "unevaluatedProperties": False}
    return {**with_request(schema), "openapi": "3.1.0"}


WHEN: dict[str, Any] = {"properties": {"k": {"const": "x"}}, "required": ["k"]}
TOLD: dict[str, tuple[Document, Document, str]] = {
    # RFC 8259 section 3: false is no number.
    "default 0 became false": (parameter(schema={"default": 0}), parameter(schema={"default": False}), "breaking"),
    "a list of defaults": (parameter(schema={"default": [1]}), parameter(schema={"default": [True]}), "breaking"),
    "an unknown keyword 1 became true": (with_request({"foo": 1}), with_request({"foo": True}), "warning"),
    # JSON Schema 2020-12 Core 11.3: what `if`, `then` and `else` evaluate is not left to unevaluatedProperties.
    "then evaluates no more": (
        closed(**{"if": WHEN, "then": {"properties": {"b": TEXT}}}),
        closed(**{"if": WHEN, "then": {}}),
        "warning",
    ),
    "else evaluates no more": (
        closed(**{"if": WHEN, "else": {"properties": {"b": TEXT}}}),
        closed(**{"if": WHEN, "else": {}}),
        "warning",
    ),
    "if evaluates no more": (closed(**{"if": {"properties": {"c": TEXT}}}), closed(), "warning"),
    "if evaluates another": (
        closed(**{"if": {"properties": {"c": TEXT}}}),
        closed(**{"if": {"properties": {"d": TEXT}}}),
        "warning",
    ),
    # OpenAPI 3.1.1 section 4.8.1: `webhooks` is a map, whose names are free.
    "a webhook named x-n": (webhook("x-n", TEXT), webhook("x-n", {"type": "integer"}), "breaking"),
    "a webhook named x-n went": (webhook("x-n", TEXT), {**openapi({}), "openapi": "3.1.0"}, "breaking"),
    # OpenAPI 3.1.1 section 4.8.21: a header has `explode`; it is written `x,1` or `x=1`.
    "a response header is exploded": (
        header(schema={"type": "object", "properties": {"x": TEXT}}),
        header(schema={"type": "object", "properties": {"x": TEXT}}, explode=True),
        "breaking",
    ),
    # OpenAPI 3.1.1 section 4.8.6: only values of the enum may be put in.
    "a server variable got a list": (server(default="p"), server(default="p", enum=["p"]), "breaking"),
    # OpenAPI 3.1.1 section 4.8.30: each name must correspond to a scheme that is declared.
    "a demanded scheme is declared no more": (
        operation(security=[{"k": []}], components={"securitySchemes": KEY}),
        operation(security=[{"k": []}], components={"securitySchemes": {}}),
        "warning",
    ),
    "a demanded scheme is declared at last": (
        operation(security=[{"k": []}], components={"securitySchemes": {}}),
        operation(security=[{"k": []}], components={"securitySchemes": KEY}),
        "warning",
    ),
    # RFC 6839: a suffix says how to parse; RFC 9110 section 12.5.1: ranges are `type/*` and `*/*` alone.
    "merge-patch became JSON": (
        operation(requestBody={"content": {"application/merge-patch+json": {"schema": TEXT}}}),
        operation(requestBody={"content": json(TEXT)}),
        "breaking",
    ),
    "JSON became problem+json": (
        answer(json(TEXT)),
        answer({"application/problem+json": {"schema": TEXT}}),
        "breaking",
    ),
    "hal+json went beside JSON": (
        answer(json(TEXT) | {"application/hal+json": {"schema": TEXT}}),
        answer(json(TEXT)),
        "breaking",
    ),
    # RFC 9110 section 15.4: a redirection is what the caller follows, and no error.
    "the only answer was a redirection": (
        answer({}, "302", headers={"Location": {"required": True, "schema": TEXT}}),
        answer({}, "200"),
        "breaking",
    ),
    "another redirection": (answer({}, "303"), answer({}, "302"), "breaking"),
    # Validation 9.4: attempts to set a read-only property are ignored or rejected.
    "a property of a request is read-only now": (
        with_request({"type": "object", "properties": {"a": TEXT}}),
        with_request({"type": "object", "properties": {"a": {**TEXT, "readOnly": True}}}),
        "warning",
    ),
    "a property of an answer is write-only now": (
        answer(json({"type": "object", "properties": {"a": TEXT}})),
        answer(json({"type": "object", "properties": {"a": {**TEXT, "writeOnly": True}}})),
        "warning",
    ),
    # ECMA-262: a dot stands for no line end.
    "any text but line ends": (with_request(TEXT), with_request({**TEXT, "pattern": "^.*$"}), "breaking"),
    **{
        f"{kind}: {name}": case
        for kind in ("callback", "webhook")
        for name, case in {
            # Of what the owner calls, the subscriber is the server.
            "calls come without a key": (called(kind, [{"k": []}]), called(kind, []), "breaking"),
            "calls may come without a key": (called(kind, [{"k": []}]), called(kind, [{"k": []}, {}]), "breaking"),
            "calls come with a key": (called(kind, []), called(kind, [{"k": []}]), "compatible"),
            "the answer has to have a body": (
                called(kind),
                called(kind, answers={"200": {"description": "", "content": json({**WHEN, "type": "object"})}}),
                "breaking",
            ),
        }.items()
    },
}


@pytest.mark.parametrize("name", TOLD)
def test_what_somebody_notices_is_told(name: str) -> None:
    old, new, verdict = TOLD[name]
    result = judge(old, new)
    assert result.verdict == verdict, rules(result)


#: The same on the wire, or wider for who sends.
HARMLESS: dict[str, tuple[Document, Document]] = {
    # OpenAPI 3.1.1 section 4.8.12.4: arrays in `simple` are written alike.
    "explode of a list in a header": (
        parameter(**{"in": "header", "schema": {"type": "array", "items": TEXT}}),
        parameter(**{"in": "header", "schema": {"type": "array", "items": TEXT}, "explode": True}),
    ),
    "explode of a list in an answer's header": (
        header(schema={"type": "array", "items": TEXT}),
        header(schema={"type": "array", "items": TEXT}, explode=True),
    ),
    "a server variable is free now": (server(default="p", enum=["p"]), server(default="p")),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_the_same_on_the_wire_is_no_break(name: str) -> None:
    old, new = HARMLESS[name]
    result = judge(old, new)
    assert result.verdict in ("none", "compatible"), rules(result)


@pytest.mark.parametrize(
    ("schema", "added", "told"),
    [
        ({"type": "string"}, "/orders/new", True),
        ({"type": "integer"}, "/orders/7", True),
        ({"type": "integer"}, "/orders/new", False),
        ({"type": "string", "enum": ["a", "b"]}, "/orders/new", False),
        ({"type": "string"}, "/orders/new/lines", False),
        ({"type": "string"}, "/stores/new", False),
    ],
)
def test_a_concrete_path_beside_a_template_says_whose_calls_it_takes(schema: Any, added: str, told: bool) -> None:
    """OpenAPI 3.1.1 section 4.8.8.2: concrete definitions are matched first."""
    parameter = {"name": "id", "in": "path", "required": True, "schema": schema}
    paths = {"/orders/{id}": {"get": {"parameters": [parameter], "responses": {"200": {"description": "OK"}}}}}
    more = {**paths, added: {"get": {"responses": {"200": {"description": "OK"}}}}}
    result = judge(openapi(paths), openapi(more))
    assert ("endpoint-added-beside-template" in rules(result)) is told
    assert result.verdict == "compatible"
    posted = {**paths, added: {"post": {"responses": {"200": {"description": "OK"}}}}}
    assert "endpoint-added-beside-template" not in rules(judge(openapi(paths), openapi(posted)))


def test_a_callback_under_another_key_is_the_same_where_it_calls_the_same() -> None:
    """OpenAPI 3.1.1 section 4.8.10: the key names a callback in the document; the expression says what is called."""

    def called(key: str, expression: str, schema: Any) -> Any:
        body = {"required": True, "content": {"application/json": {"schema": schema}}}
        item = {"post": {"requestBody": body, "responses": OK}}
        return operation(callbacks={key: {expression: item}})

    old = called("paid", "{$request.query.url}", TEXT)
    found = judge(old, called("settled", "{$request.query.url}", TEXT))
    assert found.verdict == "compatible"
    assert "callback-renamed" in rules(found)
    assert judge(old, called("settled", "{$request.query.other}", TEXT)).verdict == "breaking"
    assert judge(old, called("settled", "{$request.query.url}", {"type": "integer"})).verdict == "breaking"


@pytest.mark.parametrize(
    ("old", "new", "version", "same"),
    [
        ({"attribute": True}, {"nodeType": "attribute"}, "3.2.0", True),
        ({}, {"nodeType": "element"}, "3.2.0", True),
        ({}, {"nodeType": "text"}, "3.2.0", False),
        ({}, {"nodeType": "attribute"}, "3.2.0", False),
        ({"attribute": True}, {"nodeType": "attribute"}, "3.1.0", False),
    ],
)
def test_xml_nodes_of_3_2_are_compared_with_the_words_that_they_replace(
    old: Any, new: Any, version: str, same: bool
) -> None:
    def sent(word: Any) -> Any:
        schema = {"type": "object", "properties": {"a": {"type": "string", "xml": word}}}
        body = {"content": {"application/xml": {"schema": schema}}}
        paths = {"/a": {"post": {"requestBody": body, "responses": {"200": {"description": "OK"}}}}}
        return {**openapi(paths), "openapi": version}

    assert (judge(sent(old), sent(new)).verdict == "none") is same


def test_a_mapping_that_names_each_child_by_its_own_name_says_nothing_new() -> None:
    """OpenAPI 3.1.1 section 4.8.25.3: the name of a schema is its tag without words."""

    def sent(mapping: dict[str, str]) -> Any:
        parent = {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}}}
        parent["discriminator"] = {"propertyName": "kind", **({"mapping": mapping} if mapping else {})}
        child = {"allOf": [{"$ref": "#/components/schemas/P"}, {"type": "object"}]}
        body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/P"}}}}
        paths = {"/a": {"post": {"requestBody": body, "responses": {"200": {"description": "OK"}}}}}
        return openapi(paths, components={"schemas": {"P": parent, "C": child}})

    own, other = ({tag: "#/components/schemas/C"} for tag in ("C", "X"))
    assert judge(sent({}), sent(own)).verdict == "none"
    assert judge(sent({}), sent(other)).verdict != "none"
    assert judge(sent(own), sent(other)).verdict != "none"


@pytest.mark.parametrize(
    ("words", "wide"), [(["true", "false"], True), (["false", "true"], True), (["true"], False), (["true", "x"], None)]
)
def test_a_boolean_of_a_query_is_what_its_two_words_spell(words: list[str], wide: Any) -> None:
    old, new = parameter(schema={"type": "boolean"}), parameter(schema={"type": "string", "enum": words})
    assert (judge(old, new).verdict == "none") is (wide is True)
    assert (judge(new, old).verdict == "none") is (wide is True)
    if wide is False:
        assert judge(old, new).verdict == "breaking"
        assert judge(new, old).verdict == "compatible"
    bodies = with_request({"type": "boolean"}), with_request({"type": "string", "enum": words})
    assert judge(*bodies).verdict == "breaking", "in a body they are a boolean and a text"
