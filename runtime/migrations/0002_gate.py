"""The gate in SQL, the guards that hold for raw SQL too, and the storage settings of the hot tables."""

from django.db import migrations

STORAGE = """
alter table runtime_progress set (fillfactor = 20, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);
alter table runtime_lane set (fillfactor = 50, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);
alter table runtime_stream set (fillfactor = 50);
alter table runtime_vendorstate set (fillfactor = 50, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);
alter table runtime_head set (fillfactor = 90);
alter table runtime_parked set (fillfactor = 70, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0.02);
"""

# Who may take work at all (people's decisions), and who may take it now (the vendor's state). Both are read by every claim
# and by every step, so they join only small tables by their keys.
GATE = """
-- Writes that go against a system of record in force at this very moment: a copy onto the record itself, a copy from somebody
-- who is not the record, a command to anybody else.
create view runtime_against_record as
select w.release_id, w.target, w.entity, w.attribute_group, w.kind, y.key as record
  from runtime_entitywrite w
  join catalog_businessentity e on e.key = w.entity
  join catalog_boundary b on b.entity_id = e.id and b.valid @> clock_timestamp()
  join catalog_system y on y.id = b.system_id
  left join catalog_attributegroup a on a.id = b.attribute_group_id
  left join catalog_scopevalue sb on sb.id = b.banner_id
  left join catalog_scopevalue sr on sr.id = b.region_id
  left join catalog_scopevalue sc on sc.id = b.channel_id
 where (a.key is null or w.attribute_group is null or a.key = w.attribute_group)
   and (sb.key is null or not w.scope ? 'banner' or w.scope ->> 'banner' = sb.key)
   and (sr.key is null or not w.scope ? 'region' or w.scope ->> 'region' = sr.key)
   and (sc.key is null or not w.scope ? 'channel' or w.scope ->> 'channel' = sc.key)
   and case w.kind when 'replica' then y.key = w.target_system or y.key <> w.source_system else y.key <> w.target_system end;

create view runtime_permitted as
select s.id as subscription_id, s.vendor_id, d.id as deployment_id, d.release_id
  from runtime_subscription s
  join runtime_deployment d on d.id = s.deployment_id and d.active and not d.paused
  join runtime_release r on r.id = d.release_id
  join runtime_integration i on i.id = r.integration_id
  join runtime_vendorstate v on v.id = s.vendor_id
  join governance_valid_approval a on a.approval_id = d.approval_id and a.subject_kind = 'integration' and a.subject_id = i.key
                                  and a.digest = r.digest and a.environment = d.environment
 where s.open
   and not exists (select from runtime_pin p join catalog_apiversion c on c.id = p.version_id
                    where p.release_id = r.id and (c.state = 'retired' or c.sunset_at <= clock_timestamp()))
   and not exists (select from runtime_against_record w where w.release_id = r.id and w.target = s.target)
   and not exists (select from governance_active_freeze f
                    where f.strictness = 'work' and (f.environment is null or f.environment = d.environment) and (f.tier is null or r.tier <= f.tier)
                      and (f.domain is null or f.domain = i.domain_key) and (f.system is null or f.system = v.system_key));

create view runtime_gate as
select p.subscription_id, p.vendor_id, p.deployment_id, p.release_id
  from runtime_permitted p join runtime_vendorstate v on v.id = p.vendor_id
 where v.not_before <= clock_timestamp()
   and (v.breaker = 'closed' or (v.open_until <= clock_timestamp() and v.probe_until <= clock_timestamp()))
   and (v.rate is null or least(v.burst, v.allowance + v.rate * extract(epoch from clock_timestamp() - v.refilled_at)) >= 1)
   and (v.budget is null or v.spent < v.budget or v.spent_on < (clock_timestamp() at time zone 'UTC')::date);
"""

# The gate as a question about one subscription and release: asked lazily, candidate by candidate, with a plan of its own.
QUESTION = """
create function runtime_may_take(asked bigint, by_release bigint) returns boolean language plpgsql volatile as $$
begin
  return exists (select from runtime_gate g where g.subscription_id = asked and g.release_id = by_release);
end $$;
"""

