"""Append: deduplication by head, order of positions, conflicts, the source cursor."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from runtime.domain.correlation import lane_of
from runtime.ledger.append import Fenced, IncomingMessage, SourceMove, append
from runtime.ledger.connections import Connection, connected
from runtime.ledger.streams import ChangedMeanwhile, StillSo
from tests.round_trips import record
from tests.runtime.make import Flow


def log_of(flow: Flow) -> list[tuple[int, int, str, int]]:
    return flow.conn.execute(
        "select lane, position, key, previous from runtime_message where stream_id = %s order by lane, position",
        (flow.stream,),
    ).fetchall()


@pytest.mark.parametrize("count", [3, 400], ids=["insert", "copy"])
def test_a_message_gets_the_next_position_of_its_lane(ledger: Connection, count: int) -> None:
    flow = Flow(ledger, lanes=3)
    items = [flow.item(f"k{i}", text='tab\t back\\slash "quote" ä') for i in range(count)]
    done = append(ledger, flow.ref, items)
    assert (done.accepted, done.unchanged) == (count, 0)
    rows = log_of(flow)
    assert len(rows) == count
    for lane in range(3):
        assert [r[1] for r in rows if r[0] == lane] == list(range(1, 1 + sum(lane_of(i.key, 3) == lane for i in items)))
    stored = ledger.execute("select key, payload from runtime_message where stream_id = %s", (flow.stream,)).fetchall()
    assert dict(stored) == {item.key: item.payload for item in items}


def test_unchanged_content_writes_nothing_and_an_older_version_is_dropped(ledger: Connection) -> None:
    flow = Flow(ledger)
    append(ledger, flow.ref, [flow.item("a", 2)])
    before = ledger.execute("select pg_current_wal_insert_lsn()").fetchone()
    done = append(ledger, flow.ref, [flow.item("a", 2), flow.item("a", 1)])
    after = ledger.execute("select pg_current_wal_insert_lsn()").fetchone()
    assert (done.accepted, done.unchanged, done.older) == (0, 1, 1)
    assert len(log_of(flow)) == 1
    assert before is not None
    assert after is not None


def test_a_keys_history_is_a_chain_of_previous_positions(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    append(ledger, flow.ref, [flow.item("a", 1), flow.item("b", 1), flow.item("a", 2)])
    append(ledger, flow.ref, [flow.item("a", 3)])
    assert log_of(flow) == [(0, 1, "a", 0), (0, 2, "b", 0), (0, 3, "a", 1), (0, 4, "a", 3)]


def test_the_same_immutable_key_with_other_content_becomes_a_conflict_case_and_overwrites_nothing(
    ledger: Connection,
) -> None:
    flow = Flow(ledger, immutable=True)
    append(ledger, flow.ref, [flow.item("sale-1", total=5)])
    for _ in range(2):
        done = append(ledger, flow.ref, [flow.item("sale-1", total=6)])
        assert (done.accepted, done.conflicts) == (0, 1)
    assert ledger.execute(
        "select key, held_position, seen from runtime_conflict where stream_id = %s", (flow.stream,)
    ).fetchall() == [("sale-1", 1, 2)]
    assert len(log_of(flow)) == 1


def test_the_source_cursor_moves_only_with_the_current_token(ledger: Connection) -> None:
    flow = Flow(ledger)
    row = ledger.execute(
        "insert into runtime_source (stream_id, name, token) values (%s, 'orders', 4) returning id", (flow.stream,)
    ).fetchone()
    assert row
    append(ledger, flow.ref, [flow.item("a")], source=SourceMove(row[0], 4, '{"page": 2}'))
    with pytest.raises(Fenced):
        append(ledger, flow.ref, [flow.item("b")], source=SourceMove(row[0], 3, '{"page": 3}'))
    assert ledger.execute("select cursor from runtime_source where id = %s", row).fetchone() == ({"page": 2},)
    assert [r[2] for r in log_of(flow)] == ["a"]


def test_positions_are_dense_and_in_commit_order_under_concurrent_writers(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=2)
    stream, per_writer = flow.ref, 60
    problems: list[str] = []
    stop = threading.Event()

    def write(number: int) -> None:
        with connected() as conn:
            for i in range(per_writer):
                append(conn, stream, [flow.item(f"w{number}-{i}-{j}") for j in range(3)])

    def read() -> None:
        """A reader that remembers the highest position must never see a lower one appear later."""
        seen = {0: 0, 1: 0}
        with connected() as conn:
            while not stop.is_set():
                for lane in (0, 1):
                    rows = conn.execute(
                        "select position "
                        "from runtime_message "
                        "where stream_id = %s and lane = %s and position > %s "
                        "order by position",
                        (flow.stream, lane, seen[lane]),
                    ).fetchall()
                    got = [r[0] for r in rows]
                    if got != list(range(seen[lane] + 1, seen[lane] + 1 + len(got))):
                        problems.append(f"lane {lane}: {got} after {seen[lane]}")
                    seen[lane] += len(got)

    watcher = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    watcher.start()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    stop.set()
    watcher.join()
    assert problems == []
    assert len(log_of(flow)) == 4 * per_writer * 3


@pytest.mark.parametrize("count", [1, 60], ids=["insert", "copy"])
def test_an_item_keeps_what_it_came_with(ledger: Connection, count: int) -> None:
    flow, trace = Flow(ledger), "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    items = [
        IncomingMessage(f"ä{n}", 2**62 + n, b"{}", correlation=f"till-{n}", traceparent=trace) for n in range(count)
    ]
    append(ledger, flow.ref, [*items[1:], items[0]], release_id=7)
    found = ledger.execute(
        "select key, version, correlation, causation, traceparent, release_id, run_id "
        "from runtime_message "
        "order by version"
    )
    assert found.fetchall() == [(item.key, item.version, item.correlation, None, trace, 7, None) for item in items]
    heads = ledger.execute("select key, version from runtime_head order by version")
    assert heads.fetchall() == [(item.key, item.version) for item in items]


def test_the_time_of_a_message_is_the_databases_own_time_of_the_append(ledger: Connection) -> None:
    flow = Flow(ledger)
    before = ledger.execute("select clock_timestamp()").fetchone()
    append(ledger, flow.ref, [flow.item(f"k{i}") for i in range(60)])
    inside = ledger.execute(
        "select count(*) from runtime_message where received_at between %s and clock_timestamp()",
        (before[0] if before else None,),
    )
    assert inside.fetchone() == (60,)


def heads_of(flow: Flow) -> dict[str, tuple[int, int]]:
    found = flow.conn.execute("select key, version, position from runtime_head where stream_id = %s", (flow.stream,))
    return {key: (version, position) for key, version, position in found.fetchall()}


@pytest.mark.parametrize("moved", [False, True], ids=["where they were read", "moved since"])
def test_many_changed_heads_are_updated_each_once(
    ledger: Connection, monkeypatch: pytest.MonkeyPatch, moved: bool
) -> None:
    flow = Flow(ledger, lanes=1)
    append(ledger, flow.ref, [flow.item(f"k{i}", 1) for i in range(100)])

    def move(point: str) -> None:
        if point == "append.before_write" and moved:
            with connected() as other:
                other.execute("update runtime_head set hash = hash where key in ('k7', 'k8')")

    monkeypatch.setattr("runtime.ledger.append.hit", move)
    changes = [flow.item(f"k{i}", 2) for i in range(90)] + [
        flow.item("k5", 3),
        flow.item("new", 1),
        flow.item("new", 2),
    ]
    done = append(ledger, flow.ref, [*changes, flow.item("k95", 1), flow.item("k6", 1)])
    assert (done.accepted, done.unchanged, done.older) == (93, 1, 1)
    expected = {f"k{i}": (2, 101 + i) for i in range(90)} | {f"k{i}": (1, 1 + i) for i in range(90, 100)}
    assert heads_of(flow) == expected | {"k5": (3, 191), "new": (2, 193)}
    chain = ledger.execute(
        "select position, previous from runtime_message where key in ('k5', 'new') order by position"
    )
    assert chain.fetchall() == [(6, 0), (106, 6), (191, 106), (192, 0), (193, 192)]


def test_a_message_is_stored_in_two_round_trips(ledger: Connection, tmp_path: Path) -> None:
    """Each one is a wake-up on both sides and a turn among the threads: more than the statements themselves cost."""
    flow = Flow(ledger)
    stream = flow.ref
    for number in range(2):  # prepares the statements
        append(ledger, stream, [flow.item(f"a{number}")])
    with record(ledger, tmp_path) as line:
        done = append(ledger, stream, [flow.item("b")])
    assert done.accepted == 1
    assert line.round_trips == 2


def test_what_the_caller_took_for_known_is_asked_again_with_the_locks(ledger: Connection, tmp_path: Path) -> None:
    flow = Flow(ledger)
    stream, asked = flow.ref, "select 7"
    for number in range(2):
        append(ledger, stream, [flow.item(f"a{number}")], still=StillSo(asked, (), (7,)))
    with record(ledger, tmp_path) as line:
        append(ledger, stream, [flow.item("b")], still=StillSo(asked, (), (7,)))
    assert line.round_trips == 2
    with pytest.raises(ChangedMeanwhile):
        append(ledger, stream, [flow.item("c")], still=StillSo(asked, (), (8,)))
    assert [key for _, _, key, _ in log_of(flow)].count("c") == 0
    append(ledger, stream, [flow.item("c")])  # nothing is locked
