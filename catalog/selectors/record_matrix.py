"""The matrix of entities and systems: which system owns which data, and which systems copy, read or command it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection

from catalog import permissions
from catalog.domain import systems_of_record
from catalog.domain.facts import BoundaryFacts
from catalog.models import AttributeGroup, BusinessEntity, ScopeValue
from catalog.selectors import boundaries, systems
from kernel.ui import tones
from kernel.ui.tones import Tone
from kernel.viewer import Viewer

Key = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """What one system is for one fact. `role`: record, partial, moving, copy, live, asks or "" (nothing)."""

    system: str
    role: str = ""
    text: str = ""
    icon: str = ""

    @property
    def is_record(self) -> bool:
        return self.role in {"record", "partial", "moving"}


@dataclass(slots=True)
class MatrixRow:
    entity: str
    group: str | None
    name: str
    cells: list[MatrixCell] = field(default_factory=list)
    nobody: str = ""


@dataclass(slots=True)
class RecordMatrix:
    """Columns are systems, sections are domains or entities with several groups; `nobody` and `moving` count rows."""

    columns: list[tuple[str, str]]
    sections: list[tuple[str, list[MatrixRow]]]
    nobody: int
    moving: int

    @property
    def pills(self) -> list[Tone]:
        shown = [tones.stop(f"{self.nobody} without a record", "alert")] if self.nobody else []
        return shown + ([tones.wait(f"{self.moving} moving")] if self.moving else [])


_USES = """
select e.key, g.key, s.key, u.access, false as across
  from catalog_apientity u
  join catalog_api a on a.id = u.api_id
  join catalog_system s on s.id = a.system_id
  join catalog_businessentity e on e.id = u.entity_id
  left join catalog_attributegroup g on g.id = u.attribute_group_id
 where a.retired_at is null
   and a.id <> all(%(hidden)s)
union
select e.key, g.key, s.key, u.access, true
  from catalog_dependency d
  join catalog_api a on a.id = d.api_id
  join catalog_system s on s.id = a.system_id
  join catalog_apientity u on u.api_id = d.target_api_id
  join catalog_businessentity e on e.id = u.entity_id
  left join catalog_attributegroup g on g.id = u.attribute_group_id
 where a.id <> all(%(hidden)s)
   and d.target_api_id <> all(%(hidden)s)
