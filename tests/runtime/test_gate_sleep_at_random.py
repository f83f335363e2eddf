"""Gates open and close at random, for every reason there is, while lanes are put to sleep and woken, workers die and
the clock is set. After one look at the gates no lane sleeps that may run, and in the end each is claimed."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from runtime.ledger import connections, partitions
from runtime.ledger.append import append
from runtime.ledger.claims import claim, release, release_after_failure
from runtime.ledger.connections import Connection
from runtime.ledger.gate_sleep import let_lanes_sleep_at_gates, wake_lanes_at_gates
from runtime.ledger.lane_sleep import let_lanes_sleep, wake_lanes
from tests import sealed
from tests.runtime import make
from tests.runtime.conftest import empty_runtime
from tests.runtime.make import Flow

pytestmark = pytest.mark.django_db(transaction=True)
STEPS = 60
DIMENSIONS = ("banner", "channel", "region")
STORES = [f"s{n}" for n in range(8)]
MAY_RUN = """
select p.subscription_id, p.lane
from runtime_progress p
join runtime_subscription s on s.id = p.subscription_id
join runtime_lane l on l.stream_id = s.stream_id and l.lane = p.lane
join runtime_gate g on g.subscription_id = p.subscription_id
where s.held_until <= clock_timestamp()
    and p.not_before < clock_timestamp()
    and (p.owner is null or p.session is null)
    and (p.intent is not null or p.position < l.next - 1)
"""
SLEEPING = "select subscription_id, lane from runtime_progress where asleep"
STEP = """
update runtime_progress
set waits_since = waits_since + make_interval(secs => %(by)s),
    lease_until = lease_until + make_interval(secs => %(by)s),
    not_before = not_before + make_interval(secs => %(by)s)
