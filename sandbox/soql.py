"""The small part of SQL that vendors' query languages have, over rows that are dicts: one table, WHERE, ORDER BY,
LIMIT."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from sandbox.server import Refusal

Row = dict[str, Any]
Test = Callable[[Row], bool]
_QUERY = re.compile(
    r"\s*SELECT\s+(?P<fields>.+?)\s+FROM\s+(?P<table>\w+)(?:\s+WHERE\s+(?P<where>.+?))?"
    r"(?:\s+ORDER\s+BY\s+(?P<order>.+?))?(?:\s+LIMIT\s+(?P<limit>\d+))?\s*\Z",
    re.IGNORECASE | re.DOTALL,
)
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.|'')*')|(?P<stamp>\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:?\d\d))"
    r"|(?P<mark><=|>=|!=|<>|[=<>()])|(?P<word>[^\s'()=<>!,]+)|(?P<comma>,))"
)
_TO_DATE = re.compile(r"TO_(?:DATE|TIMESTAMP)\(\s*('[^']*')\s*,\s*'[^']*'\s*\)", re.IGNORECASE)
_TO_CHAR = re.compile(r"TO_CHAR\(\s*(\w+)\s*,\s*'[^']*'\s*\)", re.IGNORECASE)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: bool(a == b),
    "!=": lambda a, b: bool(a != b),
    "<>": lambda a, b: bool(a != b),
    ">": lambda a, b: a is not None and bool(a > b),
    ">=": lambda a, b: a is not None and bool(a >= b),
    "<": lambda a, b: a is not None and bool(a < b),
    "<=": lambda a, b: a is not None and bool(a <= b),
}


def selected(query: str, tables: dict[str, list[Row]]) -> list[Row]:
    """The rows of a query. Raises Refusal 400 MALFORMED_QUERY."""
    query = _TO_CHAR.sub(r"\1", _TO_DATE.sub(r"\1", query))
    found = _QUERY.match(query)
    table = next((rows for name, rows in tables.items() if found and name.lower() == found["table"].lower()), None)
    if found is None or table is None:
        raise Refusal(400, "MALFORMED_QUERY", f"unexpected token in {query[:120]!r}")
    fits: Test = _parsed(found["where"]) if found["where"] else lambda row: True
    rows = [row for row in table if fits(row)]
    for part in reversed([one.strip() for one in (found["order"] or "").split(",") if one.strip()]):
        name, _, way = part.partition(" ")
        rows.sort(key=partial(_rank, name), reverse=way.upper() == "DESC")
    if found["limit"]:
        rows = rows[: int(found["limit"])]
    columns = []
    for one in re.split(r",(?![^(]*\))", found["fields"]):
        name, _, alias = re.sub(r"\s+AS\s+", " ", one.strip(), flags=re.IGNORECASE).partition(" ")
        columns.append((name, alias.strip() or name))
    return [{alias: _of(row, name) for name, alias in columns} for row in rows]


def _of(row: Row, name: str) -> Any:
    """A field, whose name is written in any capitals. One that is not there is refused."""
    for known, value in row.items():
        if known.lower() == name.lower():
            return value
    raise Refusal(400, "INVALID_FIELD", f"No such column {name!r}")


def _rank(name: str, row: Row) -> tuple[bool, float, str]:
    """Numbers by their value, though they are texts."""
    value = _of(row, name)
    text = "" if value is None else str(value)
    return (value is not None, float(text) if text.isdecimal() else 0.0, text)


def _parsed(text: str) -> Test:
    tokens = [(kind, found[kind]) for found in _TOKEN.finditer(text) for kind in (found.lastgroup or "",)]
    test, rest = _either(tokens)
    if rest:
        raise Refusal(400, "MALFORMED_QUERY", f"unexpected token {rest[0][1]!r}")
    return test


def _is(tokens: list[Any], word: str) -> bool:
    return bool(tokens) and tokens[0][1].upper() == word


def _either(tokens: list[Any]) -> tuple[Test, list[Any]]:
    test, tokens = _both(tokens)
    while _is(tokens, "OR"):
        other, tokens = _both(tokens[1:])
        test = lambda row, a=test, b=other: a(row) or b(row)  # noqa: E731
    return test, tokens


def _both(tokens: list[Any]) -> tuple[Test, list[Any]]:
    test, tokens = _one(tokens)
    while _is(tokens, "AND"):
        other, tokens = _one(tokens[1:])
        test = lambda row, a=test, b=other: a(row) and b(row)  # noqa: E731
    return test, tokens


def _one(tokens: list[Any]) -> tuple[Test, list[Any]]:
    if _is(tokens, "("):
        test, tokens = _either(tokens[1:])
        if not _is(tokens, ")"):
            raise Refusal(400, "MALFORMED_QUERY", "a bracket is not closed")
        return test, tokens[1:]
    if len(tokens) < 3 or tokens[1][1] not in _COMPARE:
        raise Refusal(400, "MALFORMED_QUERY", "a comparison is expected")
    name, compare, wanted = tokens[0][1], _COMPARE[tokens[1][1]], _value(*tokens[2])
    return (lambda row: compare(_like(_of(row, name), wanted), wanted)), tokens[3:]


def _like(value: Any, wanted: Any) -> Any:
    """Numbers are compared as numbers where the query has one, else as texts."""
    if value is None or isinstance(wanted, bool):
        return value
    return float(value) if isinstance(wanted, float) else str(value)


def _value(kind: str, text: str) -> Any:
    if kind == "text":
        return text[1:-1].replace("''", "'").replace("\\'", "'")
    if kind == "stamp":
        return text
    if text.lower() in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[text.lower()]
    try:
        return float(text)
    except ValueError:
        raise Refusal(400, "MALFORMED_QUERY", f"{text[:80]!r} is no literal") from None
