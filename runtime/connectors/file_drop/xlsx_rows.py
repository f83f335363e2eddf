"""Rows of a workbook (.xlsx), as texts: what a file of delimited text would have. openpyxl reads it row by row; what it
may hold is bounded before."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import IO, Any

import msgspec

from kernel.errors import Invalid
from runtime.connectors.drop import ClaimedFile, Unreadable
from runtime.connectors.file_beats import was_stopped
from runtime.connectors.file_drop.csv_rows import SHOWN, Fields, UnreadableRow
from runtime.connectors.foreign_files import WITHIN
from runtime.connectors.zip_files import BROKEN, OFFICE, of_content

MOST_UNPACKED = 256 * 1024 * 1024  # bytes of all parts
MOST_TEXTS = 64 * 1024 * 1024  # bytes of the table of texts, which is held in memory
MOST_PARTS = 10_000
MOST_THIN, MOST_TIMES = 16 * 1024 * 1024, 200  # bytes of a part that may unpack to more times its size than tables do
DIGITS = 15  # of a number that Excel keeps
HIDDEN = "***"
_HEAD = 64 * 1024
_ELEMENT = re.compile(rb"<[A-Za-z_]")


class SheetLayout(msgspec.Struct, frozen=True):
    """name        of the sheet; without it the first one that is shown
    header_row  the row that has the names, counted from 1; without a header, the first row of data
    """

    name: str = ""
    header_row: int = 1

    def verify(self) -> None:
        if not 1 <= self.header_row <= 1_048_576:
            raise Invalid("connection.settings", "'header_row' of 'sheet' counts from 1.")


def xlsx_rows(claimed: ClaimedFile, layout: SheetLayout) -> Iterator[tuple[int, Fields]]:
    """Number of the row in its sheet, and its texts without empty cells at the end; empty rows are none. A number is
    written with the 15 digits that a workbook keeps (one of more costs its row), a date as `2026-03-02`, a time behind
    it after a `T`. Raises Unreadable for what is no workbook, or larger than allowed."""
    import openpyxl  # it loads slowly, and only those who read workbooks wait for it

    with claimed.open() as content:
        file: IO[bytes] = content if content.seekable() else io.BytesIO(content.read())
        _bounded(file)
        values = formulas = None
        try:
            values = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
            formulas = openpyxl.load_workbook(file, read_only=True, data_only=False, keep_links=False)
            yield from _rows(_sheet(values, layout), _sheet(formulas, layout), layout.header_row)
        except (Unreadable, MemoryError):
            raise
        except OSError as error:
            raise Unreadable(f"the workbook cannot be read ({of_content(error)})") from None
        except Exception as error:  # whatever the library meets in a file is the file's
            if was_stopped(content):
                raise
            raise Unreadable(f"the workbook cannot be read ({type(error).__name__}: {error})") from None
        finally:
            for book in (values, formulas):
                if book is not None:
                    book.close()


def _bounded(file: IO[bytes]) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
            if not any(one.filename == OFFICE for one in parts):
                raise Unreadable(f"it is {WITHIN}" if parts else "it is an empty zip archive")
            if len(parts) > MOST_PARTS or sum(one.file_size for one in parts) > MOST_UNPACKED:
                raise Unreadable(f"the workbook has more than {MOST_PARTS} parts or {MOST_UNPACKED} bytes unpacked")
            for one in parts:
                if one.file_size > MOST_THIN and one.file_size > MOST_TIMES * one.compress_size:
                    said = f"unpacks to {one.file_size} bytes, more than {MOST_TIMES} times its size"
                    raise Unreadable(f"{one.filename} of the workbook {said}, as no table does")
                if one.flag_bits & 1:
                    raise Unreadable("the workbook is encrypted")
                if one.filename.lower().endswith("sharedstrings.xml") and one.file_size > MOST_TEXTS:
                    raise Unreadable(f"the texts of the workbook have more than {MOST_TEXTS} bytes")
                if one.filename.lower().endswith((".xml", ".rels")):
                    _plain(archive, one)
    except BROKEN as error:
        raise Unreadable(f"it is no workbook (.xlsx): {error}") from None
    except OSError as error:
        raise Unreadable(f"it is no workbook (.xlsx): {of_content(error)}") from None


def _plain(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    """No document type stands before the first element, so nothing declares an entity."""
    with archive.open(part) as file:
        head = file.read(_HEAD)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        head = head.decode("utf-16", "ignore").encode()
    begins = _ELEMENT.search(head)
    if b"<!DOCTYPE" in head[: begins.start() if begins else len(head)] or (not begins and len(head) == _HEAD):
        raise Unreadable(f"{part.filename} of the workbook has a document type declaration, which is not read")


def _sheet(book: Any, layout: SheetLayout) -> Any:
    if layout.name and layout.name not in book.sheetnames:
        raise Unreadable(f"there is no sheet {layout.name!r}; there are {', '.join(book.sheetnames[:20])}")
    shown = [one for one in book.worksheets if one.sheet_state == "visible"]
    if not layout.name and not shown:
        raise Unreadable("the workbook has no sheet that is shown")
    sheet = book[layout.name] if layout.name else shown[0]
    if not hasattr(sheet, "reset_dimensions"):
        raise Unreadable(f"the sheet {layout.name!r} is a chart")
    sheet.reset_dimensions()  # what a writer says of its size may be wrong
    return sheet


def _rows(values: Any, formulas: Any, first: int) -> Iterator[tuple[int, Fields]]:
    pairs = zip(values.iter_rows(min_row=first), formulas.iter_rows(min_row=first), strict=True)
    for number, (row, spelled) in enumerate(pairs, first):
        texts, trouble = list[str](), ""
        for cell, formula in zip(row, spelled, strict=True):
            value = cell.value
            if value is None and isinstance(formula.value, str) and formula.data_type == "f":
                trouble = trouble or f"{formula.coordinate} is a formula whose value was not saved"
            elif value is not None and cell.data_type == "e":
                trouble = trouble or f"{cell.coordinate} is {value}"
            elif _is_cut(value):
                said = f"{cell.coordinate} is a number of more than {DIGITS} digits, and a workbook keeps {DIGITS}"
                trouble = trouble or f"{said}; have the column formatted as text before it is filled in"
                value = HIDDEN
            texts.append(_text(value))
        while texts and not texts[-1]:
            texts.pop()
        if trouble:
            raw = ";".join(texts).encode()
            yield number, UnreadableRow(trouble, raw[:SHOWN], len(raw) > SHOWN)
        elif texts:
            yield number, texts


def _is_cut(value: Any) -> bool:
    """Whether a number cell holds a whole number of so many digits that its last ones are not what was typed: Excel
    makes zeros of them. A card number among them would have no check digit by which it is known."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) >= 10**DIGITS


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return format(Decimal(format(value, ".15g")), "f")
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value)
