"""Lanes are changed only when everything is delivered, and keys keep their order over the change."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runtime.ledger import database_target, lanes
from runtime.ledger.append import append
from runtime.ledger.claims import claim
from runtime.ledger.connections import Connection
from runtime.ledger.database_target import Table
from runtime.ledger.log_reader import LoggedMessage
from runtime.ledger.mappers import Mapper
from tests.runtime.make import Flow

PLACES = Table("place_target", ("key",), ("key", "version"))


@pytest.fixture
def places(ledger: Connection) -> Iterator[Connection]:
    ledger.execute("create table place_target (key text primary key, version int, _position bigint not null)")
    yield ledger
    ledger.execute("drop table place_target")


def row(message: LoggedMessage) -> tuple[str, int]:
    return message.document["key"], message.document["version"]


def drain(conn: Connection) -> None:
    while taken := claim(conn, owner="w"):
        database_target.deliver(conn, taken, PLACES, Mapper(row))


@pytest.mark.parametrize("after", [7, 1])
def test_a_stream_gets_more_or_fewer_lanes_and_every_key_keeps_its_order(places: Connection, after: int) -> None:
    flow = Flow(places, lanes=3)
    flow.subscribe(kind="database")
    append(places, flow.ref, [flow.item(f"k{i}", 1) for i in range(30)])
    with pytest.raises(lanes.NotDrained, match="lanes wait"):
        lanes.resize(places, flow.stream, after)
    drain(places)
    first = lanes.resize(places, flow.stream, after)
    assert flow.ref.lanes == after
    append(places, flow.ref, [flow.item(f"k{i}", 2) for i in range(30)])
    drain(places)
    assert places.execute(
        "select count(*), min(version), min(_position) >= %s from place_target", (first,)
    ).fetchone() == (30, 2, True)
    chains = places.execute(
        "select key, array_agg(position order by position), max(previous) "
        "from runtime_message "
        "where stream_id = %s "
        "group by key",
        (flow.stream,),
    )
    assert all(positions[0] == previous and positions[1] >= first for _, positions, previous in chains.fetchall())


def test_lanes_do_not_change_while_somebody_holds_one(places: Connection) -> None:
    flow = Flow(places, lanes=2)
    flow.subscribe(kind="database")
    append(places, flow.ref, [flow.item("a", 1)])
    assert claim(places, owner="w")
    with pytest.raises(lanes.NotDrained):
        lanes.resize(places, flow.stream, 4)
    assert flow.ref.lanes == 2
