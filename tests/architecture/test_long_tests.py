"""What the list of long tests names is there (`tests/everyday.py`)."""

from __future__ import annotations

import ast
from collections import defaultdict

from tests import everyday
from tests.architecture.tree import ROOT


def test_each_test_that_is_named_as_long_exists() -> None:
    """A test that has another name now: change its line in `long_tests.txt`. One that is gone: remove the line. Of a
    class, which may inherit its tests, its name is looked for."""
    functions = defaultdict[str, set[str]](set)
    for named in everyday.long_tests():
        file, _, function = named.partition("::")
        functions[file].add(function)
    gone = []
    for file, named_in in functions.items():
        path = ROOT / file
        tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
        made = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        gone += [f"{file}::{one}" for one in sorted(named_in) if one.partition("::")[0] not in made]
    assert gone == []
