"""Strict JSON for request bodies: UTF-8, no duplicate keys, no NaN, no NUL, bounded size and depth, exact decimals.

The standard library's parser is used, because no faster library reports duplicate keys and keeps decimals exact.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import IO, Any

from django.conf import settings
from rest_framework.parsers import BaseParser

from kernel.errors import Invalid

MAX_DEPTH = 64


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise Invalid(
                "json.duplicate_key", f"The key {key!r} appears twice in one object; it is not clear which one counts."
            )
        made[key] = value
    return made


def _no_constant(name: str) -> Any:
    raise Invalid("json.not_a_number", f"{name} is not JSON.")


def loads(data: bytes) -> Any:
    """Strict JSON with Decimals. Raises Invalid with a code, and line and column where known."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid("json.encoding", f"The body is not UTF-8: byte {error.start} cannot be read.") from None
    if "\x00" in text or "\\u0000" in text:
        raise Invalid("json.nul", "The body holds a NUL character, which no text field can store.")
    try:
        value = json.loads(text, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_no_duplicates)
    except json.JSONDecodeError as error:
        raise Invalid("json.syntax", f"Not JSON at line {error.lineno}, column {error.colno}: {error.msg}.") from None
    except RecursionError:
        raise Invalid("json.depth", f"The body is nested deeper than {MAX_DEPTH} levels.") from None
    except ValueError as error:
        raise Invalid("json.number", f"A number in the body cannot be read: {error}.") from None
    if _depth(value) > MAX_DEPTH:
        raise Invalid("json.depth", f"The body is nested deeper than {MAX_DEPTH} levels.")
    return value


def _depth(value: Any) -> int:
    deepest, todo = 0, [(value, 1)]
    while todo:
        item, level = todo.pop()
        deepest = max(deepest, level)
        if deepest > MAX_DEPTH:
            break
        if isinstance(item, dict):
            todo += [(child, level + 1) for child in item.values()]
        elif isinstance(item, list):
            todo += [(child, level + 1) for child in item]
    return deepest


class StrictJSONParser(BaseParser):
    """DRF parser over `loads`."""

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        limit: int = settings.MAX_REQUEST_BYTES
        data = stream.read(limit + 1)
        if len(data) > limit:
            raise Invalid("request.too_large", f"The body is larger than {limit // 1024 // 1024} MB.")
        return loads(data)
