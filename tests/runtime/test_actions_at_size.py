"""What people's actions on single messages read beside a long history: erasure, trace, replay, what was rejected.
Counted in rows and entries of indexes, by the database itself, which a busy machine does not change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from kernel.viewer import Viewer
from runtime.domain.batches import LONGEST_BATCH
from runtime.domain.correlation import correlation_id
from runtime.ledger import partitions
from runtime.ledger.connections import Connection
from runtime.models import Stream
from runtime.selectors import traces
from runtime.services import erasure
from tests.runtime.make import Flow
from tests.runtime.test_retention_at_size import OLD, fill, log, passed, vacuumed

__all__ = ["log"]
pytestmark = pytest.mark.django_db(transaction=True)
FEW, MANY = LONGEST_BATCH + 1_000, 3 * LONGEST_BATCH  # of each kind; a batch of attempts may be about one message
A_LITTLE = 500  # rows and entries: what the planner looks at before it plans, dead ones, another way of it
# Of a BRIN index an entry stands for 32 pages of the log, and each of its entries is read.
_READ = """
select c.relname, pg_stat_get_xact_tuples_returned(c.oid) + pg_stat_get_xact_tuples_fetched(c.oid)
from pg_class c
join pg_am a on a.oid = c.relam
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'i') and a.amname <> 'brin'"""


def rows_read(work: Callable[[], object]) -> Counter[str]:
    """Rows of each table and entries of each index that it reads in Django's session, and takes it back."""
    found: list[Counter[str]] = []
    for _ in range(2):  # a first time, for what PostgreSQL looks up of tables and functions
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("set local enable_seqscan = off")  # a small table is read whole although it has an index
            before = counted(cursor)
            work()
            found.append(counted(cursor) - before)
            transaction.set_rollback(True)
    return found[-1]


def counted(cursor: Any) -> Counter[str]:
    cursor.execute(_READ)
    return Counter(dict(cursor.fetchall()))


class History:
    """A stream of facts of long ago whose known keys retention has dropped."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self.flow = Flow(conn, lanes=1, immutable=True)
        self.subscription = passed(conn, self.flow)

    def grow(self, first: int, last: int) -> None:
        fill(self.conn, self.flow, self.subscription, OLD, first, last)
        self.conn.execute(
            "insert into runtime_dropped (data_class, stream_id, day, number) values ('heads', %s, %s, 1) "
            "on conflict do nothing",
            (self.flow.stream, OLD.date()),
        )
        partitions.index_keys(self.conn)
        vacuumed(self.conn)


def erase(history: History, **about: Any) -> int:
    return erasure.erase(history.flow.stream, actor=None, reason="request 17", **about)


def found(history: History) -> traces.FoundMessage:
    stream = Stream.objects.get(pk=history.flow.stream)
    return traces.search(Viewer(system=True), correlation_id(stream.salt, stream.pk, 0, 7))[0]


ACTIONS: dict[str, Callable[[History], object]] = {
    "what an erasure by key would take": lambda one: erasure.preview(one.flow.stream, key="k7", actor=None),
    "what an erasure would take": lambda one: erasure.preview(one.flow.stream, lane=0, position=7, actor=None),
    "an erasure by key": lambda one: erase(one, key="k7"),
    "an erasure": lambda one: erase(one, lane=0, position=7),
    "a trace": lambda one: traces.trace(found(one)),
}


@pytest.fixture
def history(log: Connection) -> Iterator[History]:
    made = History(log)
    yield made
    log.execute("delete from runtime_dropped")


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_on_one_message_does_not_read_the_others(history: History, action: str) -> None:
    history.grow(1, FEW)
    few = rows_read(lambda: ACTIONS[action](history))
    history.grow(FEW + 1, MANY)
    many = rows_read(lambda: ACTIONS[action](history))
    assert many.total() <= few.total() + A_LITTLE, (
        f"{few.total()} rows beside {FEW:,} of each kind, {many.total()} beside {MANY:,}: {(many - few).most_common(9)}"
    )


def test_an_erasure_looks_for_known_keys_by_their_index_however_many_there_are(log: Connection) -> None:
    """A planner that expects a ninth of all known keys reads all of them once there are millions."""
    flow = Flow(log, lanes=1, immutable=True)
    log.execute(
        "insert into runtime_head (stream_id, key, hash, version, position)"
        " select %s, 'k-' || n, n, n, n from generate_series(1, 20000) n",
        [flow.stream],
    )
    vacuumed(log)
    with connection.cursor() as cursor:
        cursor.execute("explain " + erasure._CHAIN, {"family": ["k-7"], "stream": flow.stream, "most": 10})
        plan = [row[0] for row in cursor.fetchall()]
    expected = [int(line.partition("rows=")[2].split()[0]) for line in plan if " on runtime_head" in line]
    assert expected
    assert max(expected) <= 200, plan
