"""Spells in which calls of tills and pipelines were refused. They concern the installation, not one integration, so
everybody who sees the page of today sees them."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q, Sum

from kernel import clock
from runtime.domain.alert_rules import REFUSED_WINDOWS, FrontDoor
from runtime.domain.refused_calls import RefusedRow, RefusedSpell, spells
from runtime.models import RefusedCalls

SHOWN = timedelta(days=1)
MOST = 10
_COLUMNS = ("operation", "why", "refused", "first_at", "last_at")


def lately() -> list[RefusedSpell]:
    """The last ones of a day, the newest first."""
    rows = RefusedCalls.objects.filter(last_at__gte=clock.now() - SHOWN).values_list(*_COLUMNS)
    return spells(RefusedRow(*row) for row in rows)[:MOST]


def front_door() -> FrontDoor | None:
    """What alert rules look at; None where nothing was refused for a day."""
    last = lately()
    if not last:
        return None
    now = clock.now()
    sums = {}
    for minutes in REFUSED_WINDOWS:
        since = now - timedelta(minutes=minutes)
        sums[f"refused{minutes}"] = Sum("refused", filter=Q(last_at__gte=since), default=0)
        sums[f"heard{minutes}"] = Sum("refused", filter=Q(noted_at__gte=since), default=0)
    found = RefusedCalls.objects.filter(minute__gte=now - SHOWN).aggregate(**sums)
    return FrontDoor(
        {minutes: found[f"refused{minutes}"] for minutes in REFUSED_WINDOWS},
        {minutes: found[f"heard{minutes}"] for minutes in REFUSED_WINDOWS},
        last[0].says,
    )
