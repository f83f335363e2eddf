"""The same bounds for every YAML that is read: what would grow, nest or last is refused before it is built."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from catalog.domain import contract_engine
from catalog.services.importing.sources import ImportSource, items_of
from kernel import bounded_yaml
from kernel.errors import Invalid
from tillgate_contracts.compare.policy import ComparisonPolicy
from tillgate_contracts.errors import ContractError
from tillgate_contracts.lint import rule_files


def _levels(count: int, opening: str, closing: str = "") -> str:
    return opening * count + closing * count


LAUGHS = "\n".join(
    ["x0: &x0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    + [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]" for n in range(1, 9)]
)
MERGES = "\n".join(
    ["x0: &x0 {a: 1, b: 2, c: 3}"] + [f"x{n}: &x{n} {{k: [{', '.join([f'*x{n - 1}'] * 10)}]}}" for n in range(1, 9)]
)
SIXTY = "a number in base sixty"
BOMBS = {
    "aliases of aliases": LAUGHS,
    "aliases in objects": MERGES,
    "an alias inside of itself": "a: &a [*a]",
    "flow that nests": "a: " + _levels(50_000, "[", "]"),
    "objects that nest": "a: " + _levels(20_000, "{b: ", "}"),
    "indents that nest": "".join(f"{' ' * n}a:\n" for n in range(1_500)),
    "a number of many digits": "a: " + "9" * 400_000,
    SIXTY: "a: " + "1" + ":59" * 100_000,
}
AS_CONTRACTS = ("contract", "lists")
"""Readers by YAML 1.2, to which a number in base sixty is a text."""


def _rule_file(data: bytes, folder: Path) -> Any:
    path = folder / "rules.yaml"
    path.write_bytes(data)
    return rule_files.load_rules(path)


def _policy_file(data: bytes, folder: Path) -> Any:
    path = folder / "policy.yaml"
    path.write_bytes(data)
    return ComparisonPolicy.load(path)


def _blueprint(data: bytes, folder: Path) -> Any:
    path = folder / "blueprint.yaml"
    path.write_bytes(data)
    return call_command("apply_blueprint", str(path), "--dry-run")


def _policy_of_decisions(data: bytes, folder: Path) -> Any:
    path = folder / "decisions.yaml"
    path.write_bytes(data)
    return call_command("policy", "install", str(path))


def _import(mark: bytes) -> Callable[[bytes, Path], Any]:
    def read(data: bytes, folder: Path) -> Any:
        (item,) = items_of([ImportSource("a.yaml", mark + b"\n" + data)])
        if item.kind == "blocked":
            raise item.value
        return contract_engine.read(item.file.data, name="a.yaml")  # type: ignore[union-attr]

    return read


READERS: dict[str, Callable[[bytes, Path], Any]] = {
    "what is no contract": lambda data, _: bounded_yaml.load(data),
    "documents of one text": lambda data, _: bounded_yaml.load_all(data),
    "a contract": lambda data, _: contract_engine.read(data, name="a.yaml"),
    "a file of settings, read as strictly as a contract": lambda data, _: contract_engine.parse_text(data, "a.yaml"),
    "a data contract": lambda data, _: contract_engine.parse_yaml(data),
    "a file of lint rules": _rule_file,
    "a policy of comparison": _policy_file,
    "a blueprint": _blueprint,
    "a policy of decisions": _policy_of_decisions,
    "an import of entities": _import(b"# backstage.io/"),
    "an import of data contracts": _import(b"# DataContract"),
    "an import of lists": _import(b'# "apis":'),
}


@pytest.mark.parametrize(
    ("reader", "bomb"),
    [(r, b) for r in READERS for b in BOMBS if b != SIXTY or not any(word in r for word in AS_CONTRACTS)]
    + [("what is no contract", SIXTY)],
)
def test_what_would_grow_is_refused_by_every_reader_before_it_is_built(reader, bomb, tmp_path):
    data = BOMBS[bomb].encode()
    tracemalloc.start()
    began = time.thread_time()
    try:
        with pytest.raises((Invalid, ContractError, CommandError)) as refused:
            READERS[reader](data, tmp_path)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert time.thread_time() - began < 5
    assert most < 60_000_000
    said = str(getattr(refused.value, "code", "")) + str(refused.value)
    assert "not_a_contract" not in said, "it was built, and found to be something else"
