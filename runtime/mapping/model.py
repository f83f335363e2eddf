"""A checked mapping as data: what the reader makes, and what compiling, explaining and checking start from."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Dict
from dataclasses import dataclass, field
from typing import Any

from runtime.mapping.conversions import ValueType
from runtime.mapping.formula import Node, reads
from runtime.mapping.paths import Path


@dataclass(frozen=True, slots=True)
class LookupTable:
    """An inline table of values, versioned by its author. Without `default` a value that is not in it is rejected."""

    name: str
    version: str
    values: Dict[str, Any]
    default: Any = None
    has_default: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """One rule. Exactly one of source, formula, constant (has_constant) and correlation is set; `each` goes with
    source."""

    pointer: str
    target: tuple[str, ...]
    type: ValueType | None
    source: Path | None = None
    formula: Node | None = None
    formula_text: str = ""
    constant: Any = None
    has_constant: bool = False
    correlation: bool = False
    required: bool = False
    default: Any = None
    has_default: bool = False
    null: bool = False
    empty_is_missing: bool = False
    lookup: str | None = None
    each: tuple[Field, ...] | None = None
    when: Node | None = None
    when_text: str = ""
    note: str = ""

    @property
    def always(self) -> bool:
        """The target is filled in every document that maps at all."""
        return self.required or self.has_default or self.null or self.has_constant or self.correlation

    def sources(self) -> Iterator[Path]:
        """Source paths that this field itself reads, each once, without those of its `each` fields."""
        found: dict[Path, None] = {}
        if self.source is not None:
            found[self.source] = None
        for node in (self.formula, self.when):
            if node is not None:
                found.update(dict.fromkeys(reads(node)))
        if self.type is not None and isinstance(self.type.currency, Path):
            found[self.type.currency] = None
        yield from found


@dataclass(frozen=True, slots=True)
class Mapping:
    """A checked mapping. Immutable; compile it with `compile_mapping`."""

    name: str
    version: str
    fields: tuple[Field, ...]
    lookups: Dict[str, LookupTable] = field(default_factory=dict)
    note: str = ""

    def walk(self) -> Iterator[tuple[Field, tuple[Field, ...]]]:
        """Every field with the `each` fields around it, outermost first, in the order of the spec."""

        def inside(fields: tuple[Field, ...], around: tuple[Field, ...]) -> Iterator[tuple[Field, tuple[Field, ...]]]:
            for one in fields:
                yield one, around
                if one.each is not None:
                    yield from inside(one.each, (*around, one))

        yield from inside(self.fields, ())
