"""Replays through real workers: planned, tried out, approved, delivered again with one effect each, cancelled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bench.order_server import order
from governance.domain import kinds
from kernel.errors import Conflict, Forbidden, Invalid, NotApproved
from kernel.models import AuditEntry, User
from runtime.ledger import connections
from runtime.models import Delivery, QuarantinedMessage, Replay, TargetSubscription
from runtime.services import intake, replays
from runtime.worker import replay_delivery
from tests.runtime import make
from tests.runtime.test_services import FEED, catalog, deployed, stored, work  # noqa: F401 - the deployed order feed

pytestmark = pytest.mark.django_db(transaction=True)
HOUR_AGO = timedelta(hours=1)


def planned(**more: Any) -> Replay:
    chosen: dict[str, Any] = {
        "since": datetime.now(UTC) - HOUR_AGO,
        "pace": None,
        "actor": None,
        "reason": "the table was restored",
    }
    return replays.plan(TargetSubscription.objects.get(replay_of=None).pk, **(chosen | more))


def counts(subscription: TargetSubscription | None) -> dict[str, int]:
    found = {"confirmed": 0, "skipped": 0, "refused": 0}
    for one in Delivery.objects.filter(subscription=subscription):
        found = {name: found[name] + getattr(one, name) for name in found}
    return found


def forget(*numbers: int) -> None:
    with connections.connected() as conn:
        conn.execute("delete from order_target where number = any(%s)", ([f"ORD-{n:08d}" for n in numbers],))


@pytest.fixture
def feed(catalog: None) -> None:
    deployed()
    intake.accept(FEED, "production", [order(i) for i in range(60)])
    assert work() == 60


def test_a_plan_names_exact_messages_by_time_and_key_and_sends_nothing(feed: None) -> None:
    before = datetime.now(UTC)
    assert planned().messages == 60
    one = planned(key_from="ORD-0000001", key_to="ORD-0000001")
    assert (one.messages, one.state, one.subscription) == (10, "planned", None)
    with pytest.raises(Invalid) as refused:
        planned(since=before)
    assert refused.value.code == "replay.empty"
    with pytest.raises(Invalid) as refused:
        planned(since=before, until=before - HOUR_AGO, pace=0.0, reason=" ", key_from="b", key_to="a")
    assert {f["pointer"] for f in refused.value.findings} == {"/until", "/key_to", "/pace", "/reason"}
    assert Replay.objects.count() == 2
    assert work() == 0


def test_a_dry_run_counts_what_would_be_sent_and_the_start_sends_it(feed: None) -> None:
    made = planned(key_from="ORD-0000001", key_to="ORD-0000001")
    forget(10, 15, 40)
    made = replays.try_out(made.pk, actor=None)
    work()
    assert counts(made.trial)["confirmed"] == 10
    assert len(stored()) == 57, "a dry run writes nothing"
    made = replays.start(made.pk, actor=None)
    work()
    assert counts(made.subscription)["confirmed"] == 10
    assert set(stored()) == {f"ORD-{n:08d}" for n in range(60) if n != 40}, "the other keys are not touched"
    replays.close_finished()
    made.refresh_from_db()
    assert (made.state, made.subscription.open) == ("done", False)
    assert replays.start(made.pk, actor=None).subscription_id == made.subscription_id, "a second start changes nothing"
    verbs = list(
        AuditEntry.objects.filter(verb__startswith="runtime.replay").order_by("id").values_list("verb", flat=True)
    )
    assert verbs == ["runtime.replay_planned", "runtime.replay_tried", "runtime.replay_opened"]


def test_a_replay_never_undoes_a_newer_state_nor_touches_what_is_held(feed: None) -> None:
    made = planned()
    changed = {**order(3), "version": 9, "customerId": "C-9"}
    intake.accept(FEED, "production", [changed])
    work()
    newest = stored()[order(3)["number"]]
    held = TargetSubscription.objects.get(replay_of=None)
    span = made.spans["0"]
    QuarantinedMessage.objects.create(
        subscription=held, lane=0, position=span[0], key="held", state="dead", reason="x", reason_class="refused"
    )
    made = replays.start(made.pk, actor=None)
    work()
    assert counts(made.subscription) == {"confirmed": 58, "skipped": 2, "refused": 0}
    assert stored()[order(3)["number"]] == newest


def test_above_the_limit_an_approval_of_exactly_this_plan_is_needed(
    feed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "APPROVAL_ABOVE", 50)
    made, other = planned(), planned()
    assert made.digest != other.digest, "two plans over the same messages are two decisions"
    with pytest.raises(NotApproved):
        replays.start(made.pk, actor=None)
    facts = kinds.kind("replay.open").facts(replays.subject(made))
    assert facts is not None
    assert facts.new["messages"] == 60
    assert facts.new["reason"] == "the table was restored"
    with connections.connected() as conn:
        held = make.approval(conn, subject_id=f"{FEED}/read-model", digest=made.digest, kind="replay")
    with pytest.raises(NotApproved):
        replays.start(other.pk, actor=None)
    started = replays.start(made.pk, actor=None)
    assert (started.state, started.approval_id) == ("running", held)
    small = planned(key_from="ORD-0000001", key_to="ORD-0000001")
    assert replays.start(small.pk, actor=None).approval_id is None


def test_a_cancelled_replay_sends_nothing_further(feed: None) -> None:
    made = replays.start(planned().pk, actor=None)
    with pytest.raises(Invalid):
        replays.cancel(made.pk, actor=None, reason=" ")
    replays.cancel(made.pk, actor=None, reason="wrong day")
    forget(1, 2, 3)
    assert work() == 0
    assert len(stored()) == 57
    with pytest.raises(Conflict):
        replays.start(made.pk, actor=None)
    with pytest.raises(Conflict):
        replays.cancel(made.pk, actor=None, reason="again")


def test_a_vendor_that_cannot_tell_a_repetition_is_never_replayed(feed: None) -> None:
    made = planned()
    TargetSubscription.objects.update(idempotency="U")
    with pytest.raises(Conflict) as refused:
        replays.start(made.pk, actor=None)
    assert refused.value.code == "replay.unsafe"
    assert replays.try_out(made.pk, actor=None).trial is not None


def test_only_operators_of_the_integration_plan_start_and_cancel(feed: None) -> None:
    made, stranger = planned(), User.objects.create_user("stranger")
    for act in (
        lambda: planned(actor=stranger),
        lambda: replays.try_out(made.pk, actor=stranger),
        lambda: replays.start(made.pk, actor=stranger),
        lambda: replays.cancel(made.pk, actor=stranger, reason="x"),
    ):
        with pytest.raises(Forbidden):
            act()


def test_a_replay_with_something_parked_stays_open_until_a_person_has_decided(feed: None) -> None:
    made = replays.start(planned().pk, actor=None)
    work()
    parked = QuarantinedMessage.objects.create(
        subscription=made.subscription, lane=0, position=1, key="k", state="dead", reason="x"
    )
    assert replays.close_finished() == 0
    QuarantinedMessage.objects.filter(subscription=made.subscription, position=parked.position).delete()
    assert replays.close_finished() == 1


@pytest.mark.parametrize(
    ("key", "inside"),
    [("0187-06", False), ("0187-07", True), ("0187-07-1", True), ("0187-09-44", True), ("0187-10", False)],
)
def test_keys_between_two_bounds_include_what_begins_with_the_upper_one(key: str, inside: bool) -> None:
    assert replay_delivery.within(key, "0187-07", "0187-09") is inside
    assert replay_delivery.within(key, "", "")
