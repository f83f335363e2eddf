"""Erase payloads on request: what a message said goes, that it was there stays.

Place, key, versions, counts and the chain of its key are whole afterwards; targets that read the log later skip it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from kernel import audit
from kernel.errors import Conflict, Forbidden, Invalid, NotFound
from kernel.models import User
from kernel.viewer import Viewer
from runtime import permissions
from runtime.domain.batches import LONGEST_BATCH
from runtime.domain.correlation import STATE_MARK
from runtime.domain.erased import ERASED, in_place_of
from runtime.ledger.streams import StreamRef
from runtime.models import Erasure, Stream
from runtime.selectors.lane_changes import LANES_BEFORE
from runtime.services import day_sums, erased_family, erased_quotes
from runtime.services.erased_family import FORGOTTEN, ROOT, ROOT_OF_K

MOST = 10_000
BEHIND_MARK = chr(ord(STATE_MARK) + 1)
_CHAIN = f"""
with recursive chain as (
       select m.stream_id, m.lane, m.position, m.previous, m.key, 1 as depth
         from unnest(%(family)s::text[]) k(key)
        cross join lateral (
              select h.*
                from runtime_head h
               where h.stream_id = %(stream)s
                 and h.key = k.key
              union all
              select h.*
                from runtime_head h
               where h.stream_id = %(stream)s
                 and h.key >= k.key || '{STATE_MARK}'
                 and h.key < k.key || '{BEHIND_MARK}') h
        cross join lateral (
              select *
                from runtime_message m
               where m.stream_id = h.stream_id
                 and m.lane = any(array(select l.lane from runtime_lane l where l.stream_id = h.stream_id))
                 and m.position = h.position
                 and m.key = h.key
              offset 0) m
        union all
       select m.stream_id, m.lane, m.position, m.previous, m.key, c.depth + 1
         from chain c
         join runtime_message m
           on m.stream_id = c.stream_id and m.lane = any({LANES_BEFORE}) and m.position = c.previous and m.key = c.key
        where c.previous > 0
          and c.depth < %(most)s)
select lane, position, key
  from chain
 union
select m.lane, m.position, m.key
  from runtime_message m
 where m.stream_id = %(stream)s
   and m.received_at < {FORGOTTEN}
   and {ROOT} = any(array(select {ROOT_OF_K} from unnest(%(family)s::text[]) k))
   and split_part(m.key, '{STATE_MARK}', 1) = any(%(family)s)"""  # noqa: S608
_ONE = """
select m.lane, m.position, m.key
  from runtime_message m
 where m.stream_id = %(stream)s and m.lane = %(lane)s and m.position = %(position)s"""
_PLACES = "unnest(%(lanes)s::int[], %(positions)s::bigint[]) as x(lane, position)"
_WAITS = f"""
select s.target || case when s.instance <> '' then '/' || s.instance else '' end as target,
       'has still to take it' as why
  from {_PLACES}
  join runtime_progress p on p.lane = x.lane and p.position < x.position
  join runtime_subscription s on s.id = p.subscription_id
 where s.stream_id = %(stream)s
   and s.open
   and (p.upto is null or x.position <= p.upto)
 union
select s.target, 'has it in quarantine: deliver or discard it first'
  from {_PLACES}
  join runtime_quarantine q on q.lane = x.lane and q.position = x.position
  join runtime_subscription s on s.id = q.subscription_id
 where s.stream_id = %(stream)s
 union
select 'the source', 'gave other content under its key, and nobody has decided on it yet'
  from runtime_conflict c
 where c.stream_id = %(stream)s
   and c.key = any(%(keys)s)
   and c.state = 'open'
 union
select 'a date', 'has not come on which it is to count'
  from runtime_datedstate d
 where d.stream_id = %(stream)s
   and d.position = any(%(positions)s)"""  # noqa: S608 - constants of this module
_REJECTED = """r.id = any(array(
       select k.id
         from runtime_rejected k
        where k.stream_id = %(stream)s
          and k.key = any(%(keys)s::text[] || %(subjects)s::text[] || %(given)s::text[])
          and (k.key = any(%(keys)s)
               or k.key = any(%(subjects)s)
               or (k.source, k.key) in (select * from unnest(%(sources)s::text[], %(given)s::text[])))
        union all
       select unnest(%(rejected)s::bigint[])
        union all
       select n.id
         from runtime_rejected n
        where n.stream_id = %(stream)s
          and n.key = ''
          and n.raw ~ any(%(mentions)s::text[])))"""
_RECORD = f"""
insert into runtime_erasure (stream_id, lane, position, reason, by_id)
select %(stream)s, x.lane, x.position, %(reason)s, %(by)s
  from {_PLACES}