"""


def _crossings(viewer: Viewer) -> dict[Key, dict[str, set[str]]]:
    """For each fact, what each system does with it by its APIs (copy) or by what its APIs need (live, asks, copy), as
    far as the viewer may see those."""
    hidden = list(permissions.hidden(viewer).values_list("pk", flat=True))
    made: dict[Key, dict[str, set[str]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_USES, {"hidden": hidden})
        for entity, group, system, access, across in cursor.fetchall():
            word = {"replica_read": "copy", "event": "copy", "command": "commands", "authoritative_read": "live"}[
                access
            ]
            if across or word == "copy":
                made.setdefault((entity, group), {}).setdefault(system, set()).add(word)
    return made


def matrix(at: datetime, *, viewer: Viewer, dimension: str = "", value: str = "") -> RecordMatrix:
    """The whole map at a time, optionally for one banner, region or channel."""
    facts = [b for b in boundaries.all_from(at) if not value or b.scope.get(dimension) in (None, value)]
    crossings = _crossings(viewer)
    names = {s.key: s.name for s in systems.all_systems()}
    used = {b.system.key for b in facts} | {s for uses in crossings.values() for s in uses}
    columns = sorted(
        ((key, name) for key, name in names.items() if key in used),
        key=lambda c: (-sum(b.system.key == c[0] for b in facts), c[1]),
    )
    groups: dict[int, list[tuple[str, str]]] = {}
    for entity_id, key, name in AttributeGroup.objects.values_list("entity_id", "key", "name"):
        groups.setdefault(entity_id, []).append((key, name))
    sections: dict[str, list[MatrixRow]] = {}
    for entity in BusinessEntity.objects.select_related("domain"):
        title = entity.domain.name if entity.domain else "No domain"
        wanted: list[tuple[str | None, str]] = [*groups.get(entity.pk, [])] or [(None, entity.name)]
        for group, name in wanted:
            label = (
                name
                if group is None or name.lower().startswith(entity.name.lower())
                else f"{entity.name}, {name[:1].lower()}{name[1:]}"
            )
            sections.setdefault(title, []).append(_row(entity.key, group, label, columns, facts, crossings, at))
    rows = [row for section in sections.values() for row in section]
    return RecordMatrix(
        columns,
        list(sections.items()),
        sum(bool(r.nobody) for r in rows),
        sum(any(c.role == "moving" for c in r.cells) for r in rows),
    )


def _row(
    entity: str,
    group: str | None,
    name: str,
    columns: Iterable[tuple[str, str]],
    facts: list[BoundaryFacts],
    crossings: dict[Key, dict[str, set[str]]],
    at: datetime,
) -> MatrixRow:
    touching = [
        b
        for b in facts
        if b.entity == entity and (b.attribute_group is None or group is None or b.attribute_group == group)
    ]
    present = [b for b in touching if b.valid_from is None or b.valid_from <= at]
    uses: dict[str, set[str]] = {}
    for key in {(entity, group), (entity, None)}:
        for system, found in crossings.get(key, {}).items():
            uses.setdefault(system, set()).update(found)
    row = MatrixRow(entity, group, name)
    if not present:
        row.nobody = f"No system of record; used by {', '.join(sorted(uses))}" if uses else "No system of record"
        return row
    several = len({b.system.key for b in touching}) > 1
    row.cells = [
        _cell(system, [b for b in touching if b.system.key == system], uses.get(system, set()), several, at)
        for system, _ in columns
    ]
    return row


def _cell(system: str, own: list[BoundaryFacts], uses: set[str], several: bool, at: datetime) -> MatrixCell:
    if own:
        ends = next(
            (b for b in own if b.valid_until is not None and (b.valid_from is None or b.valid_from <= at)), None
        )
        begins = next((b for b in own if b.valid_from is not None and b.valid_from > at), None)
        if begins and all(b.valid_from is not None and b.valid_from > at for b in own):
            return MatrixCell(system, "moving", f"from {begins.valid_from:%-d %b}", "right")
        if ends and ends.valid_until:
            return MatrixCell(system, "moving", f"until {ends.valid_until:%-d %b}", "wait")
        limited = next((b for b in own if b.scope), None)
        if limited and several:
            return MatrixCell(system, "partial", ", ".join(limited.scope.values()), "tick")
        if limited:
            return MatrixCell(system, "partial", systems_of_record.scope_words(limited.scope), "tick")
        return MatrixCell(system, "record", "Source", "tick")
    for word in ("commands", "live", "copy"):
        if word in uses:
            return MatrixCell(system, word, word)
    return MatrixCell(system)


def scopes() -> list[tuple[str, str, str]]:
    """(dimension, key, name) of every banner, region and channel."""
    return list(ScopeValue.objects.values_list("dimension", "key", "name"))


def entity_keys() -> list[str]:
    """`price` and `price/base` for every entity and each of its attribute groups."""
    groups = AttributeGroup.objects.values_list("entity__key", "key")
    return sorted({*BusinessEntity.objects.values_list("key", flat=True), *(f"{e}/{g}" for e, g in groups)})


@dataclass(frozen=True, slots=True)
class ChosenRecord:
    """What the rail says about one fact."""

    entity: str
    group: str | None
    title: str
    in_force: tuple[BoundaryFacts, ...]
    before: tuple[BoundaryFacts, ...]
    later: tuple[BoundaryFacts, ...]
    users: tuple[tuple[str, str], ...]
    subject: str


def chosen(entity: str, group: str | None, at: datetime, *, viewer: Viewer) -> ChosenRecord | None:
    """History and users of one fact; None where there is no such entity or group."""
    found = BusinessEntity.objects.filter(key=entity).first() if "\x00" not in entity else None
    named = AttributeGroup.objects.filter(entity=found, key=group).first() if group and "\x00" not in group else None
    if found is None or (group and named is None):
        return None
    everything = boundaries.history(entity, group)
    names = {s.key: s.name for s in systems.all_systems()}
    uses: dict[str, set[str]] = {}
    for (e, g), by_system in _crossings(viewer).items():
        if e == entity and (g is None or group is None or g == group):
            for system, what in by_system.items():
                uses.setdefault(names.get(system, system), set()).update(what)
    return ChosenRecord(
        entity=entity,
        group=group,
        title=found.name + (f", {named.name[:1].lower()}{named.name[1:]}" if named else ""),
        in_force=tuple(
            b
            for b in everything
            if (b.valid_from is None or b.valid_from <= at) and (b.valid_until is None or b.valid_until > at)
        ),
        before=tuple(b for b in everything if b.valid_until is not None and b.valid_until <= at),
        later=tuple(b for b in everything if b.valid_from is not None and b.valid_from > at),
        users=tuple(sorted((name, ", ".join(sorted(what))) for name, what in uses.items())),
        subject=entity + (f"/{group}" if group else ""),
    )
