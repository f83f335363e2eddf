-- Who may do what is in the ledger, whatever wrote it. A service tells more than a row can, so the database looks at
-- the end of the transaction whether an entry of this very transaction says it, and writes one where none does.

-- Whether a row that we can see was written by this very transaction, within a savepoint or outside of one: it alone
-- has not committed yet. A row knows 32 bits of the number of its transaction; the rest is that of the numbers nearby.
create or replace function catalog_written_here(by_transaction xid) returns boolean language plpgsql volatile as $$
declare
  near bigint := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
  given bigint := by_transaction::text::bigint;
begin
  return pg_xact_status((near + ((given - near + 2147483648) & 4294967295) - 2147483648)::text::xid8) = 'in progress';
end $$;

-- How an entry may name the value of a column: teams by their key or name, people by their name.
create or replace function catalog_names_of(col text, value jsonb) returns setof text
language plpgsql stable as $$
begin
  return next value #>> '{}';
  if col ~ '(team|group)_id$' then
    return query select g.name::text from public.auth_group g where g.id = (value #>> '{}')::int;
    return query select n.name
                   from public.catalog_team t, lateral (values (t.key::text), (t.name::text)) n(name)
                  where t.group_id = (value #>> '{}')::int;
  elsif col ~ '(user|account|person|_by)_id$' then
    return query select n.name
                   from public.kernel_user u,
                        lateral (values (u.username::text), (u.first_name || ' ' || u.last_name)) n(name)
                  where u.id = (value #>> '{}')::bigint;
  end if;
end $$;

-- Whether an entry of this transaction is about one of the subjects and names each of the values.
create or replace function catalog_told_here(kinds text[], subjects text[], named jsonb) returns boolean
language sql volatile as $$
  select exists (
    select from public.kernel_auditentry e
     where e.subject_kind = any(kinds)
       and e.subject_id = any(subjects)
       and e.at >= now()
       and public.catalog_written_here(e.xmin)
       and not exists (
         select from jsonb_each(named) f
          where not exists (
            select from public.catalog_names_of(f.key, f.value) n(name)
             where jsonb_path_exists(coalesce(e.after, '{}'), '$.** ? (@ == $name)',
                                     jsonb_build_object('name', n.name)))))
$$;

-- `told`: the columns that say who may do what. `words`: those of them whose new value an entry has to name; where it
-- does not, it is none about this. The entry that the database writes is about the first of the kinds and subjects.
create or replace function catalog_row_told(
  stem text, kinds text[], subjects text[], was jsonb, is_now jsonb, told text[], words text[]
) returns void language plpgsql as $$
declare
  nothing constant jsonb[] := array['null', '""', '[]', '{}']::jsonb[];
  former jsonb;
  present jsonb;
  named jsonb;
begin
  select jsonb_object_agg(c, was -> c), jsonb_object_agg(c, is_now -> c),
         jsonb_object_agg(c, is_now -> c) filter (where c = any(words) and is_now -> c <> all(nothing))
    into former, present, named
    from unnest(told) c
   where case when was = '{}' or is_now = '{}' then coalesce(was -> c, is_now -> c) <> all(nothing || 'false'::jsonb)
              else was -> c is distinct from is_now -> c end;
  if present is null or catalog_told_here(kinds, subjects, coalesce(named, '{}')) then
    return;
  end if;
  perform kernel_tell(
    stem || case when was = '{}' then '_made' when is_now = '{}' then '_removed' else '_changed' end,
    kinds[1], left(subjects[1], 120),
    case when was <> '{}' then former end,
    case when is_now = '{}' then '{}'
         else present || coalesce((select jsonb_build_object('names', jsonb_agg(distinct n.name))
                                     from jsonb_each(present) f, catalog_names_of(f.key, f.value) n(name)
                                    where f.key ~ '(team|group|user|account|person|_by)_id$'
                                      and n.name <> f.value #>> '{}'), '{}') end);
end $$;

-- The trigger for a table: stem of the verb; kinds of its subject; the column that names the subject, or a column with
-- the table and column that it stands for; columns told; words of a change; words of a new row.
create or replace function catalog_row_written() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
declare
  was jsonb := case when tg_op = 'INSERT' then '{}' else to_jsonb(old) end;
  is_now jsonb := case when tg_op = 'DELETE' then '{}' else to_jsonb(new) end;
  place text[] := string_to_array(tg_argv[2], ':');
  subject text := case when tg_op = 'DELETE' then was else is_now end ->> place[1];
begin
  if cardinality(place) = 3 then
    execute format('select %I::text from public.%I where id = $1', place[3], place[2]) into subject
      using subject::bigint;
  end if;
  perform catalog_row_told(tg_argv[0], string_to_array(tg_argv[1], ','), array[subject], was, is_now,
                           string_to_array(tg_argv[3], ','),
                           string_to_array(case when tg_op = 'UPDATE' then tg_argv[4] else tg_argv[5] end, ','));
  return null;
end $$;

-- Owners fill slots and edit; what is restricted is seen by few.
drop trigger if exists told_at_the_end on catalog_domain;
create constraint trigger told_at_the_end after insert or update or delete on catalog_domain
  deferrable initially deferred for each row
  execute function catalog_row_written('catalog.domain', 'domain', 'key', 'key,owner_team_id', 'owner_team_id', '');
drop trigger if exists told_at_the_end on catalog_system;
create constraint trigger told_at_the_end after insert or update or delete on catalog_system
  deferrable initially deferred for each row
  execute function catalog_row_written('catalog.system', 'system', 'key',
                                       'key,owner_team_id,third_party,retired_at', 'owner_team_id', '');
drop trigger if exists told_at_the_end on catalog_team;
create constraint trigger told_at_the_end after update of retired_at on catalog_team
  deferrable initially deferred for each row
  execute function catalog_row_written('catalog.team', 'team', 'key', 'retired_at', '', '');
drop trigger if exists told_at_the_end on catalog_application;
create constraint trigger told_at_the_end after insert or update or delete on catalog_application
  deferrable initially deferred for each row
  execute function catalog_row_written('catalog.application', 'application', 'key',
                                       'key,team_id,agent_account_id,retired_at', 'team_id', '');
drop trigger if exists told_at_the_end on catalog_api;
create constraint trigger told_at_the_end 
  after insert or delete or update of slug, owner_team_id, visibility, data_class, tier_id, system_id, domain_id,
                                      third_party, retired_at on catalog_api
  deferrable initially deferred for each row
  execute function catalog_row_written(
    'catalog.api', 'api', 'slug',
    'slug,owner_team_id,visibility,data_class,tier_id,system_id,domain_id,third_party,retired_at',
    'owner_team_id,visibility,data_class', '');
drop trigger if exists told_at_the_end on catalog_environment;
create constraint trigger told_at_the_end after insert or update or delete on catalog_environment
  deferrable initially deferred for each row
  execute function catalog_row_written('catalog.environment', 'environment', 'key',
                                       'key,records_complete_since,records_enforced_from', '', '');
drop trigger if exists told_at_the_end on catalog_slatier;
create constraint trigger told_at_the_end after insert or update or delete on catalog_slatier
  deferrable initially deferred for each row
  execute function catalog_row_written('catalog.tier', 'tier', 'level', 'level,rules', '', '');

-- A subscription is told of at the version that it uses, and by blueprints under a name of their own.
create or replace function catalog_subscription_written() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
declare
  was jsonb := case when tg_op = 'INSERT' then '{}' else to_jsonb(old) end;
  is_now jsonb := case when tg_op = 'DELETE' then '{}' else to_jsonb(new) end;
  version text;
  application text;
  place text;
begin
  select a.slug || '@' || v.label into version
    from catalog_apiversion v
    join catalog_api a on a.id = v.api_id
   where v.id = coalesce(new.version_id, old.version_id);
  select a.key into application
    from catalog_application a
   where a.id = coalesce(new.application_id, old.application_id);
  select n.key into place from catalog_environment n where n.id = coalesce(new.environment_id, old.environment_id);
  perform catalog_row_told('catalog.subscription', array['version', 'subscription'],
                           array[version, concat_ws(' ', application, version, place)], was, is_now,
                           array['application_id', 'version_id', 'environment_id', 'state', 'valid_from',
                                 'valid_until', 'moves_on'], '{}');
  return null;
end $$;
drop trigger if exists told_at_the_end on catalog_subscription;
create constraint trigger told_at_the_end
  after insert or delete or update of application_id, version_id, environment_id, state, valid_from, valid_until,
                                      moves_on
  on catalog_subscription deferrable initially deferred for each row execute function catalog_subscription_written();

-- Who may provide what: a blueprint names the application and the API.
create or replace function catalog_provider_right_written() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
declare
  was jsonb := case when tg_op = 'INSERT' then '{}' else to_jsonb(old) end;
  is_now jsonb := case when tg_op = 'DELETE' then '{}' else to_jsonb(new) end;
  slug text;
  application text;
begin
  select a.slug into slug from catalog_api a where a.id = coalesce(new.api_id, old.api_id);
  select a.key into application
    from catalog_application a
   where a.id = coalesce(new.application_id, old.application_id);
  perform catalog_row_told('catalog.provider_right', array['api', 'provider_right'],
                           array[slug, application || ' ' || slug], was, is_now,
                           array['application_id', 'api_id', 'ended_at'], '{}');
  return null;
end $$;
drop trigger if exists told_at_the_end on catalog_providerright;
create constraint trigger told_at_the_end after insert or update or delete on catalog_providerright
  deferrable initially deferred for each row execute function catalog_provider_right_written();

-- Who sees or edits a single API. What an owner team gets by being the owner follows from who owns it, which is told.
create or replace function catalog_sight_written() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
declare
  r jsonb;
  api record;
  about jsonb;
begin
  foreach r in array array[case when tg_op <> 'INSERT' then to_jsonb(old) || '{"verb": "taken"}' end,
                           case when tg_op <> 'DELETE' then to_jsonb(new) || '{"verb": "given"}' end] loop
    continue when r is null;
    select a.slug, a.owner_team_id into api from catalog_api a where a.id = (r ->> 'content_object_id')::bigint;
    select jsonb_build_object('permission', p.codename) into about
      from auth_permission p
     where p.id = (r ->> 'permission_id')::int;
    continue when about ->> 'permission' = 'change_api'
                  and r ? 'group_id'
                  and case r ->> 'verb'
                        when 'given' then api.owner_team_id is not distinct from (r ->> 'group_id')::int
                        else api.owner_team_id is distinct from (r ->> 'group_id')::int
                             and catalog_told_here(array['api'], array[api.slug], '{}')
                      end;
    perform kernel_tell('catalog.api_right_' || (r ->> 'verb'), 'api',
                        coalesce(api.slug, r ->> 'content_object_id'), null,
                        about || case when r ? 'user_id'
                                      then jsonb_build_object('account', (select u.username from kernel_user u
                                                                           where u.id = (r ->> 'user_id')::bigint))
                                      else jsonb_build_object('team', (select g.name from auth_group g
                                                                        where g.id = (r ->> 'group_id')::int)) end);
  end loop;
  return null;
end $$;
drop trigger if exists told_at_the_end on catalog_apiuserobjectpermission;
create constraint trigger told_at_the_end after insert or update or delete on catalog_apiuserobjectpermission
  deferrable initially deferred for each row execute function catalog_sight_written();
drop trigger if exists told_at_the_end on catalog_apigroupobjectpermission;
create constraint trigger told_at_the_end after insert or update or delete on catalog_apigroupobjectpermission
  deferrable initially deferred for each row execute function catalog_sight_written();
