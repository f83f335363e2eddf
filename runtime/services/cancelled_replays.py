"""What becomes of a replay's dead letters when it is cancelled: nothing waits where nobody takes it any more.

What is stored was delivered once, and that counts: it leaves the quarantine with the reason. What a person has
corrected goes to the target's own dead letters, where it waits for a person again. What may have been sent and nobody
has edited is asked about as before.
"""

from __future__ import annotations

from django.db import connection

from kernel.errors import Conflict

# Locked before the subscription is closed: what is tried at this moment ends first.
_WAITS = """
select
    q.lane,
    q.position,
    q.state,
    q.payload is not null as edited,
    q.lease_until > clock_timestamp() as under_way,
    not t.immutable and h.position > q.position as older
from runtime_quarantine q
join runtime_subscription s on s.id = q.subscription_id
join runtime_stream t on t.id = s.stream_id
left join runtime_head h on h.stream_id = t.id and h.key = q.key
where q.subscription_id = %s
order by q.lane, q.position
for update of q"""
_HAND_OVER = """
insert into runtime_quarantine (
    subscription_id, lane, position, key, state, reason_class, fingerprint, reason, intent_release, fresh_key,
    not_arrived, accepted_as, first_sent_at, sent_at, payload
)
select
    %(target)s,
    q.lane,
    q.position,
    q.key,
    case when q.state in ('sending', 'unknown') then 'unknown' else 'dead' end,
    case when q.state in ('sending', 'unknown') then 'differs' else 'refused' end,
    coalesce(nullif(q.fingerprint, ''), 'handed over'),
    left(%(why)s || ' Before: ' || q.reason, 2000),
    q.intent_release,
    q.fresh_key,
    q.not_arrived,
    q.accepted_as,
    q.first_sent_at,
    q.sent_at,
    q.payload
from runtime_quarantine q
where q.subscription_id = %(replay)s and q.lane = %(lane)s and q.position = %(position)s
on conflict do nothing
returning 1"""
# Among them that it was edited: replays leave it out, and what is found there may be what was sent before.
_HISTORY = """
insert into runtime_attempt
    (subscription_id, lane, first, last, token, release_id, at, outcome, detail, reference, answer, payload)
select %(target)s, lane, first, last, token, release_id, at, outcome, detail, reference, answer, payload
from runtime_attempt
where subscription_id = %(replay)s and lane = %(lane)s and first = %(position)s and last = %(position)s
order by id"""
_CLOSE = """
with gone as (
    delete from runtime_quarantine q
    where q.subscription_id = %(replay)s and q.lane = %(lane)s and q.position = %(position)s
    returning q.lane, q.position, q.token
)
insert into runtime_attempt (subscription_id, lane, first, last, token, at, outcome, detail)
select %(replay)s, lane, position, position, token, clock_timestamp(), 'given_up', %(why)s
from gone"""
HANDED_OVER = "The replay in which a person has corrected it was cancelled; it waits here for a person."


def close_dead_letters(replay: int, target: int, reason: str) -> int:
    """In the transaction of the cancellation; answers how many corrected ones wait at the target now. Raises Conflict
    `replay.under_way`."""
    handed_over = 0
    with connection.cursor() as cursor:
        cursor.execute(_WAITS, [replay])
        waiting = cursor.fetchall()
        if any(under_way for _, _, _, edited, under_way, _ in waiting if edited):
            raise Conflict(
                "replay.under_way",
                "A message of this replay that a person has corrected is being sent at this moment. Nothing was "
                "changed: cancel it again in a few seconds.",
            )
        for lane, position, state, edited, under_way, older in waiting:
            given = {"replay": replay, "target": target, "lane": lane, "position": position, "why": HANDED_OVER}
            moved = False
            if edited and not older:
                cursor.execute(_HAND_OVER, given)
                moved = cursor.fetchone() is not None
                handed_over += moved
                if not moved:
                    continue  # the target has it in quarantine itself: both stay
            if moved:
                cursor.execute(_HISTORY, given)
            elif under_way or (state == "sending" and not edited):
                continue  # it may have been sent: it is asked about as before
            why = "handed over to the target" if moved else f"the replay was cancelled: {reason}"[:2000]
            cursor.execute(_CLOSE, given | {"why": why})
    return handed_over


__all__ = ["HANDED_OVER", "close_dead_letters"]
