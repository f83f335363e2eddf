"""A document under the name of a state proves nothing by being there: it may be the state of before. It counts only
where the answer shows which state it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernel import clock
from runtime.domain import manifest as manifests
from runtime.ledger.append import append
from runtime.ledger.connections import Connection
from runtime.models import Integration
from runtime.services import manifest_checks, state_questions, target_comparison
from tests.runtime.connectors.server import Server
from tests.runtime.test_target_times import data as target_manifest
from tests.runtime.test_who_is_asked import Site

pytestmark = pytest.mark.django_db(transaction=True)
FIELDS = [{"to": "ref", "from": "key", "type": "string"}, {"to": "price", "from": "version", "type": "integer"}]
LOOKUP: dict[str, Any] = {"path": "/lookup"}
NAMED = "{ref}@{price}"


class Prices(Site):
    """A price list that replaces the price of a `ref`. A write in `lost` gets no answer and does nothing."""

    def __init__(self, conn: Connection, server: Server, tmp_path: Path, *, idempotency: str = "N") -> None:
        super().__init__(conn, server, tmp_path, idempotency=idempotency, immutable=False)
        self.held: dict[str, Any] = {}
        self.lose, self.takes = 0, False
        self.shows, self.says = True, dict[str, Any]()

    def release(self, lookup: dict[str, Any], *, version: str = "", **more: Any) -> dict[str, Any]:
        made = super().release(lookup, fields=FIELDS, **more)
        return made | {"event": {"name": "price", "meaning": "state", "key": "/key", "version": version}}

    def price(self, value: int) -> None:
        append(self.conn, self.flow.ref, [self.flow.item("P", value)])

    def _answer(self, seen: Any) -> Any:
        body = seen.json()
        if seen.path == "/sales":
            if self.takes:  # with 202, and does nothing yet
                self.taken = body["price"]
                return 202, {}, {"status": "queued"}
            if self.lose:
                self.lose -= 1
                return 502, {}, b"bad gateway"
            self.held[body["ref"]] = body["price"]
            self.journal.append(f"{body['ref']}={body['price']}")
            return 201, {}, {"id": "V"}
        shown = {"id": "V", **self.says} | ({"price": self.held.get("P")} if self.shows else {})
        return 200, {}, {"found": {name: shown for name in body["keys"] if name in self.held}}


@pytest.fixture
def prices(ledger: Connection, tmp_path: Path) -> Iterator[Any]:
    made: list[tuple[Server, Prices]] = []

    def build(lookup: dict[str, Any], *, idempotency: str = "N", **more: Any) -> Prices:
        server = Server(None)
        server.__enter__()
        made.append((server, Prices(ledger, server, tmp_path, idempotency=idempotency)))
        one = made[-1][1]
        one.deployed(lookup, **more)
        ledger.execute("update runtime_subscription set settle = 0")
        one.price(1)
        one.rounds(2)
        assert one.journal == ["P=1"]
        return one

    yield build
    for server, one in made:
        one.clients.close()
        server.__exit__(None, None, None)


def test_an_update_that_was_lost_is_sent_again_where_the_target_shows_only_that_there_is_a_price(prices: Any) -> None:
    one = prices(LOOKUP)
    one.lose, one.shows = 1, False
    one.price(2)
    one.rounds()
    assert one.held == {"P": 2}
    assert one.waiting() == []


def test_what_the_answer_shows_of_the_state_counts(prices: Any) -> None:
    one = prices(LOOKUP | {"holds": {"price": "price"}})
    one.lose = 1
    one.price(2)
    one.rounds()
    assert (one.held, one.waiting()) == ({"P": 2}, []), "the price of before is there: it is replaced"
    assert one.journal == ["P=1", "P=2"]


def test_an_answer_that_leaves_out_what_is_compared_proves_nothing(prices: Any) -> None:
    one = prices(LOOKUP | {"holds": {"price": "price"}})
    one.lose, one.shows = 1, False
    one.price(2)
    one.rounds()
    assert one.held == {"P": 2}


def test_where_a_second_write_is_a_second_effect_a_person_decides(prices: Any) -> None:
    one = prices(LOOKUP, idempotency="L")
    one.lose = 1
    one.price(2)
    one.rounds()
    assert one.waiting() == [("P", "unknown", "differs")]
    assert one.journal == ["P=1"]
    said = one.conn.execute("select reason from runtime_quarantine").fetchone()
    assert said is not None
    assert "an earlier state" in said[0]


def test_a_name_that_holds_the_version_is_one_of_this_state(prices: Any) -> None:
    """`{ref}-{price}`: the price is what orders the states here."""
    one = prices(LOOKUP, idempotency="L", version="/version", ask_by="{ref}-{price}")
    one.held["P-2"] = 2
    one.lose = 1
    one.price(2)
    one.rounds()
    assert (one.waiting(), one.journal) == ([], ["P=1"])


def test_a_new_manifest_whose_question_proves_nothing_is_told_so() -> None:
    def found(idempotency: str, lookup: dict[str, Any], *, meaning: str = "state", **more: Any) -> tuple[int, int]:
        settings = {"path": "/p", "idempotency": idempotency, "lookup": LOOKUP | lookup}
        connection = {"connection": {"protocol": "rest", "settings": settings}, "idempotency": idempotency}
        mapping = {"mapping": "m", "version": "1", "fields": FIELDS}
        data = target_manifest(mapping=mapping, **({"ask_by": "{ref}"} | connection | more))
        event = {"name": "e", "meaning": meaning, "key": "/key", "version": "/version"}
        made = manifests.load(data | {"event": event})
        return len(state_questions.unprovable(made)), len(manifest_checks.warnings(made))

    assert found("L", {}) == (1, 0), "no answer can prove that an update has arrived"
    assert found("K", {}, ask_by="key") == (1, 0)
    assert found("N", {}) == (0, 1), "it is sent again, and said so"
    for fine in ({"holds": {"price": "price"}}, {"amount": "price", "amount_sent": "price"}, {"versioned": True}):
        assert found("L", fine) == (0, 0)
    assert found("L", {}, ask_by="{ref}@{price}") == (0, 0)
    assert found("K", {}, ask_by="idempotency_key") == (0, 0)
    by_reference = {"references": "references", "business_reference": "{ref}"}
    assert found("K", by_reference, ask_by="idempotency_key") == (0, 1)
    assert found("K", by_reference | {"business_reference": "{ref}/{price}"}, ask_by="idempotency_key") == (0, 0)
    assert found("L", {}, meaning="fact") == (0, 0)
    assert found("U", {}) == (0, 0), "it is not asked"


def test_an_older_version_of_a_state_is_not_this_one_whatever_it_says_of_itself(prices: Any) -> None:
    one = prices(LOOKUP | {"versioned": True, "version": "price", "status": "how", "pending": ["waits"]}, ask_by=NAMED)
    one.lose = 1
    one.says = {"how": "waits"}
    one.price(2)
    one.rounds()
    assert (one.held, one.waiting()) == ({"P": 2}, [])


@pytest.mark.parametrize("idempotency", ["N", "L", "K"])
@pytest.mark.parametrize("by", ["{ref}", "key"])
def test_what_was_taken_is_not_confirmed_by_a_price_of_before_and_ends_with_a_person(
    prices: Any, idempotency: str, by: str
) -> None:
    one = prices(LOOKUP, idempotency=idempotency, ask_by=by)
    one.takes, one.shows = True, False
    one.price(2)
    one.rounds(6)
    assert one.waiting() == [("P", "sending", "accepted")]
    one.conn.execute("update runtime_quarantine set rounds = 98")
    one.rounds(4)
    assert [row[:2] for row in one.waiting()] == [("P", "unknown")]
    assert one.held == {"P": 1}
    assert [row[0] for row in one.conn.execute("select outcome from runtime_attempt").fetchall()].count(
        "confirmed"
    ) == 0


@pytest.mark.parametrize("idempotency", ["N", "L"])
def test_what_was_taken_is_confirmed_by_a_document_that_shows_it(prices: Any, idempotency: str) -> None:
    one = prices(LOOKUP | {"holds": {"price": "price"}}, idempotency=idempotency)
    one.takes = True
    one.price(2)
    one.rounds(4)
    assert one.waiting() == [("P", "sending", "accepted")]
    one.held["P"] = one.taken
    one.rounds(4)
    assert one.waiting() == []


def test_what_may_still_take_effect_is_waited_for_before_a_person_is_asked(prices: Any) -> None:
    one = prices(LOOKUP | {"holds": {"price": "price"}}, idempotency="L")
    one.conn.execute("update runtime_subscription set settle = 3600")
    one.lose = 1
    one.price(2)
    one.rounds(3)
    assert one.waiting() == [("P", "sending", "unsettled")]
    one.held["P"] = 2  # it was only late
    one.rounds(2)
    assert (one.waiting(), one.journal) == ([], ["P=1"])


@pytest.mark.parametrize(
    ("lookup", "held", "word"),
    [
        ({}, 2, "unproven"),
        ({}, 1, "unproven"),
        ({"holds": {"price": "price"}}, 2, "agreed"),
        ({"holds": {"price": "price"}}, 1, "differs"),
        ({"holds": {"price": "price"}}, None, "missing"),
    ],
)
def test_a_comparison_counts_a_state_as_there_only_where_that_is_shown(
    prices: Any, lookup: dict[str, Any], held: int | None, word: str
) -> None:
    one = prices(LOOKUP | lookup)
    one.price(2)
    one.rounds(2)
    one.held = {} if held is None else {"P": held}
    integration = Integration.objects.get(key=one.flow.key)
    today = clock.now().date()
    made = target_comparison.compare(
        integration, "production", today, by="arrival", target="store", instance="", actor=None
    )
    said = {name: getattr(made, name) for name in ("agreed", "missing", "extra", "differs", "silent", "unproven")}
    assert (made.asked, {name: count for name, count in said.items() if count}) == (2, {word: 2})
    assert len(made.cases) == (word in ("differs", "missing")), "the state of before is no case: it was replaced"
