"""Facts that the gate decides by: who owns a thing, and where it belongs. A plain write could turn a no into a yes, so
they are changed by a person in a session, with the team that receives a thing, and not while a freeze covers it.
A team that receives a thing agrees in a change of its own (`services.handing_over`).

An API is governed once one of its versions was judged and is in use: before that the gate says no yes about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.db.models import Q

from catalog import permissions
from catalog.domain import lifecycle
from catalog.models import Api, Team
from catalog.selectors import ownership
from catalog.selectors.ownership import OwnedThing
from kernel import persons
from kernel.errors import Conflict, Forbidden, finding
from kernel.models import User
from kernel.viewer import Viewer

GATE_FACTS = ("tier", "owner_team", "system", "domain")
Decides = Callable[[], User]
"""Who is calling, in a session of their own; refuses a token (`kernel.access.decider`)."""
FrozenBy = Callable[[Mapping[str, Any]], list[str]]
"""The names of the freezes that are open now and cover a thing with this tier, domain and these systems."""

RunsWith = Callable[[str], Iterable[str]]
"""The APIs that an application is recorded to use or to provide."""

_frozen_by: list[FrozenBy] = []
_runs_with: list[RunsWith] = []


def register_freezes(names: FrozenBy, runs: RunsWith) -> None:
    """The room that knows the freezes and the records says which there are; once, at the start."""
    _frozen_by[:], _runs_with[:] = [names], [runs]


def runs_with(application: str) -> set[str]:
    return {slug for runs in _runs_with for slug in runs(application)}


def is_governed(api: Api) -> bool:
    used = api.versions.filter(state__in=[*lifecycle.LIVE, lifecycle.APPROVED])
    return used.filter(~Q(origin="imported") | Q(approval_id__isnull=False)).exists()


def require_change(api: Api, fields: Mapping[str, Any], *, actor: User, decides: Decides | None) -> None:
    """Whether these values may be written. Raises Forbidden `decision.by_token`, `api.needs_receiving_team`, Conflict
    `api.frozen`."""
    changed = {name: fields[name] for name in GATE_FACTS if name in fields and fields[name] != getattr(api, name)}
    if not changed or not is_governed(api):
        return
    if decides is not None:
        decides()
    if "owner_team" in changed:
        require_both_sides(actor, api.owner_team, changed["owner_team"], what=api.name, code="api.needs_receiving_team")
    require_no_freeze(ownership.of_api(api), sorted(changed))


def require_both_sides(actor: User, giving: Team | None, receiving: Team | None, *, what: str, code: str) -> None:
    """Who is in both teams may hand over, and an architect who is not of the team that gives. Raises Forbidden."""
    viewer = Viewer.of(actor)
    if viewer.sees_everything or giving is None or receiving is None:
        return
    both = giving.pk in viewer.team_ids and receiving.pk in viewer.team_ids
    if both or (permissions.may_steward(viewer) and giving.pk not in _teams_of_person(actor)):
        return
    message = (
        f"{receiving} would own {what}, and has not been asked: propose the hand-over as a change, which both teams "
        f"approve. Somebody who is in both teams hands it over at once, or an architect who is not in {giving}."
    )
    pointer = "/team" if code.startswith("application.") else "/owner_team"
    raise Forbidden(code, message, {"findings": [finding(pointer, message)]})


def _teams_of_person(actor: User) -> set[int]:
    """By whichever account."""
    accounts = User.objects.filter(pk__in=persons.accounts_of(actor.pk))
    return set(accounts.values_list("groups", flat=True)) - {None}


def require_no_freeze(thing: OwnedThing, changed: Sequence[str]) -> None:
    """Raises Conflict `api.frozen` or `application.frozen` while a freeze covers a place where it belongs."""
    open_now = sorted({name for names in _frozen_by for place in thing.places for name in names(place)})
    if open_now:
        message = f"{', '.join(open_now)} covers {thing.key} now; what decides whether it does is changed afterwards."
        findings = [finding(f"/{name}", message) for name in changed]
        raise Conflict(f"{thing.kind}.frozen", message, {"findings": findings})