"""


class Estate:
    """Two flows, one into eight stores and a central system, one into the stores alone."""

    def __init__(self, conn: Connection, seed: int) -> None:
        self.conn, self.dice = conn, random.Random(seed)
        partitions.ensure(conn)
        self.values = {
            (dimension, key): self._id(
                "insert into catalog_scopevalue (dimension, key, name) values (%s, %s, %s) returning id",
                dimension,
                key,
                key,
            )
            for dimension in DIMENSIONS
            for key in ("a", "b")
        }
        for key in STORES:
            conn.execute(
                "insert into catalog_retailstore (key, name, banner_id, channel_id, region_id, zone) "
                "values (%s, %s, %s, %s, %s, %s)",
                (key, key, *self._place()),
            )
        self.flows = [Flow(conn, lanes=2, tier=1), Flow(conn, lanes=2, tier=2)]
        for flow in self.flows:
            for key in STORES:
                flow.subscribe(vendor=flow.vendor(instance=key), instance=key)
        self.flows[0].subscribe("central")
        self.freezes: list[int] = []
        self.elsewhere = connections.connect(name="tillgate-test")

    def _id(self, statement: str, *values: object) -> int:
        row = self.conn.execute(statement, values).fetchone()
        assert row
        return int(row[0])

    def _place(self) -> list[object]:
        """Banner, channel, region and zone of a store. Most stores differ in one of them, which may be unknown."""
        place: list[object] = [*(self.values[dimension, "a"] for dimension in DIMENSIONS), "Europe/Berlin"]
        differs = self.dice.randrange(6)
        if differs < len(DIMENSIONS):
            place[differs] = self.dice.choice([self.values[DIMENSIONS[differs], "b"], None])
        elif differs == len(DIMENSIONS):
            place[-1] = self.dice.choice(["", "Europe/Paris"])
        return place

    # -- what happens --------------------------------------------------------------------------------------------------
    def message(self) -> None:
        flow = self.dice.choice(self.flows)
        keys = {f"k{self.dice.randrange(40)}" for _ in range(3)}
        append(self.conn, flow.ref, [flow.item(key, self.dice.randrange(10_000)) for key in sorted(keys)])

    def work(self) -> None:
        taken = claim(self.conn, owner="w")
        if taken is None:
            return
        if self.dice.random() < 0.4:
            self.conn.execute(
                "update runtime_progress p set position = l.next - 1 from runtime_lane l "
                "where p.subscription_id = %s and p.lane = %s and l.stream_id = %s and l.lane = p.lane",
                (taken.subscription, taken.lane, taken.target.stream),
            )
        if self.dice.random() < 0.8:
            release(self.conn, taken)
        else:
            release_after_failure(self.conn, taken, wait=0.0)

    def sleep(self) -> None:
        let_lanes_sleep(self.conn, after=0.0)
        let_lanes_sleep_at_gates(
            self.conn, after=0.0, closed=self.dice.choice([0.0, 30.0]), most=self.dice.choice([5, 99])
        )

    def die(self) -> None:
        """A worker ends in the middle of it: nothing of it is there."""
        with self.conn.transaction(force_rollback=True):
            self.dice.choice([self.sleep, self.look])()

    def look(self) -> None:
        wake_lanes_at_gates(self.conn)

    def look_beside_a_lock(self) -> None:
        with self.elsewhere.transaction():
            self.elsewhere.execute("select from runtime_progress where at_gate order by random() limit 3 for update")
            self.look()

    def freeze(self) -> None:
        if len(self.freezes) > 1:
            return
        chosen = self.dice.choice(["all", "tier", *(["zone", *DIMENSIONS] * 3)])
        given = dict.fromkeys(("tier", "banner_id", "channel_id", "region_id", "store_zone"))
        if chosen == "tier":
            given["tier"] = "1"
        elif chosen == "zone":
            given["store_zone"] = self.dice.choice(["Europe/Berlin", "Europe/Paris"])
        elif chosen != "all":
            given[f"{chosen}_id"] = str(self.values[chosen, self.dice.choice("ab")])
        made = self._id(
            "insert into governance_freezewindow (name, reason, strictness, calendar, compiled_until, tier, banner_id, "
            "channel_id, region_id, store_zone) "
            "values ('f', '', 'work', '{}', clock_timestamp() + interval '1 d', %s, %s, %s, %s, %s) returning id",
            *given.values(),
        )
        ends = self.dice.choice(["20 ms", "1 h", "1 h"])
        self.conn.execute(
            "insert into governance_freezeinterval (freeze_id, period) "
            "values (%s, tstzrange(clock_timestamp() - interval '1 h', clock_timestamp() + %s::interval))",
            (made, ends),
        )
        self.freezes.append(made)

    def thaw(self) -> None:
        if self.freezes:
            ended = self.freezes.pop(self.dice.randrange(len(self.freezes)))
            self.conn.execute(sealed.END_FREEZE, (ended,))

    def move_a_store(self) -> None:
        self.conn.execute(
            "update catalog_retailstore set banner_id = %s, channel_id = %s, region_id = %s, zone = %s where key = %s",
            (*self._place(), self.dice.choice(STORES)),
        )

    def pause_or_resume(self) -> None:
        flow, paused = self.dice.choice(self.flows), self.dice.random() < 0.3
        self.conn.execute("update runtime_deployment set paused = %s where id = %s", (paused, flow.deployment))

    def void_or_deploy(self) -> None:
        flow = self.dice.choice(self.flows)
        if self.dice.random() < 0.25:
            make.void(self.conn, flow.approval)
        else:
            flow.deploy({"integration": flow.key, "build": self.dice.randrange(10**9)})

    def vendor_state(self) -> None:
        soon = f"clock_timestamp() + interval '{self.dice.choice(['10 ms', '1 h'])}'"
        change = self.dice.choice(
            [
                f"breaker = 'open', open_until = {soon}, probe_until = 'epoch'",
                "breaker = 'closed'",
                f"not_before = {soon}",
                "not_before = 'epoch'",
                "budget = 5, spent = 5, spent_on = (clock_timestamp() at time zone 'UTC')::date",
                "spent_on = (clock_timestamp() at time zone 'UTC')::date - 1",
            ]
        )
        self.conn.execute(f"update runtime_vendorstate set {change} where instance = %s", (self.dice.choice(STORES),))

    def target_state(self) -> None:
        change = self.dice.choice(
            [
                "open = not open",
                "held_until = clock_timestamp() + interval '1 h'",
                "held_until = 'epoch'",
                "tier = 3 - tier",
            ]
        )
        self.conn.execute(f"update runtime_subscription set {change} where instance = %s", (self.dice.choice(STORES),))

    def step_of_the_clock(self) -> None:
        """Ahead or back by a day; what was stored before it is moved a moment later."""
        by = self.dice.choice([-86_400.0, 86_400.0])
        self.conn.execute(STEP, {"by": by})
        for _ in range(2):
            self.dice.choice([self.message, self.work, self.sleep, self.look])()
        self.conn.execute(STEP, {"by": -by})

    # -- what must hold ------------------------------------------------------------------------------------------------
    def places(self, statement: str) -> set[tuple[int, int]]:
        return {(subscription, lane) for subscription, lane in self.conn.execute(statement).fetchall()}

    def nobody_oversleeps(self) -> None:
        may_run = self.places(MAY_RUN)  # gates only open by themselves: what may run now still may after the look
        wake_lanes_at_gates(self.conn)
        wake_lanes(self.conn)
        assert not may_run & self.places(SLEEPING)

    def all_is_claimed(self) -> None:
        self.conn.execute("update runtime_vendorstate set breaker = 'closed'")  # one that is open lets one lane through
        may_run, taken = self.places(MAY_RUN), set()
        wake_lanes_at_gates(self.conn)
        wake_lanes(self.conn)
        while found := claim(self.conn, owner="w"):
            taken.add((found.subscription, found.lane))
        assert taken >= may_run


OFTEN: list[Callable[[Estate], None]] = [Estate.message, Estate.work, Estate.sleep, Estate.sleep, Estate.look]
WHAT = [
    *OFTEN,
    Estate.die,
    Estate.look_beside_a_lock,
    Estate.freeze,
    Estate.freeze,
    Estate.thaw,
    Estate.thaw,
    Estate.move_a_store,
    Estate.pause_or_resume,
    Estate.void_or_deploy,
    Estate.vendor_state,
    Estate.target_state,
    Estate.step_of_the_clock,
]


def play(seed: int) -> None:
    with connections.connected(name="tillgate-test") as conn:
        estate = Estate(conn, seed)
        try:
            for _ in range(12):
                estate.message()
            for _ in range(STEPS):
                estate.dice.choice(WHAT)(estate)
                if estate.dice.random() < 0.5:
                    estate.nobody_oversleeps()
            estate.nobody_oversleeps()
            estate.all_is_claimed()
        finally:
            estate.elsewhere.close()
            empty_runtime(conn)


@pytest.mark.parametrize("seed", range(4))
def test_no_lane_sleeps_whose_gate_is_open(seed: int) -> None:
    play(seed)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(100, 160))
def test_no_lane_sleeps_whose_gate_is_open_at_length(seed: int) -> None:
    play(seed)
