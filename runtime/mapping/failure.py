"""From the place where a compiled mapping stopped to an error that a person can act on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runtime.mapping.errors import MISSING, MappingError, Reject, excerpt_of
from runtime.mapping.formula import reads
from runtime.mapping.model import Field
from runtime.mapping.paths import WalkError, walk

# What compiled code raises where a value is not what its fast lane expects; everything else is a fault of ours.
FAILURES = (Reject, KeyError, TypeError, AttributeError, ArithmeticError, ValueError, IndexError)


def failure(table: list[tuple[Field, tuple[Field, ...]]]) -> Callable[..., MappingError]:
    """`fail(at, doc, correlation_id, error, loops)`: the error of field number `at`. `loops` holds list and element of
    every `each`."""
    places: dict[str, int] = {}

    def fail(at: int, doc: Any, correlation_id: Any, error: Exception, loops: tuple[Any, ...]) -> MappingError:
        one, around = table[at]
        if not places:
            places.update({f.pointer: n for n, f in enumerate(f for f, _ in table if f.each is not None)})
        item, target, prefix = doc, "", ""
        chain = [*around, one] if one.each is not None else list(around)
        for outer in chain:
            items, entry = loops[2 * places[outer.pointer]], loops[2 * places[outer.pointer] + 1]
            if items is None or (outer is one and entry is None):
                break
            number = next((n for n, candidate in enumerate(items) if candidate is entry), 0)
            if outer is not one or one.when is not None:
                item = entry
                prefix = (
                    f"{prefix}{outer.source}[{number}]."
                    if not (outer.source and outer.source.root)
                    else f"{outer.source}[{number}]."
                )
                target += ".".join(outer.target) + f"[{number}]."
            if outer is one:
                break
        deciding = one.each is not None and bool(chain) and loops[2 * places[one.pointer] + 1] is not None
        return _explain(one, doc, item, error, target, prefix, deciding=deciding)

    return fail


def _explain(
    one: Field, doc: Any, item: Any, error: Exception, target: str, prefix: str, *, deciding: bool
) -> MappingError:
    """Walks the sources of the field again, slowly, to say what is wrong. `deciding`: its `when` failed on one
    element."""
    paths = list(reads(one.when)) if deciding and one.when is not None else list(one.sources())
    source = ", ".join(str(p) if p.root else f"{prefix}{p}".removesuffix("..").removesuffix(".") for p in paths)
    name = target.rstrip(".") if deciding else (target + ".".join(one.target)).rstrip(".") or "."
    reason = str(error) if isinstance(error, Reject) else ""
    excerpt: str | None = None
    absent: list[str] = []
    for path in paths:
        start = doc if path.root else item
        try:
            if path.segments and not isinstance(start, dict | list):
                raise WalkError("", f"{'the list element' if prefix else 'the document'} is not an object", start)
            value = walk(path.segments, start)
        except WalkError as bad:
            return MappingError(name, bad.reason, source=source, excerpt=excerpt_of(bad.value))
        if value is None:
            absent.append(str(path))
        elif excerpt is None:
            excerpt = excerpt_of(value)
    if absent and one.required and reason in ("", MISSING):
        shown = f" ({', '.join(absent)} has no value)" if one.formula is not None else ""
        return MappingError(name, MISSING + shown, source=source)
    if not reason:
        reason = (
            f"has more than {one.type.scale} digits after the point or is out of range"
            if one.type and one.type.scale is not None
            else (
                "is out of range: a result has at most 38 digits"
                if isinstance(error, ArithmeticError)
                else "cannot be read"
            )
        )
    return MappingError(name, reason, source=source, excerpt=excerpt)
