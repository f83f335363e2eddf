"""What stands at a place: path variables by their place in the path, statuses and media types by what stands for them."""

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
    assert rules(report, "info") == rules(report) and "api-path-parameter-renamed" in rules(report)


def test_a_renamed_variable_whose_list_keeps_the_old_name_is_compared_at_its_place() -> None:
    old = path("/a/{id}", variable("id", TEXT))
    assert rules(judge(old, path("/a/{key}", variable("id", TEXT)))) == {"api-path-parameter-renamed"}
    assert judge(old, path("/a/{key}", variable("id", INTEGER))).verdict == "breaking"
    assert judge(path("/a/{x}/{y}", X, Y), path("/a/{y}/{z}", X, Y)).verdict == "breaking"