on conflict do nothing
returning lane, position"""  # noqa: S608
_EARLIER = f"""
select e.at, coalesce(nullif(u.username, ''), 'the server'), count(*)
  from {_PLACES}
  join runtime_erasure e on e.stream_id = %(stream)s and e.lane = x.lane and e.position = x.position
  left join kernel_user u on u.id = e.by_id
 group by 1, 2
 order by 1"""  # noqa: S608
_ERASE_MESSAGES = """
update runtime_message m
   set payload = x.kept::json
  from unnest(%(lanes)s::int[], %(positions)s::bigint[], %(kept)s::text[]) as x(lane, position, kept)
 where m.stream_id = %(stream)s
   and m.lane = x.lane
   and m.position = x.position"""
_PAYLOADS = f"""
select x.lane, x.position, m.payload::text
  from {_PLACES}
  join runtime_message m on m.stream_id = %(stream)s and m.lane = x.lane and m.position = x.position"""  # noqa: S608
AT_ONCE = 200  # payloads in memory
_ERASE = (
    f"""
update runtime_attempt t
   set answer = null,
       payload = null,
       detail = 'erased'
  from {_PLACES}
  join runtime_subscription s on s.stream_id = %(stream)s
 where t.subscription_id = s.id
   and t.lane = x.lane
   and t.last between x.position and x.position + {LONGEST_BATCH}
   and t.first <= x.position""",  # noqa: S608
    f"""
update runtime_rejected r
   set raw = 'erased',
       reason = r.reason_class,
       digest = 'erased ' || r.id
 where r.stream_id = %(stream)s
   and {_REJECTED}""",  # noqa: S608
    """
