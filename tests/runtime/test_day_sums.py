"""Sums of days: at every moment of a history they say what the messages themselves say."""

from __future__ import annotations

import json
import random
from bisect import bisect_right
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from kernel import clock
from kernel.viewer import Viewer
from runtime.domain.reconciliation import Tally, Total, gaps
from runtime.ledger import partitions, retention
from runtime.ledger.connections import Connection
from runtime.models import (
    Attempt,
    DaySum,
    Delivery,
    Head,
    Lane,
    Message,
    Progress,
    QuarantinedMessage,
    TargetSubscription,
)
from runtime.selectors import daily_totals
from runtime.services import daily_accounts, day_messages, day_sums, erasure
from tests.runtime import scene
from tests.runtime.make import Flow
from tests.runtime.scene_manifests import PRICES, SALES

pytestmark = pytest.mark.django_db
DAYS = [date(2026, 11, 16) + timedelta(days=number) for number in range(4)]
LEFT = ("dead", "unknown", "retry", "behind", "sending")
Line = tuple[str, str, int, str, dict[str, tuple[int, str]]]


# -- the messages themselves, one by one -------------------------------------------------------------------------------
def said(total: Total) -> str:
    return f"{total.amount.normalize()} {total.currency}" if total.known and total.amount is not None else "unknown"


def line(target: str, store: str, tally: Tally) -> Line:
    states = {name: (found.count, said(found)) for name, found in tally.by_state.items() if found.count}
    return target, store, tally.due.count, said(tally.due), states


def by_messages(site: scene.Site, day: date, by: str) -> dict[str, Any]:
    """The account as it would be without any sums."""
    flow = day_messages.flow_of(site.integration, "production")
    entries, complete = day_messages.entries_of(flow, day, by)
    assert complete
    total, lines, cases = Total(), [], []
    for one in entries:
        total.add(one.facts)
    far, held = day_messages.standing_of(flow, entries)
    for side in flow.sides:
        for mine in side.subscriptions:
            if mine.instance:
                tally, found = of_a_store(side, mine, entries)
                lines.append(line(side.target.name, mine.instance, tally))
                cases += [(side.target.name, mine.instance, *one) for one in found]
                continue
            tallies: dict[str, Tally] = {}
            for one in entries:
                state = day_messages.state_of(side, one, far[mine.pk], held[mine.pk])
                tallies.setdefault(one.facts.store, Tally()).add(state, one.facts)
                if state in ("dead", "unknown", "closed"):
                    cases.append((side.target.name, "", one.lane, one.position, state))
            lines += [line(side.target.name, store, tally) for store, tally in tallies.items()]
    return {
        "messages": (total.count, said(total)),
        "undated": sum(1 for one in entries if not one.facts.day),
        "lines": sorted(lines, key=str),
        "cases": sorted(cases),
        "gaps": gaps(one.facts for one in entries),
    }


def of_a_store(side: Any, mine: TargetSubscription, entries: list[Any]) -> tuple[Tally, list[tuple[int, int, str]]]:
    spans: dict[int, tuple[int, int]] = {}
    for one in entries:
        first, last = spans.get(one.lane, (one.position, one.position))
        spans[one.lane] = min(first, one.position), max(last, one.position)
    far, held = daily_totals.standing([mine.pk], spans)
    words = daily_totals.passed_over([mine.pk], spans)[mine.pk] | held[mine.pk]
    at = {(one.lane, one.position) for one in entries if one.newest and side.meant(one.key, one.document)}
    by_lane: dict[int, list[int]] = {}
    for lane, position in sorted(at):
        by_lane.setdefault(lane, []).append(position)
    passed = sum(bisect_right(positions, far[mine.pk].get(lane, 0)) for lane, positions in by_lane.items())
    counts = Counter({"waiting": len(at) - passed, "delivered": passed})
    cases = []
    for place, word in words.items():
        if place in at:
            state = day_messages.STATE_OF.get(word, "retrying")
            counts[state] += 1
            counts["delivered"] -= 1
            if state in ("dead", "unknown", "closed"):
                cases.append((*place, state))
    tally = Tally()
    for state, count in counts.items():
        tally.by_state[state] = Total(count, None)
    tally.due = Total(len(at) - counts["not_meant"] - counts["replaced"], None)
    return tally, cases


