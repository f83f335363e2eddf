"""Objectives as people set them: added to, never changed, so that a month is judged by what was promised in it."""

from __future__ import annotations

from decimal import Decimal

from django.db import transaction

from catalog.selectors import systems
from kernel import audit
from kernel.errors import Forbidden, Invalid, NotFound, finding
from kernel.models import User
from kernel.viewer import Viewer
from runtime import permissions
from runtime.domain import objectives as rules
from runtime.domain.objectives import AVAILABILITY, Objective, ObjectiveScope
from runtime.models import Integration, ObjectivePolicy
from runtime.selectors import indicators
from runtime.services import alert_scopes


def set_policy(
    scope: ObjectiveScope, share: Decimal | None, limit_s: float | None, *, actor: User | None, reason: str
) -> ObjectivePolicy:
    """Set the objective of what `scope` names; without share and limit it is given back to the manifest and the tier.

    Architects and release managers set any. Operators of an integration may only tighten what is in force for it.
    Raises Invalid `objective.policy` with findings, Forbidden `objective.not_allowed`, NotFound `integration.unknown`.
    What names a target that is not there is refused; it can be given back.
    """
    found = list(rules.problems(scope.kind, share, limit_s)) + _scope_problems(scope)
    if not reason.strip():
        found.append(finding("/reason", "give a reason"))
    if found:
        raise Invalid("objective.policy", f"This cannot be set: {found[0]['message']}.", {"findings": found})
    about = _integration(scope, actor)
    if about and scope.target and share is not None:
        _require_target(about, scope.target)
    given = None if share is None else Objective(share, limit_s, "policy")
    _require(scope, given, about, actor)
    with transaction.atomic():
        made = ObjectivePolicy.objects.create(
            kind=scope.kind,
            integration=about,
            target=scope.target,
            system_key=scope.system,
            environment=scope.environment,
            tier=scope.tier,
            share=share,
            limit_s=limit_s,
            reason=reason.strip(),
            set_by=actor,
        )
        audit.record(
            "runtime.objective_set",
            "objective",
            _named(scope),
            actor=actor,
            after={"share": None if share is None else str(share), "limit_s": limit_s},
            reason=reason,
        )
    return made


def require_setting(integration: str, *, actor: User) -> None:
    """Raise Forbidden `objective.not_allowed` where the actor sets nothing at all about this integration (empty: about
    a system)."""
    viewer = Viewer.of(actor)
    everything = permissions.may_set_objectives(viewer)
    about = permissions.operable(viewer).filter(key=integration) if integration else None
    if not everything and (about is None or not about.exists()):
        raise Forbidden("objective.not_allowed", f"{everything.reason} Nothing was changed.")


def _scope_problems(scope: ObjectiveScope) -> list[dict[str, object]]:
    found = []
    if scope.kind == AVAILABILITY and (scope.integration or scope.target):
        found.append(finding("/integration", "availability is that of a system, which several integrations may call"))
    if scope.target and not scope.integration:
        found.append(finding("/integration", "say of which integration the target is"))
    if scope.tier is not None and not 0 <= scope.tier <= 3:
        found.append(finding("/tier", "a tier is 0 to 3"))
    if scope.system and systems.by_key(scope.system) is None:
        found.append(finding("/system", "there is no such system"))
    if scope.environment and scope.environment not in {key for key, _, _ in systems.environments()}:
        found.append(finding("/environment", "there is no such environment"))
    return found


def _integration(scope: ObjectiveScope, actor: User | None) -> Integration | None:
    if not scope.integration:
        return None
    seen = Integration.objects.all() if actor is None else permissions.visible(Viewer.of(actor))
    about = seen.select_related("owner_team").filter(key=scope.integration).first()
    if about is None:
        raise NotFound(
            "integration.unknown", f"There is no integration {scope.integration[:80]!r}, or you may not see it."
        )
    return about


def _require_target(about: Integration, target: str) -> None:
    if found := alert_scopes.target_problems(about.key, target):
        raise Invalid("objective.policy", f"This cannot be set: {found[0]['message']}.", {"findings": found})


def _require(scope: ObjectiveScope, given: Objective | None, about: Integration | None, actor: User | None) -> None:
    if actor is None:
        return
    viewer = Viewer.of(actor)
    everything = permissions.may_set_objectives(viewer)
    if everything:
        return
    if about is None or not (operates := permissions.may_operate(viewer, about)):
        raise Forbidden("objective.not_allowed", f"{everything.reason} Nothing was changed.")
    now = [one.objective for one in indicators.to_measure() if scope.covers(one.scope)]
    if operates and (given is None or any(rules.looser(given, one) for one in now)):
        raise Forbidden(
            "objective.not_allowed",
            "Operators of an integration may only tighten its objectives: architects and release managers make them "
            "looser. Nothing was changed.",
        )


def _named(scope: ObjectiveScope) -> str:
    parts = (scope.kind, scope.integration, scope.target, scope.system, scope.environment)
    tier = () if scope.tier is None else (f"tier {scope.tier}",)
    return "/".join(filter(None, (*parts, *tier)))[:200]
