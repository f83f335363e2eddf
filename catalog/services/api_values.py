"""Values given for an API by a form, a request or a file, read into what the table stores."""

from __future__ import annotations

from typing import Any

from catalog.domain.api_fields import API_FIELDS, MOST_NAMES, ApiField
from catalog.models import ApiEntity, AttributeGroup, BusinessEntity, SlaTier
from catalog.selectors import api_values as fields
from catalog.services.findings import Findings


def read(values: dict[str, Any], found: Findings, *, base: str = "") -> dict[str, Any]:
    """Model values for the keys of `domain.api_fields` that are given; what cannot be used is noted below the pointer
    `base`."""
    return {
        field.key: _value(field, values[field.key], found, f"{base}/{field.key}")
        for field in API_FIELDS
        if field.key in values
    }


def _value(field: ApiField, given: Any, found: Findings, pointer: str) -> Any:
    if field.kind == "text":
        return found.text(given, pointer, limit=field.limit, required=field.required)
    if field.kind == "url":
        return found.url(given, pointer, limit=field.limit)
    if field.kind == "reference":
        return found.row_by_key(fields.referenced(field), given, pointer, noun=field.noun)
    if field.kind == "level":
        return _tier(given, found, pointer, noun=field.noun)
    if field.kind == "names":
        names = given[:MOST_NAMES] if isinstance(given, list | tuple) else []
        return [found.text(name, f"{pointer}/{n}", limit=field.limit) for n, name in enumerate(names)]
    return found.choice(given, fields.choices(field), pointer, noun=field.noun) or fields.preset(field)


def _tier(given: Any, found: Findings, pointer: str, *, noun: str) -> SlaTier | None:
    """A level as a number or as text."""
    if isinstance(given, str) and given:
        if not (given.isascii() and given.isdecimal() and len(given) < 3):
            found.add(
                pointer, f"{given[:40]!r} is not a valid {noun}. Choose one of: 0, 1, 2, 3.", code="SLA_tier.unknown"
            )
            return None
        given = int(given)
    return found.row_by_key(SlaTier, given, pointer, noun=noun, field="level")


def entity_uses(values: Any, found: Findings, *, base: str = "/entities") -> list[dict[str, Any]]:
    """Rows for `ApiEntity` from `[{entity, attribute_group?, access}]`, each once."""
    made: list[dict[str, Any]] = []
    if not isinstance(values, list | tuple):
        found.add(base, "Give a list of objects {entity, attribute_group, access}.")
        return made
    for n, use in enumerate(values[:100]):
        row = _entity_use(use, found, f"{base}/{n}")
        if row is not None and row not in made:
            made.append(row)
    return made


def _entity_use(use: Any, found: Findings, at: str) -> dict[str, Any] | None:
    if not isinstance(use, dict):
        found.add(at, "Give an object {entity, attribute_group, access}.")
        return None
    entity = found.row_by_key(BusinessEntity, use.get("entity"), f"{at}/entity", noun="entity")
    access = found.choice(use.get("access"), ApiEntity.Access.choices, f"{at}/access", noun="access")
    if entity is None or not access:
        if use.get("entity") in (None, ""):
            found.add(f"{at}/entity", "Name the entity.")
        if use.get("access") in (None, ""):
            found.add(f"{at}/access", f"Say how: {', '.join(ApiEntity.Access.values)}.")
        return None
    group, key = None, use.get("attribute_group")
    if key not in (None, ""):
        group = AttributeGroup.objects.filter(entity=entity, key=str(key)[:60].replace("\x00", "")).first()
        if group is None:
            found.add(f"{at}/attribute_group", f"{entity.key} has no attribute group {str(key)[:60]!r}.")
            return None
    return {"entity": entity, "attribute_group": group, "access": access}
