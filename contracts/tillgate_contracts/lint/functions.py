"""The functions that rules in files may use: Spectral's core functions. Each returns what is wrong, or "".

Source: https://docs.stoplight.io/docs/spectral/cb95cf0d26b83-core-functions (names, options and meaning).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tillgate_contracts import schemas
from tillgate_contracts.lint.filters import truthy
from tillgate_contracts.lint.patterns import MAX_TEXT, PatternError, from_text
from tillgate_contracts.reading import MISSING

Test = Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class RuleFunction:
    """A function with its options. `depth` is how far below the value it looks: references are followed that far."""

    test: Test
    depth: int = 0


Maker = Callable[[Mapping[str, Any]], Test | RuleFunction]

_CASINGS = {
    "flat": r"[a-z][a-z{d}]*",
    "camel": r"[a-z][a-z{d}]*(?:[A-Z{d}](?:[a-z{d}]+|$))*",
    "pascal": r"[A-Z][a-z{d}]*(?:[A-Z{d}](?:[a-z{d}]+|$))*",
    "kebab": r"[a-z][a-z{d}]*(?:-[a-z{d}]+)*",
    "cobol": r"[A-Z][A-Z{d}]*(?:-[A-Z{d}]+)*",
    "snake": r"[a-z][a-z{d}]*(?:_[a-z{d}]+)*",
    "macro": r"[A-Z][A-Z{d}]*(?:_[A-Z{d}]+)*",
}


class FunctionError(ValueError):
    """The rule cannot be mapped; the text says why."""


def _truthy(_: Mapping[str, Any]) -> Test:
    return lambda value: "" if truthy(value) else "is missing or empty"


def _falsy(_: Mapping[str, Any]) -> Test:
    return lambda value: "must not be set" if truthy(value) else ""


def _defined(_: Mapping[str, Any]) -> Test:
    return lambda value: "is missing" if value is MISSING else ""


def _undefined(_: Mapping[str, Any]) -> Test:
    return lambda value: "" if value is MISSING else "must not be there"


def _pattern(options: Mapping[str, Any]) -> Test:
    wanted, refused = (_regex(options.get(key)) for key in ("match", "notMatch"))
    if wanted is None and refused is None:
        raise FunctionError("pattern needs match or notMatch")

    def test(value: Any) -> str:
        if not isinstance(value, str):
            return ""
        if wanted is not None and not wanted.search(value[:MAX_TEXT]):
            return f"does not match {options['match']}"
        return f"matches {options['notMatch']}" if refused is not None and refused.search(value[:MAX_TEXT]) else ""

    return test


def _regex(text: Any) -> re.Pattern[str] | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise FunctionError("a pattern is a text")
    try:
        return from_text(text)
    except PatternError as error:
        raise FunctionError(str(error)) from None


def _length(options: Mapping[str, Any]) -> Test:
    least, most = options.get("min"), options.get("max")
    if not all(
        bound is None or (isinstance(bound, int | float) and not isinstance(bound, bool)) for bound in (least, most)
    ):
        raise FunctionError("min and max of length are numbers")

    def test(value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, str | list | dict | int | float):
            return ""
        size = value if isinstance(value, int | float) else len(value)
        if least is not None and size < least:
            return f"is {size}, less than {least}"
        return f"is {size}, more than {most}" if most is not None and size > most else ""

    return test


def _enumeration(options: Mapping[str, Any]) -> Test:
    values = options.get("values")
    if not isinstance(values, list):
        raise FunctionError("enumeration needs values")

    def test(value: Any) -> str:
        if value is MISSING or isinstance(value, dict | list):
            return ""
        known = any(value == item and isinstance(value, bool) is isinstance(item, bool) for item in values)
        return "" if known else f"is not one of {', '.join(map(str, values))}"

    return test


def _casing(options: Mapping[str, Any]) -> Test:
    kind = options.get("type")
    if kind not in _CASINGS:
        raise FunctionError(f"the casing {kind!r} is not known")
    body = _CASINGS[kind].replace("{d}", "" if options.get("disallowDigits") else "0-9")
    separator = options.get("separator")
    if isinstance(separator, Mapping) and isinstance(separator.get("char"), str):
        mark = re.escape(separator["char"])
        lead = f"(?:{mark})?" if separator.get("allowLeading") else ""
        body = f"{lead}(?:{body})(?:{mark}(?:{body}))*"
    pattern = re.compile(body + r"\Z")
    return lambda value: (
        f"is not {kind} case" if isinstance(value, str) and value and not pattern.match(value[:500]) else ""
    )


def _alphabetical(options: Mapping[str, Any]) -> RuleFunction:
    keyed = options.get("keyedBy")

    def test(value: Any) -> str:
        names = list(value) if isinstance(value, dict | list) else []
        if keyed is not None:
            names = [item.get(keyed) for item in names if isinstance(item, dict)]
        texts = [name for name in names if isinstance(name, str)]
        return "is not in alphabetical order" if texts != sorted(texts) else ""

    return RuleFunction(test, depth=2)


def _one_of(options: Mapping[str, Any], *, exactly: bool) -> Test:
    names = options.get("properties")
    if not isinstance(names, list):
        raise FunctionError("properties is missing")

    def test(value: Any) -> str:
        count = sum(1 for name in names if isinstance(value, dict) and name in value)
        if not isinstance(value, dict) or count == 1 or (count and not exactly):
            return ""
        return f"must have {'exactly ' if exactly else 'at least '}one of {', '.join(map(str, names))}"

    return test


def _typed_enum(_: Mapping[str, Any]) -> Test:
    kinds: dict[str, tuple[type, ...]] = {
        "string": (str,),
        "integer": (int,),
        "number": (int, float),
        "boolean": (bool,),
        "array": (list,),
        "object": (dict,),
        "null": (type(None),),
    }

    def test(value: Any) -> str:
        if not isinstance(value, dict) or not isinstance(value.get("enum"), list) or "type" not in value:
            return ""
        declared = value["type"] if isinstance(value["type"], list) else [value["type"]]
        allowed = tuple(kind for name in declared if name in kinds for kind in kinds[name])
        if value.get("nullable") is True:
            allowed += (type(None),)
        wrong = [
            item
            for item in value["enum"]
            if not isinstance(item, allowed) or (isinstance(item, bool) and bool not in allowed)
        ]
        return f"has enum values of another type: {wrong[0]!r}" if wrong else ""

    return test


def _schema(options: Mapping[str, Any]) -> RuleFunction:
    schema = options.get("schema")
    if not isinstance(schema, dict | bool):
        raise FunctionError("schema needs a schema")
    try:
        validator = schemas.validator_for(schema)
    except schemas.UnusableSchema as error:
        raise FunctionError(f"the schema is not usable: {str(error)[:100]}") from None

    def test(value: Any) -> str:
        if value is MISSING:
            return "is missing"
        first = next(validator.iter_errors(value), None)
        return f"does not fit: {first.message[:160]}" if first is not None else ""

    return RuleFunction(test, _depth(schema))


_WHOLE = 1_000
"""Deeper than any contract: the schema looks at values of any depth."""
_NAMED = frozenset(("properties", "patternProperties"))
_BELOW = _NAMED | {"items", "additionalItems", "prefixItems", "contains", "unevaluatedItems"}
_BELOW |= {"additionalProperties", "unevaluatedProperties", "propertyNames"}


def _depth(schema: Any) -> int:
    """How far below a value a schema looks."""
    if isinstance(schema, list):
        return max(map(_depth, schema), default=0)
    if not isinstance(schema, dict):
        return 0
    if {"$ref", "$dynamicRef", "$recursiveRef", "const", "enum", "uniqueItems"} & schema.keys():
        scalar = all(not isinstance(item, dict | list) for item in [schema.get("const"), *(schema.get("enum") or [])])
        if not scalar or not {"const", "enum"} & schema.keys():
            return _WHOLE
    found = 0
    for key, value in schema.items():
        if key in _BELOW:
            parts = value.values() if key in _NAMED and isinstance(value, dict) else value
            found = max(found, 1 + _depth(list(parts) if not isinstance(parts, dict | bool) else parts))
        elif key not in ("const", "enum", "default", "examples", "required"):
            found = max(found, _depth(value))
    return min(found, _WHOLE)


FUNCTIONS: dict[str, Maker] = {
    "truthy": _truthy,
    "falsy": _falsy,
    "defined": _defined,
    "undefined": _undefined,
    "pattern": _pattern,
    "length": _length,
    "enumeration": _enumeration,
    "casing": _casing,
    "alphabetical": _alphabetical,
    "xor": lambda options: _one_of(options, exactly=True),
    "or": lambda options: _one_of(options, exactly=False),
    "typedEnum": _typed_enum,
    "schema": _schema,
}
"""By the word in a rule file."""


def function(name: str, options: Mapping[str, Any]) -> RuleFunction:
    """The function of that name. Raises FunctionError for options that it cannot have, KeyError for another name."""
    made = FUNCTIONS[name](options)
    return made if isinstance(made, RuleFunction) else RuleFunction(made)
