"""Workbooks (.xlsx) as tables: the same records as of the same table saved as CSV."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.errors import Invalid
from runtime.connectors.file_drop import xlsx_rows
from runtime.connectors.registry import open_source
from runtime.profiles import profile
from tests.runtime.connectors.dropped import read_file, read_files


def workbook(*rows: list[Any], title: str = "Prices", others: list[str] | None = None) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = title
    for row in rows:
        sheet.append(row)
    for name in others or []:
        book.create_sheet(name).append(["other"])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def changed(content: bytes, part: str, change: Callable[[bytes], bytes]) -> bytes:
    """The workbook with one of its parts changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(old.read(name)) if name == part else old.read(name))
    return out.getvalue()


def read_book(content: bytes, **settings: Any) -> tuple[list[Any], list[str]]:
    return read_file(content, "a.xlsx", format="xlsx", **settings)


SHEET = "xl/worksheets/sheet1.xml"
ROWS: list[list[Any]] = [
    ["sku", "price", "from", "at", "active", "note"],
    ["A1", 1.1, date(2026, 3, 2), datetime.fromisoformat("2026-03-02T10:30"), True, None],
    [4711, 0.1 + 0.2, None, time(7, 5), False, "Käse; 5 €"],
]
FOUND = [
    {"sku": "A1", "price": "1.1", "from": "2026-03-02", "at": "2026-03-02T10:30:00", "active": "true"},
    {"sku": "4711", "price": "0.3", "at": "07:05:00", "active": "false", "note": "Käse; 5 €"},
]


def zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.xlsx", content)
    return out.getvalue()


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zipped])
def test_rows_of_a_sheet_are_texts(pack: Any) -> None:
    assert read_book(pack(workbook(*ROWS, others=["Other"])), key_fields=["sku"]) == (FOUND, [])


def test_the_profile_of_price_lists_reads_one() -> None:
    settings = {**profile("price-list-workbook").connection({}), "quiet": 0.0}
    rows = [["Price list of March"], [], ["SKU", "Store", "Price", "Valid from"], ["A1", 7, 1.5, date(2026, 3, 2)]]
    records, rejected, _ = read_files({"prices.xlsx": workbook(*rows)}, **settings)
    assert ([one.key for one in records], rejected) == (["7/A1"], [])
    assert records[0].version == "2026-03-02"


def test_sheets_are_named_or_the_first_that_is_shown() -> None:
    book = openpyxl.load_workbook(io.BytesIO(workbook(["a"], ["1"], others=["Two"])))
    book["Prices"].sheet_state = "hidden"
    book["Two"].append(["2"])
    out = io.BytesIO()
    book.save(out)
    assert read_book(out.getvalue())[0] == [{"other": "2"}]
    assert read_book(out.getvalue(), sheet={"name": "Prices"})[0] == [{"a": "1"}]
    assert (
        "there is no sheet 'Three'; there are Prices, Two" in read_book(out.getvalue(), sheet={"name": "Three"})[1][0]
    )


def test_empty_rows_and_ragged_ones_and_rows_before_the_names() -> None:
    rows = [["List of March"], [], ["sku", "n"], [], ["A1"], ["A2", 2], ["A3", 3, "what"]]
    records, rejected, _ = read_files({"a.xlsx": workbook(*rows)}, format="xlsx", sheet={"header_row": 3})
    assert [one.origin.rpartition(":")[2] for one in (*records, *rejected)] == ["5", "6", "7"]
    assert rejected[0].reason == "3 fields instead of 2"
    found, _ = read_book(workbook(["A1", 1], ["A2", 2]), dialect={"header": False, "columns": ["sku", "n"]})
    assert found == [{"sku": "A1", "n": "1"}, {"sku": "A2", "n": "2"}]


def test_formulas_without_a_value_and_errors_cost_their_row() -> None:
    content = workbook(["sku", "n"], ["A1", "=1+1"], ["A2", "#N/A"], ["A3", 3])
    found, said = read_book(content)
    assert found == [{"sku": "A3", "n": "3"}]
    assert said == ["B2 is a formula whose value was not saved", "B3 is #N/A"]
    saved = changed(
        content, SHEET, lambda xml: re.sub(rb"<f>1\+1</f><v ?/>|<f>1\+1</f><v></v>", b"<f>1+1</f><v>2</v>", xml)
    )
    assert read_book(saved)[0][0] == {"sku": "A1", "n": "2"}


def test_what_a_writer_says_of_the_size_of_its_sheet_counts_for_nothing() -> None:
    content = changed(workbook(["sku", "n"], ["A1", 1]), SHEET, lambda xml: re.sub(rb'ref="A1:B2"', b'ref="A1"', xml))
    assert read_book(content)[0] == [{"sku": "A1", "n": "1"}]


@pytest.mark.parametrize(
    "written",
    [
        "4111111111111110",  # as Excel keeps what was typed as …1111
        "4.11111111111111E+15",  # as Excel writes that into the file
        "4.111111111111111E15",  # as Java writes all of its digits
        "4111111111111111",
        "-4111111111111110",
        "5555555555554440",
        "6212345678901230000",
        "6.2123456789012347E+18",
        "1E+15",
    ],
)
def test_a_number_of_which_a_workbook_has_lost_the_end_costs_its_row_and_is_shown_nowhere(written: str) -> None:
    def put(xml: bytes) -> bytes:
        return re.sub(rb"<v>77</v>", f"<v>{written}</v>".encode(), xml)

    content = changed(workbook(["sku", "n"], ["A1", 77], ["A2", 1]), SHEET, put)
    records, rejected, _ = read_files({"a.xlsx": content}, format="xlsx")
    assert [json.loads(one.payload) for one in records] == [{"sku": "A2", "n": "1"}]
    assert [one.reason.startswith("B2 is a number of more than 15 digits") for one in rejected] == [True]
    assert "text" in rejected[0].reason
    assert rejected[0].payload == b"A1;***"


