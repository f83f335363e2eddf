"""What stands at a place: path variables by their order, statuses and media types by what stands for them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.contract_documents import OK, judge, openapi, rules

TEXT, INTEGER = {"type": "string"}, {"type": "integer"}


def variable(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


X, Y = variable("x", TEXT), variable("y", INTEGER)


def path(template: str, *parameters: dict[str, Any], shared: bool = False) -> dict[str, Any]:
    if shared:
        return openapi({template: {"parameters": list(parameters), "get": {"responses": OK}}})
    return openapi({template: {"get": {"parameters": list(parameters), "responses": OK}}})


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(
    ("old", "new"), [("/a/{x}/{y}", "/a/{y}/{x}"), ("/a/{x}/b/{y}", "/a/{y}/b/{x}"), ("/a/{x}-{y}", "/a/{y}-{x}")]
)
def test_path_variables_that_change_places_are_compared_by_their_place(old: str, new: str, shared: bool) -> None:
    for listed in ([X, Y], [Y, X]):
        report = judge(path(old, X, Y, shared=shared), path(new, *listed, shared=shared))
        assert report.verdict == "breaking"
        assert not any("on the wire nothing changed" in finding.message for finding in report.findings)


def test_path_variables_of_one_type_may_change_places() -> None:
    same = variable("y", TEXT)
    report = judge(path("/a/{x}/{y}", X, same), path("/a/{y}/{x}", X, same))
    assert rules(report, "info") == rules(report)
    assert "api-path-parameter-renamed" in rules(report)


def test_a_renamed_variable_whose_list_keeps_the_old_name_is_compared_at_its_place() -> None:
    old = path("/a/{id}", variable("id", TEXT))
    assert rules(judge(old, path("/a/{key}", variable("id", TEXT)))) == {"api-path-parameter-renamed"}
    assert judge(old, path("/a/{key}", variable("id", INTEGER))).verdict == "breaking"
    assert judge(path("/a/{x}/{y}", X, Y), path("/a/{y}/{z}", X, Y)).verdict == "breaking"


def body(**properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "required": sorted(properties), "properties": properties}
    return {"description": "An answer", "content": {"application/json": {"schema": schema}}}


def statuses(**answers: dict[str, Any]) -> dict[str, Any]:
    named = {status.removeprefix("_"): answer for status, answer in answers.items()}
    return openapi({"/orders": {"get": {"responses": {"200": body(a=TEXT), **named}}}})


A, B = body(a=TEXT), body(a={"type": "number"})


@pytest.mark.parametrize("code", ["_404", "_4XX", "_500", "_201", "_2XX"])
def test_default_stands_for_a_code_before_and_after_its_own_entry(code: str) -> None:
    alone = statuses(default=A)
    assert judge(alone, statuses(**{code: B}, default=A)).verdict == "breaking"
    assert judge(statuses(**{code: B}, default=A), alone).verdict == "breaking"
    assert "breaking" not in {finding.level for finding in judge(alone, statuses(**{code: A}, default=A)).findings}


def test_a_range_stands_for_a_code_before_and_after_its_own_entry() -> None:
    alone = statuses(_4XX=A, default=B)
    assert judge(alone, statuses(_404=B, _4XX=A, default=B)).verdict == "breaking"
    assert judge(statuses(_404=B, _4XX=A, default=B), alone).verdict == "breaking"
    assert judge(alone, statuses(_404=A, _4XX=A, default=B)).verdict == "compatible"


def test_a_default_that_goes_or_comes_beside_a_range_is_compared_with_what_stands_for_its_codes() -> None:
    assert judge(statuses(_4XX=A, default=B), statuses(default=B)).verdict == "breaking"
    assert judge(statuses(_404=A, default=B), statuses(_404=A, _4XX=A, default=B)).verdict == "breaking"


@pytest.mark.parametrize("code", ["_204", "_304"])
def test_a_status_that_never_has_a_body_is_not_compared_with_default(code: str) -> None:
    bare = {"description": "Nothing"}
    assert judge(statuses(default=A), statuses(**{code: bare}, default=A)).verdict == "compatible"
    assert judge(statuses(default=A), statuses(**{code: B}, default=A)).verdict == "breaking"


def media(side: str, **schemas: Any) -> dict[str, Any]:
    """One operation whose request or response has these media types; `any_` is `*/*`, `application_` its range."""
    names = {"any_": "*/*", "application_": "application/*", "json": "application/json", "xml": "application/xml"}
    content = {"content": {names[name]: {"schema": schema} for name, schema in schemas.items()}}
    if side == "request":
        return openapi({"/orders": {"post": {"requestBody": content, "responses": OK}}})
    return openapi({"/orders": {"get": {"responses": {"200": {"description": "OK", **content}}}}})


def needs(schema: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}, "required": list(required)}


NUMBER = {"type": "number"}


@pytest.mark.parametrize("wide", ["any_", "application_"])
@pytest.mark.parametrize(
    ("side", "mine", "theirs"),
    [("request", needs(TEXT), needs(TEXT, "a")), ("response", needs(TEXT, "a"), needs(TEXT))],
)
def test_a_wildcard_stands_for_a_media_type_that_goes_or_comes(wide: str, side: str, mine: Any, theirs: Any) -> None:
    for name in ("json", "xml"):
        gone = judge(media(side, **{wide: theirs, name: mine}), media(side, **{wide: theirs}))
        assert gone.verdict == "breaking", gone.findings
        come = judge(media(side, **{wide: mine}), media(side, **{wide: mine, name: theirs}))
        assert come.verdict == "breaking", come.findings
        for old, new in (({wide: mine}, {wide: mine, name: mine}), ({wide: mine, name: mine}, {wide: mine})):
            assert judge(media(side, **old), media(side, **new)).verdict in {"none", "compatible"}


def test_several_media_types_that_become_a_wildcard_are_each_compared_with_it() -> None:
    old = media("request", json=needs(TEXT, "a"), xml=needs(TEXT))
    assert judge(old, media("request", any_=needs(TEXT, "a"))).verdict == "breaking"
    assert judge(old, media("request", any_=needs(TEXT))).verdict == "compatible"


def test_the_nearest_wildcard_stands_for_a_media_type() -> None:
    near, far = needs(TEXT, "a"), needs(NUMBER, "a")
    alone = media("response", any_=far, application_=near)
    assert judge(alone, media("response", any_=far, application_=near, json=near)).verdict == "compatible"
    assert judge(alone, media("response", any_=far, application_=near, json=far)).verdict == "breaking"


def test_what_travels_as_text_is_compared_as_text_with_its_wildcard() -> None:
    old = media("request", any_={"type": "string"}, xml={"type": "integer"})
    assert judge(old, media("request", any_={"type": "string"})).verdict in {"none", "compatible"}
