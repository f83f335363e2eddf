"""Which system is right about an entity is decided by a change; here it is proposed, also where none is right yet. The
room that decides registers how a change is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from catalog.domain import naming
from catalog.models import System
from catalog.selectors import boundaries
from catalog.services.findings import Findings
from kernel import clock
from kernel.models import User

Propose = Callable[[str, str | None, Mapping[str, str], Mapping[str, Any], User], int]
"""Opens the change about entity, attribute group and scope, or finds the one that is open; its number."""
_propose: list[Propose] = []


def register(propose: Propose) -> None:
    """Once, at the start."""
    _propose[:] = [propose]


def propose(
    *,
    entity: str,
    system: str,
    actor: User,
    attribute_group: str | None = None,
    scope: Mapping[str, str] | None = None,
    valid_from: datetime | None = None,
    justification: str = "",
    environment: str = "production",
) -> int:
    """The number of the change that makes a system the record of an entity, a part of it, from a time on (now).

    Raises Invalid `boundary.invalid` with every finding: names that do not exist, the record of today, a record that
    begins later and stands in the way.
    """
    found, places = Findings(), dict(scope or {})
    begins = valid_from or clock.now()
    for pointer, message in boundaries.unknown_names(entity, attribute_group, places):
        found.add(pointer, message, code="boundary.unknown")
    systems = list(System.objects.filter(retired_at=None).values_list("key", flat=True))
    if system not in systems:
        close = naming.nearest(system[:200], systems)
        hint = f" Did you mean {close}?" if close else " Register it first."
        found.add("/system", f"There is no system {system[:80]!r}.{hint}", code="system.unknown")
    if not found.items:
        present = boundaries.record_of(entity, attribute_group, places, begins)
        if present is not None and present.key == system:
            found.add("/system", f"{system} is the system of record for this already.", code="boundary.same")
        for later in boundaries.later(entity, attribute_group, places, begins):
            since = f"{later.system.key} is the record from {later.valid_from:%Y-%m-%d %H:%M} UTC on."
            found.add("/valid_from", f"{since} Move that one first, or begin after it.", code="boundary.overlap")
    found.require_none("boundary.invalid", "The system of record cannot be proposed.")
    proposed = {
        "system": system,
        "valid_from": begins.isoformat(),
        "justification": justification,
        "environment": environment,
    }
    return _propose[0](entity, attribute_group, places, proposed, actor)
