"""Alerts: one for each cause, told once, raised once, resolved once.

Each look compares every rule with every indicator (`domain.alert_rules`), keeps what holds as signals, groups them by
cause and tells people through the outbox: notices, e-mail and webhooks are its handlers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.urls import reverse

from catalog.selectors import systems
from kernel import clock, outbox
from kernel.periodic_jobs import NOT_RUN
from kernel.postgresql import lock_holders
from kernel.viewer import SYSTEM
from runtime.domain import alert_rules
from runtime.domain.alert_rules import (
    FLOW,
    FRONT,
    MEASURING,
    RANK,
    UNMEASURED,
    VENDOR,
    Cause,
    RuleFacts,
    Signal,
    Watched,
)
from runtime.domain.objectives import ObjectiveScope
from runtime.models import Alert, AlertEntry, AlertRule, AlertSignal
from runtime.selectors import alerts as selectors

Verb = AlertEntry.Verb
OF_ALL = (MEASURING, FRONT)
"""What concerns the installation, and no system or flow alone."""


def attend(*, at: datetime | None = None) -> int:
    """One look. Answers how many alerts are open; any number of processes may look at once."""
    now = at or clock.now()
    with transaction.atomic():
        if not lock_holders.alone("alerting", "runtime_alertrule"):
            return NOT_RUN
        seen = selectors.watched()
        rules = {rule.pk: rule for rule in selectors.rules(SYSTEM) if rule.enabled}
        firing = _signals([selectors.facts_of(rule) for rule in rules.values()], seen, now)
        _group(firing, rules, seen, now)
        return _tell(now)


# -- signals -----------------------------------------------------------------------------------------------------------
def _signals(rules: Sequence[RuleFacts], seen: Sequence[Watched], now: datetime) -> list[tuple[AlertSignal, Signal]]:
    """What fires now, with its row. A condition that no longer holds is over when it has not held for a while."""
    held = {(row.rule_id, row.indicator_id): row for row in AlertSignal.objects.all()}
    kept: list[tuple[AlertSignal, Signal]] = []
    for rule in rules:
        for one in seen:
            if not rule.means(one.scope):
                continue
            row, answer = held.pop((rule.id, one.id), None), alert_rules.holds(rule, one, now)
            row = _row(row, rule, one, answer, now)
            if row is not None and _fires(row, rule, now):
                kept.append((row, Signal(rule, one, row.text, row.alert_id)))
    AlertSignal.objects.filter(pk__in=[row.pk for row in held.values()]).delete()  # of rules and flows that are gone
    return kept


def _row(
    row: AlertSignal | None, rule: RuleFacts, one: Watched, answer: bool | None, now: datetime
) -> AlertSignal | None:
    """The signal after a look; None where there is none, or no longer one."""
    if row is None:
        if answer is not True:
            return None
        text = alert_rules.says(rule, one, now)[:250]
        return AlertSignal.objects.create(rule_id=rule.id, indicator_id=one.id, since=now, last_at=now, text=text)
    if answer is True:
        row.last_at, row.text = now, alert_rules.says(rule, one, now)[:250]
        row.save(update_fields=["last_at", "text"])
    elif row.last_at > now:  # the clock was set back
        row.since = row.last_at = now
        row.save(update_fields=["since", "last_at"])
    elif answer is False and (row.alert_id is None or now - row.last_at >= alert_rules.QUIET):
        row.delete()
        return None
    return row


def _fires(row: AlertSignal, rule: RuleFacts, now: datetime) -> bool:
    wait = 0 if rule.condition == UNMEASURED else rule.for_minutes
    return row.alert_id is not None or row.last_at - row.since >= timedelta(minutes=wait)


# -- causes ------------------------------------------------------------------------------------------------------------
def _group(
    firing: Sequence[tuple[AlertSignal, Signal]], rules: dict[int, AlertRule], seen: Sequence[Watched], now: datetime
) -> None:
    open_alerts = {one.cause: one for one in Alert.objects.select_for_update().filter(state=Alert.State.OPEN)}
    found = alert_rules.causes(
        [signal for _, signal in firing],
        open_causes={cause: one.pk for cause, one in open_alerts.items()},
        watched=sum(one.front is None for one in seen),
    )
    rows = {(signal.rule.id, signal.one.id): row for row, signal in firing}
    for key, cause in found.items():
        alert = open_alerts.get(key) or _opened(cause, now)
        _describe(alert, cause, rules, now)
        for signal in cause.signals:
            row = rows[signal.rule.id, signal.one.id]
            if row.alert_id != alert.pk:
                row.alert = alert
                row.save(update_fields=["alert"])
    for key, alert in open_alerts.items():
        if key not in found:
            _close(alert, found, now)


def _opened(cause: Cause, now: datetime) -> Alert:
    first = cause.signals[0].one
    kind = cause.key.split(":")[0]
    made = Alert.objects.create(
        cause=cause.key[:200],
        kind=kind,
        environment="" if kind in OF_ALL else first.scope.environment,
        stream_id=first.stream if kind == FLOW else None,
        target=first.scope.target if kind == FLOW else "",
        system_key="" if kind in OF_ALL else first.scope.system,
        severity=cause.severity,
        title=_title(cause),
        opened_at=now,
    )
    _enter(made, Verb.OPENED, _texts(cause.signals), now)
    return made


def _title(cause: Cause) -> str:
    """The worst of its signals stands for all."""
    worst = max(cause.signals, key=_weight)
    if cause.key == MEASURING:
        return f"Measuring has stopped for {len({one.one.id for one in cause.signals})} indicators"
    if cause.key.startswith(f"{VENDOR}:"):
        of_vendor = [one for one in cause.signals if one.one.cause == cause.key]
        worst = max(of_vendor, key=_weight, default=worst)
    return worst.text[:250]


def _weight(signal: Signal) -> tuple[int, float]:
    return RANK[signal.rule.severity], signal.rule.factor


def _describe(alert: Alert, cause: Cause, rules: dict[int, AlertRule], now: datetime) -> None:
    """Severity and addressees only grow while an alert is open."""
    mine = [rules[signal.rule.id] for signal in cause.signals]
    raised = RANK[cause.severity] > RANK[alert.severity]
    alert.severity = cause.severity if raised else alert.severity
    alert.title = _title(cause) if raised or not alert.told else alert.title
    for name in ("inbox", "email", "webhook"):
        setattr(alert, name, getattr(alert, name) or any(getattr(rule, name) for rule in mine))
    alert.teams = sorted({*alert.teams, *(team for rule in mine for team in rule.teams)})
    alert.save(update_fields=["severity", "title", "inbox", "email", "webhook", "teams"])
    if raised:
        _enter(alert, Verb.RAISED, _texts(cause.signals), now)


def _close(alert: Alert, found: dict[str, Cause], now: datetime) -> None:
    """Nothing fires any more; or what did is a part of the alert of its system by now."""
    ended = alert.signals.count() == 0
    into = next(
        (one for one in found.values() if alert.kind == FLOW and any(s.alert == alert.pk for s in one.signals)), None
    )
    if into is not None:
        joined = Alert.objects.get(cause=into.key, state=Alert.State.OPEN)
        alert.state, alert.resolved_at = Alert.State.JOINED, now
        alert.save(update_fields=["state", "resolved_at"])
        _enter(alert, Verb.JOINED, joined.title, now, more={"alert": joined.pk})
        if alert.told:
            _emit(alert, "runtime.alert_joined", now)
    elif ended:
        alert.state, alert.resolved_at = Alert.State.RESOLVED, now
        alert.save(update_fields=["state", "resolved_at"])
        _enter(alert, Verb.RESOLVED, "", now)
        if alert.told:
            _emit(alert, "runtime.alert_resolved", now)


# -- telling -----------------------------------------------------------------------------------------------------------
def _tell(now: datetime) -> int:
    quiet = [selectors.scope_of(one) for one in selectors.silences(SYSTEM) if one.since <= now < one.until]
    found = list(Alert.objects.filter(state=Alert.State.OPEN).select_related("stream__integration"))
    for alert in found:
        if alert.acknowledged_until is not None:
            if alert.acknowledged_until > now:
                continue
            alert.acknowledged_until, alert.told = None, 0
            alert.save(update_fields=["acknowledged_until", "told"])
            _enter(alert, Verb.AGAIN, "", now)
        if RANK[alert.severity] > alert.told:
            _tell_of(alert, quiet, now)
    return len(found)


def _tell_of(alert: Alert, quiet: Sequence[ObjectiveScope], now: datetime) -> None:
    scopes = [selectors.indicator_scope(one.indicator) for one in _signals_of(alert)]
    if scopes and all(any(_covers(silence, scope) for silence in quiet) for scope in scopes):
        if not alert.entries.filter(verb=Verb.SILENT).exists():
            _enter(alert, Verb.SILENT, "", now)
        return
    topic = "runtime.alert_raised" if alert.told else "runtime.alert_opened"
    alert.told = RANK[alert.severity]
    alert.save(update_fields=["told"])
    _enter(alert, Verb.TOLD, alert.severity, now)
    _emit(alert, topic, now)


def _covers(silence: ObjectiveScope, scope: ObjectiveScope) -> bool:
    return RuleFacts(0, "", silence, "", "").means(scope)


def _signals_of(alert: Alert) -> Sequence[AlertSignal]:
    return list(alert.signals.select_related("rule", "indicator__stream__integration"))


def _emit(alert: Alert, topic: str, now: datetime) -> None:
    """Handlers: `portal.runtime_notices` and, where a rule says so, webhooks."""
    signals = [
        {
            "text": one.text,
            "severity": one.rule.severity,
            "rule": one.rule.name,
            "indicator": scope.kind,
            "integration": scope.integration,
            "target": scope.target,
            "system": scope.system,
        }
        for one, scope in ((one, selectors.indicator_scope(one.indicator)) for one in _signals_of(alert))
    ]
    payload: dict[str, Any] = {
        "alert": alert.pk,
        "cause": alert.cause,
        "environment": alert.environment,
        "severity": alert.severity,
        "title": alert.title,
        "opened_at": alert.opened_at.isoformat(),
        "resolved_at": alert.resolved_at.isoformat() if alert.resolved_at else None,
        "signals": signals,
        "url": reverse("runtime:alert", args=[alert.pk]),
        "owners": sorted(owners_of(alert)),
        "teams": alert.teams,
        "inbox": alert.inbox,
        "email": alert.email,
        "webhooks": alert.webhook,
    }
    outbox.emit(topic, key=alert.cause, payload=payload)


def owners_of(alert: Alert) -> set[int]:
    """Group ids of the teams that an alert concerns; none for one about measuring itself or the front door."""
    if alert.kind == FLOW and alert.stream is not None:
        return {alert.stream.integration.owner_team_id}
    if alert.kind != VENDOR:
        return set()
    teams = {team for _, team in selectors.callers_of(alert.system_key, alert.environment)}
    system = systems.by_key(alert.system_key)
    return teams | ({system.owner_team_id} if system and system.owner_team_id else set())


def _texts(signals: Iterable[Signal]) -> str:
    return "\n".join(dict.fromkeys(signal.text for signal in signals))


def _enter(alert: Alert, verb: str, text: str, now: datetime, *, more: Any = None) -> None:
    AlertEntry.objects.create(alert=alert, at=now, verb=verb, text=text, more=more)
