-- Acceptances: a person takes one finding of the difference upon the change.

create or replace function governance_acceptance_guard() returns trigger language plpgsql as $$
declare
  c governance_changerequest%rowtype;
begin
  if tg_op = 'DELETE' then
    perform governance_refuse('acceptance_is_kept', 'an acceptance is never deleted');
  end if;
  if tg_op = 'UPDATE' then
    if old.voided_at is not null
       or new.voided_at is null
       or (to_jsonb(new) - 'voided_at') <> (to_jsonb(old) - 'voided_at') then
      perform governance_refuse('acceptance_is_append_only', 'an acceptance can only be voided, once');
    end if;
    return new;
  end if;
  select * into c from governance_changerequest where id = new.change_id for update;
  if c.state <> 'in_review'
     or new.revision <> c.revision
     or new.diff_digest <> c.diff_digest
     or c.diff_digest = ''
     or new.voided_at is not null then
    perform governance_refuse('acceptance_binds_what_is_present',
                              'the acceptance is about another revision or difference');
  end if;
  if not exists (select from governance_changesubject s
                  where s.change_id = c.id
                    and (s.kind, s.subject_id) = (new.subject_kind, new.subject_id)) then
    perform governance_refuse('acceptance_names_a_subject', 'the acceptance names a subject of its change');
  end if;
  perform governance_hold_rights(array[new.person_id]);
  new.at := clock_timestamp();
  if not governance_may_fill(array(select jsonb_array_elements_text(new.group_ids_needed)::int),
                             c.id, new.person_id, new.at) then
    perform governance_refuse('acceptance_needs_a_right', 'this person may not accept the finding in this way');
  end if;
  if new.kind = 'breaking'
     and new.migrate_by is not null
     and not exists (select from governance_slot s
                      where s.change_id = c.id
                        and s.revision = c.revision
                        and s.key = 'release_manager') then
    perform governance_refuse('truly_breaking_needs_its_slots',
                              'what truly breaks is decided by a release manager and its consumers as well');
  end if;
  return new;
end $$;
create or replace trigger guard before insert or update or delete on governance_breakacceptance
  for each row execute function governance_acceptance_guard();

create or replace function governance_acceptance_voided() returns trigger language plpgsql as $$
begin
  if old.voided_at is null and new.voided_at is not null then
    perform governance_recheck(new.change_id, 'an accepted difference is no longer accepted');
  end if;
  return null;
end $$;
create or replace trigger voided after update on governance_breakacceptance
  for each row execute function governance_acceptance_voided();
