"""The statements that make a month of a retailer, straight in SQL: consistent enough that every page of the runtime,
reconciliation and retention work on it. `years.py` runs them."""

from __future__ import annotations

SALES = """
create temporary table made on commit drop as
select
    n,
    key,
    at,
    lane,
    %(base)s::bigint[] as base,
    row_number() over (partition by lane order by n) as number
from (
    select
        n,
        key,
        at,
        (crc32(convert_to(key, 'UTF8')) %% 2)::smallint as lane
    from (
        select
            n,
            %(since)s::timestamptz + (n - %(first)s) * %(step)s::interval as at,
            lpad((n %% 600 + 101)::text, 4, '0') || '-' || lpad((n %% 7 + 1)::text, 2, '0') || '-'
                || to_char(%(since)s::timestamptz + (n - %(first)s) * %(step)s::interval, 'YYYYMMDD') || '-'
                || lpad(n::text, 9, '0') as key
        from generate_series(%(first)s::bigint, %(last)s::bigint) n
    ) x
) y;
alter table made add column position bigint;
update made set position = base[lane + 1] + number;
create index on made (lane, position)
"""
MESSAGES = """
insert into runtime_message (stream_id, lane, position, received_at, key, version, previous, release_id, run_id,
                             payload)
select
    %(stream)s, lane, position, at, key, 0, 0, %(release)s, %(run)s + n / 100,
    ('{"transaction": "' || key || '", "business_date": "' || to_char(at, 'YYYY-MM-DD')
        || '", "store": "' || left(key, 4) || '", "total": ' || (n %% 20000)::numeric / 100
        || ', "currency": "EUR", "tax_class": "R1", "member": "m' || n %% 400000 || '", "lines": ['
        || '{"article": "4004300001235", "text": "An article of a shop", "quantity": 1, "price": 4.29}, '
        || '{"article": "4004300002225", "text": "Another of its articles", "quantity": 2, "price": 1.99}, '
        || '{"article": "4004300003215", "text": "The third one of them", "quantity": 1, "price": 12.49}]}')::json
from made
order by n
"""
HEADS = """
insert into runtime_head (stream_id, key, hash, version, position)
select %(stream)s, key, hashint8extended(n, 1), 0, position
from made
order by key
"""
RUNS = """
insert into runtime_run (id, integration_id, deployment_id, stream_id, kind, trigger, state, started_at, ended_at,
                         beat_at, read, accepted, rejected_count)
select
    %(run)s + n / 100, %(integration)s, %(deployment)s, %(stream)s, 'intake', 'intake', 'succeeded', min(at), max(at),
    max(at), count(*) + count(*) filter (where n %% 2000 = 0), count(*), count(*) filter (where n %% 2000 = 0)
from made
group by n / 100
"""
SPANS = """
insert into runtime_runspan (run_id, lane, first, last)
select %(run)s + n / 100, lane, min(position), max(position)
from made
group by n / 100, lane
order by 1, 2
"""
DELIVERIES = """
insert into runtime_delivery (subscription_id, lane, first, last, token, release_id, at, outcome, confirmed,
                              superseded, skipped, refused, waiting, outcomes)
select
    %(subscription)s, lane, min(position), max(position), 1, %(release)s, max(at) + interval '2 s', 'answered',
    count(*) filter (where n %% 5000 <> 0), 0, 0, count(*) filter (where n %% 5000 = 0), 0,
    case when bool_or(n %% 5000 = 0)
        then string_agg(case when n %% 5000 = 0 then 'q' else 'c' end, '' order by position)
    end
from made
group by lane, (position - 1) / 50
order by max(at)
"""
ATTEMPTS = """
insert into runtime_attempt (subscription_id, lane, first, last, token, release_id, at, outcome, detail, reference)
select
    %(subscription)s, lane, position, position, 1, %(release)s, at + wait, outcome,
    case when outcome = 'dead' then 'ERP answered 400: tax code R7 not found in company code ' || 1000 + n %% 7
        else '' end,
    case when outcome = 'confirmed' then 'V' || n end
from made
cross join (values ('dead', interval '5 s'), ('confirmed', interval '2 days')) w (outcome, wait)
where n %% 5000 = 0 and (outcome = 'dead' or at + wait < %(open)s::timestamptz)
"""
QUARANTINE = """
insert into runtime_quarantine (subscription_id, lane, position, key, state, reason_class, fingerprint, reason,
                                attempt, first_seen_at)
select
    %(subscription)s, lane, position, key, case when n %% 50000 = 0 then 'unknown' else 'dead' end,
    case when n %% 50000 = 0 then 'unknown' else 'refused' end, lpad(to_hex(n %% 7 + 4096), 16, '0'),
    'ERP answered 400: tax code R7 not found in company code ' || 1000 + n %% 7, 2, at
from made
where n %% 5000 = 0 and at + interval '2 days' >= %(open)s::timestamptz
"""
REJECTED = """
insert into runtime_rejected (stream_id, run_id, at, last_at, source, key, digest, reason_class, fingerprint, reason,
                              raw, state, decided_at, note)
select
    %(stream)s, %(run)s + n / 100, at, at, '', key || '-r', md5(key), 'contract', lpad(to_hex(n %% 5), 16, '9'),
    '/total: -3 is less than the minimum of 0', '{"transaction": "' || key || '", "total": -3}',
    case when at >= %(open)s::timestamptz then 'open' else 'dismissed' end,
    case when at < %(open)s::timestamptz then at + interval '1 day' end, ''
from made
where n %% 2000 = 0
"""
CONFLICTS = """
insert into runtime_conflict (stream_id, key, held_position, hash, payload, at, last_at, state, decided_at)
select
    %(stream)s, key, position, n, '{"total": 1}', at, at,
    case when at >= %(open)s::timestamptz then 'open' else 'kept' end,
    case when at < %(open)s::timestamptz then at + interval '1 day' end
from made
where n %% 20000 = 0
"""
COMPARISONS = """
insert into runtime_comparison (target_id, day, by, at, due, asked, agreed, missing, extra, twice, differs, silent,
                                note, cases)
select %(subscription)s, day, 'business', day + interval '1 day', 500, 500, 500, 0, 0, 0, 0, 0, '', '[]'
from (select distinct at::date as day from made) d
"""
OF_A_TARGET = (DELIVERIES, ATTEMPTS, QUARANTINE, COMPARISONS)
OF_THE_STREAM = (MESSAGES, HEADS, RUNS, SPANS, REJECTED, CONFLICTS)

