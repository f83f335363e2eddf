"""Filters of SCIM as conditions of the database, so that a question about twenty thousand people reads those that it is
about. What is compared without regard to case is compared as `lower` of the database says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import CharField, F, Func, JSONField, Q, TextField, Value
from django.db.models.fields.json import DataContains
from django.db.models.functions import Cast, Lower, StrIndex
from django.db.models.lookups import Exact, GreaterThan

from governance.domain.scim import filters
from governance.domain.scim.schema import PEOPLE, Attribute, ResourceType, uuid_of
from governance.models import ProvisionedGroup
from governance.models.provisioning import words_in_small_letters
from kernel import persons
from kernel.user_names import prepared

Members = ProvisionedGroup.members.through
_NONE, _ALL = Q(pk__in=[]), Q(pk__isnull=False)
_MOMENTS = {"meta.created": "made_at", "meta.lastmodified": "changed_at"}
_MEMBERS = {"members": ("person", "group"), "groups": ("group", "person")}


@dataclass(frozen=True, slots=True)
class Narrowed:
    """All that a filter is about is among what `wanted` finds. Where `exact`, nothing else is."""

    wanted: Q
    exact: bool


def narrowed(kind: ResourceType, made: filters.Filter) -> Narrowed | None:
    """The condition that a filter makes; None where the database cannot narrow anything by it."""
    match made:
        case filters.Both(left, right):
            return _all_of([narrowed(kind, left), narrowed(kind, right)])
        case filters.Either(left, right):
            one, other = narrowed(kind, left), narrowed(kind, right)
            if one is None or other is None:
                return None
            return Narrowed(one.wanted | other.wanted, one.exact and other.exact)
        case filters.Negated(inner):
            return _negated(narrowed(kind, inner))
        case filters.OfOneValue(path, inner):
            texts = [_with_words(kind, path.lower(), text) for text in _texts(inner)]
            return _all_of([_of_one_value(kind, path, filters.equals(inner)), *texts])
        case filters.AttributeComparison(path, "ne", value):
            return _negated(_equal(kind, path.lower(), value))
        case filters.AttributeComparison(path, "eq", value):
            return _equal(kind, path.lower(), value)
        case filters.AttributeComparison(path, "co" | "sw" | "ew", str(value)):
            return _with_words(kind, path.lower(), value)
        case filters.AttributeComparison(path, operator, value):
            return _ordered(path.lower(), operator, value)
        case filters.Present(path):
            return _present(kind, path.lower())
    return None


def _all_of(several: list[Narrowed | None]) -> Narrowed | None:
    """What all of them find; exact where each of them is there and is."""
    known = [one for one in several if one is not None]
    if not known:
        return None
    return Narrowed(Q(*(one.wanted for one in known)), all(one is not None and one.exact for one in several))


def _texts(made: filters.Filter) -> Iterator[str]:
    """The texts that a value has to hold, of the comparisons that are joined by `and`."""
    match made:
        case filters.Both(left, right):
            yield from _texts(left)
            yield from _texts(right)
        case filters.AttributeComparison(_, "co" | "sw" | "ew", str(text)):
            yield text


def _present(kind: ResourceType, path: str) -> Narrowed | None:
    """What is not empty; of a person, empty values are not kept."""
    name, _, part_name = path.partition(".")
    if path == "id" or (kind is PEOPLE and path in ("active", "username")):
        return Narrowed(_ALL, exact=True)
    attribute = kind.attribute(name)
    if kind is not PEOPLE or attribute is None or attribute.read_only or (part_name and attribute.type != "complex"):
        return None
    if not part_name:
        return Narrowed(Q(said__has_key=attribute.name), exact=attribute.type != "complex")
    return Narrowed(Q(said__has_key=attribute.name), exact=False)


def _with_words(kind: ResourceType, path: str, value: str) -> Narrowed | None:
    """The people of whom a provider wrote this text, wherever that is."""
    attribute = kind.attribute(path.partition(".")[0])
    if kind is not PEOPLE or attribute is None or attribute.read_only or not value:
        return None
    text = json.dumps(prepared(value) if attribute.prepared else value, ensure_ascii=False)[1:-1]
    place = StrIndex(Lower(Cast(F("said"), TextField())), Lower(Value(text)))
    return Narrowed(Q(GreaterThan(place, 0)), exact=False)


def _negated(inner: Narrowed | None) -> Narrowed | None:
    return Narrowed(~inner.wanted, exact=True) if inner is not None and inner.exact else None


def _ordered(path: str, operator: str, value: Any) -> Narrowed | None:
    moment = filters.moment(value) if path in _MOMENTS else None
    if moment is None or operator not in ("gt", "ge", "lt", "le"):
        return None
    return Narrowed(Q(**{f"{_MOMENTS[path]}__{operator.replace('e', 'te')}": moment}), exact=True)


def _equal(kind: ResourceType, path: str, value: Any) -> Narrowed | None:
    """What an attribute equals; `path` in small letters."""
    if path == "active" and kind is PEOPLE:
        said = _truth(value)
        return Narrowed(Q(account__is_active=said) if said is not None else _NONE, exact=True)
    if not isinstance(value, str):
        return None if value is None else _kept(kind, path, value)
    name, _, part = path.partition(".")
    if path == "id":
        key = uuid_of(value)
        return Narrowed(Q(pk=key) if key else _NONE, exact=False)
    if name in _MEMBERS and part in ("", "value") and kind.attribute(name) is not None:
        return _of_members(name, value)
    if path == "groups.display" and kind is PEOPLE:
        named = Members._default_manager.filter(_same_text("provisionedgroup__name", value))
        return Narrowed(Q(pk__in=named.values("provisionedperson_id")), exact=False)
    if path == "externalid":
        return Narrowed(Q(external_id=value), exact=False)
    if path == "username" and kind is PEOPLE:
        return Narrowed(Q(persons.has_name("user_name", value)), exact=False)
    if path == "displayname" and kind is not PEOPLE:
        return Narrowed(Q(_same_text("name", value)), exact=False)
    return _kept(kind, path, value)


def _of_members(name: str, value: str) -> Narrowed:
    asked, found = _MEMBERS[name]
    key = uuid_of(value)
    if key is None:
        return Narrowed(_NONE, exact=True)
    rows = Members._default_manager.filter(**{f"provisioned{asked}_id": key})
    return Narrowed(Q(pk__in=rows.values(f"provisioned{found}_id")), exact=str(key) == value)


def _same_text(column: str, value: str) -> Exact:
    return Exact(Lower(F(column)), Lower(Value(value)))


def _truth(value: Any) -> bool | None:
    return (
        {"true": True, "false": False}.get(value.lower())
        if isinstance(value, str)
        else (value if isinstance(value, bool) else None)
    )


def _kept(kind: ResourceType, path: str, value: Any) -> Narrowed | None:
    """Of what a person's `said` holds."""
    name, _, part_name = path.partition(".")
    attribute = kind.attribute(name)
    if kind is not PEOPLE or attribute is None or attribute.read_only:
        return None
    if attribute.type != "complex":
        return _holding({attribute.name: value}) if _fits(attribute, value) and not part_name else None
    part = attribute.part(part_name or "value")
    if part is None or (value := _as_kept(part, value)) is None:
        return None
    one = {part.name: value}
    return _holding({attribute.name: [one] if attribute.multi else one})


