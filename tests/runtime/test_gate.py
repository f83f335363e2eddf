"""The gate at the claim: nothing unapproved, void, paused, frozen, past sunset or out of quota gets a token, raw SQL
included."""

from __future__ import annotations

import psycopg
import pytest

from runtime.ledger import connections
from runtime.ledger.append import IncomingMessage, append
from runtime.ledger.claimed import ClaimScope
from runtime.ledger.claims import claim, release
from runtime.ledger.connections import Connection
from tests import sealed
from tests.runtime import make
from tests.runtime.make import Flow

CLOSE = {
    "approval void": lambda flow, vendor: make.void(flow.conn, flow.approval),
    "paused": lambda flow, vendor: flow.conn.execute(
        "update runtime_deployment set paused = true where id = %s", (flow.deployment,)
    ),
    "ended": lambda flow, vendor: flow.conn.execute(
        "update runtime_deployment set active = false, ended_at = now() where id = %s", (flow.deployment,)
    ),
    "subscription closed": lambda flow, vendor: flow.conn.execute(
        "update runtime_subscription set open = false where vendor_id = %s", (vendor,)
    ),
    "breaker open": lambda flow, vendor: flow.conn.execute(
        "update runtime_vendorstate "
        "set breaker = 'open', open_until = clock_timestamp() + interval '1 hour' "
        "where id = %s",
        (vendor,),
    ),
    "told to wait": lambda flow, vendor: flow.conn.execute(
        "update runtime_vendorstate set not_before = clock_timestamp() + interval '1 hour' where id = %s", (vendor,)
    ),
    "rate used up": lambda flow, vendor: flow.conn.execute(
        "update runtime_vendorstate "
        "set rate = 0.001, burst = 10, allowance = 0, refilled_at = clock_timestamp() "
        "where id = %s",
        (vendor,),
    ),
    "budget spent": lambda flow, vendor: flow.conn.execute(
        "update runtime_vendorstate set budget = 10, spent = 10 where id = %s", (vendor,)
    ),
}


def raw_try(flow: Flow, subscription: int, lane: int) -> None:
    flow.conn.execute(
        "update runtime_progress "
        "set token = token + 1, owner = 'me', lease_until = clock_timestamp() + interval '9 s' "
        "where subscription_id = %s and lane = %s",
        (subscription, lane),
    )


@pytest.mark.parametrize("how", CLOSE)
def test_a_closed_gate_gives_no_token(ledger: Connection, how: str) -> None:
    flow = Flow(ledger)
    vendor = flow.vendor()
    subscription = flow.subscribe(vendor=vendor)
    append(ledger, flow.ref, [flow.item(f"k{i}") for i in range(20)])
    taken = claim(ledger, owner="w")
    assert taken is not None
    release(ledger, taken)
    CLOSE[how](flow, vendor)
    for lane in (0, 1):
        assert claim(ledger, owner="w") is None
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            raw_try(flow, subscription, lane)
        with pytest.raises(psycopg.errors.CheckViolation):
            ledger.execute(
                "update runtime_progress set owner = 'thief' where subscription_id = %s and lane = %s",
                (subscription, lane),
            )


def test_a_freeze_of_strictness_work_stops_claims_and_others_do_not(ledger: Connection) -> None:
    flow = Flow(ledger, tier=1)
    flow.subscribe()
    append(ledger, flow.ref, [flow.item("a")])
    for strictness, tier, stops in (("changes", None, False), ("work", 0, False), ("work", 1, True)):
        made = ledger.execute(
            """insert into governance_freezewindow
                 (name, reason, tier, strictness, calendar, compiled_until)
               values ('f', '', %s, %s, '{}', clock_timestamp() + interval '1 d')
               returning id""",
            (tier, strictness),
        ).fetchone()
        assert made
        ledger.execute(
            "insert into governance_freezeinterval (freeze_id, period) "
            "values (%s, tstzrange(clock_timestamp() - interval '1 h', clock_timestamp() + interval '1 h'))",
            made,
        )
        taken = claim(ledger, owner="w")
        assert (taken is None) is stops
        if taken:
            release(ledger, taken)
        ledger.execute(sealed.END_FREEZE, made)


def test_a_deployment_without_a_valid_approval_of_its_digest_is_refused_by_the_database(ledger: Connection) -> None:
    flow = Flow(ledger)
    other = make.approval(ledger, subject_id=flow.key, digest="sha256:" + "0" * 64)
    ledger.execute(
        "update runtime_deployment set active = false, ended_at = clock_timestamp() where id = %s", (flow.deployment,)
    )
    for approval in (other, flow.approval):
        if approval == flow.approval:
            make.void(ledger, approval)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="no valid approval"):
            ledger.execute(
                """insert into runtime_deployment (integration_id, release_id, environment, approval_id, kind,
                   active, paused, pause_reason)
                   values (%s, %s, 'production', %s, 'deploy', true, false, '')""",
                (flow.integration, flow.release, approval),
            )
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ledger.execute("update runtime_deployment set active = true, ended_at = null where id = %s", (flow.deployment,))


