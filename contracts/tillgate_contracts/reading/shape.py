"""Values of the wrong JSON type. Where the structure is broken the contract is refused; a single keyword that cannot
mean anything (`required: true` in a schema, `maxLength: "10"`) is left out of the normal form and named as a
problem."""

from __future__ import annotations

from typing import Any

from tillgate_contracts.reading.detect import is_json_payload
from tillgate_contracts.reading.limits import refusal
from tillgate_contracts.reading.pointers import join
from tillgate_contracts.reading.references import Problem
from tillgate_contracts.reading.summary import METHODS
from tillgate_contracts.reading.walk import DATA, holds_names

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


_BY_KEY: dict[str, str] = {
    **dict.fromkeys(
        ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"), "an object of schemas"
    ),
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), "a list of schemas"),
    **dict.fromkeys(
        (
            *(
                "not",
                "if",
                "then",
                "else",
                "contains",
                "propertyNames",
                "additionalProperties",
                "unevaluatedProperties",
            ),
            *("unevaluatedItems", "contentSchema", "schema"),
        ),
        "a schema",
    ),
    **dict.fromkeys(("additionalItems",), "a schema"),
    **dict.fromkeys(("items",), "a schema or a list of schemas"),
    **dict.fromkeys(("type",), "a type name or a list of them"),
    **dict.fromkeys(("required",), "a list or true or false"),
    **dict.fromkeys(("enum", "tags"), "a list"),
    **dict.fromkeys(("minimum", "maximum", "multipleOf"), "a number"),
    **dict.fromkeys(("exclusiveMinimum", "exclusiveMaximum"), "a number or true or false"),
    **dict.fromkeys(
        (
            *("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains"),
            "maxContains",
        ),
        "a whole number",
    ),
    **dict.fromkeys(
        ("uniqueItems", "nullable", "readOnly", "writeOnly", "explode", "allowReserved", "allowEmptyValue"),
        "true or false",
    ),
    **dict.fromkeys(
        ("pattern", "format", "$ref", "name", "in", "operationId", "style", "contentType", "contentEncoding"), "text"
    ),
    **dict.fromkeys(("discriminator", "dependentRequired"), "an object"),
}
"""What a keyword must be wherever it stands; a value of another type is left out with a problem."""

_STRUCTURE: dict[str, str] = {
    **dict.fromkeys(("info", "components", "securityDefinitions"), "an object"),
    **dict.fromkeys(("paths", "webhooks", "pathItems"), "an object of objects"),
    **dict.fromkeys(METHODS, "an object"),
    **dict.fromkeys(
        ("responses", "content", "callbacks", "requestBodies", "securitySchemes", "links", "encoding"),
        "an object of objects",
    ),
    **dict.fromkeys(("requestBody",), "an object"),
    **dict.fromkeys(("parameters",), "a list or an object"),
    **dict.fromkeys(("schemas",), "an object of schemas"),
    **dict.fromkeys(("security",), "a list of security requirements"),
    **dict.fromkeys(("servers",), "a list of objects"),
}
"""Parts of an API description without which nothing can be compared; a value of another type refuses the contract."""

_EVENT_STRUCTURE: dict[str, str] = {
    **dict.fromkeys(
        ("info", "components", "servers", "bindings", "message", "publish", "subscribe", "channel", "reply"),
        "an object",
    ),
    **dict.fromkeys(
        ("channels", "operations", "parameters", "operationTraits", "messageTraits"), "an object of objects"
    ),
    **dict.fromkeys(("messages", "traits"), "a list or an object"),
    **dict.fromkeys(("schemas",), "an object of schemas"),
    **dict.fromkeys(("payload", "headers"), "a schema"),
}
"""The same for event descriptions."""

_SCHEMA_WORDS = frozenset(
    (
        "schema",
        "schemas",
        "properties",
        "definitions",
        "$defs",
        "items",
        "allOf",
        "anyOf",
        "oneOf",
        "payload",
        "headers",
        "bindings",
    )
)
_OBJECT_MEMBERS = frozenset(("an object of objects",))
_SCHEMA_MEMBERS = frozenset(("an object of schemas", "a list of schemas"))


