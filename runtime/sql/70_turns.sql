-- Which lane is next. The claim walks the lanes that are awake in their order, tier by tier, and stops at the first
-- that can be taken: what it costs does not grow with the lanes that wait, and those that have nothing to take sleep.

-- A lane stands in the order by the tier of its target.
create or replace function runtime_progress_tier() returns trigger
language plpgsql as $$
begin
  new.tier := coalesce((select s.tier from runtime_subscription s where s.id = new.subscription_id), new.tier);
  return new;
end $$;

create or replace trigger runtime_progress_tier before insert on runtime_progress for each row
  execute function runtime_progress_tier();

-- It follows its target into another tier. What was written to a stream while a target was closed woke nobody.
create or replace function runtime_subscription_turns() returns trigger
language plpgsql as $$
begin
  update runtime_progress p
  set tier = new.tier,
      asleep = p.asleep and old.open
  where p.subscription_id = new.id;
  return null;
end $$;

create or replace trigger runtime_subscription_turns after update on runtime_subscription for each row
  when (new.tier is distinct from old.tier or (new.open and not old.open))
  execute function runtime_subscription_turns();

-- What moves a lane wakes it: a claim, also one of an older version of the product, and a change of lanes. One that is
-- awake does not wait for its gate to open.
create or replace function runtime_progress_awake() returns trigger
language plpgsql as $$
begin
  new.asleep := false;
  new.at_gate := false;
  return new;
end $$;

create or replace trigger runtime_progress_awake before update on runtime_progress for each row
  when (
    old.asleep
    and (
      not new.asleep
      or (new.position, new.upto, new.intent, new.token) is distinct from
        (old.position, old.upto, old.intent, old.token)
    )
  )
  execute function runtime_progress_awake();

-- A lane that is released goes to the end of its line. One that comes back again and again within a moment keeps its
-- place there: the order is an index, and each new place in it costs an entry.
create or replace function runtime_end_of_line(waits_since timestamptz) returns timestamptz
language sql volatile as $$
  select case when waits_since > clock_timestamp() - interval '0.2 s' then waits_since else clock_timestamp() end
$$;

-- The lane whose turn it is, locked: the one that has waited longest in the most critical tier. Lanes of lost owners
-- stand where they stood when they were taken, which is before all that wait since then. Each is judged by its own row
-- first, then by its target, then by the gate. What the gate says of one lane is not asked again for the next: people
-- close a deployment, a target or a system, and a vendor that takes nothing more takes nothing of other lanes. Stores
-- are told apart (`runtime_kind_of_store`) only from where a lane is closed while a freeze of stores is in force: then
-- the tier is walked once more.
-- A lane is free when nobody holds it, when the database session of its owner has ended, or when its lease has. Nobody
-- holds one that was released, whatever the clock says. `leases_until` is the time by the clock of before, where the
-- worker knows that it was set ahead: leases within the longest there is from it go on by that clock, others were
-- stored or moved since (`runtime/ledger/sql/lease_is_over.sql`). The probe of an open circuit breaker that is kept for
-- a person's question is not taken (`runtime/ledger/sql/probe_is_free.sql`). A token fences what an owner that is gone
-- could still write; what it could still send (its open intent) is quarantined until its lease ends. An owner that is
-- wrongly taken for gone, behind a connection pooler say, is fenced and loses time; one that is wrongly taken for alive
-- keeps the lane to its lease's end. The plans are pinned: with a sort, or a look at all lanes, the price would grow
-- with them.
create or replace function runtime_next_lane(
  tiers int[], only_these bigint[], shards int[], shard_count int, leases_until timestamptz, kept_for_question float8
) returns table (
  subscription_id bigint, lane smallint, release_id bigint, owner varchar, lease_ended_at timestamptz
)
language plpgsql volatile rows 1
set enable_sort = off
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  of_tier int;
  found_lane record;
  closed text[] := '{}';
  full_vendors bigint[] := '{}';
  by_store boolean := false;
  once_more boolean;
