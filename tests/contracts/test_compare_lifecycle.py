"""Sunset and stability: what was promised, for how long, judged on a given day."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tests.contracts.contract_documents import (
    OK,
    VERSION_RULES,
    judge,
    openapi,
    rules,
    with_operation,
    with_parameter,
    with_request,
)

DAY = dt.date(2026, 11, 23)
SOON, LATER, PAST = "2026-12-01", "2027-06-30", "2026-01-31"


def operation(**words: Any) -> dict[str, Any]:
    return with_operation(words)


REMOVALS = [
    ({}, "api-removed-without-deprecation", "breaking"),
    ({"deprecated": True}, "api-removed-with-deprecation", "compatible"),
    ({"deprecated": True, "x-sunset": PAST}, "api-removed-with-deprecation", "compatible"),
    ({"deprecated": True, "x-sunset": DAY.isoformat()}, "api-removed-with-deprecation", "compatible"),
    ({"deprecated": True, "x-sunset": SOON}, "api-removed-before-sunset", "breaking"),
    ({"deprecated": True, "x-sunset": "2026-12-01T00:00:00Z"}, "api-removed-before-sunset", "breaking"),
    ({"deprecated": True, "x-sunset": "someday"}, "api-path-sunset-parse", "breaking"),
]


@pytest.mark.parametrize(("words", "rule", "verdict"), REMOVALS)
def test_removal_of_an_operation(words: dict[str, Any], rule: str, verdict: str) -> None:
    base = openapi({"/orders": {"post": {"responses": OK, **words}, "get": {"responses": OK}}})
    revision = openapi({"/orders": {"get": {"responses": OK}}})
    result = judge(base, revision, as_of=DAY)
    assert (rules(result), result.verdict) == ({rule}, verdict)


def test_a_removed_path_has_its_own_rule() -> None:
    assert rules(judge(operation(), openapi({}), as_of=DAY)) == {"api-path-removed-without-deprecation"}


DEPRECATIONS = [
    ({}, {"deprecated": True}, {}, "endpoint-deprecated"),
    ({}, {"deprecated": True}, {"sunset_min_days_stable": 30}, "api-deprecated-sunset-missing"),
    ({}, {"deprecated": True, "x-sunset": SOON}, {"sunset_min_days_stable": 30}, "api-sunset-date-too-small"),
    ({}, {"deprecated": True, "x-sunset": LATER}, {"sunset_min_days_stable": 30}, "endpoint-deprecated-with-sunset"),
    ({}, {"deprecated": True, "x-sunset": "x"}, {}, "api-deprecated-sunset-parse"),
    ({"deprecated": True, "x-sunset": SOON}, {"deprecated": True}, {}, "sunset-deleted"),
    (
        {"deprecated": True, "x-sunset": LATER},
        {"deprecated": True, "x-sunset": SOON},
        {"sunset_min_days_stable": 30},
        "api-sunset-date-changed-too-small",
    ),
    (
        {"deprecated": True, "x-sunset": SOON},
        {"deprecated": True, "x-sunset": LATER},
        {"sunset_min_days_stable": 30},
        "api-sunset-date-changed",
    ),
    ({"deprecated": True}, {}, {}, "endpoint-reactivated"),
    (
        {"x-stability-level": "beta"},
        {"x-stability-level": "beta", "deprecated": True},
        {"sunset_min_days_stable": 30},
        "endpoint-deprecated",
    ),
    (
        {"x-stability-level": "beta"},
        {"x-stability-level": "beta", "deprecated": True},
        {"sunset_min_days_beta": 30},
        "api-deprecated-sunset-missing",
    ),
    ({}, {"x-stability-level": "beta"}, {}, "api-stability-decreased"),
    ({"x-stability-level": "beta"}, {}, {}, "api-stability-increased"),
    ({}, {"x-stability-level": "gold"}, {}, "api-invalid-stability-level"),
]


@pytest.mark.parametrize(("old", "new", "policy", "rule"), DEPRECATIONS)
def test_lifecycle_of_an_operation(old: Any, new: Any, policy: Any, rule: str) -> None:
    assert rules(judge(operation(**old), operation(**new), as_of=DAY, **policy)) == {rule}


def test_below_the_threshold_nothing_is_judged() -> None:
    draft = {"x-stability-level": "alpha"}
    base = operation(**draft, operationId="a")
    assert judge(base, openapi({}), as_of=DAY).findings == []
    assert judge(base, openapi({}), as_of=DAY, stability_threshold="alpha").verdict == "breaking"


def test_the_same_documents_are_judged_by_the_day_that_is_given() -> None:
    base = operation(deprecated=True, **{"x-sunset": SOON})
    assert judge(base, openapi({}), as_of=dt.date(2026, 11, 30)).verdict == "breaking"
    assert judge(base, openapi({}), as_of=dt.date(2026, 12, 1)).verdict == "compatible"


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ({}, "request-parameter-removed"),
        ({"deprecated": True}, "request-parameter-removed-with-deprecation"),
        ({"deprecated": True, "x-sunset": SOON}, "request-parameter-removed-before-sunset"),
        ({"deprecated": True, "x-sunset": "x"}, "request-parameter-sunset-parse"),
    ],
)
def test_removal_of_a_parameter(words: Any, rule: str) -> None:
    parameter = {"name": "page", "in": "query", "schema": {"type": "integer"}, **words}
    assert rules(judge(with_parameter(parameter), with_parameter(None), as_of=DAY)) == {rule}


@pytest.mark.parametrize(
    ("words", "rule", "verdict"),
    [
        ({}, "request-property-removed", "warning"),
        ({"deprecated": True}, "request-property-removed-with-deprecation", "compatible"),
        ({"deprecated": True, "x-sunset": PAST}, "request-property-removed-with-deprecation", "compatible"),
        ({"deprecated": True, "x-sunset": SOON}, "request-property-removed-before-sunset", "breaking"),
    ],
)
def test_removal_of_a_property(words: Any, rule: str, verdict: str) -> None:
    old = {"type": "object", "properties": {"a": {"type": "string", **words}}}
    result = judge(with_request(old), with_request({"type": "object"}), as_of=DAY)
    assert rule in rules(result)
    assert result.verdict == verdict


def test_a_property_may_be_deprecated_with_a_date() -> None:
    old, new = (
        {"type": "object", "properties": {"a": {"type": "string", **words}}}
        for words in ({}, {"deprecated": True, "x-sunset": SOON})
    )
    assert rules(judge(with_request(old), with_request(new), as_of=DAY)) == {"request-property-deprecated-with-sunset"}
    result = judge(with_request(old), with_request(new), as_of=DAY, sunset_min_days_stable=30)
    assert rules(result, "breaking") == {"request-property-sunset-date-too-small"}


def test_a_breaking_change_without_a_new_major_version_is_said() -> None:
    base, revision = operation(operationId="a"), openapi({})

    def found(version: str) -> set[str]:
        result = judge(base, {**revision, "info": {"title": "t", "version": version}})
        return rules(result, versions=True) & VERSION_RULES

    assert found("1.0.0") == {"api-version-not-bumped"}
    assert found("1.1.0") == {"api-major-version-not-bumped"}
    assert found("2.0.0") == set()
    assert found("0.9") == {"api-version-decreased"}
    assert found("spring") == set()
