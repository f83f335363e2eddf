"""P4: what a claim and an idle poll cost beside much that waits.

Claim and release among 5 flows × 600 stores × 4 lanes, also while a freeze holds the stores of one banner or nearly
all of them, or most flows are paused, before and after their lanes have gone to sleep; among 600 targets that share one
vendor with a limit of calls at a time; and an idle poll beside 300,000 dead letters and 500,000 messages behind them.
Besides the clock it says how many pages of the database a statement touches, which a busy machine does not change.

python -m bench.at_size [--stores 600] [--dead 300000] [--behind 500000]
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import Any

from bench.installation import Installation


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stores", type=int, default=600)
    parser.add_argument("--dead", type=int, default=300_000)
    parser.add_argument("--behind", type=int, default=500_000)
    given = parser.parse_args()
    with Installation() as installed, installed.connect() as conn:
        from tests.runtime.make import Flow

        flows = [Flow(conn, lanes=4) for _ in range(5)]
        lanes_that_wait(conn, flows, given.stores, f"5 flows × {given.stores} stores × 4 lanes")
        while_stores_are_frozen(conn, given.stores)
        while_flows_are_paused(conn, flows[:-1])
        conn.execute("truncate runtime_progress, runtime_subscription cascade")
        shared = Flow(conn, lanes=4)
        vendor = shared.vendor(concurrency=5)
        lanes_that_wait(conn, [shared], given.stores, f"{given.stores} targets of one limited vendor", vendor=vendor)
        conn.execute("truncate runtime_progress, runtime_subscription cascade")
        quarantine(conn, Flow(conn, lanes=4).subscribe(), given.dead, given.behind)


def lanes_that_wait(conn: Any, flows: list[Any], stores: int, what: str, **chosen: Any) -> None:
    from tests.runtime.test_cost_at_size import fleet

    for flow in flows:
        fleet(conn, flow, stores, **chosen)
        conn.execute("update runtime_lane set next = 9 where stream_id = %s", (flow.stream,))
    claims(conn, what)


def while_stores_are_frozen(conn: Any, stores: int) -> None:
    """Each store is one of the catalog, in one of two banners; the lanes that wait longest are those of the larger."""
    from django.db import transaction

    from catalog.models import Domain, Environment, RetailStore, ScopeValue
    from governance.services import freezes

    Environment.objects.get_or_create(key="test", defaults={"name": "Test", "position": 1})
    Domain.objects.get_or_create(key="price", defaults={"name": "Price"})
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    always = {"kind": "weekly", "zone": "UTC", "days": days, "from": "00:00", "until": "00:00"}
    small, large = (ScopeValue.objects.create(dimension="banner", key=key, name=key) for key in ("small", "large"))
    share = stores // 6
    RetailStore.objects.bulk_create(
        RetailStore(key=f"s{n}", name=f"s{n}", banner=small if n > stores - share else large)
        for n in range(1, stores + 1)
    )
    for held, frozen in (("no store", {}), (f"{share} stores", small), (f"{stores - share} stores", large)):
        scope = {"banner": frozen.key} if frozen else {"domain": "price", "environment": "test"}
        window = freezes.plan(actor=None, name=held, calendar=always, strictness="work", **scope)
        claims(conn, f"the same while a freeze holds {held}")
        asleep(conn, f"the same, its lanes asleep: a freeze of {held}")
        with transaction.atomic():
            freezes._end(window, actor=None, reason="measured")
        woken(conn)


def while_flows_are_paused(conn: Any, flows: list[Any]) -> None:
    ids = [flow.deployment for flow in flows]
    conn.execute("update runtime_deployment set paused = true, pause_reason = 'x' where id = any(%s)", (ids,))
    claims(conn, f"the same while {len(ids)} flows are paused")
    asleep(conn, f"the same, their lanes asleep: {len(ids)} flows paused")
    conn.execute("update runtime_deployment set paused = false, pause_reason = '' where id = any(%s)", (ids,))
    woken(conn)


def asleep(conn: Any, what: str) -> None:
    """What workers do now and then, what it costs, and what a claim costs afterwards."""
    from runtime.ledger.gate_sleep import let_lanes_sleep_at_gates, wake_lanes_at_gates

    count, took = 0, []
    while True:
        began = time.perf_counter()
        slept = let_lanes_sleep_at_gates(conn)
        took.append((time.perf_counter() - began) * 1000)
        count += slept
        if not slept:
            break
    if not count:
        return
    claims(conn, what)
    looks = []
    for _ in range(20):
        began = time.perf_counter()
        wake_lanes_at_gates(conn)
        looks.append((time.perf_counter() - began) * 1000)
    print(
        f"  {count:,} lanes put to sleep in {sum(took):.0f} ms, at most {max(took):.0f} at a time; "
        f"a look at their gates median {median(looks):.1f} ms"
    )


def woken(conn: Any) -> None:
    from runtime.ledger.gate_sleep import wake_lanes_at_gates

    began = time.perf_counter()
    count = wake_lanes_at_gates(conn)
    if count:
        print(f"  {count:,} lanes woken in {(time.perf_counter() - began) * 1000:.0f} ms")


def claims(conn: Any, what: str) -> None:
    from runtime.ledger.claims import claim, release
    from tests.runtime.test_cost_at_size import claim_pages

    conn.execute("vacuum analyze")
    took = []
    for _ in range(50):
        began = time.perf_counter()
        taken = claim(conn, owner="bench")
        if taken is None:
            raise SystemExit(f"{what}: nothing to claim")
        release(conn, taken)
        took.append((time.perf_counter() - began) * 1000)
    pages = claim_pages(conn)
    print(
        f"{what}: claim and release median {median(took):.1f} ms, least {min(took):.1f} ms, {pages} pages", flush=True
    )


def quarantine(conn: Any, subscription: int, dead: int, behind: int) -> None:
    from runtime.ledger.quarantine_claims import claim_quarantined, let_sleep
    from tests.runtime.test_cost_at_size import idle_pages

    conn.execute(
        """insert into runtime_quarantine (subscription_id, lane, position, key, state, reason_class)
           select %s, n %% 4, n, 'd' || n, 'dead', 'refused' from generate_series(1, %s::int) n""",
        (subscription, dead),
    )
    conn.execute(
        """insert into runtime_quarantine (subscription_id, lane, position, key, state)
           select %s, (n %% 200) %% 4, 1000000 + n, 'd' || (n %% 200 + 1), 'behind'
             from generate_series(1, %s::int) n""",
        (subscription, behind),
    )
    conn.execute("vacuum analyze")
    rounds = []
    while True:
        began = time.perf_counter()
        if not let_sleep(conn):
            break
        rounds.append((time.perf_counter() - began) * 1000)
    if rounds:
        print(f"put to sleep in {len(rounds)} rounds, median {median(rounds):.0f} ms, longest {max(rounds):.0f} ms")
    conn.execute("vacuum analyze runtime_quarantine")
    took = []
    for _ in range(50):
        began = time.perf_counter()
        let_sleep(conn)
        found = [claim_quarantined(conn), claim_quarantined(conn, to_ask=True)]
        took.append((time.perf_counter() - began) * 1000)
        if any(found):
            raise SystemExit("an idle poll found work")
    print(
        f"idle poll beside {dead:,} dead letters and {behind:,} messages behind them: median {median(took):.1f} ms, "
        f"least {min(took):.1f} ms, {idle_pages(conn)} pages"
    )


if __name__ == "__main__":
    main()
