"""A person asks now: under a circuit breaker that opened by itself, that question is the call which tries it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.backends.utils import CursorWrapper

from kernel.models import AuditEntry
from runtime.models import TargetSubscription

_ASKED = """
select p.lane, p.position
  from runtime_quarantine p
 where {where}
   and not exists (select
                     from runtime_quarantine e
                    where e.subscription_id = p.subscription_id
                      and e.key = p.key
                      and e.position < p.position)
 order by p.lane, p.position
 limit 1"""
_FIRST = """
update runtime_quarantine
   set not_before = 'epoch'
 where subscription_id = %s and lane = %s and position = %s"""
_OPEN = """
select open_until
  from runtime_vendorstate
 where id = %s
   and breaker = 'open'
   and probe_until <= clock_timestamp()
   and not_before <= clock_timestamp()
   and exists (select from runtime_permitted g where g.subscription_id = %s)
   for update"""
# A probe of a target that no lane has is kept for its question: see `runtime/ledger/sql/probe_is_free.sql`.
_KEEP = """
update runtime_vendorstate
   set open_until = clock_timestamp(), probe_subscription = %s, probe_lane = null, probe_until = 'epoch'
 where id = %s"""
_END_OWN_WAIT = "update runtime_subscription set held_until = 'epoch' where id = %s and fault <> ''"


def let_it_probe(cursor: CursorWrapper, subscription: TargetSubscription, where: str, values: dict[str, Any]) -> None:
    """In the transaction of the person's decision: the first chosen message that is asked about goes before everything
    else of its vendor. A breaker that a person has opened stays open, a vendor that asked to be left alone is, and
    under a closed gate nothing tries a breaker."""
    cursor.execute(_ASKED.format(where=where), values)
    if (place := cursor.fetchone()) is None:
        return
    cursor.execute(_OPEN, [subscription.vendor_id, subscription.pk])
    found = cursor.fetchone()
    kept = found is not None and not _opened_by_hand(subscription, found[0])
    if kept:
        cursor.execute(_KEEP, [subscription.pk, subscription.vendor_id])
    cursor.execute(_END_OWN_WAIT, [subscription.pk])
    if kept or cursor.rowcount:
        cursor.execute(_FIRST, [subscription.pk, *place])


def _opened_by_hand(subscription: TargetSubscription, until: datetime) -> bool:
    said = AuditEntry.objects.filter(
        verb="runtime.breaker_opened", subject_kind="vendor", subject_id=str(subscription.vendor)
    )
    last = said.order_by("-pk").values_list("after", flat=True).first()
    return last is not None and datetime.fromisoformat(last["until"]) == until
