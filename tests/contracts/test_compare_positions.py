"""Whatever the comparison of OpenAPI lets pass, an independent validator accepts as well: no witness speaks against it.

`python -m bench.contract_witnesses` tries 50,000 pairs.
"""

from __future__ import annotations

import json

import pytest

from tests.contracts.position_meaning import Meaning
from tests.contracts.position_pairs import NEW, OLD, Position, Side
from tests.contracts.position_proof import Outcome, prove

MODELS = ("strict", "tolerant")


def _shown(outcome: Outcome) -> str:
    return json.dumps([outcome.verdict, outcome.witness, outcome.pair.position, outcome.pair.old, outcome.pair.new])


@pytest.mark.parametrize("model", MODELS)
def test_no_value_speaks_against_some_verdicts(model: str) -> None:
    outcomes = [prove(f"few {number}", model, 25) for number in range(150)]
    assert [_shown(outcome) for outcome in outcomes if outcome.witness is not None] == []
    assert sum(outcome.hurt for outcome in outcomes) >= 25
    assert sum(outcome.verdict in ("none", "compatible") for outcome in outcomes) >= 50


@pytest.mark.thorough
@pytest.mark.parametrize("model", MODELS)
def test_no_value_speaks_against_thousands_of_verdicts(model: str) -> None:
    outcomes = [prove(f"many {number}", model, 30) for number in range(2500)]
    assert [_shown(outcome) for outcome in outcomes if outcome.witness is not None] == []
    assert sum(outcome.hurt for outcome in outcomes) >= 500
    assert sum(outcome.undecided for outcome in outcomes) <= 75


def test_the_judge_reads_what_travels_as_the_standard_says() -> None:
    """The meaning of a position, apart from the engine: null, tags, parents and text."""

    def accepts(schema: object, wire: object, position: Position, version: str = NEW, **components: object) -> bool:
        return Meaning(Side(version, components, schema, True, ("application/json",)), position).accepts(wire)

    body, json_type = Position("request"), "application/json"
    nullable = {"type": "string", "nullable": True}
    assert accepts(nullable, ("request", (json_type, None)), body, OLD)
    assert not accepts(nullable, ("request", (json_type, None)), body)
    assert not accepts({**nullable, "enum": ["a"]}, ("request", (json_type, None)), body, OLD)
    assert not accepts({}, ("request", ("text/csv", 1)), body)
    assert not accepts({}, None, body)
    parent = {
        "type": "object",
        "properties": {"kind": {"type": "string"}},
        "required": ["kind"],
        "discriminator": {"propertyName": "kind"},
    }
    reference = {"$ref": "#/components/schemas/Tender"}
    cash = {"allOf": [reference, {"type": "object", "required": ["a"]}]}
    family = {"Tender": parent, "Cash": cash}
    assert accepts(reference, ("request", (json_type, {"kind": "Cash", "a": 1})), body, **family)
    assert not accepts(reference, ("request", (json_type, {"kind": "Cash"})), body, **family)
    assert not accepts(reference, ("request", (json_type, {"kind": "Card", "a": 1})), body, **family)
    query = Position("query", "form", False)
    numbers = {"type": "array", "items": {"type": "integer"}}
    assert accepts(numbers, ("query", ("1,2",)), query)
    assert not accepts(numbers, ("query", ("1,a",)), query)
    assert accepts({"type": "integer"}, ("query", ("7",)), query)
    assert accepts({"type": "string", "maxLength": 1}, ("query", ("7",)), query)
    assert not accepts({"type": "boolean"}, ("query", ("7",)), query)
