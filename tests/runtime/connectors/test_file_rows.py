"""Files as they really come: packed, in other charsets, with single rows that nobody can read."""

import gzip
import io
import json

import pytest

from runtime.connectors.poslog.connector import documents
from runtime.connectors.poslog.reading import NotPosLog
from runtime.connectors.protocols import RejectedRecord
from runtime.connectors.registry import open_source
from sandbox.poslog import document
from tests.runtime.connectors.conformance import call, read_all
from tests.runtime.connectors.test_poslog import sale


def read(tmp_path, name, content, **settings):
    (tmp_path / "incoming").mkdir(parents=True)
    (tmp_path / "incoming" / name).write_bytes(content)
    protocol = "poslog" if ".xml" in name else "file_drop"
    source = open_source(protocol, {"root": str(tmp_path), "quiet": 0.0, **settings})
    try:
        pages = read_all(source, circumstances=call())
    finally:
        source.close()
    return [r for page in pages for r in page.records], [r for page in pages for r in page.rejected]


def names(records):
    return [json.loads(record.payload)["name"] for record in records]


CSV = "sku,name\n1,Käse\n2,Brot\n3,Öl\n"
LINES = '{"sku":"1","name":"Käse"}\n{"sku":"2","name":"Brot"}\n{"sku":"3","name":"Öl"}\n'
EXPECTED = ["Käse", "Brot", "Öl"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, lambda c: gzip.compress(c[:9]) + gzip.compress(c[9:])])
@pytest.mark.parametrize(("kind", "text"), [("csv", CSV), ("jsonl", LINES)])
def test_files_are_read_with_their_mark_and_unpacked(tmp_path, kind, text, pack, encoding):
    more = {"format": "jsonl"} if kind == "jsonl" else {}
    records, rejected = read(tmp_path, f"day.{kind}.gz", pack(text.encode(encoding)), key_fields=["sku"], **more)
    assert (names(records), rejected) == (EXPECTED, [])


@pytest.mark.parametrize(("kind", "text"), [("csv", CSV), ("jsonl", LINES)])
def test_a_named_charset_is_decoded(tmp_path, kind, text):
    more = {"format": "jsonl"} if kind == "jsonl" else {}
    dialect = {"encoding": "cp1252"}
    records, _ = read(tmp_path, f"a.{kind}", text.encode("cp1252"), key_fields=["sku"], dialect=dialect, **more)
    assert names(records) == EXPECTED


@pytest.mark.parametrize(("kind", "text"), [("csv", CSV), ("jsonl", LINES)])
def test_bytes_of_another_charset_reject_the_rows_that_hold_them(tmp_path, kind, text):
    more = {"format": "jsonl"} if kind == "jsonl" else {}
    records, rejected = read(tmp_path, f"a.{kind}", text.encode("cp1252"), key_fields=["sku"], **more)
    assert names(records) == ["Brot"]
    assert ["charset" in one.reason for one in rejected] == [True, True]
    assert b"K\xe4se" in rejected[0].payload


@pytest.mark.parametrize(("kind", "text"), [("csv", CSV), ("jsonl", LINES)])
def test_utf8_that_is_read_as_something_else_is_never_stored_as_it_looks(tmp_path, kind, text):
    more = {"format": "jsonl"} if kind == "jsonl" else {}
    dialect = {"encoding": "iso-8859-1"}
    records, rejected = read(tmp_path, f"a.{kind}", text.encode(), key_fields=["sku"], dialect=dialect, **more)
    assert names(records) == ["Brot"]
    assert all("UTF-8" in one.reason for one in rejected)


def test_windows_characters_in_a_latin_1_file_are_never_stored_as_controls(tmp_path):
    content = "sku,name\n1,Käse\n2,5 €\n".encode("cp1252")
    dialect = {"encoding": "iso-8859-1"}
    records, rejected = read(tmp_path, "a.csv", content, key_fields=["sku"], dialect=dialect)
    assert names(records) == ["Käse"]
    assert "cp1252" in rejected[0].reason


def test_a_wrong_quote_and_a_nul_cost_one_row_each(tmp_path):
    content = b'sku,name\n1,a\n2,"b"c\n3,d\x00\n4,e\n'
    records, rejected = read(tmp_path, "a.csv", content, key_fields=["sku"])
    assert names(records) == ["a", "e"]
    assert [b"2," in rejected[0].payload, "NUL" in rejected[1].reason] == [True, True]


