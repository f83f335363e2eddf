"""A system of record is proposed from the catalog: a draft in the person's name, about what is in force now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from governance.domain.subject import Subject
from governance.services import changes
from governance.services.catalog import subject_facts
from kernel.models import User

KEY = "boundary.move"


def propose(
    entity: str, attribute_group: str | None, scope: Mapping[str, str], said: Mapping[str, Any], actor: User
) -> int:
    """The number of the draft, or of an open change that proposes just this."""
    place = subject_facts.boundary_id(entity, attribute_group, scope)
    parameters = {"system": said["system"], "valid_from": said["valid_from"]}
    environment = str(said["environment"])
    known = changes.open_one(KEY, place, environment, parameters)
    if known is not None:
        return known
    change = changes.open_change(
        author=actor,
        kind=KEY,
        subjects=[Subject("boundary", place, subject_facts.boundary_digest(place))],
        environment=environment,
        title=f"{said['system']} is the system of record of {place}"[:200],
        justification=str(said["justification"]),
        parameters=parameters,
    )
    return change.pk
