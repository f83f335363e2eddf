"""What of a message may be kept: names and values of closed lists, where they cannot be data about somebody.

Traffic holds personal and card data in values, and some contracts make keys of it (an object by customer number or by
mail address). What does not look like a name that a programmer chose is counted, and not kept.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from tillgate_contracts.lint.words import CARDHOLDER, PERSONAL, SENSITIVE_AUTHENTICATION

_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$.-]{0,63}\Z")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}\Z")
_DIGITS = re.compile(r"[0-9]{4}")
#: A random id: letters and digits in turn, as in tokens and UUIDs.
_TURNS = re.compile(r"(?:[A-Za-z]+[0-9]+){3}")
_SENSITIVE = PERSONAL | CARDHOLDER | SENSITIVE_AUTHENTICATION


def is_name(text: str) -> bool:
    """True for what a programmer may have called a member: no blank, no @, no long number, no random id."""
    return bool(_NAME.match(text)) and not _DIGITS.search(text) and not _TURNS.search(text)


#: Methods of HTTP (RFC 9110 section 9.3, RFC 5789, and QUERY).
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"))


def is_call(text: str) -> bool:
    """True for a method of HTTP and the first part of a path that may be kept: `GET /orders`."""
    method, _, first = text.partition(" /")
    return method in _METHODS and (not first or is_name(first))


def is_list_value(value: Any) -> bool:
    """True for what may be a value of a closed list: one word without a long number."""
    return isinstance(value, str) and bool(_WORD.match(value)) and is_name(value)


def is_sensitive(place: str) -> bool:
    """True where a member holds data about a person or a card by its name: no value of it is kept, whatever it is."""
    last = place.replace("[]", "").rpartition(".")[2]
    return re.sub(r"[^a-z0-9]", "", last.lower()) in _SENSITIVE


def type_of(value: Any) -> str:
    """The JSON type of a value; a number without fraction is an integer."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float | Decimal):
        return "integer" if value == value // 1 else "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"