def _fits(attribute: Attribute, value: Any) -> bool:
    return attribute.type == "string" and not attribute.case_exact and isinstance(value, str)


def _as_kept(part: Attribute, value: Any) -> Any:
    """A value as it is kept of such a part; None where it cannot be said."""
    if part.type == "boolean":
        return _truth(value)
    return value if _fits(part, value) else None


def _of_one_value(kind: ResourceType, path: str, equal: dict[str, str]) -> Narrowed | None:
    """Of what one value of a list holds together."""
    attribute = kind.attribute(path)
    if attribute is None or not equal:
        return None
    if attribute.name in _MEMBERS:
        value = equal.get("value")
        found = _of_members(attribute.name, value) if value is not None else None
        return Narrowed(found.wanted, exact=False) if found else None
    parts = {name: attribute.part(name) for name in equal}
    one = {
        part.name: said for name, part in parts.items() if part and (said := _as_kept(part, equal[name])) is not None
    }
    if kind is not PEOPLE or attribute.type != "complex" or attribute.read_only or not one:
        return None
    found = _holding({attribute.name: [one] if attribute.multi else one})
    return Narrowed(found.wanted, exact=False)


def _holding(said: dict[str, Any]) -> Narrowed:
    wanted: Func = Func(
        Value(json.dumps(said, ensure_ascii=False), output_field=CharField()),
        template="lower(%(expressions)s)::jsonb",
        output_field=JSONField(),
    )
    return Narrowed(Q(DataContains(words_in_small_letters(F("said")), wanted)), exact=True)
