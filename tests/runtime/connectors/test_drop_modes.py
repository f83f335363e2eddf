"""What the runtime makes below a file drop is for its own account alone, unless a setting says who else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal import started_with
from tests.runtime.connectors.test_file_drop import call, opened, put


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """As careless as an account can be."""
    before = os.umask(0)
    yield
    os.umask(before)


def used(root: Path) -> dict[str, str]:
    """The modes of all that the runtime made, after one file was read, one was refused and one has a long name."""
    root.chmod(0o700)
    for name, content in {
        "good.csv": "sku\n1\n",
        f"{'x' * 249}.csv": "sku\n2\n",
        "bad.csv": 'sku\n1\n"never closed\n',
    }.items():
        put(root, name, content)
        (root / "incoming" / name).chmod(0o644)
    source, cursor = opened(root, key_fields=["sku"], page_size=2), None
    for _ in range(8):
        cursor = source.read(cursor, call=call()).cursor
    made = [path for path in root.rglob("*") if "incoming" not in path.parts and path.suffix != ".csv"]
    return {
        str(path.relative_to(root)): f"{path.stat().st_mode & 0o777:o}"
        for path in made
        if path.is_dir() or path.name.endswith((".reason.txt", ".txt", ".json"))
    }


def test_folders_and_files_of_a_drop_are_closed_to_others(tmp_path: Path):
    modes = used(tmp_path)
    assert {"work", "archive", "quarantine"} <= set(modes)
    assert any(name.endswith("names.txt") for name in modes)
    assert any(name.endswith(".reason.txt") for name in modes)
    assert {mode for name, mode in modes.items() if (tmp_path / name).is_dir()} == {"700"}
    assert {mode for name, mode in modes.items() if (tmp_path / name).is_file()} == {"600"}


def test_a_setting_says_who_else_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FILE_DROP_MODE", "0770")
    modes = used(tmp_path)
    assert {mode for name, mode in modes.items() if (tmp_path / name).is_dir()} == {"770"}
    assert {mode for name, mode in modes.items() if (tmp_path / name).is_file()} == {"660"}


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path):
    (tmp_path / "archive").mkdir(mode=0o750)
    assert used(tmp_path)["archive"] == "750"


@pytest.mark.parametrize("text", ["600", "0077", "rwx", "0o700", "9999", "-700", "٧٠٠"])
def test_no_process_starts_with_a_mode_that_is_none(text: str):
    told = started_with.wrong({"FILE_DROP_MODE": text})
    assert told
    assert "FILE_DROP_MODE" in told
