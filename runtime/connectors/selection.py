"""Selection in an answer by JMESPath (jmespath.org, specification of 1.0 as jmespath.py 1.1 reads it), behind bounds.

A name with other signs than letters, digits and underscores stands in quotation marks: `"@odata.nextLink"` is one name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from functools import lru_cache
from typing import Any

import jmespath
import msgspec
from jmespath.exceptions import JMESPathError

from runtime.connectors.answers import Answer
from runtime.connectors.charsets import json_body
from runtime.connectors.failure_marks import doubt_by_head
from runtime.connectors.http import Response
from runtime.connectors.json_rows import JsonRows
from runtime.connectors.protocols import Retriable
from runtime.connectors.settings import wrong_setting
from runtime.domain.member_names import all_members, any_named_twice, every_member, named_twice

LONGEST, MOST_PARTS, MOST_BRANCHES = 500, 60, 3
_DEPTH = 12  # levels of a page that are looked through for what it says of itself
_BRANCHES = frozenset({"flatten", "multi_select_list", "multi_select_dict", "value_projection"})
_FUNCTIONS = frozenset(
    [
        *("contains", "ends_with", "join", "keys", "length", "max", "min", "not_null", "starts_with", "to_array"),
        *("to_number", "to_string", "type", "values"),
    ]
)
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


class Selection:
    """One expression. `names`: the members that it goes through, where it is nothing but a path; None where it is
    more."""

    def __init__(self, expression: str, pointer: str) -> None:
        if len(expression) > LONGEST:
            raise wrong_setting(pointer, f"The selection is longer than {LONGEST} characters.")
        try:
            self._compiled = jmespath.compile(expression)
        except (JMESPathError, RecursionError) as error:
            words = " ".join(str(error).split())[:200]
            raise wrong_setting(pointer, f"{expression[:80]!r} is no JMESPath expression: {words}") from None
        self.expression = expression
        _within_bounds(self._compiled.parsed, pointer)
        self.names = _path(self._compiled.parsed)

    def of(self, document: Any) -> Any:
        """What it selects; None where it is not there, or what is there has no such operation."""
        with suppress(JMESPathError, RecursionError, TypeError, ValueError):
            return self._compiled.search(document)
        return None


@lru_cache(1_000)
def selection(expression: str, pointer: str) -> Selection:
    """Raises Invalid `connection.settings` with `pointer` for what is no expression, or could work without end."""
    return Selection(expression, pointer)


def path_of_names(names: tuple[str, ...]) -> str:
    """The same as a path of names joined by dots, as `items` and its like are written."""
    return ".".join(f"`{name}`" if "." in name else name for name in names)


def _within_bounds(tree: Any, pointer: str) -> None:
    nodes = list(_nodes(tree))
    if len(nodes) > MOST_PARTS or sum(node["type"] in _BRANCHES for node in nodes) > MOST_BRANCHES:
        said = f"at most {MOST_PARTS} parts, {MOST_BRANCHES} of them flattening or building lists and objects"
        raise wrong_setting(pointer, f"The selection is too large: {said}.")
    for node in nodes:
        if node["type"] == "function_expression" and node["value"] not in _FUNCTIONS:
            known = ", ".join(sorted(_FUNCTIONS))
            raise wrong_setting(pointer, f"The function {node['value']!r} is not available here; there are {known}.")


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict) and "type" in node:
            yield node
            waiting += node.get("children", [])


def _path(tree: Any) -> tuple[str, ...] | None:
    if tree["type"] == "field":
        name = tree["value"]
        plain = name and not set(name) & set('`"\\') and all(ord(sign) > 0x1F for sign in name)
        return (name,) if plain else None
    if tree["type"] != "subexpression":
        return None
    parts = [_path(child) for child in tree["children"]]
    return None if any(part is None for part in parts) else tuple(name for part in parts for name in part or ())


def rows_selected(rows: Selection, response: Response, charset: str | None) -> JsonRows:
    """The rows that an expression selects, written anew: each number with its digits, each member in its place. Raises
    Retriable for what is no JSON, and for what says by its status or media type that it is no whole answer."""
    if doubt := doubt_by_head(Answer(response.status, response.headers, b"")):
        raise Retriable(f"the answer is no page: {doubt}")
    body = json_body(response.body, response.headers.get("content-type", ""), charset)
    plain = not any_named_twice([body.data])
    try:
        document = _decode(body.data) if plain else every_member(body.data)
    except (ValueError, RecursionError):
        plain, document = False, _as_far_as_legible(body.data)
    found = rows.of(document)
    if not isinstance(found, list):
        return JsonRows({}, [], [], listed=False, around=document)
    payloads = [_encode(row) for row in found] if plain else [_written(row) for row in found]
    if not plain and named_twice(body.data) and not any(named_twice(one) for one in payloads):
        raise Retriable(f"the page cannot be read: {named_twice(body.data)}")
    doubtful = bool(body.converted) or not plain
    around = _without(document, {id(row) for row in found if isinstance(row, dict)}, 0)
    return JsonRows({}, payloads, payloads, doubtful, body.converted, body.warning, True, around)


def _without(value: Any, rows: set[int], depth: int) -> Any:
    """A page without its rows, for what it says of itself."""
    if depth > _DEPTH:
        return None
    if isinstance(value, dict):
        return {name: _without(one, rows, depth + 1) for name, one in value.items() if id(one) not in rows}
    if isinstance(value, list):
        return [_without(one, rows, depth + 1) for one in value if id(one) not in rows]
    return value


def _as_far_as_legible(data: bytes) -> Any:
    """A page of which some text or number is none; it is written as it came, and judged row by row."""
    try:
        return json.loads(
            data.decode("utf-8", "surrogateescape"),
            strict=False,
            object_pairs_hook=all_members,
            parse_float=Decimal,
            parse_constant=_Word,
        )
    except (ValueError, RecursionError) as error:
        raise Retriable(f"the answer is not the expected JSON ({error})") from None


class _Word(str):
    """`NaN` and its like, which JSON does not have."""


def _written(value: Any) -> bytes:
    """JSON with what no encoder takes: half a character, a byte of another charset, a name that stands twice."""
    if isinstance(value, dict):
        return b"{" + b",".join(_text(name) + b":" + _written(one) for name, one in value.items()) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(map(_written, value)) + b"]"
    if isinstance(value, _Word):
        return value.encode()
    return _text(value) if isinstance(value, str) else _encode(value)


def _text(value: str) -> bytes:
    shown = json.dumps(str(value), ensure_ascii=False)
    parts = [
        sign.encode("utf-8", "surrogateescape")
        if 0xDC80 <= ord(sign) <= 0xDCFF
        else f"\\u{ord(sign):04x}".encode()
        if 0xD800 <= ord(sign) <= 0xDFFF
        else sign.encode()
        for sign in shown
    ]
    return b"".join(parts)


__all__ = ["Selection", "path_of_names", "rows_selected", "selection"]