def by_sums(site: scene.Site, day: date, by: str) -> dict[str, Any]:
    made = daily_accounts.account(site.integration, "production", day, by=by)
    assert made.complete
    return {
        "messages": (made.messages.count, said(made.messages)),
        "undated": made.undated,
        "lines": sorted((line(one.target, one.store, one.tally) for one in made.lines), key=str),
        "cases": sorted(
            (one.target, one.instance, one.entry.lane, one.entry.position, one.state) for one in made.cases
        ),
        "gaps": made.gaps,
    }


# -- a history ---------------------------------------------------------------------------------------------------------
class History:
    """Days of sales and prices, in which everything happens that changes what a day says."""

    def __init__(self, seed: int) -> None:
        self.random, self.number, self.erased = random.Random(seed), 0, 0
        people = scene.estate()
        target = PRICES["targets"][0] | {"instances": ["0101", "0102", "0103"]}
        self.people = people
        self.sales = scene.Site(SALES, people.groups["sales-finance"])
        self.prices = scene.Site(PRICES | {"targets": [target]}, people.groups["pricing"])
        self.now = datetime.combine(DAYS[0], datetime.min.time(), timezone.get_current_timezone())

    def at(self) -> datetime:
        """Time goes on, and the clock is set back at times."""
        self.now += timedelta(minutes=self.random.choice((1, 5, 30, 200)))
        if self.random.random() < 0.03:
            self.now -= timedelta(minutes=self.random.choice((3, 90)))
        return self.now

    def append(self, site: scene.Site, key: str, payload: dict[str, Any]) -> None:
        lane = scene.lane_of(key, site.stream.lanes)
        position, site.next[lane] = site.next[lane], site.next[lane] + 1
        head = Head.objects.filter(stream=site.stream, key=key).first()
        with connection.cursor() as cursor:
            cursor.execute(
                "insert into runtime_message (stream_id, lane, position, received_at, key, previous, version, "
                "release_id, payload) values (%s, %s, %s, %s, %s, %s, 0, %s, %s)",
                [
                    *(site.stream.pk, lane, position, self.at(), key, head.position if head else 0),
                    *(site.release.pk, json.dumps(payload)),
                ],
            )
        Head.objects.update_or_create(
            stream=site.stream, key=key, defaults={"hash": 1, "version": 0, "position": position}
        )
        Lane.objects.filter(stream=site.stream, lane=lane).update(next=position + 1)

    def sell(self) -> None:
        self.number += 1
        choose = self.random.choice
        sold = scene.sale(self.number, store=choose(("0101", "0187", "0590", "")), till=choose(("1", "2")))
        sold["business_date"] = (self.now.date() - timedelta(days=choose((0, 0, 0, 1, 2)))).isoformat()
        sold |= choose(({}, {"businessDate": None}, {"businessDate": sold["business_date"]}))
        sold["sequence"] = self.number + choose((0, 0, 0, 3))
        sold["total"] = choose((12.5, "3.99", 7, 100, None, "odd")) if self.random.random() < 0.3 else self.number
        sold["currency"] = "EUR" if self.random.random() < 0.95 else "CHF"
        if self.random.random() < 0.1:
            sold.pop("business_date")
        self.append(self.sales, str(sold["transaction"]), sold)

    def price(self) -> None:
        sku = f"P{self.random.randrange(6)}"
        self.append(self.prices, sku, {"sku": sku, "price": self.random.randrange(100) / 4})

    def deliver(self) -> None:
        site = self.random.choice((self.sales, self.prices))
        subscription = self.random.choice(list(site.subscriptions.values()))
        lane = self.random.randrange(site.stream.lanes)
        place: Any = Progress.objects.get(subscription=subscription, lane=lane)
        waiting = site.next[lane] - 1 - place.position
        if waiting < 1:
            return
        many = self.random.randint(1, waiting)
        codes = "".join(self.random.choices("cusdq", (70, 5, 10, 5, 10), k=many))
        Progress.objects.filter(subscription=subscription, lane=lane).update(position=place.position + many)
        counts = Counter(codes)
        self.delivered(subscription, lane, place.position + 1, codes, counts)
        for number, code in enumerate(codes):
            if code == "q":
                self.quarantine(site, subscription, lane, place.position + 1 + number)

    def delivered(
        self, subscription: TargetSubscription, lane: int, first: int, codes: str, counts: Counter[str]
    ) -> None:
        Delivery.objects.create(
            subscription=subscription,
            lane=lane,
            first=first,
            last=first + len(codes) - 1,
            token=1,
            at=clock.now(),
            outcome="answered",
            confirmed=counts["c"],
            superseded=counts["u"],
            skipped=counts["s"],
            declined=counts["d"],
            refused=counts["q"],
            outcomes=None if set(codes) == {"c"} else codes,
        )

    def quarantine(self, site: scene.Site, subscription: TargetSubscription, lane: int, position: int) -> None:
        message = Message.objects.get(stream=site.stream, lane=lane, position=position)
        QuarantinedMessage.objects.create(
            subscription=subscription,
            lane=lane,
            position=position,
            key=message.key,
            state=self.random.choice(LEFT),
            reason="refused",
        )

    def decide(self) -> None:
        """One leaves the quarantine, or another state follows."""
        held = list(QuarantinedMessage.objects.all())
        if not held:
            return
        one: Any = self.random.choice(held)
        mine = QuarantinedMessage.objects.filter(subscription=one.subscription_id, lane=one.lane, position=one.position)
        what = self.random.choice(("confirmed", "given_up", "skipped", "declined", "again"))
        if what == "again":
            mine.update(state=self.random.choice(LEFT))
            return
        place = {"lane": one.lane, "first": one.position, "last": one.position}
        Attempt.objects.create(subscription_id=one.subscription_id, **place, token=1, outcome=what)
        mine.delete()

    def erase(self) -> None:
        site = self.random.choice((self.sales, self.prices))
        messages = list(Message.objects.filter(stream=site.stream))
        if not messages:
            return
        one: Any = self.random.choice(messages)
        place = {"lane": one.lane, "position": one.position}
        if not erasure.preview(site.stream.pk, **place, actor=None).waits:
            self.erased += erasure.erase(site.stream.pk, **place, actor=None, reason="asked for")

    def add_up(self) -> None:
        day_sums.bring_up_to_date(self.random.choice((self.sales, self.prices)).stream.pk)

    def go_on(self, steps: int) -> None:
        things = (self.sell, self.price, self.deliver, self.decide, self.erase, self.add_up)
        for thing in self.random.choices(things, (50, 20, 15, 8, 1, 6), k=steps):
            thing()


