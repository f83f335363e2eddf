"""`after: <target> confirmed`: a target takes a message only once the other one has it, whatever ends in between."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

import pytest

from kernel.errors import Invalid
from runtime.domain import manifest as manifests
from runtime.ledger import faultpoints, vendor_target
from runtime.ledger.append import Fenced, append
from runtime.ledger.claims import claim, step
from runtime.ledger.connections import Connection
from runtime.ledger.log_reader import LoggedMessage
from runtime.ledger.mappers import Mapper, Skipped
from runtime.ledger.quarantine_claims import claim_quarantined
from runtime.ledger.quarantine_retry import retry_at_vendor
from runtime.ledger.vendor_target import MappedVendor
from tests.runtime.make import FakeVendor, Flow
from tests.runtime.scene_manifests import SALES

EVERYDAY = 1


class Pair:
    """ERP first, loyalty after it: two vendors with one journal of both."""

    def __init__(self, conn: Connection, *, batch: int = 4, lanes: int = 1) -> None:
        self.conn, self.flow = conn, Flow(conn, lanes=lanes)
        self.erp, self.loyalty = FakeVendor(), FakeVendor()
        self.first = self.flow.subscribe("erp", batch=batch)
        self.second = self.flow.subscribe("loyalty", batch=batch)
        conn.execute("update runtime_subscription set after_subscription = %s where id = %s", (self.first, self.second))
        self.early: list[str] = []

    def put(self, count: int, keys: int = 100, start: int = 0, **fields: Any) -> None:
        items = [self.flow.item(f"k{n % keys}", n, **fields) for n in range(start, start + count)]
        append(self.conn, self.flow.ref, items)

    def bind(self, taken: Any) -> Any:
        vendor = self.erp if taken.subscription == self.first else self.loyalty

        def as_is(message: LoggedMessage) -> Any:
            if vendor is self.erp and message.document.get("not for erp"):
                raise Skipped
            return message.document

        return lambda release: MappedVendor(Mapper(as_is), vendor)

    def due(self) -> None:
        self.flow.expire()
        self.conn.execute("update runtime_vendorstate set breaker = 'closed', not_before = 'epoch'")

    def serve(self) -> bool:
        if taken := claim(self.conn, owner="w"):
            vendor_target.deliver(self.conn, taken, self.bind(taken), max_batches=2)
        elif waiting := claim_quarantined(self.conn):
            retry_at_vendor(self.conn, waiting, self.bind(waiting))
        else:
            return False
        return True

    def work(self, rounds: int = 60) -> None:
        for _ in range(rounds):
            self.due()
            if not self.serve():
                return
            self.look()

    def look(self) -> None:
        """What loyalty has must be at the ERP already."""
        there = {document["version"] for _, _, document in self.erp.journal}
        self.early += [key for _, key, document in self.loyalty.journal if document["version"] not in there]

    def delivered(self, vendor: FakeVendor) -> list[int]:
        return [document["version"] for _, _, document in vendor.journal]

    def quarantined(self, subscription: int) -> Any:
        return self.conn.execute(
            "select position, state, reason_class from runtime_quarantine where subscription_id = %s order by position",
            (subscription,),
        ).fetchall()


def test_the_second_gets_each_message_after_the_first_and_in_order(ledger: Connection) -> None:
    pair = Pair(ledger)
    pair.put(30, keys=7)
    pair.work()
    assert pair.early == []
    assert pair.delivered(pair.erp) == pair.delivered(pair.loyalty) == list(range(30))


def test_while_the_first_is_down_the_second_takes_nothing(ledger: Connection) -> None:
    pair = Pair(ledger)
    pair.put(6)
    ledger.execute("update runtime_subscription set open = false where id = %s", (pair.first,))
    pair.work()
    assert pair.delivered(pair.loyalty) == []
    ledger.execute("update runtime_subscription set open = true where id = %s", (pair.first,))
    pair.work()
    assert pair.delivered(pair.loyalty) == list(range(6))


def test_one_refused_message_waits_at_the_second_too_and_the_others_pass(ledger: Connection) -> None:
    """A sale that finance does not have used to earn its points."""
    pair = Pair(ledger)
    pair.erp.refuse = {"k2": "negative line"}
    pair.put(6)
    pair.work()
    assert pair.delivered(pair.loyalty) == [0, 1, 3, 4, 5]
    assert pair.quarantined(pair.first) == [(3, "dead", "refused")]
    assert pair.quarantined(pair.second) == [(3, "behind", "after")]
    pair.erp.refuse = {}
    ledger.execute("update runtime_quarantine set state = 'retry' where subscription_id = %s", (pair.first,))
    pair.work()
    assert pair.delivered(pair.loyalty) == [0, 1, 3, 4, 5, 2]
    assert pair.quarantined(pair.second) == []


def test_a_later_message_of_its_key_waits_behind_it(ledger: Connection) -> None:
    pair = Pair(ledger)
    pair.erp.refuse = {"k1": "closed period"}
    pair.put(6, keys=3)
    pair.work()
    assert pair.delivered(pair.loyalty) == [0, 2, 3, 5]
    pair.erp.refuse = {}
    ledger.execute(
        "update runtime_quarantine set state = 'retry' where subscription_id = %s and state = 'dead'", (pair.first,)
    )
    pair.work()
    assert pair.delivered(pair.loyalty) == [0, 2, 3, 5, 1, 4]
    assert pair.early == []


def test_what_the_first_has_by_its_condition_no_use_for_goes_to_the_second(ledger: Connection) -> None:
    pair = Pair(ledger)
    append(ledger, pair.flow.ref, [pair.flow.item("a", 0, **{"not for erp": True}), pair.flow.item("b", 1)])
    pair.work()
    assert pair.delivered(pair.loyalty) == [0, 1]


@pytest.mark.parametrize(("outcome", "words"), [("given_up", "discarded it there"), ("declined", "erp declined it")])
def test_what_ended_at_the_first_without_delivery_is_skipped_at_the_second_with_the_reason(
    ledger: Connection, outcome: str, words: str
) -> None:
    pair = Pair(ledger)
    pair.erp.refuse = {"k1": "no"}
    pair.put(3)
    pair.work()
    assert pair.quarantined(pair.second) == [(2, "behind", "after")]
    ledger.execute(
        "insert into runtime_attempt (subscription_id, lane, first, last, token, outcome, detail) "
        "values (%s, 0, 2, 2, 0, %s, 'a test sale')",
        (pair.first, outcome),
    )
    ledger.execute("delete from runtime_quarantine where subscription_id = %s", (pair.first,))
    pair.work()
    assert pair.delivered(pair.loyalty) == [0, 2]
    assert pair.quarantined(pair.second) == []
    said = "select outcome, detail from runtime_attempt where subscription_id = %s and outcome = 'skipped'"
    found = ledger.execute(said, (pair.second,)).fetchall()
    assert len(found) == 1
    assert words in found[0][1]
    assert "a test sale" in found[0][1]


def test_what_the_first_declines_with_its_batch_is_skipped_at_the_second(ledger: Connection) -> None:
    pair = Pair(ledger)
    pair.erp.refuse = {"k1": "decline", "k2": "decline"}
    pair.put(4)
    pair.work()
    assert pair.delivered(pair.erp) == pair.delivered(pair.loyalty) == [0, 3]
    assert pair.quarantined(pair.second) == []
    said = "select outcome, detail from runtime_attempt where subscription_id = %s and outcome = 'skipped'"
    assert all("erp declined it" in detail for _, detail in ledger.execute(said, (pair.second,)).fetchall())


def test_the_database_refuses_an_intent_beyond_the_first(ledger: Connection) -> None:
    pair = Pair(ledger)
    pair.put(6)
    taken = claim(ledger, owner="w")
    assert taken
    assert taken.subscription == pair.first, "the second has nothing to take yet"
    vendor_target.deliver(ledger, taken, pair.bind(taken), max_batches=0)
    pair.work(rounds=1)
    pair.due()
    second = None
    while second is None or second.subscription != pair.second:
        second = claim(ledger, owner="w")
        assert second
    assert second.upto is not None
    assert step(ledger, second, second.position, gated=False, intent=second.upto)
    assert not step(ledger, second, second.position, gated=False, intent=second.upto + 1)
    with pytest.raises(Fenced):
        step(ledger, second, second.position, gated=True, intent=second.upto + 1)


class Killed(BaseException):
    """SIGKILL: nothing of the process runs after it."""


@pytest.mark.parametrize("seed", range(6))
def test_kills_at_any_point_neither_let_the_second_pass_nor_lose_or_double_anything(
    ledger: Connection, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance, pair = random.Random(seed), Pair(ledger, batch=3, lanes=2)

    def maybe(point: str) -> None:
        if chance.random() < 0.15:
            raise Killed(point)

    pair.put(24, keys=5)
    pair.erp.fates = [chance.choice(["ok", "cut", "half", "down"]) for _ in range(8)]
    pair.loyalty.fates = [chance.choice(["ok", "cut", "half", "down"]) for _ in range(8)]
    pair.erp.refuse = {"k3": "retry"}
    monkeypatch.setattr(vendor_target, "hit", maybe)
    for _ in range(60):
        pair.due()
        with suppress(Killed):
            pair.serve()
        pair.look()
    monkeypatch.setattr(vendor_target, "hit", faultpoints.hit)
    pair.erp.refuse = {}
    ledger.execute("update runtime_quarantine set state = 'retry', attempt = 0 where state = 'dead'")
    pair.work(rounds=200)
    assert pair.early == []
    assert sorted(pair.delivered(pair.erp)) == sorted(pair.delivered(pair.loyalty)) == list(range(24))
    for key in range(5):
        mine = [document["version"] for _, name, document in pair.loyalty.journal if name == f"k{key}"]
        assert mine == sorted(mine)


def sales(**after: str) -> dict[str, Any]:
    """The sales manifest, its targets waiting as given."""
    targets = [
        target | ({"after": after[target["name"]]} if target["name"] in after else {}) for target in SALES["targets"]
    ]
    return SALES | {"targets": targets}


def test_a_manifest_says_whom_a_target_waits_for() -> None:
    made = manifests.parse(sales(earn="journal confirmed"))
    assert made.manifest.target("earn").after == "journal confirmed"
    assert manifests.parse(SALES).manifest.target("earn").after is None


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ({"earn": "nowhere confirmed"}, "there is no target 'nowhere'"),
        ({"earn": "earn confirmed"}, "does not wait for itself"),
        ({"earn": "journal confirmed", "journal": "earn confirmed"}, "earn and journal wait for each other"),
        ({"earn": "journal"}, "does not match"),
        ({"earn": "journal accepted"}, "does not match"),
    ],
)
def test_a_manifest_that_waits_for_nobody_or_in_a_circle_is_refused(after: dict[str, str], words: str) -> None:
    with pytest.raises(Invalid) as met:
        manifests.parse(sales(**after))
    assert any(words in one["message"] and one["pointer"].endswith("/after") for one in met.value.findings)


def test_fleets_neither_wait_nor_are_waited_for() -> None:
    data = sales(earn="journal confirmed")
    data["targets"][1]["instances"] = ["0101"]
    with pytest.raises(Invalid) as met:
        manifests.parse(data)
    assert any("instances" in one["message"] for one in met.value.findings)
