"""A person has looked at the target and found messages there: they count as delivered, by that person's word."""
# ruff: noqa: S608 - filters are assembled from constants

from __future__ import annotations

from django.db import connection, transaction

from kernel import audit
from kernel.errors import Conflict, Invalid
from kernel.models import User
from runtime.domain.storable import storable_text
from runtime.selectors.trace_targets import BY_WORD
from runtime.services.dead_letters import (
    UNPROVEN,
    DeadLetterFilter,
    lock_chosen,
    operated_subscription,
    require_approval_of_many,
)

LONGEST_REFERENCE = 200
_CONFIRM = (
    """
with there as (
       delete
         from runtime_quarantine p
        where {where}
          and (p.state in ('unknown', 'sending')
               or (select u.last_at is not null from ("""
    + UNPROVEN
    + """) u))
       returning p.lane, p.position, p.token)
insert into runtime_attempt (subscription_id, lane, first, last, token, at, outcome, detail, reference)
select %(subscription)s, lane, position, position, token, clock_timestamp(), 'confirmed', %(said)s, %(reference)s
  from there"""
)
_CHOSEN = "select count(*) from runtime_quarantine p where {where}"


def confirm(chosen: DeadLetterFilter, *, actor: User | None, reason: str, reference: str = "") -> int:
    """Decide that these messages did arrive; later ones of their keys continue. Answers how many.

    Only what may have been sent can have arrived: messages that are asked about, of unknown outcome, or dead letters of
    which an earlier try has no trustworthy answer; others are left as they are. `reference`: the target's name for the
    one message that is meant. Many need an approval, as many redriven ones do. Raises Invalid, Forbidden, NotApproved;
    Conflict `confirm.not_sent` where nothing chosen was ever
    sent.
    """
    subscription = operated_subscription(chosen.subscription, actor)
    if not reason.strip():
        raise Invalid("confirm.reason", "Say how you know that these messages arrived; the ledger keeps it.")
    named = storable_text(reference.strip())
    if len(named) > LONGEST_REFERENCE:
        raise Invalid("confirm.reference", f"A reference has at most {LONGEST_REFERENCE} characters.")
    if named and len(chosen.addresses) != 1:
        raise Invalid("confirm.reference", "A reference is the target's name for one message: confirm that one alone.")
    where, values = chosen.where()
    said = storable_text(f"{BY_WORD}{reason.strip()}")[:2000]
    with transaction.atomic(), connection.cursor() as cursor:
        lock_chosen(cursor, where, values)
        cursor.execute(_CHOSEN.format(where=where), values)
        matched = int(cursor.fetchone()[0])
        cursor.execute(_CONFIRM.format(where=where), values | {"said": said, "reference": named or None})
        count = int(cursor.rowcount)
        if matched and not count:
            raise Conflict(
                "confirm.not_sent",
                "None of these can have arrived: none was sent without an answer. Replay them, or discard them.",
            )
        approved = require_approval_of_many(subscription, chosen, count, actor, word="confirm")
        place = {"target": subscription.target, "instance": subscription.instance, "count": count, "approved": approved}
        place |= {"environment": subscription.stream.environment, "fingerprint": chosen.fingerprint}
        audit.record(
            "runtime.confirmed_by_person",
            "integration",
            subscription.stream.integration.key,
            actor=actor,
            reason=reason,
            after=place | ({"reference": named} if named else {}),
        )
        cursor.execute("select pg_notify('tillgate_work', '')")
    return count
