"""The rows of a JSON page, each as its own bytes. A row that cannot be read does not hide its neighbours."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from runtime.connectors.answers import Answer, at_list
from runtime.connectors.charsets import converted_badly, json_body
from runtime.connectors.failure_marks import doubt_by_head
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
    there was a list at all. `around`: the page without its rows, for what it says of itself."""

    found: dict[str, Any]
    payloads: list[bytes]
    legible: list[bytes]
    doubtful: bool = False
    converted: str = ""
    warning: str = ""
    listed: bool = True
    around: Any = None

    def problem(self, payload: bytes) -> str:
        """Why a row cannot be read; empty when it can, and always where nothing is doubtful."""
        if not self.doubtful:
            return ""
        return converted_badly(payload, self.converted) or unreadable(payload)


def rows_of(shape: Shape, response: Response, charset: str | None) -> JsonRows:
    """The rows under `items` of a page. Raises Retriable for what is no JSON, and for what says by its status or media
    type that it is no whole answer: a broken answer to a read is asked for again."""
    if doubt := doubt_by_head(Answer(response.status, response.headers, b"")):
        raise Retriable(f"the answer is no page: {doubt}")
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
    outside = _around(data, payloads)
    if reason := named_twice(outside):
        raise Retriable(f"the page cannot be read: {reason}")
    around = _said_around(outside, masked, shape.members["items"][0])
    return JsonRows(found, payloads, legible, doubtful, body.converted, body.warning, items is not None, around)


def _around(data: bytes, rows: list[bytes]) -> bytes:
    """The page without its rows."""
    if not rows:
        return data
    return data[: data.find(rows[0])] + data[data.rfind(rows[-1]) + len(rows[-1]) :]


def _said_around(outside: bytes, masked: bytes, path: str) -> Any:
    """What a page says beside its rows. Where the cut was at the wrong place (something before the rows looks like the
    first of them), the whole page is read."""
    try:
        found = _decoded(outside)
        if isinstance(at_list(found, path), list):
            return found
    except (ValueError, RecursionError):
        pass
    with suppress(ValueError, RecursionError):
        return _decoded(masked)
    return None


def _decoded(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except ValueError:
        return msgspec.json.decode(_TROUBLE.sub(_mask, data.decode("utf-8", "replace").encode()))


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
