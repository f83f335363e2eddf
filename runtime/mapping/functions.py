"""What a formula may call. Every function is pure, total over its declared kinds, or rejects with a reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import Any, Literal

from runtime.mapping.errors import Reject

Kind = Literal["number", "text", "boolean", "any", "unknown", "same"]

MAX_SCALE = 12
DIGITS = 38  # SQL's largest portable numeric precision
MAX_TEXT = 10_000
# Any step that would lose a digit raises instead: a result is exact or it is refused.
EXACT = Context(prec=DIGITS, Emax=999, Emin=-999, traps=[Inexact, InvalidOperation, Overflow])
# For the explicit rounding functions, where losing digits is the point.
ROUNDING = Context(prec=DIGITS, Emax=999, Emin=-999, traps=[InvalidOperation, Overflow])
QUANTA = tuple(Decimal(1).scaleb(-n) for n in range(MAX_SCALE + 1))
MODES = {"half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN}


@dataclass(frozen=True, slots=True)
class FunctionOption:
    """A literal setting at the end of the arguments: fixed when the mapping is reviewed, never data."""

    name: str
    words: str
    accepts: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Function:
    usage: str
    takes: tuple[Kind, ...]
    gives: Kind
    arity: tuple[int, int]
    options: tuple[FunctionOption, ...] = ()
    run: Callable[..., Any] | None = None  # None: the compiler writes it in place
    aggregate: bool = False


def number(value: Any) -> Decimal | int:
    """Text in plain notation (`-12.50`, no exponent, no grouping) or a number → the number. Rejects everything else."""
    if value.__class__ is Decimal or value.__class__ is int:
        if value.__class__ is Decimal and (not value.is_finite() or abs(value.adjusted()) > DIGITS):
            raise Reject("is out of range")
        return value  # type: ignore[no-any-return]
    if value.__class__ is not str:
        raise Reject(f"is {kind_words(value)}, not a number")
    digits = value[1:] if value[:1] == "-" else value
    whole, _, fraction = digits.partition(".")
    if (
        not (whole.isascii() and whole.isdecimal() and (not fraction or (fraction.isascii() and fraction.isdecimal())))
        or digits[-1:] == "."
    ):
        raise Reject("is not a plain decimal number")
    if len(digits) > DIGITS + 1:
        raise Reject(f"has more than {DIGITS} digits")
    return Decimal(value)


def text(value: Any) -> str:
    """A number in plain notation (`0.10`, never `1E-1`), text as it is, a boolean as `true` or `false`."""
    if value.__class__ is str:
        return value  # type: ignore[no-any-return]
    if value.__class__ is bool:
        return "true" if value else "false"
    if value.__class__ is int:
        if value.bit_length() > 256:
            raise Reject("is out of range")
        return str(value)
    if value.__class__ is Decimal:
        return format(number(value) or abs(value), "f")
    raise Reject(f"is {kind_words(value)}, not a value that can be written as text")


def divide(a: Decimal | int, b: Decimal | int, scale: int, mode: str) -> Decimal:
    """a / b rounded once, exactly, to `scale` digits; by way of integers, so that nothing is rounded twice."""
    number(a), number(b)
    top, under = a.as_integer_ratio()
    other, below = b.as_integer_ratio()
    if other == 0:
        raise Reject("divides by zero")
    top, under = top * below * 10**scale, under * other
    if under < 0:
        top, under = -top, -under
    whole, rest = divmod(abs(top), under)
    if 2 * rest > under or (2 * rest == under and (mode == "half_up" or whole % 2)):
        whole += 1
    if whole >= 10**DIGITS:
        raise Reject(f"has more than {DIGITS} digits")
    return Decimal(-whole if top < 0 else whole).scaleb(-scale, ROUNDING)


def concat(*parts: str) -> str:
    return "".join(parts)


def pad_left(value: str, width: int, fill: str) -> str:
    return value.rjust(width, fill)


def pad_right(value: str, width: int, fill: str) -> str:
    return value.ljust(width, fill)


def strip_leading_zeros(value: str) -> str:
    """`000070` → `70`; all zeros → `0`; empty stays empty. The usual form of SAP keys."""
    return value.lstrip("0") or value[-1:]


def substring(value: str, start: int, length: int) -> str:
    """`start` counts from 0; a text that is too short gives what there is."""
    return value[start : start + length]


def replace(value: str, old: str, new: str) -> str:
    result = value.replace(old, new)
    if len(result) > MAX_TEXT:
        raise Reject(f"has more than {MAX_TEXT} characters")
    return result


def equal(a: Any, b: Any) -> bool:
    return bool(a == b) if _kind(a) == _kind(b) else _mixed(a, b)


def less(a: Any, b: Any) -> bool:
    if _kind(a) != _kind(b):
        return _mixed(a, b)
    if a.__class__ is bool:
        raise Reject("compares true and false by order")
    return bool(a < b)


def total(items: list[Any], keys: tuple[str, ...]) -> Decimal | int | None:
    """Sum of one member over a list. One unknown part makes the whole unknown; nothing at all sums to 0."""
    result: Decimal | int = 0
    unknown = False
    for item in items:
        value = item
        for key in keys:
            if value is None:
                break
            if value.__class__ is not dict:
                raise Reject(f"cannot add up {'.'.join(keys)}: an element is {kind_words(value)}, not an object")
            value = value.get(key)
        if value is None:
            unknown = True
        elif value.__class__ is Decimal or value.__class__ is int:
            result = result + value
        else:
            raise Reject(f"adds up {kind_words(value)}, not a number")
    return None if unknown else result


def expect_number(value: Any) -> None:
    raise Reject(
        f"calculates with {kind_words(value)}, not a number{'; use number(…)' if value.__class__ is str else ''}"
    )


def expect_text(value: Any) -> None:
    raise Reject(f"handles {kind_words(value)} as text{'; use text(…)' if value.__class__ in (int, Decimal) else ''}")


def expect_boolean(value: Any) -> None:
    raise Reject(f"decides on {kind_words(value)}, not true or false")


def kind_words(value: Any) -> str:
    """What a JSON value is, in words. A float is named as such: it has already lost the cent."""
    names = {
        bool: "true or false",
        int: "a number",
        Decimal: "a number",
        str: "text",
        dict: "an object",
        list: "a list",
    }
    if value is None:
        return "missing"
    return (
        "a binary float (decode JSON with decimals)"
        if isinstance(value, float)
        else names.get(value.__class__, "an unknown type")
    )


def _kind(value: Any) -> str:
    if value.__class__ is bool:
        return "boolean"
    if value.__class__ is int or value.__class__ is Decimal:
        return "number"
    if value.__class__ is str:
        return "text"
    raise Reject(f"compares {kind_words(value)}")


def _mixed(a: Any, b: Any) -> bool:
    raise Reject(f"compares {kind_words(a)} with {kind_words(b)}")


def _scale(value: Any) -> bool:
    return value.__class__ is int and 0 <= value <= MAX_SCALE


_SCALE = FunctionOption("scale", f"a scale of 0 to {MAX_SCALE}", _scale)
_MODE = FunctionOption("mode", "'half_up' or 'half_even'", lambda v: v in MODES)
_WIDTH = FunctionOption("width", "a width of 1 to 200", lambda v: v.__class__ is int and 1 <= v <= 200)
_FILL = FunctionOption("fill", "one character", lambda v: isinstance(v, str) and len(v) == 1)
_START = FunctionOption("start", "a start of 0 or more", lambda v: v.__class__ is int and 0 <= v <= MAX_TEXT)
_LENGTH = FunctionOption("length", "a length of 1 or more", lambda v: v.__class__ is int and 1 <= v <= MAX_TEXT)
_LOOKUP = FunctionOption("lookup", "the name of a lookup", lambda v: isinstance(v, str))
_OLD = FunctionOption("old", "the text to replace", lambda v: isinstance(v, str) and 0 < len(v) <= 100)
_NEW = FunctionOption("new", "the new text", lambda v: isinstance(v, str) and len(v) <= 100)

FUNCTIONS: dict[str, Function] = {
    "number": Function("number(text)", ("any",), "number", (1, 1), run=number),
    "text": Function("text(value)", ("any",), "text", (1, 1), run=text),
    "abs": Function("abs(number)", ("number",), "number", (1, 1), run=abs),
    "min": Function("min(a, b, …)", ("number",), "number", (2, 12), run=min),
    "max": Function("max(a, b, …)", ("number",), "number", (2, 12), run=max),
    "round_half_up": Function("round_half_up(number, scale)", ("number",), "number", (1, 1), (_SCALE,)),
    "round_half_even": Function("round_half_even(number, scale)", ("number",), "number", (1, 1), (_SCALE,)),
    "divide": Function(
        "divide(a, b, scale, 'half_up')", ("number", "number"), "number", (2, 2), (_SCALE, _MODE), divide
    ),
    "concat": Function("concat(text, text, …)", ("text",), "text", (1, 24), run=concat),
    "upper": Function("upper(text)", ("text",), "text", (1, 1), run=str.upper),
    "lower": Function("lower(text)", ("text",), "text", (1, 1), run=str.lower),
    "trim": Function("trim(text)", ("text",), "text", (1, 1), run=str.strip),
    "pad_left": Function("pad_left(text, width, '0')", ("text",), "text", (1, 1), (_WIDTH, _FILL), pad_left),
    "pad_right": Function("pad_right(text, width, ' ')", ("text",), "text", (1, 1), (_WIDTH, _FILL), pad_right),
    "strip_leading_zeros": Function("strip_leading_zeros(text)", ("text",), "text", (1, 1), run=strip_leading_zeros),
    "substring": Function("substring(text, start, length)", ("text",), "text", (1, 1), (_START, _LENGTH), substring),
    "replace": Function("replace(text, 'old', 'new')", ("text",), "text", (1, 1), (_OLD, _NEW), replace),
    "length": Function("length(text)", ("text",), "number", (1, 1), run=len),
    "if": Function("if(condition, then, else)", ("boolean", "any"), "same", (2, 3)),
    "coalesce": Function("coalesce(a, b, …)", ("any",), "same", (2, 12)),
    "exists": Function("exists(value)", ("any",), "boolean", (1, 1)),
    "lookup": Function("lookup(text, 'name')", ("text",), "any", (1, 1), (_LOOKUP,)),
    "sum": Function("sum(lines[].amount)", (), "number", (0, 0), aggregate=True),
    "count": Function("count(lines[])", (), "number", (0, 0), aggregate=True),
}
