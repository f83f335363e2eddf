"""Compatibility modes of registries, and the policy file."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from tillgate_contracts.compare import MODES, ComparisonPolicy, check_compat, check_transitive, iter_rules
from tillgate_contracts.errors import ContractError

SMALL: dict[str, Any] = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}
OPTIONAL: dict[str, Any] = {**SMALL, "properties": {**SMALL["properties"], "note": {"type": "string"}}}
DEMANDING: dict[str, Any] = {**OPTIONAL, "required": ["id", "note"]}


@pytest.mark.parametrize(
    ("old", "new", "backward", "forward"),
    [
        (SMALL, SMALL, True, True),
        (SMALL, OPTIONAL, True, True),
        (OPTIONAL, DEMANDING, False, True),
        (DEMANDING, OPTIONAL, True, False),
        ({"type": "string"}, {}, True, False),
        ({"type": "string"}, True, True, False),
        (True, False, False, True),
        ({"type": "string", "pattern": "a"}, {"type": "string", "pattern": "b"}, False, False),
    ],
)
def test_backward_asks_the_new_reader_and_forward_the_old_one(
    old: Any, new: Any, backward: bool, forward: bool
) -> None:
    assert check_compat(old, new, direction="backward").compatible is backward
    assert check_compat(old, new, direction="forward").compatible is forward
    assert check_compat(old, new, direction="full").compatible is (backward and forward)
    assert check_compat(old, new, direction="none").compatible is True


def test_the_strict_model_minds_a_name_that_was_open() -> None:
    assert check_compat(SMALL, OPTIONAL, direction="backward", content_model="strict").compatible is False
    assert check_compat(SMALL, OPTIONAL, direction="forward", content_model="strict").compatible is True


def test_each_mode_says_who_goes_first() -> None:
    orders = {mode: check_compat(SMALL, SMALL, direction=mode).upgrade_order.split(":")[0] for mode in MODES}
    assert orders["backward"] == orders["backward-transitive"] == "consumers first"
    assert orders["forward"] == orders["forward-transitive"] == "producers first"
    assert orders["full"] == orders["full-transitive"] == "any order"
    assert orders["none"] == "together"


def test_transitive_modes_ask_every_earlier_version() -> None:
    versions = [{"type": "integer"}, {"type": "number"}, {"type": ["number", "string"]}]
    assert check_transitive(versions, direction="backward-transitive").compatible is True
    back = [{"type": "string"}, {"type": ["string", "integer"]}, {"type": ["integer", "string"], "minimum": 0}]
    assert check_transitive(back, direction="forward").compatible is True
    assert check_transitive(back, direction="forward-transitive").compatible is False
    assert check_transitive(versions[:1], direction="full-transitive").compatible is True


def test_unknown_words_are_refused() -> None:
    with pytest.raises(ContractError, match="one of backward, forward"):
        check_compat(SMALL, SMALL, direction="sideways")
    with pytest.raises(ContractError, match="tolerant or strict"):
        check_compat(SMALL, SMALL, direction="full", content_model="loose")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "code", "text"),
    [
        ({"strict_enums": True}, "policy.key", "Did you mean 'strict_enum'"),
        ({"levels": {"server-url-change": "breaking"}}, "policy.rule", "Did you mean 'server-url-changed'"),
        ({"levels": {"server-url-changed": "fatal"}}, "policy.level", "one of breaking, warning, info"),
        ({"content_model": "loose"}, "policy.value", "strict, tolerant"),
        ({"sunset_min_days_beta": -1}, "policy.value", "0 to 3650"),
        ({"sunset_min_days_beta": True}, "policy.value", "0 to 3650"),
        ({"strict_enum": "yes"}, "policy.value", "true or false"),
        ([], "policy.form", "mapping"),
    ],
)
def test_a_policy_with_a_wrong_key_is_refused_with_what_is_wrong(data: Any, code: str, text: str) -> None:
    with pytest.raises(ContractError, match=text) as caught:
        ComparisonPolicy.from_mapping(data)
    assert caught.value.code == code


def test_a_policy_file_is_yaml_and_sets_levels_per_rule() -> None:
    policy = ComparisonPolicy.from_yaml("levels: {server-url-changed: breaking}\nstability_threshold: alpha\n")
    assert policy.level("server-url-changed", "warning") == "breaking"
    assert policy.level("endpoint-added", "info") == "info"
    assert policy.stability_threshold == "alpha"
    with pytest.raises(ContractError, match="not readable YAML"):
        ComparisonPolicy.from_yaml("levels: [")


def test_every_rule_has_one_id_a_level_a_title_and_a_reason() -> None:
    rules = list(iter_rules())
    assert len({rule.id for rule in rules}) == len(rules)
    assert all(rule.level in {"breaking", "warning", "info"} and rule.title and rule.why for rule in rules)


EITHER: dict[str, Any] = {"minProperties": 0}


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        (
            {"anyOf": [{"patternProperties": {"^k": {"const": 1}}}, EITHER]},
            {"anyOf": [EITHER, {"patternProperties": {}}]},
            {"k": 1},
        ),
        (
            {"anyOf": [{"additionalProperties": {}}, EITHER]},
            {"anyOf": [{"additionalProperties": {"const": None}}, EITHER]},
            {"a": "x"},
        ),
        ({"dependentSchemas": {"k": {"additionalProperties": True}}}, {"dependentSchemas": {}}, {"k": "x"}),
        ({"dependentSchemas": {"k": {"properties": {"k": {}}}}}, {"dependentSchemas": {"k": {}}}, {"k": 1}),
        ({"if": {"properties": {"b": {}}}}, {"if": {"properties": {"b": {"const": 1}}}}, {"b": 2}),
        ({"if": {"additionalProperties": True}}, {"if": {"additionalProperties": False}}, {"b": 2}),
        ({"if": {}, "then": {"additionalProperties": True}}, {"if": {}, "then": {}}, {"b": 2}),
        ({"properties": {"b": {}}, "allOf": [{"unevaluatedProperties": {}}]}, {}, {"z": 1}),
    ],
)
def test_what_branches_evaluate_no_more_is_not_called_compatible(
    old: dict[str, Any], new: dict[str, Any], value: dict[str, Any]
) -> None:
    """JSON Schema 2020-12 Core 11.3: whatever no branch evaluates is left to `unevaluatedProperties`."""
    closed = {"type": "object", "unevaluatedProperties": False}
    assert jsonschema_rs.is_valid({**closed, **old}, value)
    assert not jsonschema_rs.is_valid({**closed, **new}, value)
    for model in ("strict", "tolerant"):
        answer = check_compat({**closed, **old}, {**closed, **new}, direction="backward", content_model=model)
        assert answer.compatible is not True, model


def test_branches_in_another_order_evaluate_the_same() -> None:
    closed = {"type": "object", "unevaluatedProperties": False}
    branches = [{"properties": {"a": {"type": "string"}}}, {"properties": {"b": {"type": "string"}}}]
    old, new = {**closed, "anyOf": branches}, {**closed, "anyOf": branches[::-1]}
    assert check_compat(old, new, direction="full", content_model="strict").compatible is True