_STRUCTURES = {"openapi": _STRUCTURE, "edmx": _STRUCTURE, "asyncapi": _EVENT_STRUCTURE}


def drop_meaningless(tree: dict[str, Any], kind_of_contract: str) -> tuple[dict[str, Any], list[Problem]]:
    """The tree without meaningless keywords, and what was left out. The tree itself is returned when nothing is wrong.

    Raises ContractError `contract.wrong_type` when the structure is broken.
    """
    wrong: list[tuple[tuple[str, ...], str, Any]] = []
    structure = _STRUCTURES.get(kind_of_contract.partition("-")[0], {})
    # In these two, a discriminator is the property's name.
    named_tag = kind_of_contract == "openapi-2.0" or kind_of_contract.startswith("asyncapi")
    events = kind_of_contract.startswith("asyncapi")
    stack: list[tuple[Any, bool, tuple[Any, str] | None]] = [(tree, False, None)]
    while stack:
        value, names, trail = stack.pop()
        if type(value) is list:
            for number, item in enumerate(value):
                if type(item) is dict or type(item) is list:
                    stack.append((item, False, (trail, str(number))))
            continue
        other_language = events and not is_json_payload(value.get("schemaFormat"))
        for key, item in value.items():
            kind = type(item)
            if other_language and key in ("payload", "schema"):
                continue  # Avro, Protobuf and the like: no keyword of ours
            if names:
                if kind is dict or kind is list:
                    stack.append((item, False, (trail, key)))
                continue
            expected = _BY_KEY.get(key)
            if expected is not None and not (named_tag and key == "discriminator" and kind is str):
                if not _fits(key, item, kind, expected, value):
                    wrong.append(((*_tokens(trail), key), expected, item))
                    if expected not in _SCHEMA_MEMBERS or kind not in _KINDS[expected]:
                        continue
            elif key in structure and not _fits(key, item, kind, needed := _expected(structure, key, trail), value):
                if item is None:
                    wrong.append(((*_tokens(trail), key), needed, item))
                    continue
                if not _SCHEMA_WORDS & set(_tokens(trail)):
                    raise _refuse((*_tokens(trail), key), needed, item)
            if key in DATA or (key[:2] == "x-" and key != "x-bundled"):
                continue
            if kind is dict:
                stack.append((item, holds_names(key, item), (trail, key)))
            elif kind is list and key != "examples":
                stack.append((item, False, (trail, key)))
    if not wrong:
        return tree, []
    return _without(tree, [tokens for tokens, _, _ in wrong]), [_problem(*entry) for entry in wrong]


def _fits(key: str, item: Any, kind: type, expected: str, holder: dict[str, Any]) -> bool:
    if kind not in _KINDS[expected]:
        return False
    if expected in _SCHEMA_MEMBERS:
        return all(type(one) is dict or type(one) is bool for one in (item.values() if kind is dict else item))
    if expected in _OBJECT_MEMBERS:
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


def _expected(structure: dict[str, str], key: str, trail: Any) -> str:
    """What a part of the structure must be here: an event operation lists its messages, a channel names them."""
    if key == "messages":
        return "a list" if {"operations", "operationTraits", "reply"} & set(_tokens(trail)) else "an object of objects"
    return structure[key]


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


def _without(tree: dict[str, Any], places: list[tuple[str, ...]]) -> dict[str, Any]:
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

    for tokens in sorted(
        places, key=len, reverse=True
    ):  # Inner ones first: removing members of a list moves the others.
        holder: Any = made
        for token in tokens[:-1]:
            holder = own(holder, token)
        value = holder.pop(tokens[-1], None)
        expected = _BY_KEY.get(tokens[-1]) or _STRUCTURE.get(tokens[-1], "")
        if expected in _SCHEMA_MEMBERS and type(value) in _KINDS[expected]:
            fits = (dict, bool)
            if isinstance(value, dict):
                holder[tokens[-1]] = {name: one for name, one in value.items() if isinstance(one, fits)}
            else:
                holder[tokens[-1]] = [one for one in value if isinstance(one, fits)]
        elif tokens[-1] == "required" and isinstance(value, list):
            holder["required"] = [one for one in value if isinstance(one, str)]
    return made
