"""The tests stay quick: nothing waits by the clock, and what is long by nature is marked (tests/README.md)."""

from __future__ import annotations

import ast
import functools

from tests.architecture.tree import EXCUSED, excused, text, tracked


@functools.cache
def sleepers() -> dict[str, list[int]]:
    """Files of the tests that call `time.sleep` or `asyncio.sleep`, with the lines."""
    found = {}
    for path in tracked("tests/*.py"):
        if "sleep" not in text(path) or path.startswith("tests/architecture/"):
            continue
        lines = [node.lineno for node in ast.walk(ast.parse(text(path))) if sleeps(node)]
        if lines:
            found[path] = lines
    return found


def sleeps(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "sleep":
        return isinstance(node.func.value, ast.Name) and node.func.value.id in ("time", "asyncio")
    return isinstance(node, ast.ImportFrom) and node.module == "time" and any(n.name == "sleep" for n in node.names)


def test_no_test_sleeps_outside_the_list():
    """A test moves the clock, waits for an event, or blocks on a read. A file that has to ask a real process again and
    again is listed below `sleeping_tests` in `excused.toml`."""
    assert {path: lines for path, lines in sleepers().items() if not excused(path, EXCUSED["sleeping_tests"])} == {}


def test_no_test_is_excused_from_not_sleeping_in_vain():
    assert [one for one in EXCUSED["sleeping_tests"] if not any(path.startswith(one) for path in sleepers())] == []
