-- Approvals: the sealed outcome of a review, or of break-glass, for one subject at one digest in one environment.

create or replace function governance_approval_guard() returns trigger language plpgsql as $$
declare
  c governance_changerequest%rowtype;
  b governance_breakglass%rowtype;
  persons bigint[];
  lent bigint[];
  lacking text;
begin
  if tg_op = 'DELETE' then
    perform governance_refuse('approval_is_kept', 'an approval is never deleted');
  end if;
  if tg_op = 'UPDATE' then
    if (to_jsonb(new) - '{voided_at,void_reason,used_at,used_by_text}'::text[])
         <> (to_jsonb(old) - '{voided_at,void_reason,used_at,used_by_text}'::text[])
       or (old.voided_at is not null
           and (new.voided_at, new.void_reason, new.used_at)
               is distinct from (old.voided_at, old.void_reason, old.used_at))
       or (old.used_at is not null and new.used_at is distinct from old.used_at) then
      perform governance_refuse('approval_is_immutable', 'an approval can only be used or voided, once each');
    end if;
    if old.used_at is null and new.used_at is not null and old.valid_from > clock_timestamp() then
      perform governance_refuse('approval_has_begun', format('approval %s is valid from %s', old.id, old.valid_from));
    end if;
    return new;
  end if;
  if new.voided_at is not null or new.used_at is not null then
    perform governance_refuse('approval_starts_live', 'an approval is neither used nor void at birth');
  end if;
  new.sealed_at := statement_timestamp();

  if new.origin = 'break_glass' then
    select * into b from governance_breakglass where id = new.break_glass_id for update;
    if b.confirmed_by_id is null
       or kernel_person(b.confirmed_by_id) = kernel_person(b.opened_by_id)
       or new.subject_kind <> b.subject_kind
       or new.subject_id <> b.subject_id
       or new.digest <> b.digest
       or new.environment <> b.environment
       or new.valid_until is null
       or new.valid_until > b.ends_at
       or new.valid_from < b.starts_at
       or new.valid_until > clock_timestamp() + interval '4 hours' then
      perform governance_refuse('break_glass_binds_one_digest',
                                'break-glass covers one digest in one environment for at most four hours, '
                                'confirmed by a second person');
    end if;
    return new;
  end if;

  new.valid_from := statement_timestamp();

  -- The approval is about the change as it is now.
  select * into c from governance_changerequest where id = new.change_id for update;
  if c.state <> 'in_review' then
    perform governance_refuse('approval_needs_a_review', format('change %s is %s', c.id, c.state));
  end if;
  if new.revision <> c.revision
     or new.environment <> c.environment
     or new.subject_digest <> c.subject_digest
     or new.diff_digest <> c.diff_digest
     or new.impact_digest <> c.impact_digest
     or new.policy_digest <> c.policy_digest
     or c.policy_digest = ''
     or c.policy_digest <> governance_policy_digest(c.policy_levels)
     or not exists (select from governance_changesubject s
                     where s.change_id = c.id
                       and s.kind = new.subject_kind
                       and s.subject_id = new.subject_id
                       and s.digest = new.digest) then
    perform governance_refuse('approval_binds_what_is_present',
                              'the approval is about other digests than the present ones');
  end if;

  -- One person fills one slot, and one right fills one slot: a delegate and the delegator count once.
  select coalesce(array_agg((s ->> 'person')::bigint order by (s ->> 'person')::bigint), '{}')
    into persons
    from jsonb_array_elements(new.filled_slots) s;
  if new.approver_ids <> persons
     or cardinality(persons) = 0
     or (select count(distinct kernel_person(p)) from unnest(persons) p) <> cardinality(persons) then
    perform governance_refuse('one_person_one_slot', 'every slot is filled by a different person');
  end if;
  select coalesce(array_agg(l), '{}')
    into lent
    from (select (s ->> 'right_of')::bigint as l,
                 (s ->> 'person')::bigint as p
            from jsonb_array_elements(new.filled_slots) s) filled
   where l <> p;
  if (select count(distinct kernel_person(p)) from unnest(persons || lent) p)
     <> cardinality(persons) + cardinality(lent) then
    perform governance_refuse('one_right_one_slot', 'a delegate and the delegator count once, for one slot');
  end if;

  -- Every slot of the revision is filled, each by a live decision of a person who may fill it.
  if exists (select from governance_slot s
              where s.change_id = c.id
                and s.revision = c.revision
                and not exists (select from jsonb_array_elements(new.filled_slots) e
                                 where (e ->> 'slot')::bigint = s.id))
     or (select count(*) from governance_slot s where s.change_id = c.id and s.revision = c.revision)
        <> jsonb_array_length(new.filled_slots) then
    perform governance_refuse('approval_needs_every_slot', 'not every slot of the change is filled');
  end if;
  if governance_unsettled_parties(c.id) is not null then
    perform governance_refuse('approval_knows_its_parties',
                              'another account has proved the address of ' || governance_unsettled_parties(c.id)
                              || ': whether they are one person is not known');
  end if;
  perform governance_hold_rights(persons || lent);
  if exists (select from jsonb_array_elements(new.filled_slots) e
              left join governance_slot s on s.id = (e ->> 'slot')::bigint
                                         and s.change_id = c.id
                                         and s.revision = c.revision
                                         and s.policy_digest = c.policy_digest
              left join governance_decision d on d.id = (e ->> 'decision')::bigint
                                             and d.change_id = c.id
                                             and d.revision = c.revision
                                             and d.person_id = (e ->> 'person')::bigint
                                             and d.voided_at is null
                                             and d.outcome = 'approve'
                                             and (d.subject_digest, d.diff_digest, d.impact_digest, d.policy_digest)
                                               = (c.subject_digest, c.diff_digest, c.impact_digest, c.policy_digest)
             where s.id is null
                or d.id is null
                or governance_is_party(c.id, d.person_id)
                or not governance_may_fill_as(s.group_ids, c.id, d.person_id,
                                              coalesce((e ->> 'right_of')::bigint, d.person_id), d.at)) then
    perform governance_refuse('approval_rests_on_live_decisions',
                              'a slot is not filled by a live decision of a person who may fill it');
  end if;

  -- The slots, checks and levels are those that the active policies ask for.
  lacking := governance_lacks(c.id);
  if lacking is not null then
    perform governance_refuse('approval_needs_what_policy_asks',
                              'the change lacks what the policy asks for: ' || lacking);
  end if;

  -- Nothing speaks against it.
  if exists (select from governance_decision d
              where d.change_id = c.id
                and d.voided_at is null
                and d.outcome <> 'approve') then
    perform governance_refuse('approval_over_an_objection', 'somebody rejected the change or asked for changes');
  end if;
  if not exists (select from governance_checkresult r where r.change_id = c.id and r.revision = c.revision)
     or exists (select from governance_blocking_check k where k.change_id = c.id) then
    perform governance_refuse('approval_with_blocking_checks', 'a check failed or has not run');
  end if;
  return new;
end $$;
create or replace trigger guard before insert or update or delete on governance_approval
  for each row execute function governance_approval_guard();

-- The event goes into the outbox in the transaction that voids: it is lost only if the voiding is.
create or replace function governance_approval_voided() returns trigger language plpgsql as $$
begin
  if old.voided_at is null and new.voided_at is not null then
    insert into kernel_outboxevent
      (topic, key, payload, request_id, created_at, available_at, attempts, last_error)
    values (
      'governance.approval_voided',
      new.subject_id,
      jsonb_build_object(
        'approval', new.id,
        'change', new.change_id,
        'subject_kind', new.subject_kind,
        'subject_id', new.subject_id,
        'digest', new.digest,
        'environment', new.environment,
        'reason', new.void_reason
      ),
      '', now(), now(), 0, ''
    );
  end if;
  return null;
end $$;
create or replace trigger voided after update on governance_approval
  for each row execute function governance_approval_voided();
