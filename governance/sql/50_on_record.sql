-- What was decided counts only with its entry in the ledger: it is written in the same transaction, or nothing is. The
-- database says when an entry was written and by which transaction, so neither one of before nor one of another will
-- do.

create or replace function governance_on_record(
  verbs text[], about text, subject text, person bigint default null, holding jsonb default '{}'
) returns boolean language sql stable as $$
  select exists (select from kernel_auditentry e
                  where e.subject_kind = about
                    and e.subject_id = subject
                    and e.verb = any(verbs)
                    and e.at >= now()
                    and catalog_written_here(e.xmin)
                    and (person is null or e.actor_id = person)
                    and coalesce(e.after, '{}') @> holding)
$$;

create or replace function governance_decision_on_record() returns trigger language plpgsql as $$
begin
  if not governance_on_record(
       array[case new.outcome when 'approve' then 'governance.decision_approved'
                              when 'reject' then 'governance.decision_rejected'
                              else 'governance.decision_changes_requested' end],
       'change', new.change_id::text, new.person_id,
       jsonb_build_object('subject_digest', new.subject_digest, 'diff_digest', new.diff_digest,
                          'impact_digest', new.impact_digest, 'policy_digest', new.policy_digest)) then
    perform governance_refuse('decision_is_on_record', 'a decision is written with its entry in the ledger');
  end if;
  return null;
end $$;
drop trigger if exists on_record on governance_decision;
create constraint trigger on_record after insert on governance_decision
  deferrable initially deferred for each row execute function governance_decision_on_record();

create or replace function governance_approval_on_record() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    if old.used_at is null
       and new.used_at is not null
       and not governance_on_record(array['governance.approval_used'], 'approval', new.id::text) then
      perform governance_refuse('approval_is_on_record', 'an approval is used with an entry in the ledger');
    end if;
  elsif new.origin = 'break_glass' then
    if not governance_on_record(array['governance.break_glass_confirmed'], 'break_glass', new.break_glass_id::text,
                                (select b.confirmed_by_id from governance_breakglass b where b.id = new.break_glass_id),
                                jsonb_build_object('digest', new.digest, 'environment', new.environment)) then
      perform governance_refuse('approval_is_on_record', 'an approval is written with its entry in the ledger');
    end if;
  elsif not governance_on_record(array['governance.change_approved'], 'change', new.change_id::text, null,
                                 jsonb_build_object('approvals', jsonb_build_array(new.id),
                                                    'approvers', to_jsonb(new.approver_ids),
                                                    'digest', new.subject_digest)) then
    perform governance_refuse('approval_is_on_record', 'an approval is written with its entry in the ledger');
  end if;
  return null;
end $$;
drop trigger if exists on_record on governance_approval;
create constraint trigger on_record after insert or update of used_at on governance_approval
  deferrable initially deferred for each row execute function governance_approval_on_record();

create or replace function governance_breakglass_on_record() returns trigger language plpgsql as $$
declare
  about jsonb := jsonb_build_object('subject', new.subject_id, 'digest', new.digest, 'environment', new.environment);
  step text;
  person bigint;
begin
  if tg_op = 'INSERT' then
    step := 'opened';
    person := new.opened_by_id;
  elsif old.confirmed_by_id is null and new.confirmed_by_id is not null then
    step := 'confirmed';
    person := new.confirmed_by_id;
  elsif old.reviewed_by_id is null and new.reviewed_by_id is not null then
    step := 'reviewed';
    person := new.reviewed_by_id;
  else
    return null;
  end if;
  if not governance_on_record(array['governance.break_glass_' || step], 'break_glass', new.id::text, person, about) then
    perform governance_refuse('break_glass_is_on_record', 'each step of break-glass is written with its entry in the '
                                                          'ledger');
  end if;
  return null;
end $$;
drop trigger if exists on_record on governance_breakglass;
create constraint trigger on_record after insert or update of confirmed_by_id, reviewed_by_id on governance_breakglass
  deferrable initially deferred for each row execute function governance_breakglass_on_record();

-- A person delegates in their own name. It ends by their word, or because one of the two has left.
create or replace function governance_delegation_on_record() returns trigger language plpgsql as $$
declare
  step text := case tg_op when 'INSERT' then 'governance.right_delegated' else 'governance.delegation_revoked' end;
  moved text[] := array['kernel.account_closed', 'kernel.account_reopened'];
begin
  if governance_on_record(array[step], 'delegation', new.id::text, new.delegator_id) then
    return null;
  end if;
  if tg_op = 'INSERT'
     or not governance_on_record(array[step], 'delegation', new.id::text)
     or not (governance_on_record(moved, 'user', new.delegator_id::text)
             or governance_on_record(moved, 'user', new.delegate_id::text)) then
    perform governance_refuse('delegation_is_on_record', 'a delegation is written with its entry in the ledger');
  end if;
  return null;
