"""Every table of the rooms has its word in the glossary."""

from __future__ import annotations

import ast
import re

from tests.architecture.tree import text, tracked


def models(room: str) -> set[str]:
    """Public classes of `<room>/models` that are tables: they inherit from `models.Model` and are not abstract."""
    found = set()
    for path in tracked(f"{room}/models/*.py"):
        for node in ast.parse(text(path)).body:
            if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "models.Model" for base in node.bases):
                found.add(node.name)
    return found


def words(class_name: str) -> str:
    return " ".join(re.findall(r"[A-Z][a-z]*", class_name)).lower()


def glossary_words() -> set[str]:
    """The words of the first column. "Run, run span" and "Slot (on pages: approval needed)" are several."""
    rows = re.findall(r"^\| ([^|]+) \|", text("docs/glossary.md"), re.MULTILINE)
    return {word.strip().lower() for row in rows for word in re.split(r"[,()]", row.replace("-", " ")) if word.strip()}


def test_every_table_of_catalog_governance_and_runtime_has_a_word_in_the_glossary():
    known = glossary_words()
    missing = {
        f"{room}: {name}"
        for room in ("catalog", "governance", "runtime")
        for name in models(room)
        if words(name) not in known
    }
    assert missing == set()


def test_a_word_has_one_row():
    rows = [row for row in re.findall(r"^\| ([^|]+) \|", text("docs/glossary.md"), re.MULTILINE) if row != "word"]
    assert sorted(rows) == sorted(set(rows))
