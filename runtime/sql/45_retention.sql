-- Since when a class of data is kept, by the policy in force. Without a policy everything is kept.
create or replace function runtime_policy_since(what text, flow bigint) returns timestamptz
language sql stable as $$
  select coalesce(
    (
      select
        case when p.days is null then '-infinity' else clock_timestamp() - make_interval(days => p.days) end
      from public.runtime_retention p
      where p.data_class = what
        and (p.integration_id = flow or p.integration_id is null)
        and p.since <= clock_timestamp()
      order by p.integration_id is null, p.id desc
      limit 1
    ),
    '-infinity'
  )
$$;

-- Evidence and runs are kept at least as long as the messages that they are about, whichever policy is set, and when.
create or replace function runtime_kept_since(what text, flow bigint) returns timestamptz
language sql stable as $$
  select
    case
      when what in ('evidence', 'runs')
        then least(public.runtime_policy_since(what, flow), public.runtime_policy_since('messages', flow))
      else public.runtime_policy_since(what, flow)
    end
$$;

-- Evidence is deleted when the policy says so and nothing needs it; by raw SQL no earlier than by retention.
create or replace function runtime_evidence_kept() returns trigger
language plpgsql as $$
begin
  if old.at < (
        select runtime_kept_since('evidence', st.integration_id)
        from public.runtime_subscription s
        join public.runtime_stream st on st.id = s.stream_id
        where s.id = old.subscription_id
      )
      and not exists (
        select
        from public.runtime_quarantine q
        where q.subscription_id = old.subscription_id
          and q.lane = old.lane
          and q.position between old.first and old.last
      )
      and not exists (select from public.runtime_rewind r where r.ended_at is null) then
    return old;
  end if;
  raise exception '% is append-only: kept by policy, or something still needs it', tg_table_name
    using errcode = 'insufficient_privilege';
end $$;

create or replace trigger runtime_evidence_kept before delete on runtime_delivery for each row
  execute function runtime_evidence_kept();
create or replace trigger runtime_evidence_kept before delete on runtime_attempt for each row
  execute function runtime_evidence_kept();

-- What is deleted stays counted, by any statement that deletes it.
create or replace function runtime_count_dropped() returns trigger
language plpgsql as $$
begin
  insert into public.runtime_dropped as d
    (data_class, stream_id, subscription_id, day, number, confirmed, superseded, skipped, declined)
  select
    'evidence',
    s.stream_id,
    g.subscription_id,
    (g.at at time zone 'utc')::date,
    count(*),
    sum(g.confirmed),
    sum(g.superseded),
    sum(g.skipped),
    sum(g.declined)
  from gone g
  join public.runtime_subscription s on s.id = g.subscription_id
  group by 2, 3, 4
  on conflict (data_class, stream_id, subscription_id, day) do update
  set number = d.number + excluded.number,
    confirmed = d.confirmed + excluded.confirmed,
    superseded = d.superseded + excluded.superseded,
    skipped = d.skipped + excluded.skipped,
    declined = d.declined + excluded.declined,
    dropped_at = clock_timestamp();
  return null;
end $$;

create or replace trigger runtime_count_dropped after delete on runtime_delivery
  referencing old table as gone for each statement
  execute function runtime_count_dropped();

-- Facts of an earlier business date may have lost their heads: by the window in force, and by what was let go while a
-- shorter one was (a fact goes with the day on which it arrived, or with the day after). Null: every fact is known.
create or replace function runtime_known_since(flow bigint, stream bigint) returns date
language sql stable as $$
  select greatest(
    (nullif(runtime_kept_since('heads', flow), '-infinity') at time zone 'utc')::date,
    (
      select max(d.day) + 2
      from public.runtime_dropped d
      where d.data_class = 'heads' and d.stream_id = stream and d.subscription_id = 0
    )
  )
$$;
