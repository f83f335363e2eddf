"""A deployment that moves its targets into another tier meets claims that are under way: neither ends the other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections as databases

from bench.installation import TABLE
from bench.installation import manifest as order_feed
from governance.domain.subject import Subject
from governance.services import approvals
from runtime.ledger import connections
from runtime.ledger.connections import Connection
from runtime.models import Deployment, Progress, TargetSubscription
from runtime.services import deployments, integrations
from tests.runtime import make

pytestmark = pytest.mark.django_db(transaction=True)
FEED = "order-feed"
SOON = 20.0


def approved(tier: int) -> Any:
    manifest = {**order_feed(source=False, lanes=2), "tier": tier}
    release = integrations.register(integrations.pinned(manifest), actor=None)
    with connections.connected() as conn:
        make.approval(conn, subject_id=FEED, digest=release.digest)
    return approvals.require(Subject("integration", FEED, release.digest), release.digest, "production")


@pytest.fixture
def subscription() -> int:
    make.catalog_of_orders()
    with connections.connected() as conn:
        conn.execute(TABLE)
    deployments.deploy(FEED, approval=approved(1), actor=None)
    return TargetSubscription.objects.get().pk


def somebody_waits(other: Connection, holder: int) -> bool:
    """Whether somebody waits for what this session holds."""
    question = "select from pg_locks l where not l.granted and %s = any(pg_blocking_pids(l.pid)) limit 1"
    return other.execute(question, (holder,)).fetchone() is not None


@pytest.mark.parametrize("reopened", [False, True])
def test_a_claim_that_holds_its_lane_may_still_write_its_target_while_the_tier_changes(
    subscription: int, ledger: Connection, reopened: bool
) -> None:
    if reopened:
        TargetSubscription.objects.filter(pk=subscription).update(open=False)
    approval = approved(1 if reopened else 2)

    def deploy() -> Deployment:
        try:
            return deployments.deploy(FEED, approval=approval, actor=None)
        finally:
            databases.close_all()

    with ThreadPoolExecutor(1) as threads, connections.connected() as other:
        with ledger.transaction():
            ledger.execute("set local lock_timeout = '5s'")
            ledger.execute("select from runtime_progress where subscription_id = %s for update", (subscription,))
            deploying = threads.submit(deploy)
            assert any(deploying.done() or somebody_waits(other, ledger.info.backend_pid) for _ in range(5_000))
            ledger.execute("update runtime_subscription set held_until = now() where id = %s", (subscription,))
        made = deploying.result(SOON)
    assert made.active
    tiers = set(Progress.objects.filter(subscription=subscription).values_list("tier", flat=True))
    assert tiers == {1 if reopened else 2}