begin
  for of_tier in select distinct t.tier from unnest(tiers) t (tier) order by t.tier loop
    loop
      once_more := false;
      for found_lane in
        select
          o.subscription_id,
          o.lane,
          d.release_id,
          v.id as vendor_id,
          v.concurrency,
          concat_ws(
            chr(31), d.id, s.target, v.system_key, case when by_store then runtime_kind_of_store(s.instance) end
          ) as judged
        from runtime_progress o
        join runtime_subscription s on s.id = o.subscription_id
        join runtime_lane l on l.stream_id = s.stream_id and l.lane = o.lane
        join runtime_deployment d on d.id = s.deployment_id
        join runtime_vendorstate v on v.id = s.vendor_id
        where not o.asleep
          and o.tier = of_tier
          and o.not_before < clock_timestamp()
          and (only_these is null or o.subscription_id = any(only_these))
          and (shards is null or o.subscription_id % shard_count = any(shards))
          and (
            o.owner is null
            or o.session is null
            or (
              o.lease_until < clock_timestamp()
              and (o.lease_until between leases_until and leases_until + interval '200 s') is not true
            )
            or not exists (select from pg_stat_get_activity(o.session))
          )
          and s.open
          and s.held_until <= clock_timestamp()
          and (
            o.intent is not null
            or o.position < least(l.next - 1, o.upto, case when s.after_subscription is not null then (
              select a.position
              from runtime_progress a
              where a.subscription_id = s.after_subscription
                and a.lane = o.lane
            ) end)
          )
          and d.active
          and not d.paused
          and v.not_before <= clock_timestamp()
          and (
            v.breaker = 'closed'
            or (
              v.open_until <= clock_timestamp()
              and v.probe_until <= clock_timestamp()
              and (
                v.probe_subscription is null
                or v.probe_lane is not null
                or v.open_until < clock_timestamp() - make_interval(secs => kept_for_question)
              )
            )
          )
        order by o.waits_since
      loop
        continue when found_lane.judged = any(closed) or found_lane.vendor_id = any(full_vendors);
        if found_lane.concurrency is not null then
          if found_lane.concurrency <= runtime_places_taken(found_lane.vendor_id) then
            full_vendors := full_vendors || found_lane.vendor_id;
            continue;
          end if;
        end if;
        if not runtime_may_take(found_lane.subscription_id, found_lane.release_id) then
          if exists (select from runtime_permitted p where p.subscription_id = found_lane.subscription_id) then
            full_vendors := full_vendors || found_lane.vendor_id;
          elsif not by_store and runtime_stores_are_frozen() then
            by_store := true;
            once_more := true;
            exit;
          else
            closed := closed || found_lane.judged;
          end if;
          continue;
        end if;
        return query
          select
            w.subscription_id,
            w.lane,
            found_lane.release_id,
            w.owner,
            w.lease_until
          from runtime_progress w
          where w.subscription_id = found_lane.subscription_id
            and w.lane = found_lane.lane
            and (
              w.owner is null
              or w.session is null
              or (
                w.lease_until < clock_timestamp()
                and (w.lease_until between leases_until and leases_until + interval '200 s') is not true
              )
              or not exists (select from pg_stat_get_activity(w.session))
            )
            and w.not_before < clock_timestamp()
          for update skip locked;
        if found then
          return;
        end if;
      end loop;
      exit when not once_more;
    end loop;
  end loop;
end $$;

-- Whether a freeze that names stores holds work now.
create or replace function runtime_stores_are_frozen() returns boolean
language sql stable as $$
  select exists (
    select
    from public.governance_active_freeze f
    where f.strictness = 'work'
      and (coalesce(f.banner_id, f.channel_id, f.region_id) is not null or f.store_zone is not null)
  )
$$;

-- What freezes of stores go by (`runtime_freezes_store`): an instance is held by each that holds another one of its
-- kind. Text of its own for all stores at once, and for what is no store.
create or replace function runtime_kind_of_store(of_instance text) returns text
language sql stable as $$
  select case when of_instance = '' then 'all' else coalesce((
    select format('%s %s %s %s', t.banner_id, t.channel_id, t.region_id, t.zone)
    from public.catalog_retailstore t
    where t.key = of_instance
      and t.retired_at is null), 'none') end
$$;

-- How many lanes of a vendor are held now.
create or replace function runtime_places_taken(of_vendor bigint) returns bigint
language plpgsql stable as $$
begin
  return (
    select count(*)
    from runtime_subscription s
    join runtime_progress h on h.subscription_id = s.id
    where s.vendor_id = of_vendor
      and h.owner is not null
      and h.lease_until > clock_timestamp()
  );
end $$;
