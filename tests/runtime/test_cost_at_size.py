"""What a claim costs beside much that waits. Measured in pages of the database that are touched, not in time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runtime.ledger import claims
from runtime.ledger.claimed import EVERYTHING
from runtime.ledger.claims import claim, release
from runtime.ledger.connections import Connection
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
        """insert into runtime_progress (subscription_id, lane, lease_until)
           select s.id, l.lane, timestamptz '2026-01-01' + make_interval(secs => s.id)
             from runtime_subscription s join runtime_lane l on l.stream_id = s.stream_id
            where s.stream_id = %s""",
        (flow.stream,),
    )


def explained(conn: Connection, statement: str, arguments: dict[str, Any]) -> dict[str, Any]:
    conn.execute("analyze")
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


@pytest.mark.parametrize("shared", [False, True], ids=["a vendor state each", "one with a limit of calls at a time"])
def test_a_claim_looks_nothing_up_for_each_lane_that_waits(ledger: Connection, shared: bool) -> None:
    flow = Flow(ledger, lanes=4)
    vendor = flow.vendor(concurrency=5) if shared else None
    ledger.execute("update runtime_lane set next = 9 where stream_id = %s", (flow.stream,))
    fleet(ledger, flow, 20, vendor=vendor)
    few = claim_pages(ledger)
    ledger.execute("delete from runtime_progress")
    ledger.execute("delete from runtime_subscription")
    fleet(ledger, flow, 600, vendor=vendor)
    many = claim_pages(ledger)
    assert many - few < 580 * 4 / 4, "each waiting lane is looked up on its own"
    taken = claim(ledger, owner="w")
    assert taken
    release(ledger, taken)
