"""A fault of the connection makes no dead letter: the lane waits, one message at a time probes, and after the
correction everything goes out by itself, in order and once."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.connectors.protocols import ConnectionFault
from runtime.domain.retry import CIRCUIT_BREAKER
from runtime.ledger import vendor_target
from runtime.ledger.append import append
from runtime.ledger.claims import claim
from runtime.ledger.connections import Connection
from runtime.ledger.log_reader import LoggedMessage
from runtime.ledger.mappers import Mapper, Skipped
from runtime.ledger.quarantine_claims import claim_quarantined
from runtime.ledger.quarantine_retry import retry_at_vendor
from runtime.ledger.vendor_client import SendResult
from runtime.ledger.vendor_target import MappedVendor
from runtime.worker.delivery import serve_one
from tests.runtime.make import FakeVendor, Flow


def unless_unwanted(message: LoggedMessage) -> Any:
    if message.document.get("unwanted"):
        raise Skipped
    return message.document


class Site:
    """A flow with one vendor, and a worker that serves it step by step."""

    def __init__(self, conn: Connection, **subscription: Any) -> None:
        self.conn, self.client = conn, FakeVendor()
        self.flow = Flow(conn, lanes=1)
        self.subscription = self.flow.subscribe(**subscription)

    def bind(self, release: int) -> MappedVendor:
        return MappedVendor(Mapper(unless_unwanted), self.client)

    def put(self, count: int, keys: int = 4, **fields: Any) -> None:
        append(self.conn, self.flow.ref, [self.flow.item(f"k{n % keys}", n, **fields) for n in range(count)])

    def due(self) -> None:
        """As if every pause were over."""
        self.flow.expire()
        self.conn.execute("update runtime_vendorstate set open_until = 'epoch', probe_until = 'epoch'")

    def round(self) -> bool:
        if taken := claim(self.conn, owner="w"):
            vendor_target.deliver(self.conn, taken, self.bind)
        elif quarantined := claim_quarantined(self.conn):
            retry_at_vendor(self.conn, quarantined, self.bind)
        return bool(taken or quarantined)

    def work(self) -> None:
        for _ in range(40):
            self.due()
            if not self.round():
                return

    def read(self, what: str) -> Any:
        return self.conn.execute(f"select {what}").fetchall()

    def breaker(self) -> Any:
        return self.read("breaker, fault, fault_detail from runtime_vendorstate")[0]

    def told(self) -> Any:
        """What people hear of: topic, whose fault, which fault."""
        return self.read(
            "topic, split_part(key, ':', 1), payload ->> 'fault' from kernel_outboxevent "
            "where topic like 'runtime.connection%' order by id"
        )

    def delivered(self) -> list[int]:
        return [document["version"] for _, _, document in self.client.journal]


@pytest.mark.parametrize("fate", ["fault", "fault 2"])
def test_everything_waits_behind_a_fault_and_goes_out_in_order_after_it(ledger: Connection, fate: str) -> None:
    site = Site(ledger, batch=5)
    site.put(20)
    site.client.fates = [fate, "fault", "fault", "fault"]
    for _ in range(4):
        site.due()
        assert site.round()
    assert site.breaker() == ("open", "credentials", "401 Unauthorized")
    assert site.read("count(*) from runtime_quarantine where state in ('dead', 'unknown')") == [(0,)]
    site.work()
    assert site.delivered() == list(range(20))
    assert site.breaker() == ("closed", "", "")
    assert site.read("count(*) from runtime_quarantine") == [(0,)]


def test_a_probe_sends_one_message_and_its_success_opens_the_way(ledger: Connection) -> None:
    site = Site(ledger, batch=5)
    site.put(12, keys=12)
    site.client.fates = ["fault"]
    site.round()
    site.client.fates = ["fault"]
    site.due()
    site.round()
    assert site.client.calls == [5, 1]
    site.work()
    assert site.client.calls == [5, 1, 1, 5, 5, 1]
    assert site.delivered() == list(range(12))


def test_before_its_pause_is_over_nothing_probes(ledger: Connection) -> None:
    site = Site(ledger)
    site.put(3)
    site.client.fates = ["fault"]
    site.round()
    site.flow.expire()
    assert not site.round()
    assert site.client.calls == [3]


def test_messages_that_no_vendor_gets_say_nothing_about_the_fault(ledger: Connection) -> None:
    """They used to count as an answer of the vendor, and closed its circuit breaker."""
    site = Site(ledger, batch=5)
    site.put(1)
    site.client.fates = ["fault"]
    site.round()
    other = Flow(ledger, lanes=1)
    vendor = site.read("vendor_id from runtime_subscription")[0][0]
    other.subscribe(vendor=vendor)
    append(ledger, other.ref, [other.item("x", 0, unwanted=True)])
    site.conn.execute(
        "update runtime_progress set not_before = 'infinity' where subscription_id = %s", (site.subscription,)
    )
    site.conn.execute("update runtime_vendorstate set open_until = 'epoch', probe_until = 'epoch'")
    assert site.round()
    assert site.breaker()[:2] == ("open", "credentials")


def test_a_fault_met_while_asking_leaves_the_question_open(ledger: Connection) -> None:
    site = Site(ledger)
    site.put(3)
    site.client.fates = ["cut", "fault to ask"]
    site.round()
    assert site.breaker()[:2] == ("open", "credentials")
    assert site.read("intent from runtime_progress") == [(3,)]
    site.work()
    assert site.delivered() == [0, 1, 2]
    assert site.breaker()[:2] == ("closed", "")


@pytest.mark.parametrize("idempotency", ["K", "N", "L", "U"])
def test_a_quarantined_message_waits_and_its_tries_do_not_count(ledger: Connection, idempotency: str) -> None:
    site = Site(ledger, batch=1, idempotency=idempotency, max_attempts=2)
    site.put(1)
    site.client.refuse = {"k0": "retry"}
    site.round()
    site.client.refuse = {}
    site.client.fates = ["fault"] * 6
    for _ in range(6):
        site.due()
        assert site.round()
    assert site.read("state, attempt from runtime_quarantine") == [("retry", 0)]
    assert site.breaker()[:2] == ("open", "credentials")
    site.work()
    assert site.delivered() == [0]


class Unopened:
    """A worker's clients, of which none can be opened."""

    def __init__(self, kind: Any = "secret") -> None:
        self.kind = kind

    def vendor(self, taken: Any, *, connected: bool = True) -> Any:
        def of_release(release: int) -> MappedVendor:
            raise ConnectionFault(self.kind, "The secret 'env:ERP' is not set on this worker.")

        return of_release


