"""People hear that the database went back, recovery ends by itself, and a key that was given twice ends by redrive."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from kernel import clock
from kernel.errors import Conflict
from kernel.models import AuditEntry, OutboxEvent
from kernel.viewer import SYSTEM
from portal import readiness
from runtime.domain.recovery import key_was_reused
from runtime.ledger import connections
from runtime.models import Rewind, TargetSubscription, VendorState
from runtime.selectors import recovery as selectors
from runtime.services import dead_letters, recovery, replay_safety, replays, vendor_limits
from runtime.services.dead_letters import DeadLetterFilter
from tests.runtime import scene
from tests.runtime.rewinding import Shop, StrictVendor

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ledger() -> Iterator[connections.Connection]:
    with connections.connected(name="tillgate-test") as conn:
        yield conn


def told(topic: str) -> list[Any]:
    return [event.payload for event in OutboxEvent.objects.filter(topic=topic)]


def test_a_rewind_is_announced_once_and_recovery_ends_when_every_lane_has_passed(
    ledger: connections.Connection,
) -> None:
    shop = Shop(ledger, StrictVendor())
    shop.sell("a", "b", "c")
    shop.work()
    shop.go_back(logged=3, delivered=1)
    assert recovery.attend() == 1
    assert recovery.attend() == 0
    assert [(one["reason"], one["lanes"]) for one in told("runtime.rewound")] == [("timeline", 1)]
    assert AuditEntry.objects.filter(verb="runtime.rewound").count() == 1
    state = selectors.state(SYSTEM)
    assert [(flow.lanes, flow.messages) for flow in state.flows] == [(1, 2)]

    shop.work()
    assert recovery.attend() == 0, "the window is open: what was lost may come again"
    Rewind.objects.update(window_until=Rewind.objects.get().at)
    assert recovery.attend() == 2
    assert told("runtime.recovered") == [{"with_people": 0}]
    assert selectors.state(SYSTEM).present is None


def test_the_command_states_a_restore_and_ends_the_window(ledger: connections.Connection) -> None:
    shop = Shop(ledger, StrictVendor())
    said = StringIO()
    with pytest.raises(CommandError, match="Give a note"):
        call_command("ledger_restored")
    call_command("ledger_restored", note="volume of Monday", hours=2, stdout=said)
    assert "Rewind" in said.getvalue()
    assert "1 lanes ask before they send" in said.getvalue()
    found = Rewind.objects.get()
    assert (found.reason, found.note) == ("stated", "volume of Monday")
    call_command("ledger_restored", end_window=found.pk, note="all tills have sent", stdout=said)
    assert ledger.execute("select ask_until from runtime_progress").fetchall() == [(0,)]
    with pytest.raises(CommandError, match="There is no rewind 999"):
        call_command("ledger_restored", end_window=999, note="x")
    call_command("ledger_restored", show=True, stdout=said)
    assert "stated" in said.getvalue()
    assert shop.vendor.journal == []


def test_the_command_says_that_the_runtime_has_noticed_it_by_itself(ledger: connections.Connection) -> None:
    Shop(ledger, StrictVendor()).go_back(0, 0)
    with pytest.raises(CommandError, match="has noticed it by itself"):
        call_command("ledger_restored", note="failover of this morning")
    assert Rewind.objects.count() == 1


def reuse(shop: Shop) -> None:
    """As before epochs: the vendor knows the key of the next message from a lost one."""
    shop.sell("a", "lost")
    shop.work()
    with shop.conn.transaction():
        shop.conn.execute("set local session_replication_role = replica")
        for statement in (
            "delete from runtime_message where position > 1",
            "delete from runtime_head where position > 1",
            "update runtime_lane set next = 2",
            "update runtime_progress set position = 1",
        ):
            shop.conn.execute(statement)
    shop.sell("new")
    shop.work()
    assert shop.quarantined() == [("new", "dead", "refused")]


def test_a_message_whose_key_was_used_by_another_is_redriven_under_a_fresh_key(ledger: connections.Connection) -> None:
    shop = Shop(ledger, StrictVendor())
    reuse(shop)
    assert dead_letters.redrive(DeadLetterFilter(shop.subscription), actor=None, reason="keys given again") == 1
    shop.work()
    assert shop.vendor.booked() == ["a", "lost", "new"]
    assert shop.vendor.questions == [("reference", "new")]
    assert shop.quarantined() == []
    assert shop.history()[-2:] == [(2, 2, "fresh_key"), (2, 2, "confirmed")]
    detail = ledger.execute("select detail from runtime_attempt where outcome = 'fresh_key'").fetchone()
    assert detail
    assert detail[0].endswith("-2-1"), "the history names the key"


def test_without_a_question_a_second_redrive_is_the_decision_that_it_did_not_arrive(
    ledger: connections.Connection,
) -> None:
    shop = Shop(ledger, StrictVendor(("key",)))
    reuse(shop)
    for not_arrived in (False, True):
        given: dict[str, Any] = {"reason": "looked at the vendor's books", "not_arrived": not_arrived}
        dead_letters.redrive(DeadLetterFilter(shop.subscription), actor=None, **given)
        shop.work()
    assert shop.vendor.booked() == ["a", "lost", "new"]
    assert shop.quarantined() == []


def test_what_came_again_and_could_not_be_asked_about_is_sent_when_a_person_says_so(
    ledger: connections.Connection,
) -> None:
    shop = Shop(ledger, StrictVendor((), keeps_keys=False), "U")
    shop.sell("a")
    shop.go_back(logged=1, delivered=0)
    shop.sell("b")
    shop.work()
    assert shop.vendor.booked() == []
    with pytest.raises(Conflict, match="2 of these may have arrived"):
        dead_letters.redrive(DeadLetterFilter(shop.subscription), actor=None, reason="neither is there")
    dead_letters.redrive(DeadLetterFilter(shop.subscription), actor=None, reason="neither is there", not_arrived=True)
    shop.work()
    assert shop.vendor.booked() == ["a", "b"]
    assert shop.quarantined() == []


def test_a_dry_run_says_which_get_a_fresh_key_and_which_cannot_be_asked_about() -> None:
    people = scene.estate()
    sales = scene.Site(scene.SALES, people.groups["sales-finance"])
    places = sales.put(*[scene.sale(n) for n in range(3)])
    sales.pass_to("journal")
    sales.park(places[0], "journal", reason="this key came with another body before [key_reused]")
    sales.park(places[1], "journal", reason="came again", reason_class="recovery", state="unknown")
    sales.park(places[2], "journal", reason="the amount is missing [amount.missing]")
    trial = dead_letters.dry_run(DeadLetterFilter(sales.subscriptions["journal", ""].pk), actor=None)
    assert (trial.total, trial.fresh_keys, trial.not_askable, trial.unknown) == (3, 1, 1, 1)


def test_only_a_refusal_of_the_key_is_one() -> None:
    assert key_was_reused("Keys can only be used with the same parameters [idempotency_error]")
    assert not key_was_reused("unknown article [article.unknown]")


def test_readiness_says_when_the_server_does_not_tell_of_a_failover(ledger: connections.Connection) -> None:
    look = readiness.Look()
    try:
        assert look()["failover"] == "noticed"
        ledger.execute("update runtime_database set timeline = null")
        found = look()
    finally:
        look.close()
    assert (readiness.good(found), found["failover"][:11]) == (True, "not noticed")


def test_a_circuit_breaker_that_a_person_closes_does_not_end_that_pause(ledger: connections.Connection) -> None:
    shop = Shop(ledger, StrictVendor())
    ledger.execute("update runtime_subscription set deadline = 60, settle = 20")
    shop.go_back(0, 0)
    vendor = VendorState.objects.get()
    closed = vendor_limits.close_breaker(vendor.pk, actor=None, reason="they are back")
    assert closed.not_before == vendor.not_before
    assert vendor.not_before > clock.now() + timedelta(seconds=190)
    ledger.execute("update runtime_rewind set at = at - interval '201 seconds'")
    assert vendor_limits.close_breaker(vendor.pk, actor=None, reason="they are back").not_before < clock.now()


@pytest.mark.parametrize("window_ended", [True, False])
def test_a_replay_asks_by_reference_about_what_came_again_after_the_database_went_back(
    ledger: connections.Connection, window_ended: bool
) -> None:
    """The vendor has it under a key that was lost; under the key that the message has now it is not there."""
    shop = Shop(ledger, StrictVendor(keeps_keys=False), "L")
    shop.sell("a")
    shop.work()
    shop.go_back(logged=0, delivered=0)
    shop.sell("a")
    shop.work()
    assert shop.vendor.booked() == ["a"]
    if window_ended:
        shop.end_window()
    target, spans = TargetSubscription.objects.get(), {0: (1, 1)}
    assert replay_safety.lost_keys(target, spans) == 1
    assert replay_safety.lost_keys(target, {0: (2, 9)}) == 0
    replays._subscribe(target, spans, dry=False, pace=None)
    shop.work()
    assert shop.vendor.booked() == ["a"]
    assert shop.quarantined() == []
