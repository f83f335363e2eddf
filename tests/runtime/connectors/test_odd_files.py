"""What is wrong with one file of a folder concerns that file alone, and is said on the run."""

import errno
import io
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.connectors.protocols import CallError
from runtime.connectors.registry import open_source
from tests.runtime.connectors.conformance import call
from tests.runtime.connectors.folders import Folder

Failing = Callable[[str, int], None]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path)
    made.put("0.jsonl", "first")
    made.put("z.jsonl", "last")
    return made


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Failing:
    """Opening files whose name has that part fails, until it is said again with 0. What explains a file is none."""
    numbers: dict[str, int] = {}

    def wrapped(plain: Callable[..., object]) -> Callable[..., object]:
        def opened(path: object, *given: object, **more: object) -> object:
            for part, number in numbers.items():
                name = os.fspath(path) if isinstance(path, str | os.PathLike) else ""
                if number and part in name and not name.endswith(".reason.txt"):
                    raise OSError(number, os.strerror(number), name)
            return plain(path, *given, **more)

        return opened

    monkeypatch.setattr(os, "open", wrapped(os.open))
    monkeypatch.setattr(io, "open", wrapped(io.open))
    return numbers.__setitem__


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EIO, errno.ELOOP])
def test_a_file_that_cannot_be_opened_stays_and_the_others_are_read(
    folder: Folder, failing: Failing, number: int
) -> None:
    folder.put("sub/bad.jsonl", "bad")
    failing("bad.jsonl", number)
    for ids in (["first", "last"], []):
        looked = folder.run()
        assert sorted(looked.ids) == ids
        assert "sub/bad.jsonl" in looked.failure
        assert os.strerror(number) in looked.failure
    failing("bad.jsonl", 0)
    looked = folder.run()
    assert (looked.ids, looked.failure) == (["bad"], "")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_a_claimed_file_that_cannot_be_read_waits_and_the_others_are_read(
    folder: Folder, failing: Failing, number: int
) -> None:
    folder.put("bad.jsonl.e9da1bae3eba", "bad", folder="work")
    failing("bad.jsonl", number)
    for ids in (["first", "last"], []):
        looked = folder.run()
        assert sorted(looked.ids) == ids
        assert "bad.jsonl" in looked.failure
        assert "waiting" in looked.failure
        assert len(folder.names("waiting")) == 2  # and why
    failing("bad.jsonl", 0)
    assert folder.run().ids == ["bad"]
    assert (folder.names("waiting"), len(folder.names("archive"))) == ([], 3)


def test_a_disk_that_fails_in_the_middle_of_a_file_costs_that_file_until_it_reads_again(
    tmp_path: Path, failing: Failing
) -> None:
    folder = Folder(tmp_path, page_size=1)
    folder.put("bad.jsonl", "1", "2", "3")
    source = open_source("file_drop", folder.settings)
    page = source.read(None, call=call())
    source.close()
    folder.cursor = f'{{"file": "{page.cursor["file"]}", "at": 1}}'
    folder.put("z.jsonl", "last")
    failing("bad.jsonl", errno.EIO)
    looked = folder.run()
    assert (looked.ids, "bad.jsonl" in looked.failure, looked.rejected) == (["last"], True, [])
    failing("bad.jsonl", 0)
    assert sorted(folder.run().ids) == ["1", "2", "3"]


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ESTALE, errno.ENOMEM])
def test_what_is_no_fault_of_a_file_sets_none_aside(folder: Folder, failing: Failing, number: int) -> None:
    folder.put("bad.jsonl.e9da1bae3eba", "bad", folder="work")
    failing("jsonl", number)
    looked = folder.run()
    assert (looked.ids, os.strerror(number) in looked.failure) == ([], True)
    assert folder.names("waiting") == []
    failing("jsonl", 0)
    assert sorted(folder.run().ids) == ["bad", "first", "last"]


def test_a_folder_that_cannot_be_listed_is_said(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.put("closed/a.jsonl", "hidden")
    plain = os.scandir

    def listed(path: str) -> object:
        if path.endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return plain(path)

    monkeypatch.setattr(os, "scandir", listed)
    looked = folder.run()
    assert sorted(looked.ids) == ["first", "last"]
    assert "closed cannot be read (Permission denied)" in looked.failure


def test_links_pipes_sockets_and_devices_are_no_files_and_that_is_said(folder: Folder, tmp_path: Path) -> None:
    secret = folder.put("secret.jsonl", "secret", folder="elsewhere")
    incoming = tmp_path / "incoming"
    (incoming / "link.jsonl").symlink_to(secret)
    (incoming / "store").symlink_to(secret.parent)
    (incoming / "broken.jsonl").symlink_to("nowhere")
    os.mkfifo(incoming / "pipe.jsonl")
    (incoming / "folder.jsonl").mkdir()
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(incoming / "socket.jsonl"))
    looked = folder.run()
    assert (sorted(looked.ids), looked.failure) == (["first", "last"], "")
    assert len(looked.warnings) == 1
    assert "broken.jsonl (a link), link.jsonl (a link), pipe.jsonl (a pipe) and 2 more" in looked.warnings[0]


