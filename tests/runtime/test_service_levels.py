"""What is measured against what was promised: never met for lack of evidence, late outcomes in, and a history that an
objective of today does not rewrite."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from catalog.models import SlaTier
from kernel import clock
from runtime.domain import service_levels as rules
from runtime.domain.objectives import AVAILABILITY, FRESHNESS, LATENCY
from runtime.domain.service_levels import MET, MISSED, UNKNOWN, Sums
from runtime.ledger import measures
from runtime.models import (
    Deployment,
    IndicatorDay,
    IndicatorPeriod,
    ObjectiveChange,
    ObjectivePolicy,
    Progress,
    ServiceIndicator,
    StreamSource,
    VendorState,
)
from runtime.selectors.service_levels import budget_left
from runtime.services import measuring, service_level_jobs, standings
from tests.runtime import scene

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def house() -> scene.People:
    people = scene.estate()
    for tier in SlaTier.objects.all():
        tier.rules |= {"availability": "99.9"}
        tier.save()
    return people


@pytest.fixture
def sales(house: scene.People) -> scene.Site:
    return scene.Site(scene.SALES, house.groups["sales-finance"])


def now() -> datetime:
    """The beginning of five minutes, a little ago, so that nothing lies in the future."""
    return rules.period_of(clock.now()) - timedelta(hours=1)


def look(at: datetime, minutes: int = 1) -> list[ServiceIndicator]:
    """Measure minute by minute up to a moment, and evaluate."""
    for back in range(minutes - 1, -1, -1):
        measuring.measure(at=at - back * MINUTE)
    return standings.evaluate(at=at)


def loyalty_is_down() -> None:
    later = clock.now() + timedelta(hours=1)
    VendorState.objects.filter(system_key="loyalty").update(breaker="open", open_until=later)


def indicator(kind: str, **more: Any) -> ServiceIndicator:
    return ServiceIndicator.objects.get(kind=kind, **more)


def rolling(kind: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = indicator(kind, **more).standing["rolling"]
    return found


# -- verdicts ----------------------------------------------------------------------------------------------------------
def test_nothing_that_could_be_judged_is_unknown_and_says_why() -> None:
    said = rules.judge(Sums(looked=600), elapsed=600, measured=True)
    assert (said.state, said.reason) == (UNKNOWN, "nothing has come that could be judged")
    assert rules.judge(Sums(), elapsed=600, measured=True).reason == "not measured yet"
    assert rules.judge(Sums(), elapsed=600, measured=False).reason == "no objective is set for it"


def test_a_gap_wider_than_the_budget_is_unknown_however_good_the_rest_is() -> None:
    day = 1440.0
    good = Sums(looked=day - 10, counted=day - 10, good=day - 10, allowed=(day - 10) * 0.001)
    assert rules.judge(good, elapsed=day, measured=True).state == UNKNOWN
    assert "10 min were not measured" in rules.judge(good, elapsed=day, measured=True).reason
    lax = Sums(looked=day - 10, counted=day - 10, good=day - 10, allowed=(day - 10) * 0.05)
    assert rules.judge(lax, elapsed=day, measured=True).state == MET


def test_what_is_missed_even_if_the_gap_was_good_is_missed() -> None:
    bad = Sums(looked=1000, counted=1000, good=900, allowed=1)
    assert rules.judge(bad, elapsed=1440, measured=True).state == MISSED
    assert bad.budget_left == pytest.approx(-99)


def test_a_burn_rate_is_the_error_over_the_budget() -> None:
    sums = Sums(looked=60, counted=60, good=60 - 0.864)
    assert sums.burn(0.001) == pytest.approx(14.4)
    assert Sums(looked=60).burn(0.001) is None, "nothing was called, so nothing is known"


@pytest.mark.parametrize(
    ("share", "said"), [(1.0, "100 %"), (0.5, "50 %"), (-0.2, "-20 %"), (-20.0, "overdrawn"), (None, "unknown")]
)
def test_what_is_left_of_a_budget_is_said_in_the_same_way_everywhere(share: float | None, said: str) -> None:
    assert budget_left(share) == said


def test_quantiles_come_from_buckets_within_a_quarter() -> None:
    histogram = {10: 50.0, 20: 45.0, 30: 5.0}
    for share, bucket in ((0.5, 10), (0.95, 20), (0.99, 30)):
        found = rules.quantile(histogram, share)
        assert found is not None
        assert rules.BOUNDS[bucket - 1] <= found <= rules.BOUNDS[bucket] * 1.0001
    assert rules.quantile({}, 0.5) is None


# -- latency -----------------------------------------------------------------------------------------------------------
def test_messages_are_judged_by_when_they_came_and_what_waits_is_not_judged_before_it_is_due(sales: scene.Site) -> None:
    at = now()
    look(at)
    sales.put(*[scene.sale(n) for n in range(40)], at=at + MINUTE)
    sales.pass_to("earn", at=at + 1.5 * MINUTE)
    look(at + 3 * MINUTE)
    earn, journal = (indicator(LATENCY, target=name) for name in ("earn", "journal"))
    period = IndicatorPeriod.objects.get(indicator=earn, begins=at)
    assert (period.counted, period.good, period.pending) == (40, 40, 0)
    assert rules.quantile(measuring.sums_of(period).histogram, 0.5) == pytest.approx(30, rel=0.25)
    waiting = IndicatorPeriod.objects.get(indicator=journal, begins=at)
    assert (waiting.counted + waiting.pending, waiting.good) == (40, 0)


def test_an_outcome_that_comes_late_is_in_the_period_of_its_message(sales: scene.Site) -> None:
    """A sale of now waits, and is not judged; once it is confirmed within its limit it counts as good."""
    at = clock.now()
    measuring.measure(at=rules.period_of(at))
    sales.put(scene.sale(1), at=clock.now())
    measuring.measure(at=clock.now())
    mine = IndicatorPeriod.objects.filter(indicator=indicator(LATENCY, target="earn"))
    assert sum(one.pending for one in mine) == 1
    assert sum(one.counted for one in mine) == 0
    sales.pass_to("earn")
    measuring.measure(at=clock.now())
    assert [sum(getattr(one, name) for one in mine.all()) for name in ("counted", "good", "pending")] == [1, 1, 0]


def test_a_message_without_an_end_is_late_once_its_limit_has_passed(sales: scene.Site) -> None:
    at = now()
    look(at)
    sales.put(scene.sale(1), scene.sale(2), at=at + MINUTE)
    look(at + 2 * MINUTE)
    period = IndicatorPeriod.objects.get(indicator=indicator(LATENCY, target="earn"), begins=at)
    assert (period.counted, period.good) == (2, 0), "an hour old, and the tier allows fifteen minutes"


def test_what_went_through_quarantine_counts_with_its_own_end(sales: scene.Site) -> None:
    at = now()
    look(at)
    places = sales.put(*[scene.sale(n) for n in range(20)], at=at + MINUTE)
    lane, position = places[0]
    sales.pass_to("earn", at=at + 1.2 * MINUTE)
    with connection.cursor() as cursor:
        cursor.execute("set session_replication_role = replica")
        cursor.execute("update runtime_delivery set outcomes = repeat('c', (last - first + 1)::int)")
        cursor.execute(
            "update runtime_delivery set outcomes = overlay(outcomes placing 'q' from (%s - first + 1)::int for 1) "
            "where lane = %s and %s between first and last",
            [position, lane, position],
        )
        cursor.execute("set session_replication_role = origin")
    sales.attempt(places[0], "earn", "confirmed", "")
    look(at + 2 * MINUTE)
    period = IndicatorPeriod.objects.get(indicator=indicator(LATENCY, target="earn"), begins=at)
    assert (period.counted, period.good) == (20, 19), "confirmed an hour later, which is too late"


def test_a_large_batch_is_looked_at_in_some_places_and_counted_whole(sales: scene.Site) -> None:
    at = now()
    look(at)
    sales.put(*[scene.sale(n) for n in range(900)], at=at + MINUTE)
    sales.pass_to("earn", at=at + 2 * MINUTE)
    look(at + 3 * MINUTE)
    period = IndicatorPeriod.objects.get(indicator=indicator(LATENCY, target="earn"), begins=at)
    assert (round(period.counted), round(period.good)) == (900, 900)


def test_a_flow_without_messages_is_unknown_not_met(sales: scene.Site) -> None:
    look(now() + 4 * MINUTE, minutes=4)
    said = rolling(LATENCY, target="earn")
    assert (said["state"], said["reason"]) == (UNKNOWN, "nothing has come that could be judged")


# -- freshness ---------------------------------------------------------------------------------------------------------
def test_freshness_of_a_silent_source_that_promises_nothing_is_unknown(sales: scene.Site) -> None:
    look(now() + 5 * MINUTE, minutes=5)
    said = rolling(FRESHNESS, target="earn")
    assert said["state"] == UNKNOWN
    assert "promises no sign of life" in said["reason"]


def test_a_store_of_unknown_age_makes_the_fleet_unknown_and_a_stale_one_spends_the_budget(house: scene.People) -> None:
    prices = scene.Site(scene.PRICES, house.groups["pricing"])
    StreamSource.objects.filter(stream=prices.stream).update(read_at=clock.now())
    prices.put({"sku": "P1", "price": 9.99}, key="sku", at=clock.now())
    stores = [instance for _, instance in prices.subscriptions]
    for instance in stores[:-1]:
        prices.pass_to("stores", instance)
    look(clock.now(), minutes=2)
    ServiceIndicator.objects.update(since=clock.now() - timedelta(minutes=30))
    look(clock.now() + MINUTE)
    said = rolling(FRESHNESS, target="stores")
    assert said["state"] == UNKNOWN
    assert f"in 1 of {len(stores)} stores" in said["reason"]
    StreamSource.objects.filter(stream=prices.stream).update(read_at=clock.now() - timedelta(days=2))
    before = rolling(FRESHNESS, target="stores")["bad"]
    look(clock.now() + 2 * MINUTE)
    assert rolling(FRESHNESS, target="stores")["bad"] > before


# -- availability ------------------------------------------------------------------------------------------------------
def answers(environment: str, system: str, outcome: str, count: int) -> None:
    measures.ANSWERS.labels(environment, system, outcome).inc(count)


def test_a_vendor_that_nobody_called_is_unknown(sales: scene.Site) -> None:
    look(now() + 4 * MINUTE, minutes=4)
    assert rolling(AVAILABILITY, system_key="loyalty")["state"] == UNKNOWN


def test_calls_that_answered_count_and_a_declined_message_is_an_answer(sales: scene.Site) -> None:
    at = now()
    look(at)
    answers("production", "loyalty", "answered", 30)
    answers("production", "loyalty", "unanswered", 10)
    look(at + MINUTE)
    found = IndicatorPeriod.objects.get(indicator=indicator(AVAILABILITY, system_key="loyalty"))
    assert (found.counted, found.good) == (1, 0.75)


def test_an_open_circuit_breaker_is_down_although_nobody_calls(sales: scene.Site) -> None:
    at = now()
    look(at)
    loyalty_is_down()
    look(at + 5 * MINUTE, minutes=5)
    found = rules.total(
        measuring.sums_of(one)
        for one in IndicatorPeriod.objects.filter(indicator=indicator(AVAILABILITY, system_key="loyalty"))
    )
    assert (found.counted, found.good) == (5, 0)
    assert rolling(AVAILABILITY, system_key="loyalty")["state"] == MISSED


def test_a_half_open_circuit_breaker_that_nobody_calls_is_no_evidence(sales: scene.Site) -> None:
    at = now()
    look(at)
    VendorState.objects.filter(system_key="loyalty").update(breaker="open", open_until=clock.now() - MINUTE)
    look(at + 2 * MINUTE, minutes=2)
    found = IndicatorPeriod.objects.get(indicator=indicator(AVAILABILITY, system_key="loyalty"))
    assert (found.looked, found.counted) == (3, 0)


def test_a_connection_fault_of_one_target_is_down(sales: scene.Site) -> None:
    at = now()
    look(at)
    subscription = sales.subscriptions["earn", ""]
    subscription.fault, subscription.fault_since = "path", clock.now()
    subscription.save()
    look(at + MINUTE)
    found = IndicatorPeriod.objects.get(indicator=indicator(AVAILABILITY, system_key="loyalty"))
    assert (found.counted, found.good) == (1, 0)


# -- twice, and clocks -------------------------------------------------------------------------------------------------
def test_a_minute_counts_once_however_many_schedulers_look(sales: scene.Site) -> None:
    at = now()
    look(at)
    loyalty_is_down()
    for second in (5, 20, 40):
        measuring.measure(at=at + MINUTE + timedelta(seconds=second))
    found = IndicatorPeriod.objects.get(indicator=indicator(AVAILABILITY, system_key="loyalty"))
    assert found.counted == 1


def test_a_clock_that_was_a_day_ahead_stops_no_measuring_when_it_is_set_back(sales: scene.Site) -> None:
    at = now()
    look(at)
    loyalty_is_down()
    look(at + timedelta(days=1))
    measuring.clock_was_set(at=at + MINUTE)
    look(at + 3 * MINUTE, minutes=3)
    mine = IndicatorPeriod.objects.filter(indicator=indicator(AVAILABILITY, system_key="loyalty"), begins=at)
    assert mine.get().counted == 3


def test_messages_under_way_while_the_clock_was_set_are_not_judged(sales: scene.Site) -> None:
    """A sale came before the clock went a day ahead, and was confirmed a second later: by the clock a day late."""
    at = now()
    look(at)
    sales.put(scene.sale(1), at=at + MINUTE)
    measuring.clock_was_set(at=at + 2 * MINUTE)
    sales.pass_to("earn", at=at + timedelta(days=1))
    look(at + 3 * MINUTE)
    period = IndicatorPeriod.objects.get(indicator=indicator(LATENCY, target="earn"), begins=at)
    assert (period.counted, period.pending) == (0, 0)


# -- objectives --------------------------------------------------------------------------------------------------------
def test_an_objective_changed_in_the_middle_of_the_month_does_not_rewrite_what_was_before(sales: scene.Site) -> None:
    at = now()
    look(at)
    loyalty_is_down()
    look(at + 2 * MINUTE, minutes=2)
    before = rolling(AVAILABILITY, system_key="loyalty")["allowed"]
    ObjectivePolicy.objects.create(kind=AVAILABILITY, system_key="loyalty", share=Decimal(50), reason="a lax one")
    look(at + 3 * MINUTE)
    allowed = rolling(AVAILABILITY, system_key="loyalty")["allowed"]
    assert allowed == pytest.approx(before + 0.5), "only the minute after the change has the new budget"
    known = indicator(AVAILABILITY, system_key="loyalty")
    history = list(ObjectiveChange.objects.filter(indicator=known).order_by("id").values_list("share", "source"))
    assert history == [(Decimal("99.900"), "tier"), (Decimal("50.000"), "policy")]


def test_a_longer_limit_of_today_does_not_make_the_late_messages_of_before_good(sales: scene.Site) -> None:
    at = now()
    look(at)
    sales.put(scene.sale(1), at=at + MINUTE)
    sales.pass_to("earn", at=at + 40 * MINUTE)
    look(at + 4 * MINUTE)
    ObjectivePolicy.objects.create(kind=LATENCY, share=Decimal(90), limit_s=86_400, reason="a lax one")
    look(at + 6 * MINUTE)
    period = IndicatorPeriod.objects.get(indicator=indicator(LATENCY, target="earn"), begins=at)
    assert (period.counted, period.good) == (1, 0)


def test_a_paused_flow_spends_its_budget_and_the_sum_says_how_much_of_it(sales: scene.Site) -> None:
    at = now()
    look(at)
    loyalty_is_down()
    Deployment.objects.update(paused=True)
    look(at + MINUTE)
    found = IndicatorPeriod.objects.get(indicator=indicator(AVAILABILITY, system_key="loyalty"))
    assert (found.counted, found.good, found.paused) == (1, 0, 1)


def test_days_hold_what_periods_said_and_outlive_them(sales: scene.Site) -> None:
    at = now()
    look(at)
    loyalty_is_down()
    look(at + 2 * MINUTE, minutes=2)
    measuring.drop_old(at=at + timedelta(days=6))
    assert not IndicatorPeriod.objects.exists()
    day = IndicatorDay.objects.get(indicator=indicator(AVAILABILITY, system_key="loyalty"))
    assert (day.counted, day.good) == (2, 0)
    report = standings.report(day.indicator, day.day, day.day, at=at + timedelta(days=6))
    assert report.state == MISSED


def test_measuring_costs_the_same_number_of_queries_for_many_stores(
    sales: scene.Site, django_assert_max_num_queries: Any
) -> None:
    look(now())
    with django_assert_max_num_queries(40):
        measuring.measure(at=now() + MINUTE)


def test_progress_of_a_fleet_is_read_once_for_stores_at_the_same_place(house: scene.People) -> None:
    prices = scene.Site(scene.PRICES, house.groups["pricing"])
    at = now()
    look(at)
    prices.put(*[{"sku": f"P{n}", "price": 9.99} for n in range(10)], key="sku", at=at + MINUTE)
    look(at + 2 * MINUTE)
    stores = Progress.objects.values("subscription").distinct().count()
    period = IndicatorPeriod.objects.get(indicator=indicator(LATENCY, target="stores"), begins=at)
    assert period.counted + period.pending == 10 * stores


def test_the_jobs_measure_once_a_minute_and_mind_a_clock_that_is_set(
    sales: scene.Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(measuring, "measure", lambda **_: done.append("measured"))
    monkeypatch.setattr(measuring, "clock_was_set", lambda: done.append("clock"))
    monkeypatch.setattr(measuring, "drop_old", lambda: 0)
    times = iter([1000.0, 1000.0, 90_000.0])
    monkeypatch.setattr(service_level_jobs, "_now", lambda: next(times))
    jobs, at = service_level_jobs.ServiceLevelJobs(), now()
    for moment in (at, at + timedelta(seconds=30), at + timedelta(seconds=61)):
        with clock.frozen(moment):
            jobs.run_due()
    assert done == ["measured", "clock", "measured"]
