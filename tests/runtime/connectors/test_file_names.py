"""A file is read whatever its name, and is kept under one that can be shown, stored and taken back."""

import os
import unicodedata
from pathlib import Path

import pytest

from tests.runtime.connectors.folders import Folder

NFC, NFD = (unicodedata.normalize(form, "Größe.jsonl").encode() for form in ("NFC", "NFD"))
ODD = [
    b"Filiale_M\xfcnchen.jsonl",
    b"\xff\xfe.jsonl",
    b"a\nb.jsonl",
    b"a\x01\x1b[2Jb\x7f.jsonl",
    "gespiegelt\u202elnosj.jsonl".encode(),
    "Zeile\u2028.jsonl".encode(),
    b"-rf.jsonl",
    b" .jsonl",
    b"a%2Fb%.jsonl",
    b"100 %.jsonl",
    b"x.reason.txt",
    b"'; drop table x; --.jsonl",
    "\U0001f600.jsonl".encode(),
    b"\\..\\x.jsonl",
]


@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_a_name_of_any_bytes_is_read_and_can_be_taken_back(tmp_path: Path, name: bytes) -> None:
    folder = Folder(tmp_path)
    folder.put("0.jsonl", "first")
    folder.put(name, "odd")
    folder.put("z.jsonl", "last")
    looked = folder.run()
    assert (sorted(looked.ids), looked.failure) == (["first", "last", "odd"], "")
    assert folder.archived() == sorted([b"0.jsonl", name, b"z.jsonl"])
    for kept in folder.names("archive"):
        assert kept.isprintable()


@pytest.mark.parametrize("length", [200, 230, 243, 246, 249, 250, 255])
def test_a_long_name_is_read_and_its_whole_path_is_written_down(tmp_path: Path, length: int) -> None:
    folder = Folder(tmp_path)
    folder.put("0.jsonl", "first")
    folder.put("b" * (length - 6) + ".jsonl", "long")
    folder.put("z.jsonl", "last")
    looked = folder.run()
    assert (sorted(looked.ids), looked.failure) == (["first", "last", "long"], "")
    kept = next(path for path in (tmp_path / "archive").rglob("b*"))
    if length > 207:
        stands_for = dict(line.split("\t") for line in (tmp_path / "names.txt").read_text().splitlines())
        assert stands_for == {kept.name: "b" * (length - 6) + ".jsonl"}
        assert kept.name in looked.warnings[0]
        assert ".jsonl" in kept.name
    else:
        assert not (tmp_path / "names.txt").exists()


def test_long_names_that_begin_and_end_alike_stay_two_files(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for number in ("1", "2"):
        folder.put(f"{'ä' * 60}{number}{'ö' * 60}.jsonl", "same")
    deep = "/".join(["branch-of-the-retailer-in-a-long-named-town"] * 6)
    folder.put(f"{deep}/sales.jsonl", "deep")
    looked = folder.run()
    assert (sorted(looked.ids), looked.failure) == (["deep", "same", "same"], "")
    assert len(folder.names("archive")) == 3
    assert f"{deep}/sales.jsonl" in (tmp_path / "names.txt").read_text()


def test_a_long_name_that_is_refused_has_its_reason_beside_it(tmp_path: Path) -> None:
    folder = Folder(tmp_path, format="delimited")
    folder.put("b" * 240 + ".csv", "no column of that name")
    folder.put("\udcff\x01.csv", "no column of that name")
    assert len(folder.run().rejected) == 2
    folder.run()
    assert len(folder.names("quarantine")) == 4
    assert len(list((tmp_path / "quarantine").glob("*.reason.txt"))) == 2


def test_names_that_are_nearly_one_are_several_files(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    names = [b"a__b.jsonl", b"a/b.jsonl", b"A/B.jsonl", b"A__b.jsonl", NFC, NFD]
    for number, name in enumerate(names):
        folder.put(name, str(number))
    looked = folder.run()
    assert sorted(looked.ids) == ["0", "1", "2", "3", "4", "5"]
    assert len(folder.names("archive")) == 6


def test_a_pattern_fits_letters_with_accents_however_they_are_composed(tmp_path: Path) -> None:
    folder = Folder(tmp_path, patterns=["Größe*"])
    folder.put(NFC, "composed")
    folder.put(NFD, "decomposed")
    assert sorted(folder.run().ids) == ["composed", "decomposed"]


def test_the_same_name_again_is_another_file(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for one in ("1", "1", "2"):
        folder.put("a.jsonl", one)
        assert folder.run().ids == [one]
    assert len(folder.names("archive")) == 2  # one with each content


def test_a_file_is_never_put_over_another_one_in_quarantine(tmp_path: Path) -> None:
    folder = Folder(tmp_path, format="delimited", max_size=40)
    taken = folder.put("a.csv.e3b0c44298fc", "kept", folder="quarantine")
    folder.put("a.csv")  # empty: it has that checksum
    folder.run()
    assert "kept" in taken.read_text()
    assert (tmp_path / "quarantine" / "a.csv.e3b0c44298fc.2").exists()
    assert (tmp_path / "quarantine" / "a.csv.e3b0c44298fc.2.reason.txt").exists()


def test_a_file_from_the_archive_is_read_again_whatever_the_pattern(tmp_path: Path) -> None:
    folder = Folder(tmp_path, patterns=["*.jsonl"])
    folder.put("a.jsonl", "1")
    folder.run()
    (kept,) = (path for path in (tmp_path / "archive").rglob("*") if path.is_file())
    os.rename(kept, tmp_path / "incoming" / kept.name)
    assert folder.run().ids == ["1"]
    assert [path.name for path in (tmp_path / "archive").rglob("*") if path.is_file()] == [kept.name]


def test_a_second_link_to_an_archived_file_ends(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.put("a.jsonl", "1")
    folder.run()
    (kept,) = (path for path in (tmp_path / "archive").rglob("*") if path.is_file())
    os.link(kept, tmp_path / "incoming" / "a.jsonl")
    assert folder.run().ids == ["1"]
    assert (folder.names("work"), folder.names("incoming"), len(folder.names("archive"))) == ([], [], 1)