def test_a_link_or_a_pipe_among_claimed_files_is_not_read(folder: Folder, tmp_path: Path) -> None:
    secret = folder.put("secret.jsonl", "secret", folder="elsewhere")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "link.jsonl").symlink_to(secret)
    os.mkfifo(tmp_path / "work" / "pipe.jsonl")
    assert sorted(folder.run().ids) == ["first", "last"]


def test_a_file_that_is_too_large_goes_to_quarantine_and_the_others_are_read(tmp_path: Path) -> None:
    folder = Folder(tmp_path, max_size=60)
    folder.put("a.jsonl", *("large" for _ in range(9)))
    folder.put("b.jsonl", "1")
    looked = folder.run()
    assert (looked.ids, looked.failure) == (["1"], "")
    assert ["more than the 60 allowed" in one for one in looked.rejected] == [True]
    assert len(folder.names("quarantine")) == 2


def changing(folder: Folder, change: Callable[[Path], object]) -> list[str]:
    """What is rejected of a file that is changed while it is read, record by record, and then read on."""
    folder.put("a.jsonl", "1", "2", "3", "4")
    folder.put("b.jsonl", "b")
    source = open_source("file_drop", {**folder.settings, "page_size": 1})
    page = source.read(None, call=call())
    change(folder.root / "work" / page.cursor["file"])
    rejected = []
    while not page.done:
        rejected += [one.reason for one in page.rejected]
        page = source.read(page.cursor, call=call())
    source.close()
    assert len([name for name in folder.names("archive") if name.startswith("b.")]) == 1
    return rejected


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: os.truncate(path, 0), "its writer was not done"),
        (lambda path: path.unlink(), "was taken out of the folder 'work'"),
        (lambda path: path.write_text('{"id": "9"}\n' * 4), "it was changed while it was read"),
    ],
)
def test_a_file_that_is_changed_while_it_is_read_is_not_taken_for_read(
    tmp_path: Path, change: Callable[[Path], object], said: str
) -> None:
    (reason,) = changing(Folder(tmp_path), change)
    assert said in reason
    assert [path.name[:7] for path in (tmp_path / "quarantine").glob("*.reason.txt")] == ["a.jsonl"]


def test_a_file_that_is_only_touched_while_it_is_read_is_read(tmp_path: Path) -> None:
    assert changing(Folder(tmp_path), lambda path: os.utime(path, (1, 1))) == []


def test_a_file_that_was_rewritten_while_its_reader_was_down_is_read_from_its_beginning(tmp_path: Path) -> None:
    folder = Folder(tmp_path, page_size=2)
    folder.put("a.jsonl", "1", "2", "3")
    source = open_source("file_drop", folder.settings)
    page = source.read(None, call=call())
    source.close()
    (tmp_path / "work" / page.cursor["file"]).write_text('{"id": "8"}\n{"id": "9"}\n')
    folder.cursor = f'{{"file": "{page.cursor["file"]}", "at": 2}}'
    assert folder.run().ids == ["8", "9"]


def test_a_file_that_is_gone_when_its_reader_comes_back_is_said(tmp_path: Path) -> None:
    folder = Folder(tmp_path, page_size=2)
    folder.put("b.jsonl", "b")
    folder.cursor = '{"file": "a.jsonl.e9da1bae3eba", "at": 2}'
    looked = folder.run()
    assert looked.ids == ["b"]
    assert "after 2 records it was gone from the folder 'work'" in looked.rejected[0]


def test_a_file_that_is_replaced_at_the_moment_of_its_claim_is_not_lost(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, plain = folder.put("a.jsonl", "old"), os.rename

    def renamed(source: Path, target: Path) -> None:
        if Path(source) == path and not monkeypatched:
            monkeypatched.append(1)
            path.with_name("a.new").write_text('{"id": "newer"}\n')
            plain(path.with_name("a.new"), path)
        plain(source, target)

    monkeypatched: list[int] = []
    monkeypatch.setattr(os, "rename", renamed)
    assert sorted(folder.run().ids) == ["first", "last", "newer"]


def test_text_about_a_file_that_no_database_holds_blocks_nothing(tmp_path: Path) -> None:
    folder = Folder(tmp_path, format="delimited")
    (tmp_path / "incoming" / "a.csv").write_bytes(b"x\0y,z\n1,2\n")
    folder.put("b.csv")
    looked = folder.run()
    assert (len(looked.rejected), looked.failure) == (2, "")


def test_a_run_over_a_folder_that_is_gone_fails_with_its_name(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN), str(folder.root / "incoming"))

    monkeypatch.setattr(os, "scandir", gone)
    assert "incoming: Transport endpoint is not connected" in folder.run().failure
    with pytest.raises(CallError):
        open_source("file_drop", folder.settings).discover(call=call())


def test_the_folder_may_be_the_one_that_files_arrive_in(tmp_path: Path) -> None:
    folder = Folder(tmp_path, incoming=str(tmp_path))
    for name in ("a.jsonl", "archive/of/the/store/b.jsonl", "c" * 240 + ".jsonl", "names.txt/d.jsonl"):
        folder.put(name, name[0], folder="store")
    folder.put("e.jsonl", "e", folder="")
    assert sorted(folder.run().ids) == ["a", "a", "c", "e", "n"]
    assert folder.run().ids == []
