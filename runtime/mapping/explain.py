"""A mapping in words: rows for the page, lineage for the catalog, and the difference between two releases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from runtime.mapping.conversions import ValueType
from runtime.mapping.formula import aggregates, spell
from runtime.mapping.model import Field, LookupTable, Mapping
from runtime.mapping.paths import Path, show


@dataclass(frozen=True, slots=True)
class ExplainedField:
    """One line of the mapping table. `sources` are full paths from the document; `pointer` leads back to the spec."""

    target: str
    sources: tuple[str, ...]
    rule: str
    type: str
    missing: str
    note: str
    pointer: str
    depth: int


def explain(mapping: Mapping) -> list[ExplainedField]:
    """Every field in the order of the spec, `each` fields before what they hold."""
    return [
        ExplainedField(
            _target(one, around),
            _sources(one, around),
            _rule(one, mapping),
            _type(one.type) if one.type else "list" if one.each else "",
            _missing(one),
            one.note,
            one.pointer,
            len(around),
        )
        for one, around in mapping.walk()
    ]


def lineage(mapping: Mapping) -> dict[str, list[str]]:
    """Target path → source paths it depends on, conditions of the lists around it included. Constants depend on
    nothing."""
    result: dict[str, list[str]] = {}
    for one, around in mapping.walk():
        if one.each is not None:
            continue
        found: dict[str, None] = {}
        for n, outer in enumerate(around):
            found.update(dict.fromkeys(_sources(outer, around[:n])))
        found.update(dict.fromkeys(_sources(one, around)))
        inner = [p for p in found if not any(q != p and q.startswith(f"{p}[]") for q in found) or not p]
        result[_target(one, around)] = inner
    return result


def diff(old: Mapping, new: Mapping) -> list[str]:
    """What a reviewer has to know about a new release of a mapping, one sentence each. Empty when nothing that runs has
    changed."""
    return [*_diff_fields(old, new), *_diff_lookups(old, new)]


def _diff_fields(old: Mapping, new: Mapping) -> Iterator[str]:
    before = {_target(one, around): (one, around) for one, around in old.walk()}
    after = {_target(one, around): (one, around) for one, around in new.walk()}
    for target, (one, around) in before.items():
        if target not in after:
            yield f"{target} is no longer filled (it came from {_origin(one, around, old)})"
    for target, (one, around) in after.items():
        if target not in before:
            yield f"{target} is new: {_type(one.type) or 'list'} from {_origin(one, around, new)}, {_missing(one)}"
            continue
        was, outer = before[target]
        yield from _changes(target, (was, outer, old), (one, around, new))


def _changes(
    target: str, old: tuple[Field, tuple[Field, ...], Mapping], new: tuple[Field, tuple[Field, ...], Mapping]
) -> Iterator[str]:
    was, one = old[0], new[0]
    for word, a, b in (
        ("comes from", _origin(*old), _origin(*new)),
        ("is written as", _type(was.type) or "as given", _type(one.type) or "as given"),
        ("when missing:", _missing(was), _missing(one)),
        (
            "takes only elements where",
            spell(was.when) if was.when else "(all)",
            spell(one.when) if one.when else "(all)",
        ),
        ("treats empty text as", *("missing" if f.empty_is_missing else "a value" for f in (was, one))),
    ):
        if a != b:
            yield f"{target} {word} {b}; it was {a}"


def _diff_lookups(old: Mapping, new: Mapping) -> Iterator[str]:
    for name in sorted({*old.lookups, *new.lookups}):
        a, b = old.lookups.get(name), new.lookups.get(name)
        if a is None or b is None:
            yield f"lookup {name!r} is {'new' if a is None else 'gone'}"
            continue
        changes = list(_diff_lookup(a, b))
        if a.version != b.version:
            yield f"lookup {name!r} has version {b.version}; it was {a.version}"
        elif changes:
            yield f"lookup {name!r} has changed and still says version {b.version}"
        yield from changes


def _diff_lookup(a: LookupTable, b: LookupTable) -> Iterator[str]:
    for key in sorted({*a.values, *b.values}):
        if key not in b.values:
            yield f"lookup {a.name!r}: {key!r} is no longer translated (it gave {a.values[key]!r})"
        elif key not in a.values:
            yield f"lookup {a.name!r}: {key!r} is new and gives {b.values[key]!r}"
        elif (a.values[key], type(a.values[key])) != (b.values[key], type(b.values[key])):
            yield f"lookup {a.name!r}: {key!r} gives {b.values[key]!r}; it gave {a.values[key]!r}"
    if (a.has_default, a.default) != (b.has_default, b.default):
        was = f"gave {a.default!r}" if a.has_default else "was refused"
        yield f"lookup {a.name!r}: a value that is not listed {_unlisted(b)}; before, it {was}"


def _unlisted(table: LookupTable) -> str:
    return f"gives {table.default!r}" if table.has_default else "is refused"


def full_path(path: Path, around: tuple[Field, ...]) -> str:
    """A path from the document on: `lines[].sku` for `sku` inside `each` over `lines`."""
    prefix = ""
    for outer in () if path.root else around:
        assert outer.source is not None
        prefix = f"{outer.source}[]" if outer.source.root or not prefix else _join(prefix, outer.source) + "[]"
    return (_join(prefix, path) if prefix else str(path)).removeprefix("$.")


def _join(prefix: str, path: Path) -> str:
    return prefix if str(path) == "." else f"{prefix}.{path}"


def _target(one: Field, around: tuple[Field, ...]) -> str:
    prefix = "".join((f"{'.'.join(outer.target)}[]." if outer.target else "[].") for outer in around).replace(
        "].[", "]["
    )
    return (prefix + ".".join(one.target)).removesuffix(".")


def _sources(one: Field, around: tuple[Field, ...]) -> tuple[str, ...]:
    inner = (*around, one) if one.each is not None else around
    found: dict[str, None] = {}
    for path in one.sources():
        found[full_path(path, around if path == one.source else inner)] = None
    for node in (one.formula, one.when):
        for total in aggregates(node) if node is not None else ():
            if total.rest:
                found[f"{full_path(total.items, inner)}[].{show(total.rest)}"] = None
    return tuple(found)


def _origin(one: Field, around: tuple[Field, ...], mapping: Mapping) -> str:
    if one.has_constant:
        return f"the constant {one.constant!r}"
    if one.correlation:
        return "the correlation id"
    if one.formula is not None:
        return f"the formula {spell(one.formula)}"
    assert one.source is not None
    through = f" through lookup {one.lookup!r}" if one.lookup else ""
    return full_path(one.source, around) + through


def _rule(one: Field, mapping: Mapping) -> str:
    if one.has_constant:
        return f"always {one.constant!r}"
    if one.correlation:
        return "the correlation id of the message"
    parts = []
    if one.each is not None:
        parts.append("one element for each element" + (f" where {spell(one.when)}" if one.when else ""))
    if one.formula is not None:
        parts.append(f"= {spell(one.formula)}")
    if one.lookup is not None:
        table = mapping.lookups[one.lookup]
        entries = f"{len(table.values)} entries; one that is not listed {_unlisted(table)}"
        parts.append(f"translated by {table.name} version {table.version} ({entries})")
    if one.empty_is_missing:
        parts.append("empty text counts as missing")
    return "; ".join(parts) or "as it is"


def _type(kind: ValueType | None) -> str:
    if kind is None:
        return ""
    words = [kind.name]
    if kind.currency is not None:
        words.append(f"in {kind.currency}" if isinstance(kind.currency, str) else f"in the currency at {kind.currency}")
    if kind.scale is not None:
        words.append(f"with {kind.scale} digits after the point")
    if kind.rounding != "exact":
        words.append(f"rounded {kind.rounding.replace('_', ' ')}")
    elif kind.name in ("decimal", "money"):
        words.append("never rounded")
    if kind.max_length is not None:
        words.append(f"of at most {kind.max_length} characters")
    if kind.trim:
        words.append("without surrounding blanks")
    if kind.name in ("date", "datetime"):
        words.append(f"read as {kind.format}, written as {kind.write}")
    if kind.name == "datetime":
        words.append(
            "refused without offset"
            if kind.zone == "required"
            else f"without offset: {kind.zone}, repeated {kind.repeated}, skipped {kind.skipped}"
        )
    if kind.name in ("decimal", "money") and kind.write not in ("number", "object"):
        words.append(f"written as {kind.write}")
    for word, values in (("true", kind.true), ("false", kind.false)):
        if values:
            words.append(f"{' or '.join(repr(v) for v in values)} meaning {word}")
    return ", ".join([" ".join(words[:2]), *words[2:]]) if len(words) > 1 else words[0]


def _missing(one: Field) -> str:
    if one.has_constant or one.correlation:
        return "always there"
    if one.required:
        return "required: the document is refused without it"
    if one.has_default:
        return f"{_plain(one.default)} when missing"
    return "null when missing" if one.null else "left out when missing"


def _plain(value: Any) -> str:
    return repr(value) if isinstance(value, str) else str(value)