end $$;
drop trigger if exists on_record on governance_delegation;
create constraint trigger on_record after insert or update on governance_delegation
  deferrable initially deferred for each row execute function governance_delegation_on_record();

create or replace function governance_freeze_on_record() returns trigger language plpgsql as $$
begin
  if old.ended_at is null
     and new.ended_at is not null
     and not governance_on_record(array['governance.freeze_ended'], 'freeze', new.id::text) then
    perform governance_refuse('freeze_is_on_record', 'a freeze ends with an entry in the ledger');
  end if;
  return null;
end $$;
drop trigger if exists on_record on governance_freezewindow;
create constraint trigger on_record after update on governance_freezewindow
  deferrable initially deferred for each row execute function governance_freeze_on_record();

-- Occurrences go when the rules of a time zone are others by now; that, too, is told.
create or replace function governance_occurrence_on_record() returns trigger language plpgsql as $$
begin
  if not governance_on_record(array['governance.freeze_compiled_again', 'governance.freeze_ended'], 'freeze',
                              old.freeze_id::text) then
    perform governance_refuse('freeze_is_on_record', 'an occurrence of a freeze goes with an entry in the ledger');
  end if;
  return null;
end $$;
drop trigger if exists on_record on governance_freezeinterval;
create constraint trigger on_record after delete or update on governance_freezeinterval
  deferrable initially deferred for each row execute function governance_occurrence_on_record();

-- The entry says what began or ended, of which version, and where: one about another place is none. What is replaced
-- has the entry of what takes its place.
create or replace function governance_release_on_record() returns trigger language plpgsql as $$
declare
  replaced boolean := tg_op = 'UPDATE' and new.ended_how = 'replaced';
  said text := case
                 when tg_op = 'INSERT' or replaced then 'governance.application_' || new.mode
                 when new.ended_how = 'support' then 'governance.release_ended'
                 else 'governance.application_undeployed'
               end;
begin
  if not exists (select from kernel_auditentry e
                  where e.at >= now()
                    and catalog_written_here(e.xmin)
                    and e.subject_kind = 'application'
                    and e.verb = said
                    and e.after ->> 'environment' = new.environment
                    and normalize(e.after ->> 'instance') = normalize(new.instance)
                    and case when replaced then starts_with(e.subject_id, left(new.application || '@', 120))
                             else e.subject_id = left(new.application || '@' || new.version, 120) end) then
    perform governance_refuse('release_record_is_on_record', 'what runs where is recorded with an entry in the ledger');
  end if;
  return null;
end $$;
drop trigger if exists on_record on governance_applicationrelease;
create constraint trigger on_record after insert or update of ended_at on governance_applicationrelease
  deferrable initially deferred for each row execute function governance_release_on_record();

-- What a record says of the gate, and how it ended, stays: the gate reads it on that day. That nobody missed what was
-- taken away is found out by the transaction that ends it.
create or replace function governance_release_marks() returns trigger language plpgsql as $$
begin
  if (new.against_gate, new.verdict_id, new.recorded_by_id)
       is distinct from (old.against_gate, old.verdict_id, old.recorded_by_id)
     or (old.ended_at is not null
         and ((new.ended_by_id, new.ended_how) is distinct from (old.ended_by_id, old.ended_how)
              or new.ended_against_gate <> old.ended_against_gate
                 and not exists (select from governance_applicationrelease r
                                  where r.id = old.id
                                    and catalog_written_here(r.xmin)))) then
    perform governance_refuse('release_content_stays',
                              'a record of what runs is never rewritten; record what runs now');
  end if;
  return new;
end $$;
create or replace trigger marks before update on governance_applicationrelease
  for each row execute function governance_release_marks();

-- A policy takes effect, and goes out of it, with an entry; a level that had one keeps one.
create or replace function governance_policy_on_record() returns trigger language plpgsql as $$
begin
  if new.state = 'active'
     and not governance_on_record(array['governance.policy_activated'], 'policy', new.level, null,
                                  jsonb_build_object('version', new.version, 'digest', new.digest)) then
    perform governance_refuse('policy_is_on_record', 'a policy takes effect with an entry in the ledger');
  end if;
  if new.state = 'superseded'
     and not exists (select from governance_policy p
                      where p.level = new.level
                        and p.state = 'active'
                        and p.version > new.version) then
    perform governance_refuse('policy_is_succeeded', 'a policy ends when a later version of its level takes effect');
  end if;
  return null;
end $$;
drop trigger if exists on_record on governance_policy;
create constraint trigger on_record after update of state on governance_policy
  deferrable initially deferred for each row when (new.state is distinct from old.state)
  execute function governance_policy_on_record();
