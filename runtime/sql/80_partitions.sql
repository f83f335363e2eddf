-- The log's partitions are made, exchanged and dropped by the owner of its tables, in the name of the role that serves:
-- that one changes no table. Each function refuses what the product itself would not ask for.

-- What a partition holds: since <= arrival < until. No row for what is no partition of the log, or for the default one.
create or replace function runtime_partition_bounds(part text) returns table (since timestamptz, until timestamptz)
language sql stable set search_path to public, pg_temp as $$
  select coalesce(substring(b.said from 'FROM \(''([^'']+)''\)')::timestamptz, '-infinity'),
         coalesce(substring(b.said from 'TO \(''([^'']+)''\)')::timestamptz, 'infinity')
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
   cross join lateral pg_get_expr(c.relpartbound, c.oid) as b(said)
   where i.inhparent = 'runtime_message'::regclass
     and c.relname = part
     and c.relname <> 'runtime_message_default'
$$;

-- What still needs a partition of the log, one line each; none where it can be dropped. `x` has the first and the last
-- position of each lane in it, found by the key: nobody looks through a month of messages, nor through what waits
-- elsewhere.
create or replace function runtime_partition_holds(part text) returns setof text
language plpgsql stable security definer set search_path to public, pg_temp as $$
declare
  bounds record;
begin
  select * into strict bounds from runtime_partition_bounds(part);
  return query execute format($text$
    with recursive lanes as (
      (select m.stream_id, m.lane from %1$I m order by m.stream_id, m.lane limit 1)
      union all
      select n.stream_id, n.lane
        from lanes l
       cross join lateral (select m.stream_id, m.lane
                             from %1$I m
                            where (m.stream_id, m.lane) > (l.stream_id, l.lane)
                            order by m.stream_id, m.lane
                            limit 1) n
    ),
    x as materialized (
      select l.stream_id, l.lane, f.position as first, t.position as last
        from lanes l
       cross join lateral (select m.position from %1$I m
                            where m.stream_id = l.stream_id and m.lane = l.lane
                            order by m.position limit 1) f
       cross join lateral (select m.position from %1$I m
                            where m.stream_id = l.stream_id and m.lane = l.lane
                            order by m.position desc limit 1) t
    )
    select 'a target has still to take messages'
     where exists (select from x
                     join runtime_subscription s on s.stream_id = x.stream_id and s.open
                     join runtime_progress p on p.subscription_id = s.id and p.lane = x.lane
                    where x.last > p.position
                      and (p.upto is null or exists (
                            select from %1$I m
                             where m.stream_id = x.stream_id and m.lane = x.lane
                               and m.position > p.position and m.position <= p.upto)))
    union all
    select 'messages are in quarantine or wait for a person'
     where exists (select from x
                     join runtime_subscription s on s.stream_id = x.stream_id
                     join runtime_quarantine k on k.subscription_id = s.id and k.lane = x.lane
                    where k.position between x.first and x.last
                      and exists (select from %1$I m
                                   where m.stream_id = x.stream_id and m.lane = x.lane and m.position = k.position
                                  offset 0))
    union all
    select 'a call has no answer yet'
     where exists (select from x
                     join runtime_subscription s on s.stream_id = x.stream_id
                     join runtime_progress p on p.subscription_id = s.id and p.lane = x.lane
                    where p.intent between x.first and x.last
                      and exists (select from %1$I m
                                   where m.stream_id = x.stream_id and m.lane = x.lane and m.position = p.intent))
    union all
    select 'a replay of this time is planned or under way'
     where exists (select from runtime_replay r
                    where r.state in ('planned', 'running') and r.since < $2 and r.until >= $1)
    union all
    select 'a conflict about one of its messages is open'
     where exists (select from runtime_conflict c
                     join runtime_head h on h.stream_id = c.stream_id and h.key = c.key
                     join x on x.stream_id = c.stream_id and h.position between x.first and x.last
                    where c.state = 'open'
                      and exists (select from %1$I m
                                   where m.stream_id = x.stream_id and m.lane = x.lane
                                     and m.position = h.position and m.key = c.key))
    union all
    select 'the database went back, and recovery has not ended'
     where exists (select from runtime_rewind w where w.ended_at is null)
    union all
    select 'known keys of its facts have not been looked through yet'
     where exists (select from runtime_stream st
                    where st.immutable
                      and runtime_kept_since('heads', st.integration_id) > '-infinity'
                      and exists (select from x where x.stream_id = st.id)
                      and coalesce((select max(d.day)
                                      from runtime_dropped d
                                     where d.data_class = 'heads' and d.stream_id = st.id), '-infinity')
                          < ($2 at time zone 'utc')::date - 1)
    union all
    select 'kept longer by policy: ' || i.key
      from runtime_stream st
      join runtime_integration i on i.id = st.integration_id
     where runtime_kept_since('messages', st.integration_id) < $2
       and exists (select from x where x.stream_id = st.id)
  $text$, part) using bounds.since, bounds.until;
