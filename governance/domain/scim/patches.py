"""Changes of a resource by PATCH (RFC 7644 §3.5.2): every form of the standard, and what Entra ID and Okta send
instead of it.

| who | sends | means |
|---|---|---|
| Entra ID | `"op": "Replace"`, `"active": "False"` | words and booleans in any case, as texts |
| Entra ID | `"remove"`, `"path": "members"`, `"value": [{"value": "…"}]` | those members, and no others |
| Entra ID | `"remove"`, `"path": "members"`, `"value": []` | none of them |
| Entra ID | no path, `{"name.givenName": "…", "urn:…:User:title": "…"}` | each name is a path |
| Entra ID | `"add"`, `"path": "emails[type eq \\"work\\"].value"` where there is none | the value is made |
| Okta | no path, `{"id": "…", "displayName": "…"}` | what is written here alone is passed over |
| Okta | `"value": {"active": false}` | as the standard |
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from governance.domain.scim import filters
from governance.domain.scim.errors import ScimError, invalid_value
from governance.domain.scim.schema import (
    Attribute,
    ResourceType,
    bare,
    only_one_primary,
    require_once,
    single,
    unwrapped,
    value_of,
)

MESSAGE = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
MOST_OPERATIONS = 1_000
ADD, REPLACE, REMOVE = "add", "replace", "remove"
_PATH = re.compile(r"(?P<name>[^\[\]]+)(?:\[(?P<filter>.*)\](?:\.(?P<part>[\w$-]+))?)?\Z", re.DOTALL)
_MISSING = object()


@dataclass(frozen=True, slots=True)
class _Target:
    """Where an operation writes: an attribute, the values of it that a filter chooses, a part of them."""

    attribute: Attribute
    part: Attribute | None = None
    chosen: filters.Filter | None = None


def apply(kind: ResourceType, document: dict[str, Any], body: Any) -> dict[str, Any]:
    """The resource after every operation of a patch; the one that was given stays. Raises ScimError with the number of
    the operation that cannot be carried out; then none is."""
    made = deepcopy(document)
    for number, operation in enumerate(_operations(body), 1):
        try:
            _carry_out(kind, made, operation)
        except ScimError as error:
            raise ScimError(error.status, f"Operation {number}: {error.message}", error.scim_type) from None
    return {name: value for name, value in made.items() if value not in (None, "", [], {})}


def _operations(body: Any) -> list[Any]:
    if not isinstance(body, dict):
        raise ScimError(400, "Send one JSON object with `Operations`.", "invalidSyntax")
    require_once(body)
    said = {str(name).lower(): value for name, value in body.items()}
    schemas = said.get("schemas")
    if schemas is not None and MESSAGE.lower() not in [str(one).lower() for one in _listed(schemas)]:
        raise ScimError(400, f"`schemas` does not name {MESSAGE}.", "invalidSyntax")
    operations = _listed(said.get("operations") or [])
    if not operations:
        raise ScimError(400, "`Operations` holds at least one operation.", "invalidSyntax")
    if len(operations) > MOST_OPERATIONS:
        raise ScimError(413, f"At most {MOST_OPERATIONS:,} operations at once, not {len(operations):,}.", "tooMany")
    return operations


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _carry_out(kind: ResourceType, document: dict[str, Any], operation: Any) -> None:
    if not isinstance(operation, dict):
        raise ScimError(400, "an object with `op`, `path` and `value`.", "invalidSyntax")
    require_once(operation)
    said = {str(name).lower(): value for name, value in operation.items()}
    word, path, value = str(said.get("op", "")).lower(), said.get("path"), said.get("value", _MISSING)
    if word not in (ADD, REPLACE, REMOVE):
        raise ScimError(400, f"`op` is add, replace or remove, not {word[:40]!r}.", "invalidSyntax")
    if path is not None and not isinstance(path, str):
        raise ScimError(400, "`path` is a text.", "invalidPath")
    if word != REMOVE and value is _MISSING:
        raise invalid_value(f"{word} needs a `value`.")
    if not path or path.lower() == kind.urn.lower():
        if word == REMOVE:
            raise ScimError(400, "remove needs a `path`.", "noTarget")
        if not isinstance(value, dict):
            raise invalid_value("without a `path`, `value` is an object of attributes.")
        for name, one in unwrapped(kind, value):
            target = _target(kind, name, whole=True)
            if target is not None and not _is_read_only(target):
                _write(document, word, target, one)
        return
    target = _target(kind, path)
    if target is None:
        return
    if _is_read_only(target):
        raise ScimError(400, f"{path[:100]} is not written by anybody.", "mutability")
    if word == REMOVE or value is None:
        _remove(document, target, value)
    else:
        _write(document, word, target, value)


def _is_read_only(target: _Target) -> bool:
    return target.attribute.read_only or (target.part is not None and target.part.read_only)


def _target(kind: ResourceType, path: str, *, whole: bool = False) -> _Target | None:
    """None for an attribute of the standard that is not kept here. `whole`: the path came as a name among attributes,
    where one that nobody knows is dropped, as it is at a PUT. Raises ScimError `invalidPath`."""
    found = _PATH.match(bare(path.strip()))
    if found is None:
        raise ScimError(400, f"the path {path[:100]!r} cannot be read.", "invalidPath")
    name, _, part_name = found["name"].strip().partition(".")
    if name.lower().startswith("urn:"):
        return None
    attribute = kind.attribute(name)
    part_name = part_name or found["part"] or ""
    if attribute is None:
        if whole or kind.is_dropped(name):
            return None
        raise ScimError(400, f"there is no attribute {name[:60]!r}.", "invalidPath")
    part = attribute.part(part_name) if part_name else None
    if part_name and part is None:
        if attribute.name == "name" or part_name.lower() == "display":
            return None  # `name.middleName` and its like are not kept
        raise ScimError(400, f"{attribute.name} has no {part_name[:60]!r}.", "invalidPath")
    chosen = filters.parse(found["filter"]) if found["filter"] is not None else None
    if chosen is not None and not (attribute.multi and attribute.sub):
        raise ScimError(400, f"{attribute.name} has no values to choose from.", "invalidPath")
    return _Target(attribute, part, chosen)


def _write(document: dict[str, Any], word: str, target: _Target, value: Any) -> None:
    attribute, part = target.attribute, target.part
    if value is None:
        _remove(document, target, _MISSING)
    elif not attribute.multi:
        if part is not None:
            document.setdefault(attribute.name, {})[part.name] = single(part, value, f"{attribute.name}.{part.name}")
        elif attribute.type == "complex":
            made = value_of(attribute, value)
            document[attribute.name] = made if word == REPLACE else document.get(attribute.name, {}) | made
        else:
            document[attribute.name] = value_of(attribute, value)
    elif target.chosen is None and part is None:
        made = value_of(attribute, value)
        document[attribute.name] = made if word == REPLACE else _joined(document.get(attribute.name, []), made)
    else:
        _write_values(document, word, target, value)


def _joined(held: list[Any], new: list[Any]) -> list[Any]:
    """Those that are there, and the new ones that are not; a new primary value takes the place of the old one."""
    there = {_identity(one) for one in held}
    fresh = []
    for one in new:
        if _identity(one) not in there:
            there.add(_identity(one))
            fresh.append(one)
    if any(one.get("primary") for one in fresh if isinstance(one, dict)):
        held = [{**one, "primary": False} if one.get("primary") else one for one in held]
    return held + fresh


def _identity(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return str(value.get("value", "")).casefold(), str(value.get("type", "")).casefold()


def _write_values(document: dict[str, Any], word: str, target: _Target, value: Any) -> None:
    """Into the values that the path chooses; all of them without a filter."""
    attribute, part = target.attribute, target.part
    held = document.setdefault(attribute.name, [])
    where = attribute.name if part is None else f"{attribute.name}.{part.name}"
    wrapped = value[0] if isinstance(value, list) and len(value) == 1 else value
    new = {part.name: single(part, wrapped, where)} if part is not None else single(attribute, wrapped, where)
    hit = [one for one in held if target.chosen is None or filters.matches_value(target.chosen, one, attribute)]
    if not hit:
        if target.chosen is not None and word == REPLACE:
            raise ScimError(400, f"no value of {attribute.name} is as the path says.", "noTarget")
        made = dict(_said_by(target.chosen, attribute)) | new
        document[attribute.name] = _joined(held, [made])
        return
    for one in hit:
        if part is None and word == REPLACE:
            one.clear()
        one.update(new)
    if new.get("primary") is True:
        for other in held:
            if other is not hit[0] and other.get("primary"):
                other["primary"] = False
    only_one_primary(attribute.name, held)


def _said_by(chosen: filters.Filter | None, attribute: Attribute) -> list[tuple[str, Any]]:
    """The parts of a new value that the filter of its path names: `type` of `emails[type eq "work"]`."""
    if chosen is None:
        return []
    parts = ((attribute.part(name), text) for name, text in filters.equals(chosen).items())
    return [(part.name, single(part, text, attribute.name)) for part, text in parts if part is not None]


def _remove(document: dict[str, Any], target: _Target, value: Any) -> None:
    attribute, part = target.attribute, target.part
    if attribute.required or attribute.stays:
        raise ScimError(400, f"{attribute.name} is always there: replace it.", "mutability")
    if attribute.name not in document:
        return
    held = document[attribute.name]
    if not attribute.multi:
        if part is None:
            del document[attribute.name]
        else:
            held.pop(part.name, None)
    elif target.chosen is None and part is None:
        gone = value_of(attribute, value) if value not in (_MISSING, None, "") else None  # an empty list names none
        values = {str(one.get("value", "")).casefold() for one in gone} if gone is not None else None
        document[attribute.name] = [
            one for one in held if values is not None and str(one.get("value", "")).casefold() not in values
        ]
    else:
        kept = []
        for one in held:
            if target.chosen is None or filters.matches_value(target.chosen, one, attribute):
                if part is None:
                    continue
                one.pop(part.name, None)
            kept.append(one)
        document[attribute.name] = [one for one in kept if one]
