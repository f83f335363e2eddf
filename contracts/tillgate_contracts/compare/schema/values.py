"""JSON values as the comparison sees them: equality by value (1 equals 1.0, true is not 1), not by text."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import orjson

CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS

#: JSON type names in the order in which messages list them.
TYPE_ORDER = ("null", "boolean", "integer", "number", "string", "array", "object")
ALL_TYPES = frozenset({"null", "boolean", "number", "string", "array", "object"})


def signature(raw: Any) -> bytes:
    """Canonical bytes of a JSON tree: equal bytes mean equal trees."""
    try:
        return orjson.dumps(raw, option=CANONICAL)
    except (orjson.JSONEncodeError, TypeError):
        return repr(raw).encode()


def value_key(value: Any) -> Hashable:
    """Hashable identity of a JSON value under JSON equality (numbers by value, objects without key order)."""
    if isinstance(value, bool):
        return ("b", value)
    if isinstance(value, str | int | float) or value is None:
        return value
    if isinstance(value, list):
        return ("a", tuple(value_key(item) for item in value))
    if isinstance(value, dict):
        return ("o", frozenset((str(name), value_key(item)) for name, item in value.items()))
    return ("x", str(value))


def json_type(value: Any) -> str:
    """JSON type name of a value; a number without a fraction is an `integer`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        return "array"
    if isinstance(value, dict):
        return "object"
    return "string"


def has_type(types: frozenset[str] | None, name: str) -> bool:
    """True when a value of JSON type `name` is allowed by `types` (None allows every type; number includes integer)."""
    if types is None or name in types:
        return True
    return name == "integer" and "number" in types


def intersect_types(left: frozenset[str] | None, right: frozenset[str] | None) -> frozenset[str] | None:
    if left is None:
        return right
    if right is None:
        return left
    both = left & right
    if "integer" not in both and (
        ("integer" in left and "number" in right) or ("number" in left and "integer" in right)
    ):
        both |= {"integer"}
    return both


def simplify_types(types: Iterable[str]) -> frozenset[str] | None:
    """Type set without redundancy: `integer` beside `number` goes, the set of all types becomes None (any)."""
    found = frozenset(types)
    if "number" in found and "integer" in found:
        found -= {"integer"}
    return None if found >= ALL_TYPES else found


def type_text(types: frozenset[str] | None) -> str:
    if types is None:
        return "any"
    return ", ".join(name for name in TYPE_ORDER if name in types) or "nothing"


def one_or_list(values: tuple[Any, ...]) -> Any:
    """How several values of one keyword are shown: None, the value itself, or a list."""
    return None if not values else values[0] if len(values) == 1 else list(values)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def as_mapping(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str:
    """A value as text spells it: `true`, `7` (7.0, too)."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value_key(value)) if isinstance(value, list | dict) else str(value)


def value_fits(value: Any, types: frozenset[str]) -> bool:
    """True where a JSON value is of one of the types; a number without a fraction is an integer."""
    if value is None:
        return "null" in types
    if isinstance(value, bool):
        return "boolean" in types
    if isinstance(value, int | float):
        return "number" in types or ("integer" in types and value == value // 1)
    return ("string" if isinstance(value, str) else "array" if isinstance(value, list) else "object") in types
