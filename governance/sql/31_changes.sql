-- A change request: its states, its digests, and what happens when a digest moves.

create or replace function governance_change_guard() returns trigger language plpgsql as $$
declare
  moved boolean;
begin
  if tg_op = 'INSERT' then
    if new.state <> 'draft' then
      perform governance_refuse('change_starts_as_draft', 'a change starts as a draft');
    end if;
    new.subject_digest := '';
    new.policy_digest := governance_policy_digest(new.policy_levels);
    return new;
  end if;
  if new.author_id <> old.author_id
     or new.kind <> old.kind
     or (old.submitter_id is not null and new.submitter_id is distinct from old.submitter_id) then
    perform governance_refuse('change_keeps_its_author', 'author, submitter and kind of a change do not change');
  end if;
  if old.state in ('applied', 'rejected', 'withdrawn') then
    if new.state <> old.state
       or new.environment <> old.environment
       or new.revision <> old.revision
       or new.diff_digest <> old.diff_digest
       or new.impact_digest <> old.impact_digest
       or new.subject_digest <> old.subject_digest
       or new.policy_digest <> old.policy_digest then
      perform governance_refuse('change_is_closed', 'a closed change does not move');
    end if;
    return new;
  end if;

  new.subject_digest := governance_subject_digest(new.id);
  new.policy_digest := governance_policy_digest(new.policy_levels);
  moved := (new.subject_digest, new.diff_digest, new.impact_digest, new.policy_digest, new.environment, new.revision)
    is distinct from
    (old.subject_digest, old.diff_digest, old.impact_digest, old.policy_digest, old.environment, old.revision);
  if moved and old.state = 'approved' and new.state = 'approved' then
    new.state := 'in_review';
  end if;

  if new.state <> old.state then
    if not ((old.state = 'draft' and new.state in ('in_review', 'withdrawn'))
         or (old.state = 'in_review' and new.state in ('approved', 'rejected', 'withdrawn'))
         or (old.state = 'approved' and new.state in ('in_review', 'applied', 'withdrawn'))) then
      perform governance_refuse('change_moves_along_its_states',
                                format('a change does not go from %s to %s', old.state, new.state));
    end if;
    if old.state = 'draft' and new.state = 'in_review' then
      if new.subject_digest = ''
         or new.diff_digest = ''
         or new.impact_digest = ''
         or new.policy_digest = ''
         or not exists (select from governance_slot s
                         where s.change_id = new.id and s.revision = new.revision)
         or not exists (select from governance_checkresult r
                         where r.change_id = new.id and r.revision = new.revision) then
        perform governance_refuse('change_needs_evidence',
                                  'without subject, difference, impact set, policy, slots and checks '
                                  'there is nothing to review');
      end if;
      if exists (select from governance_breakglass b
                  where b.confirmed_by_id is not null
                    and b.reviewed_at is null
                    and b.owner_team_ids && new.owner_team_ids) then
        perform governance_refuse('break_glass_debt_is_open',
                                  'the owner team has a break-glass use that nobody has reviewed yet');
      end if;
    end if;
    if old.state = 'draft' and new.state = 'in_review' and new.submitter_id is null then
      perform governance_refuse('change_beyond_draft_has_a_submitter', 'a submitted change has a submitter');
    end if;
    if new.state in ('approved', 'applied')
       and exists (select from governance_changesubject s
                    where s.change_id = new.id
                      and not exists (select from governance_approval a
                                       where a.change_id = new.id
                                         and a.voided_at is null
                                         and a.subject_kind = s.kind
                                         and a.subject_id = s.subject_id
                                         and a.digest = s.digest
                                         and a.environment = new.environment)) then
      perform governance_refuse('change_needs_its_approval',
                                'a change is approved when every subject has a sealed approval');
    end if;
  end if;
  return new;
end $$;
create or replace trigger guard before insert or update on governance_changerequest
  for each row execute function governance_change_guard();

-- The guard computed the digests; here what rested on the old ones becomes void.
create or replace function governance_change_moved() returns trigger language plpgsql as $$
declare
  reason text;
begin
  if old.state in ('applied', 'rejected', 'withdrawn') then
    return null;
  end if;
  reason := case
    when new.subject_digest <> old.subject_digest then 'the subject changed'
    when new.diff_digest <> old.diff_digest then 'the difference changed'
    when new.impact_digest <> old.impact_digest then 'the impact set grew'
    when new.policy_digest <> old.policy_digest then 'the policy changed'
    when new.environment <> old.environment then 'the environment changed'
    when new.revision <> old.revision then 'a new revision began'
  end;
  if reason is not null then
    perform governance_void(new.id, reason);
  elsif new.state in ('rejected', 'withdrawn') then
    update governance_approval
       set voided_at = clock_timestamp(), void_reason = 'the change was ' || new.state
     where change_id = new.id
       and voided_at is null;
  end if;
  return null;
end $$;
create or replace trigger moved after update on governance_changerequest
  for each row execute function governance_change_moved();
