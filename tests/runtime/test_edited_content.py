"""What a person has edited was sent as edited: it is kept, compared with what is there, shown on the trace, and goes
with an erasure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernel import clock
from kernel.viewer import Viewer
from runtime.ledger.append import append
from runtime.ledger.connections import Connection
from runtime.models import Attempt, Integration
from runtime.selectors import traces
from runtime.services import daily_accounts, day_sums, dead_letters, erasure, target_comparison
from runtime.services.dead_letters import DeadLetterFilter
from tests.runtime.connectors.server import Server
from tests.runtime.test_who_is_asked import Site

pytestmark = pytest.mark.django_db(transaction=True)
FIELDS = [{"to": "ref", "from": "key", "type": "string"}, {"to": "total", "from": "total", "type": "decimal"}]
RIGHT = {"key": "b", "version": 0, "total": 25}


class Sales(Site):
    def __init__(self, conn: Connection, server: Server, tmp_path: Path) -> None:
        super().__init__(conn, server, tmp_path, idempotency="L")
        self.held, self.refuse = dict[str, Any](), {"b"}
        self.deployed({"path": "/lookup", "holds": {"total": "total"}}, fields=FIELDS)
        append(conn, self.flow.ref, [self.flow.item(key, total=10) for key in "abc"])
        self.rounds(4)

    def _answer(self, seen: Any) -> Any:
        body = seen.json()
        if seen.path == "/lookup":
            found = {name: {"id": "V", "total": self.held[name]} for name in body["keys"] if name in self.held}
            return 200, {}, {"found": found}
        if body["ref"] in self.refuse:
            return 422, {}, {"message": "no"}
        self.held[body["ref"]] = body["total"]
        return 201, {}, {"id": "V"}


@pytest.fixture
def sales(ledger: Connection, tmp_path: Path) -> Iterator[Sales]:
    """Three sales of 10, one of which a person has edited to 25; all are delivered."""
    with Server(None) as server:
        made = Sales(ledger, server, tmp_path)
        found = ledger.execute("select subscription_id, lane, position from runtime_quarantine").fetchone()
        assert found is not None
        dead_letters.edit_payload(*found, payload=RIGHT, actor=None, reason="the right total")
        made.refuse.clear()
        dead_letters.redrive(DeadLetterFilter(found[0]), actor=None, reason="corrected")
        made.rounds(4)
        assert {key: int(total) for key, total in made.held.items()} == {"a": 10, "b": 25, "c": 10}
        yield made
        made.clients.close()


def test_what_is_there_is_compared_with_what_was_sent(sales: Sales) -> None:
    integration = Integration.objects.get(key=sales.flow.key)
    made = target_comparison.compare(
        integration, "production", clock.now().date(), by="arrival", target="store", instance="", actor=None
    )
    assert (made.agreed, made.differs, made.cases) == (3, 0, [])


def test_the_trace_shows_what_was_sent_and_an_erasure_takes_it(sales: Sales) -> None:
    [hit] = traces.search(Viewer(system=True), "b")
    assert any('"total":25' in step.answer for step in traces.trace(hit).steps)
    erasure.erase(sales.flow.stream, key="b", actor=None, reason="request 17")
    assert not Attempt.objects.exclude(payload=None).exists()
    assert not [one for one in Attempt.objects.values_list("detail", flat=True) if "right total" in one]


@pytest.mark.parametrize("summed", [False, True])
def test_the_amounts_of_the_day_say_what_came_what_went_and_that_a_person_has_edited(
    sales: Sales, summed: bool
) -> None:
    if summed:
        day_sums.bring_up_to_date(sales.flow.stream)
    integration = Integration.objects.get(key=sales.flow.key)
    made = daily_accounts.account(integration, "production", clock.now().date(), by="arrival")
    [line] = made.lines
    delivered = line.tally.by_state["delivered"]
    assert (made.messages.amount, line.tally.due.amount) == (30, 30)
    assert (delivered.count, delivered.amount) == (3, 45)
    assert (line.tally.edited.count, line.tally.edited.amount) == (1, 15)


def test_an_edit_that_a_person_discards_later_is_no_difference(ledger: Connection, tmp_path: Path) -> None:
    with Server(None) as server:
        made = Sales(ledger, server, tmp_path)
        found = ledger.execute("select subscription_id, lane, position from runtime_quarantine").fetchone()
        assert found is not None
        dead_letters.edit_payload(*found, payload=RIGHT, actor=None, reason="the right total")
        dead_letters.discard(DeadLetterFilter(found[0]), actor=None, reason="posted by hand")
        integration = Integration.objects.get(key=made.flow.key)
        [line] = daily_accounts.account(integration, "production", clock.now().date(), by="arrival").lines
        assert (line.tally.by_state["delivered"].amount, line.tally.edited.count) == (20, 0)
        made.clients.close()
