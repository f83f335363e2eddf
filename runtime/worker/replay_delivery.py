"""How a replay delivers: the same code as the first delivery, narrowed to what the plan selects; and the dry run,
which sends nothing.
"""

from __future__ import annotations

import hashlib

import msgspec

from runtime.ledger.claimed import Claim
from runtime.ledger.claims import release, step
from runtime.ledger.connections import Connection
from runtime.ledger.evidence import DeliveryEvidence
from runtime.ledger.log_reader import LoggedMessage, read_next
from runtime.ledger.mappers import Mapper, Skipped

_encode = msgspec.json.Encoder(decimal_format="number", order="sorted").encode

_PLAN = """
select r.key_from, r.key_to, t.immutable
  from runtime_subscription s
  join runtime_stream t on t.id = s.stream_id
  left join runtime_replay r on r.subscription_id = s.id or r.trial_id = s.id
 where s.id = %s"""
_QUARANTINED = "select position from runtime_quarantine where subscription_id = %s and lane = %s"
_NEWEST = "select position from runtime_head where stream_id = %s and key = %s"


def narrowed(conn: Connection, taken: Claim, mapper: Mapper) -> Mapper:
    """The mapper of a replay. It skips three kinds of messages:

    keys that the plan does not select; messages quarantined at the target itself, which are delivered from there; and
    states that have a newer version, because an old price must not undo a new one.
    """
    row = conn.execute(_PLAN, (taken.subscription,)).fetchone()
    key_from, key_to, immutable = row if row else (None, None, True)
    quarantined = {
        position
        for (position,) in conn.execute(_QUARANTINED, (taken.target.original_subscription, taken.lane)).fetchall()
    }

    map_one = mapper.one

    def mapped(message: LoggedMessage) -> object:
        if message.position in quarantined or not within(message.key, key_from or "", key_to or ""):
            raise Skipped
        if not immutable:
            newest = conn.execute(_NEWEST, (taken.target.stream, message.key)).fetchone()
            if newest is not None and newest[0] > message.position:
                raise Skipped
        return map_one(message)

    return Mapper(mapped)


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


__all__ = ["deliver_dry", "narrowed", "within"]
