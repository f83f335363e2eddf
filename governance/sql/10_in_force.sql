-- What is in force at this very moment, cheap enough for every claim of the runtime to join.

-- One row for each approval that is valid now. One that was used has begun: a clock that goes back does not take that
-- away. Its end, and what voids it, count as ever.
create or replace view governance_valid_approval as
select a.id as approval_id,
       a.subject_kind,
       a.subject_id,
       a.digest,
       a.environment
  from governance_approval a
 where a.voided_at is null
   and (a.used_at is not null or a.valid_from <= (select clock_timestamp()))
   and (a.valid_until is null or (select clock_timestamp()) < a.valid_until);

-- One row for each freeze window that is in force now. Null in a column means all; tier n covers the tiers 0 to n.
-- A name that the catalog does not have (`unresolved`) leaves its column null, so the window counts for all there.
-- Only the strictness `work` stops claims.
do $$
begin
  -- For an hour of this file's life the columns had no length, which `create or replace` cannot change. The views of
  -- the runtime that read this one are made again by its own files.
  if exists (select from pg_attribute
              where attrelid = to_regclass('governance_active_freeze') and attname = 'channel' and atttypmod <> 84) then
    drop view governance_active_freeze cascade;
  end if;
end $$;

create or replace view governance_active_freeze as
select w.id as freeze_id,
       w.environment,
       w.tier::int as tier,
       w.domain,
       w.system,
       w.strictness,
       c.key::varchar(80) as channel,
       b.key::varchar(80) as banner,
       w.name,
       upper(i.period) as ends_at,
       w.channel_id,
       w.banner_id,
       w.region_id,
       w.store_zone
  from governance_freezeinterval i
  join governance_freezewindow w on w.id = i.freeze_id
  left join catalog_scopevalue c on c.id = w.channel_id
  left join catalog_scopevalue b on b.id = w.banner_id
 where w.ended_at is null
   and i.period @> (select clock_timestamp())
union all
-- A window whose occurrences nobody has worked out for now may be open.
select w.id,
       w.environment,
       w.tier::int,
       w.domain,
       w.system,
       w.strictness,
       c.key::varchar(80),
       b.key::varchar(80),
       w.name,
       (select clock_timestamp()) + interval '1 day',
       w.channel_id,
       w.banner_id,
       w.region_id,
       w.store_zone
  from governance_freezewindow w
  left join catalog_scopevalue c on c.id = w.channel_id
  left join catalog_scopevalue b on b.id = w.banner_id
 where w.ended_at is null
   and (w.compiled_until is null or w.compiled_until <= (select clock_timestamp()));
