"""A target that takes no more work: what waits for its next try there, or is redriven, would wait for good, and be
shown nowhere."""

from __future__ import annotations

from django.db import connection, transaction

from kernel.errors import Conflict
from runtime.models import TargetSubscription

WHY = (
    "The deployed release has no target {}, so this is not tried again. Deploy a release that has it, and it goes on "
    "by itself; or discard it, or say that it arrived."
)
# Surely not sent, and nothing of its key before it. What may have been sent is asked about under a closed gate, too.
_SET_ASIDE = """
with chosen as (
    select q.subscription_id, q.lane, q.position,
           concat_ws('/', s.target, nullif(s.instance, '')) as name
      from runtime_subscription s
      join runtime_quarantine q on q.subscription_id = s.id
     where not s.open
       and s.replay_of_id is null
       and q.state in ('retry', 'behind')
       and q.lease_until < clock_timestamp()
       and not exists (select
                         from runtime_quarantine e
                        where e.subscription_id = q.subscription_id
                          and e.key = q.key
                          and e.position < q.position)
     order by q.subscription_id, q.lane, q.position
       for update of q skip locked),
     aside as (
    update runtime_quarantine q
       set state = 'dead',
           reason_class = 'closed',
           fingerprint = 'closed',
           reason = left(concat(replace(%(why)s, '{}', c.name), ' Before: ' || nullif(q.reason, '')), 2000)
      from chosen c
     where q.subscription_id = c.subscription_id and q.lane = c.lane and q.position = c.position
    returning q.subscription_id, q.lane, q.position, q.token, q.reason)
insert into runtime_attempt (subscription_id, lane, first, last, token, at, outcome, detail)
select subscription_id, lane, position, position, token, clock_timestamp(), 'dead', reason
  from aside"""
_GO_ON = """
update runtime_quarantine q
   set state = 'retry',
       reason_class = '',
       fingerprint = '',
       not_before = clock_timestamp()
  from runtime_subscription s
 where s.id = q.subscription_id
   and s.open
   and q.state = 'dead'
   and q.fingerprint = 'closed'
   and q.reason_class = 'closed'"""


def attend() -> int:
    """What waits for its next try at a target that the deployed release does not have is a dead letter, with what can
    be done; once a release has the target again, it goes on by itself. Answers how many changed."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_GO_ON)
        changed = int(cursor.rowcount)
        cursor.execute(_SET_ASIDE, {"why": WHY})
        return changed + int(cursor.rowcount)


def demand_open(subscription: TargetSubscription) -> None:
    """Raises Conflict `redrive.closed`, which says what can be done instead."""
    if subscription.open:
        return
    name = "/".join(filter(None, (subscription.target, subscription.instance)))
    if subscription.replay_of_id is not None:
        said = f"The replay to {name} has ended, so nothing of it is sent any more. Discard these messages"
        what = ", say that they arrived, or plan another replay"
    else:
        said = f"The release that is deployed now has no target {name}, so nothing is sent there"
        what = ". Deploy a release that has it, and redrive them then, say that they arrived, or discard them"
    raise Conflict("redrive.closed", f"{said}{what}. Nothing was changed.", {"target": name})


__all__ = ["attend", "demand_open"]
