"""Files that take long to read: their reader says all along that it is at work, pages are bounded, and what a receipt
has taken back is found in one walk over it."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from runtime.connectors import drop_reader
from runtime.connectors.poslog.reading import as_data
from runtime.connectors.poslog.voids import Entry, UnclearVoid, readings
from runtime.connectors.protocols import CallContext, RejectedRecord
from runtime.connectors.registry import open_source
from tests.runtime.connectors.conformance import call, read_all
from tests.runtime.connectors.receipts import goods, judged, poslog, receipt, tender, total
from tests.runtime.connectors.test_archives import zipped
from tests.runtime.connectors.test_workbooks import workbook

ROWS = "".join(f'{{"id": "{n}", "text": "{"x" * 100}"}}\n' for n in range(20_000)).encode()
SALES = poslog(*(receipt(goods(1, "1"), tender(2, "1"), total("1"), number=n) for n in range(1, 900)))
SHEET = workbook(["id"], *([str(n)] for n in range(2_000)))
JSONL: dict[str, Any] = {"format": "jsonl", "key_fields": ["id"], "page_size": 1_000_000}
CASES: dict[str, tuple[str, bytes, dict[str, Any]]] = {
    "lines": ("file_drop", ROWS, JSONL),
    "gzip": ("file_drop", gzip.compress(ROWS), JSONL),
    "zip": ("file_drop", zipped({"a.jsonl": ROWS}), JSONL),
    "tables without records": ("file_drop", b"id\n" + b"\n" * 1_000_000, {"page_size": 1_000_000}),
    "receipts": ("poslog", SALES, {"page_size": 1_000_000}),
    "workbook": ("file_drop", SHEET, {"format": "xlsx", "page_size": 1_000_000}),
}


class Lost(Exception):
    """The source was lost."""


@pytest.fixture(params=CASES)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    protocol, content, settings = CASES[request.param]
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / "a.xml").write_bytes(content)
    source = open_source(protocol, {"root": str(tmp_path), "quiet": 0.0, "patience": 0.0, **settings})
    yield source
    source.close()


def test_a_reader_says_while_it_reads_that_it_is_at_work(opened: Any) -> None:
    beats: list[int] = []
    opened.read(None, call=CallContext(beat=lambda: beats.append(1)))
    assert len(beats) >= 3


def test_a_reader_that_lost_its_source_reads_no_further_and_judges_no_file(opened: Any, tmp_path: Path) -> None:
    count = iter(range(100))

    def beat() -> None:
        if next(count) == 2:
            raise Lost

    with pytest.raises(Lost):
        opened.read(None, call=CallContext(beat=beat))
    assert [one.name[:5] for one in (tmp_path / "work").iterdir() if one.is_file() and one.name[0] != "."] == ["a.xml"]
    assert not list((tmp_path / "quarantine").iterdir())


@pytest.mark.parametrize("pack", [gzip.compress, lambda content: zipped({"a.jsonl": content, "b.jsonl": content})])
def test_a_packed_file_is_looked_through_under_the_lease_and_no_damage_when_it_is_lost(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / "a.bin").write_bytes(pack(ROWS))
    source = open_source("file_drop", {"root": str(tmp_path), "quiet": 0.0, "patience": 0.0, **JSONL})

    def beat() -> None:
        raise ValueError("another one has it")

    with pytest.raises(ValueError, match="another one has it"):
        source.read(None, call=CallContext(beat=beat))
    assert len(source.read(None, call=call()).records) in (20_000, 40_000)
    source.close()


def test_a_page_holds_no_more_than_can_be_judged_in_one_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drop_reader, "PAGE_BYTES", 1_000)
    (tmp_path / "incoming").mkdir()
    rows = "".join(f'{{"id": "{n}", "text": "{"x" * 300}"}}\n' for n in range(10)) + "{no\n" * 3
    (tmp_path / "incoming" / "a.jsonl").write_text(rows)
    settings = {"root": str(tmp_path), "quiet": 0.0, "format": "jsonl", "key_fields": ["id"]}
    source = open_source("file_drop", settings)
    pages = read_all(source, circumstances=call())
    source.close()
    assert [one.key for page in pages for one in page.records] == [str(n) for n in range(10)]
    assert [len(page.records) for page in pages][:3] == [4, 4, 2]
    assert len([one for page in pages for one in page.rejected]) == 3
    assert len(list((tmp_path / "archive").rglob("a.jsonl*"))) == 1


class Counted(list[Entry]):
    """Entries, and how often one of them was looked at."""

    looks = 0

    def __getitem__(self, at: Any) -> Any:
        self.looks += 1
        return super().__getitem__(at)

    def __iter__(self) -> Iterator[Entry]:
        for one in super().__iter__():
            self.looks += 1
            yield one


def taken_back(count: int, how: str) -> Counted:
    def entry(number: int, name: str, amount: int, link: int | None = None) -> Entry:
        value = Decimal(amount)
        return Entry("lines", {"sequence": number}, number > count, name, value, value, link)

    sign = -1 if how == "opposite" else 1
    link: Callable[[int], int | None] = (lambda n: n) if how == "link" else lambda n: None
    sold = [entry(n, f"A{n}", 5) for n in range(1, count + 1)]
    return Counted([*sold, *(entry(count + n, f"A{n}", sign * 5, link(n)) for n in range(1, count + 1))])


@pytest.mark.parametrize("how", ["opposite", "link"])
def test_what_is_taken_back_is_found_in_one_walk_however_many_lines_there_are(how: str) -> None:
    for count in (50, 500):
        entries = taken_back(count, how)
        (found,) = readings(entries, how)  # type: ignore[arg-type]
        assert not isinstance(found, UnclearVoid)
        assert len(found[1]) == 2 * count
        assert entries.looks <= 12 * count


def test_the_nearest_line_before_is_the_one_that_is_taken_back_and_each_only_once() -> None:
    def line(number: int, amount: int, *, void: bool = False, link: int | None = None) -> Entry:
        return Entry("lines", {"sequence": number}, void, "A", Decimal(amount), Decimal(amount), link)

    entries = [line(1, 5), line(2, 5), line(3, 4), line(4, -5, void=True), line(5, 5), line(6, -5, void=True)]
    (found,) = readings(entries, "opposite")
    assert found == ("opposite", frozenset({1, 3, 4, 5}))
    (found,) = readings([*entries, line(7, -4, void=True), line(8, -9, void=True)], "opposite")
    assert "of which none with 9 stands before it" in str(found)
    linked = [line(1, 5), line(2, 5), line(3, 5, void=True, link=1), line(4, 5, void=True, link=1)]
    (found,) = readings(linked, "link")
    assert "4 has no ItemLink" in str(found)


def test_elements_that_stand_many_times_are_one_list() -> None:
    made = as_data(etree.fromstring("<a><b>1</b><c>2</c><b><d>3</d></b><b>4</b></a>"))
    assert made == {"b": ["1", {"d": "3"}, "4"], "c": "2"}


def test_a_receipt_full_of_voids_is_read() -> None:
    sold = [goods(n, "0.01", item=f"A{n}") for n in range(1, 2_001)]
    gone = [goods(2_000 + n, "-0.01", item=f"A{n}", void="true") for n in range(1, 2_001)]
    made = judged(receipt(goods(9_000, "1.00", item="B"), *sold, *gone, tender(9_001, "1.00"), total("1.00")))
    assert not isinstance(made, RejectedRecord)
