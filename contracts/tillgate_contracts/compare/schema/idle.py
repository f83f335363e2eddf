"""Keywords beside a type that they say nothing about: `minLength` of an integer, `properties` of a text.

An assertion holds for values of its own type alone; every other value passes it (JSON Schema 2020-12 Core section
7.6.1, Validation section 6). So a change of one is declared, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tillgate_contracts.compare.schema.change import NONE
from tillgate_contracts.compare.schema.comparison import NodeComparison
from tillgate_contracts.compare.schema.node import Node
from tillgate_contracts.compare.schema.patterns import is_free
from tillgate_contracts.compare.schema.values import one_or_list, signature, type_text

_WORDS: dict[str, tuple[str, ...]] = {
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "divisibleBy"),
    "string": ("minLength", "maxLength", "pattern", "contentEncoding", "contentMediaType", "contentSchema"),
    "array": (
        *("items", "prefixItems", "additionalItems", "unevaluatedItems", "contains", "minContains", "maxContains"),
        *("minItems", "maxItems", "uniqueItems"),
    ),
    "object": (
        *("properties", "patternProperties", "additionalProperties", "unevaluatedProperties", "propertyNames"),
        *("required", "minProperties", "maxProperties", "dependentRequired", "dependentSchemas", "dependencies"),
    ),
}


def compare_idle(comparison: NodeComparison, shared: frozenset[str]) -> None:
    """Keywords of types that neither side admits. `shared`: the types on which keywords were compared."""
    written = {word for node in (comparison.old, comparison.new) for part in node.flat for word in _keywords(part.raw)}
    for kind, words in _WORDS.items():
        if kind in shared or written.isdisjoint(words):
            continue
        for word in words:
            if word in comparison.old.foreign or word in comparison.new.foreign:
                continue  # told as what its version does not have
            before, after = _written(comparison.old, word), _written(comparison.new, word)
            if signature(before) != signature(after):
                comparison.add(
                    "keyword-without-effect",
                    NONE,
                    one_or_list(before),
                    one_or_list(after),
                    word,
                    name=word,
                    data={"reason": f"It has no effect on {type_text(comparison.new.types)}."},
                )


def _keywords(raw: Any) -> Iterable[str]:
    return raw if isinstance(raw, dict) else ()


def _written(node: Node, word: str) -> tuple[Any, ...]:
    return tuple(
        part.raw[word]
        for part in node.flat
        if isinstance(part.raw, dict) and word in part.raw and not _is_neutral(word, part.raw[word])
    )


def _is_neutral(word: str, value: Any) -> bool:
    """True for a value that would say nothing to its own type either."""
    if word == "pattern":
        return isinstance(value, str) and is_free(value)
    if word.startswith("min") and word != "minimum":
        return bool(value == 0)
    return value in ({}, []) or value is (word != "uniqueItems")