update runtime_conflict c
   set payload = %(erased)s::json
 where c.stream_id = %(stream)s
   and c.key = any(%(keys)s)""",
)


@dataclass(frozen=True, slots=True)
class StillNeeded:
    """Who still needs something of what is to be erased, and why."""

    who: str
    why: str


@dataclass(frozen=True, slots=True)
class EarlierErasure:
    """Of what is chosen, so many messages were erased then already, and by whom."""

    at: datetime
    by: str
    messages: int


@dataclass(frozen=True, slots=True)
class ErasurePreview:
    """So many messages would be erased; with `waits` none would. What was erased before is not among them."""

    messages: int
    waits: tuple[StillNeeded, ...]
    earlier: tuple[EarlierErasure, ...] = ()


def preview(
    stream_id: int, *, lane: int | None = None, position: int | None = None, key: str = "", actor: User | None
) -> ErasurePreview:
    """A dry run: what would be erased, and what is in the way. Raises Forbidden, NotFound."""
    _require_right(actor)
    with connection.cursor() as cursor:
        chosen = _chosen(cursor, {"stream": stream_id, "lane": lane, "position": position, "key": key, "most": MOST})
        earlier = _earlier(cursor, chosen)
        left = len(chosen["lanes"]) - sum(one.messages for one in earlier)
        return ErasurePreview(left, _waits(cursor, chosen), earlier)


def _earlier(cursor: Any, chosen: dict[str, Any]) -> tuple[EarlierErasure, ...]:
    cursor.execute(_EARLIER, chosen)
    return tuple(EarlierErasure(*row) for row in cursor.fetchall())


def _require_right(actor: User | None) -> None:
    if actor is not None and not (allowed := permissions.may_erase(Viewer.of(actor))):
        raise Forbidden("erasure.not_allowed", f"{allowed.reason} Nothing was erased.")


def _chosen(cursor: Any, chosen: dict[str, Any]) -> dict[str, Any]:
    stream, key = chosen["stream"], chosen["key"]
    if key:
        cursor.execute(_CHAIN, chosen | {"family": erased_family.keys_of(cursor, stream, key)})
    else:
        cursor.execute(_ONE, chosen)
    places = set(cursor.fetchall())
    if not key and places:
        places |= erased_family.copies_of(cursor, stream, next(iter(places))[2], chosen["position"])
    if not places:
        raise NotFound("message.unknown", "There is no such message, or retention has dropped it already.")
    lanes, positions, keys = zip(*sorted(places), strict=True)
    return chosen | {"lanes": list(lanes), "positions": list(positions), "keys": sorted(set(keys))}


def _waits(cursor: Any, chosen: dict[str, Any]) -> tuple[StillNeeded, ...]:
    cursor.execute(_WAITS, chosen)
    return tuple(StillNeeded(*row) for row in cursor.fetchall())


def erase(
    stream_id: int,
    *,
    lane: int | None = None,
    position: int | None = None,
    key: str = "",
    actor: User | None,
    reason: str,
) -> int:
    """Erase the payload of one message (`lane`, `position`) or of all messages of a key; answers how many were erased
    now. Those that were erased before are not counted again; what has come since and quotes them goes.

    With a key go the corrections of it, with a dated state its copies; with each what targets said about it, what was
    rejected or conflicted under its key, and what quotes that. Raises Invalid without
    a reason, Forbidden, NotFound, and Conflict `erasure.needed` where something still has to be done with one of them.
    """
    _require_right(actor)
    if not reason.strip():
        raise Invalid(
            "erasure.reason", "Say on whose request, and why. The audit ledger keeps it; name no person in it."
        )
    stream = Stream.objects.select_related("integration").filter(pk=stream_id).first()
    if stream is None:
        raise NotFound("stream.unknown", f"There is no stream {stream_id}.")
    chosen: dict[str, Any] = {"stream": stream_id, "lane": lane, "position": position, "key": key, "most": MOST}
    with transaction.atomic(), connection.cursor() as cursor:
        chosen = _chosen(cursor, chosen)
        chosen |= {"erased": ERASED.decode(), "reason": reason.strip(), "by": actor.pk if actor else None}
        if waits := _waits(cursor, chosen):
            said = "; ".join(f"{one.who} {one.why}" for one in waits)
            raise Conflict("erasure.needed", f"It is still needed: {said}. Nothing was erased.")
        chosen |= erased_family.rejected_of(cursor, stream, chosen)
        cursor.execute(_RECORD, chosen)
        now = sorted(cursor.fetchall())
        erased_quotes.erase(cursor, chosen, _REJECTED)
        if now:
            day_sums.leave_out_erased(stream_id, now)
        _erase_messages(cursor, stream, chosen)
        for statement in _ERASE:
            cursor.execute(statement, chosen)
        about = {"environment": stream.environment, "places": [list(place) for place in now[:1_000]]}
        audit.record(
            "runtime.payload_erased",
            "integration",
            stream.integration.key,
            actor=actor,
            reason=reason,
            after={**about, "count": len(now)},
        )
    return len(now)


def _erase_messages(cursor: Any, stream: Stream, chosen: dict[str, Any]) -> None:
    """What stays in the place of each is made of its payload."""
    hashes = StreamRef(stream.pk, stream.lanes, stream.salt, stream.immutable).hashes_of
    places = list(zip(chosen["lanes"], chosen["positions"], strict=True))
    for start in range(0, len(places), AT_ONCE):
        lanes, positions = zip(*places[start : start + AT_ONCE], strict=True)
        part = {"stream": stream.pk, "lanes": list(lanes), "positions": list(positions)}
        cursor.execute(_PAYLOADS, part)
        found = {(lane, position): payload for lane, position, payload in cursor.fetchall()}
        part["lanes"], part["positions"] = [lane for lane, _ in found], [position for _, position in found]
        part["kept"] = [in_place_of(payload.encode(), hashes).decode() for payload in found.values()]
        cursor.execute(_ERASE_MESSAGES, part)


def erased(stream_id: int, lane: int, position: int) -> Erasure | None:
    return Erasure.objects.select_related("by").filter(stream=stream_id, lane=lane, position=position).first()
