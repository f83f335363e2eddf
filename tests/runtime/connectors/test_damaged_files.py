"""A row of a file that nobody can read is one reject; a damaged file gives the rows that are proven, and is never taken
for one that was read to its end."""

import gzip
import json
import os
import zlib

import pytest

from runtime.connectors.registry import open_source
from sandbox.poslog import document
from tests.runtime.connectors.conformance import call, read_all
from tests.runtime.connectors.test_file_rows import CSV, EXPECTED, LINES, names, read
from tests.runtime.connectors.test_poslog import sale

KEYED = {"key_fields": ["sku"]}
JSONL = {"format": "jsonl", **KEYED}


def many(count=3_000):
    """Lines that gzip cannot shorten much, so that a cut falls between them."""
    return "".join(f'{{"sku":"{n}","name":"{zlib.crc32(str(n).encode())}"}}\n' for n in range(count)).encode()


def put(tmp_path, name, content):
    (tmp_path / "incoming").mkdir(parents=True, exist_ok=True)
    path = tmp_path / "incoming" / name
    path.write_bytes(content)
    return path


def look(tmp_path, protocol="file_drop", **settings):
    """What one run reads, which waits for the rest of no file: records, rejected, warnings."""
    source = open_source(protocol, {"root": str(tmp_path), "quiet": 0.0, "patience": 0.0, **settings})
    try:
        pages = read_all(source, circumstances=call())
    finally:
        source.close()
    return (
        [r for page in pages for r in page.records],
        [r for page in pages for r in page.rejected],
        [w for page in pages for w in page.warnings],
    )


def in_folder(tmp_path, name):
    return [path for path in (tmp_path / name).rglob("*") if path.is_file() and not path.name.endswith(".reason.txt")]


# -- Single rows -------------------------------------------------------------------------------------------------------
HALF = {"utf-16-le": b"\x00\xd8", "utf-16-be": b"\xdc\x00", "utf-32-le": b"\x00\xd8\x00\x00", "utf-16": b"\x00\xd8"}


@pytest.mark.parametrize("encoding", HALF)
@pytest.mark.parametrize(("kind", "text"), [("csv", CSV), ("jsonl", LINES)])
def test_half_a_surrogate_pair_costs_one_row(tmp_path, kind, text, encoding):
    more = JSONL if kind == "jsonl" else KEYED
    stand_in = "@".encode(encoding)[-len(HALF[encoding]) :]
    content = text.replace("Brot", "B@t").encode(encoding).replace(stand_in, HALF[encoding])
    records, rejected = read(tmp_path, f"a.{kind}", content, dialect={"encoding": encoding}, **more)
    assert (names(records), len(rejected)) == (["Käse", "Öl"], 1)
    assert "half" in rejected[0].reason
    assert b"2" in rejected[0].payload


@pytest.mark.parametrize("terminator", ["auto", "\n"])
def test_an_odd_byte_at_the_end_of_a_utf16_file_costs_the_row_that_holds_it(tmp_path, terminator):
    dialect = {"encoding": "utf-16-le", "terminator": terminator}
    records, rejected = read(tmp_path, "a.csv", CSV.encode("utf-16-le") + b"4", dialect=dialect, **KEYED)
    assert (names(records), len(rejected)) == (EXPECTED, 1)


@pytest.mark.parametrize("encoding", ["shift_jis", "gb18030", "euc_kr", "utf-7"])
def test_a_byte_that_a_multibyte_charset_does_not_have_costs_one_row(tmp_path, encoding):
    content = b"sku,name\n1,a\n2,b\xff\n3,c\n"
    records, rejected = read(tmp_path, "a.csv", content, dialect={"encoding": encoding}, **KEYED)
    assert (names(records), len(rejected)) == (["a", "c"], 1)


