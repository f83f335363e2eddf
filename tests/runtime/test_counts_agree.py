"""What became of a run's messages: every page counts each message once, and nothing as delivered that the vendor's
journal does not have."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import pytest
from django.utils import timezone

from kernel import clock, measures
from kernel.viewer import Viewer
from runtime.ledger import vendor_target
from runtime.ledger.append import append
from runtime.ledger.claims import claim
from runtime.ledger.connections import Connection
from runtime.ledger.log_reader import LoggedMessage
from runtime.ledger.mappers import Mapper, Skipped, Unmappable
from runtime.ledger.quarantine_claims import claim_quarantined
from runtime.ledger.quarantine_retry import retry_at_vendor
from runtime.ledger.vendor_client import SendResult
from runtime.ledger.vendor_target import MappedVendor
from runtime.selectors import daily_totals, flows, infrastructure, runs, vendors
from runtime.services.dead_letters import _DISCARD
from tests.runtime.make import FakeVendor, Flow

EVERYBODY = Viewer(system=True)


def selective(message: LoggedMessage) -> Any:
    kind = message.document["kind"]
    if kind == "skip":
        raise Skipped
    if kind == "bad":
        raise Unmappable("no amount")
    return message.document


class Engine(FakeVendor):
    """Declines what asks for too many points, refuses what it does not know."""

    def _act(self, item: Any) -> SendResult:
        if item.document["kind"] == "points":
            return SendResult("declined", detail="20 points available, 1000 wanted")
        if item.document["kind"] == "unknown article":
            return SendResult("refused", detail="unknown article")
        return super()._act(item)


def delivery_counts(integration: str) -> Counter[str]:
    """What this process has counted for Prometheus, by outcome."""
    found: Counter[str] = Counter()
    for labels, value in measures.snapshot().get("tillgate_delivery_messages_total", {}).items():
        _, mine, _, outcome = json.loads(labels)
        found[outcome] += int(value) if mine == integration else 0
    return found


class Day:
    """One integration with one target, and runs that overlap in its lanes."""

    def __init__(self, conn: Connection, seed: int) -> None:
        self.conn, self.random = conn, random.Random(seed)
        self.flow, self.vendor = Flow(conn, lanes=2, immutable=True), Engine()
        self.subscription = self.flow.subscribe(batch=7, idempotency="L", max_attempts=2)
        self.kinds: dict[int, Counter[str]] = {}
        self.keys: dict[str, int] = {}

    def bind(self, release: int) -> MappedVendor:
        return MappedVendor(Mapper(selective), self.vendor)

    def collect(self) -> None:
        row = self.conn.execute(
            "insert into runtime_run (integration_id, stream_id, kind, trigger, state, ended_at) "
            "values (%s, %s, 'collect', 'manual', 'succeeded', clock_timestamp()) returning id",
            (self.flow.integration, self.flow.stream),
        ).fetchone()
        assert row
        run, count = int(row[0]), self.random.randint(1, 12)
        words = ["sale"] * 6 + ["skip", "skip", "bad", "points", "unknown article"]
        kinds = [self.random.choice(words) for _ in range(count)]
        self.kinds[run] = Counter(kinds)
        items = []
        for kind in kinds:
            key = f"k{len(self.keys)}"
            self.keys[key] = run
            items.append(self.flow.item(key, kind=kind))
        append(self.conn, self.flow.ref, items, run_id=run, release_id=self.flow.release)

    def deliver(self) -> None:
        self.vendor.fates = [self.random.choice(("ok", "ok", "cut", "half", "down")) for _ in range(2)]
        if self.random.random() < 0.3:
            self.vendor.fates.append("mute")
        if taken := claim(self.conn, owner="w"):
            if self.random.random() < 0.25:
                self._die_in_the_call(taken)
            else:
                vendor_target.deliver(self.conn, taken, self.bind, max_batches=2)
        elif quarantined := claim_quarantined(self.conn):
            retry_at_vendor(self.conn, quarantined, self.bind)

    def _die_in_the_call(self, taken: Any) -> None:
        """As a killed worker: the vendor has acted, nothing is stored, the lease runs on without its session."""

        def bind(release: int) -> MappedVendor:
            mapped = self.bind(release)
            send = mapped.vendor.send

            def die(items: Any, *, guard: Any) -> Any:
                send(items, guard=guard)
                raise KeyboardInterrupt

            mapped.vendor.send = die  # type: ignore[method-assign]
            return mapped

        try:
            vendor_target.deliver(self.conn, taken, bind, max_batches=2)
        except KeyboardInterrupt:
            pass
        finally:
            del self.vendor.send  # type: ignore[attr-defined]
        self.conn.execute("update runtime_progress set session = 0 where owner is not null")

    def discard(self) -> None:
        self.conn.execute(
            _DISCARD.format(where="p.subscription_id = %(subscription)s and p.state = 'dead' and p.position %% 2 = 0"),
            {"subscription": self.subscription, "reason": "not needed"},
        )

    def time_passes(self) -> None:
        self.flow.expire()
        self.conn.execute("update runtime_vendorstate set breaker = 'closed', not_before = 'epoch', failures = 0")

    # -- what the pages say --------------------------------------------------------------------------------------------
    def check(self) -> None:
        shares = {run: self._share(run) for run in self.kinds}
        for run, share in shares.items():
            self._check_run(run, share)
        fields = ("total", "delivered", "skipped", "declined", "dead", "unknown", "closed", "on_the_way")
        summed = {name: sum(getattr(share, name) for share in shares.values()) for name in fields}
        found = daily_totals.overview(EVERYBODY, "production", timezone.localtime(clock.now()).date())
        line = next((one for one in found if one.integration == self.flow.key), None)
        assert line is not None
        assert {name: getattr(line.targets[0], name) for name in fields} == summed
        flow = next(one for one in flows.today(EVERYBODY, "production") if one.integration == self.flow.key)
        held = flow.backlog
        assert (flow.delivered, held.dead, held.unknown) == (summed["delivered"], summed["dead"], summed["unknown"])
        assert held.on_the_way == summed["on_the_way"]
        counted = delivery_counts(self.flow.key)
        assert {name: counted[name] for name in ("confirmed", "skipped", "declined")} == {
            "confirmed": summed["delivered"],
            "skipped": summed["skipped"],
            "declined": summed["declined"],
        }
        engine = infrastructure.state(EVERYBODY, "production")
        system = next(one for one in vendors.listed(EVERYBODY, "production"))
        assert engine.unknown == system.unknown == summed["unknown"]

    def _share(self, run: int) -> runs.TargetShare:
        made = runs.progress(EVERYBODY, run)
        assert made is not None
        (share,) = made.shares
        return share

    def _check_run(self, run: int, share: runs.TargetShare) -> None:
        kinds = self.kinds[run]
        ended = share.delivered + share.superseded + share.skipped + share.declined + share.closed
        assert ended + share.with_a_person + share.on_the_way == share.total == kinds.total()
        there = sum(self.keys[key] == run for _, key, _ in self.vendor.journal)
        assert share.delivered <= there, "nothing counts as delivered that the vendor has not"
        assert share.delivered + share.on_the_way + share.unknown >= there
        assert share.skipped <= kinds["skip"]
        assert share.declined <= kinds["points"]
        assert share.dead + share.closed <= kinds["bad"] + kinds["unknown article"]

    def finished(self) -> None:
        for run, kinds in self.kinds.items():
            share = self._share(run)
            assert share.on_the_way == 0
            assert (share.delivered, share.skipped, share.declined) == (kinds["sale"], kinds["skip"], kinds["points"])
            assert share.dead + share.closed == kinds["bad"] + kinds["unknown article"]


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.thorough) for n in range(1, 8))])
def test_run_day_today_and_engine_agree_at_every_moment(ledger: Connection, seed: int) -> None:
    day = Day(ledger, seed)
    for _ in range(30):
        step = day.random.choice((day.collect, day.deliver, day.deliver, day.deliver, day.time_passes, day.discard))
        step()
        if day.kinds:
            day.check()
    for _ in range(300):
        day.vendor.fates = []
        day.time_passes()
        if taken := claim(ledger, owner="w"):
            vendor_target.deliver(ledger, taken, day.bind)
        elif quarantined := claim_quarantined(ledger):
            retry_at_vendor(ledger, quarantined, day.bind)
        else:
            break
    day.check()
    day.finished()


def test_a_batch_that_spans_two_runs_counts_for_each_its_own_messages(ledger: Connection) -> None:
    day = Day(ledger, 0)
    day.flow = Flow(ledger, lanes=1, immutable=True)
    day.subscription = day.flow.subscribe(batch=100)
    day.random = random.Random(1)
    numbers = []
    for kind in ("skip", "sale"):
        row = ledger.execute(
            "insert into runtime_run (integration_id, stream_id, kind, trigger, state, ended_at) "
            "values (%s, %s, 'collect', 'manual', 'succeeded', clock_timestamp()) returning id",
            (day.flow.integration, day.flow.stream),
        ).fetchone()
        assert row
        numbers.append(int(row[0]))
        append(ledger, day.flow.ref, [day.flow.item(f"{kind}{i}", kind=kind) for i in range(10)], run_id=numbers[-1])
    taken = claim(ledger, owner="w")
    assert taken
    vendor_target.deliver(ledger, taken, day.bind)
    first, second = (day._share(number) for number in numbers)
    assert (first.delivered, first.skipped) == (0, 10)
    assert (second.delivered, second.skipped) == (10, 0)


def test_what_waits_behind_a_dead_letter_waits_for_a_person_and_the_run_is_not_live(ledger: Connection) -> None:
    """A store cannot take a price, and later prices of that article wait behind it: nothing moves by itself."""
    day = Day(ledger, 0)
    day.flow = Flow(ledger, lanes=1)
    day.subscription = day.flow.subscribe(batch=100)
    row = ledger.execute(
        "insert into runtime_run (integration_id, stream_id, kind, trigger, state, ended_at) "
        "values (%s, %s, 'collect', 'manual', 'succeeded', clock_timestamp()) returning id",
        (day.flow.integration, day.flow.stream),
    ).fetchone()
    assert row
    items = [day.flow.item("a", 1, kind="bad"), *(day.flow.item("a", n, kind="sale") for n in (2, 3))]
    append(ledger, day.flow.ref, [*items, day.flow.item("b", 1, kind="sale")], run_id=row[0])
    while taken := claim(ledger, owner="w"):
        vendor_target.deliver(ledger, taken, day.bind)
    made = runs.progress(EVERYBODY, row[0])
    assert made is not None
    (share,) = made.shares
    assert (share.dead, share.behind, share.blocked, share.on_the_way, share.with_a_person) == (1, 2, 2, 0, 3)
    assert (made.live, made.percent, made.retrying) == (False, 100, 0)
    flow = next(one for one in flows.today(EVERYBODY, "production") if one.integration == day.flow.key)
    assert (flow.backlog.on_the_way, flow.backlog.blocked) == (0, 2)
