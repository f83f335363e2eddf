"""The walls of the house: imports run one way, files stay readable, and nothing of other people's data is kept here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("kernel", "catalog", "governance", "runtime", "portal", "sandbox")


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def test_imports_run_along_the_road_and_down_the_floors():
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


def test_no_module_is_named_after_nothing():
    empty_words = {"utils", "helpers", "common", "misc", "manager", "util", "helper"}
    assert [p for p in tracked("*.py") if p.stem in empty_words] == []


def test_product_files_stay_below_five_hundred_lines():
    long = {
        str(p.relative_to(ROOT)): n
        for p in tracked("*.py")
        if "migrations" not in p.parts and (n := len(p.read_text().splitlines())) > 560
    }
    assert long == {}


def test_no_template_decides_style_or_script_inline():
    offending = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in tracked("templates/*.html")
        for word in (' style="', " onclick=", " onchange=", " onsubmit=", "<script>")
        if word in path.read_text()
    ]
    assert offending == []


def test_real_retail_data_is_not_copied_into_the_project(shared_data: Path):
    def sizes(files: list[Path]) -> dict[int, list[Path]]:
        grouped: dict[int, list[Path]] = {}
        for file in files:
            grouped.setdefault(file.stat().st_size, []).append(file)
        return grouped

    theirs = sizes([p for p in shared_data.rglob("*") if p.is_file() and p.stat().st_size > 200])
    copies = [
        str(mine.relative_to(ROOT))
        for size, files in sizes(tracked()).items()
        for mine in files
        if any(mine.read_bytes() == other.read_bytes() for other in theirs.get(size, []))
    ]
    assert copies == []
