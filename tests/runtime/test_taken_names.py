"""That it is there already is no proof where something else has the same name: the state of before, or what was sent
before a person edited it. The target takes a name once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.domain import manifest as manifests
from runtime.ledger.append import append
from runtime.ledger.connections import Connection
from runtime.services import dead_letters, state_questions
from runtime.services.dead_letters import DeadLetterFilter
from tests.runtime.connectors.server import Server
from tests.runtime.test_who_is_asked import Site

pytestmark = pytest.mark.django_db(transaction=True)
FIELDS = [{"to": "ref", "from": "key", "type": "string"}, {"to": "price", "from": "version", "type": "integer"}]
PATH: dict[str, Any] = {"path": "/lookup"}
BATCH = {"batch": {"key": "ref", "confirmed": ["created", "DUPLICATE"]}}
RULE = {"answers": [{"says": "confirmed", "status": [409]}]}
LISTED = {"duplicate_status": [409]}


class Takes(Site):
    """A target that keeps the first document of each name and says of each later one that it is there already."""

    def __init__(
        self, conn: Connection, server: Server, tmp_path: Path, *, idempotency: str, facts: bool, **more: Any
    ) -> None:
        super().__init__(conn, server, tmp_path, idempotency=idempotency, immutable=facts)
        self.held = dict[str, int]()
        self.fates = list[int]()
        self.facts, self.settings, self.ask_by = facts, more.pop("settings", LISTED), more.pop("ask_by", "key")
        self.name = "ref" if self.ask_by == "key" else "sent"
        self.deployed(more.pop("lookup", {}))
        conn.execute("update runtime_subscription set settle = 0")

    def release(self, lookup: dict[str, Any], **more: Any) -> dict[str, Any]:
        made = super().release(lookup, fields=FIELDS, **more)
        made["event"] = {"name": "price", "meaning": "fact" if self.facts else "state", "key": "/key"}
        if not self.facts:
            made["event"]["version"] = "/version"
        settings = made["targets"][0]["connection"]["settings"]
        settings |= self.settings
        if not lookup:
            del settings["lookup"]
        if self.idempotency == "N" or self.ask_by != "key":
            made["targets"][0]["ask_by"] = self.ask_by
        return made

    def put_one(self, value: int) -> None:
        append(self.conn, self.flow.ref, [self.flow.item("P", value)])
        self.rounds(3)

    def _answer(self, seen: Any) -> Any:
        body = seen.json()
        if seen.path == "/lookup":
            found = {name: {"id": "V", "price": self.held["P"]} for name in body["keys"] if "P" in self.held}
            return 200, {}, {"found": found}
        one = body["items"][0] if "items" in body else body
        taken, fate = one[self.name] in self.held, self.fates.pop(0) if self.fates else 0
        if not taken and fate != 422:
            self.held[one[self.name]] = one["price"]
        if fate:
            return fate, {}, {"message": "no"}
        if "items" in body:
            status = "DUPLICATE" if taken else "created"
            return 200, {}, {"results": [{"ref": one["ref"], "status": status, "id": "V"}]}
        return (409, {}, {"message": "it exists"}) if taken else (201, {}, {"id": "V"})


@pytest.fixture
def takes(ledger: Connection, tmp_path: Path) -> Iterator[Callable[..., Takes]]:
    made: list[tuple[Server, Takes]] = []

    def build(*, idempotency: str = "N", facts: bool = False, **more: Any) -> Takes:
        server = Server(None)
        server.__enter__()
        made.append((server, Takes(ledger, server, tmp_path, idempotency=idempotency, facts=facts, **more)))
        return made[-1][1]

    yield build
    for server, one in made:
        one.clients.close()
        server.__exit__(None, None, None)


@pytest.mark.parametrize("settings", [LISTED, RULE, BATCH])
@pytest.mark.parametrize("idempotency", ["N", "K"])
def test_a_state_is_not_confirmed_by_the_name_of_the_one_before(
    takes: Any, idempotency: str, settings: dict[str, Any]
) -> None:
    one = takes(idempotency=idempotency, settings=settings)
    one.put_one(1)
    one.put_one(2)
    assert one.held == {"P": 1}
    [(key, state, reason)] = one.waiting()
    assert (key, state, reason) == ("P", "dead", "refused")
    said = one.conn.execute("select reason from runtime_quarantine").fetchone()[0]
    assert "there already" in said
    assert "earlier state" in said


def test_where_it_can_be_asked_what_is_shown_counts_and_a_person_decides_about_another_one(takes: Any) -> None:
    one = takes(lookup=PATH | {"holds": {"price": "price"}})
    one.put_one(1)
    one.put_one(2)
    one.rounds(40)
    assert [state for _, state, _ in one.waiting()] == ["unknown"]
    one.held["P"] = 2
    chosen = DeadLetterFilter(one.conn.execute("select id from runtime_subscription").fetchone()[0])
    dead_letters.redrive(chosen, actor=None, reason="look again")
    one.rounds(3)
    assert one.waiting() == []


def test_a_name_with_the_version_in_it_proves_the_state(takes: Any) -> None:
    one = takes(ask_by="{ref}-{price}")
    one.held["P-2"] = 2
    one.put_one(2)
    assert one.waiting() == []


def test_a_fact_is_there_or_not(takes: Any) -> None:
    one = takes(facts=True)
    one.held["P"] = 1
    one.put_one(1)
    assert one.waiting() == []


def test_what_was_sent_before_an_edit_does_not_confirm_it(takes: Any) -> None:
    one = takes(facts=True)
    one.fates = [503, 422, 422]
    one.put_one(1)
    one.rounds(6)
    assert one.held == {"P": 1}
    ((subscription, lane, position),) = one.conn.execute(
        "select subscription_id, lane, position from runtime_quarantine where state in ('dead', 'unknown')"
    ).fetchall()
    document = {"key": "P", "version": 10}
    dead_letters.edit_payload(subscription, lane, position, payload=document, actor=None, reason="the right price")
    dead_letters.redrive(DeadLetterFilter(subscription), actor=None, reason="corrected")
    one.rounds(8)
    assert one.held == {"P": 1}
    assert [state for _, state, _ in one.waiting()] in (["dead"], ["unknown"])


@pytest.mark.parametrize("settings", [LISTED, RULE, BATCH])
def test_those_who_register_are_told(takes: Any, settings: dict[str, Any]) -> None:
    one = takes(settings=settings)

    def codes() -> list[str]:
        found = state_questions.told(manifests.load(one.release({})))
        return [finding["code"] for finding in found]

    assert codes() == ["duplicate.any_state"]
    one.ask_by = "{ref}-{price}"
    assert codes() == []
    one.facts, one.ask_by = True, "key"
    assert codes() == []
