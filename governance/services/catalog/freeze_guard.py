"""Which freezes are open now, for the facts of the catalog that decide whether one covers a thing, and what an
application runs with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from catalog.selectors import systems
from governance.models import ApplicationRelease, FreezeWindow
from governance.selectors import freezes
from kernel import clock


def open_freezes(facts: Mapping[str, Any]) -> list[str]:
    """The names of those that refuse changes of this thing in some environment."""
    now = clock.now()
    return [
        found.name
        for environment, _, _ in systems.environments()
        for found in freezes.active(freezes.scope_of(environment, facts), now)
        if found.strictness != FreezeWindow.Strictness.NOTICE
    ]


def recorded_apis(application: str) -> set[str]:
    """The APIs that live records say it uses or provides."""
    rows = ApplicationRelease.objects.filter(application=application, ended_at=None)
    named = rows.values_list("consumes", "provides")
    return {reference.partition("@")[0] for lists in named for listed in lists for reference in listed}
