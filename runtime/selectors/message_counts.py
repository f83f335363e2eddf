"""What became of the messages at some positions, at some targets: the one place that counts it.

The page of a run, the day's reconciliation and the pages of flows count by these rules, so that they agree:

- passed: the target's position is beyond it. What is passed and in no other count is delivered.
- superseded, skipped, declined: by the codes of the batch, of which only those inside the span count.
- in quarantine: dead letters and unknown outcomes wait for a person, and so does what waits behind them (`blocked`);
  everything else there is on the way, a message that is being sent or asked about (`sending`) included.
- ended in quarantine: skipped, declined or discarded there, by its last attempt.
"""

# ruff: noqa: S608 - statements of constants, kept readable as SQL

from __future__ import annotations

from dataclasses import dataclass


def batches_over(subscription: str, wanted: str, columns: str) -> str:
    """The batches of a target that hold a position of span `x`, found by index however much there was before and came
    later: they are tiles, so the last of them is the first that reaches the end of the span. `offset 0` keeps
    PostgreSQL from reading all evidence instead."""
    return f"""(
       select {columns}
         from runtime_delivery d
        where d.subscription_id = {subscription}
          and d.lane = x.lane
          and d.last >= x.first
          and d.last <= coalesce((select e.last
                                    from runtime_delivery e
                                   where e.subscription_id = {subscription}
                                     and e.lane = x.lane
                                     and e.last >= x.last
                                   order by e.last
                                   limit 1), x.last)
          and d.first <= x.last
          and {wanted}
       offset 0) d"""


_BATCHES = batches_over("s.id", "d.superseded + d.skipped + d.declined > 0", "d.*")

COUNTS = f"""
     passed as (
       select p.subscription_id as id, sum(x.last - x.first + 1)::bigint as total,
              sum(greatest(least(p.position, x.last) - x.first + 1, 0))::bigint as passed
         from runtime_progress p
         join subs s on s.id = p.subscription_id
         join spans x on x.stream_id = s.stream_id and x.lane = p.lane
        group by 1),
     held as (
       select q.subscription_id as id, count(*) filter (where q.state = 'dead') as dead,
              count(*) filter (where q.state = 'unknown') as unknown,
              count(*) filter (where q.state = 'behind') as behind,
              count(*) filter (where q.state = 'behind'
                                 and exists (select
                                               from runtime_quarantine h
                                              where h.subscription_id = q.subscription_id
                                                and h.key = q.key
                                                and h.position < q.position
                                                and h.state in ('dead', 'unknown'))) as blocked,
              count(*) filter (where q.state not in ('dead', 'unknown', 'behind')) as retrying
         from runtime_quarantine q
         join subs s on s.id = q.subscription_id
         join spans x on x.stream_id = s.stream_id and x.lane = q.lane and q.position between x.first and x.last
        group by 1),
     batches as (
       select s.id, d.superseded, d.skipped, d.declined, d.outcomes,
              d.first >= x.first and d.last <= x.last as whole, d.last <= x.last as ends_here,
              substr(d.outcomes, (greatest(x.first - d.first, 0) + 1)::int,
                     (least(d.last, x.last) - greatest(d.first, x.first) + 1)::int) as mine
         from subs s
         join spans x on x.stream_id = s.stream_id
        cross join lateral {_BATCHES}),
     over as (
       select id,
              sum(case when whole or (outcomes is null and ends_here) then superseded
                       else coalesce(length(mine) - length(replace(mine, 'u', '')), 0) end)::bigint as superseded,
              sum(case when whole or (outcomes is null and ends_here) then skipped
                       else coalesce(length(mine) - length(replace(mine, 's', '')), 0) end)::bigint as skipped,
              sum(case when whole or (outcomes is null and ends_here) then declined
                       else coalesce(length(mine) - length(replace(mine, 'd', '')), 0) end)::bigint as declined
         from batches
        group by 1),
     ended as (
       select t.subscription_id as id, count(*) filter (where t.outcome = 'given_up') as closed,
              count(*) filter (where t.outcome = 'skipped') as skipped,
              count(*) filter (where t.outcome = 'declined') as declined
         from subs s
         join spans x on x.stream_id = s.stream_id
        cross join lateral (
              select t.subscription_id, t.outcome
                from runtime_attempt t
               where t.subscription_id = s.id
                 and t.lane = x.lane
                 and t.last between x.first and x.last
                 and t.outcome in ('given_up', 'skipped', 'declined')
              offset 0) t
        group by 1),
     counts as (
       select s.id, coalesce(p.total, 0) as total, coalesce(p.passed, 0) as passed,
              coalesce(o.superseded, 0) as superseded, coalesce(o.skipped, 0) + coalesce(e.skipped, 0) as skipped,
              coalesce(o.declined, 0) + coalesce(e.declined, 0) as declined, coalesce(h.dead, 0) as dead,
              coalesce(h.unknown, 0) as unknown, coalesce(h.retrying, 0) as retrying,
              coalesce(h.behind, 0) as behind, coalesce(h.blocked, 0) as blocked, coalesce(e.closed, 0) as closed
         from subs s
         left join passed p using (id)
         left join held h using (id)
         left join over o using (id)
         left join ended e using (id))"""
"""Common table expressions after `subs (id, stream_id)`, targets, and `spans (stream_id, lane, first, last)`, positions
that do not overlap: `counts`, a row per target with the members of MessageCounts."""

# Batches from before outcomes were kept by position belong to the span that has their last message.


@dataclass(slots=True)
class MessageCounts:
    """What became of some messages at one target. All are counts of messages.

    total       those that are meant: positions of the span
    passed      how many of them are no longer in the queue
    behind      waiting for an earlier message of their key; `blocked` are those of them behind one that waits for a
                person
    closed      discarded by a person
    """

    total: int = 0
    passed: int = 0
    superseded: int = 0
    skipped: int = 0
    declined: int = 0
    dead: int = 0
    unknown: int = 0
    retrying: int = 0
    behind: int = 0
    blocked: int = 0
    closed: int = 0

    @property
    def delivered(self) -> int:
        """Confirmed by the target."""
        ended = self.superseded + self.skipped + self.declined + self.closed
        return max(self.passed - ended - self.in_quarantine, 0)

    @property
    def in_quarantine(self) -> int:
        return self.dead + self.unknown + self.retrying + self.behind

    @property
    def waiting(self) -> int:
        """In the queue."""
        return self.total - self.passed

    @property
    def on_the_way(self) -> int:
        """Everything that moves on by itself: in the queue, to be tried again, being asked about, or behind those."""
        return self.waiting + self.retrying + self.behind - self.blocked

    @property
    def with_a_person(self) -> int:
        """Dead letters and unknown outcomes, and what waits behind them."""
        return self.dead + self.unknown + self.blocked

    @property
    def ended_otherwise(self) -> int:
        """Declined by the target's business, or discarded by a person."""
        return self.declined + self.closed

    @property
    def settled(self) -> int:
        """Ended, or waiting for a person: nothing more happens to these by itself."""
        return self.passed - self.retrying - (self.behind - self.blocked)
