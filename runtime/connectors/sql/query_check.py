"""A query that a manifest holds: one SELECT and nothing else, with places for values.

That it changes nothing is what the session promises (it is read-only, and so should the account be); this is so that a
mistake is said where it is written. What a reader and a server could take for two different things (comments, other
quotes) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST = 20_000
_PARTS = re.compile(
    r"""(?P<space>\s+)|(?P<text>'(?:[^'\\]|'')*')|(?P<name>"(?:[^"]|"")+"|`(?:[^`]|``)+`)|(?P<cast>::)
    |(?P<place>:[A-Za-z_]\w*)|(?P<word>[^\W\d]\w*)|(?P<number>\d[\w.]*|\.\d+)
    |(?P<comment>--|/\*|\#|\$\$|\$\w+\$)|(?P<sign>[^\s;\\?@{}\x00])""",
    re.VERBOSE,
)
_NOT_HERE = frozenset(
    {
        *("insert", "update", "delete", "merge", "replace", "into", "call", "exec", "execute", "do", "alter", "create"),
        *("drop", "truncate", "grant", "revoke", "set", "reset", "lock", "copy", "load", "handler", "begin", "commit"),
        *("rollback", "declare", "prepare", "vacuum", "analyze", "show", "use", "for"),
    }
)


def problem_of(query: str) -> str:
    """Why a query cannot be used; empty where it can."""
    if len(query) > LONGEST:
        return f"A query has at most {LONGEST:,} characters."
    depth, words = 0, 0
    for kind, part in _parts(query):
        if kind in ("comment", "odd"):
            return f"{part!r} cannot stand in a query: it is one SELECT, without comments and without a ';'."
        if kind == "word":
            words += 1
            if words == 1 and part.lower() not in ("select", "with"):
                return f"A query begins with SELECT or WITH, and this one with {part[:40]!r}."
            if part.lower() in _NOT_HERE:
                return (
                    f"{part.upper()!r} has no place in a query that only reads; a column of that name goes in quotes."
                )
        depth += {"(": 1, ")": -1}.get(part, 0) if kind == "sign" else 0
        if depth < 0:
            return "A bracket is closed that was not opened."
    if not words:
        return "The query is empty."
    return "A bracket is not closed." if depth else ""


def places_in(query: str) -> list[str]:
    """Names of the places for values, in their order; one may stand twice."""
    return [part[1:] for kind, part in _parts(query) if kind == "place"]


def with_places(query: str, mark: str = "%s") -> str:
    """The query as a driver takes it: `%s` for each place, `%%` for a sign of its own."""
    return "".join(mark if kind == "place" else part.replace("%", "%%") for kind, part in _parts(query))


def _parts(query: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(query):
        found = _PARTS.match(query, at)
        if found is None:
            yield "odd", query[at]
            at += 1
        else:
            yield str(found.lastgroup), found[0]
            at = found.end()


__all__ = ["places_in", "problem_of", "with_places"]
