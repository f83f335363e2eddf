"""Packed files of every format: gzip and zip archives; and files that are no text at all."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.connectors.registry import open_source
from sandbox.poslog import document
from tests.runtime.connectors.conformance import call, read_all
from tests.runtime.connectors.dropped import read_files
from tests.runtime.connectors.test_poslog import sale

EDI = "UNB+UNOC:3+A+B+260302:1030+{0}'UNH+1+ORDERS:D:96A:UN'BGM+220+{0}+9'UNT+3+1'UNZ+1+{0}'"
ISA = "ISA*00*          *00*          *ZZ*A              *ZZ*B              *260302*1030*U*00401*000000001*0*P*>~"
X12 = ISA + "GS*PO*A*B*20260302*1030*1*X*004010~ST*850*1~BEG*00*SA*{0}**20260302~SE*3*1~GE*1*1~IEA*1*000000001~"
DOCUMENT = {"key_fields": ["message.document"]}
FORMATS: dict[str, tuple[dict[str, Any], str]] = {
    "delimited": ({"key_fields": ["id"]}, "id,name\n{0},x\n"),
    "jsonl": ({"key_fields": ["id"]}, '{{"id": "{0}"}}\n'),
    "json": ({"key_fields": ["id"]}, '[{{"id": "{0}"}}]'),
    "xml": ({"xml": {"record": "a/r"}, "key_fields": ["id"]}, "<a><r><id>{0}</id></r></a>"),
    "fixed": ({"lines": {"fields": [{"name": "id", "width": 3}]}, "key_fields": ["id"]}, "{0}\n"),
    "typed": (
        {"lines": {"place": {"at": 1}, "types": [{"type": "R", "fields": [{}, {"name": "id"}]}]}, "key_fields": ["id"]},
        "R,{0}\n",
    ),
    "edifact": (DOCUMENT, EDI),
    "x12": (DOCUMENT, X12),
}


def zipped(members: dict[str, bytes | str], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def rows(content: bytes, **settings: Any) -> tuple[list[str], list[str], list[str]]:
    """Keys, reasons of rejections, names in quarantine."""
    records, rejected, aside = read_files({"day.bin": content}, **{"key_fields": ["id"], **settings})
    return [one.key for one in records], [one.reason for one in rejected], aside


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=str
)
def test_every_format_is_read_from_an_archive(kind: str, method: int) -> None:
    settings, text = FORMATS[kind]
    content = zipped({"a/one.dat": text.format("001"), "two.dat": text.format("002"), "__MACOSX/._one": "?"}, method)
    assert rows(content, format=kind, **settings) == (["001", "002"], [], [])


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_read_from_gzip(kind: str) -> None:
    settings, text = FORMATS[kind]
    content = gzip.compress(text.format("001").encode()) + bytes(5)
    assert rows(content, format=kind, **settings) == (["001"], [], [])


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_no_text_is_said_by_its_name(kind: str) -> None:
    settings = FORMATS[kind][0]
    office = zipped({"[Content_Types].xml": "<Types/>", "xl/workbook.xml": "<workbook/>"})
    for content, said in (
        (office, "'format: xlsx'"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ".xls"),
        (b"%PDF-1.7\n", "a PDF"),
        (gzip.compress(gzip.compress(b"x")), "gzip within"),
        (b"\xfd7zXZ\x00", "xz"),
    ):
        found, rejected, aside = rows(content, format=kind, **settings)
        assert (found, aside) == ([], ["day.bin"])
        assert said in rejected[0]


WITHIN = {
    "zip in zip": zipped({"a.zip": zipped({"b.csv": "id\n1\n"})}),
    "zip in gzip": gzip.compress(zipped({"b.csv": "id\n1\n"})),
    "nothing in zip in zip": zipped({"a.zip": zipped({})}),
}


@pytest.mark.parametrize("kind", [*FORMATS, "xlsx"])
@pytest.mark.parametrize("what", WITHIN)
def test_an_archive_within_an_archive_is_called_one(kind: str, what: str) -> None:
    settings = FORMATS[kind][0] if kind in FORMATS else {}
    found, rejected, aside = rows(WITHIN[what], format=kind, **settings)
    assert (found, aside) == ([], ["day.bin"])
    assert ["zip archive" in one and "workbook (" not in one for one in rejected] == [True]


@pytest.mark.parametrize("kind", [*FORMATS, "xlsx"])
@pytest.mark.parametrize(
    "before", [b"MZ", b"MZ\x90\0" + bytes(900), b"#!/bin/sh\nexec unzip $0\n", b"\x7fELF" + bytes(99)]
)
def test_an_archive_that_unpacks_itself_is_called_one(kind: str, before: bytes) -> None:
    settings = FORMATS[kind][0] if kind in FORMATS else {}
    found, rejected, aside = rows(before + zipped({"b.csv": "id\n1\n"}), format=kind, **settings)
    assert (found, aside) == ([], ["day.bin"])
    assert ["a zip archive with something before it" in one for one in rejected] == [True]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"MZ\x90\0" + bytes(600), "a program of Windows"),
        (b"%PDF-1.7\n", "a PDF"),
        (WITHIN["zip in zip"], "a zip archive within a packed file"),
        (b"MZ" + zipped({"a.xml": "<a/>"}), "a zip archive with something before it"),
        (zipped({"[Content_Types].xml": "<Types/>"}), "a workbook (.xlsx) or another office file; the"),
    ],
)
def test_what_is_no_text_is_said_to_tills_as_well(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / "day.xml").write_bytes(content)
    source = open_source("poslog", {"root": str(tmp_path), "quiet": 0.0, "patience": 0.0})
    pages = read_all(source, circumstances=call())
    source.close()
    assert [said in one.reason for page in pages for one in page.rejected] == [True]


def test_text_that_looks_like_the_beginning_of_a_program_is_read() -> None:
    assert rows(b"MZ,id\n1,2\n")[0] == ["2"]


def test_sales_in_an_archive_are_read(tmp_path: Path) -> None:
    (tmp_path / "incoming").mkdir()
    days = {f"{n}.xml": document([sale(sequence=n)]) for n in (1, 2)}
    (tmp_path / "incoming" / "day.xml").write_bytes(zipped({**days, "3.xml": "<no/>"}))
    source = open_source("poslog", {"root": str(tmp_path), "quiet": 0.0, "patience": 0.0})
    pages = read_all(source, circumstances=call())
    source.close()
    assert len([one for page in pages for one in page.records]) == 2
    assert ["3.xml: the root element" in one.reason for page in pages for one in page.rejected] == [True]


def test_rows_say_which_file_they_are_from_and_are_known_by_it() -> None:
    content = zipped({"a.csv": "id\n1\n", "b.csv": "id\n1\n\n2,3\n"})
    records, rejected, _ = read_files({"day.zip": content})
    assert [one.origin.partition("!")[2] for one in (*records, *rejected)] == ["a.csv:2", "b.csv:2", "b.csv:3"]
    assert len({one.key for one in records}) == 2


LEFT = [
    (".h.csv", "begin with a dot"),
    (".d/e.csv", "begin with a dot"),
    ("a/.b.csv", "begin with a dot"),
    ("..c.csv", "begin with a dot"),
    ("../up.csv", "leads out of the archive"),
    ("a/../../up.csv", "leads out of the archive"),
    ("..\\up.csv", "leads out of the archive"),
]


@pytest.mark.parametrize(("name", "why"), LEFT)
def test_a_file_of_an_archive_that_is_not_read_is_one_reject_with_its_name(name: str, why: str) -> None:
    found, rejected, aside = rows(zipped({"a.csv": "id\n1\n", name: "id\n2\n", "b.csv": "id\n3\n"}))
    assert (found, aside) == (["1", "3"], [])
    assert [why in one and repr(name) in one for one in rejected] == [True]


@pytest.mark.parametrize(("name", "why"), LEFT)
def test_an_archive_that_holds_nothing_else_says_so_too(name: str, why: str) -> None:
    found, rejected, aside = rows(zipped({name: "id\n2\n"}))
    assert (found, aside) == ([], ["day.bin"])
    assert why in rejected[0]
    assert "holds no file" in rejected[1]


@pytest.mark.parametrize("name", ["__MACOSX/._a.csv", "__MACOSX/b.csv", ".DS_Store", "a/.DS_Store", "a/._b.csv"])
def test_what_a_mac_puts_beside_files_needs_no_word(name: str) -> None:
    assert rows(zipped({"a.csv": "id\n1\n", name: "?"})) == (["1"], [], [])


@pytest.mark.parametrize("name", ["./b.csv", "__MACOSX.csv", "a\\b.csv", "/abs/b.csv", "~$b.csv", "b.csv.part"])
def test_names_that_say_nothing_of_a_writer_at_work_are_read(name: str) -> None:
    assert rows(zipped({"a.csv": "id\n1\n", name: "id\n2\n"})) == (["1", "2"], [], [])


def test_two_files_that_are_left_out_are_two_rejects_and_a_till_says_them_as_well(tmp_path: Path) -> None:
    (tmp_path / "incoming").mkdir()
    days = {name: document([sale(sequence=n)]) for n, name in enumerate(["1.xml", "../2.xml", ".3.xml"], 1)}
    (tmp_path / "incoming" / "day.zip").write_bytes(zipped(days))
    source = open_source("poslog", {"root": str(tmp_path), "patterns": ["*.zip"], "quiet": 0.0, "patience": 0.0})
    pages = read_all(source, circumstances=call())
    source.close()
    assert len([one for page in pages for one in page.records]) == 1
    rejected = [one for page in pages for one in page.rejected]
    assert [one.origin.partition("!")[2] for one in rejected] == ["../2.xml", ".3.xml"]
    assert len({(one.origin, one.reason) for one in rejected}) == 2


def test_files_of_an_archive_that_the_settings_do_not_name_are_a_warning_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "incoming").mkdir()
    names = ["read-me.txt", "DAY.CSV", ".gitignore", "1.csv"]
    (tmp_path / "incoming" / "day.zip").write_bytes(zipped(dict.fromkeys(names, "id\n1\n")))
    settings = {"root": str(tmp_path), "quiet": 0.0, "key_fields": ["id"], "members": ["*.csv"]}
    source = open_source("file_drop", settings)
    pages = read_all(source, circumstances=call())
    source.close()
    assert [one for page in pages for one in page.rejected] == []
    said = [one for page in pages for one in page.warnings]
    assert [one.startswith("Not read of day.zip") for one in said] == [True]
    assert said[0].endswith("'members' does not name them: read-me.txt, DAY.CSV, .gitignore")


def test_only_the_files_that_are_named_are_read() -> None:
    content = zipped({"read-me.txt": "hello", "a/day.csv": "id\n1\n", "DAY.CSV": "id\n2\n"})
    assert rows(content, members=["*.csv"]) == (["1"], [], [])
    assert "holds no file that fits *.dat" in rows(content, members=["*.dat"])[1][0]
    assert "holds no file" in rows(zipped({}))[1][0]


def test_one_bad_file_keeps_no_other_one_from_being_read() -> None:
    found, rejected, aside = rows(zipped({"a.csv": "id\n1\n", "b.csv": "nothing\n", "c.csv": "id\n2\n"}))
    assert (found, aside) == (["1", "2"], ["day.bin"])
    assert rejected[0].startswith("b.csv: no column id")


def test_an_archive_that_is_cut_off_waits_for_its_rest(tmp_path: Path) -> None:
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / "day.zip").write_bytes(zipped({"a.csv": "id\n1\n"})[:-5])
    source = open_source("file_drop", {"root": str(tmp_path), "quiet": 0.0, "key_fields": ["id"]})
    page = source.read(None, call=call())
    source.close()
    assert page.done
    assert "day.zip is cut off" in page.warnings[0]
    found, rejected, aside = rows(zipped({"a.csv": "id\n1\n"})[:-5])
    assert (found, aside) == ([], ["day.bin"])
    assert "cut off: the directory" in rejected[0]


def broken(change: Callable[[bytearray], None]) -> str:
    content = bytearray(zipped({"a.csv": "id\n1\n" + "2\n" * 99}, zipfile.ZIP_STORED))
    change(content)
    found, rejected, aside = rows(bytes(content))
    assert (found, aside) == ([], ["day.bin"])
    return rejected[0]


def test_what_no_checksum_proves_is_not_read() -> None:
    def flip(content: bytearray) -> None:
        content[60] ^= 1

    def encrypt(content: bytearray) -> None:
        at = content.index(b"PK\x01\x02")
        content[6] |= 1
        content[at + 8] |= 1

    def unknown(content: bytearray) -> None:
        at = content.index(b"PK\x01\x02")
        struct.pack_into("<H", content, 8, 97)
        struct.pack_into("<H", content, at + 10, 97)

    assert "cannot be unpacked" in broken(flip)
    assert "'a.csv' in it is encrypted" in broken(encrypt)
    assert "cannot be unpacked" in broken(unknown)


def test_an_archive_is_bounded_by_what_it_holds() -> None:
    assert "more than the 1000 bytes" in rows(zipped({"a.csv": "id\n" + "1\n" * 5000}), max_size=1000)[1][0]
    many = zipped({f"{n}.csv": "id\n" for n in range(10_001)}, zipfile.ZIP_STORED)
    assert "more than 10000 files" in rows(many)[1][0]


def test_a_lie_about_a_size_is_found_out() -> None:
    def lie(content: bytearray) -> None:
        at = content.index(b"PK\x01\x02")
        struct.pack_into("<I", content, at + 24, 5)
        struct.pack_into("<I", content, at + 20, 5)

    assert "cannot be unpacked" in broken(lie)


def test_a_reader_goes_on_in_the_middle_of_an_archive() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "incoming").mkdir()
        content = zipped({f"{n}.jsonl": f'{{"id": "{n}a"}}\n{{"id": "{n}b"}}\n' for n in range(3)})
        (root / "incoming" / "day.zip").write_bytes(content)
        found, cursor, done = list[str](), None, False
        while not done:
            settings = {"root": folder, "quiet": 0.0, "format": "jsonl", "key_fields": ["id"], "page_size": 1}
            source = open_source("file_drop", settings)
            page = source.read(json.loads(json.dumps(cursor)), call=call())
            source.close()
            found += [one.key for one in page.records]
            cursor, done = page.cursor, page.done
    assert found == ["0a", "0b", "1a", "1b", "2a", "2b"]


@given(
    st.dictionaries(st.text("abcä ", min_size=1, max_size=5).map("{}.jsonl".format), st.lists(st.integers(0, 99))),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
)
def test_any_archive_that_is_written_is_read_back(files: dict[str, list[int]], method: int) -> None:
    content = zipped({name: "".join(f'{{"n": {n}}}\n' for n in rows) for name, rows in files.items()}, method)
    records, rejected, _ = read_files({"day.zip": content}, format="jsonl")
    assert [json.loads(one.payload)["n"] for one in records] == [n for rows in files.values() for n in rows]
    assert len(rejected) == (0 if files else 1)