@pytest.mark.parametrize("encoding", ["hex", "no-such", "undefined", "base64"])
def test_what_is_no_charset_is_refused_when_the_connection_is_set_up(tmp_path, encoding):
    with pytest.raises(Exception, match="There is no encoding"):
        open_source("file_drop", {"root": str(tmp_path), "dialect": {"encoding": encoding}})


@pytest.fixture
def short_records(monkeypatch):
    monkeypatch.setattr("runtime.connectors.file_drop.dialect.MAX_RECORD", 1_000)
    monkeypatch.setattr("runtime.connectors.file_drop.dialect.CHUNK", 300)
    monkeypatch.setattr("runtime.connectors.file_drop.json_lines.MAX_LINE", 1_000)


LONG = "x" * 2_500


@pytest.mark.parametrize(
    ("row", "dialect"),
    [
        (f"2,{LONG}\n", {}),
        (f'2,"{LONG}"\n', {}),
        ('2,"' + "x\n" * 1_200 + '"\n', {}),
        (f"2,{LONG}\n", {"terminator": "\n"}),
        (f"2,{LONG},,\n", {"quote": ""}),
    ],
)
def test_a_field_that_is_too_long_costs_its_row(tmp_path, short_records, row, dialect):
    content = f"sku,name\n1,a\n{row}3,c\n".encode()
    records, rejected = read(tmp_path, "a.csv", content, dialect=dialect, **KEYED)
    assert names(records) == ["a", "c"]
    assert "1000 characters" in rejected[0].reason
    assert rejected[0].payload.startswith(b"2,")


def test_a_json_line_that_is_too_long_costs_its_line(tmp_path, short_records):
    for encoding in ("utf-8", "utf-16"):
        content = f'{{"sku":"1","name":"a"}}\n{{"sku":"2","name":"{LONG}"}}\n{{"sku":"3","name":"c"}}\n'.encode(
            encoding
        )
        records, rejected = read(tmp_path / encoding, "a.jsonl", content, **JSONL)
        assert (names(records), len(rejected)) == (["a", "c"], 1)
        assert "1000" in rejected[0].reason


def test_a_file_without_the_end_of_a_line_goes_to_quarantine(tmp_path, short_records):
    for name, more in (("a.csv", {"dialect": {"terminator": "&|\n"}}), ("b.csv", {}), ("c.jsonl", {"format": "jsonl"})):
        root = tmp_path / name
        _, rejected = read(root, name, b"sku,name|" * 500, **more)
        assert "no end" in rejected[-1].reason, name
        assert in_folder(root, "quarantine"), name


def test_a_quote_that_nobody_closes_costs_its_own_line(tmp_path):
    for tail in ("", '5,"e"\n', '5,"e""f"\n6,g\n'):
        content = f'sku,name\n1,a\n2,"b\n3,c\n4,d\n{tail}'.encode()
        records, rejected = read(tmp_path / str(len(tail)), "a.csv", content, **KEYED)
        assert [r.key for r in records][:3] == ["1", "3", "4"]
        assert len(records) == 3 + tail.count("\n")
        assert [one.payload for one in rejected] == [b'2,"b']


def test_a_text_of_several_lines_stays_one_field(tmp_path):
    records, rejected = read(tmp_path, "a.csv", b'sku,name\n1,"a\n2,b\n"\n3,c\n', **KEYED)
    assert ([json.loads(r.payload)["name"] for r in records], rejected) == (["a\n2,b\n", "c"], [])


# -- Packed files ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("junk", [b"junk", b"\0\0\0x"])
@pytest.mark.parametrize(("kind", "text"), [("csv", CSV), ("jsonl", LINES), ("jsonl", LINES.rstrip("\n"))])
def test_junk_behind_a_packed_file_is_one_reject_and_every_row_is_read(tmp_path, kind, text, junk):
    put(tmp_path, f"a.{kind}.gz", gzip.compress(text.encode()) + junk)
    records, rejected, _ = look(tmp_path, **(JSONL if kind == "jsonl" else KEYED))
    assert (names(records), len(rejected)) == (EXPECTED, 1)
    assert f"{len(junk.lstrip(bytes(1)))} bytes" in rejected[0].reason
    assert in_folder(tmp_path, "archive")


