"""How a replay delivers: the same code as the first delivery, narrowed to what the plan selects; and the dry run,
which sends nothing.
"""

from __future__ import annotations

import hashlib

import msgspec

from runtime.domain.outcome_codes import DECIDED
from runtime.ledger import sql
from runtime.ledger.claimed import Claim
from runtime.ledger.claims import release, step
from runtime.ledger.connections import Connection
from runtime.ledger.evidence import DeliveryEvidence
from runtime.ledger.log_reader import LoggedMessage, read_next
from runtime.ledger.mappers import Mapper, Skipped
from runtime.ledger.quarantine_claims import QuarantineClaim

_encode = msgspec.json.Encoder(decimal_format="number", order="sorted").encode

_PLAN = """
select r.key_from, r.key_to, t.immutable
  from runtime_subscription s
  join runtime_stream t on t.id = s.stream_id
  left join runtime_replay r on r.subscription_id = s.id or r.trial_id = s.id
 where s.id = %s"""
_QUARANTINED = """
select q.position
from runtime_quarantine q
join runtime_subscription s on s.id = q.subscription_id
where (s.id = %(original)s or s.replay_of_id = %(original)s) and s.id <> %(replay)s and s.open and q.lane = %(lane)s"""
# What a person discards at a replay says nothing of the message, but where a correction of it was made there.
_DECIDED = """
select t.last
from runtime_attempt t
join runtime_subscription s on s.id = t.subscription_id
where (s.id = %(original)s or s.replay_of_id = %(original)s)
    and s.id <> %(replay)s
    and t.lane = %(lane)s
    and t.last > %(after)s
    and (%(upto)s::bigint is null or t.last <= %(upto)s)
    and t.outcome = any(%(decided)s)
    and (s.id = %(original)s or t.outcome <> 'given_up')"""
DECIDED_THERE = "a person has decided about it at the target since"
WAITS_THERE = "it waits at the target itself, which delivers it"
_REPLACED = sql.read("replaced_facts")
_NEWEST = "select position from runtime_head where stream_id = %s and key = %s"


def narrowed(conn: Connection, taken: Claim, mapper: Mapper) -> Mapper:
    """The mapper of a replay. It skips five kinds of messages:

    keys that the plan does not select; messages quarantined at the target itself or another replay of it, which are
    delivered from there; messages that a person has corrected or discarded there, because what is stored is not what
    was decided; facts that a person has replaced by a later content (a conflict), which is sent instead; and states
    that have a newer version, because an old price must not undo a new one.
    """
    row = conn.execute(_PLAN, (taken.subscription,)).fetchone()
    key_from, key_to, immutable = row if row else (None, None, True)
    place = {"original": taken.target.original_subscription, "replay": taken.subscription, "lane": taken.lane}
    there = conn.execute(_QUARANTINED, place).fetchall()
    given = place | {"after": taken.position, "upto": taken.upto, "decided": DECIDED}
    decided = conn.execute(_DECIDED, given).fetchall()
    left_out = {position for (position,) in (*there, *decided)}

    replaced = set[str]()
    if immutable:
        replaced = {key for (key,) in conn.execute(_REPLACED, {"stream": taken.target.stream}).fetchall()}

    map_one = mapper.one

    def mapped(message: LoggedMessage) -> object:
        if (
            message.position in left_out
            or message.key in replaced
            or not within(message.key, key_from or "", key_to or "")
        ):
            raise Skipped
        if not immutable:
            newest = conn.execute(_NEWEST, (taken.target.stream, message.key)).fetchone()
            if newest is not None and newest[0] > message.position:
                raise Skipped
        return map_one(message)

    return Mapper(mapped)


def why_left_out(conn: Connection, taken: QuarantineClaim) -> str:
    """Why a quarantined message of a replay, that it has surely not sent, is not sent by it any more; empty where it
    is. What a person has corrected at this replay is."""
    if taken.payload is not None or taken.may_have_been_sent:
        return ""
    place = {"original": taken.target.original_subscription, "replay": taken.subscription, "lane": taken.lane}
    given = place | {"after": taken.position - 1, "upto": taken.position, "decided": DECIDED}
    if conn.execute(_DECIDED, given).fetchone() is not None:
        return DECIDED_THERE
    waiting = conn.execute(_QUARANTINED, place).fetchall()
    return WAITS_THERE if (taken.position,) in waiting else ""


def within(key: str, key_from: str, key_to: str) -> bool:
    """Between two bounds in the order of code points; keys that begin with the upper bound belong to it.

    Empty: no bound.
    """
    return key >= key_from and (not key_to or key <= key_to or key.startswith(key_to))


def deliver_dry(conn: Connection, taken: Claim, mapper: Mapper, *, max_batches: int) -> int:
    """Map and hash, send nothing; returns the number of messages passed.

    The evidence of each batch carries the hash, so two runs over the same log can be compared.
    """
    position, passed = taken.position, 0
    for _ in range(max_batches):
        messages = read_next(conn, taken, position, taken.shrunk_batch())
        if not messages:
            break
        mapped, entries, skipped = mapper.many(messages)
        content = hashlib.sha256()
        for message, document in mapped:
            content.update(f"{message.position}\n".encode() + _encode(document) + b"\n")
        first, last = messages[0].position, messages[-1].position
        counts = (len(mapped), 0, len(skipped), len(entries), 0)
        step(conn, taken, last, evidence=DeliveryEvidence(first, last, "dry", *counts, [content.hexdigest()]))
        position, passed = last, passed + len(messages)
    release(conn, taken, wait=passed / taken.limits.pace if taken.limits.pace else 0.0)
    return passed


__all__ = ["deliver_dry", "narrowed", "why_left_out", "within"]
