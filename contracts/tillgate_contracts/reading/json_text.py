"""JSON text to Python values: no duplicate keys, NaN or lone surrogates, numbers within 64 bits or a double."""

from __future__ import annotations

import json
import re
from typing import Any

from tillgate_contracts.reading.limits import Clock, ReadingLimits, measure, refusal, too_deep
from tillgate_contracts.reading.positions import json_index

_LONG_NUMBER = re.compile(r"\d{19}|\d[eE][+]?\d{3}")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89abAB]|\\u[dD][c-fC-F]")


class DuplicateKey(Exception):
    """Found by the fast parser, which knows the key but not the place."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise DuplicateKey
    return made


def _constant(name: str) -> Any:
    raise refusal(
        "contract.not_a_number",
        f"{name} is not JSON. Leave the keyword out, or write a real number or a string.",
        value=name,
    )


def fit_integer(text: str) -> int | float:
    """An integer, or a double where 64 bits do not hold it: what receivers can be expected to keep (RFC 8259 §6)."""
    if len(text) < 19:
        return int(text)
    if len(text) > 400:
        raise refusal(
            "contract.number_out_of_range", f"A number of {len(text)} digits cannot be kept. Bound it, or use a string."
        )
    value = int(text)
    return value if -(2**63) <= value < 2**64 else fit_float(text)


def fit_float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        shown = text if len(text) <= 40 else text[:40] + "…"
        raise refusal(
            "contract.number_out_of_range", f"The number {shown} is larger than any double. Bound it, or use a string."
        )
    return value


def parse_json(text: str, limits: ReadingLimits, clock: Clock) -> Any:
    """The value of JSON text.

    Raises ContractError: `contract.json_syntax`, `contract.duplicate_key`, `contract.too_deep`, …
    """
    hooks: dict[str, Any] = {}
    if _LONG_NUMBER.search(text):
        hooks = {"parse_int": fit_integer, "parse_float": fit_float}
    try:
        tree = json.loads(text, object_pairs_hook=_object, parse_constant=_constant, **hooks)
    except DuplicateKey:
        raise _duplicate(text) from None
    except RecursionError:
        raise too_deep("", None, limits) from None
    except json.JSONDecodeError as error:
        raise refusal(
            "contract.json_syntax",
            f"The JSON is broken at line {error.lineno}, column {error.colno}: {error.msg}.",
            line=error.lineno,
            column=error.colno,
        ) from None
    measure(tree, limits, clock)
    if _SURROGATE_ESCAPE.search(text):
        refuse_lone_surrogates(tree)
    return tree


def refuse_lone_surrogates(tree: Any) -> None:
    stack: list[tuple[str, Any]] = [("", tree)]
    while stack:
        pointer, value = stack.pop()
        if isinstance(value, str) and _LONE_SURROGATE.search(value):
            raise refusal(
                "contract.encoding",
                f"The text at {pointer or 'the root'} holds half of a surrogate pair, "
                "which no UTF-8 file can carry. Correct it.",
                pointer=pointer,
            )
        if isinstance(value, dict):
            stack += [(pointer, key) for key in value]
            stack += [(f"{pointer}/{key}", item) for key, item in value.items()]
        elif isinstance(value, list):
            stack += [(f"{pointer}/{number}", item) for number, item in enumerate(value)]


def _duplicate(text: str) -> Exception:
    index = json_index(text)
    pointer, line, first = index.duplicate or ("", None, None)
    key = pointer.rsplit("/", 1)[-1]
    return refusal(
        "contract.duplicate_key",
        f"The key {key!r} stands twice in one object: at line {first} and at line {line} ({pointer}). "
        "Readers disagree on which one counts; keep one.",
        pointer=pointer,
        line=line,
        first_line=first,
    )
