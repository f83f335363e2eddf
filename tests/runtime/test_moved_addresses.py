"""The catalog gives a system another address: the next messages go there, and what may have arrived at the old one is
not sent to the new one unasked. Witnesses: the journals of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.models import SystemEndpoint
from runtime.ledger.connections import Connection
from runtime.worker import target_clients
from tests.runtime.connectors.server import Server
from tests.runtime.make import systems_moved
from tests.runtime.test_same_again import Unasked
from tests.runtime.test_who_is_asked import RIGHT

pytestmark = pytest.mark.django_db(transaction=True)


class Moving(Unasked):
    """A site whose system can move to another server, with a journal of its own."""

    other: Server
    there: list[str]

    def moves(self) -> None:
        SystemEndpoint.objects.filter(system=self.system).update(base_url=self.other.url)
        systems_moved(self.conn)

    def answer_there(self, seen: Any) -> Any:
        body = seen.json()
        if seen.path == "/lookup":
            return 200, {}, {"found": {name: {"id": "V"} for name in body["keys"] if name in self.there}}
        self.there.append(body["ref"])
        return 201, {}, {"id": "V"}


@pytest.fixture
def site(ledger: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Moving]]:
    monkeypatch.setattr(target_clients, "LOOK_SECONDS", 0.0)
    with Server(None) as first, Server(None) as second:
        made: list[Moving] = []

        def build(**more: Any) -> Moving:
            one = Moving(ledger, first, tmp_path, **more)
            one.other, one.there, second.answer = second, [], one.answer_there
            made.append(one)
            return one

        yield build
        for one in made:
            one.clients.close()


def test_the_next_message_goes_to_the_new_address(site: Callable[..., Moving]) -> None:
    one = site()
    one.deployed(RIGHT)
    one.put("a")
    one.rounds(2)
    one.moves()
    one.put("b")
    one.rounds(2)
    assert (one.journal, one.there, one.waiting()) == (["a"], ["b"], [])


@pytest.mark.parametrize("idempotency", ["K", "L"])
def test_what_may_have_arrived_at_the_old_address_is_not_sent_to_the_new_one(
    site: Callable[..., Moving], idempotency: str
) -> None:
    one = site(idempotency=idempotency)
    one.pages = 1
    one.deployed({} if idempotency == "K" else RIGHT, **({"ask_by": "key"} if idempotency == "K" else {}))
    one.settles_after(40.0)
    if idempotency == "L":  # its lookup has no answer until it has moved
        real, one.server.answer = one._answer, lambda seen: (503, {}, {}) if seen.path == "/lookup" else real(seen)
    one.put("a")
    one.rounds(2)
    assert len(one.journal) == 1
    one.moves()
    one.passes(41.0)
    one.rounds(4)
    assert (one.there, one.waiting()) == ([], [("a", "unknown", "differs")])
    reason = one.conn.execute("select reason from runtime_quarantine").fetchone()
    assert reason
    assert "sent to another address" in reason[0]


def test_what_is_found_at_the_new_address_has_arrived(site: Callable[..., Moving]) -> None:
    one = site()
    one.pages = 1
    one.deployed(RIGHT)
    one.settles_after(40.0)
    real, one.server.answer = one._answer, lambda seen: (503, {}, {}) if seen.path == "/lookup" else real(seen)
    one.put("a")
    one.rounds(2)
    one.there.append("a")  # the same system under another name
    one.moves()
    one.rounds(4)
    assert (one.there, one.waiting()) == (["a"], [])
