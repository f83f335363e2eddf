"""The number of lanes changes under load, and every key keeps its order over the change."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runtime.domain.correlation import lane_of
from runtime.ledger import database_target, lanes
from runtime.ledger.append import Fenced, IncomingMessage, append
from runtime.ledger.claims import claim, release, step
from runtime.ledger.connections import Connection
from runtime.ledger.database_target import Table
from runtime.ledger.log_reader import LoggedMessage
from runtime.ledger.mappers import Mapper
from tests.runtime.make import Flow

PLACES = Table("place_target", ("key",), ("key", "version"))
KEYS = [f"k{i}" for i in range(30)]


@pytest.fixture
def places(ledger: Connection) -> Iterator[Connection]:
    ledger.execute("create table place_target (key text primary key, version int, _position bigint not null)")
    yield ledger
    ledger.execute("drop table place_target")


def row(message: LoggedMessage) -> tuple[str, int]:
    return message.document["key"], message.document["version"]


def put(conn: Connection, flow: Flow, version: int) -> None:
    append(conn, flow.ref, [flow.item(key, version) for key in KEYS])


def drain(conn: Connection) -> None:
    while taken := claim(conn, owner="w"):
        database_target.deliver(conn, taken, PLACES, Mapper(row))


def versions(conn: Connection) -> list[tuple[int, int]]:
    found = conn.execute("select version, count(*) from place_target group by version order by version")
    return [(version, count) for version, count in found.fetchall()]


@pytest.mark.parametrize("after", [7, 1])
def test_a_key_is_never_taken_from_two_lanes(places: Connection, after: int) -> None:
    flow = Flow(places, lanes=3)
    flow.subscribe(kind="database")
    put(places, flow, 1)
    first = lanes.begin(places, flow.stream, after)
    put(places, flow, 2)
    assert flow.ref.lanes == after
    for _ in range(2):
        taken = claim(places, owner="w")
        assert taken is not None
        database_target.deliver(places, taken, PLACES, Mapper(row))
        assert not lanes.advance(places, flow.stream)
    assert versions(places)[0][0] == versions(places)[-1][0] == 1, "nothing of after the change yet"
    drain(places)
    assert versions(places) == [(1, 30)]
    assert lanes.advance(places, flow.stream) == 1
    drain(places)
    assert versions(places) == [(2, 30)]
    chains = places.execute(
        "select array_agg(position order by position), max(previous) from runtime_message "
        "where stream_id = %s group by key",
        (flow.stream,),
    )
    assert all(positions[0] == previous and positions[1] >= first for positions, previous in chains.fetchall())
    assert places.execute("select lane_change from runtime_stream where id = %s", (flow.stream,)).fetchone() == (None,)


def test_a_writer_that_loaded_the_stream_before_puts_no_key_into_a_second_lane(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=2)
    loaded_before = flow.ref
    append(ledger, loaded_before, [flow.item(key, 1) for key in KEYS])
    for number in (5, 1, 3):
        lanes.begin(ledger, flow.stream, number)
        done = append(ledger, loaded_before, [flow.item(key, number * 10 + flow.lanes) for key in KEYS], ordered=False)
        assert [lane for lane, _ in done.positions] == [lane_of(key, number) for key in KEYS]


def test_what_comes_again_after_a_change_is_compared_with_what_is_stored(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=2, immutable=True)
    append(ledger, flow.ref, [flow.item(key, 1, total=1) for key in KEYS])
    lanes.begin(ledger, flow.stream, 5)
    spelled = [IncomingMessage(key, 1, f'{{"total": 1.0, "version": 1, "key": "{key}"}}'.encode()) for key in KEYS]
    done = append(ledger, flow.ref, spelled)
    assert (done.unchanged, done.conflicts) == (30, 0)


def test_a_worker_that_holds_a_lane_does_not_go_beyond_the_change(places: Connection) -> None:
    flow = Flow(places, lanes=1)
    flow.subscribe(kind="database")
    put(places, flow, 1)
    taken = claim(places, owner="w")
    assert taken is not None
    lanes.begin(places, flow.stream, 2)
    put(places, flow, 2)
    for gated, intent in ((True, None), (True, 31)):
        with pytest.raises(Fenced):
            step(places, taken, 30 if intent else 60, gated=gated, intent=intent)
    assert step(places, taken, 0, gated=False, intent=30), "what was there before is delivered"
    assert not step(places, taken, 30, gated=False, intent=31)
    assert not lanes.advance(places, flow.stream), "somebody still holds the lane"
    release(places, taken)
    assert lanes.advance(places, flow.stream)


def test_a_target_waits_for_its_open_call_before_it_goes_on(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    flow.subscribe()
    put(ledger, flow, 1)
    taken = claim(ledger, owner="w")
    assert taken is not None
    assert step(ledger, taken, 29, intent=30)
    lanes.begin(ledger, flow.stream, 4)
    flow.expire()
    assert not lanes.advance(ledger, flow.stream)


def test_a_second_change_need_not_wait_for_the_first(places: Connection) -> None:
    flow = Flow(places, lanes=2)
    flow.subscribe(kind="database")
    for version, number in enumerate((4, 1, 3), 1):
        put(places, flow, version)
        lanes.begin(places, flow.stream, number)
    put(places, flow, 4)
    seen = []
    while not seen or seen[-1] != [(4, 30)]:
        drain(places)
        seen.append(versions(places))
        lanes.advance(places, flow.stream)
    assert seen == [[(version, 30)] for version in (1, 2, 3, 4)], "a generation after the other"


def test_two_targets_go_on_each_when_it_is_ready(places: Connection) -> None:
    flow = Flow(places, lanes=2)
    flow.subscribe(kind="database")
    slow = flow.subscribe("slow", kind="vendor")
    put(places, flow, 1)
    lanes.begin(places, flow.stream, 3)
    put(places, flow, 2)
    places.execute("update runtime_progress set not_before = 'infinity' where subscription_id = %s", (slow,))
    drain(places)
    assert lanes.advance(places, flow.stream) == 1
    drain(places)
    assert versions(places) == [(2, 30)]
    assert places.execute("select lane_change is null from runtime_subscription where id = %s", (slow,)).fetchone() == (
        False,
    )


def test_a_stream_that_keeps_its_number_is_left_alone(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=2)
    put(ledger, flow, 1)
    assert lanes.attend(ledger) == 0
    with pytest.raises(ValueError, match="1 to 255"):
        lanes.begin(ledger, flow.stream, 0)
