"""What people set about alerts: rules, silences, and that somebody is at it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction

from catalog.selectors import systems, teams
from kernel import audit, clock
from kernel.errors import Conflict, Forbidden, Invalid, NotFound, finding
from kernel.models import User
from kernel.viewer import Permission, Viewer
from runtime import permissions
from runtime.domain import alert_rules
from runtime.domain.alert_rules import BUDGET, BURN, FLOW, VENDOR
from runtime.models import Alert, AlertEntry, AlertRule, AlertSilence, Integration
from runtime.selectors import alerts as selectors
from runtime.services import alert_scopes

FIELDS = (
    "name",
    "kind",
    "target",
    "system_key",
    "environment",
    "tier",
    "condition",
    "factor",
    "long",
    "short",
    "at_least",
    "below",
    "for_minutes",
    "severity",
    "inbox",
    "email",
    "webhook",
    "teams",
    "enabled",
)
"""What a rule says, beside its integration."""


def make_rule(given: Mapping[str, Any], *, actor: User) -> AlertRule:
    """Raises Invalid `alert_rule.invalid` with findings, Conflict `alert_rule.name_taken`, Forbidden, NotFound."""
    return _save_rule(AlertRule(made_by=actor), given, actor)


def change_rule(rule_id: int, given: Mapping[str, Any], *, actor: User) -> AlertRule:
    """`given` may name some of the fields. What fires by the rule is judged by the new one at the next look."""
    with transaction.atomic():
        rule = _rule(rule_id, actor)
        before = {name: getattr(rule, name) for name in FIELDS}
        key = rule.integration.key if rule.integration else ""
        return _save_rule(rule, before | {"integration": key} | dict(given), actor)


def remove_rule(rule_id: int, *, actor: User) -> None:
    """Its signals end with it."""
    with transaction.atomic():
        rule = _rule(rule_id, actor)
        _allow(permissions.may_set_alert_rules(Viewer.of(actor), rule.integration), "alert_rule.not_allowed")
        audit.record("runtime.alert_rule_removed", "alert_rule", rule.name, actor=actor, before=_plain(rule))
        rule.delete()


def _rule(rule_id: int, actor: User) -> AlertRule:
    found = selectors.rules(Viewer.of(actor)).filter(pk=rule_id).first() if rule_id < 2**63 else None
    if found is None:
        raise NotFound("alert_rule.unknown", f"There is no alert rule {rule_id}, or you may not see it.")
    return found


def _save_rule(rule: AlertRule, given: Mapping[str, Any], actor: User) -> AlertRule:
    viewer, before = Viewer.of(actor), _plain(rule) if rule.pk else None
    found = list(alert_rules.problems(dict(given)))
    found += [one for one in alert_scopes.problems(given, viewer) if one not in found]
    found += [finding("/teams", f"there is no team {key!r}") for key in _unknown_teams(given.get("teams") or ())]
    if found:
        raise Invalid("alert_rule.invalid", f"This rule cannot be used: {found[0]['message']}.", {"findings": found})
    if rule.pk:
        _allow(permissions.may_set_alert_rules(viewer, rule.integration), "alert_rule.not_allowed")
    rule.integration = _integration(str(given.get("integration") or ""), viewer)
    _allow(permissions.may_set_alert_rules(viewer, rule.integration), "alert_rule.not_allowed")
    for name in FIELDS:
        if name in given:
            setattr(rule, name, given[name] if given[name] is not None or name == "tier" else "")
    rule.factor = rule.factor if rule.condition == BURN else 0.0
    rule.below = rule.below if rule.condition == BUDGET else 0.0
    try:
        with transaction.atomic():
            rule.save()
            verb = "runtime.alert_rule_changed" if before else "runtime.alert_rule_made"
            audit.record(verb, "alert_rule", rule.name, actor=actor, before=before, after=_plain(rule))
    except IntegrityError as error:
        raise Conflict("alert_rule.name_taken", f"There is a rule called {rule.name!r} already.") from error
    return rule


def _plain(rule: AlertRule) -> dict[str, Any]:
    key = rule.integration.key if rule.integration else ""
    return {name: getattr(rule, name) for name in FIELDS} | {"integration": key}


def _unknown_teams(keys: Any) -> list[str]:
    known = {team.key for team in teams.all_teams()}
    return [str(key) for key in keys if key not in known]


def _integration(key: str, viewer: Viewer) -> Integration | None:
    if not key:
        return None
    found = permissions.visible(viewer).select_related("owner_team").filter(key=key).first()
    if found is None:
        raise NotFound("integration.unknown", f"There is no integration {key[:80]!r}, or you may not see it.")
    return found


def require_setting(key: str, *, actor: User) -> None:
    """Raise Forbidden `alert_rule.not_allowed` where the actor sets nothing for this integration (empty: for more than
    one), and NotFound where it is unknown to them."""
    viewer = Viewer.of(actor)
    _allow(permissions.may_set_alert_rules(viewer, _integration(key, viewer)), "alert_rule.not_allowed")


def _allow(allowed: Permission, code: str) -> None:
    if not allowed:
        raise Forbidden(code, f"{allowed.reason} Nothing was changed.")


# -- silences ----------------------------------------------------------------------------------------------------------
def silence(given: Mapping[str, Any], *, until: datetime, reason: str, actor: User) -> AlertSilence:
    """Tell nobody of what `given` names until then, at most 31 days. Alerts are kept all the same; one that is still
    open at the end is told then. The same once more is the same silence. Raises Invalid `silence.invalid`, Conflict
    `silence.exists`, Forbidden, NotFound."""
    now, viewer = clock.now(), Viewer.of(actor)
    found = alert_scopes.problems(given, viewer) + _time_problems(now, until, reason)
    if given.get("target") and not given.get("integration"):
        found.append(finding("/integration", "say of which integration the target is"))
    if found:
        raise Invalid("silence.invalid", f"This cannot be silenced: {found[0]['message']}.", {"findings": found})
    about = _integration(str(given.get("integration") or ""), viewer)
    _allow(permissions.may_set_alert_rules(viewer, about), "silence.not_allowed")
    names = ("kind", "target", "system_key", "environment")
    scope: dict[str, Any] = {name: str(given.get(name) or "") for name in names}
    scope |= {"integration": about, "tier": given.get("tier")}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("lock table runtime_alertsilence in share row exclusive mode")  # of two equal ones one is made
        same = AlertSilence.objects.filter(**scope, ended_at=None, until__gt=now).order_by("-until").first()
        if same is not None:
            if (same.until, same.reason) == (until, reason.strip()):
                return same
            raise Conflict(
                "silence.exists",
                f"This is silenced already, until {same.until:%Y-%m-%d %H:%M} UTC (silence {same.pk}). "
                "Change that silence, or end it first.",
                {"silence": same.pk},
            )
        made = AlertSilence.objects.create(**scope, since=now, until=until, reason=reason.strip(), set_by=actor)
        after = {"until": until.isoformat(), "integration": about.key if about else ""}
        audit.record("runtime.alerts_silenced", "silence", str(made.pk), actor=actor, after=after, reason=reason)
    return made


def _time_problems(now: datetime, until: datetime, reason: str) -> list[dict[str, Any]]:
    found = []
    if not now < until <= now + alert_rules.LONGEST_SILENCE:
        found.append(finding("/until", "in the future, and at most 31 days away"))
    if not reason.strip():
        found.append(finding("/reason", "give a reason"))
    return found


def change_silence(silence_id: int, *, until: datetime, reason: str, actor: User) -> AlertSilence:
    """Another end, and why; what it names stays. Raises Invalid `silence.invalid`, Conflict `silence.ended`, Forbidden,
    NotFound."""
    found = _silence(silence_id, actor)
    if problems := _time_problems(clock.now(), until, reason):
        raise Invalid("silence.invalid", f"It cannot be changed so: {problems[0]['message']}.", {"findings": problems})
    with transaction.atomic():
        still = AlertSilence.objects.filter(pk=silence_id, ended_at=None, until__gt=clock.now())
        if not still.update(until=until, reason=reason.strip()):
            raise Conflict("silence.ended", "This silence has ended. Make another one.")
        before, after = {"until": found.until.isoformat()}, {"until": until.isoformat()}
        audit.record(
            "runtime.alert_silence_changed",
            "silence",
            str(silence_id),
            actor=actor,
            before=before | {"reason": found.reason},
            after=after,
            reason=reason,
        )
    found.refresh_from_db()
    return found


def _silence(silence_id: int, actor: User) -> AlertSilence:
    viewer = Viewer.of(actor)
    found = selectors.silences(viewer, ended=True).filter(pk=silence_id).first() if silence_id < 2**63 else None
    if found is None:
        raise NotFound("silence.unknown", f"There is no silence {silence_id}, or you may not see it.")
    _allow(permissions.may_set_alert_rules(viewer, found.integration), "silence.not_allowed")
    return found


def end_silence(silence_id: int, *, actor: User) -> None:
    """Idempotent."""
    _silence(silence_id, actor)
    with transaction.atomic():
        ended = {"ended_at": clock.now(), "ended_by": actor, "until": clock.now()}
        if AlertSilence.objects.filter(pk=silence_id, ended_at=None).update(**ended):
            audit.record("runtime.alert_silence_ended", "silence", str(silence_id), actor=actor)


# -- somebody is at it -------------------------------------------------------------------------------------------------
def may_acknowledge(viewer: Viewer, alert: Alert) -> Permission:
    """Operators of the flow; of a system, its owners and the operators of what calls it; else those who set rules."""
    if alert.kind == FLOW and alert.stream is not None:
        return permissions.may_operate(viewer, alert.stream.integration)
    if alert.kind == VENDOR:
        system = systems.by_key(alert.system_key)
        callers = [key for key, _ in selectors.callers_of(alert.system_key, alert.environment)]
        return permissions.may_probe_vendor(viewer, callers, system.owner_team_id if system else None)
    return permissions.may_set_alert_rules(viewer, None)


def acknowledge(alert_id: int, *, until: datetime | None, reason: str, actor: User) -> Alert:
    """Somebody is at it: nothing more is told before `until` (a day where it is not said), but that it is over. Still
    open then, it is told again. Raises Invalid `alert.acknowledge`, Conflict `alert.over`, Forbidden, NotFound."""
    now = clock.now()
    ends = until or now + timedelta(days=1)
    found = [] if reason.strip() else [finding("/reason", "say who does what about it")]
    if not now < ends <= now + alert_rules.LONGEST_SILENCE:
        found.append(finding("/until", "in the future, and at most 31 days away"))
    if found:
        raise Invalid("alert.acknowledge", f"This cannot be acknowledged: {found[0]['message']}.", {"findings": found})
    alert = selectors.alert(Viewer.of(actor), alert_id)
    if alert is None:
        raise NotFound("alert.unknown", f"There is no alert {alert_id}, or you may not see it.")
    _allow(may_acknowledge(Viewer.of(actor), alert), "alert.not_operator")
    with transaction.atomic():
        open_still = Alert.objects.filter(pk=alert_id, state=Alert.State.OPEN)
        if not open_still.update(acknowledged_until=ends):
            raise Conflict("alert.over", "This alert is over already.")
        AlertEntry.objects.create(
            alert=alert,
            at=now,
            verb=AlertEntry.Verb.ACKNOWLEDGED,
            text=reason.strip(),
            by=actor,
            more={"until": ends.isoformat()},
        )
        after = {"until": ends.isoformat()}
        audit.record("runtime.alert_acknowledged", "alert", str(alert_id), actor=actor, after=after, reason=reason)
    alert.acknowledged_until = ends
    return alert
