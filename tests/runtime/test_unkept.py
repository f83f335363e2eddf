"""A sender of a million bad rows does not fill the database: a bounded number of a day is kept, the rest is counted."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from runtime.domain.kept_cases import KEPT_A_DAY
from runtime.ledger import conflicts
from runtime.ledger.append import IncomingMessage, append
from runtime.ledger.connections import Connection
from runtime.ledger.streams import load_stream
from runtime.services import message_checks
from runtime.services.message_checks import Rejection
from tests.portal.make import person
from tests.runtime import make

pytestmark = pytest.mark.django_db
KEPT = 5


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day holds five."""
    for module, name in ((message_checks, "RECORD_REJECTED"), (conflicts, "RECORD_CONFLICTS")):
        monkeypatch.setattr(module, name, getattr(module, name).replace(str(KEPT_A_DAY), str(KEPT)))


def bad(number: int) -> Rejection:
    return Rejection(f"k{number}", "contract", "id: is no number", b'{"id": %d}' % number)


def reject(flow: make.Flow, source: str, *numbers: int) -> None:
    stream = load_stream(flow.conn, flow.stream)
    message_checks.store_rejected(flow.conn, stream, None, source, [bad(number) for number in numbers])


def stored(conn: Connection, table: str) -> int:
    return conn.execute(f"select count(*) from {table}").fetchone()[0]


def counted(conn: Connection) -> list[tuple[str, str, int]]:
    return conn.execute("select kind, source, counted from runtime_unkept order by kind, source").fetchall()


def test_rejected_messages_of_a_source_beyond_the_number_of_a_day_are_counted(ledger: Connection, few: None) -> None:
    flow = make.Flow(ledger)
    for start in range(0, 30, 3):
        reject(flow, "till", *range(start, start + 3))
    reject(flow, "other", 100)
    assert stored(ledger, "runtime_rejected") == KEPT + 1
    assert counted(ledger) == [("rejected", "till", 25)]


def test_what_is_kept_is_counted_in_its_place_whenever_it_comes_again(ledger: Connection, few: None) -> None:
    flow = make.Flow(ledger)
    reject(flow, "till", *range(10))
    reject(flow, "till", 0, 0, 3, 20, 20)
    seen = ledger.execute("select key, seen from runtime_rejected where seen > 1 order by key").fetchall()
    assert (seen, counted(ledger)) == ([("k0", 3), ("k3", 2)], [("rejected", "till", 7)])


def test_a_day_begins_anew(ledger: Connection, few: None) -> None:
    flow = make.Flow(ledger)
    reject(flow, "till", *range(10))
    ledger.execute("update runtime_rejected set at = at - interval '1 day'")
    ledger.execute("update runtime_unkept set day = day - 1")
    reject(flow, "till", *range(20, 23))
    assert (stored(ledger, "runtime_rejected"), counted(ledger)) == (KEPT + 3, [("rejected", "till", 5)])


def test_conflicts_of_a_flow_beyond_the_number_of_a_day_are_counted(ledger: Connection, few: None) -> None:
    flow = make.Flow(ledger, immutable=True)
    keys = [f"s{number}" for number in range(12)]
    append(ledger, flow.ref, [IncomingMessage(key, 1, b'{"a": 1}') for key in keys])
    done = append(ledger, flow.ref, [IncomingMessage(key, 1, b'{"a": 2}') for key in keys])
    again = append(ledger, flow.ref, [IncomingMessage(key, 1, b'{"a": 2}') for key in keys])
    assert (done.conflicts, done.conflicts_again) == (12, 0)
    assert (again.conflicts, again.conflicts_again) == (12, KEPT)
    assert stored(ledger, "runtime_conflict") == KEPT
    assert counted(ledger) == [("conflict", "", 14)]


def test_the_page_of_dead_letters_says_how_many_were_counted(ledger: Connection, few: None, client: Client) -> None:
    flow = make.Flow(ledger)
    reject(flow, "till", *range(30))
    client.force_login(person("clerk", is_superuser=True))
    page = client.get(reverse("runtime:dead-letters")).content.decode()
    assert "only counted" in page
    assert "25 more rejected messages" in " ".join(page.split())
