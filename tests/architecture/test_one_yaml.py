"""One reader for YAML: nothing but the bounded loader, and the contract engine's own reader, parses YAML."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.architecture.tree import modules, text

WRITES = {"dump", "safe_dump", "CSafeDumper", "SafeDumper", "YAMLError"}
OTHERS = {"ruamel", "oyaml", "ryaml", "strictyaml"}
READS = {
    "kernel.bounded_yaml": "bounds what is not a contract",
    "tillgate_contracts.reading.yaml_text": "bounds contracts while it builds them",
    "tillgate_contracts.reading.positions": "looks for lines in the events of a text and builds nothing",
}


def read_with(tree: ast.AST) -> Iterator[str]:
    """What a module takes of PyYAML beyond writing, however it is imported; any other reader of YAML at all."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] in OTHERS)
            yield from (a.name for a in node.names if a.name == "yaml" and a.asname)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in {"yaml", "ruamel"}:
            yield from (a.name for a in node.names if a.name not in WRITES)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "yaml":
            if node.attr not in WRITES:
                yield node.attr
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr" and ast.unparse(node.args[0]) == "yaml":
            yield from (ast.unparse(a) for a in node.args[1:2] if ast.literal_eval(a) not in WRITES)


def test_nothing_else_parses_yaml():
    with_yaml = {name: text(path) for name, path in modules().items() if re.search("yaml|ruamel", text(path))}
    found = {name: sorted(set(read_with(ast.parse(code)))) for name, code in with_yaml.items()}
    assert {name: used for name, used in found.items() if used and name not in READS} == {}
    assert all(found[name] for name in READS)
