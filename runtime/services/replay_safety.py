"""Whether a replay can act twice: where a vendor cannot tell a repetition, because it keeps no keys and cannot be
asked, has forgotten them, or knows the messages by keys that were lost with the database.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connection

from kernel.errors import Conflict
from runtime.domain import manifest as manifests
from runtime.domain import vendor_times
from runtime.models import TargetSubscription
from runtime.services import target_times

Spans = dict[int, tuple[int, int]]

_FORGOTTEN = """
select count(*)
  from runtime_message m
  join unnest(%(lanes)s::int[], %(first)s::bigint[], %(last)s::bigint[]) s (lane, first, last)
    on s.lane = m.lane and m.position between s.first and s.last
 where m.stream_id = %(stream)s
   and m.received_at < clock_timestamp() - make_interval(secs => %(age)s)
   and m.key >= %(key_from)s collate "C"
   and (%(key_to)s = '' or m.key <= %(key_to)s collate "C" or starts_with(m.key, %(key_to)s))"""

# What an open one has still before it or in its quarantine; and what was sent without an answer, for as long as it may
# take effect.
_UNDER_WAY = """
select coalesce(n.id, r.id)
  from runtime_subscription r
  left join runtime_replay n on n.subscription_id = r.id
  join runtime_progress p on p.subscription_id = r.id
  join unnest(%(lanes)s::int[], %(first)s::bigint[], %(last)s::bigint[]) s (lane, first, last)
    on s.lane = p.lane and s.first <= p.upto
 where r.replay_of_id = %(subscription)s
   and r.kind = 'vendor'
   and (r.open and p.position < least(p.upto, s.last)
        or %(wait)s
           and (p.owner is not null or p.intent is not null)
           and p.lease_until > clock_timestamp() - make_interval(secs => %(settle)s)
        or exists (select
                     from runtime_quarantine q
                    where q.subscription_id = r.id
                      and q.lane = p.lane
                      and q.position between s.first and s.last
                      and (r.open
                           or %(wait)s
                              and greatest(q.lease_until, q.sent_at)
                                  > clock_timestamp() - make_interval(secs => %(settle)s))))
 limit 1"""
_LOST = """
select count(*)
  from runtime_message m
  join unnest(%(lanes)s::int[], %(first)s::bigint[], %(last)s::bigint[]) s (lane, first, last)
    on s.lane = m.lane and m.position between s.first and s.last
  join runtime_progress p on p.subscription_id = %(subscription)s and p.lane = m.lane
 where m.stream_id = %(stream)s
   and m.position between (select min(e.from_position)
                             from runtime_key_epoch e
                            where e.stream_id = m.stream_id and e.lane = m.lane)
                      and p.ask_until
   and m.key >= %(key_from)s collate "C"
   and (%(key_to)s = '' or m.key <= %(key_to)s collate "C" or starts_with(m.key, %(key_to)s))"""


def demand_safe(target: TargetSubscription, spans: Spans, key_from: str = "", key_to: str = "") -> None:
    if target.idempotency == "U":
        raise Conflict(
            "replay.unsafe",
            "This target neither honours keys nor has a lookup: a replay could act twice. Redrive single messages.",
        )
    if count := forgotten(target, spans, key_from, key_to):
        kept = timedelta(seconds=target.key_kept or vendor_times.DEFAULT_KEY_KEPT)
        raise Conflict(
            "replay.key_forgotten",
            f"The vendor keeps keys for {kept} and cannot be asked by business reference: for {count:,} of these "
            "messages, first sent longer ago, a replay could act twice. Choose later ones, or redrive single messages.",
            {"forgotten": count},
        )
    if (count := lost_keys(target, spans, key_from, key_to)) and not _asks_by_reference(target):
        raise Conflict(
            "replay.key_lost",
            f"{count:,} of these messages came after the database went back: the vendor may know them by keys that "
            "were lost, and cannot be asked by business reference, so a replay could act twice. Choose others.",
            {"lost": count},
        )


def demand_alone(target: TargetSubscription, spans: Spans) -> None:
    """In the transaction that starts a replay: one replay alone promises a message. A second one would leave what waits
    in the quarantine of the first to it, and that one can still be cancelled. Two that ask about the same fact at the
    same time are both told that it is not there; so a call without an answer counts until `settle` has passed. States
    wait for each other (`runtime.ledger.replay_order`), a natural key makes two effects one.
    Raises Conflict `replay.under_way`."""
    if target.kind != "vendor":
        return
    settle = vendor_times.DEFAULT_SETTLE if target.settle is None else target.settle
    ordered = not target.stream.immutable and settle > 0
    wait = target.idempotency in ("K", "L") and not ordered
    TargetSubscription.objects.select_for_update(of=("self",)).get(pk=target.pk)
    with connection.cursor() as cursor:
        cursor.execute(_UNDER_WAY, _places(target, spans) | {"settle": settle, "wait": wait})
        found = cursor.fetchone()
    if found is not None:
        raise Conflict(
            "replay.under_way",
            "Another replay of this target has some of these messages still before it or in its quarantine"
            + (f", or its last calls may still take effect ({settle:g} s)" if wait else "")
            + ". Cancel it, or start this one when it is over.",
            {"replay": found[0]},
        )


def forgotten(target: TargetSubscription, spans: Spans, key_from: str = "", key_to: str = "") -> int:
    """How many of these messages came so long ago that the vendor may have forgotten their keys, where nothing but a
    key could tell whether they have arrived; 0 for a target that asks by business reference."""
    if target.idempotency != "K" or target.kind != "vendor":
        return 0
    if _asks_by_reference(target):
        return 0
    kept, deadline = target.key_kept or vendor_times.DEFAULT_KEY_KEPT, target.deadline or vendor_times.DEFAULT_DEADLINE
    settle = vendor_times.DEFAULT_SETTLE if target.settle is None else target.settle
    age = vendor_times.key_protects_for(kept, deadline, settle)
    return _counted(_FORGOTTEN, target, spans, key_from, key_to, age=age)


def lost_keys(target: TargetSubscription, spans: Spans, key_from: str = "", key_to: str = "") -> int:
    """How many of these facts came when the database had gone back, so that the vendor may know them by other keys."""
    if target.idempotency not in ("K", "L") or target.kind != "vendor" or not target.stream.immutable:
        return 0
    return _counted(_LOST, target, spans, key_from, key_to)


def _asks_by_reference(target: TargetSubscription) -> bool:
    manifest = manifests.load(target.deployment.release.manifest)
    return target_times.asks_by_reference(manifest.target(target.target))


def _counted(statement: str, target: TargetSubscription, spans: Spans, key_from: str, key_to: str, **more: Any) -> int:
    chosen = _places(target, spans) | {"key_from": key_from, "key_to": key_to}
    with connection.cursor() as cursor:
        cursor.execute(statement, chosen | more)
        return int(cursor.fetchone()[0])


def _places(target: TargetSubscription, spans: Spans) -> dict[str, Any]:
    return {
        "stream": target.stream_id,
        "subscription": target.pk,
        "lanes": list(spans),
        "first": [first for first, _ in spans.values()],
        "last": [last for _, last in spans.values()],
    }


__all__ = ["Spans", "demand_alone", "demand_safe", "forgotten", "lost_keys"]