def test_a_client_that_cannot_be_opened_is_a_fault_of_the_connection(ledger: Connection) -> None:
    site, clients = Site(ledger, batch=5), Unopened()
    site.put(8)
    for _ in range(5):
        site.due()
        assert serve_one(ledger, clients, owner="w")  # type: ignore[arg-type]
    assert site.breaker() == ("open", "secret", "The secret 'env:ERP' is not set on this worker.")
    assert site.read("attempt from runtime_progress") == [(0,)]
    site.work()
    assert site.delivered() == list(range(8))


def test_a_quarantined_message_whose_client_cannot_be_opened_stays_as_it_is(ledger: Connection) -> None:
    """It used to become `sending`, which a target of class U leaves to a person though nothing was sent."""
    site = Site(ledger, batch=1, idempotency="U")
    site.client.can_ask = False
    site.put(1)
    site.client.refuse = {"k0": "retry"}
    site.round()
    site.client.refuse = {}
    for _ in range(4):
        site.due()
        assert serve_one(ledger, Unopened(), owner="w")  # type: ignore[arg-type]
    assert site.read("state, attempt, intent_release from runtime_quarantine") == [("retry", 0, None)]
    site.work()
    assert site.delivered() == [0]


class Neighbours:
    """Two targets of one vendor; the connection of the first alone is at fault."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self.wrong, self.right = Site(conn, batch=5), Site(conn, batch=5)
        vendor = self.wrong.read(f"vendor_id from runtime_subscription where id = {self.wrong.subscription}")[0][0]
        conn.execute("update runtime_subscription set vendor_id = %s", (vendor,))
        self.wrong.client.fates = ["fault"] * 100

    def round(self) -> None:
        self.conn.execute("update runtime_progress set not_before = 'epoch'")
        self.conn.execute("update runtime_vendorstate set open_until = 'epoch', probe_until = 'epoch'")
        self.conn.execute("update runtime_subscription set held_until = 'epoch'")
        while taken := claim(self.conn, owner="w"):
            site = self.wrong if taken.subscription == self.wrong.subscription else self.right
            vendor_target.deliver(self.conn, taken, site.bind)

    def faults(self) -> Any:
        return self.wrong.read(
            "s.fault, v.fault, v.breaker from runtime_subscription s "
            "join runtime_vendorstate v on v.id = s.vendor_id order by s.id"
        )


def test_a_fault_of_one_target_alone_does_not_stop_its_neighbours(ledger: Connection) -> None:
    """A wrong path of one integration used to open the circuit breaker of the whole system, again and again."""
    both = Neighbours(ledger)
    both.wrong.put(5)
    for number in range(6):
        append(ledger, both.right.flow.ref, [both.right.flow.item(f"x{number}", number)])
        both.round()
    assert both.right.delivered() == list(range(6))
    assert both.faults() == [("credentials", "", "closed"), ("", "", "closed")]
    before = len(both.wrong.client.calls)
    append(ledger, both.right.flow.ref, [both.right.flow.item("y", 6)])
    both.wrong.flow.expire()
    taken = claim(ledger, owner="w")
    assert taken
    assert taken.subscription == both.right.subscription
    vendor_target.deliver(ledger, taken, both.right.bind)
    assert claim(ledger, owner="w") is None
    assert len(both.wrong.client.calls) == before
    assert both.wrong.told()[-1][:2] == ("runtime.connection_fault", "target")
    both.wrong.client.fates = []
    both.round()
    assert both.wrong.delivered() == list(range(5))
    assert both.faults() == [("", "", "closed"), ("", "", "closed")]
    assert both.wrong.told()[-1][:2] == ("runtime.connection_restored", "target")


def test_people_hear_of_a_fault_once_and_of_its_end(ledger: Connection) -> None:
    site = Site(ledger)
    site.put(1)
    site.client.fates = ["fault"] * 3
    site.work()
    assert site.told() == [
        ("runtime.connection_fault", "vendor", "credentials"),
        ("runtime.connection_restored", "vendor", ""),
    ]


@pytest.mark.parametrize("idempotency", ["U", "L"])
def test_a_page_to_sign_in_after_the_effect_stops_the_lane_and_nothing_is_sent_twice(
    ledger: Connection, idempotency: str
) -> None:
    site = Site(ledger, batch=1, idempotency=idempotency)
    site.put(4)
    site.client.fates = ["signed out"] if idempotency == "U" else ["signed out", "fault to ask"]
    site.client.checks = []
    site.due()
    site.round()
    assert site.breaker()[:2] == ("open", "redirect" if idempotency == "U" else "credentials")
    assert len(site.client.journal) == 1, "the second message is not tried"
    site.work()
    assert site.delivered() == [0, 1, 2, 3], "each once"


# -- class U is probed by a read ---------------------------------------------------------------------------------------


def signed_out(ledger: Connection, checks: list[SendResult] | None) -> Site:
    """A vendor without keys and questions that answers every write by a page to sign in, after four probes."""
    site = Site(ledger, batch=1, idempotency="U")
    site.client.checks = checks
    site.put(8, keys=8)
    site.client.fates = ["signed out"] * 8
    for _ in range(5):
        site.due()
        site.round()
    return site


def with_a_person(site: Site) -> int:
    return len(site.read("position from runtime_quarantine where state = 'unknown'"))


def test_a_page_to_sign_in_costs_one_message_where_a_read_shows_it_too(ledger: Connection) -> None:
    page = SendResult("unsent", detail="a page to sign in", fault="redirect")
    site = signed_out(ledger, [page] * 4)
    assert (with_a_person(site), len(site.client.journal), site.breaker()[:2]) == (1, 1, ("open", "redirect"))
    assert site.read("openings from runtime_vendorstate") == [(5,)], "each failing read lengthens the pause"
    site.client.fates = []
    site.work()
    assert site.delivered() == list(range(8)), "everything else goes out by itself"
    assert site.breaker()[:2] == ("closed", "")


def test_without_a_read_the_lane_waits_for_the_decision_about_that_message(ledger: Connection) -> None:
    site = signed_out(ledger, None)
    assert (with_a_person(site), len(site.client.journal), site.breaker()[:2]) == (1, 1, ("open", "redirect"))
    site.client.fates = []
    ledger.execute("delete from runtime_quarantine where state = 'unknown'")  # a person has seen it there
    site.work()
    assert site.delivered() == list(range(8))
    assert site.breaker()[:2] == ("closed", "")


def test_a_person_who_lets_it_try_now_sends_one_more_message(ledger: Connection) -> None:
    site = signed_out(ledger, None)
    for _ in range(3):
        ledger.execute("update runtime_vendorstate set openings = 0")
        for _ in range(3):
            site.due()
            site.round()
    assert (with_a_person(site), len(site.client.journal)) == (4, 4)


def test_the_message_that_a_person_sends_again_is_the_probe(ledger: Connection) -> None:
    site = signed_out(ledger, None)
    site.client.fates = []
    ledger.execute("update runtime_quarantine set state = 'retry', not_arrived = true where state = 'unknown'")
    site.work()
    assert sorted(site.delivered()) == sorted([0, *range(8)])
    assert site.breaker()[:2] == ("closed", "")


def test_a_vendor_that_is_down_costs_a_target_of_class_u_no_message_per_probe_either(ledger: Connection) -> None:
    site = Site(ledger, batch=1, idempotency="U")
    site.client.checks = [SendResult("unsent", detail="no answer in time")] * 4
    site.put(8, keys=8)
    site.client.fates = ["cut"] * 8
    for _ in range(7):
        site.due()
        site.round()
    assert with_a_person(site) == CIRCUIT_BREAKER.attempts
    site.client.fates = []
    site.work()
    assert site.delivered() == list(range(8))


def test_what_waited_behind_a_decided_message_is_no_probe_before_a_read(ledger: Connection) -> None:
    site = Site(ledger, batch=1, idempotency="U")
    site.client.checks, site.client.fates = [], ["signed out"]
    site.put(3, keys=1)
    for _ in range(4):
        site.due()
        site.round()
    assert site.read("position, state from runtime_quarantine order by position") == [
        (1, "unknown"),
        (2, "behind"),
        (3, "behind"),
    ]
    ledger.execute("delete from runtime_quarantine where state = 'unknown'")
    page = SendResult("unsent", detail="a page to sign in", fault="redirect")
    site.client.checks = [page] * 4
    for _ in range(4):
        site.due()
        site.round()
    assert (len(site.client.journal), site.client.checks) == (1, [])
    site.work()
    assert site.delivered() == [0, 1, 2]
