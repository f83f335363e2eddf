"""Changes of bodies and of links that somebody notices and that were told as none, or as compatible."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.contract_documents import OK, judge, openapi, rules

TEXT: dict[str, Any] = {"type": "string"}
FILE: dict[str, Any] = {"type": "string", "format": "binary"}
FORM, OCTETS, XML = "multipart/form-data", "application/octet-stream", "application/xml"
Document = dict[str, Any]


def sent(schema: Any, media: str, version: str = "3.0.3") -> Document:
    body = {"content": {media: {"schema": schema}}}
    return {**openapi({"/a": {"post": {"requestBody": body, "responses": OK}}}), "openapi": version}


def answered(schema: Any, media: str, version: str = "3.0.3") -> Document:
    responses = {"200": {"description": "", "content": {media: {"schema": schema}}}}
    return {**openapi({"/a": {"post": {"responses": responses}}}), "openapi": version}


def fields(field: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"f": field}}


def listed(field: Any) -> dict[str, Any]:
    return fields({"type": "array", "items": field})


@pytest.mark.parametrize("wrap", [fields, listed])
@pytest.mark.parametrize("place", [sent, answered])
def test_a_part_that_was_a_file_and_is_text_is_another_one(place: Any, wrap: Any) -> None:
    """OpenAPI 3.0.4 Encoding Object: `application/octet-stream` by default for the one, `text/plain` for the other."""
    file, text = place(wrap(FILE), FORM), place(wrap(TEXT), FORM)
    assert judge(file, text).verdict == "breaking"
    assert judge(text, file).verdict == "breaking"
    assert judge(file, file).verdict == "none"


@pytest.mark.parametrize("file", [{}, {"contentMediaType": "application/octet-stream"}])
@pytest.mark.parametrize("place", [sent, answered])
def test_a_part_in_the_words_of_3_1_is_told_as_a_file(place: Any, file: Any) -> None:
    """OpenAPI 3.1.1 Encoding Object: a part without a type is `application/octet-stream`."""
    old, new = (place(fields(one), FORM, "3.1.0") for one in (TEXT, file))
    for pair, words in (((old, new), "from string to a file"), ((new, old), "from a file to string")):
        result = judge(*pair)
        told = [finding.message for finding in result.findings if finding.level == "breaking"]
        assert len(told) == 1, told
        assert words in told[0]


@pytest.mark.parametrize("place", [sent, answered])
def test_a_body_of_bytes_that_is_text_now_is_another_one(place: Any) -> None:
    assert judge(place(FILE, OCTETS), place(TEXT, OCTETS)).verdict == "breaking"
    assert judge(place(TEXT, OCTETS), place(FILE, OCTETS)).verdict == "breaking"


def test_a_file_of_swagger_2_that_is_text_now_is_another_field() -> None:
    def swagger(kind: str) -> Document:
        field = {"name": "f", "in": "formData", "type": kind}
        post = {"consumes": [FORM], "parameters": [field], "responses": {"200": {"description": ""}}}
        return {"swagger": "2.0", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"post": post}}}

    assert judge(swagger("file"), swagger("string")).verdict == "breaking"


@pytest.mark.parametrize(("version", "verdict"), [("3.2.0", "breaking"), ("3.1.0", "warning"), ("3.0.3", "warning")])
@pytest.mark.parametrize("place", [sent, answered])
def test_the_root_element_of_xml_is_named_like_its_component(place: Any, version: str, verdict: str) -> None:
    """OpenAPI 3.2.0 section 4.26.2; the versions before do not say it."""

    def named(name: str, media: str = XML, **xml: Any) -> Document:
        schemas = {name: {**fields(TEXT), **xml}}
        return {**place({"$ref": f"#/components/schemas/{name}"}, media, version), "components": {"schemas": schemas}}

    result = judge(named("Foo"), named("Bar"))
    assert (result.verdict, rules(result)) == (verdict, {"body-xml-root-renamed"})
    said = {"xml": {"name": "foo"}}
    assert judge(named("Foo", **said), named("Bar", **said)).verdict == "none"
    assert judge(named("Foo", "application/json"), named("Bar", "application/json")).verdict == "none"


def linked(link: dict[str, Any] | None, *, name: str = "a", variable: str = "id") -> Document:
    other = {"get": {"operationId": name, "responses": OK}}
    links = {} if link is None else {"links": {"n": link}}
    post = {"operationId": "b", "responses": {"200": {"description": "ok", **links}}}
    return openapi({"/a": {"post": post}, f"/x/{{{variable}}}": other})


BY_NAME: dict[str, Any] = {"operationId": "a"}


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        (BY_NAME, None, "warning"),
        (BY_NAME, {"operationId": "b"}, "warning"),
        (BY_NAME, {"operationRef": "#/paths/~1a/post"}, "warning"),
        (BY_NAME, {**BY_NAME, "server": {"url": "https://b.example"}}, "warning"),
        (None, BY_NAME, "compatible"),
        (BY_NAME, {**BY_NAME, "parameters": {"id": "$response.body#/id"}}, "compatible"),
        # The same operation by other words.
        (BY_NAME, {"operationRef": "#/paths/~1x~1{id}/get"}, "none"),
        (BY_NAME, {**BY_NAME, "description": "d"}, "none"),
    ],
)
def test_a_link_that_goes_or_leads_elsewhere_is_told(old: Any, new: Any, verdict: str) -> None:
    result = judge(linked(old), linked(new))
    assert result.verdict == verdict, rules(result)


def test_a_link_follows_its_operation_to_another_name() -> None:
    result = judge(linked(BY_NAME), linked({"operationId": "c"}, name="c", variable="x"))
    assert not [rule for rule in rules(result) if "link" in rule], rules(result)
