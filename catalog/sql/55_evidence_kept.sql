-- What was seen of an API decides: whether it may go, whether traffic speaks for its contract. What was handed in
-- stands in the ledger in the name of who did it, and what was seen once does not become less.

-- A report of drift counts from the moment of the database at which it came, about the contract of that moment.
create or replace function catalog_drift_came() returns trigger language plpgsql as $$
begin
  new.recorded_at := clock_timestamp();
  if new.observed_until > clock_timestamp() + interval '1 hour 5 minutes' then
    raise exception 'nothing was observed of the time to come'
      using errcode = 'check_violation', constraint = 'drift_is_of_the_past';
  end if;
  if not exists (select from catalog_apiversion v where v.id = new.version_id and v.contract_id = new.contract_id) then
    raise exception 'what was observed was compared with another contract than that of the version'
      using errcode = 'check_violation', constraint = 'drift_of_the_present_contract';
  end if;
  return new;
end $$;
create or replace trigger came before insert on catalog_driftreport
  for each row execute function catalog_drift_came();

-- Who may change the API hands it in, and says so in the same transaction.
create or replace function catalog_may_change_api(person bigint, of_api bigint) returns boolean
language sql stable as $$
  select exists (select
                   from kernel_user u
                   join catalog_api a on a.id = of_api
                  where u.id = person
                    and u.is_active
                    and (u.is_superuser
                         or exists (select from catalog_apiuserobjectpermission o
                                      join auth_permission p on p.id = o.permission_id and p.codename = 'change_api'
                                     where o.user_id = u.id
                                       and o.content_object_id = a.id)
                         or exists (select from catalog_apigroupobjectpermission o
                                      join auth_permission p on p.id = o.permission_id and p.codename = 'change_api'
                                      join kernel_user_groups m on m.group_id = o.group_id
                                     where m.user_id = u.id
                                       and o.content_object_id = a.id)
                         or a.owner_team_id is null
                            and exists (select from kernel_user_groups m
                                          join catalog_team t on t.group_id = m.group_id and t.key = 'architects'
                                         where m.user_id = u.id)))
$$;

create or replace function catalog_drift_on_record() returns trigger language plpgsql as $$
declare
  about text;
  api bigint;
  place text := (select n.key from catalog_environment n where n.id = new.environment_id);
begin
  select a.slug || '@' || v.label, a.id into about, api
    from catalog_apiversion v
    join catalog_api a on a.id = v.api_id
   where v.id = new.version_id;
  if not catalog_may_change_api(new.recorded_by_id, api) then
    raise exception 'who may change the API hands in what was observed of it'
      using errcode = 'check_violation', constraint = 'drift_by_who_may';
  end if;
  if not exists (select from kernel_auditentry e
                  where e.subject_kind = 'version'
                    and e.subject_id = about
                    and e.verb = 'catalog.drift_observed'
                    and e.at >= now()
                    and catalog_written_here(e.xmin)
                    and e.actor_id = new.recorded_by_id
                    and e.after @> jsonb_build_object('report', new.report_id, 'environment', place,
                                                      'digest', new.body_digest)) then
    raise exception 'a report is written with its entry in the ledger'
      using errcode = 'check_violation', constraint = 'drift_is_on_record';
  end if;
  return null;
end $$;
drop trigger if exists on_record on catalog_driftreport;
create constraint trigger on_record after insert on catalog_driftreport
  deferrable initially deferred for each row execute function catalog_drift_on_record();

-- The newest report of an environment stays: nobody takes it away so that an older one speaks.
create or replace function catalog_drift_goes() returns trigger language plpgsql as $$
begin
  if not exists (select from catalog_driftreport r
                  where r.version_id = old.version_id
                    and r.environment_id = old.environment_id
                    and (r.observed_until, r.id) > (old.observed_until, old.id)) then
    raise exception 'the newest report of an environment stays'
      using errcode = 'check_violation', constraint = 'drift_report_is_kept';
  end if;
  return old;
end $$;
create or replace trigger kept before delete on catalog_driftreport
  for each row execute function catalog_drift_goes();

-- A batch of usage is taken in once, with its entry.
create or replace function catalog_usage_batch_on_record() returns trigger language plpgsql as $$
begin
  if not exists (select from kernel_auditentry e
                  where e.subject_kind = 'usage'
                    and e.subject_id = left(new.batch_id, 100)
                    and e.verb = 'catalog.usage_reported'
                    and e.at >= now()
                    and catalog_written_here(e.xmin)
                    and e.actor_id is not distinct from new.reporter_id
                    and e.after @> jsonb_build_object('digest', new.body_digest)) then
    raise exception 'a batch of usage is written with its entry in the ledger'
      using errcode = 'check_violation', constraint = 'usage_is_on_record';
  end if;
  return null;
end $$;
drop trigger if exists on_record on catalog_usagebatch;
create constraint trigger on_record after insert on catalog_usagebatch
  deferrable initially deferred for each row execute function catalog_usage_batch_on_record();

create or replace function catalog_usage_batch_kept() returns trigger language plpgsql as $$
begin
  raise exception 'a batch that was taken in stays as it was'
    using errcode = 'check_violation', constraint = 'usage_batch_is_kept';
end $$;
create or replace trigger kept before update or delete on catalog_usagebatch
  for each row execute function catalog_usage_batch_kept();

-- Calls that were seen do not become fewer, nor somebody else's, nor older: a consumer that was seen is one.
create or replace function catalog_usage_grows() returns trigger language plpgsql as $$
begin
  if (new.application_id, new.version_id, new.environment_id, new.day)
       <> (old.application_id, old.version_id, old.environment_id, old.day)
     or new.calls < old.calls
     or new.errors < old.errors
     or new.last_seen_at < old.last_seen_at then
    raise exception 'usage that was reported only grows'
      using errcode = 'check_violation', constraint = 'usage_only_grows';
  end if;
  return new;
end $$;
create or replace trigger grows before update on catalog_usageday
  for each row execute function catalog_usage_grows();

-- When a subscription was seen last is never earlier than it was.
create or replace function catalog_subscription_seen() returns trigger language plpgsql as $$
begin
  if old.last_seen_at is not null and (new.last_seen_at is null or new.last_seen_at < old.last_seen_at) then
    raise exception 'what was seen of a subscription stays seen'
      using errcode = 'check_violation', constraint = 'subscription_stays_seen';
  end if;
  return new;
end $$;
create or replace trigger seen before update of last_seen_at on catalog_subscription
  for each row execute function catalog_subscription_seen();

-- A consumer that has moved is none: when it moves is said for a day that has not passed.
create or replace function catalog_subscription_moves() returns trigger language plpgsql as $$
begin
  if new.moves_on is distinct from old.moves_on
     and new.moves_on < (clock_timestamp() at time zone 'UTC')::date - 1 then
    raise exception 'a consumer says by which day it will have moved before that day'
      using errcode = 'check_violation', constraint = 'move_lies_ahead';
  end if;
  return new;
end $$;
create or replace trigger moves before update of moves_on on catalog_subscription
  for each row execute function catalog_subscription_moves();
