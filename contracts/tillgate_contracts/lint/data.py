"""Money, moments, product codes: the values that retail integrations get wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tillgate_contracts.lint.rule import Violation, rule
from tillgate_contracts.lint.view import LintView, Property
from tillgate_contracts.lint.words import MOMENTS, PRODUCT_CODES, is_money, parts
from tillgate_contracts.reading import join
from tillgate_contracts.reading.walk import located

_MOMENT_FORMATS = frozenset(("date-time", "x-odata-date-offset", "duration", "date"))
_ALL = ("openapi", "asyncapi", "jsonschema")
_DATE_FORMATS = frozenset(("date", "date-time", "time", "duration", "unix-time", "x-odata-date", "x-odata-date-offset"))


def _numeric(item: Property) -> bool:
    return bool(item.types() & {"number", "integer"})


@rule(
    "money-not-float",
    "eeww",
    title="Money is a decimal text or whole minor units",
    why="A float cannot hold 0.10, and the till's total differs from the ledger's.",
    hint="Use a string with a decimal pattern, or an integer in minor units; at the least a number with multipleOf.",
    families=_ALL,
)
def money_not_float(view: LintView) -> Iterator[Violation]:
    for item in view.properties:
        if not is_money(item.name) or "number" not in item.types():
            continue
        if item.value.get("format") in ("float", "double") or not (
            "multipleOf" in item.value or item.value.get("format") == "decimal"
        ):
            shown = item.value.get("format") or "number"
            yield Violation(item.pointer, f"The property {item.name} is money as {shown}.")


@rule(
    "money-has-currency",
    "eewi",
    title="Money has its currency beside it",
    why="An amount without a currency is added to others of another one.",
    hint="Put currency (ISO 4217) into the same object.",
    families=_ALL,
)
def money_has_currency(view: LintView) -> Iterator[Violation]:
    for item in view.properties:
        if not is_money(item.name) or not (_numeric(item) or item.value.get("format") == "decimal"):
            continue
        if parts(item.name)[-1] == "tax" or item.value.get("x-sap-unit"):
            continue
        names = item.owner.get("properties")
        if isinstance(names, dict) and any(
            "currency" in name.lower() or name.lower() in ("cur", "ccy") for name in names
        ):
            continue
        yield Violation(item.pointer, f"The property {item.name} has no currency beside it.")


@rule(
    "currency-code",
    "i",
    title="A currency is a code of three letters",
    why="Symbols and names do not match between systems.",
    hint="Set pattern ^[A-Z]{3}$, an enum, or minLength and maxLength 3.",
    families=_ALL,
)
def currency_code(view: LintView) -> Iterator[Violation]:
    for item in view.properties:
        words = parts(item.name)
        if not words or words not in (["currency"], ["currency", "code"]) or item.types() != {"string"}:
            continue
        if not (
            {"pattern", "enum", "const"} & item.value.keys()
            or item.value.get("maxLength") == 3
            or item.value.get("format")
        ):
            yield Violation(item.pointer, f"The property {item.name} accepts any text.")


@rule(
    "moment-has-zone",
    "ewwi",
    title="Moments are date-times with a zone",
    why="Stores live in several zones; a local time is read differently at head office.",
    hint="Use format date-time (RFC 3339, always with a zone), and format date for calendar days.",
    families=_ALL,
)
def moment_has_zone(view: LintView) -> Iterator[Violation]:
    for item in view.properties:
        words = parts(item.name)
        if not words or item.types() != {"string"}:
            continue
        form = item.value.get("format")
        if form == "x-odata-date":
            if "/Date" not in str(item.value.get("pattern", "")) and "date" not in words:
                yield Violation(
                    item.pointer,
                    f"The property {item.name} is Edm.DateTime, which has no zone. Use Edm.DateTimeOffset.",
                )
        elif _is_moment(words) and form not in _MOMENT_FORMATS and not {"pattern", "enum"} & item.value.keys():
            yield Violation(
                item.pointer, f"The property {item.name} is a moment as plain text ({form or 'no format'})."
            )


def _is_moment(words: list[str]) -> bool:
    if (words[-1] in MOMENTS and len(words) > 1) or words[-1] in ("timestamp", "datetime"):
        return True
    return words[-2:] in (["date", "time"], ["created", "on"], ["updated", "on"], ["time", "stamp"])


@rule(
    "date-has-format",
    "wwii",
    title="Dates have a format",
    why="03/04 is two different days.",
    hint="Use format date or date-time.",
    families=_ALL,
)
def date_has_format(view: LintView) -> Iterator[Violation]:
    for item in view.properties:
        words = parts(item.name)
        if not words or words[-1] != "date" or item.types() != {"string"}:
            continue
        if item.value.get("format") not in _DATE_FORMATS and not {"pattern", "enum"} & item.value.keys():
            yield Violation(item.pointer, f"The property {item.name} is a date without a format.")


@rule(
    "product-code-is-text",
    "ewwi",
    title="Product codes are text",
    why="A GTIN keeps its leading zeros; a number loses them.",
    hint="Use a string with a pattern or a length.",
    families=_ALL,
)
def product_code_is_text(view: LintView) -> Iterator[Violation]:
    for item in view.properties:
        words = parts(item.name)
        if words and words[-1] in PRODUCT_CODES and _numeric(item):
            yield Violation(item.pointer, f"The property {item.name} is a product code as a number.")


@rule(
    "type-declared",
    "wwii",
    title="Properties have a type",
    why="Anything is accepted otherwise, and nothing can be mapped.",
    hint="Declare type, enum, const or a reference.",
    families=_ALL,
)
def type_declared(view: LintView) -> Iterator[Violation]:
    keys = {
        "type",
        "enum",
        "const",
        "$ref",
        "allOf",
        "anyOf",
        "oneOf",
        "properties",
        "items",
        "not",
        "if",
        "$dynamicRef",
        "x-odata-type",
    }
    for item in view.properties:
        if not keys & item.value.keys():
            yield Violation(item.pointer, f"The property {item.name} has no type.")


@rule(
    "array-has-items",
    "w",
    title="Arrays say what is in them",
    why="An array of anything cannot be validated, compared or mapped.",
    hint="Declare items.",
    families=_ALL,
)
def array_has_items(view: LintView) -> Iterator[Violation]:
    for item in view.properties:
        if "array" in item.types() and not {"items", "prefixItems", "contains"} & item.value.keys():
            yield Violation(item.pointer, f"The property {item.name} is an array without items.")


@rule(
    "required-exists",
    "wwwi",
    title="Required properties are declared",
    why="A required name without a property is usually a spelling mistake, and refuses every request.",
    hint="Declare the property, or correct the name.",
    families=_ALL,
)
def required_exists(view: LintView) -> Iterator[Violation]:
    composed = {"allOf", "anyOf", "oneOf", "$ref", "patternProperties", "if"}
    for tokens, schema in located(view.tree):
        names: Any = schema.get("properties")
        required = schema.get("required")
        if not isinstance(names, dict) or not isinstance(required, list) or composed & schema.keys():
            continue
        if any(token in ("allOf", "anyOf", "oneOf") for token in tokens[-2:]):
            continue
        for name in required:
            if name not in names:
                yield Violation(join((*tokens, "required")), f"{name} is required and not declared.")
