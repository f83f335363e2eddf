"""The door to the contract engine: whatever the engine refuses reaches the portal as the kernel's own error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from catalog.domain import contract_engine as engine
from kernel.digest import canonical_json as kernel_json
from kernel.errors import Invalid
from tillgate_contracts.digest import canonical_json as engine_json

BROKEN = b"openapi: ["
OPENAPI = {"openapi": "3.0.3", "info": {"title": "a", "version": "1"}, "paths": {}}
REFUSALS: dict[str, tuple[Callable[[], Any], str]] = {
    "read": (lambda: engine.read(BROKEN), "contract.yaml_syntax"),
    "from_canonical": (lambda: engine.from_canonical(b"{"), "contract.json_syntax"),
    "from_value": (lambda: engine.from_value([1]), "contract.not_a_contract"),
    "parse_text": (lambda: engine.parse_text(BROKEN), "contract.yaml_syntax"),
    "parse_yaml": (lambda: engine.parse_yaml(b"a: 1\na: 2\n"), "contract.duplicate_key"),
    "decode": (lambda: engine.decode(b"\xff\xfe\xff"), "contract.encoding"),
    "compare": (
        lambda: engine.compare(engine.from_value(OPENAPI), engine.from_value({"type": "object"})),
        "contract.family",
    ),
    "observer": (lambda: engine.observer(engine.read(b"type Query { a: Int }", name="a.graphql")), "observe.format"),
    "lint": (lambda: engine.lint(engine.from_value(OPENAPI), tier=9), "lint.context"),
}
REFUSES_NOTHING = {"group", "groups_of", "is_call", "is_list_value", "is_name", "lint_groups", "speaks"}
"""They arrange or judge what the engine has made."""


def test_every_entry_has_a_refusal_here():
    entries = {name for name in engine.__all__ if callable(getattr(engine, name)) and name[0].islower()}
    refusing = entries - {"schema_validator"} - REFUSES_NOTHING
    assert refusing == REFUSALS.keys(), "its callers say what a schema refers to"
    assert entries >= REFUSES_NOTHING


@pytest.mark.parametrize("entry", REFUSALS)
def test_a_refusal_of_the_engine_is_a_422_with_the_same_code(entry: str):
    call, code = REFUSALS[entry]
    with pytest.raises(Invalid) as caught:
        call()
    assert (caught.value.code, caught.value.status) == (code, 422)
    assert caught.value.message


def test_nobody_makes_a_document_past_the_door():
    """`Document.from_value` raises the engine's error; the door's `from_value` raises the portal's."""
    root = Path(__file__).resolve().parents[2]
    rooms = [path for room in ("catalog", "governance", "runtime", "portal") for path in (root / room).rglob("*.py")]
    door = root / "catalog" / "domain" / "contract_engine.py"
    assert [path for path in rooms if path != door and "Document.from_" in path.read_text()] == []


def test_findings_keep_pointer_and_line():
    with pytest.raises(Invalid) as caught:
        engine.read(b"openapi: 3.0.3\npaths:\n  /a: {}\n  /a: {}\n")
    (found,) = caught.value.findings
    assert (found["pointer"], found["line"], found["code"]) == ("/paths/~1a", 4, "contract.duplicate_key")


@pytest.mark.parametrize("value", [{"b": [1, 2.5, None], "a": {"é": "ü"}}, {"a": {"z": True, "b": "\u2028"}}, []])
def test_engine_and_kernel_have_one_canonical_form(value: Any):
    assert engine_json(value) == kernel_json(value)
