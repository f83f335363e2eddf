"""Which version of a format has which keyword, and what stands in a contract of a version that does not have it.

OpenAPI 2.0 section "Schema Object", 3.0.4 section 4.7.24, 3.1.1 section 4.8.24, 3.2.0; JSON Schema drafts 4 to 2020-12.
A keyword that a version does not have is without effect. A form that it does not have (a list of types, a schema that
is `true`) means something to every reader that takes it at all, so it is read as the other versions read it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from tillgate_contracts.reading.walk import objects

#: Drafts of JSON Schema as numbers that grow.
_DRAFTS = {"jsonschema-04": 4, "jsonschema-06": 6, "jsonschema-07": 7, "jsonschema-2019-09": 8, "jsonschema-2020-12": 9}
#: The first draft that has a keyword. Words that describe or organise are left out: they never have an effect.
_SINCE = {
    **dict.fromkeys(("const", "contains", "propertyNames"), 6),
    **dict.fromkeys(("if", "then", "else", "contentEncoding", "contentMediaType"), 7),
    **dict.fromkeys(("dependentRequired", "dependentSchemas", "minContains", "maxContains", "contentSchema"), 8),
    **dict.fromkeys(("unevaluatedItems", "unevaluatedProperties"), 8),
    "prefixItems": 9,
}
#: The last draft that has a keyword.
_UNTIL = {"additionalItems": 8, "divisibleBy": 3}
#: What no OpenAPI before 3.1 took over from JSON Schema.
_NOT_IN_OPENAPI_3_0 = frozenset((*_SINCE, "patternProperties", "dependencies", "additionalItems", "divisibleBy"))

#: Forms, in the words of a message.
TYPE_LIST, NULL_TYPE, ITEM_LIST = "a list of types", "the type null", "a list of schemas in items"
NUMBER_BOUND, FLAG_BOUND = "an exclusive bound that is a number", "an exclusive bound that is true or false"
BOOLEAN, DEPENDENCIES = "a schema that is true or false", "dependencies"
ANY_OF, ONE_OF, NOT = "anyOf", "oneOf", "not"


class Vocabulary(NamedTuple):
    """`name`: the version in words. `ignored`: keywords that it does not have. `forms`: forms that it does not have."""

    name: str = ""
    ignored: frozenset[str] = frozenset()
    forms: frozenset[str] = frozenset()


ALL = Vocabulary()
"""The vocabulary of a contract that does not say in which version its schemas are written: everything counts."""

_OPENAPI = {
    "openapi-2.0": Vocabulary(
        "Swagger 2.0", _NOT_IN_OPENAPI_3_0, frozenset((NUMBER_BOUND, BOOLEAN, ANY_OF, ONE_OF, NOT))
    ),
    "openapi-3.0": Vocabulary(
        "OpenAPI 3.0", _NOT_IN_OPENAPI_3_0, frozenset((TYPE_LIST, NULL_TYPE, ITEM_LIST, NUMBER_BOUND, BOOLEAN))
    ),
    **{
        f"openapi-{version}": Vocabulary(
            f"OpenAPI {version}", frozenset(("nullable", *_UNTIL)), frozenset((ITEM_LIST, FLAG_BOUND, DEPENDENCIES))
        )
        for version in ("3.1", "3.2")
    },
}
#: Fields outside of schemas: kind of object and field -> the first OpenAPI that has it.
_FIELDS = {
    ("root", "webhooks"): "3.1",
    ("root", "jsonSchemaDialect"): "3.1",
    ("components", "pathItems"): "3.1",
    ("root", "$self"): "3.2",
    ("components", "mediaTypes"): "3.2",
    ("path", "query"): "3.2",
    ("path", "additionalOperations"): "3.2",
    **{("media", word): "3.2" for word in ("itemSchema", "prefixEncoding", "itemEncoding")},
    **{("encoding", word): "3.2" for word in ("encoding", "prefixEncoding", "itemEncoding")},
}


def vocabulary_of(tree: Any, format_name: str) -> Vocabulary:
    """The vocabulary of a contract's schemas. A JSON Schema without `$schema`, and an OpenAPI document that names
    dialects of its own, is read with every keyword; so are payloads of events, whose language their message names."""
    if format_name in _OPENAPI:
        own = isinstance(tree, dict) and "jsonSchemaDialect" in tree
        return ALL if own and format_name in ("openapi-3.1", "openapi-3.2") else _OPENAPI[format_name]
    if format_name in _DRAFTS and isinstance(tree, dict) and isinstance(tree.get("$schema"), str):
        return _draft(format_name) if _dialects(tree) == 1 else ALL
    return ALL


def _dialects(tree: Any) -> int:
    """How many schemas name a dialect: a part with one of its own may have other keywords."""
    return sum(isinstance(holder.get("$schema"), str) for holder in objects(tree))


@cache
def _draft(format_name: str) -> Vocabulary:
    draft = _DRAFTS[format_name]
    ignored = {word for word, first in _SINCE.items() if draft < first}
    ignored |= {word for word, last in _UNTIL.items() if draft > last}
    forms = {NUMBER_BOUND, BOOLEAN} if draft == 4 else {FLAG_BOUND}
    forms |= {DEPENDENCIES} if draft > 7 else set()
    forms |= {ITEM_LIST} if draft > 8 else set()
    return Vocabulary(f"JSON Schema {_words(format_name)}", frozenset({*ignored, "nullable"}), frozenset(forms))


def _words(format_name: str) -> str:
    name = format_name.partition("-")[2]
    return f"draft {int(name)}" if name.isdecimal() else name


def forms_of(raw: dict[str, Any], vocabulary: Vocabulary) -> Iterator[tuple[str, str]]:
    """The forms of one schema that its version does not have, each with the keyword that has it."""
    forms = vocabulary.forms
    kind = raw.get("type")
    if isinstance(kind, list):
        if TYPE_LIST in forms:
            yield TYPE_LIST, "type"
    elif kind == "null" and NULL_TYPE in forms:
        yield NULL_TYPE, "type"
    if ITEM_LIST in forms and isinstance(raw.get("items"), list):
        yield ITEM_LIST, "items"
    for word, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if word in raw:
            flag = isinstance(raw[word], bool)
            if FLAG_BOUND in forms and flag and raw[word] and bound in raw:
                yield FLAG_BOUND, word
            elif NUMBER_BOUND in forms and not flag:
                yield NUMBER_BOUND, word
    for word in (DEPENDENCIES, ANY_OF, ONE_OF, NOT):
        if word in forms and word in raw:
            yield word, word


def field_is_later(kind: str, field: str, format_name: str) -> str | None:
    """The OpenAPI that has a field of an object first, where that is a later one than the contract's; else None."""
    first = _FIELDS.get((kind, field))
    version = format_name.removeprefix("openapi-")
    return first if first is not None and version in ("3.0", "3.1") and version < first else None
