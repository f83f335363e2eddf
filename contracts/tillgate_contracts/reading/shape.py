"""Values of the wrong JSON type. Where the structure is broken the contract is refused; a single keyword that cannot
mean anything (`required: true` in a schema, `maxLength: "10"`) is left out of the normal form and named as a problem,
and so is a field that the format does not know, with all that stands below it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from tillgate_contracts.reading.detect import is_json_payload
from tillgate_contracts.reading.grammar import DATA, EITHER, LIST, MAP, OBJECTS, ONE, SOME, FieldRule, grammar_of
from tillgate_contracts.reading.limits import refusal
from tillgate_contracts.reading.pointers import fragment_tokens, join, resolve
from tillgate_contracts.reading.references import Problem
from tillgate_contracts.reading.versions import OtherVersions
from tillgate_contracts.reading.walk import objects

_KINDS: dict[str, tuple[type, ...]] = {
    "an object": (dict,),
    "a list": (list,),
    "text": (str,),
    "a number": (int, float),
    "a whole number": (int, float),
    "true or false": (bool,),
    "a schema": (dict, bool),
    "a list of schemas": (list,),
    "an object of schemas": (dict,),
    "a list of texts": (list,),
    "a type name or a list of them": (str, list),
    "a schema or a list of schemas": (dict, bool, list),
    "a number or true or false": (int, float, bool),
    "a list or an object": (list, dict),
    "a list or true or false": (list, bool),
    "an object or a boolean": (dict, bool),
    "an object of objects": (dict,),
    "a list of objects": (list,),
    "a list of security requirements": (list,),
}


_SCHEMA_MEMBERS = frozenset(("an object of schemas", "a list of schemas"))
#: Objects whose fields are keywords: one that is not known is an annotation, and the comparison says so.
_OPEN = frozenset(("schema", "payload", "channel parameter", "callback"))
#: Fields that hold any value, and that the walk of references would take for a map of names.
_VALUES = frozenset((("response", "examples"),))
Trail = tuple[Any, str] | None


class WrongValue(NamedTuple):
    """A value that is not what its field must be: where, what was expected, and what stands there."""

    tokens: tuple[str, ...]
    expected: str
    item: Any


def drop_meaningless(tree: dict[str, Any], kind_of_contract: str) -> tuple[dict[str, Any], list[Problem]]:
    """The tree without meaningless keywords and unknown fields, and what was left out. The tree itself is returned when
    nothing is wrong.

    Raises ContractError `contract.wrong_type` when the structure is broken.
    """
    judge = _Judge(tree, kind_of_contract)
    judge.run()
    unknown = judge.untargeted(judge.unknown)
    others = judge.versions.problems()
    if not judge.wrong and not unknown:
        return tree, others
    made = _without(tree, [(found.tokens, found.expected) for found in judge.wrong] + [(one, "") for one in unknown])
    first = {tokens[-1]: tokens for tokens in reversed(unknown)}
    notes = [_unknown(tokens) for tokens in unknown if first[tokens[-1]] is tokens]
    return made, [*(_problem(*found) for found in judge.wrong), *notes, *others]


def values_in(tree: dict[str, Any], kind_of_contract: str) -> frozenset[int]:
    """The `id` of each object or list that is data although a walk by names alone would take it for structure: fields
    that the format does not know, and the examples of a Swagger response."""
    judge = _Judge(tree, kind_of_contract, quiet=True)
    judge.run()
    places = [*judge.unknown, *judge.foreign]
    kept = set(judge.untargeted(places))
    found = {id(item) for tokens, item in places if tokens in kept}
    return frozenset((found | judge.values) - judge.visited)


class _Judge:
    """One walk over a contract by the grammar of its format. `quiet`: wrong values are passed over."""

    def __init__(self, tree: dict[str, Any], kind_of_contract: str, *, quiet: bool = False) -> None:
        self.tree = tree
        self.grammar = grammar_of(kind_of_contract)
        self.quiet = quiet
        # In these two, a discriminator is the property's name.
        self.named_tag = kind_of_contract == "openapi-2.0" or kind_of_contract.startswith("asyncapi")
        self.wrong: list[WrongValue] = []
        self.unknown: list[tuple[tuple[str, ...], Any]] = []
        #: Keywords of schemas that no draft knows: annotations, which stay.
        self.foreign: list[tuple[tuple[str, ...], Any]] = []
        self.values: set[int] = set()
        self.visited: set[int] = set()
        self.versions = OtherVersions(tree, kind_of_contract)
        self._stack: list[tuple[Any, str, Trail]] = [(tree, "root", None)]
        self._refs: dict[str, str] = {}

    def run(self) -> None:
        while self._stack:
            while self._stack:
                value, kind, trail = self._stack.pop()
                if id(value) not in self.visited:
                    self.visited.add(id(value))
                    self._object(value, kind, trail)
            # What only a reference leads to is what the reference stands for.
            for ref, kind in self._refs.items():
                target = resolve(self.tree, ref)
                if type(target) is dict and id(target) not in self.visited:
                    trail = None
                    for token in fragment_tokens(ref) or ():
                        trail = (trail, token)
                    self._stack.append((target, kind, trail))
            self._refs.clear()

    def untargeted(self, places: list[tuple[tuple[str, ...], Any]]) -> list[tuple[str, ...]]:
        """Those places into which no reference of the contract leads."""
        if not places:
            return []
        refs = {ref for holder in objects(self.tree) if type(ref := holder.get("$ref")) is str and ref[:1] == "#"}
        aims = ["/" + "/".join(fragment_tokens(ref) or ()) + "/" for ref in refs]
        found = []
        for tokens, _ in places:
            start = "/" + "/".join(tokens) + "/"
            if not any(aim.startswith(start) for aim in aims):
                found.append(tokens)
        return sorted(found)

    def _object(self, value: dict[str, Any], kind: str, trail: Trail) -> None:
        fields = self.grammar[kind]
        if not self.quiet:
            self.versions.look(value, kind, trail)
        rest = fields.get("*")
        ref = value.get("$ref")
        if type(ref) is str and ref[:2] == "#/":
            self._refs[ref] = kind
        other_language = "schemaFormat" in value and not is_json_payload(value["schemaFormat"])
        for key, item in value.items():
            field = fields.get(key)
            if field is None:
                if rest is not None and key[:2] != "x-":
                    field = rest
                else:
                    if key[:2] != "x-" and (type(item) is dict or type(item) is list):
                        (self.foreign if kind in _OPEN else self.unknown).append(((*_tokens(trail), key), item))
                    continue
            if other_language and key in ("payload", "schema"):
                continue  # Avro, Protobuf and the like: no keyword of ours
            if (kind, key) in _VALUES and (type(item) is dict or type(item) is list):
                self.values.add(id(item))
            if field.expected and not self._accept(key, item, field, value, trail):
                continue
            if field.shape is not DATA:
                self._stack.extend(self._below(key, item, field, trail))

    def _accept(self, key: str, item: Any, field: FieldRule, holder: dict[str, Any], trail: Trail) -> bool:
        """Whether to go on below a field. Records or refuses what is not as it must be."""
        kind = type(item)
        if self.named_tag and key == "discriminator" and kind is str:
            return False
        if _fits(key, item, kind, field.expected, holder):
            return True
        if self.quiet:
            return kind is dict or kind is list
        tokens = (*_tokens(trail), key)
        if field.strict and item is not None:
            raise _refuse(tokens, field.expected, item)
        self.wrong.append(WrongValue(tokens, field.expected, item))
        return field.expected in _SCHEMA_MEMBERS and kind in _KINDS[field.expected]

    def _below(self, key: str, item: Any, field: FieldRule, trail: Trail) -> Iterator[tuple[Any, str, Trail]]:
        here = (trail, key)
        if type(item) is dict:
            if field.shape is ONE or field.shape is SOME:
                yield item, field.kind, here
            elif field.shape is MAP or field.shape is EITHER:
                extensions = field.kind not in ("schema", "payload")
                for name, one in item.items():
                    if type(one) is dict and not (extensions and name[:2] == "x-"):
                        yield one, field.kind, (here, name)
        elif type(item) is list and field.shape in (LIST, EITHER, SOME):
            for number, one in enumerate(item):
                if type(one) is dict:
                    yield one, field.kind, (here, str(number))


def _fits(key: str, item: Any, kind: type, expected: str, holder: dict[str, Any]) -> bool:
    if kind not in _KINDS[expected]:
        return False
    if expected in _SCHEMA_MEMBERS:
        return all(type(one) is dict or type(one) is bool for one in (item.values() if kind is dict else item))
    if expected == OBJECTS:
        return all((type(one) is dict and name) or name[:2] == "x-" for name, one in item.items())
    if expected == "a list of objects":
        return all(type(one) is dict for one in item)
    if expected == "a list of security requirements":
        return all(
            type(one) is dict and all(scopes is None or _texts(scopes) for scopes in one.values()) for one in item
        )
    if key == "required":
        if kind is bool:
            return (
                "in" in holder
                or "content" in holder
                or "schema" in holder
                or not ({"properties", "type", "$ref"} & holder.keys())
            )
        return _texts(item)
    if key == "type" and kind is list:
        return _texts(item)
    if expected == "a list or an object" and kind is list:
        return all(type(one) is dict for one in item)
    return not (expected == "a whole number" and item < 0)


def _texts(value: Any) -> bool:
    return type(value) is list and all(type(one) is str for one in value)


def _tokens(trail: Any) -> tuple[str, ...]:
    found = []
    while trail is not None:
        trail, token = trail
        found.append(token)
    return tuple(reversed(found))


def _shown(item: Any) -> str:
    if isinstance(item, dict | list):
        return "an object" if isinstance(item, dict) else "a list"
    text = repr(item) if isinstance(item, str) else {True: "true", False: "false", None: "null"}.get(item, str(item))
    return text if len(text) <= 60 else text[:60] + "…"


def _refuse(tokens: tuple[str, ...], expected: str, item: Any) -> Exception:
    pointer = join(tokens)
    culprit = ""
    if type(item) in _KINDS[expected] and isinstance(item, dict):
        name = next((name for name, one in item.items() if not name or not isinstance(one, dict | bool)), None)
        if name == "":
            return refusal(
                "contract.wrong_type", f"{pointer} has an entry without a name. Correct the contract.", pointer=pointer
            )
        if name is not None:
            pointer, item = join((*tokens, name)), item[name]
            expected = "an object"
    elif type(item) in _KINDS[expected]:
        culprit = " with members of another type"
    return refusal(
        "contract.wrong_type",
        f"{pointer} must be {expected}, and is {_shown(item)}{culprit}. Correct the contract.",
        pointer=pointer,
    )


def _problem(tokens: tuple[str, ...], expected: str, item: Any) -> Problem:
    pointer = join(tokens)
    if expected == "a list or true or false":
        expected = "a list of property names"
    if type(item) in _KINDS.get(expected, ()) and type(item) is not bool:
        return Problem(
            "keyword.malformed", pointer, f"{tokens[-1]} holds members of the wrong type and is not counted."
        )
    return Problem(
        "keyword.malformed", pointer, f"{tokens[-1]} must be {expected}, and is {_shown(item)}: it is not counted."
    )


def _unknown(tokens: tuple[str, ...]) -> Problem:
    return Problem(
        "field.unknown",
        join(tokens),
        f"{tokens[-1]} is no field of the format here; what stands in it is not looked at. "
        "Name a field of your own with x- in front.",
    )


def _without(tree: dict[str, Any], places: list[tuple[tuple[str, ...], str]]) -> dict[str, Any]:
    """A copy that shares what is unchanged.

    Wrong members are taken out of maps and lists; other values go as a whole.
    """
    made = dict(tree)
    copies: dict[int, Any] = {id(made): made}

    def own(holder: Any, token: str) -> Any:
        index: Any = int(token) if isinstance(holder, list) else token
        child = holder[index]
        if id(child) not in copies:
            child = dict(child) if isinstance(child, dict) else list(child)
            copies[id(child)] = child
            holder[index] = child
        return child

    # Inner ones first: removing members of a list moves the others.
    for tokens, expected in sorted(places, key=lambda place: len(place[0]), reverse=True):
        holder: Any = made
        for token in tokens[:-1]:
            holder = own(holder, token)
        value = holder.pop(tokens[-1], None)
        if expected in _SCHEMA_MEMBERS and type(value) in _KINDS[expected]:
            fits = (dict, bool)
            if isinstance(value, dict):
                holder[tokens[-1]] = {name: one for name, one in value.items() if isinstance(one, fits)}
            else:
                holder[tokens[-1]] = [one for one in value if isinstance(one, fits)]
        elif tokens[-1] == "required" and isinstance(value, list):
            holder["required"] = [one for one in value if isinstance(one, str)]
    return made
