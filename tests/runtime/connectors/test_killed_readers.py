"""A reader of files that is killed anywhere is started again, and each file is read: none stays unseen."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runtime.connectors.folders import Folder
from tests.runtime.connectors.killed_reader import STORIES


@pytest.mark.parametrize(
    "story", ["marked", *(pytest.param(one, marks=pytest.mark.thorough) for one in STORIES if one != "marked")]
)
def test_a_reader_that_is_killed_at_any_step_is_made_up_for(tmp_path: Path, story: str) -> None:
    command = [sys.executable, "-m", "tests.runtime.connectors.killed_reader", str(tmp_path), story]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["wrong"] == []
    assert found["kills"] > 30


@pytest.mark.parametrize("name", [".a.jsonl.1", ".a.jsonl.4194305", f".{'b' * 243}.jsonl.7", ".M\udcfc\n.jsonl.99"])
def test_what_a_killed_reader_of_an_earlier_release_left_is_read(tmp_path: Path, name: str) -> None:
    folder = Folder(tmp_path)
    folder.put(name[:255], "left", folder="work")
    folder.put("a.jsonl", "new")
    assert folder.run().ids == ["left", "new"]
    assert (folder.names("work"), len(folder.names("archive"))) == ([], 2)


def test_a_claimed_file_of_an_earlier_release_is_read_on_whatever_its_name(tmp_path: Path) -> None:
    folder = Folder(tmp_path, page_size=2)
    name = f"{'c' * 230}\t.jsonl.e9da1bae3eba"
    folder.put(name, "1", "2", "3", folder="work")
    folder.cursor = json.dumps({"file": name, "at": 2})
    assert set(folder.run().ids) == {"1", "2", "3"}  # it is not what it was, by its checksum
    assert len(folder.names("archive")) == 1


def test_the_mark_of_a_claimed_file_does_not_stand_for_the_next_one(tmp_path: Path) -> None:
    folder = Folder(tmp_path, done=".done")
    folder.put("store 7/a.jsonl.done")
    folder.put("store 7/b.jsonl.done")
    folder.put("store 7__a.jsonl.e9da1bae3eba", "1", folder="work")
    assert folder.run().ids == ["1"]
    assert folder.names("incoming") == ["b.jsonl.done"]
    folder.put("store 7/a.jsonl", "half")
    assert folder.run().ids == []


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("every", ["7", pytest.param("1", marks=pytest.mark.thorough)])
def test_a_reader_of_a_server_that_is_killed_at_any_step_is_made_up_for(tmp_path: Path, when: str, every: str) -> None:
    command = [sys.executable, "-m", "tests.runtime.connectors.killed_sftp_reader", str(tmp_path), when, every]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["wrong"] == []
    assert found["kills"] > 100 / int(every)
