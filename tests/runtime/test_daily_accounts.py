"""Reconciliation: what the day adds up to, what a table really has, and what stays unknown."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from bench.order_server import order
from kernel import clock
from kernel.errors import Forbidden, Invalid, NotFound, Unavailable
from kernel.models import User
from kernel.viewer import Viewer
from runtime.domain.reconciliation import Facts, Total, amount_of, facts_of, gaps
from runtime.ledger import connections
from runtime.models import (
    Delivery,
    Integration,
    Message,
    Progress,
    QuarantinedMessage,
    TargetComparison,
    TargetSubscription,
    VendorState,
)
from runtime.selectors import daily_totals
from runtime.services import daily_accounts, intake, target_comparison
from tests.runtime import scene
from tests.runtime.test_services import FEED, catalog, deployed, work  # noqa: F401 - the deployed order feed


def test_facts_are_read_under_the_names_of_a_sale_and_everything_odd_is_unknown() -> None:
    sale = {
        "store": "0187",
        "till": "07",
        "businessDate": "2026-11-18T00:00",
        "sequence": 12,
        "total": "23.95",
        "currency": "EUR",
    }
    assert facts_of(sale) == Facts("0187", "07", "2026-11-18", 12, Decimal("23.95"), "EUR")
    assert facts_of({"store": None, "till": True, "sequence": "12", "total": 1.5, "businessDate": []}) == Facts()
    assert facts_of([1]) == facts_of(None) == Facts()


@pytest.mark.parametrize("value", [None, True, 1.5, "NaN", "Infinity", "12,50", "", [], {}])
def test_what_is_no_amount_is_unknown_and_not_zero(value: Any) -> None:
    assert amount_of(value) is None


def test_a_sum_is_unknown_as_soon_as_one_amount_is_or_currencies_differ() -> None:
    total = Total()
    total.add(Facts(amount=Decimal("1.10"), currency="EUR"))
    total.add(Facts(amount=Decimal("2.20"), currency="EUR"))
    assert (total.count, total.amount, total.known) == (2, Decimal("3.30"), True)
    mixed = Total(1, Decimal("1.00"), "EUR")
    mixed.add(Facts(amount=Decimal("1.00"), currency="USD"))
    total.add(Facts())
    assert (mixed.amount, total.amount, total.known, total.count) == (None, None, False, 3)
    assert not Total().known


@pytest.mark.parametrize("total", ["1e999999999", "-1E-999999999", "9" * 5_000, "1e309", "0." + "1" * 70])
def test_an_amount_beyond_all_bounds_that_is_stored_is_unknown_and_breaks_no_sum(total: str) -> None:
    day = Total()
    for text in ("1.10", total, "2.20"):
        day.add(facts_of({"total": Decimal(text)}))
    assert (day.count, day.amount) == (3, None)


def test_a_sum_keeps_every_digit_of_the_largest_and_the_smallest_amount() -> None:
    day = Total()
    for text in ("1e308", "1e-308", "12345678901234567890123456789012.01"):
        day.add(facts_of({"total": Decimal(text)}))
    assert day.amount is not None
    assert f"{day.amount:f}".endswith("1")
    assert "12345678901234567890123456789012.01000" in f"{day.amount:f}"


def test_a_gap_lies_between_two_numbers_of_one_till_and_day() -> None:
    came = [Facts("1", "7", "2026-11-18", n) for n in (5, 1, 2, 9, 2)] + [
        Facts("1", "8", "2026-11-18", 40),
        Facts("", "7", "d", 1),
    ]
    assert [(g.till, g.first, g.last, g.count) for g in gaps(came)] == [("7", 3, 4, 2), ("7", 6, 8, 3)]
    assert gaps([]) == []


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "1999-12-31", "3000-01-01", "2026-11-23T10:00", "\0", "²"])
def test_a_day_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        daily_totals.chosen_day(text)


@pytest.mark.django_db
class TestADay:
    @pytest.fixture
    def day(self) -> scene.Day:
        return scene.day()

    def test_every_message_is_counted_once_and_due_is_the_sum_of_what_became_of_it(self, day: scene.Day) -> None:
        made = daily_accounts.account(
            day.sales.integration, "production", timezone.localtime(clock.now()).date(), by="arrival"
        )
        arrived = Message.objects.filter(
            stream=day.sales.stream, received_at__gte=daily_totals.bounds(made.day)[0]
        ).count()
        assert made.messages.count == arrived
        for target in ("journal", "earn"):
            mine = [line.tally for line in made.lines if line.target == target]
            assert sum(t.count(*t.by_state) for t in mine) == arrived
        journal = next(line for line in made.lines if line.target == "journal")
        assert journal.tally.count("dead") == 3
        assert journal.tally.count("retrying") == 1
        assert {case.state for case in made.cases} == {"dead", "unknown"}
        assert len(made.cases) == 4

    def test_the_business_day_is_what_the_message_says_and_not_when_it_came(self, day: scene.Day) -> None:
        day.sales.put(scene.sale(700, business_date="2026-11-22"), scene.sale(701, business_date="2026-11-22"))
        made = daily_accounts.account(day.sales.integration, "production", date(2026, 11, 22), by="business")
        now = timezone.localtime(clock.now()).date()
        expected = 2 if date(2026, 11, 21) <= now <= date(2026, 11, 30) else 0  # arrival is the database's clock
        assert made.messages.count == expected

    def test_every_store_of_a_fleet_has_its_own_line(self, day: scene.Day) -> None:
        made = daily_accounts.account(
            day.prices.integration, "production", timezone.localtime(clock.now()).date(), by="arrival"
        )
        lines = {line.store: line for line in made.lines}
        if made.messages.count == 30:  # not around midnight
            assert {name: line.tally.count("waiting") for name, line in lines.items()} == {
                "0101": 0,
                "0102": 0,
                "0103": 0,
                "0187": 0,
                "0206": 15,
                "0590": 30,
            }
        assert not any(line.tally.due.known for line in made.lines)

    def test_what_one_store_of_a_fleet_skips_or_declines_is_not_counted_as_delivered_there(
        self, day: scene.Day
    ) -> None:
        subscription = next(one for (_, store), one in day.prices.subscriptions.items() if store == "0590")
        for lane, following in day.prices.next.items():
            size = following - 1
            if not size:
                continue
            codes = "sd" + "c" * (size - 2)
            Progress.objects.filter(subscription=subscription, lane=lane).update(position=size)
            Delivery.objects.create(
                subscription=subscription,
                lane=lane,
                first=1,
                last=size,
                token=1,
                release=day.prices.release,
                at=clock.now(),
                outcome="answered",
                confirmed=size - 2,
                skipped=1,
                declined=1,
                outcomes=codes,
            )
        lanes = sum(following > 1 for following in day.prices.next.values())
        today = timezone.localtime(clock.now()).date()
        made = daily_accounts.account(day.prices.integration, "production", today, by="arrival")
        tally = next(line.tally for line in made.lines if line.store == "0590")
        if made.messages.count == 30:  # not around midnight
            assert tally.count("delivered") == 30 - 2 * lanes
            assert tally.count("declined") == lanes
            assert tally.due.count == 30 - lanes

    def test_the_overview_agrees_with_the_pages_of_the_flows(self, day: scene.Day) -> None:
        today = timezone.localtime(clock.now()).date()
        found = {one.integration: one for one in daily_totals.overview(Viewer.of(day.people.rita), "production", today)}
        made = daily_accounts.account(day.sales.integration, "production", today, by="arrival")
        sales = found["sales"]
        assert sales.logged == made.messages.count
        assert sales.read is None, "nothing was collected, so nobody knows what the source had"
        journal = next(one for one in sales.targets if one.target == "journal")
        assert journal.dead == sum(line.tally.count("dead") for line in made.lines if line.target == "journal")
        assert set(found) == {"sales", "prices"}
        assert [one.integration for one in daily_totals.overview(Viewer.of(day.people.petra), "production", today)] == [
            "prices"
        ]
        assert daily_totals.overview(Viewer.of(day.people.zoe), "production", today) == []

    def test_a_vendor_that_takes_no_calls_leaves_everything_unknown(self, day: scene.Day) -> None:
        VendorState.objects.filter(system_key="s4").update(
            breaker="open", open_until=clock.now() + timedelta(minutes=5)
        )
        today = timezone.localtime(clock.now()).date()
        ask = {"by": "arrival", "target": "journal", "instance": ""}
        with pytest.raises(Unavailable):
            target_comparison.compare(day.sales.integration, "production", today, **ask, actor=day.people.sofia)
        with pytest.raises(Forbidden):
            target_comparison.compare(day.sales.integration, "production", today, **ask, actor=day.people.petra)
        with pytest.raises(NotFound):
            target_comparison.compare(
                day.sales.integration, "production", today, **(ask | {"target": "x"}), actor=day.people.sofia
            )
        assert not TargetComparison.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_table_is_really_read_and_a_row_that_is_gone_is_missing(
    catalog: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed()
    intake.accept(FEED, "production", [order(i) for i in range(20)])
    assert work() == 20
    integration, today = Integration.objects.get(key=FEED), timezone.localtime(clock.now()).date()
    ask = {"by": "arrival", "target": "read-model", "instance": "", "actor": None}
    made = target_comparison.compare(integration, "production", today, **ask)
    assert (made.due, made.asked, made.agreed, made.missing, made.extra, made.silent) == (20, 20, 20, 0, 0, 0)
    with connections.connected() as conn:
        gone = conn.execute("delete from order_target where number = %s returning id", (order(4)["number"],)).fetchall()
    assert len(gone) == 1
    target = TargetSubscription.objects.get()
    held = Message.objects.get(key=order(7)["number"])
    QuarantinedMessage.objects.create(
        subscription=target, lane=held.lane, position=held.position, key=held.key, state="unknown", reason="x"
    )
    made = target_comparison.compare(integration, "production", today, **ask)
    assert (made.agreed, made.missing, made.extra) == (18, 1, 1)
    assert {(case["key"], case["what"], case["state"]) for case in made.cases} == {
        (order(4)["number"], "missing", "delivered"),
        (order(7)["number"], "extra", "unknown"),
    }
    intake.accept(FEED, "production", [order(20), order(21)])
    with (
        connections.connected() as conn
    ):  # as if a worker had just sent the first one and waited for its answer; somebody else wrote the second
        place = "select lane, position from runtime_message where key = %s"
        lane, position = conn.execute(place, (order(20)["number"],)).fetchall()[0]
        other, last = conn.execute(place, (order(21)["number"],)).fetchall()[0]
        conn.execute("update runtime_progress set intent = %s where lane = %s", (position, lane))
        conn.execute("insert into order_target (id, _position) values (20, 0), (21, 0)")
    moving = target_comparison.compare(integration, "production", today, **ask)
    sure = 1 if other != lane or last > position else 0
    assert (moving.asked, moving.due, moving.agreed, moving.extra) == (20 + sure, 22, 18, 1 + sure), (
        "what is being sent is no difference"
    )
    assert "being sent" in moving.note
    monkeypatch.setattr(target_comparison, "ASK_SECONDS", -1.0)
    late = target_comparison.compare(integration, "production", today, **ask)
    assert (late.asked, late.due) == (0, 22)
    assert "were not queried" in late.note
    row = daily_totals.comparisons(target.stream_id, today, "arrival")[0]
    assert row.tone.word == "22 unknown"
    stranger = User.objects.create_user("stranger")
    with pytest.raises(Forbidden):
        target_comparison.compare(integration, "production", today, **(ask | {"actor": stranger}))
    with pytest.raises(NotFound):
        daily_accounts.account(integration, "staging", today, by="arrival")