def check(history: History, seed: int) -> None:
    for site, ways in ((history.sales, ("arrival", "business")), (history.prices, ("arrival",))):
        for day in DAYS:
            for by in ways:
                mine, messages = by_sums(site, day, by), by_messages(site, day, by)
                known, read = mine.pop("gaps"), messages.pop("gaps")
                assert known == read or history.erased, "a number that was erased is known to the sums alone"
                assert mine == messages, (seed, site.integration.key, day, by)


def lived(seed: int, monkeypatch: pytest.MonkeyPatch, *, rounds: int) -> History:
    monkeypatch.setattr(day_sums, "TILE", 7)
    history = History(seed)
    for _ in range(rounds):
        history.go_on(40)
        check(history, seed)
    return history


def test_at_random_moments_of_a_history_the_sums_say_what_the_messages_say(monkeypatch: pytest.MonkeyPatch) -> None:
    history = lived(1, monkeypatch, rounds=2)
    history.sell()
    for site in (history.sales, history.prices):
        day_sums.bring_up_to_date(site.stream.pk)
    check(history, 1)
    assert DaySum.objects.filter(number__gt=0).exists()
    assert not day_sums.bring_up_to_date(history.sales.stream.pk), "nothing is left"


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(20))
def test_in_many_histories_the_sums_say_what_the_messages_say(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lived(seed, monkeypatch, rounds=8)


# -- single things -----------------------------------------------------------------------------------------------------
@pytest.fixture
def day() -> scene.Day:
    return scene.day()


def today() -> date:
    return timezone.localtime(clock.now()).date()


def test_a_day_is_counted_whole_however_many_messages_it_has(day: scene.Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day_messages, "LIMIT", 60)
    monkeypatch.setattr(daily_accounts, "LIMIT", 60)
    arrived = Message.objects.filter(stream=day.sales.stream, received_at__gte=daily_totals.bounds(today())[0]).count()
    first = daily_accounts.account(day.sales.integration, "production", today(), by="arrival")
    assert (first.complete, first.summed_at) == (False, None), "nothing is added up yet"
    day_sums.bring_up_to_date(day.sales.stream.pk)
    made = daily_accounts.account(day.sales.integration, "production", today(), by="arrival")
    assert arrived > 60
    assert (made.complete, made.messages.count) == (True, arrived)
    assert made.summed_at is not None
    assert made.as_of >= made.summed_at - timedelta(seconds=1)


def test_what_a_target_has_still_to_take_is_counted_as_waiting_where_it_is_too_much_to_look_at(
    day: scene.Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    day_sums.bring_up_to_date(day.sales.stream.pk)
    site = day.sales
    before = daily_accounts.account(site.integration, "production", today(), by="arrival")
    site.put(*(scene.sale(900 + number) for number in range(10)))
    day_sums.bring_up_to_date(site.stream.pk)
    monkeypatch.setattr(daily_accounts, "MOST_WAITING", 5)
    made = daily_accounts.account(site.integration, "production", today(), by="arrival")
    assert "journal" in made.unjudged

    def waits(account: daily_accounts.DailyAccount) -> int:
        return sum(one.tally.count("waiting") for one in account.lines if one.target == "journal")

    assert waits(made) == waits(before) + 10
    assert not before.unjudged


def test_the_page_of_all_flows_says_the_same_with_and_without_sums(day: scene.Day) -> None:
    viewer = Viewer.of(day.people.rita)
    before = daily_totals.overview(viewer, "production", today())
    day_sums.bring_up_to_date(day.sales.stream.pk)
    day_sums.bring_up_to_date(day.prices.stream.pk)
    assert daily_totals.overview(viewer, "production", today()) == before
    day.sales.put(scene.sale(950))
    after = {one.integration: one.logged for one in daily_totals.overview(viewer, "production", today())}
    assert after["sales"] == next(one.logged for one in before if one.integration == "sales") + 1


def test_of_a_pass_over_a_source_it_is_kept_how_much_is_in_the_log(day: scene.Day) -> None:
    run = day.prices.run(kind="collect", state="succeeded", ended_at=clock.now(), read=3, accepted=3)
    day.prices.put(*({"sku": f"N{number}", "price": 1} for number in range(3)), key="sku", run=run)
    day_sums.bring_up_to_date(day.prices.stream.pk)
    run.refresh_from_db()
    assert run.logged == 3
    found = daily_totals.overview(Viewer.of(day.people.rita), "production", today())
    prices = next(one for one in found if one.integration == "prices")
    assert prices.from_runs >= 3


def test_days_of_another_zone_are_added_up_anew(day: scene.Day, settings: Any) -> None:
    day_sums.bring_up_to_date(day.sales.stream.pk)
    kept = sum(DaySum.objects.filter(target="").values_list("number", flat=True))
    settings.TIME_ZONE = "Asia/Tokyo"
    with timezone.override("Asia/Tokyo"):
        unread = daily_accounts.account(day.sales.integration, "production", today(), by="arrival")
        assert unread.summed_at is None, "days of another zone are not shown"
        day_sums.bring_up_to_date(day.sales.stream.pk)
        assert sum(DaySum.objects.filter(target="").values_list("number", flat=True)) == kept
        made = daily_accounts.account(day.sales.integration, "production", today(), by="arrival")
        assert made.messages.count == unread.messages.count


def test_a_number_whose_sale_was_erased_is_not_missing(day: scene.Day) -> None:
    site = day.sales
    sold = [scene.sale(number, till="77") | {"sequence": number} for number in (970, 971, 972)]
    places = site.put(*sold)
    for (target, instance), _ in site.subscriptions.items():
        site.pass_to(target, instance)
    day_sums.bring_up_to_date(site.stream.pk)
    lane, position = places[1]
    erasure.erase(site.stream.pk, lane=lane, position=position, actor=None, reason="asked for")
    made = daily_accounts.account(site.integration, "production", today(), by="arrival")
    assert not [gap for gap in made.gaps if gap.till == "77"]
    assert made.messages.count == Message.objects.filter(stream=site.stream).count()


@pytest.mark.parametrize(
    "odd", ["[1]", "17", '{"store": "a\\u0000b", "total": 1e400}', '{"sequence": 1e30, "store": 5}']
)
def test_odd_documents_are_added_up_as_they_are_read(day: scene.Day, odd: str) -> None:
    site = day.sales
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into runtime_message (stream_id, lane, position, received_at, key, version, payload) "
            "values (%s, 0, %s, clock_timestamp(), 'odd', 0, %s::json)",
            [site.stream.pk, site.next[0], odd],
        )
    site.next[0] += 1
    site.put(scene.sale(990))
    before = daily_accounts.account(site.integration, "production", today(), by="arrival")
    day_sums.bring_up_to_date(site.stream.pk)
    made = daily_accounts.account(site.integration, "production", today(), by="arrival")
    assert [line(one.target, one.store, one.tally) for one in made.lines] == [
        line(one.target, one.store, one.tally) for one in before.lines
    ]


# -- beside others, and when the log goes ------------------------------------------------------------------------------
@pytest.fixture
def undeployed(ledger: Connection) -> Flow:
    """A flow whose log is added up, and nothing else."""
    flow = Flow(ledger, lanes=1)
    ledger.execute("update runtime_deployment set active = false, ended_at = clock_timestamp()")
    return flow


def arrive(conn: Connection, flow: Flow, at: str, first: int, count: int) -> None:
    conn.execute(
        """insert into runtime_message (stream_id, lane, position, received_at, key, version, payload)
           select %s, 0, n, %s::timestamptz, 'k' || n, 1, '{"store": "0187", "total": 2, "currency": "EUR"}'
             from generate_series(%s::int, %s::int) n""",
        (flow.stream, at, first, first + count - 1),
    )
    conn.execute("update runtime_lane set next = %s where stream_id = %s", (first + count, flow.stream))


def counted(conn: Connection, day: str) -> Any:
    return conn.execute("select sum(number), sum(amount) from runtime_daysum where day = %s", (day,)).fetchone()


@pytest.mark.django_db(transaction=True)
def test_a_lane_that_somebody_adds_up_is_left_to_them(ledger: Connection, undeployed: Flow) -> None:
    arrive(ledger, undeployed, "2026-11-16 10:00Z", 1, 5)
    assert day_sums.bring_up_to_date(undeployed.stream) == 5
    arrive(ledger, undeployed, "2026-11-16 11:00Z", 6, 4)
    with ledger.transaction():
        ledger.execute("select from runtime_daysumcursor for update")
        assert day_sums.bring_up_to_date(undeployed.stream) == 0
    assert day_sums.bring_up_to_date(undeployed.stream) == 4
    assert counted(ledger, "2026-11-16") == (9, 18)


@pytest.mark.django_db(transaction=True)
def test_few_messages_wait_for_their_time_and_many_do_not(
    ledger: Connection, undeployed: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day_sums, "LEAST", 10)
    arrive(ledger, undeployed, "2026-11-16 10:00Z", 1, 5)
    assert day_sums.run_due() == 5, "the first ones at once"
    arrive(ledger, undeployed, "2026-11-16 11:00Z", 6, 9)
    assert day_sums.run_due() == 0
    arrive(ledger, undeployed, "2026-11-16 11:01Z", 15, 1)
    assert day_sums.run_due() == 10
    arrive(ledger, undeployed, "2026-11-16 11:02Z", 16, 1)
    ledger.execute("update runtime_daysumcursor set at = at - interval '10 min'")
    assert day_sums.run_due() == 1


@pytest.mark.django_db(transaction=True)
def test_sums_go_with_the_month_of_their_messages_and_no_other_day_of_it_changes(
    ledger: Connection, undeployed: Flow
) -> None:
    """The first of February begins in Berlin when it is January here."""
    made = [
        *partitions.ensure(ledger, at=datetime(2024, 1, 15, tzinfo=UTC)),
        *partitions.ensure(ledger, at=datetime(2024, 2, 15, tzinfo=UTC)),
    ]
    try:
        with timezone.override("Europe/Berlin"):
            arrive(ledger, undeployed, "2024-01-31 22:30Z", 1, 3)
            arrive(ledger, undeployed, "2024-01-31 23:30Z", 4, 4)
            arrive(ledger, undeployed, "2024-02-01 12:00Z", 8, 5)
            day_sums.bring_up_to_date(undeployed.stream)
            assert counted(ledger, "2024-02-01") == (9, 18)
            january = next(one for one in partitions.present(ledger) if one.name == "runtime_message_202401")
            ledger.execute(
                "insert into runtime_retention (data_class, days) values ('messages', 400), ('evidence', 400)"
            )
            assert retention.drop_partition(ledger, january)
            assert counted(ledger, "2024-01-31") == (None, None)
            assert counted(ledger, "2024-02-01") == (5, 10)
    finally:
        ledger.execute("delete from runtime_retention")
        for name in made:
            ledger.execute(f"drop table if exists {name}")
