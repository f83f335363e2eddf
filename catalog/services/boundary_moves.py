"""Moving a system of record, as an approval permits it. Only `governance.services` may import this module, through
`publication`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import IntegrityError, transaction
from psycopg.types.range import TimestamptzRange

from catalog.domain import systems_of_record
from catalog.domain.facts import BoundaryFacts
from catalog.models import Api, AttributeGroup, Boundary, BusinessEntity, ScopeValue, System
from catalog.selectors import boundaries
from catalog.services import audit_snapshots, search_index
from catalog.services.findings import Findings
from kernel import audit, outbox
from kernel.constraints import violated
from kernel.errors import Conflict, Invalid
from kernel.models import User

MOST_PIECES: Final = 200


@dataclass(frozen=True, slots=True)
class _Move:
    """A move that was asked for, with its keys found. `places` holds banner, region and channel."""

    entity: BusinessEntity
    group: AttributeGroup | None
    scope: dict[str, str]
    places: dict[str, ScopeValue | None]
    system: System


def move_boundary(
    *,
    entity: str,
    attribute_group: str | None,
    scope: dict[str, str],
    system: str,
    valid_from: datetime,
    approval_id: int,
    actor: User | None,
    valid_until: datetime | None = None,
) -> BoundaryFacts:
    """Make `system` the system of record for this entity, attribute group and scope from `valid_from` on.

    Boundaries in force for exactly this, or for parts of it, end at that moment and stay as history. A wider boundary
    in force is divided: it ends too, and its system stays the record of every other part that is known by name, under
    the same approval. A value that is named only later has no record there until somebody states one: it is unknown,
    not assumed.

    `scope` may hold banner, region and channel. Raises Invalid for keys that name nothing, Conflict `boundary.overlap`
    when a boundary that begins later stands in the way.
    """
    with transaction.atomic():
        move = _read_move(entity, attribute_group, scope, system)
        list(Boundary.objects.select_for_update().filter(entity=move.entity).order_by("pk").values_list("pk"))
        closed, pieces = _close(move.entity, move.group, scope, valid_from)
        before = [audit_snapshots.of_boundary(b) for b in closed]
        made = _save(move, pieces, TimestamptzRange(valid_from, valid_until, "[)"), approval_id)
        divided = [audit_snapshots.of_boundary(p) for p in pieces]
        after = {**audit_snapshots.of_boundary(made), "approval": approval_id, "divided": divided}
        audit.record(
            actor=actor,
            verb="catalog.boundary_moved",
            subject_kind="entity",
            subject_id=entity,
            before=before,
            after=after,
        )
        payload = {"boundary_id": made.pk, "entity": entity, "system": system}
        outbox.emit("catalog.boundary_moved", key=entity, payload=payload)
        search_index.refresh(Api.objects.filter(entity_uses__entity=move.entity).values_list("pk", flat=True))
    return boundaries.facts(made.pk)


def _read_move(entity: str, attribute_group: str | None, scope: dict[str, str], system: str) -> _Move:
    """Raises Invalid `boundary.invalid` with a finding for every key that names nothing."""
    found = Findings()
    row = found.row_by_key(BusinessEntity, entity, "/entity", noun="entity")
    to = found.row_by_key(System, system, "/system", noun="system")
    group = AttributeGroup.objects.filter(entity=row, key=attribute_group).first() if attribute_group else None
    if attribute_group and group is None:
        found.add("/attribute_group", f"{entity} has no attribute group {attribute_group!r}.")
    places = {}
    for name, key in scope.items():
        place = (
            ScopeValue.objects.filter(dimension=name, key=key).first() if name in systems_of_record.DIMENSIONS else None
        )
        if place is None:
            found.add(f"/scope/{name}", f"There is no {name} {key!r}.")
        places[name] = place
    found.require_none("boundary.invalid", "The move cannot be read.")
    if row is None or to is None:
        raise Invalid("boundary.invalid", "The move names no entity or no system.")
    return _Move(row, group, scope, places, to)


def _save(move: _Move, pieces: list[Boundary], valid: TimestamptzRange, approval_id: int) -> Boundary:
    """Save the parts that stay with their systems, and the new boundary. Raises Conflict `boundary.overlap`."""
    try:
        with transaction.atomic():
            for piece in pieces:
                piece.approval_id = approval_id
                piece.save()
            return Boundary.objects.create(
                entity=move.entity,
                attribute_group=move.group,
                system=move.system,
                approval_id=approval_id,
                valid=valid,
                **move.places,
            )
    except IntegrityError as error:
        constraint = violated(error) or "overlap"
        message = f"Another system is the record for a part of {move.entity.key} from then on: {constraint}."
        raise Conflict("boundary.overlap", message) from None


def _close(
    entity: BusinessEntity, group: AttributeGroup | None, scope: dict[str, str], at: datetime
) -> tuple[list[Boundary], list[Boundary]]:
    """(what ends at this moment, the parts of it that stay with their system from then on, not saved yet)."""
    part = (group.key if group else None, *(scope.get(name) or None for name in systems_of_record.DIMENSIONS))
    closed, pieces = [], []
    for facts in boundaries.matching(entity.key, group.key if group else None, scope, at):
        boundary = Boundary.objects.select_related("entity", "system").get(pk=facts.id)
        if boundary.valid.lower is not None and boundary.valid.lower >= at:
            raise Conflict(
                "boundary.overlap", f"{facts.system.name} is the record from that very moment on. Choose a later one."
            )
        wide = (facts.attribute_group, *(facts.scope.get(name) for name in systems_of_record.DIMENSIONS))
        left = systems_of_record.divided(wide, part, _known(entity))
        if len(left) > MOST_PIECES:
            raise Conflict(
                "boundary.too_many_parts", f"Dividing it would make {len(left)} boundaries. Move a larger part."
            )
        pieces += [_piece(boundary, box, at) for box in left]
        boundary.valid = TimestamptzRange(boundary.valid.lower, at, "[)")
        boundary.save(update_fields=["valid"])
        closed.append(boundary)
    return closed, pieces


def _known(entity: BusinessEntity) -> list[list[str]]:
    """The values by name of each dimension: attribute groups of the entity, banners, regions, channels."""
    known = [list(AttributeGroup.objects.filter(entity=entity).values_list("key", flat=True)), [], [], []]
    for dimension, key in ScopeValue.objects.values_list("dimension", "key"):
        known[1 + systems_of_record.DIMENSIONS.index(dimension)].append(key)
    return known


def _piece(wide: Boundary, box: systems_of_record.Box, at: datetime) -> Boundary:
    """The part of a wider boundary that stays with its system."""
    made = Boundary(entity=wide.entity, system=wide.system, valid=TimestamptzRange(at, wide.valid.upper, "[)"))
    made.attribute_group = AttributeGroup.objects.get(entity=wide.entity, key=box[0]) if box[0] else None
    for name, key in zip(systems_of_record.DIMENSIONS, box[1:], strict=True):
        setattr(made, name, ScopeValue.objects.get(dimension=name, key=key) if key else None)
    return made