end $$;

-- One at a time, which attaching needs, too.
create or replace function runtime_lock_partitions() returns void
language plpgsql security definer set search_path to public, pg_temp as $$
begin
  lock table only runtime_message in share update exclusive mode;
end $$;

-- A month, made beside the log and attached: who reads or writes the log is in nobody's way.
create or replace function runtime_add_partition(since timestamptz, until timestamptz) returns void
language plpgsql security definer set search_path to public, pg_temp set timezone to 'UTC' as $$
declare
  part text := 'runtime_message_' || to_char(since, 'YYYYMM');
begin
  if since <> date_trunc('month', since) or until <> since + interval '1 month' then
    raise exception 'a partition of the log holds one month' using errcode = 'invalid_parameter_value';
  end if;
  execute format('create table %I (like runtime_message including all, '
                 'check (received_at >= %L and received_at < %L))', part, since, until);
  execute format('alter table runtime_message attach partition %I for values from (%L) to (%L)', part, since, until);
end $$;

-- From here to the exchange the default partition takes only what the new one is to hold. With this constraint nothing
-- has to be read while it is exchanged. Without times: no longer so.
create or replace function runtime_bound_default(since timestamptz, until timestamptz) returns void
language plpgsql security definer set search_path to public, pg_temp set timezone to 'UTC' as $$
begin
  alter table runtime_message_default drop constraint if exists runtime_message_adopted;
  if until is not null then
    execute format('alter table runtime_message_default add constraint runtime_message_adopted '
                   'check (received_at >= %L and received_at < %L) not valid',
                   coalesce(since, '-infinity'::timestamptz), until);
  end if;
end $$;

create or replace function runtime_look_through_default() returns void
language plpgsql security definer set search_path to public, pg_temp as $$
begin
  alter table runtime_message_default validate constraint runtime_message_adopted;
end $$;

-- The default partition, as it is, becomes the partition of these times; an empty table is the default one.
create or replace function runtime_adopt_default(part text, since timestamptz, until timestamptz) returns void
language plpgsql security definer set search_path to public, pg_temp set timezone to 'UTC' as $$
begin
  if part !~ '^runtime_message_[0-9]{6}(_[0-9]{6})?$' then
    raise exception '% is no name of a partition', part using errcode = 'invalid_parameter_value';
  end if;
  alter table runtime_message detach partition runtime_message_default;
  execute format('alter table runtime_message_default rename to %I', part);
  create table runtime_message_default (like runtime_message including all);
  alter table runtime_message attach partition runtime_message_default default;
  execute format('alter table runtime_message attach partition %I for values from (%s) to (%L)', part,
                 coalesce(quote_literal(since), 'minvalue'), until);
end $$;

-- A month that is over, by the names of its keys without the number of a correction and the date of a state: once
-- retention drops known keys of its days, erasure finds what stands under one by this index. Nobody writes into such a
-- month but an erasure, which waits; readers do not. False where it is there.
create or replace function runtime_index_keys(part text) returns boolean
language plpgsql security definer set search_path to public, pg_temp as $$
declare
  bounds record;
begin
  select * into strict bounds from runtime_partition_bounds(part);
  if bounds.until > now() then
    raise exception '% is not over yet', part using errcode = 'invalid_parameter_value';
  end if;
  if to_regclass(quote_ident(part || '_keys')) is not null then
    return false;
  end if;
  execute format($text$
    create index %I on %I using hash ((regexp_replace(split_part(key, '‖', 1), '#[0-9]{1,2}$', '')))
  $text$, part || '_keys', part);
  execute format('analyze %I', part);
  return true;
end $$;

-- Nothing goes that something still needs, or that a policy keeps.
create or replace function runtime_drop_partition(part text) returns void
language plpgsql security definer set search_path to public, pg_temp as $$
declare
  held text;
begin
  select string_agg(why, '; ') into held from runtime_partition_holds(part) as why;
  if held is not null then
    raise exception '% is kept: %', part, held using errcode = 'insufficient_privilege';
  end if;
  execute format('alter table runtime_message detach partition %I', part);
  execute format('drop table %I', part);
end $$;

revoke all on function runtime_partition_holds(text), runtime_lock_partitions(),
  runtime_add_partition(timestamptz, timestamptz), runtime_bound_default(timestamptz, timestamptz),
  runtime_look_through_default(), runtime_adopt_default(text, timestamptz, timestamptz), runtime_index_keys(text),
  runtime_drop_partition(text)
  from public;
