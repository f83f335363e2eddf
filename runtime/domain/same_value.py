"""Whether two JSON texts are one value, however each of them is written.

The canonical form of RFC 8785, but for numbers: they are compared as exact decimals, not as doubles, because money may
have more digits than a double keeps. So `1.1`, `1.10` and `11e-1` are one value, and so are `1` and `1.0`; white space,
the order of members and the way of escaping do not count; text is compared by its code points, as it is.
"""

from __future__ import annotations

import json
import re
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import Any

import msgspec

from kernel.digest import canonical_json
from runtime.domain.member_names import any_named_twice

_MOST = 400  # of text or digits of a number; longer ones are compared as they are written
_PLAIN = 64  # up to this power of ten a whole number is written out
_EXACT = Context(prec=_MOST, Emax=MAX_EMAX, Emin=MIN_EMIN)
_LONG = re.compile(rb"[0-9.]{%d}" % _MOST)
_quickly = msgspec.json.Decoder(float_hook=Decimal).decode


def _number(text: str) -> Any:
    if len(text) > _MOST:
        raise ValueError("a number of this length is not compared by value")
    number = Decimal(text).normalize(_EXACT)
    return int(number) if -1 < number.as_tuple().exponent < _PLAIN else number  # type: ignore[operator]


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return made


_exactly = json.JSONDecoder(parse_float=_number, parse_int=_number, object_pairs_hook=_members).decode


def canonical(payload: bytes) -> bytes | None:
    """The same bytes for the same value; None for what has no such form, as an object with one name twice."""
    try:
        return canonical_json(_exactly(payload.decode()))
    except (ValueError, ArithmeticError, RecursionError):
        return None


def same(one: bytes, other: bytes) -> bool:
    """Whether two JSON texts are one value. Texts that have no canonical form are the same only byte by byte."""
    if one == other:
        return True
    try:
        found, held = _quickly(one), _quickly(other)
        if found != held:
            return False
        if not _LONG.search(one) and not _LONG.search(other) and not any_named_twice((one, other)):
            return _kinds_agree(found, held)
    except (ValueError, ArithmeticError, RecursionError, msgspec.DecodeError):
        pass  # the quick reader is stricter than the exact one
    made = canonical(one)
    return made is not None and made == canonical(other)


def _kinds_agree(one: Any, other: Any) -> bool:
    """Of two equal values, whether a truth value stands where one stands: Python takes `true` and `1` for equal."""
    if one.__class__ is dict:
        return all(_kinds_agree(value, other[name]) for name, value in one.items())
    if one.__class__ is list:
        return all(map(_kinds_agree, one, other))
    return (one.__class__ is bool) == (other.__class__ is bool)
