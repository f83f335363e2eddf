"""Files that arrive in a folder."""

import json

import pytest

from kernel.errors import Invalid
from runtime.connectors.registry import open_source
from tests.runtime.connectors.conformance import SourceConformance, call, read_all


def put(root, name, content, folder="incoming"):
    path = root / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def opened(root, **settings):
    root.mkdir(exist_ok=True)
    return open_source("file_drop", {"root": str(root), "quiet": 0.0, **settings})


def records(root, **settings):
    source = opened(root, **settings)
    pages = read_all(source, circumstances=call())
    source.close()
    return [r for p in pages for r in p.records], [r for p in pages for r in p.rejected]


def names(root, folder):
    return sorted(p.name for p in (root / folder).rglob("*") if p.is_file())


class TestSource(SourceConformance):
    @pytest.fixture
    def root(self, tmp_path):
        put(tmp_path, "a.csv", "sku,price\n" + "".join(f"A{n},1.{n}0\n" for n in range(5)))
        put(tmp_path, "b.csv", "sku,price\n" + "".join(f"B{n},2.{n}0\n" for n in range(3)))
        return tmp_path

    @pytest.fixture
    def make(self, root):
        return lambda: opened(root, key_fields=["sku"], page_size=2)

    @pytest.fixture
    def circumstances(self):
        return call()

    @pytest.fixture
    def expected(self, root):
        return [f"A{n}" for n in range(5)] + [f"B{n}" for n in range(3)]


def test_a_file_is_archived_only_when_the_cursor_behind_it_comes_back(tmp_path):
    put(tmp_path, "a.csv", "sku\n1\n2\n")
    source = opened(tmp_path, key_fields=["sku"])
    page = source.read(None, call=call())
    assert (len(page.records), page.done) == (2, False)
    assert names(tmp_path, "archive") == []
    assert len(names(tmp_path, "work")) == 1
    assert source.read(page.cursor, call=call()).done
    assert names(tmp_path, "work") == []
    assert len(names(tmp_path, "archive")) == 1


def test_a_reader_that_died_before_storing_reads_the_file_again(tmp_path):
    put(tmp_path, "a.csv", "sku\n1\n2\n")
    first = opened(tmp_path, key_fields=["sku"]).read(None, call=call())
    again = opened(tmp_path, key_fields=["sku"]).read(None, call=call())
    assert [r.key for r in first.records] == [r.key for r in again.records] == ["1", "2"]
    assert first.cursor == again.cursor


def test_a_broken_file_is_moved_only_when_its_records_are_stored(tmp_path):
    put(tmp_path, "a.csv", b'sku\n1\n"never closed\n')
    source = opened(tmp_path, key_fields=["sku"])
    page = source.read(None, call=call())
    assert page.rejected
    assert len(names(tmp_path, "work")) == 1
    again = opened(tmp_path, key_fields=["sku"]).read(None, call=call())
    assert [r.key for r in again.records] == [r.key for r in page.records]
    source.read(page.cursor, call=call())
    assert names(tmp_path, "work") == []
    assert len(names(tmp_path, "quarantine")) == 2


def test_two_readers_never_claim_the_same_file(tmp_path):
    for n in range(20):
        put(tmp_path, f"{n}.csv", f"sku\n{n}\n")
    one, two = (opened(tmp_path).folder for _ in range(2))
    one.prepare()
    listed = one.files.complete()
    assert len(listed) == 20
    taken = [(one if n % 2 else two)._take(path, found) for n, (path, found) in enumerate(listed)]
    assert all(taken)
    for path, found in listed:
        with pytest.raises(FileNotFoundError):
            two._take(path, found)
    assert len(names(tmp_path, "work")) == 20


def test_a_promised_marker_is_waited_for(tmp_path):
    put(tmp_path, "a.csv", "sku\n1\n")
    source = opened(tmp_path, key_fields=["sku"], done=".done")
    assert source.read(None, call=call()).done
    put(tmp_path, "a.csv.done", "")
    assert len(source.read(None, call=call()).records) == 1
    assert names(tmp_path, "incoming") == []


def test_hidden_partial_and_linked_files_are_not_read(tmp_path):
    target = put(tmp_path, "outside.csv", "sku\nsecret\n", folder="elsewhere")
    for name in (".a.csv", "b.csv.part", "c.tmp", ".hidden/d.csv"):
        put(tmp_path, name, "sku\n1\n")
    (tmp_path / "incoming" / "link.csv").symlink_to(target)
    assert records(tmp_path, key_fields=["sku"]) == ([], [])


def test_files_of_sub_folders_keep_their_path_in_the_name(tmp_path):
    put(tmp_path, "store-7/day.csv", "sku\n1\n")
    found, _ = records(tmp_path, key_fields=["sku"])
    assert found[0].origin.startswith("store-7__day.csv.")


def test_separators_of_several_characters(tmp_path):
    put(
        tmp_path,
        "s.csv",
        '1+|Next-Door Bike Store+|<xml a="1"/>\nwith a line break&|\n2+|Größe, "quoted"+|x&|\n'.encode("utf-16"),
    )
    dialect = {
        "encoding": "utf-16",
        "delimiter": "+|",
        "terminator": "&|\n",
        "header": False,
        "columns": ["id", "name", "extra"],
    }
    found, bad = records(tmp_path, key_fields=["id"], dialect=dialect)
    assert bad == []
    assert [json.loads(r.payload)["name"] for r in found] == ["Next-Door Bike Store", 'Größe, "quoted"']
    assert json.loads(found[0].payload)["extra"] == '<xml a="1"/>\nwith a line break'