ODD_LINES = [
    b'{"sku":"x","n":"\\ud800"}',
    b'{"sku":"x","n":1e400}',
    b'{"sku":"x","n":"\\u0000"}',
    b'{"sku":"x"',
    b"[1]",
]


@pytest.mark.parametrize("odd", ODD_LINES)
def test_a_json_line_that_cannot_be_read_is_rejected_and_the_others_are_read(tmp_path, odd):
    content = LINES.encode() + odd + b'\n{"sku":"9","name":"last"}\n'
    records, rejected = read(tmp_path, "a.jsonl", content, key_fields=["sku"], format="jsonl")
    assert (names(records), len(rejected)) == ([*EXPECTED, "last"], 1)


@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.gz", "a.xml.gz"])
def test_a_small_file_that_unpacks_to_a_large_one_goes_to_quarantine(tmp_path, name):
    more = {"format": "jsonl"} if "jsonl" in name else {}
    start = b"<POSLog>" if "xml" in name else b"sku\n"
    content = gzip.compress(start + b" " * 3_000_000)
    _, rejected = read(
        tmp_path, name, content, max_size=1_000_000, **more, **({} if "xml" in name else {"key_fields": ["sku"]})
    )
    assert "1000000 bytes allowed" in rejected[-1].reason
    assert len(list((tmp_path / "quarantine").iterdir())) == 2


# -- POSLog ------------------------------------------------------------------------------------------------------------
SECOND = b"<SequenceNumber>2</SequenceNumber><BusinessDayDate>"


def three(old=b"", new=b"", encoding="UTF-8"):
    content = document([sale(1), sale(2), sale(3)])
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?>' + content.decode().partition("?>")[2 if b"?>" in content else 0]
    )
    return text.encode(encoding).replace(old, new, 1)


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16", "ISO-8859-1", "windows-1252"])
def test_declared_charsets_of_poslog_are_decoded(tmp_path, encoding):
    records, rejected = read(tmp_path, "a.xml.gz", gzip.compress(three(encoding=encoding)))
    assert (len(records), rejected) == (3, [])


@pytest.mark.parametrize(
    "odd", [b"K\xe4se", b"a\x00b", b"a\x01b", b"&#0;", b"&#x1f;", b"\xed\xa0\x80", b"\xef\xbf\xbf"]
)
def test_a_character_that_cannot_be_read_costs_one_transaction(odd):
    content = three(SECOND, b"<Note>" + odd + b"</Note>" + SECOND)
    made = list(documents(io.BytesIO(content)))
    assert [isinstance(one, RejectedRecord) for one in made] == [False, True, False]
    assert "cannot be read" in made[1].reason


def test_a_poslog_file_that_declares_a_wrong_charset_is_refused_with_what_to_do():
    content = three(SECOND, "<Note>Käse</Note>".encode() + SECOND)
    with pytest.raises(NotPosLog, match="is UTF-8"):
        list(documents(io.BytesIO(content.replace(b"UTF-8", b"ISO-8859-1", 1))))
    with pytest.raises(NotPosLog, match="not known"):
        list(documents(io.BytesIO(content.replace(b"UTF-8", b"x-none", 1))))


def test_rows_behind_the_trailer_are_rejected(tmp_path):
    content, control = b"sku,name\n1,x\nEND,1\n2,y\n", {"marker": "END"}
    records, rejected = read(tmp_path, "a.csv", content, key_fields=["sku"], control=control)
    assert [one.key for one in records] == ["1"]
    assert [(one.key, "trailer" in one.reason) for one in rejected] == [("2", True)]


def test_a_header_in_the_middle_of_joined_files_is_no_row_and_names_the_columns_behind_it(tmp_path):
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / "joined.csv").write_text("id,name\n1,a\nid,name\n2,b\n name , id\nc,3\nname,x\n")
    source = open_source("file_drop", {"root": str(tmp_path), "quiet": 0, "patterns": ["*.csv"], "key_fields": ["id"]})
    pages = read_all(source, circumstances=call())
    source.close()
    found = {record.key: json.loads(record.payload)["name"] for page in pages for record in page.records}
    assert found == {"1": "a", "2": "b", "3": "c", "x": "name"}
    assert ["header stands here again" in one.reason for page in pages for one in page.rejected] == [True, True]