def test_releases_messages_and_evidence_cannot_be_changed(ledger: Connection) -> None:
    flow = Flow(ledger)
    append(ledger, flow.ref, [flow.item("a")])
    for statement in (
        "update runtime_message set payload = '{}'",
        "delete from runtime_message",
        "update runtime_release set digest = 'x'",
        "delete from runtime_release",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            ledger.execute(statement)


def test_a_release_bears_the_digest_of_its_manifest(ledger: Connection) -> None:
    flow = Flow(ledger)
    for manifest in ("{}", '{"integration": "other", "build": 1}'):
        with pytest.raises(psycopg.errors.CheckViolation, match="not the one of the manifest"):
            ledger.execute(
                "insert into runtime_release (integration_id, digest, manifest, tier) "
                "select integration_id, digest, %s::jsonb, tier from runtime_release where id = %s",
                (manifest, flow.release),
            )


def test_only_one_claim_probes_a_vendor_whose_breaker_is_half_open(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=4)
    vendor = flow.vendor(breaker="open")
    flow.subscribe(vendor=vendor)
    append(ledger, flow.ref, [flow.item(f"k{i}") for i in range(40)])
    first = claim(ledger, owner="one")
    assert first is not None
    assert claim(ledger, owner="two") is None
    ledger.execute("update runtime_vendorstate set probe_until = 'epoch' where id = %s", (vendor,))
    assert claim(ledger, owner="two") is not None


def test_concurrency_limits_live_leases_of_one_vendor(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=4)
    flow.subscribe(vendor=flow.vendor(concurrency=2))
    append(ledger, flow.ref, [flow.item(f"k{i}") for i in range(40)])
    taken = [claim(ledger, owner=f"w{i}") for i in range(4)]
    assert [t is not None for t in taken] == [True, True, False, False]
    assert taken[0]
    release(ledger, taken[0])
    assert claim(ledger, owner="w9") is not None


def test_a_limited_vendor_whose_row_somebody_keeps_locked_holds_up_no_other(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    vendor = flow.vendor(concurrency=2)
    limited, other = flow.subscribe(vendor=vendor), flow.subscribe("b", vendor=flow.vendor("other", concurrency=2))
    append(ledger, flow.ref, [flow.item("a"), flow.item("b")])
    ledger.execute("update runtime_progress set waits_since = 'epoch' where subscription_id = %s", (limited,))
    with connections.connected() as till, connections.connected() as worker:
        worker.execute("set lock_timeout = '3s'")
        with till.transaction():
            till.execute("select from runtime_vendorstate where id = %s for update", (vendor,))
            taken = claim(worker, owner="w")
            assert taken is not None
            assert taken.subscription == other
            assert claim(worker, owner="w") is None
            assert worker.execute("show lock_timeout").fetchone() == ("3s",)
        taken = claim(worker, owner="w")
        assert taken is not None
        assert taken.subscription == limited


def test_the_most_critical_tier_is_served_first(ledger: Connection) -> None:
    flows = [Flow(ledger, tier=tier, lanes=1) for tier in (3, 0, 2)]
    subs = {flow.tier: flow.subscribe() for flow in flows}
    for flow in flows:
        append(ledger, flow.ref, [flow.item("a")])
    order = [claim(ledger, owner="w") for _ in range(3)]
    assert [t.subscription for t in order if t] == [subs[0], subs[2], subs[3]]
    assert claim(ledger, owner="w", scope=ClaimScope(tiers=(0, 1))) is None


@pytest.mark.parametrize(
    ("approval", "opens"),
    [
        ("valid_from = clock_timestamp() + interval '1 day'", False),
        ("valid_from = clock_timestamp() + interval '1 day', used_at = now()", True),
        ("valid_from = clock_timestamp() + interval '1 day', used_at = now(), valid_until = now()", False),
        ("valid_from = clock_timestamp() + interval '1 day', used_at = now(), voided_at = now()", False),
    ],
)
def test_an_approval_that_was_used_does_not_wait_for_its_begin_again(
    ledger: Connection, approval: str, opens: bool
) -> None:
    """The clock went back to before its begin. Its end and what voids it hold as ever."""
    flow = Flow(ledger)
    flow.subscribe()
    append(ledger, flow.ref, [IncomingMessage("a", 1, b"{}")])
    with ledger.transaction():
        ledger.execute("set local session_replication_role = replica")
        ledger.execute(f"update governance_approval set {approval} where id = %s".encode(), (flow.approval,))
    assert (claim(ledger, owner="w") is not None) == opens