# -- prices: 200 changes a day, to every store -------------------------------------------------------------------------
PRICES = """
create temporary table priced on commit drop as
select
    n,
    key,
    at,
    lane,
    %(base)s::bigint[] as base,
    row_number() over (partition by lane order by n) as number
from (
    select
        n,
        key,
        at,
        (crc32(convert_to(key, 'UTF8')) %% 2)::smallint as lane
    from (
        select
            n,
            'P' || n * 7919 %% 10000 as key,
            %(since)s::timestamptz + (n - %(first)s) * %(step)s::interval as at
        from generate_series(%(first)s::bigint, %(last)s::bigint) n
    ) x
) y;
alter table priced add column position bigint;
update priced set position = base[lane + 1] + number
"""
PRICE_MESSAGES = """
insert into runtime_message (stream_id, lane, position, received_at, key, version, previous, release_id, run_id,
                             payload)
select
    %(stream)s, lane, position, at, key, n, 0, %(release)s, %(run)s + (n - %(first)s) / 200,
    ('{"sku": "' || key || '", "price": ' || (n %% 5000)::numeric / 100 || '}')::json
from priced
order by n
"""
PRICE_HEADS = """
insert into runtime_head (stream_id, key, hash, version, position)
select distinct on (key) %(stream)s, key, n, n, position
from priced
order by key, n desc
on conflict (stream_id, key) do update
set hash = excluded.hash, version = excluded.version, position = excluded.position
"""
PRICE_RUNS = """
insert into runtime_run (id, integration_id, deployment_id, stream_id, source, kind, trigger, state, started_at,
                         ended_at, beat_at, read, accepted)
select
    %(run)s + (n - %(first)s) / 200, %(integration)s, %(deployment)s, %(stream)s, 'conditions', 'collect', 'schedule',
    'succeeded', min(at), max(at), max(at), count(*), count(*)
from priced
group by (n - %(first)s) / 200
"""
PRICE_SPANS = """
insert into runtime_runspan (run_id, lane, first, last)
select %(run)s + (n - %(first)s) / 200, lane, min(position), max(position)
from priced
group by (n - %(first)s) / 200, lane
order by 1, 2
"""
EMPTY_RUNS = """
insert into runtime_run (integration_id, deployment_id, stream_id, source, kind, trigger, state, started_at,
                         ended_at, beat_at)
select %(integration)s, %(deployment)s, %(stream)s, 'conditions', 'collect', 'schedule', 'succeeded', at, at, at
from generate_series(%(since)s::timestamptz, %(until)s::timestamptz - interval '1 min', interval '15 min') at
"""
FIRINGS = """
insert into runtime_firing (schedule_id, due_at, fired_at, outcome)
select %(schedule)s, at, at, 'started'
from generate_series(%(since)s::timestamptz, %(until)s::timestamptz - interval '1 min', interval '15 min') at
"""
PRICE_DELIVERIES = """
insert into runtime_delivery (subscription_id, lane, first, last, token, release_id, at, outcome, confirmed,
                              superseded, skipped, refused, waiting)
select s.id, b.lane, b.first, b.last, 1, %(release)s, b.at + interval '3 s', 'answered', b.many, 0, 0, 0, 0
from (
    select lane, min(position) as first, max(position) as last, max(at) as at, count(*) as many
    from priced
    group by lane, at::date
) b
cross join runtime_subscription s
where s.stream_id = %(stream)s
order by b.at
"""
OF_PRICES = (PRICE_MESSAGES, PRICE_HEADS, PRICE_RUNS, PRICE_SPANS, EMPTY_RUNS, FIRINGS, PRICE_DELIVERIES)
