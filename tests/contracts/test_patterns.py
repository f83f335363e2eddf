"""Patterns of a contract are searched within bounds of time, and what is not decided is no agreement."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.contract_documents import with_request
from tillgate_contracts.compare.schema.patterns import matches, readable

LONG = "a" * 40 + "!"
SLOW = [r"^(a+)+$", r"^(a|a)*$", r"^(([a-z])+.)+[A-Z]([a-z])+$"]
STEPPING = [r"^(?=a)(a|a)*\1$", r"^(a*)*\1b$"]


def _tried(tmp_path: Path, old: Any, new: Any) -> dict[str, Any]:
    for name, schema in (("old.json", old), ("new.json", new)):
        (tmp_path / name).write_text(json.dumps(with_request(schema)))
    words = [sys.executable, "-m", "tillgate_contracts", "compare", "old.json", "new.json", "--format", "json"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("pattern", [*SLOW, *STEPPING])
def test_a_pattern_that_steps_back_without_end_is_answered_in_time(tmp_path, pattern):
    answer = _tried(tmp_path, {"enum": [LONG, "b"]}, {"enum": [LONG, "b"], "pattern": pattern})
    assert answer["verdict"] in ("breaking", "warning")


@pytest.mark.parametrize("pattern", [*SLOW, *STEPPING])
def test_names_of_properties_are_tried_on_such_patterns_in_time(tmp_path, pattern):
    old = {"type": "object", "properties": {LONG: {"type": "string"}}}
    new = {"type": "object", "patternProperties": {pattern: {"type": "integer"}}}
    assert _tried(tmp_path, old, new)["verdict"] in ("breaking", "warning")


@pytest.mark.parametrize("pattern", SLOW)
def test_an_expression_without_steps_back_is_decided(pattern):
    assert matches(pattern, LONG) is False


@pytest.mark.parametrize("pattern", STEPPING)
def test_a_search_that_takes_too_many_steps_is_not_decided(pattern):
    assert matches(pattern, LONG) is None


@pytest.mark.parametrize("pattern", ["(", "a{99999999999}", r"(a{1000}){1000}"])
def test_an_expression_that_cannot_be_read_or_is_too_large_is_not_decided(pattern):
    assert not readable(pattern)
    assert matches(pattern, "a") is None


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"^\d+$", "123", True),
        (r"^\d+$", "\u0661", False),
        ("^a$", "a\n", False),
        ("(?<!x)b$", "ab", True),
        ("(?!a)b", "a", False),
        (r"^(a)\1$", "aa", True),
        (r"^\p{Lu}$", "É", True),
    ],
)
def test_expressions_mean_what_ecma_262_says(pattern, text, found):
    assert matches(pattern, text) is found


def test_a_long_text_is_not_searched():
    assert matches("^a+$", "a" * 100_001) is None
    assert matches("^(?=a)a+$", "a" * 5_001) is None


def test_text_that_no_json_can_hold_is_not_decided():
    assert matches("a", "\ud800") is None
