"""The house around a working day of the runtime: its teams, people, systems, environments and tiers."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.contrib.auth.models import Group

from catalog.models import Environment, SlaTier, System
from kernel.models import User
from tests import kept_rows
from tests.portal import make


@dataclass(slots=True)
class People:
    sofia: User
    rita: User
    petra: User
    sam: User
    zoe: User
    groups: dict[str, Group] = field(default_factory=dict)


@kept_rows.once
def estate() -> People:
    """Teams, people, systems, environments and tiers."""
    teams = {
        "sales-finance": "Sales and finance",
        "pricing": "Pricing",
        "architects": "Architects",
        "release-managers": "Release managers",
        "security": "Security",
    }
    groups = {
        key: make.team(key, name, "role" if key in ("architects", "release-managers", "security") else "domain")
        for key, name in teams.items()
    }
    for key, name, kind in (
        ("s4", "S/4HANA Cloud", "erp"),
        ("pos", "Store POS estate", "pos"),
        ("loyalty", "Loyalty engine", "loyalty"),
    ):
        System.objects.create(key=key, name=name, kind=kind)
    for position, key in enumerate(("test", "production")):
        Environment.objects.create(key=key, name=key.capitalize(), position=position)
    for level, staleness in ((0, 60), (1, 900), (2, 3600), (3, 86400)):
        SlaTier.objects.create(level=level, name=f"Tier {level}", rules={"max_staleness_s": staleness})
    return People(
        sofia=make.person("sofia", groups["sales-finance"]),
        rita=make.person("rita", groups["release-managers"]),
        petra=make.person("petra", groups["pricing"]),
        sam=make.person("sam", groups["security"]),
        zoe=make.person("zoe"),
        groups=groups,
    )
