"""Service levels as pages, API and metrics show them: each indicator with its objective and what is known of it now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from catalog.selectors import systems
from kernel import clock
from kernel.ui import tones
from kernel.ui.tones import Tone
from kernel.ui.wording import counted, duration, number, relative
from kernel.viewer import Viewer
from runtime import permissions
from runtime.domain import service_levels as rules
from runtime.domain import standings
from runtime.domain.objectives import AVAILABILITY, KINDS, LATENCY, Objective
from runtime.domain.service_levels import MET, MISSED
from runtime.domain.standings import Standing, WindowStanding
from runtime.models import IndicatorDay, ObjectiveChange, Pin, ServiceIndicator, TargetSubscription
from runtime.selectors.alerts import title_of

STALE = timedelta(minutes=10)
"""What was evaluated longer ago says nothing about now."""


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """One indicator. `days` are the good shares of the last 28 days, None for days without evidence."""

    id: int
    kind: str
    environment: str
    title: str
    integration: str
    target: str
    system: str
    system_name: str
    tier: int
    paused: bool
    since: datetime
    looked_at: datetime | None
    evaluated_at: datetime | None
    objective: Objective | None
    standing: Standing | None
    reason: str = ""
    days: tuple[tuple[date, float | None], ...] = field(default=(), repr=False)

    @property
    def kind_label(self) -> str:
        return KINDS[self.kind]

    @property
    def stale(self) -> bool:
        return self.evaluated_at is None or clock.now() - self.evaluated_at > STALE

    @property
    def rolling(self) -> WindowStanding | None:
        return None if self.standing is None else self.standing.rolling

    @property
    def state(self) -> str:
        """met, missed or unknown: what nobody has looked at for a while is unknown, whatever it was."""
        return rules.UNKNOWN if self.stale or self.standing is None else self.standing.state

    @property
    def burns(self) -> bool:
        return not self.stale and self.standing is not None and self.standing.burns

    @property
    def tone(self) -> Tone:
        if self.state == MISSED:
            return tones.stop("Missed")
        if self.burns:
            return tones.wait("Burning", "alert")
        return tones.ok("Met") if self.state == MET else tones.quiet("Unknown", "info")

    @property
    def why(self) -> str:
        """Why it is unknown, or what else has to be said of the verdict."""
        if self.stale:
            if self.evaluated_at is None:
                return "not measured yet"
            return f"not measured since {timezone.localtime(self.evaluated_at):%-d %b %H:%M}"
        if self.rolling is None:
            return "not measured yet"
        parts = [self.rolling.reason] if self.rolling.reason else []
        if self.rolling.unmeasured and self.state != rules.UNKNOWN:
            parts.append(f"{duration(self.rolling.unmeasured * 60)} not measured")
        if self.rolling.paused >= 1:
            parts.append(f"{duration(self.rolling.paused * 60)} of the bad time while paused by people")
        return "; ".join(parts)

    @property
    def objective_words(self) -> str:
        if self.objective is None:
            return "no objective"
        limit = self.objective.limit_s
        share = percent(float(self.objective.share))
        return share if limit is None else f"{share} within {duration(limit)}"

    @property
    def objective_sentence(self) -> str:
        return "" if self.objective is None else self.objective.words(self.kind)

    @property
    def measured_words(self) -> str:
        ratio = None if self.rolling is None else self.rolling.ratio
        return "unknown" if ratio is None else percent(ratio * 100)

    @property
    def counted_words(self) -> str:
        """What the measured share is a share of."""
        if self.rolling is None or not self.rolling.counted:
            return ""
        if self.kind == LATENCY:
            return "of " + counted(round(self.rolling.counted), "message")
        return f"of {duration(self.rolling.counted * 60)}"

    @property
    def left_words(self) -> str:
        return budget_left(None if self.rolling is None else self.rolling.left)

    @property
    def left_share(self) -> float | None:
        left = None if self.rolling is None else self.rolling.left
        return None if left is None else max(left, 0.0)

    @property
    def burn_words(self) -> str:
        """The burn rates of an hour and of three days."""
        if self.standing is None:
            return "unknown"
        return " · ".join(rate_words(self.standing.burn.get(str(minutes))) for minutes in (60, 4320))

    @property
    def quantile_words(self) -> str:
        """ "p50 0.4 s, p95 2 s, p99 9 s" of the window; empty for what has none."""
        if self.kind != LATENCY or self.rolling is None or not (self.rolling.counted or self.rolling.p50):
            return ""
        named = (("p50", self.rolling.p50), ("p95", self.rolling.p95), ("p99", self.rolling.p99))
        return ", ".join(f"{name} {duration(value)}" for name, value in named)

    @property
    def spark(self) -> list[float]:
        """The bad share of each day that is known: what stands out is what hurts."""
        return [1 - share for _, share in self.days if share is not None]

    @property
    def spark_label(self) -> str:
        known = [(day, share) for day, share in self.days if share is not None]
        if not known:
            return f"{self.kind_label} of {self.title}: nothing measured in 28 days"
        day, worst = min(known, key=lambda one: one[1])
        return (
            f"{self.kind_label} of {self.title} by day; {len(known)} days known, worst {percent(worst * 100)} on {day}"
        )

    @property
    def looked_words(self) -> str:
        return "never" if self.looked_at is None else relative(self.looked_at, since=clock.now())


@dataclass(frozen=True, slots=True)
class WindowWords:
    """A window in words."""

    first: str
    tone: Tone
    reason: str
    measured: str
    of: str
    bad: str
    left: str
    unmeasured: str
    paused: str


def budget_left(share: float | None) -> str:
    """What is left of an error budget, as pages say it; `share` is 1 for all of it, None where nobody knows."""
    if share is None:
        return "unknown"
    return f"{share * 100:.0f} %" if share > -9.99 else "overdrawn"


def window_words(window: WindowStanding, of: ServiceLevel) -> WindowWords:
    tone = {MET: tones.ok("Met"), MISSED: tones.stop("Missed")}.get(window.state, tones.quiet("Unknown", "info"))
    left = budget_left(window.left)
    none = (
        "nothing" if window.counted > 0 or window.unmeasured > 0 else "unknown"
    )  # of that time nothing is known at all
    return WindowWords(
        window.first,
        tone,
        window.reason,
        "unknown" if window.ratio is None else percent(window.ratio * 100),
        _amount(window.counted, of.kind) and f"of {_amount(window.counted, of.kind)}",
        _amount(window.bad, of.kind) or none,
        left,
        duration(window.unmeasured * 60) if window.unmeasured else none,
        duration(window.paused * 60) if window.paused >= 1 else none,
    )


def _amount(value: float, kind: str) -> str:
    """Minutes as a duration, messages as a count; empty for none."""
    if value <= 0:
        return ""
    return counted(round(value), "message") if kind == LATENCY else duration(value * 60)


def rate_words(rate: float | None) -> str:
    return "–" if rate is None else f"{rate:.3g}×"


def percent(value: float) -> str:
    """A share in per cent with as many digits as tell it from 100."""
    for digits in (2, 3):
        text = f"{value:.{digits}f}"
        if float(text) < 100 or value >= 100:
            return f"{text.rstrip('0').rstrip('.')} %"
    return "99.999 %"


def listed(
    viewer: Viewer, environment: str, *, integration: str = "", kind: str = "", days: bool = True
) -> list[ServiceLevel]:
    """What the viewer may see of an environment, the worst first: missed, burning, unknown, met. Three queries."""
    found = _visible(viewer).filter(active=True, environment=environment)
    if integration:
        keys = systems_called_by(integration, environment)
        found = found.filter(Q(stream__integration__key=integration) | Q(kind=AVAILABILITY, system_key__in=keys))
    if kind:
        found = found.filter(kind=kind)
    return _levels(found, days=days)


def of_api(viewer: Viewer, slug: str, environment: str) -> list[ServiceLevel]:
    """Of the flows of one environment that deliver to an API, and of its system."""
    pins = Pin.objects.filter(
        reference__startswith=f"{slug}@",
        role__startswith="target ",
        release__deployments__active=True,
        release__deployments__environment=environment,
    ).values_list("release__integration__key", "role")
    flows = {(key, role.removeprefix("target ")) for key, role in pins}
    wanted = Q(pk=None)
    for key, target in flows:
        wanted |= Q(stream__integration__key=key, target=target)
    mine = _visible(viewer).filter(active=True, environment=environment)
    called = list(mine.filter(wanted).values_list("system_key", flat=True))
    return _levels(mine.filter(wanted | Q(kind=AVAILABILITY, system_key__in=called)), days=True)


def one(viewer: Viewer, indicator_id: int) -> ServiceLevel | None:
    if indicator_id >= 2**63:
        return None
    found = _levels(_visible(viewer).filter(pk=indicator_id), days=True)
    return found[0] if found else None


def indicator(viewer: Viewer, indicator_id: int) -> ServiceIndicator | None:
    return _visible(viewer).filter(pk=indicator_id).first() if indicator_id < 2**63 else None


def history(indicator_id: int) -> list[ObjectiveChange]:
    """The objectives of an indicator, the newest first."""
    return list(ObjectiveChange.objects.filter(indicator=indicator_id).order_by("-since", "-id")[:50])


def systems_called_by(integration: str, environment: str) -> list[str]:
    called = TargetSubscription.objects.filter(
        stream__integration__key=integration, stream__environment=environment, open=True, replay_of=None
    )
    return sorted(set(called.values_list("vendor__system_key", flat=True)))


def _visible(viewer: Viewer) -> QuerySet[ServiceIndicator]:
    found = ServiceIndicator.objects.select_related("stream__integration")
    if viewer.sees_everything:
        return found
    if viewer.user is None:
        return found.none()
    mine = permissions.visible(viewer)
    owned = [system.key for system in systems.all_systems() if system.owner_team_id in viewer.team_ids]
    called = TargetSubscription.objects.filter(
        vendor__system_key=OuterRef("system_key"),
        vendor__environment=OuterRef("environment"),
        stream__integration__in=mine,
    )
    of_system = Q(stream=None) & (Q(system_key__in=owned) | Exists(called))
    return found.filter(Q(stream__integration__in=mine) | of_system)


def _levels(found: Iterable[ServiceIndicator], *, days: bool) -> list[ServiceLevel]:
    rows = list(found)
    names = {system.key: system.name for system in systems.all_systems()}
    shares = _days([row.pk for row in rows]) if days else {}
    made = [_level(row, names, shares) for row in rows]
    return sorted(made, key=lambda one: (*_worst(one), one.title, one.kind))


def _worst(one: ServiceLevel) -> tuple[int, float]:
    return standings.worst_first(None if one.stale else one.standing)


def _level(
    row: ServiceIndicator, names: dict[str, str], shares: dict[int, list[tuple[date, float | None]]]
) -> ServiceLevel:
    return ServiceLevel(
        row.pk,
        row.kind,
        row.environment,
        title_of(row, names).removesuffix(f" in {row.environment}"),
        row.stream.integration.key if row.stream else "",
        row.target,
        row.system_key,
        names.get(row.system_key, row.system_key),
        row.tier,
        row.paused,
        row.since,
        row.looked_at,
        row.evaluated_at,
        None if row.share is None else Objective(row.share, row.limit_s, row.source),
        standings.of_stored(row.standing),
        row.reason,
        tuple(shares.get(row.pk, ())),
    )


def _days(ids: Sequence[int]) -> dict[int, list[tuple[date, float | None]]]:
    first, last = rules.rolling(timezone.localtime(clock.now()).date())
    made: dict[int, list[tuple[date, float | None]]] = {}
    rows = IndicatorDay.objects.filter(indicator__in=ids, day__gte=first, day__lte=last).order_by("day")
    for pk, day, counted_, good in rows.values_list("indicator_id", "day", "counted", "good"):
        made.setdefault(pk, []).append((day, good / counted_ if counted_ > 0 else None))
    return made


def summary(found: Sequence[ServiceLevel]) -> Tone:
    """One tone for the heading of the board."""
    if not found:
        return tones.quiet("Nothing measured")
    missed = sum(one.state == MISSED for one in found)
    burning = sum(one.burns and one.state != MISSED for one in found)
    unknown = sum(one.state == rules.UNKNOWN for one in found)
    if missed:
        return tones.stop(f"{number(missed)} missed")
    if burning:
        return tones.wait(f"{number(burning)} burning", "alert")
    if unknown:
        return tones.quiet(f"{number(unknown)} unknown", "info")
    return tones.ok("All met")


def plain(one: ServiceLevel) -> dict[str, Any]:
    """As the API shows it."""
    rolling = one.rolling
    return {
        "id": one.id,
        "kind": one.kind,
        "environment": one.environment,
        "integration": one.integration,
        "target": one.target,
        "system": one.system,
        "tier": one.tier,
        "state": one.state,
        "burning": one.burns,
        "why": one.why,
        "paused": one.paused,
        "measured_since": one.since,
        "evaluated_at": one.evaluated_at,
        "objective": None
        if one.objective is None
        else {
            "share": str(one.objective.share),
            "limit_s": one.objective.limit_s,
            "given_by": one.objective.source,
            "words": one.objective.words(one.kind),
        },
        "rolling": _window(rolling),
        "month": _window(one.standing.month if one.standing else None),
        "burn_rates": dict(one.standing.burn) if one.standing else {},
    }


def _window(window: WindowStanding | None) -> dict[str, Any] | None:
    if window is None:
        return None
    names = ("first", "state", "ratio", "counted", "bad", "pending", "p50", "p95", "p99")
    made = {name: getattr(window, name) for name in names}
    return made | {"budget_left": window.left, "unmeasured_minutes": window.unmeasured, "paused_minutes": window.paused}
