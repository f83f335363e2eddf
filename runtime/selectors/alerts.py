"""Alerts, rules and silences, as a viewer may see them: an alert of a flow by its integration, one of a system by its
owners and by the integrations that call it."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Count, Exists, F, OuterRef, Prefetch, Q, QuerySet

from catalog.selectors import systems
from kernel.viewer import Viewer
from runtime import permissions
from runtime.domain.alert_rules import FLOW, FRONT, MEASURING, VENDOR, RuleFacts, Watched
from runtime.domain.objectives import AVAILABILITY, ObjectiveScope
from runtime.domain.standings import of_stored
from runtime.models import Alert, AlertEntry, AlertRule, AlertSignal, AlertSilence, ServiceIndicator, TargetSubscription
from runtime.selectors import refused_calls

FRONT_DOOR = ObjectiveScope(FRONT)


def scope_of(row: AlertRule | AlertSilence) -> ObjectiveScope:
    key = row.integration.key if row.integration else ""
    return ObjectiveScope(row.kind, key, row.target, row.system_key, row.environment, row.tier)


def facts_of(rule: AlertRule) -> RuleFacts:
    return RuleFacts(
        rule.pk,
        rule.name,
        scope_of(rule),
        rule.condition,
        rule.severity,
        rule.factor,
        rule.long,
        rule.short,
        rule.at_least,
        rule.below,
        rule.for_minutes,
    )


def indicator_scope(one: ServiceIndicator | None) -> ObjectiveScope:
    """An indicator, named in full; its stream is loaded with its integration. None is the front door."""
    if one is None:
        return FRONT_DOOR
    key = one.stream.integration.key if one.stream is not None else ""
    return ObjectiveScope(one.kind, key, one.target, one.system_key, one.environment, one.tier)


def watched() -> list[Watched]:
    """Everything that is measured, and the front door, as rules see it."""
    names = {system.key: system.name for system in systems.all_systems()}
    door = refused_calls.front_door()
    return [
        *([Watched(None, FRONT_DOOR, None, "", False, None, None, door)] if door is not None else []),
        *_indicators(names),
    ]


def _indicators(names: dict[str, str]) -> list[Watched]:
    return [
        Watched(
            one.pk,
            indicator_scope(one),
            one.stream_id,
            title_of(one, names),
            one.paused and one.kind != AVAILABILITY,
            of_stored(one.standing),
            one.looked_at,
        )
        for one in ServiceIndicator.objects.filter(active=True).select_related("stream__integration")
    ]


def title_of(one: ServiceIndicator, names: dict[str, str]) -> str:
    """ "Sales, journal in production", or the name of the system."""
    if one.stream is None:
        return f"{names.get(one.system_key, one.system_key)} in {one.environment}"
    return f"{one.stream.integration.title}, {one.target} in {one.environment}"


def alerts(viewer: Viewer, *, state: str = "") -> QuerySet[Alert]:
    """Those that the viewer may see, newest first, with the number of their signals."""
    found = Alert.objects.filter(_seen(viewer)).select_related("stream__integration__owner_team")
    if state == "open":
        found = found.filter(state=Alert.State.OPEN)
    elif state:
        found = found.exclude(state=Alert.State.OPEN)
    return found.annotate(parts=Count("signals")).order_by("-id")


def alert(viewer: Viewer, alert_id: int) -> Alert | None:
    """With its history and the signals that it has now, those of flows that the viewer may see."""
    if alert_id >= 2**63:
        return None
    seen = AlertSignal.objects.filter(
        Q(indicator__stream=None) | Q(indicator__stream__integration__in=permissions.visible(viewer))
    ).select_related("rule", "indicator__stream__integration")
    entries = AlertEntry.objects.select_related("by")
    return (
        alerts(viewer)
        .filter(pk=alert_id)
        .prefetch_related(Prefetch("signals", seen, to_attr="seen"), Prefetch("entries", entries))
        .first()
    )


def _seen(viewer: Viewer) -> Q:
    if viewer.sees_everything:
        return Q()
    if viewer.user is None:
        return Q(pk=None)
    mine = permissions.visible(viewer)
    owned = [system.key for system in systems.all_systems() if system.owner_team_id in viewer.team_ids]
    called = TargetSubscription.objects.filter(
        vendor__system_key=OuterRef("system_key"),
        vendor__environment=OuterRef("environment"),
        stream__integration__in=mine,
    )
    seen = Q(kind=FLOW, stream__integration__in=mine) | (Q(kind=VENDOR) & (Q(system_key__in=owned) | Exists(called)))
    return seen | (Q(kind__in=(MEASURING, FRONT)) & permissions.holds_seeing_role(viewer))


def rules(viewer: Viewer) -> QuerySet[AlertRule]:
    """Those of integrations that the viewer may see; those of everything for people who see an integration at all."""
    found = AlertRule.objects.filter(_set_for(viewer)).select_related("integration__owner_team", "made_by")
    return found.annotate(firing=Count("signals", filter=Q(signals__alert__isnull=False))).order_by(
        F("tier").asc(nulls_first=True), "name"
    )


def _set_for(viewer: Viewer) -> Q:
    if viewer.sees_everything:
        return Q()
    mine = permissions.visible(viewer)
    return Q(integration__in=mine) | Q(Exists(mine), integration=None)


def silences(viewer: Viewer, *, ended: bool = False) -> QuerySet[AlertSilence]:
    """The same of silences, those that still last unless `ended`."""
    found = AlertSilence.objects.filter(_set_for(viewer))
    found = found.select_related("integration__owner_team", "set_by", "ended_by")
    return found if ended else found.filter(ended_at=None)


def callers_of(system: str, environment: str) -> Sequence[tuple[str, int]]:
    """Key and owner's group of each integration that calls a system."""
    called = TargetSubscription.objects.filter(
        vendor__system_key=system, vendor__environment=environment, open=True, replay_of=None
    )
    return list(called.values_list("stream__integration__key", "stream__integration__owner_team_id").distinct())
