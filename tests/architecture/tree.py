"""The files that belong to the repository, and what the tests of this folder still excuse."""

from __future__ import annotations

import functools
import subprocess
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "kernel": "kernel",
    "catalog": "catalog",
    "governance": "governance",
    "runtime": "runtime",
    "portal": "portal",
    "sandbox": "sandbox",
    "tillgate_contracts": "contracts/tillgate_contracts",
    "tillgate": "cli/tillgate",
}
EXCUSED = tomllib.loads((Path(__file__).parent / "excused.toml").read_text())


@functools.cache
def tracked(*patterns: str) -> tuple[str, ...]:
    """Paths of the tracked files that match a pattern of `git ls-files`, relative to the root."""
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return tuple(line for line in listed.stdout.splitlines() if (ROOT / line).is_file())


@functools.cache
def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def is_migration(path: str) -> bool:
    return "/migrations/" in path


def excused(path: str, prefixes: Iterable[str]) -> bool:
    return any(path.startswith(prefix) for prefix in prefixes)


def modules() -> dict[str, str]:
    """Dotted name to path, for every module of the product."""
    names = {}
    for package, folder in PACKAGES.items():
        for path in tracked(f"{folder}/*.py"):
            inside = path.removeprefix(folder).removesuffix(".py").removesuffix("/__init__")
            names[package + inside.replace("/", ".")] = path
    return names
