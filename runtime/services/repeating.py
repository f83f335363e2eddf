"""How a replay delivers: the same code path as the first time, narrowed to what the plan chose; and the dry run, which sends nothing."""

from __future__ import annotations

import hashlib

import msgspec

from runtime.ledger.claims import Claim, Proof, release, step
from runtime.ledger.connections import Connection
from runtime.ledger.database_target import Table
from runtime.ledger.parked import DatabaseServing
from runtime.ledger.parking import Mapper, Skipped, map_messages
from runtime.ledger.reading import Message, take
from runtime.ledger.vendor_target import Bind, Binding
from runtime.services.bindings import Binder

_encode = msgspec.json.Encoder(decimal_format="number", order="sorted").encode

_CHOSEN = """
select r.key_from, r.key_to, t.immutable from runtime_subscription s join runtime_stream t on t.id = s.stream_id
  left join runtime_replay r on r.subscription_id = s.id or r.trial_id = s.id where s.id = %s"""
_HELD = "select position from runtime_parked where subscription_id = %s and lane = %s"
_NEWEST = "select position from runtime_head where stream_id = %s and key = %s"


def chosen(conn: Connection, taken: Claim, mapper: Mapper) -> Mapper:
    """The mapper of a replay: what the plan did not choose, what is held at the target itself, and a state that has a newer one
    are passed over. The first two because somebody else delivers them; the last because an old price must not undo a new one."""
    row = conn.execute(_CHOSEN, (taken.subscription,)).fetchone()
    key_from, key_to, immutable = row if row else (None, None, True)
    held = {position for (position,) in conn.execute(_HELD, (taken.origin, taken.lane)).fetchall()}

    def narrowed(message: Message) -> object:
        if message.position in held or not within(message.key, key_from or "", key_to or ""):
            raise Skipped
        if not immutable:
            newest = conn.execute(_NEWEST, (taken.stream, message.key)).fetchone()
            if newest is not None and newest[0] > message.position:
                raise Skipped
        return mapper(message)

    return narrowed


def within(key: str, key_from: str, key_to: str) -> bool:
    """Between two bounds in the order of code points; keys that begin with the upper bound belong to it. Empty: no bound."""
    return key >= key_from and (not key_to or key <= key_to or key.startswith(key_to))


def bind_chosen(conn: Connection, taken: Claim, bind: Bind) -> Bind:
    """`bind` of a vendor target; narrowed where the claim is one of a replay."""
    if not taken.repeats:
        return bind

    def bound(release_id: int) -> Binding:
        binding = bind(release_id)
        return Binding(chosen(conn, taken, binding.mapper), binding.vendor)

    return bound


def serve_chosen(conn: Connection, taken: Claim, serving: DatabaseServing) -> tuple[Table, Mapper]:
    """Table and mapper of a table target; narrowed where the claim is one of a replay."""
    return serving.table, chosen(conn, taken, serving.mapper) if taken.repeats else serving.mapper


def deliver_dry(conn: Connection, taken: Claim, binder: Binder, *, max_batches: int) -> int:
    """Map and hash, send nothing. The evidence of each batch carries the hash, so two runs over the same log can be compared."""
    target = binder.manifest(taken.release).target(taken.target)
    plain = binder.table(taken).mapper if target.table is not None else binder.mapper(taken)
    mapper = chosen(conn, taken, plain)
    position, passed = taken.position, 0
    for _ in range(max_batches):
        messages = take(conn, taken, position, taken.batch_size())
        if not messages:
            break
        mapped, stops, skipped = map_messages(messages, mapper)
        content = hashlib.sha256()
        for message, document in mapped:
            content.update(f"{message.position}\n".encode() + _encode(document) + b"\n")
        proof = Proof(
            messages[0].position,
            messages[-1].position,
            "dry",
            len(mapped),
            0,
            len(skipped),
            len(stops),
            0,
            [content.hexdigest()],
        )
        step(conn, taken, messages[-1].position, proof=proof)
        position, passed = messages[-1].position, passed + len(messages)
    release(conn, taken, wait=passed / taken.pace if taken.pace else 0.0)
    return passed


__all__ = ["bind_chosen", "chosen", "deliver_dry", "serve_chosen", "within"]