@pytest.mark.parametrize(("tail", "said"), [(b"\x1f", "cut off"), (b"\x1f\x8bnot gzip at all", "damaged")])
def test_the_beginning_of_another_member_is_no_junk(tmp_path, tail, said):
    put(tmp_path, "a.jsonl.gz", gzip.compress(LINES.encode()) + tail)
    records, rejected, _ = look(tmp_path, **JSONL)
    assert (names(records), len(rejected), said in rejected[0].reason) == (EXPECTED, 1, True)
    assert (in_folder(tmp_path, "archive"), len(in_folder(tmp_path, "quarantine"))) == ([], 1)


def test_junk_behind_a_packed_poslog_is_one_reject(tmp_path):
    put(tmp_path, "a.xml.gz", gzip.compress(document([sale(1), sale(2), sale(3)])) + b"junk")
    records, rejected, _ = look(tmp_path, "poslog")
    assert (len(records), len(rejected)) == (3, 1)


def test_zeros_behind_a_packed_file_are_padding(tmp_path):
    put(tmp_path, "a.jsonl.gz", gzip.compress(LINES.encode()) + b"\0" * 512)
    records, rejected, _ = look(tmp_path, **JSONL)
    assert (names(records), rejected) == (EXPECTED, [])


@pytest.mark.parametrize(
    ("kind", "more"), [("jsonl", JSONL), ("csv", KEYED), ("csv", {**KEYED, "dialect": {"terminator": "\n"}})]
)
def test_of_a_packed_file_that_is_cut_off_the_whole_rows_are_read_and_it_is_not_archived(tmp_path, kind, more):
    rows = [json.loads(line) for line in many().splitlines()]
    as_csv = "sku,name\n" + "".join(f"{row['sku']},{row['name']}\n" for row in rows)
    packed = gzip.compress(many() if kind == "jsonl" else as_csv.encode())
    put(tmp_path, f"a.{kind}.gz", packed[: len(packed) // 2])
    records, rejected, _ = look(tmp_path, page_size=100, **more)
    assert 500 < len(records) < 3_000
    assert [r.key for r in records] == [str(n) for n in range(len(records))]
    assert all(json.loads(r.payload)["name"] == str(zlib.crc32(r.key.encode())) for r in records)
    assert len(rejected) == 1
    assert "cut off" in rejected[0].reason
    assert (in_folder(tmp_path, "archive"), len(in_folder(tmp_path, "quarantine"))) == ([], 1)


def test_a_record_of_several_lines_that_is_cut_off_is_not_taken_for_rows(tmp_path):
    whole = gzip.compress(b'sku,name\n1,a\n2,"b\n7,inside\n' + os.urandom(50_000).hex().encode())
    put(tmp_path, "a.csv.gz", whole[:-20_000])
    records, rejected, _ = look(tmp_path, **KEYED)
    assert ([r.key for r in records], len(rejected)) == (["1"], 1)


def test_of_a_packed_poslog_that_is_cut_off_the_whole_transactions_are_read(tmp_path):
    packed = gzip.compress(document([sale(n) for n in range(1, 400)]), 1)
    put(tmp_path, "a.xml.gz", packed[: len(packed) // 2])
    records, rejected, _ = look(tmp_path, "poslog")
    assert 50 < len(records) < 399
    assert (len(rejected), "cut off" in rejected[0].reason) == (1, True)


@pytest.mark.parametrize("more", [{"format": "jsonl"}, {"format": "delimited"}])
def test_without_keys_of_its_own_a_file_that_is_cut_off_is_not_read_for_it_will_come_again(tmp_path, more):
    packed = gzip.compress(many())
    put(tmp_path, "a.gz", packed[: len(packed) // 2])
    records, rejected, _ = look(tmp_path, **more)
    assert (records, len(rejected)) == ([], 1)
    assert "cut off" in rejected[0].reason
    assert len(in_folder(tmp_path, "quarantine")) == 1


def test_what_a_checksum_does_not_prove_is_not_read(tmp_path):
    good, bad = gzip.compress(many(10)), bytearray(gzip.compress(many(20)))
    bad[-6] ^= 1
    put(tmp_path, "a.jsonl.gz", good + bytes(bad))
    records, rejected, _ = look(tmp_path, **JSONL)
    assert len(records) == 10
    assert (len(rejected), "damaged" in rejected[0].reason) == (1, True)
    assert len(in_folder(tmp_path, "quarantine")) == 1


def test_a_packed_file_that_is_still_being_written_waits_until_it_is_whole(tmp_path):
    packed = gzip.compress(many(500))
    put(tmp_path, "a.jsonl.gz", packed[: len(packed) // 2])
    records, rejected, warnings = look(tmp_path, patience=900.0, **JSONL)
    assert (records, rejected) == ([], [])
    assert "a.jsonl.gz" in warnings[0]
    assert len(in_folder(tmp_path, "incoming")) == 1
    put(tmp_path, "a.jsonl.gz", packed)
    records, rejected, warnings = look(tmp_path, patience=900.0, **JSONL)
    assert (len(records), rejected, warnings) == (500, [], [])


def test_a_file_that_waits_does_not_hold_up_the_others(tmp_path):
    packed = gzip.compress(many(500))
    put(tmp_path, "a.jsonl.gz", packed[: len(packed) // 2])
    put(tmp_path, "b.jsonl", LINES.encode())
    records, _, warnings = look(tmp_path, patience=900.0, **JSONL)
    assert (names(records), len(warnings)) == (EXPECTED, 1)


def test_a_writer_that_promises_a_mark_is_believed(tmp_path):
    packed = gzip.compress(many())
    put(tmp_path, "a.jsonl.gz", packed[: len(packed) // 2])
    put(tmp_path, "a.jsonl.gz.done", b"")
    records, rejected, _ = look(tmp_path, done=".done", **JSONL)
    assert (len(records) > 500, len(rejected)) == (True, 1)


def test_after_a_crash_a_damaged_file_goes_on_where_it_was(tmp_path):
    packed = gzip.compress(many())
    put(tmp_path, "a.jsonl.gz", packed[: len(packed) // 2])
    settings = {"root": str(tmp_path), "quiet": 0.0, "patience": 0.0, "page_size": 100, **JSONL}
    keys, cursor, rejected = [], None, []
    for _ in range(100):
        source = open_source("file_drop", settings)  # a new process for every page
        page = source.read(cursor, call=call())
        source.close()
        keys += [r.key for r in page.records]
        rejected += page.rejected
        cursor = page.cursor
        if page.done:
            break
    assert keys == [str(n) for n in range(len(keys))]
    assert (len(keys) > 500, len(rejected)) == (True, 1)


def test_a_file_that_grew_while_it_was_read_does_not_count_as_read(tmp_path):
    put(tmp_path, "a.jsonl", many(150))
    source = open_source("file_drop", {"root": str(tmp_path), "quiet": 0.0, "page_size": 100, **JSONL})
    first = source.read(None, call=call())
    with next((tmp_path / "work").iterdir()).open("ab") as late:  # the writer's handle follows the rename
        late.write(b'{"sku":"late","name":"late"}\n')
    second = source.read(first.cursor, call=call())
    source.read(second.cursor, call=call())
    source.close()
    assert len(first.records) + len(second.records) >= 150
    assert ["its writer was not done" in one.reason for one in second.rejected] == [True]
    assert (in_folder(tmp_path, "archive"), len(in_folder(tmp_path, "quarantine"))) == ([], 1)
