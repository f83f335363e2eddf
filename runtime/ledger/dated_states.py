"""States with a period: kept beside the log, and put back into it at the moment from which they count.

A message whose state does not count when its turn comes is skipped; nothing waits in a lane or in quarantine for a
date. What is due at a moment is in `runtime_validitymoment`: then the state that counts from there on is appended to
its lane once more, and goes the usual way, in batches, to every target of that time zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg.rows import dict_row

from runtime.domain import validity
from runtime.domain.correlation import STATE_MARK, correlation_id, lane_of, subject_of
from runtime.domain.validity import KnownState, Period, Valid
from runtime.ledger import sql
from runtime.ledger.append import Appended, IncomingMessage
from runtime.ledger.connections import Connection
from runtime.ledger.faultpoints import hit
from runtime.ledger.lane_locks import lock_lanes
from runtime.ledger.streams import StreamRef, load_stream

DUE_AT_ONCE = 500  # moments in one commit
KEEP_DAYS = 120  # how long a moment that has passed is remembered: messages of a replay are compared with it

_PUT_STATES = sql.read("put_dated_states")
_PUT_MOMENT = """
insert into runtime_validitymoment (stream_id, subject, record, zone, at, kind)
values (%s, %s, %s, %s, %s, %s)
on conflict do nothing"""
_DROP_MOMENTS = """
delete from runtime_validitymoment
where stream_id = %s and subject = %s and record = %s and fired_at is null"""
_STATES = """
select subject, record, begins, ends, zone, withdrawn, version, position
from runtime_datedstate
where stream_id = %s and subject = any(%s)"""
_MOMENTS = """
select subject, record, zone, at, position, of_position
from runtime_validitymoment
where stream_id = %s and subject = any(%s) and (position is not null or (fired_at is null and kind = 'begins'))"""
_DUE = """
select id, stream_id, subject, record, zone, at, kind
from runtime_validitymoment
where fired_at is null and at <= %s and stream_id = any(%s)
order by at, id
limit %s
for update skip locked"""
_PASSED = """
update runtime_validitymoment
set fired_at = %s, position = %s, of_position = %s
where id = %s"""
_WITH_PAYLOADS = """
select record, begins, ends, zone, withdrawn, version, position, payload::text
from runtime_datedstate
where stream_id = %s and subject = %s"""
_COPY = sql.read("copy_dated_state")
_TO_COME = """
select subject, record, begins, ends, zone, withdrawn
from runtime_datedstate
where stream_id = %(stream)s
    and greatest(begins, ends) collate "C"
        >= to_char((clock_timestamp() - interval '2 d') at time zone 'UTC', 'YYYY-MM-DD')"""
_ENDED = """
delete from runtime_datedstate d
where d.stream_id = %s and d.subject = %s and d.record = any(%s) and not exists (
    select
    from runtime_validitymoment m
    where m.stream_id = d.stream_id and m.subject = d.subject and m.record = d.record and m.fired_at is null
)"""
_FORGET = "delete from runtime_validitymoment where fired_at < clock_timestamp() - make_interval(days => %s)"


@dataclass(frozen=True, slots=True)
class Dating:
    """How the states of one source are dated, and every zone in which a target counts them."""

    valid: Valid
    zones: frozenset[str]

    def zones_of(self, period: Period) -> frozenset[str]:
        return self.zones | {period.zone or self.valid.zone}


@dataclass(slots=True)
class AtHand:
    """What is known of the subjects of some messages: their states, which messages are copies that were put into the
    log at a moment, and the states (zone, record) whose moment has not passed yet. `now` is the database's time, and
    never before the last of the moments that have passed."""

    now: datetime
    states: dict[str, list[KnownState]] = field(default_factory=dict)
    copies: dict[str, list[tuple[str, datetime, int, int]]] = field(default_factory=dict)  # zone, at, position, of
    to_come: dict[str, set[tuple[str, str]]] = field(default_factory=dict)


def dated_key(key: str, record: str) -> str:
    """The key of one state in the log. All states of a subject share its lane (`domain.correlation.lane_of`)."""
    return f"{key}{STATE_MARK}{record}"


def keep(
    conn: Connection,
    stream: StreamRef,
    dating: Dating,
    items: Sequence[IncomingMessage],
    periods: Sequence[Period],
    done: Appended,
) -> None:
    """Keep the states of messages that were stored, in the transaction that stores them, and note their moments."""
    newest: dict[tuple[str, str], tuple[IncomingMessage, Period, int]] = {}
    for item, period, (_, position) in zip(items, periods, done.positions, strict=True):
        if position > 0:
            subject, _, record = item.key.partition(STATE_MARK)
            newest[subject, record] = item, period, position
    if not newest:
        return
    clock = conn.execute("select clock_timestamp()").fetchone()
    assert clock is not None
    replaced = set(conn.execute(_PUT_STATES, _columns(stream.id, newest)).fetchall())
    moments: list[tuple[int, str, str, str, datetime, str]] = []
    for (subject, record), (_, period, _) in newest.items():
        again = (subject, record) in replaced
        moments += [
            (stream.id, subject, record, *moment) for moment in moments_of(dating, period, now=clock[0], replaced=again)
        ]
    with conn.cursor() as cursor:
        if replaced:
            cursor.executemany(_DROP_MOMENTS, [(stream.id, *one) for one in sorted(replaced)])
        if moments:
            cursor.executemany(_PUT_MOMENT, moments)


def _columns(stream: int, states: Mapping[tuple[str, str], tuple[IncomingMessage, Period, int]]) -> dict[str, Any]:
    """Many states as one list for each column."""
    rows = [(*name, *found) for name, found in states.items()]
    return {
        "stream": stream,
        "subjects": [subject for subject, *_ in rows],
        "records": [record for _, record, *_ in rows],
        "positions": [position for *_, position in rows],
        "versions": [int(item.version) for _, _, item, _, _ in rows],
        "begins": [period.begins for _, _, _, period, _ in rows],
        "ends": [period.ends for _, _, _, period, _ in rows],
        "zones": [period.zone for _, _, _, period, _ in rows],
        "withdrawn": [period.withdrawn for _, _, _, period, _ in rows],
        "payloads": [item.payload.decode() for _, _, item, _, _ in rows],
    }


def moments_of(
    dating: Dating, period: Period, *, now: datetime, replaced: bool = False
) -> list[tuple[str, datetime, str]]:
    """When a state begins and ends to be in force, for each zone. One that was replaced may have ended by that: what
    counts instead is found out at once."""
    found: list[tuple[str, datetime, str]] = []
    for zone in sorted(dating.zones_of(period)):
        begins = validity.begins_at(period, zone, dating.valid.repeated)
        ends = validity.ends_at(period, zone, dating.valid.repeated)
        if replaced:
            found.append((zone, now, "changed"))
        if begins is not None and begins > now and not period.withdrawn:
            found.append((zone, begins, "begins"))
        if ends is not None and ends > now and not period.withdrawn:
            found.append((zone, ends, "ends"))
    return found


def at_hand(conn: Connection, stream: int, keys: Iterable[str]) -> AtHand:
    """What is known of the subjects of these keys, in two queries."""
    subjects = sorted({subject_of(key) for key in keys})
    with conn.cursor(row_factory=dict_row) as cursor:
        now = cursor.execute("select clock_timestamp() as now").fetchone()
        assert now is not None
        found = AtHand(now["now"])
        for row in cursor.execute(_STATES, (stream, subjects)).fetchall():
            period = Period(row["begins"], row["ends"], row["zone"], row["withdrawn"])
            state = KnownState(row["record"], period, row["version"], row["position"])
            found.states.setdefault(row["subject"], []).append(state)
        for row in cursor.execute(_MOMENTS, (stream, subjects)).fetchall():
            if row["position"] is None:
                found.to_come.setdefault(row["subject"], set()).add((row["zone"], row["record"]))
                continue
            found.copies.setdefault(row["subject"], []).append(
                (row["zone"], row["at"], row["position"], row["of_position"])
            )
            found.now = max(found.now, row["at"])
    return found


def fire_due(conn: Connection, datings: Mapping[int, Mapping[str, Dating]], *, at: datetime | None = None) -> int:
    """Act on the moments that are due: append the states that count from there on. Answers how many moments passed.

    `datings` by stream and the prefix of its sources' keys. Any number of schedulers may do it at once: a moment is
    locked, and passes in the transaction that appends its state.
    """
    with conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:
        clock = cursor.execute("select clock_timestamp() as now").fetchone()
        assert clock is not None
        now = at or clock["now"]
        due = cursor.execute(_DUE, (now, list(datings), DUE_AT_ONCE)).fetchall()
        groups: dict[tuple[int, str, str], list[Any]] = {}
        for row in due:
            groups.setdefault((row["stream_id"], row["subject"], row["zone"]), []).append(row)
        lanes = _Lanes(conn, {(stream, subject) for stream, subject, _ in groups})
        for (stream, subject, zone), rows in sorted(groups.items()):
            dating = _dating(datings[stream], subject)
            position, of = (0, 0) if dating is None else _append(conn, lanes, stream, subject, zone, rows, dating, now)
            for row in rows:
                conn.execute(_PASSED, (now, position or None, of or None, row["id"]))
            conn.execute(_ENDED, (stream, subject, [row["record"] for row in rows if row["kind"] == "ends"]))
        lanes.move()
        hit("dated.before_commit")
    return len(due)


def forget_passed(conn: Connection) -> None:
    conn.execute(_FORGET, (KEEP_DAYS,))


def _dating(datings: Mapping[str, Dating], subject: str) -> Dating | None:
    return next((dating for prefix, dating in datings.items() if subject.startswith(prefix)), None)


class _Lanes:
    """The lanes of some subjects, locked in order, so that nobody else adds to them before the commit."""

    def __init__(self, conn: Connection, subjects: Iterable[tuple[int, str]]) -> None:
        self.conn, self.taken = conn, set(subjects)
        self.streams = {stream: load_stream(conn, stream) for stream in sorted({stream for stream, _ in self.taken})}
        self.next: dict[tuple[int, int], int] = {}
        for stream in self.streams:
            locked = lock_lanes(conn, self.streams[stream], [key for one, key in self.taken if one == stream])
            self.next |= {(stream, lane): following for lane, following in locked.items()}

    def of(self, stream: int, subject: str) -> int:
        return lane_of(subject, self.streams[stream].lanes)

    def take(self, stream: int, lane: int) -> int:
        position = self.next[stream, lane]
        self.next[stream, lane] += 1
        return position

    def move(self) -> None:
        for (stream, lane), following in self.next.items():
            self.conn.execute(
                "update runtime_lane set next = %s where stream_id = %s and lane = %s", (following, stream, lane)
            )


def _calls_for(kind: str, same: bool) -> bool:
    """Whether such a moment calls for the state that counts now; `same`: it is that state's own moment. A state that
    was replaced comes with a message of its own."""
    return {"begins": same, "ends": True, "changed": not same}[kind]


def _append(
    conn: Connection,
    lanes: _Lanes,
    stream: int,
    subject: str,
    zone: str,
    rows: Sequence[Any],
    dating: Dating,
    now: datetime,
) -> tuple[int, int]:
    """Append the state that counts in a zone from now on; its position and that of the message it is a copy of. (0, 0)
    where nothing counts, or where what begins is not what counts."""
    states: list[KnownState] = []
    payloads: dict[str, str] = {}
    for record, begins, ends, own, withdrawn, version, position, payload in conn.execute(
        _WITH_PAYLOADS, (stream, subject)
    ).fetchall():
        states.append(KnownState(record, Period(begins, ends, own, withdrawn), version, position))
        payloads[record] = payload
    best = validity.counting(states, now, lambda period: zone, dating.valid.repeated)
    if best is None or not any(_calls_for(row["kind"], row["record"] == best.record) for row in rows):
        return 0, 0
    lane, salt = lanes.of(stream, subject), lanes.streams[stream].salt
    lane_of_best = lanes.streams[stream].lane_at(subject, best.position)
    position = lanes.take(stream, lane)
    conn.execute(
        _COPY,
        {
            "stream": stream,
            "lane": lane,
            "position": position,
            "of": best.position,
            "of_lane": lane_of_best,
            "key": dated_key(subject, best.record),
            "version": best.version,
            "cause": correlation_id(salt, stream, lane_of_best, best.position),
            "payload": payloads[best.record],
        },
    )
    return position, best.position


def plan_all(conn: Connection, stream: int, datings: Mapping[str, Dating]) -> None:
    """Note the moments to come of every state that is kept: a new release may count in zones that no other had, and by
    a clock that was set back what had begun is still to begin."""
    now = conn.execute("select clock_timestamp()").fetchone()
    assert now is not None
    for subject, record, begins, ends, zone, withdrawn in conn.execute(_TO_COME, {"stream": stream}).fetchall():
        dating = _dating(datings, subject)
        if dating is not None:
            period = Period(begins, ends, zone, withdrawn)
            moments = moments_of(dating, period, now=now[0])
            with conn.cursor() as cursor:
                cursor.executemany(_PUT_MOMENT, [(stream, subject, record, *moment) for moment in moments])
