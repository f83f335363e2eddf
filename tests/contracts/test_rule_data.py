"""The rules that stand in TOML files: complete, unique, and with words that the comparison knows."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tillgate_contracts.compare.rules import LEVELS, PLACES, iter_rules
from tillgate_contracts.compare.schema.compare import KEYWORDS
from tillgate_contracts.compare.structure_rules import STRUCTURE_RULES

FOLDER = Path(__file__).resolve().parents[2] / "contracts/tillgate_contracts/compare/structure_rules"


def test_every_file_is_read_and_no_id_stands_in_two():
    ids = [name for path in FOLDER.glob("*.toml") for name in tomllib.loads(path.read_text())]
    assert sorted(ids) == sorted(rule.id for rule in STRUCTURE_RULES)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("rule", STRUCTURE_RULES, ids=lambda rule: rule.id)
def test_a_rule_has_a_known_level_and_direction_and_says_why(rule):
    assert rule.level in LEVELS
    assert rule.direction in {"none", *PLACES}
    assert rule.title
    assert rule.why.endswith(".")
    assert rule in set(iter_rules())


def test_a_keyword_has_one_row_in_the_table():
    names = [keyword.name for keyword in KEYWORDS]
    assert len(set(names)) == len(names)
    assert {keyword.type for keyword in KEYWORDS} == {"", "number", "string", "array", "object"}