@pytest.mark.parametrize(
    "number", [4006381333931, 14006381333938, 356938035643809, 999999999999999, -999999999999999, 123456789012.345]
)
def test_numbers_that_a_workbook_keeps_stay(number: float) -> None:
    assert read_book(workbook(["sku", "n"], ["A1", number])) == ([{"sku": "A1", "n": str(number)}], [])


def test_a_card_number_of_fifteen_digits_and_one_that_is_text_are_masked_in_their_rows() -> None:
    found, said = read_book(workbook(["sku", "n"], ["A1", 378282246310005], ["A2", "4111111111111111"]))
    assert (found, said) == ([{"sku": "A1", "n": "378282*****0005"}, {"sku": "A2", "n": "411111******1111"}], [])


def test_a_trailer_is_checked_as_in_every_table() -> None:
    control = {"marker": "Sum", "count": 1, "sum": "n", "total": 2}
    assert read_book(workbook(["sku", "n"], ["A1", 1.5], ["A2", 2], ["Sum", 2, 3.5]), control=control)[1] == []
    said = read_book(workbook(["sku", "n"], ["A1", 1.5], ["A2", 2], ["Sum", 2, 3.6]), control=control)[1]
    assert said == ["the trailer's total of n is 3.6, and the records add up to 3.5"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"sku;n\n1;2\n", "it is no workbook"),
        (b"", "it is no workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), ".xls"),
        (workbook(["a"])[:-30], "cut off"),
        (zipped(b"no"), "it is no workbook"),
        (changed(workbook(["a"]), "xl/workbook.xml", lambda xml: b"<broken"), "the workbook cannot be read"),
        (changed(workbook(["a"]), SHEET, lambda xml: xml[:-30]), "the workbook cannot be read"),
        (
            changed(workbook(["a"]), SHEET, lambda xml: b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY y "z">]>' + xml),
            "document type",
        ),
        (
            changed(workbook(["a"]), SHEET, lambda xml: b"<!--" + b" " * 70_000 + b"--><!DOCTYPE x>" + xml),
            "document type",
        ),
    ],
)
def test_what_is_no_workbook_goes_to_quarantine(content: bytes, reason: str) -> None:
    records, rejected, aside = read_files({"a.xlsx": content}, format="xlsx")
    assert (records, aside) == ([], ["a.xlsx"])
    assert reason in rejected[0].reason


def test_a_workbook_is_bounded_before_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.BytesIO(workbook(["a"], ["1"]))
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("xl/sharedStrings.xml", "<sst>" + " " * 2000 + "</sst>")
    content = out.getvalue()
    assert read_book(content) == ([{"a": "1"}], [])
    monkeypatch.setattr(xlsx_rows, "MOST_TEXTS", 1000)
    assert "texts of the workbook" in read_book(content)[1][0]
    monkeypatch.setattr(xlsx_rows, "MOST_UNPACKED", 1000)
    assert "1000 bytes unpacked" in read_book(content)[1][0]


def test_a_workbook_that_unpacks_to_far_more_than_it_is_is_refused_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(openpyxl, "load_workbook", None)
    blown = changed(workbook(["a"], ["1"]), SHEET, lambda xml: xml + b" " * (17 * 1024 * 1024))
    assert len(blown) < 50_000
    found, said = read_book(blown)
    assert found == []
    assert "sheet1.xml of the workbook unpacks to 1782" in said[0]
    assert "more than 200 times its size" in said[0]


def test_what_office_keeps_beside_an_open_workbook_is_not_read() -> None:
    records, rejected, _ = read_files({"~$a.xlsx": b"\x04Anna", "a.xlsx": workbook(["a"], ["1"])}, format="xlsx")
    assert (len(records), rejected) == (1, [])


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(Invalid, match="counts from 1"):
        open_source("file_drop", {"root": "/tmp", "format": "xlsx", "sheet": {"header_row": 0}})
    with pytest.raises(Invalid, match="'format: xlsx'"):
        open_source("file_drop", {"root": "/tmp", "sheet": {"name": "x"}})


TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=8)
CELL = TEXT.filter(lambda text: not text.startswith(("=", "#")) and "_x" not in text and text == text.strip())
CELLS = (
    CELL
    | st.integers(-(10**14), 10**14)
    | st.decimals(-(10**9), 10**9, places=4)
    | st.booleans()
    | st.dates(date(1901, 1, 1))
)


def spelled(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        shown = format(value.normalize(), "f")
        return "0" if shown == "-0" else shown
    return value.isoformat() if isinstance(value, date) else str(value)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6))
def test_a_table_saved_as_a_workbook_is_the_table_saved_as_csv(rows: list[tuple[Any, Any]]) -> None:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([("a", "b"), *([spelled(one) for one in row] for row in rows)])
    found = read_book(workbook(["a", "b"], *(list(row) for row in rows)))
    assert found[1] == []
    assert found[0] == [one for one in read_file(out.getvalue())[0] if one]
