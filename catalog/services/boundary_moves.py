"""Moving a system of record, as an approval permits it. Only `governance.services` may import this module, through `publication`."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import IntegrityError, transaction
from psycopg.types.range import TimestamptzRange

from catalog.domain import records
from catalog.domain.facts import BoundaryFacts
from catalog.models import Api, AttributeGroup, Boundary, BusinessEntity, ScopeValue, System
from catalog.selectors import boundaries
from catalog.services import search_index, snapshots
from catalog.services.lookup import Findings
from kernel import audit, outbox
from kernel.errors import Conflict, Invalid, NotFound
from kernel.models import User

MOST_PIECES: Final = 200


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
    """From `valid_from` on, `system` is right about this. What was in force for exactly this, or for parts of it, is closed at
    that moment and stays as history. A wider boundary in force is divided: it ends at that moment too, and its system stays the
    record of every other part that is known by name, under the same approval. A value that is named only later has no record there
    until somebody says so: it is unknown, not assumed.

    `scope` may hold banner, region and channel. Raises Conflict `boundary.overlap` when one that begins later stands in the way.
    """
    with transaction.atomic():
        found = Findings()
        row = found.one(BusinessEntity, entity, "/entity", noun="entity")
        to = found.one(System, system, "/system", noun="system")
        group = AttributeGroup.objects.filter(entity=row, key=attribute_group).first() if attribute_group else None
        if attribute_group and group is None:
            found.add("/attribute_group", f"{entity} has no attribute group {attribute_group!r}.")
        places = {}
        for name, key in scope.items():
            place = ScopeValue.objects.filter(dimension=name, key=key).first() if name in records.DIMENSIONS else None
            if place is None:
                found.add(f"/scope/{name}", f"There is no {name} {key!r}.")
            places[name] = place
        found.require_none("boundary.invalid", "The move cannot be read.")
        if row is None or to is None:
            raise Invalid("boundary.invalid", "The move names no entity or no system.")
        Boundary.objects.select_for_update().filter(entity=row).order_by("pk").count()
        closed, pieces = _close(row, group, scope, valid_from)
        before = [snapshots.of_boundary(b) for b in closed]
        try:
            with transaction.atomic():
                for piece in pieces:
                    piece.approval_id = approval_id
                    piece.save()
                made = Boundary.objects.create(
                    entity=row,
                    attribute_group=group,
                    system=to,
                    approval_id=approval_id,
                    valid=TimestamptzRange(valid_from, valid_until, "[)"),
                    **places,
                )
        except IntegrityError as error:
            raise Conflict(
                "boundary.overlap",
                f"Another system is the record for a part of {entity} from then on: {_constraint(error)}.",
            ) from None
        audit.record(
            actor=actor,
            verb="catalog.boundary_moved",
            subject_kind="entity",
            subject_id=entity,
            before=before,
            after={
                **snapshots.of_boundary(made),
                "approval": approval_id,
                "divided": [snapshots.of_boundary(p) for p in pieces],
            },
        )
        outbox.emit(
            "catalog.boundary_moved", key=entity, payload={"boundary_id": made.pk, "entity": entity, "system": system}
        )
        search_index.refresh(Api.objects.filter(entity_uses__entity=row).values_list("pk", flat=True))
    moved = boundaries.find(made.pk)
    if moved is None:
        raise NotFound("boundary.unknown", "The boundary vanished.")
    return moved


def _constraint(error: IntegrityError) -> str:
    return getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) or "overlap"


def _close(
    entity: BusinessEntity, group: AttributeGroup | None, scope: dict[str, str], at: datetime
) -> tuple[list[Boundary], list[Boundary]]:
    """(what ends at this moment, the parts of it that stay with their system from then on, not saved yet)."""
    part = (group.key if group else None, *(scope.get(name) or None for name in records.DIMENSIONS))
    closed, pieces = [], []
    for facts in boundaries.matching(entity.key, group.key if group else None, scope, at):
        boundary = Boundary.objects.select_related("entity", "system").get(pk=facts.id)
        if boundary.valid.lower is not None and boundary.valid.lower >= at:
            raise Conflict(
                "boundary.overlap", f"{facts.system.name} is the record from that very moment on. Choose a later one."
            )
        wide = (facts.attribute_group, *(facts.scope.get(name) for name in records.DIMENSIONS))
        left = records.divided(wide, part, _known(entity))
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
        known[1 + records.DIMENSIONS.index(dimension)].append(key)
    return known


def _piece(wide: Boundary, box: records.Box, at: datetime) -> Boundary:
    """The part of a wider boundary that stays with its system."""
    made = Boundary(entity=wide.entity, system=wide.system, valid=TimestamptzRange(at, wide.valid.upper, "[)"))
    made.attribute_group = AttributeGroup.objects.get(entity=wide.entity, key=box[0]) if box[0] else None
    for name, key in zip(records.DIMENSIONS, box[1:], strict=True):
        setattr(made, name, ScopeValue.objects.get(dimension=name, key=key) if key else None)
    return made
