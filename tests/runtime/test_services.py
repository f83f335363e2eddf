"""The services around the ledger, each story from its first call to what stands in the tables afterwards."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bench.installation import TABLE
from bench.installation import manifest as order_feed
from bench.order_server import order
from governance.domain.subject import Subject
from governance.services import approvals
from kernel.errors import Conflict, Forbidden, Invalid, NotApproved, NotFound
from kernel.models import User
from runtime.domain.batches import item_of
from runtime.domain.correlation import address_of
from runtime.ledger import connections
from runtime.ledger.group_commit import PendingCall
from runtime.models import (
    Deployment,
    Firing,
    Progress,
    QuarantinedMessage,
    RejectedMessage,
    Release,
    Run,
    Schedule,
    TargetSubscription,
    VendorState,
    Worker,
)
from runtime.services import (
    cases,
    dead_letters,
    deployments,
    intake,
    integrations,
    replays,
    resubmitting,
    runs,
    schedules,
    vendor_limits,
)
from runtime.services.dead_letters import DeadLetterFilter
from runtime.worker import scheduler
from runtime.worker.loop import WorkerLoop
from tests.runtime import make

pytestmark = pytest.mark.django_db(transaction=True)
FEED = "order-feed"


@pytest.fixture
def catalog() -> None:
    make.catalog_of_orders()
    with connections.connected() as conn:
        conn.execute(TABLE)
        conn.execute("delete from order_target")


def changed(**changes: Any) -> Any:
    return integrations.pinned({**order_feed(source=False, lanes=2, batch=50), **changes})


def approve(release: Release) -> Any:
    with connections.connected() as conn:
        make.approval(conn, subject_id=FEED, digest=release.digest)
    return approvals.require(Subject("integration", FEED, release.digest), release.digest, "production")


def deployed(**changes: Any) -> Deployment:
    release = integrations.register(changed(**changes), actor=None)
    return deployments.deploy(FEED, approval=approve(release), actor=None)


def work() -> int:
    return WorkerLoop(poll=0.05).run(until_idle=True, seconds=30).passed


def stored() -> dict[str, int]:
    with connections.connected() as conn:
        return dict(conn.execute("select number, customer_id from order_target").fetchall())


def test_every_finding_of_a_manifest_comes_with_its_pointer_and_nothing_is_stored(catalog: None) -> None:
    wrong = changed(
        tier=7,
        owner="nobody",
        targets=[
            {
                **order_feed()["targets"][0],
                "system": "shop",
                "mapping": {"mapping": "x", "version": 1, "fields": [{"to": "id", "from": "nope"}]},
            }
        ],
    )
    with pytest.raises(Invalid) as refused:
        integrations.register(wrong, actor=None)
    assert {f["pointer"] for f in refused.value.findings} == {"/tier"}
    with pytest.raises(Invalid) as refused:
        integrations.register({**wrong, "tier": 2, "owner": "order-team"}, actor=None)
    pointers = {f["pointer"]: f["message"] for f in refused.value.findings}
    assert "/targets/0/writes/0" in pointers
    assert any(p.startswith("/targets/0/mapping/fields/0") for p in pointers)
    stale = {"name": "orders", "system": "shop", "api": "order-feed@v1", "contract": "sha256:" + "0" * 64}
    with pytest.raises(Invalid, match="pins"):
        integrations.register(changed(sources=[stale]), actor=None)
    assert not Release.objects.exists()
    stranger = User.objects.create_user("stranger")
    with pytest.raises(Forbidden):
        integrations.register(changed(), actor=stranger)


def test_deploy_pause_resume_and_rollback_each_hold_to_an_approval_of_their_digest(catalog: None) -> None:
    first = deployed()
    again = deployments.deploy(
        FEED,
        approval=approvals.require(
            Subject("integration", FEED, first.release.digest), first.release.digest, "production"
        ),
        actor=None,
    )
    assert again.pk == first.pk
    intake.accept(FEED, "production", [order(1)])
    deployments.pause(FEED, "production", reason="stock-take", actor=None)
    assert work() == 0
    with pytest.raises(Conflict, match="stock-take"):
        runs.start(FEED, "production", trigger="manual")
    deployments.resume(FEED, "production", actor=None)
    assert work() == 1

    release = integrations.register(changed(note="second"), actor=None)
    with pytest.raises(NotApproved):
        approvals.require(Subject("integration", FEED, release.digest), release.digest, "production")
    assert Deployment.objects.get(active=True).pk == first.pk
    second = deployments.deploy(FEED, approval=approve(release), actor=None)
    assert [d.active for d in Deployment.objects.order_by("id")] == [False, True]
    intake.accept(FEED, "production", [order(2)])
    assert work() == 1
    back = deployments.rollback(FEED, approval=approve(first.release), actor=None)
    assert (back.kind, back.release_id, sum(Progress.objects.values_list("position", flat=True))) == (
        "rollback",
        first.release_id,
        2,
    )
    never = integrations.register(changed(note="third"), actor=None)
    with pytest.raises(Conflict, match="never ran"):
        deployments.rollback(FEED, approval=approve(never), actor=None)
    assert second.pk != back.pk


def test_pushed_messages_are_durable_deduplicated_and_refused_with_a_reason(catalog: None) -> None:
    with pytest.raises(NotFound):
        intake.accept(FEED, "production", [order(1)])
    deployed(event={"name": "order.placed", "meaning": "fact", "key": "/number"})
    receipts = intake.accept(
        FEED,
        "production",
        [order(1), {**order(2), "status": "lost"}, {"id": 3}, order(4)],
        correlations=["till-1", None, None, None],
    )
    assert [r.status for r in receipts] == ["accepted", "refused", "refused", "accepted"]
    assert receipts[0].correlation == "till-1"
    assert address_of(receipts[3].correlation) is not None
    assert "status" in receipts[1].reason
    second = intake.accept(FEED, "production", [order(1), {**order(4), "total": 1}])
    assert [r.status for r in second] == ["duplicate", "conflict"]
    assert work() == 2
    assert stored() == {"ORD-00000001": 1, "ORD-00000004": 4}

    rejected = RejectedMessage.objects.get(key="ORD-00000002")
    fixed = resubmitting.resubmit_rejected(rejected.pk, payload=order(2), actor=None, note="the till sent an old word")
    assert fixed.status == "accepted"
    rejected.refresh_from_db()
    assert rejected.state == "fixed"
    with pytest.raises(Invalid, match="Give a reason"):
        cases.dismiss_rejected(RejectedMessage.objects.get(state="open").pk, actor=None, note=" ")
    assert work() == 1


def test_calls_that_are_stored_in_one_commit_each_get_an_answer_of_their_own(catalog: None) -> None:
    deployed()
    handed = ([order(1), order(2)], [order(2), {**order(3), "total": "many"}], [{**order(4), "total": 1}], [])
    calls = [
        PendingCall(intake._Handed([item_of(item) for item in items], None, None, None), len(items)) for items in handed
    ]
    intake._store_together((FEED, "production"), calls)
    assert [[receipt.status for receipt in call.result] for call in calls] == [  # type: ignore[attr-defined]
        ["accepted", "accepted"],
        ["duplicate", "refused"],
        ["accepted"],
        [],
    ]
    with connections.connected() as conn:
        assert conn.execute("select count(distinct xmin::text), count(*) from runtime_message").fetchone() == (1, 3)


def test_a_call_that_cannot_be_stored_does_not_take_those_with_it_that_share_its_commit(catalog: None) -> None:
    deployed()
    wrong = PendingCall(intake._Handed([item_of(order(1))], "nowhere", None, None), 1)
    good = PendingCall(intake._Handed([item_of(order(2))], None, None, None), 1)
    intake._store_together((FEED, "production"), [wrong, good])
    assert isinstance(wrong.error, NotFound)
    assert [receipt.status for receipt in good.result] == ["accepted"]  # type: ignore[attr-defined]
    nobody = [PendingCall(intake._Handed([item_of(order(1))], None, None, None), 1) for _ in range(2)]
    intake._store_together(("nothing", "production"), nobody)
    assert all(isinstance(call.error, NotFound) for call in nobody)


def test_dead_letters_are_tried_out_mended_redriven_and_given_up(catalog: None) -> None:
    fields = order_feed()["targets"][0]["mapping"]["fields"]
    strict = [{**f, "required": True} if f["to"] == "note" else f for f in fields]
    target = {**order_feed(batch=50)["targets"][0], "mapping": {"mapping": "order", "version": 2, "fields": strict}}
    deployed(targets=[target])
    orders = [order(i) for i in range(8)]
    for i in (2, 5, 6):
        del orders[i]["note"]
    intake.accept(FEED, "production", orders)
    intake.accept(FEED, "production", [{**order(2), "total": 9, "version": 2}])
    work()
    subscription = TargetSubscription.objects.get()
    dead = list(QuarantinedMessage.objects.filter(state="dead").order_by("key"))
    assert [d.key for d in dead] == ["ORD-00000002", "ORD-00000005", "ORD-00000006"]
    assert len({d.fingerprint for d in dead}) == 1
    assert QuarantinedMessage.objects.filter(state="behind").count() == 1
    chosen = DeadLetterFilter(subscription.pk, fingerprint=dead[0].fingerprint)
    trial = dead_letters.dry_run(chosen, actor=None)
    assert (trial.total, trial.would_map, trial.behind) == (3, 0, 1)

    for one in dead[:2]:
        dead_letters.edit_payload(
            subscription.pk,
            one.lane,
            one.position,
            payload={**order(int(one.key[-1])), "note": "mended"},
            actor=None,
            reason="the till left the note out",
        )
    assert dead_letters.dry_run(chosen, actor=None).would_map == 2
    with pytest.raises(Invalid):
        dead_letters.discard(chosen, actor=None, reason="")
    assert (
        dead_letters.discard(
            DeadLetterFilter(subscription.pk, addresses=((dead[2].lane, dead[2].position),)),
            actor=None,
            reason="cancelled in the shop",
        )
        == 1
    )
    assert dead_letters.redrive(chosen, actor=None, reason="mended") == 2
    work()
    assert not QuarantinedMessage.objects.exists()
    assert set(stored()) == {f"ORD-{i:08d}" for i in range(8) if i != 6}


def test_a_redrive_in_parts_needs_the_approval_that_the_whole_would_need(
    catalog: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "APPROVAL_ABOVE", 3)
    fields = order_feed()["targets"][0]["mapping"]["fields"]
    strict = [{**f, "required": True} if f["to"] == "note" else f for f in fields]
    target = {**order_feed(batch=50)["targets"][0], "mapping": {"mapping": "order", "version": 2, "fields": strict}}
    deployed(targets=[target])
    orders = [order(i) for i in range(6)]
    for one in orders:
        del one["note"]
    intake.accept(FEED, "production", orders)
    work()
    subscription = TargetSubscription.objects.get()
    dead = [(d.lane, d.position) for d in QuarantinedMessage.objects.filter(state="dead").order_by("key")]
    assert len(dead) == 6
    assert (
        dead_letters.redrive(
            DeadLetterFilter(subscription.pk, addresses=tuple(dead[:3])), actor=None, reason="first half"
        )
        == 3
    )
    with pytest.raises(NotApproved):
        dead_letters.redrive(
            DeadLetterFilter(subscription.pk, addresses=tuple(dead[3:])), actor=None, reason="second half"
        )
    assert QuarantinedMessage.objects.filter(state="dead").count() == 3


def test_only_who_operates_an_integration_starts_and_cancels_its_runs(catalog: None) -> None:
    deployed(sources=order_feed()["sources"])
    stranger = User.objects.create_user("stranger")
    with pytest.raises(Forbidden):
        runs.start(FEED, "production", trigger="manual", actor=stranger)
    assert not Run.objects.exists()
    run = runs.start(FEED, "production", trigger="manual")
    with pytest.raises(Forbidden):
        runs.cancel(run.pk, actor=stranger)
    run.refresh_from_db()
    assert run.state == "running"
    assert runs.cancel(run.pk, actor=None).state == "cancelled"


def test_a_dry_replay_maps_everything_sends_nothing_and_gives_the_same_hash_twice(catalog: None) -> None:
    deployed()
    intake.accept(FEED, "production", [order(i) for i in range(300)])
    work()
    subscription = TargetSubscription.objects.get()
    spans = replays.bounds(subscription, since=datetime.now(UTC) - timedelta(hours=1))
    assert sum(last - first + 1 for first, last in spans.values()) == 300
    hashes = []
    with connections.connected() as conn:
        before = conn.execute("select count(*), max(xmin::text::bigint) from order_target").fetchone()
        for _ in range(2):
            opened = replays.open_replay(subscription.pk, spans=spans, dry=True, pace=None, actor=None, reason="proof")
            work()
            hashes.append(
                conn.execute(
                    "select lane, first, refs from runtime_delivery where subscription_id = %s order by lane, first",
                    (opened.pk,),
                ).fetchall()
            )
        assert conn.execute("select count(*), max(xmin::text::bigint) from order_target").fetchone() == before
    assert hashes[0] == hashes[1]
    assert hashes[0]
    assert replays.close_finished() == 2
    with pytest.raises(Invalid):
        replays.open_replay(subscription.pk, spans={}, dry=True, pace=None, actor=None, reason="nothing")


@pytest.mark.thorough
def test_a_due_time_fires_once_with_two_schedulers_and_missed_ones_are_fired_together(catalog: None) -> None:
    connection = {"protocol": "rest", "settings": {"path": "orders", "items": "data", "key_fields": ["number"]}}
    deployed(sources=[{**changed()["sources"][0], "connection": connection}], schedule={"when": "every 60s"})
    schedule = Schedule.objects.get()
    schedules.fire_due()
    Schedule.objects.update(next_due_at=datetime.now(UTC) - timedelta(hours=2))
    gate = threading.Barrier(2)
    fired: list[int] = []

    def fire() -> None:
        from django.db import connection as mine

        gate.wait()
        fired.append(schedules.fire_due())
        mine.close()

    both = [threading.Thread(target=fire) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sum(fired) == 1
    assert Firing.objects.count() == Run.objects.count() == 1
    schedule.refresh_from_db()
    assert schedule.next_due_at is not None
    assert schedule.next_due_at > datetime.now(UTC)
    Schedule.objects.update(next_due_at=datetime.now(UTC) - timedelta(seconds=1))
    scheduler.Scheduler().turn()
    assert Firing.objects.latest("id").outcome == "overlapped"
    with pytest.raises(Invalid, match="zone"):
        schedules.change(schedule.pk, enabled=True, zone="Mars/Olympus", actor=None)
    work()
    run = Run.objects.get()
    assert (run.state, run.error.startswith("The source did not answer")) == ("failed", True)


@pytest.mark.thorough
def test_a_worker_that_is_told_to_stop_gives_its_lane_back(catalog: None) -> None:
    deployed()
    process = subprocess.Popen([sys.executable, "-m", "bench.worker"], stdout=subprocess.PIPE, env=environment())
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    intake.accept(FEED, "production", [order(i) for i in range(200)])
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    said = json.loads(process.stdout.read())
    process.stdout.close()
    assert said["passed"] in range(201)
    assert not Worker.objects.exists()  # who was told to stop is not missed
    assert not Progress.objects.exclude(owner=None).exists()
    work()
    assert len(stored()) == 200


def environment() -> dict[str, str]:
    """The test database's address for a child process."""
    import os

    from django.db import connection

    made = connection.settings_dict
    return {
        **os.environ,
        "SECRET_KEY": "test",
        "DATABASE_URL": f"postgresql://{made['USER']}:{made['PASSWORD']}@{made['HOST']}:{made['PORT']}/{made['NAME']}",
    }


def test_limits_and_the_breaker_are_set_by_people_with_a_reason(catalog: None) -> None:
    deployed()
    vendor = VendorState.objects.get()
    intake.accept(FEED, "production", [order(i) for i in range(3)])
    with pytest.raises(Invalid) as refused:
        vendor_limits.set_limits(vendor.pk, rate=-1, burst=None, concurrency=None, budget=None, actor=None, reason="")
    assert {f["pointer"] for f in refused.value.findings} == {"/rate", "/burst", "/reason"}
    with pytest.raises(Forbidden):
        vendor_limits.close_breaker(vendor.pk, actor=User.objects.create_user("stranger"), reason="I want to")
    vendor_limits.open_breaker(
        vendor.pk, until=datetime.now(UTC) + timedelta(hours=1), actor=None, reason="their maintenance"
    )
    assert work() == 0
    vendor_limits.close_breaker(vendor.pk, actor=None, reason="they are back")
    assert work() == 3
    assert (
        vendor_limits.set_limits(
            vendor.pk, rate=5.0, burst=10.0, concurrency=2, budget=100, actor=None, reason="contract"
        ).concurrency
        == 2
    )
