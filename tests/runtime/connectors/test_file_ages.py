"""A file is complete when it has not changed for a while, whatever stamp its writer gave it."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.connectors import file_ages
from tests.runtime.connectors.folders import Folder

Passing = Callable[[float], None]


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch) -> Passing:
    """Seconds that pass on our clock and on that of the file system."""
    passed = [0.0]
    plain, touch = time.time, file_ages.FileAges._touch

    class Clock:
        @staticmethod
        def time() -> float:
            return plain() + passed[0]

    monkeypatch.setattr(file_ages, "time", Clock)
    monkeypatch.setattr(file_ages.FileAges, "_touch", lambda ages: touch(ages) + passed[0])

    def let(seconds: float) -> None:
        passed[0] += seconds

    return let


STAMPS = {"future": 4_102_444_800, "an hour ahead": time.time() + 3_600, "1970": 0, "before 1970": -100_000}


@pytest.mark.parametrize("stamp", STAMPS)
def test_a_file_is_read_once_it_is_quiet_whatever_its_stamp(tmp_path: Path, passing: Passing, stamp: str) -> None:
    folder = Folder(tmp_path, quiet=30)
    path = folder.put("a.jsonl", "1")
    os.utime(path, (STAMPS[stamp], STAMPS[stamp]))
    assert folder.run().ids == []
    passing(20)
    with path.open("a") as file:  # its writer was at work
        file.write('{"id": "2"}\n')
    os.utime(path, (STAMPS[stamp], STAMPS[stamp]))
    passing(-20)
    assert folder.run().ids == []
    passing(31)
    assert folder.run().ids == ["1", "2"]


def test_the_clock_of_a_file_server_may_be_wrong(
    tmp_path: Path, passing: Passing, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(tmp_path, quiet=30)
    folder.put("a.jsonl", "1")
    monkeypatch.setattr(file_ages, "time", type("Slow", (), {"time": staticmethod(lambda: 1_000_000.0)}))
    assert folder.run().ids == []
    passing(31)
    assert folder.run().ids == ["1"]


def test_a_clock_that_was_set_back_costs_one_look_more(tmp_path: Path, passing: Passing) -> None:
    folder = Folder(tmp_path, quiet=30)
    folder.put("a.jsonl", "1")
    passing(-86_400)
    assert folder.run().ids == []
    passing(20)
    assert folder.run().ids == []
    folder.put("b.jsonl", "2")
    passing(11)
    assert folder.run().ids == ["1"]
    passing(31)
    assert folder.run().ids == ["2"]
    assert list((tmp_path / "work").iterdir()) == []


def test_what_was_seen_is_not_believed_where_it_cannot_be_read(tmp_path: Path, passing: Passing) -> None:
    folder = Folder(tmp_path, quiet=30)
    folder.put("a.jsonl", "1")
    passing(-86_400)
    for content in ("", "[]", '{"x": 1}', json.dumps({str(tmp_path / "incoming" / "a.jsonl"): [[1, 2, 3, 4], 5]})):
        (tmp_path / "work").mkdir(exist_ok=True)
        (tmp_path / "work" / ".looks").write_text(content)
        assert folder.run().ids == []


def test_what_is_overdue_is_said(tmp_path: Path, passing: Passing) -> None:
    folder = Folder(tmp_path, patterns=["*.jsonl"], patience=600)
    for name in (".a.jsonl", "b.jsonl.part", "c.jsonl.tmp", ".hidden/d.jsonl", "e.txt.part"):
        folder.put(name, "x")
    (tmp_path / "incoming" / ".empty.jsonl").touch()
    assert folder.run().warnings == []
    passing(601)
    (said,) = folder.run().warnings
    assert said.endswith("unchanged for more than 10 min: .a.jsonl, b.jsonl.part, c.jsonl.tmp")


def test_a_mark_that_never_comes_and_one_without_a_file_are_said(tmp_path: Path, passing: Passing) -> None:
    folder = Folder(tmp_path, done=".done", patience=600)
    folder.put("a.jsonl", "a")
    folder.put("b.jsonl.done")
    assert folder.run().warnings == []
    passing(601)
    assert folder.run().warnings == [
        "Not read, for the mark .done is missing for more than 10 min: a.jsonl",
        "Marks whose files are missing for more than 10 min: b.jsonl.done",
    ]
    folder.put("a.jsonl.done")
    looked = folder.run()
    assert (looked.ids, looked.warnings[1:]) == (["a"], [])


def test_a_cut_off_file_with_a_stamp_in_the_future_is_read_after_patience(tmp_path: Path, passing: Passing) -> None:
    import gzip

    folder = Folder(tmp_path, patience=600)
    path = folder.put("a.jsonl.gz")
    path.write_bytes(gzip.compress(b'{"id": "1"}\n' * 99)[:-4])
    os.utime(path, (4_102_444_800, 4_102_444_800))
    assert "cut off" in folder.run().warnings[0]
    passing(601)
    assert "cut off" in folder.run().rejected[0]
