"""Rows of the files that a job makes or takes: JSON Lines, CSV with a header, a list within JSON; packed or not."""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from runtime.connectors.answers import at_list
from runtime.connectors.protocols import Refused, Retriable
from runtime.domain.json_paths import JsonPath

MOST_FILES = 100  # of one archive
_LONGEST_FIELD = 16 * 1024 * 1024


class RowFormat(msgspec.Struct, frozen=True):
    """kind       `jsonl`, `csv` with a header, or `json` with the rows at `items`
    items      where the rows are in JSON; empty: the document itself
    delimiter  of CSV
    unpack     `gzip` or `zip`, whose files are read in the order of their names
    charset    of CSV
    parent, id, children  the member by which a row names the row that it belongs to, that one's own name, and the
               member that takes the list of such rows; where `parent` is not said, each row is one of its own
    """

    kind: Literal["jsonl", "csv", "json"] = "jsonl"
    items: JsonPath = ""
    delimiter: str = ","
    unpack: Literal["", "gzip", "zip"] = ""
    charset: str = "utf-8-sig"
    parent: str = ""
    id: str = "id"
    children: str = "children"


@dataclass(frozen=True, slots=True)
class OddRow:
    """A row that is none, with what it says."""

    reason: str
    raw: bytes


def rows_in(body: bytes, form: RowFormat, *, most: int) -> list[bytes | OddRow]:
    """The rows of a part, each as JSON. `most`: bytes after unpacking. Raises Retriable for a part that breaks off,
    Refused for one that is too large."""
    found: list[bytes | OddRow] = []
    for one in _unpacked(body, form.unpack, most):
        if form.kind == "jsonl":
            found += [line for line in one.removeprefix(b"\xef\xbb\xbf").splitlines() if line.strip()]
        elif form.kind == "csv":
            found += _csv(one, form)
        else:
            found += _items(one, form.items)
    return found


def nested(rows: list[bytes | OddRow], form: RowFormat) -> list[bytes | OddRow]:
    """Rows that belong to others within those, at whatever depth. One whose parent did not come before it is odd."""
    if not form.parent:
        return rows
    found: list[dict[str, Any] | OddRow] = []
    by_name = dict[Any, dict[str, Any]]()
    for raw in rows:
        if isinstance(raw, OddRow):
            found.append(raw)
            continue
        try:
            row = msgspec.json.decode(raw, type=dict[str, Any])
        except (ValueError, RecursionError) as error:
            found.append(OddRow(f"it cannot be read as JSON: {error}", raw))
            continue
        name, belongs = row.get(form.id), row.pop(form.parent, None)
        if isinstance(name, str | int):
            by_name[name] = row
        if belongs is None:
            found.append(row)
        elif (parent := by_name.get(belongs)) is not None:
            parent.setdefault(form.children, []).append(row)
        else:
            found.append(OddRow(f"it belongs to {str(belongs)[:100]!r}, which did not come before it", raw))
    return [one if isinstance(one, OddRow) else msgspec.json.encode(one) for one in found]


def _items(body: bytes, path: str) -> list[bytes | OddRow]:
    try:
        document = msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        raise Retriable(f"a part of the result cannot be read ({error})") from None
    rows = at_list(document, path) if path else document
    if not isinstance(rows, list):
        raise Refused("job.shape", f"A part of the result has no list at {path!r}.")
    return [msgspec.json.encode(row) for row in rows]


def _csv(body: bytes, form: RowFormat) -> list[bytes | OddRow]:
    """Rows as objects of texts; an empty field is null. A quote that nobody closes is a part that breaks off."""
    if not body.strip():
        return []
    try:
        text = body.decode(form.charset)
    except (UnicodeDecodeError, LookupError) as error:
        raise Refused("job.charset", f"A part of the result is not {form.charset}: {error}.") from None
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=form.delimiter, strict=True)
    found: list[bytes | OddRow] = []
    try:
        names = next(reader)
        if len(set(names)) != len(names):
            raise Refused("job.shape", "The header of a part names a column twice.")
        for values in reader:
            if not values:
                continue
            if len(values) != len(names):
                shown = form.delimiter.join(values).encode()
                found.append(OddRow(f"it has {len(values)} fields, and the header names {len(names)}", shown))
                continue
            found.append(msgspec.json.encode({n: v or None for n, v in zip(names, values, strict=True)}))
    except csv.Error as error:
        raise Retriable(f"a part of the result breaks off ({error})") from None
    return found


def _unpacked(body: bytes, way: str, most: int) -> list[bytes]:
    if not way:
        return [body]
    try:
        if way == "gzip":
            unpack = zlib.decompressobj(31)
            made = unpack.decompress(body, most)
            if unpack.unconsumed_tail:
                raise Refused("response.too_large", f"The result has more than {most} bytes.")
            if not unpack.eof:
                raise Retriable("a part of the result breaks off (gzip)")
            return [made]
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            files = sorted((one for one in archive.infolist() if not one.is_dir()), key=lambda one: one.filename)
            if len(files) > MOST_FILES or sum(one.file_size for one in files) > most:
                raise Refused("response.too_large", f"The result has more than {MOST_FILES} files or {most} bytes.")
            return [archive.read(one) for one in files]
    except (zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise Retriable(f"a part of the result cannot be unpacked ({error})") from None


def written(documents: Sequence[Mapping[str, Any]], kind: str) -> bytes:
    """Documents as a file of rows. Raises Refused for what a cell of CSV cannot hold: an object, a list."""
    if kind == "jsonl":
        return b"".join(msgspec.json.encode(one) + b"\n" for one in documents)
    names = list(dict.fromkeys(name for one in documents for name in one))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for one in documents:
        writer.writerow([_cell(name, one.get(name)) for name in names])
    return text.getvalue().encode()


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        raise Refused("job.cell", f"{name!r} is an object or a list, which no cell of CSV holds.")
    return str(value)


__all__ = ["OddRow", "RowFormat", "nested", "rows_in", "written"]
