"""Systems of record: which system owns which data, where, at a time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db.models import Q, QuerySet

from catalog.domain import naming, systems_of_record
from catalog.domain.facts import BoundaryFacts, SystemFacts
from catalog.domain.systems_of_record import DIMENSIONS
from catalog.models import AttributeGroup, Boundary, BusinessEntity, ScopeValue
from catalog.selectors.systems import facts_of
from kernel.errors import NotFound


def _rows() -> QuerySet[Boundary]:
    return Boundary.objects.select_related(
        "entity__domain", "attribute_group", "banner", "region", "channel", "system__owner_team"
    )


def _facts(row: Boundary) -> BoundaryFacts:
    return BoundaryFacts(
        id=row.pk,
        entity=row.entity.key,
        attribute_group=row.attribute_group.key if row.attribute_group else None,
        scope={name: value.key for name in DIMENSIONS if (value := getattr(row, name)) is not None},
        system=facts_of(row.system),
        valid_from=row.valid.lower,
        valid_until=row.valid.upper,
        approval_id=row.approval_id,
        domain_key=row.entity.domain.key if row.entity.domain else "",
    )


def matching(entity: str, attribute_group: str | None, scope: Mapping[str, str], at: datetime) -> list[BoundaryFacts]:
    """Every boundary that touches the question. A dimension that the question leaves open touches all of its values; an
    attribute group that is left open (None) touches all groups."""
    rows = _rows().filter(entity__key=entity, valid__contains=at)
    if attribute_group is not None:
        rows = rows.filter(Q(attribute_group=None) | Q(attribute_group__key=attribute_group))
    for name in DIMENSIONS:
        if value := scope.get(name):
            rows = rows.filter(Q(**{name: None}) | Q(**{f"{name}__key": value}))
    return [_facts(row) for row in rows.order_by("id")]


def later(entity: str, attribute_group: str | None, scope: Mapping[str, str], at: datetime) -> list[BoundaryFacts]:
    """Every boundary that touches the question and begins only after this time."""
    found = [one for one in all_from(at) if one.valid_from is not None and one.valid_from > at]
    asked = BoundaryFacts(0, entity, attribute_group, dict(scope), None, at, None, None)  # type: ignore[arg-type]
    return [one for one in found if systems_of_record.overlaps(asked, one)]


def unknown_names(entity: str, attribute_group: str | None, scope: Mapping[str, str]) -> list[tuple[str, str]]:
    """(JSON Pointer, what is wrong) of each name of a place that the catalog does not know."""
    if any("\x00" in text for text in (entity, attribute_group or "", *scope, *scope.values())):
        return [("", "A name holds no NUL character.")]
    found = []
    entities = list(BusinessEntity.objects.values_list("key", flat=True))
    if entity not in entities:
        found.append(("/entity", f"There is no entity {entity[:80]!r}.{_meant(entity, entities)}"))
    elif attribute_group:
        groups = list(AttributeGroup.objects.filter(entity__key=entity).values_list("key", flat=True))
        if attribute_group not in groups:
            said = f"{entity} has no attribute group {attribute_group[:80]!r}.{_meant(attribute_group, groups)}"
            found.append(("/attribute_group", said))
    for name, key in scope.items():
        known = list(ScopeValue.objects.filter(dimension=name).values_list("key", flat=True))
        if name not in DIMENSIONS:
            found.append((f"/scope/{name[:40]}", f"A scope has {', '.join(DIMENSIONS)}, not {name[:40]!r}."))
        elif key not in known:
            found.append((f"/scope/{name}", f"There is no {name} {key[:80]!r}.{_meant(key, known)}"))
    return found


def _meant(given: str, known: list[str]) -> str:
    close = naming.nearest(given, known)
    return f" Did you mean {close}?" if close else ""


def record_of(entity: str, attribute_group: str | None, scope: Mapping[str, str], at: datetime) -> SystemFacts | None:
    """The one system of record for all of this. None is unknown: there is no boundary, a part has none, or several
    systems share the question."""
    found = matching(entity, attribute_group, scope, at)
    if not found:
        return None
    asked = (attribute_group, *(scope.get(name) for name in DIMENSIONS))
    known: list[list[str]] = [[], [], [], []]
    if len(found) > 1 or systems_of_record.is_partial(found[0], asked):
        known[0] = list(AttributeGroup.objects.filter(entity__key=entity).values_list("key", flat=True))
        for dimension, key in ScopeValue.objects.values_list("dimension", "key"):
            known[1 + DIMENSIONS.index(dimension)].append(key)
    return found[0].system if systems_of_record.sole_system(found, asked, known) else None


def all_at(at: datetime) -> list[BoundaryFacts]:
    """Every boundary in force at this time."""
    return [_facts(row) for row in _rows().filter(valid__contains=at)]


def all_from(at: datetime) -> list[BoundaryFacts]:
    """Every boundary in force at this time or later: what is, and what is about to move."""
    return [_facts(row) for row in _rows().filter(Q(valid__endswith=None) | Q(valid__endswith__gt=at))]


def domain_of(entity: str) -> str:
    """The key of the domain that an entity belongs to; empty where there is none."""
    if "\x00" in entity:
        return ""
    found = BusinessEntity.objects.filter(key=entity).values_list("domain__key", flat=True).first()
    return found or ""


def history(entity: str, attribute_group: str | None = None) -> list[BoundaryFacts]:
    """Every boundary that an entity (or one group of it) ever had, newest first."""
    rows = _rows().filter(entity__key=entity)
    if attribute_group is not None:
        rows = rows.filter(Q(attribute_group=None) | Q(attribute_group__key=attribute_group))
    return [_facts(row) for row in rows.order_by("-valid")]


def find(boundary_id: int) -> BoundaryFacts | None:
    row = _rows().filter(pk=boundary_id).first()
    return _facts(row) if row else None


def facts(boundary_id: int) -> BoundaryFacts:
    """Raises NotFound `boundary.unknown`."""
    found = find(boundary_id)
    if found is None:
        raise NotFound("boundary.unknown", f"There is no boundary {boundary_id}.")
    return found
