"""Batches as callers send them, taken apart so that every item is judged by itself.

`{"items": [...], "source"?, "correlation_ids"?, "environment"?}`: what is wrong inside one item, or with one
correlation id, is that item's flaw; only a body that is no JSON is refused as a whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from kernel import strict_json
from kernel.card_data import MaskedCards, holds_number
from kernel.digest import canonical_json, canonical_without_decimals
from kernel.errors import Invalid, Malformed
from kernel.strict_json import Flaw

LONGEST_BATCH = 10_000  # messages, and positions, that one call covers at most
MOST_ITEM_BYTES = 1024 * 1024
MOST_CORRELATION = 64  # characters of a correlation id
_ITEMS = b'"items"'
_CONTROLS = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},:]|[^\s"\[\]{},:]+|"', re.DOTALL)


class IntakeItem(NamedTuple):
    """One item as it came: its bytes, its document, and what makes it impossible to store, if there is something.
    `taken`: what was taken out of it of cardholder data, None where nobody has looked yet; `given`: its bytes before
    that, where anything was."""

    payload: bytes
    document: Any
    flaw: Flaw | None = None
    taken: MaskedCards | None = None
    given: bytes | None = None


class _Batch(msgspec.Struct):
    items: list[msgspec.Raw]


_decode = msgspec.json.Decoder(_Batch).decode


class _NotJson(ValueError):
    def __init__(self, error: json.JSONDecodeError) -> None:
        super().__init__(error.msg)
        self.place, self.message = error.pos, error.msg


def read(body: bytes) -> dict[str, Any] | None:
    """The members of a batch, `items` as a list of IntakeItem; None for JSON that is no batch.

    Raises Malformed with line and column for a body that is no JSON, Invalid for a member that cannot be taken.
    """
    body = body.removeprefix(_BYTE_ORDER_MARK)
    try:
        made = strict_json.quick(body.decode())
        if not isinstance(made, dict) or not isinstance(made.get("items"), list):
            return None
        raws = [bytes(raw) for raw in _decode(body).items]
    except (ValueError, RecursionError, msgspec.DecodeError):
        return _read_closely(body)
    made["items"] = [_quick_item(raw, document) for raw, document in zip(raws, made["items"], strict=True)]
    return made


def _quick_item(payload: bytes, document: Any) -> IntakeItem:
    if len(payload) > MOST_ITEM_BYTES or payload.count(b"[") + payload.count(b"{") > strict_json.MAX_DEPTH:
        return read_item(payload)
    return IntakeItem(payload, document)


def read_item(payload: bytes) -> IntakeItem:
    """An item of a batch. Raises an exception of this module for what is no JSON."""
    if len(payload) > MOST_ITEM_BYTES:
        said = f"the item has {len(payload):,} bytes; at most {MOST_ITEM_BYTES:,} are taken"
        return IntakeItem(payload, None, Flaw("item.too_large", "", said))
    try:
        return IntakeItem(payload, *strict_json.judged(payload.decode()))
    except UnicodeDecodeError as error:
        return IntakeItem(payload, None, Flaw("json.encoding", "", f"byte {error.start} of the item is not UTF-8"))
    except json.JSONDecodeError as error:
        if not error.msg.startswith("Invalid control character"):
            raise _NotJson(error) from None
        said = f"a control character stands in a text as it is, at line {error.lineno}, column {error.colno}"
        return IntakeItem(payload, None, Flaw("json.control", "", said + "; JSON writes it as an escape"))


def item_of(document: Any) -> IntakeItem:
    """The item for a document that is at hand."""
    if isinstance(document, IntakeItem):
        return document
    if (payload := _plainly_written(document)) is not None:
        return IntakeItem(payload, document)
    if flaw := strict_json.flaw_of(document):
        return IntakeItem(json.dumps(document, default=str).encode(), document, flaw)
    return IntakeItem(canonical_json(document), document)


def _plainly_written(document: Any) -> bytes | None:
    """The JSON of a document whose text shows that nothing in it can be a flaw; None where it has to be looked through,
    value by value."""
    text = canonical_without_decimals(document)
    if text is None or strict_json.needs_closer_look(text) or strict_json.brackets(text) > strict_json.MAX_DEPTH:
        return None
    try:
        return text.encode()
    except UnicodeEncodeError:
        return None


def correlations(given: Sequence[Any]) -> tuple[list[str | None], dict[int, str]]:
    """Correlation ids of a batch, None where the sender has none or one that cannot be used; and by index, why not."""
    found: list[str | None] = []
    unusable: dict[int, str] = {}
    for index, one in enumerate(given):
        text = one.strip() if isinstance(one, str) else one
        usable = isinstance(text, str) and 0 < len(text) <= MOST_CORRELATION and not _CONTROLS.search(one)
        if usable and holds_number(text):
            found.append(None)
            unusable[index] = "it holds a card number"
            continue
        found.append(text if usable else None)
        if not usable and one is not None:
            why = (
                one.message
                if isinstance(one, Flaw)
                else f"it is a text of 1 to {MOST_CORRELATION} characters without control characters"
            )
            unusable[index] = why
    return found, unusable


def _read_closely(body: bytes) -> dict[str, Any] | None:
    """The long way, for a body that the quick one cannot read: cut at brackets and commas, then item by item."""
    parts = _split(body)
    if parts is None or not any(isinstance(spans, list) and body[slice(*name)] == _ITEMS for name, spans in parts):
        strict_json.loads(body)  # says what is wrong where, or that it is no batch
        return None
    made: dict[str, Any] = {}
    for name, spans in parts:
        key = strict_json.loads(body[slice(*name)])
        if not isinstance(key, str) or key in made:
            raise Invalid("json.duplicate_key", f"The name {str(key)[:80]!r} appears twice in the batch.")
        if isinstance(spans, list):
            found = [_item_at(body, *span) for span in spans]
            made[key] = found if key == "items" else [one.flaw or one.document for one in found]
        else:
            made[key] = _member_at(body, *spans)
    return made


def _item_at(body: bytes, start: int, end: int) -> IntakeItem:
    try:
        return read_item(body[start:end])
    except _NotJson as error:
        raise _not_json_at(body, start, end, error.place, error.message) from None


def _member_at(body: bytes, start: int, end: int) -> Any:
    try:
        json.loads(body[start:end])
    except json.JSONDecodeError as error:
        raise _not_json_at(body, start, end, error.pos, error.msg) from None
    except (ValueError, RecursionError):
        pass
    return strict_json.loads(body[start:end])


def _not_json_at(body: bytes, start: int, end: int, place: int, message: str) -> Malformed:
    before = body[:start].decode("utf-8", "replace") + body[start:end].decode("utf-8", "replace")[:place]
    return strict_json.not_json(before.count("\n") + 1, len(before) - before.rfind("\n"), message)


_Span = tuple[int, int]
_Tokens = Iterator[re.Match[bytes]]


def _split(body: bytes) -> list[tuple[_Span, _Span | list[_Span]]] | None:
    """The places of the names and values of an object; of the lists named `items` and `correlation_ids`, those of their
    elements. None where the brackets do not fit."""
    tokens: _Tokens = _TOKEN.finditer(body)
    found: list[tuple[_Span, _Span | list[_Span]]] = []
    if _next(tokens) != b"{":
        return None
    for name in tokens:
        if len(name[0]) < 2 or not name[0].startswith(b'"') or _next(tokens) != b":":
            return None
        opening = next(tokens, None)
        if opening is None:
            return None
        is_list = name[0] in (_ITEMS, b'"correlation_ids"') and opening[0] == b"["
        value = _elements(tokens) if is_list else _span(tokens, opening)
        if value is None:
            return None
        found.append((name.span(), value))
        if (following := _next(tokens)) != b",":
            return found if following == b"}" and _next(tokens) is None else None
    return None


def _next(tokens: _Tokens) -> bytes | None:
    token = next(tokens, None)
    return None if token is None else token[0]


def _elements(tokens: _Tokens) -> list[_Span] | None:
    found: list[_Span] = []
    for opening in tokens:
        if opening[0] == b"]" and not found:
            return found
        span = _span(tokens, opening)
        if span is None:
            return None
        found.append(span)
        if (following := _next(tokens)) != b",":
            return found if following == b"]" else None
    return None


def _span(tokens: _Tokens, opening: re.Match[bytes]) -> _Span | None:
    """From the first token of a value to its end."""
    if opening[0] not in (b"[", b"{"):
        return None if opening[0] in (b"]", b"}", b",", b":", b'"') else opening.span()
    depth = 1
    for token in tokens:
        if token[0] in (b"[", b"{"):
            depth += 1
        elif token[0] in (b"]", b"}"):
            depth -= 1
            if not depth:
                return opening.start(), token.end()
    return None
