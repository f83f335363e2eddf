"""How Swagger 2.0 writes lists inside of lists has no counterpart in version 3, and a change of it is no agreement."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.contract_documents import judge, rules


def _nested(form: str | None) -> dict[str, Any]:
    inner: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
    return {"type": "array", "items": inner if form is None else {**inner, "collectionFormat": form}}


def _flat(form: str | None) -> dict[str, Any]:
    made = {"type": "array", "items": {"type": "string"}}
    return made if form is None else {**made, "collectionFormat": form}


def _api(value: dict[str, Any], place: str = "query") -> dict[str, Any]:
    parameter = {"name": "a", "in": place, **value}
    operation = {"parameters": [parameter], "responses": {"200": {"description": "OK"}}}
    return {"swagger": "2.0", "info": {"title": "t", "version": "1"}, "paths": {"/x": {"get": operation}}}


@pytest.mark.parametrize("place", ["query", "header"])
@pytest.mark.parametrize("form", ["pipes", "ssv", "tsv"])
def test_another_form_of_an_inner_list_is_not_decided(place, form):
    for base, revision in (((None), form), (form, None), ("csv", form)):
        found = judge(_api(_nested(base), place), _api(_nested(revision), place))
        assert found.verdict == "warning"
        assert rules(found) == {"request-parameter-property-unknown-keyword-changed"}


def test_the_form_that_holds_without_a_word_may_be_written():
    assert judge(_api(_nested(None)), _api(_nested("csv"))).verdict == "none"


@pytest.mark.parametrize(("place", "form"), [("query", "tsv"), ("header", "ssv"), ("header", "pipes")])
def test_another_form_of_the_list_itself_is_found(place, form):
    assert judge(_api(_flat(None), place), _api(_flat(form), place)).verdict in ("warning", "breaking")
