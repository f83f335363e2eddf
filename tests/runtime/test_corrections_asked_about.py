"""A correction that a person let in stands under a name of its own here, and often under the name of the first fact at
the target: what is found there may be the first one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernel import clock
from runtime.ledger.append import IncomingMessage, append
from runtime.ledger.connections import Connection
from runtime.models import Integration
from runtime.services import target_comparison
from tests.runtime.connectors.server import Server
from tests.runtime.test_who_is_asked import Site

pytestmark = pytest.mark.django_db(transaction=True)
FIELDS = [{"to": "ref", "from": "key", "type": "string"}, {"to": "total", "from": "total", "type": "decimal"}]


class Till(Site):
    """Class L, asked by `ref`. It keeps the newest document of a name, and answers `says` to the next call; a 5xx is a
    call that it does not act on, unless it `acts`."""

    def __init__(self, conn: Connection, server: Server, tmp_path: Path, lookup: dict[str, Any], **target: Any) -> None:
        super().__init__(conn, server, tmp_path, idempotency="L")
        self.held, self.says, self.acts, self.calls = dict[str, Any](), 201, True, 0
        self.deployed({"path": "/lookup", **lookup}, fields=FIELDS, **target)
        append(conn, self.flow.ref, [self.flow.item("b", total=10)])
        self.rounds(2)
        assert self.held == {"b": 10}

    def correct(self, status: int, *, acts: bool) -> None:
        self.says, self.acts = status, acts
        later = IncomingMessage("b#2", 0, self.flow.item("b", total=25).payload, causation="conflict 7")
        append(self.conn, self.flow.ref, [later])
        self.rounds(1)
        self.says, self.acts = 201, True
        self.rounds(6)

    def _answer(self, seen: Any) -> Any:
        body = seen.json()
        if seen.path == "/lookup":
            names = [name for name in body["keys"] if name in self.held]
            return 200, {}, {"found": {name: {"id": "V", "total": self.held[name]} for name in names}}
        self.calls += 1
        if self.acts:
            self.held[body["ref"]] = body["total"]
        return self.says, {}, {"id": "V"}


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(None) as made:
        yield made


@pytest.mark.parametrize("lookup", [{}, {"holds": {"total": "total"}}], ids=["shows nothing", "shows the total"])
def test_a_correction_that_did_not_arrive_is_not_confirmed_by_the_first_fact(
    ledger: Connection, server: Server, tmp_path: Path, lookup: dict[str, Any]
) -> None:
    till = Till(ledger, server, tmp_path, lookup)
    till.correct(502, acts=False)
    assert till.waiting() == [("b#2", "unknown", "differs")]
    reason = ledger.execute("select reason from runtime_quarantine").fetchone()
    assert reason is not None
    assert "may be the one that it corrects" in reason[0]
    till.clients.close()


def test_one_that_arrived_is_confirmed_by_what_is_shown_of_it(
    ledger: Connection, server: Server, tmp_path: Path
) -> None:
    till = Till(ledger, server, tmp_path, {"holds": {"total": "total"}})
    till.correct(502, acts=True)
    assert till.waiting() == []
    assert (till.held, till.calls) == ({"b": 25}, 2)
    till.clients.close()


@pytest.mark.parametrize(("lookup", "word"), [({}, "unproven"), ({"holds": {"total": "total"}}, "differs")])
def test_a_comparison_takes_the_first_fact_for_no_correction(
    ledger: Connection, server: Server, tmp_path: Path, lookup: dict[str, Any], word: str
) -> None:
    till = Till(ledger, server, tmp_path, lookup)
    till.correct(201, acts=False)  # it says yes and keeps the first one
    assert till.waiting() == []
    made = target_comparison.compare(
        Integration.objects.get(key=till.flow.key),
        "production",
        clock.now().date(),
        by="arrival",
        target="store",
        instance="",
        actor=None,
    )
    assert (made.agreed, getattr(made, word)) == (1, 1)
    assert [case["key"] for case in made.cases] == (["b#2"] if word == "differs" else [])
    till.clients.close()


def test_what_the_target_calls_a_duplicate_may_be_the_first_fact(
    ledger: Connection, server: Server, tmp_path: Path
) -> None:
    till = Till(ledger, server, tmp_path, {"holds": {"total": "total"}})
    till.correct(409, acts=False)
    assert [state for _, state, _ in till.waiting()] in (["unknown"], ["dead"])
    assert till.held == {"b": 10}
    till.clients.close()


def test_an_ordinary_key_that_looks_like_a_correction_is_found_by_its_name(
    ledger: Connection, server: Server, tmp_path: Path
) -> None:
    till = Till(ledger, server, tmp_path, {})
    till.says = 502
    append(ledger, till.flow.ref, [till.flow.item("order#2", total=5)])
    till.rounds(1)
    till.says = 201
    till.rounds(6)
    assert till.waiting() == []
    assert till.calls == 2
    till.clients.close()
