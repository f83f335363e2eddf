"""Texts with `{names}` in them: addresses, and the names by which a target knows a message again.

A name is a dotted path into the mapped document; `{instance}` is the instance (a store) that is written to.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Context, Decimal
from typing import Any

_NAME = re.compile(r"\{([^{}]*)\}")
_PATH = re.compile(r"[^\s.{}/]+(\.[^\s.{}/]+)*\Z")
INSTANCE = "instance"
_EXACT = Context(prec=128)


class NoName(ValueError):
    """A value that cannot stand in a template: missing, empty, or no text and no number."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"the field {name!r} {why}")
        self.name, self.why = name, why


def names_in(template: str) -> list[str]:
    """The names of a template, each once, in order."""
    return list(dict.fromkeys(_NAME.findall(template)))


def problem_of(template: str) -> str:
    """What is wrong with the form of a template; empty where nothing is."""
    rest = _NAME.sub("", template)
    if "{" in rest or "}" in rest:
        return f"{template!r} has a brace without its other half"
    for name in names_in(template):
        if not _PATH.match(name):
            return f"{template!r} names {name!r}, which is no field (fields inside objects are written a.b)"
    return ""


def fill(template: str, value_of: Callable[[str], Any]) -> str:
    """The template with its values. Raises NoName."""
    if "{" not in template:
        return template
    return _NAME.sub(lambda found: text_of(found[1], value_of(found[1])), template)


def text_of(name: str, value: Any) -> str:
    """Text, or the value of a number whatever digits it is written with (`7.00` is `7`). Raises NoName for everything
    else: `True` or a list is no name of anything."""
    if isinstance(value, str):
        if not value:
            raise NoName(name, "is empty")
        return value
    if value is None:
        raise NoName(name, "is missing")
    if isinstance(value, Decimal) and value.is_finite():
        return format(value.normalize(_EXACT), "f") if value else "0"
    if isinstance(value, bool | dict | list | float):
        raise NoName(name, f"is {_KINDS[type(value)]}, which is no name")
    return str(value)


def field(document: Any, path: str) -> Any:
    """The value of a dotted path in a document; None where there is none."""
    value = document
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


_KINDS = {bool: "a truth value", dict: "an object", list: "a list", float: "a binary fraction"}
