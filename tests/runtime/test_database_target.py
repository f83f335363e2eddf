"""Delivery into a table: effect, position and exceptions in one commit; poison alone in the end."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from runtime.ledger import database_target
from runtime.ledger.append import Fenced, append
from runtime.ledger.claims import claim
from runtime.ledger.connections import Connection
from runtime.ledger.copy_format import line
from runtime.ledger.database_target import MappedTable, Table
from runtime.ledger.log_reader import LoggedMessage, decode
from runtime.ledger.mappers import Mapper, Unmappable
from runtime.ledger.quarantine_claims import claim_quarantined
from runtime.ledger.quarantine_retry import retry_in_database
from tests.runtime.make import Flow

PRICES = Table("price_target", ("key",), ("key", "version", "amount"))


def to_row(message: LoggedMessage) -> tuple[Any, ...]:
    document = message.document
    if document.get("bad"):
        raise Unmappable(f"amount is missing in {document['key']!r}")
    return (document["key"], document["version"], document.get("amount", 1))


@pytest.fixture
def prices(ledger: Connection) -> Iterator[Connection]:
    ledger.execute(
        "create table price_target (key text primary key, version int, amount numeric check (amount >= 0), "
        "_position bigint not null)"
    )
    yield ledger
    ledger.execute("drop table price_target")


def rows(conn: Connection) -> dict[str, int]:
    return dict(conn.execute("select key, version from price_target").fetchall())


def run(conn: Connection) -> int:
    passed = 0
    while taken := claim(conn, owner="w"):
        passed += database_target.deliver(conn, taken, PRICES, Mapper(to_row))
    return passed


def test_rows_arrive_once_and_the_last_version_of_a_key_wins(prices: Connection) -> None:
    flow = Flow(prices)
    flow.subscribe(kind="database", batch=7)
    append(prices, flow.ref, [flow.item(f"k{i % 10}", i // 10) for i in range(30)])
    assert run(prices) == 30
    assert rows(prices) == {f"k{i}": 2 for i in range(10)}
    tiles = prices.execute(
        "select lane, first, last, confirmed + superseded from runtime_delivery order by lane, first"
    ).fetchall()
    for lane in (0, 1):
        ends = [(first, last) for at, first, last, _ in tiles if at == lane]
        assert all(b[0] == a[1] + 1 for a, b in itertools.pairwise(ends))
    assert sum(t[3] for t in tiles) == 30


def test_a_second_delivery_of_the_same_rows_writes_none_of_them(prices: Connection) -> None:
    flow = Flow(prices)
    flow.subscribe(kind="database")
    append(prices, flow.ref, [flow.item(f"k{i}") for i in range(50)])
    run(prices)
    stamps = prices.execute("select key, xmin::text from price_target order by key").fetchall()
    second = flow.subscribe("again", kind="database")
    assert second
    run(prices)
    assert prices.execute("select key, xmin::text from price_target order by key").fetchall() == stamps


def test_what_cannot_be_mapped_is_parked_with_what_follows_under_its_key(prices: Connection) -> None:
    flow = Flow(prices, lanes=1)
    flow.subscribe(kind="database", batch=2)
    append(
        prices,
        flow.ref,
        [
            flow.item("a", 1),
            flow.item("b", 1, bad=True),
            flow.item("a", 2),
            flow.item("b", 2),
            flow.item("c", 1),
            flow.item("b", 3),
        ],
    )
    run(prices)
    assert rows(prices) == {"a": 2, "c": 1}
    parked = prices.execute("select position, state, reason_class from runtime_quarantine order by position").fetchall()
    assert parked == [(2, "dead", "mapping"), (4, "behind", ""), (6, "behind", "")]


def test_a_batch_that_the_table_refuses_is_halved_until_the_culprit_is_alone(prices: Connection) -> None:
    flow = Flow(prices, lanes=1)
    flow.subscribe(kind="database", batch=64)
    append(prices, flow.ref, [flow.item(f"k{i}", amount=-1 if i == 37 else 1) for i in range(64)])
    run(prices)
    assert len(rows(prices)) == 63
    assert prices.execute("select key, state, reason_class from runtime_quarantine").fetchall() == [
        ("k37", "dead", "refused")
    ]


def test_an_owner_whose_lease_was_taken_over_is_fenced_and_leaves_no_effect(prices: Connection) -> None:
    flow = Flow(prices, lanes=1)
    flow.subscribe(kind="database")
    append(prices, flow.ref, [flow.item("a", 1)])
    sleeper = claim(prices, owner="sleeper")
    assert sleeper
    flow.expire()
    heir = claim(prices, owner="heir")
    assert heir
    assert heir.lease.attempt == 1
    with pytest.raises(Fenced):
        database_target.deliver(prices, sleeper, PRICES, Mapper(to_row))
    assert rows(prices) == {}
    database_target.deliver(prices, heir, PRICES, Mapper(to_row))
    assert rows(prices) == {"a": 1}


def test_a_message_that_keeps_killing_its_worker_is_set_aside_with_its_batch_then_tried_alone_then_parked(
    prices: Connection,
) -> None:
    flow = Flow(prices, lanes=1)
    flow.subscribe(kind="database", batch=64, max_attempts=5)
    append(prices, flow.ref, [flow.item(f"k{i}", kills=i == 40) for i in range(64)])

    def deadly(message: LoggedMessage) -> tuple[Any, ...]:
        if message.document["kills"]:
            raise KeyboardInterrupt  # what a SIGKILL is to the process
        return to_row(message)

    lost = 0
    for _ in range(100):
        try:
            if taken := claim(prices, owner="w"):
                database_target.deliver(prices, taken, PRICES, Mapper(deadly))
            elif row := claim_quarantined(prices):
                retry_in_database(prices, row, MappedTable(PRICES, Mapper(deadly)))
            else:
                break
        except KeyboardInterrupt:
            lost += 1
            flow.expire()
    assert lost == 2 + 6, "two with the lane, the others with the message alone"
    assert len(rows(prices)) == 63
    assert prices.execute("select key, state, reason_class from runtime_quarantine").fetchall() == [
        ("k40", "dead", "poison")
    ]


def test_a_redriven_message_is_delivered_before_those_behind_it(prices: Connection) -> None:
    flow = Flow(prices, lanes=1)
    flow.subscribe(kind="database")
    append(prices, flow.ref, [flow.item("b", 1, bad=True), flow.item("b", 2)])
    run(prices)
    prices.execute(
        """update runtime_quarantine set state = 'retry', payload = '{"key": "b", "version": 1}' where state = 'dead'"""
    )
    serving = MappedTable(PRICES, Mapper(to_row))
    seen = []
    while taken := claim_quarantined(prices):
        seen.append(taken.position)
        assert retry_in_database(prices, taken, serving)
    assert seen == [1, 2]
    assert rows(prices) == {"b": 2}
    assert prices.execute("select count(*) from runtime_quarantine").fetchone() == (0,)


def test_a_closed_gate_stops_a_worker_in_the_middle_of_its_lane(prices: Connection) -> None:
    flow = Flow(prices, lanes=1)
    flow.subscribe(kind="database", batch=1)
    append(prices, flow.ref, [flow.item(f"k{i}") for i in range(5)])
    taken = claim(prices, owner="w")
    assert taken
    database_target.deliver(prices, taken, PRICES, Mapper(to_row), max_batches=1)
    taken = claim(prices, owner="w")
    assert taken
    flow.deploy({"integration": flow.key, "build": 2})
    with pytest.raises(Fenced):
        database_target.deliver(prices, taken, PRICES, Mapper(to_row))
    assert len(rows(prices)) == 1
    flow.expire()
    assert run(prices) == 4


def by_lines(payloads: Sequence[bytes]) -> list[str] | None:
    """The short way of `to_row`; a document it does not like sends the batch the ordinary way."""
    documents = [decode(payload) for payload in payloads]
    if any(document.get("bad") for document in documents):
        return None
    return [line((document["key"], document["version"], document.get("amount", 1))) for document in documents]


def deliver_lines(conn: Connection) -> int:
    passed = 0
    while taken := claim(conn, owner="w"):
        passed += database_target.deliver(conn, taken, PRICES, Mapper(to_row, by_lines))
    return passed


def test_a_first_load_by_lines_gives_the_rows_of_the_ordinary_way(prices: Connection) -> None:
    flow = Flow(prices)
    flow.subscribe(kind="database", batch=200)
    append(prices, flow.ref, [flow.item(f"k{i}", i) for i in range(300)])
    assert deliver_lines(prices) == 300
    assert rows(prices) == {f"k{i}": i for i in range(300)}
    append(prices, flow.ref, [flow.item(f"k{i}", 1000 + i) for i in range(0, 300, 2)])
    deliver_lines(prices)
    assert rows(prices) == {f"k{i}": 1000 + i if i % 2 == 0 else i for i in range(300)}


def test_rows_that_were_there_before_the_first_load_are_met_as_ever(prices: Connection) -> None:
    prices.execute("insert into price_target values ('k5', 77, 1, 0), ('k6', 78, 1, 999999)")
    flow = Flow(prices)
    flow.subscribe(kind="database", batch=200)
    append(prices, flow.ref, [flow.item(f"k{i}", i) for i in range(300)])
    assert deliver_lines(prices) == 300
    assert rows(prices) == {f"k{i}": 78 if i == 6 else i for i in range(300)}, "an older position never wins"


def test_one_bad_document_in_a_batch_of_lines_is_set_aside_alone(prices: Connection) -> None:
    flow = Flow(prices)
    flow.subscribe(kind="database", batch=200)
    append(prices, flow.ref, [flow.item(f"k{i}", i, bad=i == 100, amount=-1 if i == 200 else 1) for i in range(300)])
    assert deliver_lines(prices) == 300
    assert rows(prices) == {f"k{i}": i for i in range(300) if i not in (100, 200)}
    dead = prices.execute(
        "select key, reason_class from runtime_quarantine where state = 'dead' order by key"
    ).fetchall()
    assert dead == [("k100", "mapping"), ("k200", "refused")]


def test_a_batch_of_changes_meets_rows_that_are_gone_newer_or_the_same_already(prices: Connection) -> None:
    flow = Flow(prices, lanes=1)
    flow.subscribe(kind="database", batch=200)
    append(prices, flow.ref, [flow.item(f"k{i}", i) for i in range(150)])
    deliver_lines(prices)
    prices.execute("delete from price_target where key = 'k3'")
    prices.execute("update price_target set version = -1, _position = 999999 where key = 'k4'")
    prices.execute("update price_target set version = 1005 where key = 'k5'")
    append(prices, flow.ref, [flow.item(f"k{i}", 1000 + i) for i in range(150)])
    assert deliver_lines(prices) == 150
    assert rows(prices) == {f"k{i}": 1000 + i for i in range(150)} | {"k4": -1}
    positions = dict(prices.execute("select key, _position from price_target where key in ('k5', 'k6')").fetchall())
    assert positions == {"k5": 6, "k6": 157}, "a row that is the same is not written"


def test_a_batch_of_changes_to_rows_that_all_exist_touches_each_once_and_a_refused_one_alone(
    prices: Connection,
) -> None:
    flow = Flow(prices, lanes=1)
    flow.subscribe(kind="database", batch=200)
    append(prices, flow.ref, [flow.item(f"k{i}", i) for i in range(150)])
    deliver_lines(prices)
    append(prices, flow.ref, [flow.item(f"k{i}", 1000 + i) for i in range(150)])
    before = prices.execute("select pg_stat_get_tuples_updated('price_target'::regclass)").fetchone()
    deliver_lines(prices)
    prices.execute("select pg_stat_force_next_flush()")
    after = prices.execute("select pg_stat_get_tuples_updated('price_target'::regclass)").fetchone()
    assert before is not None
    assert after is not None
    assert after[0] - before[0] == 150
    append(prices, flow.ref, [flow.item(f"k{i}", 2000 + i, amount=-1 if i == 70 else 1) for i in range(150)])
    deliver_lines(prices)
    assert rows(prices) == {f"k{i}": 1070 if i == 70 else 2000 + i for i in range(150)}
    assert prices.execute("select key, reason_class from runtime_quarantine where state = 'dead'").fetchall() == [
        ("k70", "refused")
    ]
