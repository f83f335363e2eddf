"""What a contract holds of other versions of its format, listed as problems."""

from __future__ import annotations

from typing import Any

from tillgate_contracts.reading.pointers import join
from tillgate_contracts.reading.references import Problem
from tillgate_contracts.reading.vocabulary import BOOLEAN, field_is_later, forms_of, vocabulary_of

#: Where schemas stand below a schema, apart from those that every version may write as true or false.
_ONE = ("not", "items", "if", "then", "else", "contains", "propertyNames", "contentSchema")
_MAPS = ("properties", "patternProperties", "dependentSchemas")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")


class OtherVersions:
    """Collects while a contract is walked: keywords and forms of schemas once each with their number of places, fields
    of other objects at each place."""

    def __init__(self, tree: dict[str, Any], kind_of_contract: str) -> None:
        self.format = kind_of_contract
        self.vocabulary = vocabulary_of(tree, kind_of_contract)
        self._schema_root = kind_of_contract.startswith("jsonschema")
        self._found: dict[tuple[str, bool], list[tuple[str, ...]]] = {}
        self._fields: list[tuple[tuple[str, ...], str]] = []

    def look(self, value: dict[str, Any], kind: str, trail: Any) -> None:
        """One object of the contract. `trail`: where it stands, innermost token first, in pairs."""
        if kind == "schema" or (self._schema_root and kind == "root"):
            if self.vocabulary.name:
                self._schema(value, trail)
            return
        for field in value:
            first = field_is_later(kind, field, self.format)
            if first is not None:
                self._fields.append(((*_tokens(trail), field), first))

    def _schema(self, value: dict[str, Any], trail: Any) -> None:
        if "$ref" in value and self.format in ("openapi-2.0", "openapi-3.0"):
            return  # keywords beside a reference do not count anyway
        ignored = self.vocabulary.ignored & value.keys()
        for word in ignored:
            if word != "nullable" or value[word] is True:
                self._found.setdefault((word, True), []).append((*_tokens(trail), word))
        for form, word in forms_of(value, self.vocabulary):
            self._found.setdefault((form, False), []).append((*_tokens(trail), word))
        if BOOLEAN in self.vocabulary.forms:
            for place in _booleans(value, ignored):
                self._found.setdefault((BOOLEAN, False), []).append((*_tokens(trail), *place))

    def problems(self) -> list[Problem]:
        found = []
        name = self.vocabulary.name
        for (what, idle), places in sorted(self._found.items()):
            pointer = join(min(places))
            many = "" if len(places) == 1 else f" ({len(places)} places)"
            found.append(
                Problem("keyword.other_version", pointer, f"{name} does not have {what}: it is without effect{many}.")
                if idle
                else Problem(
                    "keyword.other_version",
                    pointer,
                    f"{name} does not have {what}: it is read as other versions read it{many}.",
                )
            )
        version = self.format.removeprefix("openapi-")
        found += [
            Problem(
                "field.other_version",
                join(tokens),
                f"OpenAPI {version} does not have {tokens[-1]} here: it is read as OpenAPI {first} reads it.",
            )
            for tokens, first in self._fields
        ]
        return found


def _booleans(value: dict[str, Any], ignored: frozenset[str]) -> list[tuple[str, ...]]:
    places: list[tuple[str, ...]] = [(word,) for word in _ONE if isinstance(value.get(word), bool)]
    for word in (*_MAPS, *_LISTS):
        members = value.get(word)
        pairs = (
            members.items() if isinstance(members, dict) else enumerate(members) if isinstance(members, list) else ()
        )
        places += [(word, str(name)) for name, one in pairs if isinstance(one, bool)]
    return [place for place in places if place[0] not in ignored]


def _tokens(trail: Any) -> tuple[str, ...]:
    found = []
    while trail is not None:
        trail, token = trail
        found.append(token)
    return tuple(reversed(found))
