"""Where a system answers. Who may edit it does so at once where nothing approved runs over it; else an approved change
of the destination does, since credentials go where the endpoint says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction

from catalog import permissions
from catalog.domain import endpoints as rules
from catalog.models import Environment, System, SystemEndpoint
from kernel import acting, secret_references
from kernel.errors import Conflict, Forbidden, Invalid, NotFound, finding
from kernel.models import User
from kernel.ui.wording import counted
from kernel.viewer import Viewer

FIELDS = tuple(
    field.name
    for field in SystemEndpoint._meta.fields
    if field.name not in ("id", "system", "environment", "destination")
)
STARTS = {"auth_kind": "none"}
NAMES_OF_SECRETS = ("secret_ref", "trust_ref")
NumberOfFlows = Callable[[str, str, Viewer | None], int]
"""How many approved flows call a system in an environment; with a viewer, of those that the viewer may see."""
Propose = Callable[[str, str, Mapping[str, Any], User], int]
"""Opens the change by which an endpoint gets these values, or finds the one that is open; its number."""

_flows: list[NumberOfFlows] = []
_propose: list[Propose] = []


def register_flows(number: NumberOfFlows, propose: Propose) -> None:
    """The room that runs flows says how many call a system, and how a move of it is proposed; once, at the start."""
    _flows[:] = [number]
    _propose[:] = [propose]


def propose(system_key: str, environment: str, values: Mapping[str, Any], *, actor: User) -> int:
    """The number of the change by which the endpoint gets these values; what is left out stays."""
    return _propose[0](system_key, environment, values, actor)


def flows_over(system_key: str, environment: str) -> int:
    return sum(number(system_key, environment, None) for number in _flows)


def flows_told(viewer: Viewer, system: System, environment: str) -> int:
    """How many of them this viewer is told of: all, who may say where the system answers, since they have to know what
    a move stops; others those that they may see."""
    everything = permissions.may_state_system(viewer, system)
    return sum(number(system.key, environment, None if everything else viewer) for number in _flows)


def values_of(row: SystemEndpoint | None) -> dict[str, Any]:
    """What an endpoint says, or what a new one starts with."""
    if row is None:
        return {name: [] if name == "further_hosts" else STARTS.get(name, "") for name in FIELDS}
    return {name: getattr(row, name) for name in FIELDS}


def find(system_key: str, environment: str) -> tuple[System, Environment, SystemEndpoint | None]:
    """Raises NotFound `system.unknown` or `environment.unknown`."""
    system = System.objects.select_related("owner_team").filter(key=system_key, retired_at=None).first()
    place = Environment.objects.filter(key=environment).first()
    if system is None:
        raise NotFound("system.unknown", f"There is no system {system_key[:80]!r}.")
    if place is None:
        raise NotFound("environment.unknown", f"There is no environment {environment[:80]!r}.")
    return system, place, SystemEndpoint.objects.filter(system=system, environment=place).first()


def state(
    system_key: str,
    environment: str,
    values: Mapping[str, Any],
    *,
    actor: User,
    check: Callable[[SystemEndpoint | None], None] | None = None,
) -> SystemEndpoint:
    """Say where a system answers; what is left out stays. Its owner team says so, or an architect.

    Raises NotFound, Forbidden `system.not_yours`, Invalid `endpoint.invalid`, Conflict `endpoint.in_use` where
    something approved runs over it: then it is proposed.
    """
    with transaction.atomic(), acting.by(actor):
        system, place, _ = find(system_key, environment)
        allowed = permissions.may_state_system(Viewer.of(actor), system)
        if not allowed:
            raise Forbidden("system.not_yours", allowed.reason)
        row = SystemEndpoint.objects.select_for_update().filter(system=system, environment=place).first()
        if check:
            check(row)
        wanted = values_of(row) | {name: values[name] for name in FIELDS if name in values}
        require_usable(wanted, values_of(row))
        wanted = rules.normal(wanted)
        if row is not None and wanted == values_of(row):
            return row
        if number := flows_over(system_key, environment):
            raise in_use(system_key, environment, number)
        made = _write(row, system, place, wanted)
        made.refresh_from_db()
        return made


def in_use(system_key: str, environment: str, number: int) -> Conflict:
    message = (
        f"{counted(number, 'approved integration')} would follow {system_key} to another place in {environment}: "
        f"propose it as a change of the kind system.destination about {system_key}/{environment}."
    )
    return Conflict("endpoint.in_use", message, {"findings": [finding("", message)]})


def findings(values: Mapping[str, Any], before: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is wrong with the values of an endpoint. Another name than `before` of a secret or of certificates is one
    that a worker may open."""
    found = rules.findings(values)
    wrong = {one["pointer"] for one in found}
    for name in NAMES_OF_SECRETS:
        given = str(values.get(name) or "").strip()
        if given and given != before.get(name) and f"/{name}" not in wrong:
            found += [finding(f"/{name}", f"{said}.")] if (said := secret_references.problem(given)) else []
    return found


def require_usable(values: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Raises Invalid `endpoint.invalid` with every finding."""
    if found := findings(values, before):
        raise Invalid("endpoint.invalid", f"The endpoint cannot be saved: {found[0]['message']}", {"findings": found})


def move(system_key: str, environment: str, values: Mapping[str, Any], *, digest: str, actor: User | None) -> None:
    """Put an approved destination into force. Raises Conflict `destination.changed_meanwhile` where the endpoint would
    not be exactly what was approved."""
    with transaction.atomic(), acting.by(actor):
        system, place, _ = find(system_key, environment)
        row = SystemEndpoint.objects.select_for_update().filter(system=system, environment=place).first()
        made = _write(row, system, place, values_of(None) | {name: values[name] for name in FIELDS if name in values})
        made.refresh_from_db()
        if made.destination != digest:
            said = f"{system_key} would answer elsewhere in {environment} than what was approved. Propose it anew."
            raise Conflict("destination.changed_meanwhile", said)


def _write(row: SystemEndpoint | None, system: System, place: Environment, values: Mapping[str, Any]) -> SystemEndpoint:
    row = row or SystemEndpoint(system=system, environment=place)
    for name in FIELDS:
        setattr(row, name, values[name])
    row.save()
    return row
