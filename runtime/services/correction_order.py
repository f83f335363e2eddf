"""What a correction replaces takes effect before it, or not at all.

A correction is a message of its own, with a key and a lane of its own, so nothing in the ledger puts it behind the
message that it corrects. That is done where a person decides: what waits in quarantine and was surely not sent leaves
it; what may still be sent, or take effect, at a target that keeps one document of a name, is in the way.
"""

from __future__ import annotations

from kernel.errors import Conflict
from runtime.domain.vendor_times import DEFAULT_SETTLE
from runtime.ledger.connections import Connection
from runtime.ledger.streams import StreamRef
from runtime.selectors.corrections import CAUSE

_KEYS = f"""
select h.key, h.position
from runtime_head h
join runtime_message m
    on m.stream_id = h.stream_id
    and m.lane = any(array(select l.lane from runtime_lane l where l.stream_id = h.stream_id))
    and m.position = h.position
    and m.key = h.key
where h.stream_id = %s and h.key = any(%s) and (h.key = %s or m.causation ~ '{CAUSE}')"""  # noqa: S608 - constants
_PLACES = "unnest(%(lanes)s::int[], %(positions)s::bigint[]) x (lane, position)"
# Locked, so that no claim begins before the decision is stored: a replay that begins then leaves the message out.
_LANES = f"""
select
    s.target,
    s.instance,
    s.replay_of_id is not null as again,
    p.owner is not null or p.intent is not null as under_way
from {_PLACES}
join runtime_subscription s on s.stream_id = %(stream)s
join runtime_progress p on p.subscription_id = s.id and p.lane = x.lane
where s.open
    and s.kind = 'vendor'
    and s.idempotency = 'N'
    and p.position < x.position
    and (s.replay_of_id is null or x.position <= p.upto)
order by p.subscription_id, p.lane
for update of p"""  # noqa: S608
_HELD = f"""
select
    q.subscription_id,
    q.lane,
    q.position,
    s.target,
    s.instance,
    s.idempotency = 'N' and s.kind = 'vendor' as overwrites,
    q.state in ('sending', 'unknown')
    or q.lease_until > clock_timestamp()
    or coalesce(
        q.sent_at > clock_timestamp() - make_interval(secs => coalesce(s.settle, %(settle)s)), false
    ) as in_doubt
from {_PLACES}
join runtime_subscription s on s.stream_id = %(stream)s
join runtime_quarantine q on q.subscription_id = s.id and q.lane = x.lane and q.position = x.position
where s.open
order by q.subscription_id, q.lane, q.position
for update of q"""  # noqa: S608
_SUPERSEDE = """
with gone as (
    delete from runtime_quarantine q
    where q.subscription_id = %s and q.lane = %s and q.position = %s
    returning q.subscription_id, q.lane, q.position, q.token
)
insert into runtime_attempt (subscription_id, lane, first, last, token, at, outcome, detail)
select subscription_id, lane, position, position, token, clock_timestamp(), 'given_up', %s
from gone"""


def replace_what_waits(conn: Connection, stream: StreamRef, key: str, names: list[str], case: int) -> None:
    """In the transaction of the decision: the messages of `key`, and its earlier corrections under `names`, are not
    sent after the one that is appended now. Raises Conflict `conflict.under_way`."""
    found = conn.execute(_KEYS, (stream.id, [key, *names], key)).fetchall()
    positions = [position for _, position in found]
    given = {"stream": stream.id, "lanes": [stream.lane_at(*one) for one in found], "positions": positions}
    given |= {"settle": DEFAULT_SETTLE}
    for target, instance, again, under_way in conn.execute(_LANES, given).fetchall():
        if under_way or not again:
            raise _under_way(target, instance, "has still to take the message that it corrects, or is sending it")
    for subscription, lane, position, target, instance, overwrites, in_doubt in conn.execute(_HELD, given).fetchall():
        if not in_doubt:
            why = f"replaced by the correction of conflict {case} before it was sent"
            conn.execute(_SUPERSEDE, (subscription, lane, position, why))
        elif overwrites:
            said = "may still act on the message that it corrects (it waits for an answer, for `settle` or a person)"
            raise _under_way(target, instance, said)


def _under_way(target: str, instance: str, said: str) -> Conflict:
    name = f"{target} of {instance}" if instance else target
    return Conflict(
        "conflict.under_way",
        f"The target {name} {said}; the correction could be sent first, and be undone by it. Nothing was decided: "
        "decide again once that message is delivered, or is a dead letter or discarded there.",
        {"target": target, "instance": instance},
    )


__all__ = ["replace_what_waits"]
