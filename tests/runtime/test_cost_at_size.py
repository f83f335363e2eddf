"""What a claim costs beside much that waits. Measured in pages of the database that are touched, not in time."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

from kernel.viewer import Viewer
from runtime.ledger import claims, connections, partitions, quarantine_claims
from runtime.ledger.claimed import EVERYTHING
from runtime.ledger.connections import Connection
from runtime.ledger.quarantine_claims import claim_quarantined, let_sleep
from runtime.permissions import sight
from runtime.selectors import daily_totals, runs
from tests.runtime.make import Flow


def fleet(conn: Connection, flow: Flow, stores: int, *, vendor: int | None = None) -> None:
    """One target in so many stores; each has waited since another moment."""
    conn.execute(
        """insert into runtime_vendorstate (system_key, instance, environment)
           select %(key)s, 's' || n, 'production' from generate_series(1, %(stores)s) n where %(vendor)s::bigint is null
           on conflict do nothing""",
        {"key": flow.key, "stores": stores, "vendor": vendor},
    )
    conn.execute(
        """insert into runtime_subscription (stream_id, target, instance, deployment_id, vendor_id, kind, idempotency,
               coalesce, batch, max_attempts, tier, open)
           select %(stream)s, 'store', 's' || n, %(deployment)s,
                  coalesce(%(vendor)s::bigint, (select id from runtime_vendorstate
                     where system_key = %(key)s and instance = 's' || n)),
                  'vendor', 'L', false, 100, 5, %(tier)s, true
             from generate_series(1, %(stores)s) n""",
        {
            "stream": flow.stream,
            "deployment": flow.deployment,
            "key": flow.key,
            "stores": stores,
            "tier": flow.tier,
            "vendor": vendor,
        },
    )
    conn.execute(
        """insert into runtime_progress (subscription_id, lane, waits_since)
           select s.id, l.lane, timestamptz '2026-01-01' + make_interval(secs => s.id)
             from runtime_subscription s join runtime_lane l on l.stream_id = s.stream_id
            where s.stream_id = %s""",
        (flow.stream,),
    )


def explained(conn: Connection, statement: str, arguments: dict[str, Any]) -> dict[str, Any]:
    conn.execute("analyze")
    with conn.transaction(force_rollback=True):  # a first time, for the plans of the functions
        conn.execute(statement, arguments)
    with conn.transaction(force_rollback=True):
        row = conn.execute("explain (analyze, buffers, format json) " + statement, arguments).fetchone()
    assert row
    plan = row[0] if isinstance(row[0], list) else json.loads(row[0])
    return dict(plan[0]["Plan"])


def pages(conn: Connection, statement: str, arguments: dict[str, Any]) -> int:
    plan = explained(conn, statement, arguments)
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def claim_pages(conn: Connection) -> int:
    return pages(conn, claims._CLAIM, {"me": "w", "lease": 15.0} | EVERYTHING.arguments())


# -- quarantine --------------------------------------------------------------------------------------------------------
def quarantined(conn: Connection, subscription: int, state: str, keys: list[str], first: int) -> None:
    rows = [(subscription, 0, first + at, key, state) for at, key in enumerate(keys)]
    with conn.cursor() as cursor:
        cursor.executemany(
            "insert into runtime_quarantine (subscription_id, lane, position, key, state) values (%s, %s, %s, %s, %s)",
            rows,
        )


def idle_pages(conn: Connection) -> int:
    arguments = {"lease": 15.0} | EVERYTHING.arguments()
    return sum(
        pages(conn, statement, arguments)
        for statement in (quarantine_claims._CLAIM, quarantine_claims._CLAIM_TO_ASK, quarantine_claims._SLEEP % 10)
    )


def test_an_idle_poll_looks_at_no_dead_letter_and_at_nothing_that_waits_behind_one(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    subscription = flow.subscribe()
    quarantined(ledger, subscription, "dead", [f"k{n}" for n in range(1000)], 1)
    quarantined(ledger, subscription, "behind", [f"k{n % 20}" for n in range(2000)], 2000)
    assert let_sleep(ledger, 1500) == 1500
    assert let_sleep(ledger, 1500) == 500
    assert let_sleep(ledger) == 0
    assert claim_quarantined(ledger) is None
    assert idle_pages(ledger) < 100


def leave(conn: Connection, position: int) -> None:
    conn.execute("delete from runtime_quarantine where position = %s", (position,))


def test_what_leaves_the_quarantine_wakes_the_next_of_its_key_and_no_other(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    subscription = flow.subscribe()
    quarantined(ledger, subscription, "dead", ["a", "b"], 1)
    quarantined(ledger, subscription, "behind", ["a", "a", "b"], 3)
    assert let_sleep(ledger) == 3
    leave(ledger, 1)
    awake = ledger.execute("select position from runtime_quarantine where state = 'behind' and not asleep").fetchall()
    assert awake == [(3,)]
    taken = claim_quarantined(ledger)
    assert taken
    assert taken.position == 3
    leave(ledger, 3)
    taken = claim_quarantined(ledger)
    assert taken
    assert taken.position == 4
    assert let_sleep(ledger) == 0
    assert claim_quarantined(ledger) is None


def test_what_waits_for_another_target_is_woken_when_the_message_leaves_its_quarantine(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    first, second = flow.subscribe("erp"), flow.subscribe("loyalty")
    ledger.execute("update runtime_subscription set after_subscription = %s where id = %s", (first, second))
    quarantined(ledger, first, "dead", ["a"], 7)
    quarantined(ledger, second, "behind", ["a"], 7)
    assert let_sleep(ledger) == 1
    ledger.execute("delete from runtime_quarantine where subscription_id = %s", (first,))
    taken = claim_quarantined(ledger)
    assert taken
    assert taken.subscription == second


def test_nothing_is_put_to_sleep_while_the_message_before_it_leaves(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    subscription = flow.subscribe()
    quarantined(ledger, subscription, "dead", ["a"], 1)
    quarantined(ledger, subscription, "behind", ["a"], 2)
    with connections.connected(name="tillgate-test") as other:
        with other.transaction():
            leave(other, 1)
            assert let_sleep(ledger) == 0, "the one that leaves has woken it and holds it"
        assert let_sleep(ledger) == 0
    taken = claim_quarantined(ledger)
    assert taken
    assert taken.position == 2


# -- old days ----------------------------------------------------------------------------------------------------------
def arrived(conn: Connection, flow: Flow, run: int | None, day: str, first: int, count: int) -> None:
    conn.execute(
        """insert into runtime_message (stream_id, lane, position, received_at, key, version, run_id, payload)
           select %s, 0, n, %s::timestamptz, 'k' || n, 1, %s, '{}' from generate_series(%s::int, %s::int) n""",
        (flow.stream, day, run, first, first + count - 1),
    )


def test_the_reconciliation_of_an_old_day_reads_nothing_that_came_later(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    made = partitions.ensure(ledger, at=datetime(2024, 1, 15, tzinfo=UTC))
    try:
        row = ledger.execute(
            """insert into runtime_run (integration_id, stream_id, kind, state, trigger, started_at, ended_at, read,
                   accepted)
               values (%s, %s, 'collect', 'succeeded', 'manual', '2024-01-10 10:00Z', '2024-01-10 10:05Z', 50, 50)
               returning id""",
            (flow.integration, flow.stream),
        ).fetchone()
        assert row
        arrived(ledger, flow, row[0], "2024-01-10 10:01Z", 1, 50)
        since, until = daily_totals.bounds(date(2024, 1, 10))
        asked = sight(Viewer(system=True)) | {"environment": "production", "since": since, "until": until}
        asked |= {"day": date(2024, 1, 10), "zone": "UTC"}
        before = pages(ledger, daily_totals._FLOWS, asked)
        arrived(ledger, flow, None, "2024-03-10 10:00Z", 1000, 5000)
        assert pages(ledger, daily_totals._FLOWS, asked) < before + 20
        assert [row[-1] for row in ledger.execute(daily_totals._FLOWS, asked).fetchall()] == [50]
    finally:
        for name in made:
            ledger.execute(f"drop table if exists {name}")


def evidence(conn: Connection, subscription: int, first: int, batches: int) -> None:
    conn.execute(
        """insert into runtime_delivery (subscription_id, lane, first, last, token, at, outcome, confirmed, superseded,
               skipped, refused, waiting)
           select %s, 0, %s + n * 10, %s + n * 10 + 9, 1, '2024-01-10 10:00Z', 'answered', 9, 1, 0, 0, 0
             from generate_series(0, %s::int - 1) n""",
        (subscription, first, first, batches),
    )


def test_what_became_of_some_messages_is_counted_from_their_batches_alone(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    subscription = flow.subscribe()
    ledger.execute("update runtime_progress set position = 100000")
    asked = {"stream": flow.stream, "lanes": [0], "firsts": [35], "lasts": [64]}
    evidence(ledger, subscription, 1, 20)
    before = {name: pages(ledger, of_run, asked | {"since": "2024-01-01Z"}) for name, of_run in OF_A_RUN.items()}
    evidence(ledger, subscription, 201, 5000)
    for name, of_run in OF_A_RUN.items():
        assert pages(ledger, of_run, asked | {"since": "2024-01-01Z"}) < before[name] + 20, name
    counted = ledger.execute(runs._SHARES, asked).fetchall()
    assert counted
    assert [one for one in counted[0] if one == 3], "three batches end in the span"


OF_A_RUN = {"shares": runs._SHARES, "minutes": runs._MINUTES}
