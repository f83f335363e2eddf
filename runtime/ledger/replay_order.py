"""The order between a target and its replay: while a replay of states sends, the lanes of the target itself wait from
which a newer state of the same keys could be sent. That is the same lane; all lanes where their number has changed
since what is replayed was stored.

What takes effect last must be the newest state of its key. A replay has lanes of its own, so without this a newer state
could be sent while an older one is still under way, or may still take effect. Targets that order by version
(`settle: 0`), tables, and facts need none of it.
"""
# ruff: noqa: S608 - statements are assembled from constants of this module

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from runtime.ledger import sql
from runtime.ledger.append import Fenced
from runtime.ledger.claimed import Claim
from runtime.ledger.connections import Connection

_MAKE_WAIT = sql.read("target_waits")
# Running claims end, and no other begins, so that a replay that needs several lanes at once has its turn.
_MAKE_ROOM = """
update runtime_subscription
set held_until = greatest(held_until, clock_timestamp() + make_interval(secs => %(seconds)s))
where id = %(original)s
    and fault = ''
    and exists (
        select
        from runtime_lanechange c
        where c.stream_id = %(stream)s and c.first > %(first)s
    )"""
ROOM_SECONDS = 0.5  # longer than a replay waits until it comes again
# A claim would have raised the token, a change of lanes that the target has passed meanwhile moves the position.
_STILL_WAITS = """
from unnest(%(lanes)s::int[], %(tokens)s::bigint[], %(positions)s::bigint[]) w (lane, token, position)
where o.subscription_id = %(original)s
    and o.lane = w.lane
    and o.token = w.token
    and o.position = w.position
    and o.owner is null"""
_KEEP_WAITING = f"""
update runtime_progress o
set not_before = clock_timestamp() + make_interval(secs => %(seconds)s)
{_STILL_WAITS}"""
# What the replay may have sent can still take effect for the vendor's own time (`settle`).
_LET_GO = f"""
update runtime_progress o
set not_before = clock_timestamp() + make_interval(secs => case
    when exists (
        select
        from runtime_progress r
        where r.subscription_id = %(replay)s
            and r.lane = %(lane)s
            and r.intent is not null
    ) or exists (
        select
        from runtime_quarantine q
        where q.subscription_id = %(replay)s
            and q.lane = %(lane)s
            and q.state in ('sending', 'unknown')
            and q.sent_at > clock_timestamp() - make_interval(secs => %(settle)s)
    ) then %(settle)s
    else 0
end)
{_STILL_WAITS}"""
_NEWER = """
select
from runtime_head
where stream_id = %s
    and key = %s
    and position > %s"""


class LaneUnderWay(Exception):
    """The target itself sends from such a lane now, or has an answer to wait for."""


def is_needed(taken: Claim) -> bool:
    """Whether what this claim sends could overwrite a newer state."""
    return taken.is_replay and taken.target.kind == "vendor" and not taken.target.facts and taken.limits.settle > 0


@contextmanager
def target_waits(conn: Connection, taken: Claim, *, first: int) -> Iterator[None]:
    """From `first` on this claim sends. The target's own lanes are not claimed meanwhile, and afterwards not before
    what was sent without an answer can no longer take effect. After an error, or the end of this process, they go on by
    themselves when the lease is over and the vendor's time too. Raises LaneUnderWay.
    """
    if not is_needed(taken):
        yield
        return
    seconds = max(0.0, taken.lease.time_left()) + taken.limits.settle
    place = {"original": taken.target.original_subscription, "lane": taken.lane, "stream": taken.target.stream}
    rows = conn.execute(_MAKE_WAIT, place | {"first": first, "seconds": seconds}).fetchall()
    if not rows:
        conn.execute(_MAKE_ROOM, place | {"first": first, "seconds": ROOM_SECONDS})
        raise LaneUnderWay
    taken.target_waits = rows
    yield
    _let_go(conn, taken)


def keep_waiting(conn: Connection, taken: Claim, lease: float) -> None:
    """The lease lasts for so many seconds more. Raises Fenced where a lane has been taken, or the target has passed a
    change of its lanes: then nothing is sent."""
    waiting = _waiting(taken)
    given = waiting | {"seconds": lease + taken.limits.settle}
    if conn.execute(_KEEP_WAITING, given).rowcount != len(waiting["lanes"]):
        raise Fenced(f"subscription {taken.target.original_subscription} does not wait any more for {waiting['lanes']}")


def _waiting(taken: Claim) -> dict[str, Any]:
    lanes, tokens, positions = (list(column) for column in zip(*(taken.target_waits or ()), strict=True))
    return {"original": taken.target.original_subscription, "lanes": lanes, "tokens": tokens, "positions": positions}


def _let_go(conn: Connection, taken: Claim) -> None:
    replay = {"replay": taken.subscription, "lane": taken.lane, "settle": taken.limits.settle}
    conn.execute(_LET_GO, _waiting(taken) | replay)
    taken.target_waits = None


def has_newer(conn: Connection, taken: Claim, key: str) -> bool:
    """Whether a newer state of this key than the claimed one has come since."""
    return conn.execute(_NEWER, (taken.target.stream, key, taken.position)).fetchone() is not None


__all__ = ["LaneUnderWay", "has_newer", "is_needed", "keep_waiting", "target_waits"]
