"""Each code of the gate comes through the product, over HTTP, and stands in the documentation."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from governance.domain.gate_rules import DENIALS, NEVER_WAIVED
from tests.governance import gate_estate
from tests.governance.gate_estate import NOS, YES, No

EVERYDAY = 44  # each code of the gate

ROOT = Path(__file__).resolve().parents[2]


def ask(client: Client, question: dict[str, Any]) -> dict[str, Any]:
    body = {"version": "2", "environment": "production", "consumes": []} | question
    answer = client.post("/api/v1/gate/verdicts", json.dumps(body), content_type="application/json")
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.django_db
def test_the_estate_itself_is_allowed():
    gate_estate.build()
    client = gate_estate.client()
    for question in YES:
        answer = ask(client, question())
        assert (answer["verdict"], answer["reasons"]) == ("allow", []), answer


@pytest.mark.django_db
@pytest.mark.parametrize("no", NOS, ids=lambda no: no.code)
def test_each_code_is_said_where_its_thing_happens(no: No, monkeypatch: pytest.MonkeyPatch):
    gate_estate.build()
    no.first(monkeypatch)
    answer = ask(gate_estate.client(), no.question())
    assert answer["verdict"] == no.word, answer["reasons"]
    assert {reason["code"] for reason in answer["reasons"]} == {no.code} | no.beside
    assert all(reason["fix"] and reason["who"] for reason in answer["reasons"])
    assert answer["flip"]


def codes_of_the_judges() -> set[str]:
    """Every code that a judge names in a call of `deny` or `unknown`; those put together from words are in DENIALS or
    named after what is unknown."""
    found = {f"{what}.unknown" for what in ("application", "environment")}
    for path in (ROOT / "governance" / "domain" / "judges").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                first = node.args[0] if node.args else None
                if node.func.attr in ("deny", "unknown") and isinstance(first, ast.Constant):
                    found.add(str(first.value))
    return found


def test_no_code_is_without_its_story():
    assert {no.code for no in NOS} == codes_of_the_judges() | set(DENIALS) | NEVER_WAIVED


def test_what_denies_alone_can_be_waived_and_states_how_grave_that_is_or_never_is():
    assert {no.code for no in NOS if no.word == "deny" and not no.beside} == set(DENIALS) | NEVER_WAIVED
    assert not NEVER_WAIVED & set(DENIALS)


def test_each_code_stands_in_the_reference_with_its_word():
    table = (ROOT / "docs" / "reference" / "gate.md").read_text().partition("## Codes")[2].partition("\n## ")[0]
    documented = {}
    for row in re.findall(r"^\| (`[^|]+) \| ([^|]+) \|", table, re.MULTILINE):
        family = ""
        for name in re.findall(r"`([a-z_.]+)`", row[0]):
            family = name.partition(".")[0] or family
            documented[family + name if name.startswith(".") else name] = row[1]
    missing = [no.code for no in NOS if no.word not in documented.get(no.code, "") and not no.beside]
    assert missing == []
    assert {no.code for no in NOS} == set(documented)
