"""Paging by a key: the condition by which the next page is asked for, made of the last row of this one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

import msgspec

from runtime.connectors.answers import at_list
from runtime.connectors.protocols import Cursor, Refused
from runtime.connectors.rest.page_settings import Keyset
from runtime.connectors.rest.paging import after_position
from runtime.connectors.settings import wrong_setting
from runtime.domain.templates import fill, names_in, problem_of, text_of

_BARE = re.compile(r"[A-Za-z0-9_.:+-]{1,200}\Z")
_LONGEST_KEY = 1_000
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def after_key(keyset: Keyset, cursor: Cursor, payloads: Sequence[bytes], more: Any) -> Cursor | None:
    """The place inside of a run behind a page; None at the end. Raises Refused where a page does not lie behind the one
    before, or its last row has no key."""
    if not payloads or more is False:
        return None
    row = _last_legible(payloads)
    position = [literal_of(keyset, name, at_list(row, name)) for name in keyset.fields]
    return after_position(cursor, position, payloads)


def condition(keyset: Keyset, position: Sequence[str]) -> str:
    """What the parameter says to get what lies behind a position."""
    return fill(keyset.value, dict(zip(keyset.fields, position, strict=True)).get)


def _last_legible(payloads: Sequence[bytes]) -> Any:
    for payload in reversed(payloads):
        with suppress(ValueError, RecursionError):
            return _decode(payload)
    raise Refused("rest.shape", "No row of the page can be read, so nobody can say where the next one begins.")


def literal_of(keyset: Keyset, name: str, value: Any) -> str:
    """A value of a row as it stands in a condition. Raises Refused `rest.shape` for what cannot be one."""
    try:
        shown = text_of(name, value)
    except ValueError as error:
        raise Refused("rest.shape", f"The last row of the page says nothing to go on from: {error}.") from None
    if len(shown) > _LONGEST_KEY or any(ord(sign) < 32 for sign in shown):
        raise Refused("rest.shape", f"The last row of the page has no key in {name!r} that can be asked for.")
    if not isinstance(value, str):
        return shown
    if keyset.quote == "single":
        return "'" + shown.replace("'", "''") + "'"
    if keyset.quote == "double":
        return '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if not _BARE.match(shown):
        said = f"{shown[:80]!r} in {name!r} has signs that cannot stand in a condition bare; say how to quote"
        raise Refused("rest.shape", f"{said} ('quote' of 'keyset').")
    return shown


def check(keyset: Keyset | None) -> None:
    """Raises Invalid, with a pointer, for a condition that does not name each field of the key."""
    if keyset is None or not keyset.fields:
        raise wrong_setting("/paging/keyset", "Paging by keyset needs 'keyset': fields, param and value.")
    if problem := problem_of(keyset.value):
        raise wrong_setting("/paging/keyset/value", problem)
    named = names_in(keyset.value)
    if odd := [name for name in named if name not in keyset.fields]:
        raise wrong_setting("/paging/keyset/value", f"{odd[0]!r} is none of the fields of the key.")
    if left := [name for name in keyset.fields if name not in named]:
        raise wrong_setting("/paging/keyset/fields", f"The condition does not name {left[0]!r}.")


__all__ = ["after_key", "check", "condition", "literal_of"]
