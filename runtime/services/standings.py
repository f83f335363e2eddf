"""Evaluate every indicator: windows, error budgets and burn rates, stored with it for pages, alerts and metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from django.utils import timezone

from kernel import clock
from runtime.domain import service_levels as rules
from runtime.domain import standings
from runtime.domain.objectives import LATENCY
from runtime.domain.service_levels import BURN_MINUTES, Sums
from runtime.domain.standings import Standing, WindowStanding
from runtime.models import IndicatorDay, ServiceIndicator
from runtime.selectors import indicators
from runtime.services.measuring import sums_of

_COLUMNS = ("indicator_id", "day", "looked", "counted", "good", "allowed", "paused", "pending", "histogram")


def evaluate(*, at: datetime | None = None) -> list[ServiceIndicator]:
    """Evaluate what is deployed and store it. Three queries and one statement, however many indicators there are."""
    now = at or clock.now()
    found = list(ServiceIndicator.objects.filter(active=True))
    today = timezone.localtime(now).date()
    spans = {"rolling": rules.rolling(today), "month": rules.month(today)}
    days = _days(min(first for first, _ in spans.values()), today)
    recent = {row["indicator"]: row for row in indicators.recent_sums(now, BURN_MINUTES)}
    for one in found:
        mine = days.get(one.pk, [])
        windows = {name: _window(one, mine, first, now) for name, (first, _) in spans.items()}
        budget = None if one.share is None else float(1 - one.share / 100)
        sums = {minutes: _recent(recent.get(one.pk), minutes) for minutes in BURN_MINUTES}
        one.standing = Standing(windows["rolling"], windows["month"], *standings.rates(sums, budget)).plain()
        one.evaluated_at = now
    ServiceIndicator.objects.bulk_update(found, ["standing", "evaluated_at"], batch_size=500)
    return found


def report(one: ServiceIndicator, first: date, last: date, *, at: datetime | None = None) -> WindowStanding:
    """Any days of the past, each judged by the objective that was in force on it."""
    now = at or clock.now()
    rows = IndicatorDay.objects.filter(indicator=one, day__gte=first, day__lte=last).values(*_COLUMNS)
    ends = min(now, midnight(last + timedelta(days=1)))
    known_since = timezone.localtime(one.since)
    before = f"it is measured since {known_since:%-d %B %Y}" if known_since.date() > last else ""
    return _window(one, rows, first, ends, last=last, nothing_because=before)


def _days(first: date, last: date) -> dict[int, list[dict[str, Any]]]:
    made: dict[int, list[dict[str, Any]]] = {}
    rows = IndicatorDay.objects.filter(day__gte=first, day__lte=last, indicator__active=True).values(*_COLUMNS)
    for row in rows:
        made.setdefault(row["indicator_id"], []).append(row)
    return made


def _window(
    one: ServiceIndicator,
    rows: Iterable[Mapping[str, Any]],
    first: date,
    ends: datetime,
    last: date | None = None,
    nothing_because: str = "",
) -> WindowStanding:
    known_since = timezone.localtime(one.since).date()
    mine = [row for row in rows if max(first, known_since) <= row["day"] and (last is None or row["day"] <= last)]
    begins = max(midnight(first), one.since)
    return standings.window(
        rules.total(map(sums_of, mine)),
        first=first,
        elapsed=max((ends - begins).total_seconds() / 60, 0.0),
        objective=one.share is not None,
        nothing_because=nothing_because or one.reason,
        quantiles=one.kind == LATENCY,
    )


def midnight(day: date) -> datetime:
    """The beginning of a day in the organisation's time zone."""
    return datetime(day.year, day.month, day.day, tzinfo=timezone.get_current_timezone())


def _recent(row: Mapping[str, Any] | None, minutes: int) -> Sums:
    if row is None:
        return rules.NOTHING
    return Sums(*(row[f"{name}_{minutes}"] for name in ("looked", "counted", "good", "allowed")))
