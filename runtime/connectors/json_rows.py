"""The rows of a JSON page, each as its own bytes. A row that cannot be read does not hide its neighbours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from runtime.connectors.charsets import converted_badly, json_body
from runtime.connectors.http import Response
from runtime.connectors.protocols import Retriable
from runtime.connectors.rawjson import Shape, odd_escape, unreadable
from runtime.domain.member_names import named_twice

# What stops a JSON parser inside of a string, or as a number, although the end of the row can still be found. The first
# group is what is right and stays.
_TROUBLE = re.compile(
    rb"""(\\["\\/bfnrt]|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"""
    rb"""|\\u(?![dD][89a-fA-F])[0-9a-fA-F]{4})"""
    rb"""|\\u[0-9a-fA-F]{4}|\\.|[\x00-\x1f]|NaN|Infinity"""
)
_STRUCTURE = re.compile(rb"""[][{}]|"(?:[^"\\]++|\\.?)*+(?:"|\Z)""", re.DOTALL)
DEPTH = 100  # levels; what lies deeper is not needed to find the end of a row and its key
_HARMLESS = {b"NaN": b"123", b"Infinity": b"12345678"}


@dataclass(frozen=True, slots=True)
class JsonRows:
    """`found` are the other members of the page. `doubtful`: rows have to be looked at one by one. `legible` are the
    rows with what cannot be read made harmless, so that the key of such a row is found nevertheless. `listed`:
    there was a list at all."""

    found: dict[str, Any]
    payloads: list[bytes]
    legible: list[bytes]
    doubtful: bool = False
    converted: str = ""
    warning: str = ""
    listed: bool = True

    def problem(self, payload: bytes) -> str:
        """Why a row cannot be read; empty when it can, and always where nothing is doubtful."""
        if not self.doubtful:
            return ""
        return converted_badly(payload, self.converted) or unreadable(payload)


def rows_of(shape: Shape, response: Response, charset: str | None) -> JsonRows:
    """The rows under `items` of a page. Raises Retriable for what is no JSON: a
    broken answer to a read is asked for again."""
    body = json_body(response.body, response.headers.get("content-type", ""), charset)
    data, masked, doubtful = body.data, body.data, bool(body.converted) or not _plain(body.data)
    try:
        found = shape.read(data)
    except (ValueError, RecursionError) as error:
        doubtful = True
        try:
            found, masked = _read_masked(shape, _TROUBLE.sub(_mask, data))
        except ValueError:
            raise Retriable(f"the answer is not the expected JSON ({error})") from None
    items = found.pop("items")
    legible = [bytes(raw) for raw in items or ()]
    payloads = legible if masked is data else _originals(legible, masked, data)
    if reason := named_twice(_around(data, payloads)):
        raise Retriable(f"the page cannot be read: {reason}")
    return JsonRows(found, payloads, legible, doubtful, body.converted, body.warning, items is not None)


def _around(data: bytes, rows: list[bytes]) -> bytes:
    """The page without its rows."""
    if not rows:
        return data
    return data[: data.find(rows[0])] + data[data.rfind(rows[-1]) + len(rows[-1]) :]


def _read_masked(shape: Shape, masked: bytes) -> tuple[dict[str, Any], bytes]:
    """What a page holds whose trouble is masked, and the bytes it was read from."""
    try:
        return shape.read(masked), masked
    except RecursionError:
        shallow = _shallow(masked)
        return shape.read(shallow), shallow


def _shallow(data: bytes) -> bytes:
    """The same with what is nested deeper than any row needs blotted out by a number of the same length."""
    found, depth, start = bytearray(data), 0, 0
    for token in _STRUCTURE.finditer(data):
        if token[0] in (b"[", b"{"):
            depth += 1
            if depth == DEPTH:
                start = token.start()
        elif token[0] in (b"]", b"}"):
            if depth == DEPTH:
                found[start : token.end()] = b"0".ljust(token.end() - start)
            depth -= 1
    return bytes(found)


def _plain(data: bytes) -> bool:
    """Whether all rows are surely readable as text."""
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError:
            return False
    return not odd_escape(data)


def _mask(found: re.Match[bytes]) -> bytes:
    """Something harmless of the same length, so that every row keeps its place."""
    text = found[0]
    return found[1] or _HARMLESS.get(text) or (b" " if len(text) == 1 else b"?" * len(text))


def _originals(items: list[bytes], masked: bytes, data: bytes) -> list[bytes]:
    at, found = 0, []
    for item in items:
        at = masked.index(item, at)
        found.append(data[at : at + len(item)])
        at += len(item)
    return found
