"""Folders that are full, closed or elsewhere: the run fails and says why, and nothing is lost or doubled."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.connectors import file_moves
from runtime.connectors.registry import open_source
from tests.runtime.connectors.conformance import call
from tests.runtime.connectors.folders import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path)
    for name in ("a", "b", "c"):
        made.put(f"{name}.jsonl", name)
    return made


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Renames and new folders fail where their target has a part in its path; 0 ends that."""
    numbers: dict[str, int] = {}

    def wrap(name: str, place: int) -> None:
        plain = getattr(os, name)

        def called(*given: Any, **more: Any) -> Any:
            for part, number in numbers.items():
                if number == errno.EXDEV and name == "mkdir":
                    continue
                if number and part in str(given[place]) and (part not in str(given[0]) or not place):
                    raise OSError(number, os.strerror(number), str(given[0]))
            return plain(*given, **more)

        monkeypatch.setattr(os, name, called)

    for name, place in (("rename", 1), ("replace", 1), ("mkdir", 0)):
        wrap(name, place)
    return numbers.__setitem__


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO])
def test_an_archive_that_takes_nothing_fails_the_run_and_doubles_nothing(
    folder: Folder, failing: Callable[..., None], number: int
) -> None:
    failing("/archive/", number)
    read = []
    for _ in range(3):
        looked = folder.run()
        read += looked.ids
        assert os.strerror(number) in looked.failure
        assert "a.jsonl" in looked.failure or "archive" in looked.failure
    assert read == ["a"]
    failing("/archive/", 0)
    assert (folder.run().ids, folder.names("archive")) == (["b", "c"], ["a.jsonl", "b.jsonl", "c.jsonl"])


def test_an_archive_on_another_file_system_is_copied_to(
    folder: Folder, failing: Callable[..., None], tmp_path: Path
) -> None:
    failing("/archive/", errno.EXDEV)
    looked = folder.run()
    assert (looked.ids, looked.failure) == (["a", "b", "c"], "")
    assert (folder.names("archive"), folder.names("work")) == (["a.jsonl", "b.jsonl", "c.jsonl"], [])
    assert [path.read_text() for path in sorted((tmp_path / "archive").rglob("a.*"))] == ['{"id": "a"}\n']


def test_a_disk_that_is_full_in_the_middle_of_the_copy_loses_nothing(
    folder: Folder, failing: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing("/archive/", errno.EXDEV)

    def half(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:3])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    with monkeypatch.context() as patched:
        patched.setattr(file_moves.shutil, "copy2", half)
        assert "No space left on device" in folder.run().failure
    assert (folder.run().ids, folder.names("archive")) == (["b", "c"], ["a.jsonl", "b.jsonl", "c.jsonl"])


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_files_that_cannot_be_claimed_stay_where_they_are(
    folder: Folder, failing: Callable[..., None], number: int
) -> None:
    failing("/work/", number)
    looked = folder.run()
    assert (looked.ids, os.strerror(number) in looked.failure) == ([], True)
    assert folder.names("incoming") == ["a.jsonl", "b.jsonl", "c.jsonl"]
    failing("/work/", 0)
    assert folder.run().ids == ["a", "b", "c"]


def test_one_store_on_another_file_system_costs_that_store(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain = os.rename

    def renamed(source: Any, target: Any) -> None:
        if "/b.jsonl" in str(source) and "incoming" in str(source):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(source), None, str(target))
        plain(source, target)

    monkeypatch.setattr(os, "rename", renamed)
    looked = folder.run()
    assert (looked.ids, "b.jsonl" in looked.failure) == (["a", "c"], True)


def test_a_quarantine_that_is_full_fails_the_run_and_the_file_is_refused_later(
    folder: Folder, failing: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / "incoming" / "bad.jsonl.gz").write_bytes(b"\x1f\x8b\x08 cut off")
    folder.settings["patience"] = 0
    failing("/quarantine/", errno.ENOSPC)
    looked = folder.run()
    assert (looked.ids, "No space left on device" in looked.failure) == (["a", "b", "c"], True)
    failing("/quarantine/", 0)
    looked = folder.run()
    assert (looked.rejected, looked.failure, len(folder.names("quarantine"))) == ([], "", 2)


@pytest.mark.parametrize("name", ["incoming", "work", "archive", "quarantine"])
def test_a_check_names_the_folder_that_is_closed(folder: Folder, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    plain = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith(name) and plain(path, mode))
    health = open_source("file_drop", folder.settings).check(call=call())
    assert (health.ok, name in health.detail) == (False, True)


NOT_THERE = "is not there; mount or make it"


@pytest.mark.parametrize("gone", ["incoming", "work", "."])
def test_a_folder_that_was_taken_away_is_no_empty_one(folder: Folder, gone: str) -> None:
    """A share that is not mounted: an empty place, or none at all."""
    folder.run()
    shutil.rmtree(folder.root / gone)
    for _ in range(2):
        assert NOT_THERE in folder.run().failure
    assert not (folder.root / gone).exists()


def test_an_empty_place_where_a_share_was_mounted_is_no_empty_folder(folder: Folder) -> None:
    folder.run()
    shutil.rmtree(folder.root)
    folder.root.mkdir()
    assert NOT_THERE in folder.run().failure


@pytest.mark.parametrize("given", [{}, {"incoming": "elsewhere"}])
def test_a_place_that_was_never_there_is_not_made(tmp_path: Path, given: dict[str, str]) -> None:
    folder = Folder(tmp_path / "root", **{name: str(tmp_path / value) for name, value in given.items()})
    if not given:
        shutil.rmtree(folder.root)
    assert NOT_THERE in folder.run().failure
    assert sorted(path.name for path in tmp_path.iterdir()) == (["root"] if given else [])
    assert not (tmp_path / "root" / "work").exists()


def test_folders_that_are_made_again_are_read_again(folder: Folder) -> None:
    folder.run()
    shutil.rmtree(folder.root / "incoming")
    assert NOT_THERE in folder.run().failure
    folder.put("d.jsonl", "d")
    assert folder.run().ids == ["d"]