def test_quotes_line_breaks_and_a_byte_order_mark(tmp_path):
    put(tmp_path, "a.csv", '\ufeffsku;name\r\n1;"a;b\r\nc"\r\n2;""\r\n')
    found, bad = records(tmp_path, key_fields=["sku"], dialect={"encoding": "utf-8-sig", "delimiter": ";"})
    assert bad == []
    assert [json.loads(r.payload) for r in found] == [{"sku": "1", "name": "a;b\r\nc"}, {"sku": "2"}]


def test_ebcdic_is_an_encoding_like_any_other(tmp_path):
    put(tmp_path, "t.dat", "4711|1.50\n4712|2.50\n".encode("cp037"))
    dialect = {"encoding": "cp037", "delimiter": "|", "header": False, "columns": ["sku", "price"], "quote": ""}
    found, _ = records(tmp_path, key_fields=["sku"], dialect=dialect)
    assert [r.key for r in found] == ["4711", "4712"]


def test_dirty_rows_are_rejected_with_their_line_and_the_rest_is_read(tmp_path):
    put(tmp_path, "a.csv", "sku,price\n1,1.00\n2\n,3.00\n4,4,4\n5,5.00\n")
    found, bad = records(tmp_path, key_fields=["sku"])
    assert [r.key for r in found] == ["1", "5"]
    assert [(r.origin.rpartition(":")[2], r.reason) for r in bad] == [
        ("3", "1 fields instead of 2"),
        ("4", "a key field is empty (sku)"),
        ("5", "3 fields instead of 2"),
    ]


@pytest.mark.parametrize(
    ("content", "settings", "reason"),
    [
        (b"sku,\xff\n1,2\n", {}, "not utf-8"),
        (b"\x1f\x8b\x08 cut off", {}, "cannot be unpacked"),
        (b'sku\n"never closed\n', {}, "unexpected end"),
        (b"name\n1\n", {}, "no column sku"),
        (b"", {}, "no column sku"),
        (b"sku\n1\n", {"control": {"marker": "END"}}, "may be cut off"),
    ],
)
def test_a_file_that_cannot_be_read_goes_to_quarantine_with_its_reason_and_the_next_is_read(
    tmp_path, content, settings, reason
):
    put(tmp_path, "bad.csv", content)
    put(tmp_path, "good.csv", b"sku\n7\nEND,1\n" if settings else b"sku\n7\n")
    found, bad = records(tmp_path, key_fields=["sku"], **settings)
    assert "7" in [r.key for r in found]
    assert any(reason in r.reason for r in bad)
    quarantined = names(tmp_path, "quarantine")
    assert [n for n in quarantined if n.startswith("bad.csv") and n.endswith(".reason.txt")]
    assert [n for n in quarantined if n.startswith("bad.csv") and not n.endswith(".reason.txt")]


def test_a_trailer_that_does_not_agree_is_said(tmp_path):
    put(tmp_path, "a.csv", "sku,amount\n1,1.50\n2,2.50\nEND,3,5.00\n")
    control = {"marker": "END", "count": 1, "sum": "amount", "total": 2}
    found, bad = records(tmp_path, key_fields=["sku"], control=control, dialect={"columns": [], "header": True})
    assert len(found) == 2
    assert [r.reason for r in bad] == [
        "the trailer says 3, and there are 2 records",
        "the trailer's total of amount is 5.00, and the records add up to 4.00",
    ]


def test_json_lines(tmp_path):
    put(tmp_path, "a.jsonl", '{"id":1,"price":1.10}\n\n{"id":\n{"x":1}\n{"id":2,"v":"9"}\n')
    found, bad = records(tmp_path, format="jsonl", key_fields=["id"], version_field="v")
    assert [(r.key, r.version, r.payload) for r in found] == [
        ("1", None, b'{"id":1,"price":1.10}'),
        ("2", "9", b'{"id":2,"v":"9"}'),
    ]
    assert [r.origin.rpartition(":")[2] for r in bad] == ["3", "4"]


def test_without_key_fields_file_and_line_identify_a_record(tmp_path):
    put(tmp_path, "a.csv", "x\n1\n1\n")
    found, _ = records(tmp_path)
    assert len({r.key for r in found}) == 2


def test_whole_files_are_one_record_each(tmp_path):
    put(tmp_path, "a.bin", b"\x00\xff")
    found, _ = records(tmp_path, format="whole")
    assert json.loads(found[0].payload)["content"] == "AP8="


def test_settings_that_cannot_work_are_refused():
    for settings, message in (
        ({"dialect": {"encoding": "utf-99"}}, "no encoding"),
        ({"dialect": {"header": False}}, "columns"),
        ({"dialect": {"delimiter": ""}}, "must not be empty"),
        ({"page_size": 0}, "at least 1"),
    ):
        with pytest.raises(Invalid, match=message):
            open_source("file_drop", {"root": "/tmp", **settings})


@pytest.mark.shared_data
def test_real_dirty_sales_rows_become_records_or_rejections(shared_data, tmp_path):
    path = shared_data / "retail" / "online-retail" / "2010-12-01.csv"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    put(tmp_path, "day.csv", path.read_bytes())
    found, bad = records(tmp_path)
    assert len(found) + len(bad) > 1_000
    assert json.loads(found[0].payload)


@pytest.mark.shared_data
def test_the_real_file_with_odd_separators(shared_data, tmp_path):
    path = shared_data / "retail" / "adventureworks" / "Store.csv"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    raw = path.read_bytes()
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    terminator = "&|\r\n" if "&|\r\n" in raw.decode(encoding) else "&|\n"
    put(tmp_path, "Store.csv", raw)
    columns = ["id", "name", "person", "demographics", "guid", "modified"]
    dialect = {"encoding": encoding, "delimiter": "+|", "terminator": terminator, "header": False, "columns": columns}
    found, bad = records(tmp_path, key_fields=["id"], dialect=dialect)
    assert bad == []
    assert len(found) > 500
