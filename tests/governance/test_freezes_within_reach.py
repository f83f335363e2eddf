"""A verdict costs what the freezes of its own dimensions cost, and sees no fewer of them."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.db.models.signals import post_init

from catalog.models import Environment, RetailStore, ScopeValue
from catalog.selectors.gate_asking import GateStore
from governance.domain import freeze
from governance.domain.freeze import FreezeScope
from governance.models import FreezeInterval, FreezeWindow
from governance.selectors import freezes as windows
from governance.selectors import navigation
from governance.services import freezes, policies, verdicts
from governance.services.gate_evidence import freezes as evidence
from governance.services.gate_evidence.asked import TouchedItem
from kernel import clock
from kernel.viewer import SYSTEM
from tests.catalog import make as catalog
from tests.governance import make
from tests.governance.raw_sql import beneath_guards

pytestmark = pytest.mark.django_db
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
OTHERS = (
    {"environment": "test"},
    {"domain": "loyalty"},
    {"system": "pos"},
    {"tier": 0, "system": "price-engine", "domain": "loyalty"},
    {"banner": "south"},
    {"store_zone": "America/New_York"},
)


@pytest.fixture(autouse=True)
def estate() -> None:
    catalog.estate()
    policies.install(level="organisation", document=make.POLICY, actor=None)
    for key, zone in (("north", "Europe/Berlin"), ("south", "America/New_York")):
        banner = ScopeValue.objects.create(dimension="banner", key=key, name=key)
        RetailStore.objects.create(key=f"{key}-0001", name=key, banner=banner, zone=zone)
    Environment.objects.filter(key="production").update(is_fleet=True)


def plan(number: int, **scope: Any) -> FreezeWindow:
    """Each with a calendar that no other has."""
    calendar = {"kind": "weekly", "zone": "UTC", "days": DAYS, "from": f"{number // 60:02}:{number % 60:02}"}
    return freezes.plan(actor=None, name=f"Freeze {number}", calendar=calendar | {"hours": 24}, **scope)


def ask() -> dict[str, Any]:
    question = {"application": "till", "version": "1", "environment": "production", "consumes": ["price-api@v2"]}
    return dict(verdicts.ask(question | {"instance": "north-0001"}, viewer=SYSTEM).document)


@pytest.mark.parametrize("scope", OTHERS, ids=lambda scope: "-".join(scope))
def test_no_calendar_of_a_freeze_of_something_else_is_worked_out(scope: dict[str, Any]):
    for number in range(12):
        plan(number, **scope)
    before = freeze._compiled_around.cache_info()
    said = ask()
    after = freeze._compiled_around.cache_info()
    assert (after.misses + after.hits) - (before.misses + before.hits) == 0
    assert not any(reason["code"].startswith("freeze.") for reason in said["reasons"])


def test_whether_each_planned_freeze_has_its_row_is_compared_once_each():
    for number in range(60):
        plan(number, domain="loyalty")
    with connection.cursor() as cursor:
        cursor.execute("analyze governance_freezewindow, kernel_auditentry")
        cursor.execute("explain (analyze, costs off, format json) " + windows._LOST)
        plan_of = cursor.fetchone()[0]
    (top,) = plan_of if isinstance(plan_of, list) else json.loads(plan_of)
    assert compared(top["Plan"]) == 0


def compared(node: dict[str, Any]) -> int:
    """Rows that were compared with each other and did not fit."""
    here = int(node.get("Rows Removed by Join Filter", 0)) * int(node.get("Actual Loops", 1))
    return here + sum(compared(below) for below in node.get("Plans", ()))


def test_a_freeze_that_was_planned_a_moment_ago_counts_at_once():
    assert not any(reason["code"].startswith("freeze.") for reason in ask()["reasons"])
    plan(1, domain="price", banner="north")
    assert [r["code"] for r in ask()["reasons"] if r["code"].startswith("freeze.")] == ["freeze.active"]


def test_the_line_of_the_navigation_reads_no_more_occurrences_than_it_names():
    soon = clock.now() + timedelta(days=2)
    later = {"zone": "UTC", "from": "10:00", "until": "11:00", "kind": "weekly"}
    for number in range(10):
        plan_of = later | {"days": [DAYS[(soon.weekday() + number % 3) % 7]]}
        freezes.plan(actor=None, name=f"Later {number}", calendar=plan_of, environment=("test", None)[number % 2])
    asked: list[Any] = []
    post_init.connect(read := lambda instance, **_: asked.append(instance), FreezeInterval, weak=False)
    try:
        lines = navigation.lines(SYSTEM)
    finally:
        post_init.disconnect(read, FreezeInterval)
    assert len(asked) == 1
    begins = soon.replace(hour=10, minute=0)
    assert lines == [f"Later 3 starts {begins:%a %d %b, %H:%M} UTC."]


@pytest.mark.parametrize("begun", [True, False])
def test_the_first_freeze_of_production_is_that_of_all_which_cover_it(begun: bool):
    dice = random.Random(11)
    for number in range(30):
        day = clock.now() + timedelta(days=dice.randint(0, 9))
        calendar = {
            "kind": "weekly",
            "zone": "UTC",
            "days": [DAYS[day.weekday()]],
            "from": f"{dice.randint(0, 23):02}:00",
        }
        freezes.plan(
            actor=None,
            name=f"One {number}",
            calendar=calendar | {"hours": dice.randint(1, 30)},
            strictness=dice.choice(("notice", "changes", "work")),
            **dice.choice(
                ({}, {"environment": "test"}, {"environment": "production"}, {"domain": "price"}, {"tier": 1})
            ),
        )
    now, scope = clock.now(), FreezeScope("production", None, None)
    for hours in range(0, 240, 7):
        start = now + timedelta(hours=hours)
        every = [o for o in windows.touching(scope, start, start + timedelta(days=3)) if begun or o.starts > start]
        first = windows.first_within("production", start, start + timedelta(days=3), begun=begun)
        assert (first.starts, first.ends) == (every[0].starts, every[0].ends) if every and first else first is None


# -- no fewer ----------------------------------------------------------------------------------------------------------
def some_windows(dice: random.Random, count: int) -> None:
    """Of any scope; some name what the catalog lost, some have a calendar that nobody can read."""
    values: dict[str, list[Any]] = {
        "environment": ["test", "production"],
        "tier": [0, 1, 2, 3],
        "domain": ["price", "loyalty"],
        "system": ["pos", "price-engine"],
        "banner": ["north", "south"],
        "store_zone": ["Europe/Berlin", "America/New_York"],
    }
    for number in range(count):
        named = dice.sample(list(values), dice.choice((0, 1, 1, 2, 3)))
        plan(number * 7 % 1440, **{key: dice.choice(values[key]) for key in named})
    made = list(FreezeWindow.objects.order_by("id"))
    dice.shuffle(made)
    broken = ("domain = 'gone'", "system = 'gone'", "environment = 'gone'", "store_zone = 'Mars/Base'")
    with beneath_guards(), connection.cursor() as cursor:
        unread = """calendar = '{"kind": "never"}'"""
        for window, what in zip(made, (*broken, "banner_id = 999999", unread), strict=False):
            cursor.execute(f"update governance_freezewindow set {what} where id = %s", [window.pk])


def test_within_reach_of_a_question_is_every_freeze_that_bears_on_it():
    dice = random.Random(20261201)
    some_windows(dice, 60)
    moment = clock.now() + timedelta(hours=3)
    everything = windows.at(moment)
    assert len(everything) > 40
    seen = 0
    for _ in range(80):
        asked = a_question(dice)
        items = [
            TouchedItem(
                f"version {number}",
                dice.choice((None, 0, 1, 2, 3)),
                dice.choice((None, "price", "loyalty", "order")),
                dice.choice(((), ("pos",), ("price-engine", "pos"), ("erp",))),
            )
            for number in range(dice.choice((1, 1, 2, 3)))
        ]
        bearing = [window for window in everything if evidence._not_known(window.scope, items, asked) is not None]
        within = windows.at(moment, evidence.reach_of(items, asked))
        assert [w for w in within if evidence._not_known(w.scope, items, asked) is not None] == bearing
        seen += len(everything) - len(within)
    assert seen > 1000  # most are left out


def a_question(dice: random.Random) -> Any:
    store = GateStore(
        banner=dice.choice((None, "north")), region=None, channel=None, zone=dice.choice((None, "Europe/Berlin"))
    )
    instance = dice.choice(("", "north-0001"))
    return SimpleNamespace(
        environment=dice.choice(("production", "test")),
        instance=instance,
        store=dice.choice((None, store)) if instance else None,
        there=SimpleNamespace(is_fleet=dice.choice((None, True, False))),
    )


def test_within_reach_of_a_change_is_every_freeze_that_covers_it():
    dice = random.Random(7)
    some_windows(dice, 60)
    moment = clock.now() + timedelta(hours=3)
    everything = windows.at(moment)
    for _ in range(80):
        scope = FreezeScope(
            dice.choice(("production", "test")),
            dice.choice((None, 0, 2, 3)),
            *dice.choice(((None, ()), ("price", ()), ("price", ("pos",)), (None, ("price-engine",)))),
            domains=(),
            fleet=dice.choice((None, True, False)),
        )
        covered = [window.id for window in everything if freeze.covers(window.scope, scope)]
        assert [found.id for found in windows.active(scope, moment)] == covered