# No token is ever issued to a closed subscription, whoever runs the statement. The one exception takes no work: a claim
# that may only ask about calls which were made before the gate closed.
GUARDS = """
create function runtime_progress_token() returns trigger language plpgsql as $$
begin
  if new.token < old.token then
    raise exception 'tokens only grow (subscription %, lane %)', new.subscription_id, new.lane using errcode = 'check_violation';
  end if;
  if new.token = old.token and new.owner is not null then
    raise exception 'a new owner needs a new token (subscription %, lane %)', new.subscription_id, new.lane using errcode = 'check_violation';
  end if;
  if new.token > old.token then
    if new.ask_only then
      if old.intent is null then
        raise exception 'nothing to ask about (subscription %, lane %)', new.subscription_id, new.lane using errcode = 'insufficient_privilege';
      end if;
    elsif not exists (select from runtime_gate g where g.subscription_id = new.subscription_id) then
      raise exception 'gate closed for subscription %', new.subscription_id using errcode = 'insufficient_privilege';
    end if;
  end if;
  return new;
end $$;
create trigger runtime_progress_token before update on runtime_progress for each row
  when (new.token is distinct from old.token or new.owner is distinct from old.owner) execute function runtime_progress_token();

create function runtime_progress_move() returns trigger language plpgsql as $$
begin
  if new.position < old.position then
    raise exception 'a position only grows (subscription %, lane %)', new.subscription_id, new.lane using errcode = 'check_violation';
  end if;
  if new.ask_only and (new.position > coalesce(old.intent, old.position) or new.intent > coalesce(old.intent, 0)) then
    raise exception 'this claim may only ask (subscription %, lane %)', new.subscription_id, new.lane using errcode = 'insufficient_privilege';
  end if;
  return new;
end $$;
create trigger runtime_progress_move before update on runtime_progress for each row
  when (new.position < old.position or new.ask_only) execute function runtime_progress_move();

create function runtime_parked_token() returns trigger language plpgsql as $$
begin
  if new.token < old.token then
    raise exception 'tokens only grow (subscription %, position %)', new.subscription_id, new.position using errcode = 'check_violation';
  end if;
  if new.ask_only then
    if old.state <> 'sending' then
      raise exception 'nothing to ask about (subscription %, position %)', new.subscription_id, new.position using errcode = 'insufficient_privilege';
    end if;
  elsif not exists (select from runtime_gate g where g.subscription_id = new.subscription_id) then
    raise exception 'gate closed for subscription %', new.subscription_id using errcode = 'insufficient_privilege';
  end if;
  return new;
end $$;
create trigger runtime_parked_token before update on runtime_parked for each row
  when (new.token is distinct from old.token) execute function runtime_parked_token();

create function runtime_deployment_guard() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and (new.release_id, new.integration_id, new.environment, new.approval_id, new.kind)
      is distinct from (old.release_id, old.integration_id, old.environment, old.approval_id, old.kind) then
    raise exception 'what was deployed under an approval does not change: deploy anew' using errcode = 'check_violation';
  end if;
  if new.active and (tg_op = 'INSERT' or not old.active) and not exists (
      select from runtime_release r join runtime_integration i on i.id = r.integration_id
        join governance_valid_approval a on a.approval_id = new.approval_id and a.subject_kind = 'integration' and a.subject_id = i.key
                                        and a.digest = r.digest and a.environment = new.environment
       where r.id = new.release_id and r.integration_id = new.integration_id) then
    raise exception 'no valid approval binds this release to %', new.environment using errcode = 'insufficient_privilege';
  end if;
  return new;
end $$;
create trigger runtime_deployment_guard before insert or update on runtime_deployment for each row execute function runtime_deployment_guard();

create function runtime_append_only() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end $$;
create trigger runtime_append_only before update or delete on runtime_release for each row execute function runtime_append_only();
create trigger runtime_append_only before update or delete on runtime_entitywrite for each row execute function runtime_append_only();
create trigger runtime_append_only before update or delete on runtime_pin for each row execute function runtime_append_only();
create trigger runtime_append_only before update or delete on runtime_message for each row execute function runtime_append_only();
create trigger runtime_append_only before update or delete on runtime_delivery for each row execute function runtime_append_only();
create trigger runtime_append_only before update or delete on runtime_attempt for each row execute function runtime_append_only();
"""

UNDO = """
drop trigger runtime_append_only on runtime_attempt; drop trigger runtime_append_only on runtime_delivery;
drop trigger runtime_append_only on runtime_message; drop trigger runtime_append_only on runtime_pin; drop trigger runtime_append_only on runtime_entitywrite; drop trigger runtime_append_only on runtime_release; drop function runtime_append_only;
drop trigger runtime_deployment_guard on runtime_deployment; drop function runtime_deployment_guard;
drop trigger runtime_parked_token on runtime_parked; drop function runtime_parked_token;
drop trigger runtime_progress_move on runtime_progress; drop function runtime_progress_move;
drop trigger runtime_progress_token on runtime_progress; drop function runtime_progress_token;
drop function runtime_may_take; drop view runtime_gate; drop view runtime_permitted; drop view runtime_against_record;
"""


class Migration(migrations.Migration):
    dependencies = [("runtime", "0001_initial"), ("catalog", "0001_initial"), ("governance", "0002_views")]
    operations = [migrations.RunSQL(STORAGE + GATE + QUESTION + GUARDS, UNDO)]
