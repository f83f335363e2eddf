-- How long the messages of a target took from their arrival to their confirmation, by the five minutes of their arrival
-- and by bucket of time. A batch of more than 32 messages is looked at in 32 places, each standing for its neighbours:
-- positions come in order of arrival. What is still in the queue or in quarantine, and what a person has discarded, has
-- no end (bucket null).
with spans as (
    select lane, first, last
    from unnest(%(lanes)s::int[], %(firsts)s::bigint[], %(lasts)s::bigint[]) x (lane, first, last)
    where last >= first
),
subs as (
    select id
    from runtime_subscription
    where stream_id = %(stream)s
        and target = %(target)s
        and replay_of_id is null
        and open
),
tiles as (
    select
        d.subscription_id,
        d.lane,
        d.at,
        d.first,
        d.outcomes,
        greatest(d.first, x.first) as a,
        least(d.last, x.last) as b
    from subs s
    cross join spans x
    join runtime_delivery d on d.subscription_id = s.id
        and d.lane = x.lane
        and d.last between x.first and x.last + %(longest_batch)s
        and d.first <= x.last
),
places as (
    select
        t.lane,
        t.at,
        p.position,
        (t.b - t.a + 1)::float8 / least(t.b - t.a + 1, 32) as weight
    from tiles t
    cross join lateral (
        select t.a + ((t.b - t.a + 1) * n + (t.b - t.a + 1) / 2) / least(t.b - t.a + 1, 32) as position
        from generate_series(0, least(t.b - t.a + 1, 32) - 1) n
    ) p
    where t.outcomes is null
        or substr(t.outcomes, (p.position - t.first + 1)::int, 1) in ('c', 'd')
),
ended as (
    select lane, position, at, weight, false as lost from places
    union all
    select
        t.lane,
        t.last,
        t.at,
        1.0,
        t.outcome = 'given_up'
    from subs s
    cross join spans x
    join runtime_attempt t on t.subscription_id = s.id
        and t.lane = x.lane
        and t.last between x.first and x.last
        and t.outcome in ('confirmed', 'declined', 'given_up')
),
queued as (
    select p.lane, p.position, x.first, x.last, count(*)::float8 as targets
    from subs s
    join runtime_progress p on p.subscription_id = s.id
    join spans x on x.lane = p.lane and x.last > p.position
    group by 1, 2, 3, 4
),
waiting as (
    select p.lane, m.position, p.targets as weight
    from queued p
    join runtime_message m on m.stream_id = %(stream)s
        and m.lane = p.lane
        and m.position between greatest(p.first, p.position + 1) and p.last
        and m.received_at >= %(since)s
        and m.received_at < %(until)s
    union all
    select q.lane, q.position, 1.0
    from subs s
    cross join spans x
    join runtime_quarantine q on q.subscription_id = s.id
        and q.lane = x.lane
        and q.position between x.first and x.last
),
everything as (
    select lane, position, at, weight, lost, false as open from ended
    union all
    select lane, position, null, weight, false, true from waiting
),
timed as (
    select
        floor(extract(epoch from m.received_at) / 300)::bigint as period,
        extract(epoch from e.at - m.received_at)::float8 as seconds,
        extract(epoch from clock_timestamp() - m.received_at)::float8 as age,
        e.weight,
        e.lost,
        e.open
    from everything e
    join runtime_message m on m.stream_id = %(stream)s
        and m.lane = e.lane
        and m.position = e.position
        and m.received_at >= %(since)s
        and m.received_at < %(until)s
)
select
    period,
    case
        when not open and not lost then width_bucket(seconds, %(bounds)s::float8[])
    end as bucket,
    sum(weight) as messages,
    coalesce(sum(weight) filter (where not open and not lost and seconds <= %(limit)s), 0) as good,
    coalesce(sum(weight) filter (where open and age <= %(limit)s), 0) as pending
from timed
where open
    or lost
    or seconds >= -1
group by 1, 2
