-- Check results: which of them block, and what happens when one blocks again.

-- Whether those who approved a waiver saw this finding: this content (the digest of the change's subject), and what the
-- check says of it now. One that was asked for before any check had said something covers what is said of this content,
-- unless the change proposes something beside it. A waiver of before, which says neither, covers the revisions that
-- were checked before it was approved.
create or replace function governance_waiver_saw(waiver bigint, change bigint, content text, found jsonb)
returns boolean language sql stable as $$
  select case
           when w.subject_digest is not null then
             w.subject_digest = content
             and case
                   when w.seen_findings is null then c.parameters = '{}'
                   else exists (select from jsonb_array_elements(w.seen_findings) seen
                                 where seen = found - '{subject,line}'::text[])
                 end
           else exists (select from governance_changeevent e
                         where e.change_id = c.id
                           and e.kind = 'checked'
                           and e.data ->> 'digest' = c.subject_digest
                           and e.data ->> 'revision' = c.revision::text
                           and e.at <= coalesce((select min(a.sealed_at)
                                                   from governance_approval a
                                                  where a.subject_kind = 'waiver'
                                                    and a.subject_id = w.id::text
                                                    and a.digest = w.digest), w.granted_at))
         end
    from governance_waiver w
    join governance_changerequest c on c.id = change
   where w.id = waiver
$$;

-- A finding is settled by a granted waiver in force for exactly this rule, pointer, subject and environment, for what
-- the waiver's approvers saw, or by a live acceptance. Of several subjects the finding says which one it is about
-- (`subject`: kind and id), and nothing that settles another subject's finding counts; the only subject of a change
-- need not be said.
create or replace function governance_finding_settled(change bigint, found jsonb)
returns boolean language sql stable as $$
  with subjects as (
    select s.kind, s.subject_id, s.digest
      from governance_changesubject s
     where s.change_id = change
       and (found ->> 'subject' = s.kind || ' ' || s.subject_id
            or (select count(*) from governance_changesubject x where x.change_id = change) = 1))
  select exists (select from governance_waiver w
                   join governance_changerequest c on c.id = change
                   join subjects s on s.kind = w.subject_kind and s.subject_id = w.subject_id
                  where w.rule = found ->> 'rule'
                    and w.pointer = coalesce(found ->> 'pointer', '')
                    and w.environment = c.environment
                    and w.state = 'granted'
                    and w.starts_at <= clock_timestamp()
                    and clock_timestamp() < w.expires_at
                    and governance_waiver_saw(w.id, c.id, s.digest, found))
      or exists (select from governance_breakacceptance b
                   join governance_changerequest c on c.id = change
                  where b.change_id = change
                    and b.revision = c.revision
                    and b.diff_digest = c.diff_digest
                    and b.rule = found ->> 'rule'
                    and b.pointer = coalesce(found ->> 'pointer', '')
                    and b.voided_at is null
                    and exists (select from subjects s
                                 where (s.kind, s.subject_id) = (b.subject_kind, b.subject_id)
                                    or (b.subject_id = ''
                                        and (select count(*) from governance_changesubject x
                                              where x.change_id = change) = 1)))
$$;

-- A failed check whose errors are all settled does not block; one that failed without naming an error does.
create or replace view governance_blocking_check as
select c.id as change_id,
       r.check_id,
       r.status::text as status,
       case
         when r.subject_digest <> c.subject_digest then 'judged another digest'
         when r.status = 'not_run' then 'has not run'
         else 'failed'
       end as reason
  from governance_changerequest c
  join governance_checkresult r on r.change_id = c.id and r.revision = c.revision
 where r.subject_digest <> c.subject_digest
    or r.status = 'not_run'
    or (r.status = 'failed'
        and (not exists (select from jsonb_array_elements(r.findings) f where f ->> 'level' = 'error')
             or exists (select from jsonb_array_elements(r.findings) f
                         where f ->> 'level' = 'error'
                           and not governance_finding_settled(c.id, f))));

-- Takes the change's lock first, like every other step: a check that flips and a seal never pass each other unseen.
create or replace function governance_check_changed() returns trigger language plpgsql as $$
declare
  state text;
begin
  if new.change_id <> old.change_id or new.revision <> old.revision or new.check_id <> old.check_id then
    perform governance_refuse('check_result_stays_in_place',
                              'a check result keeps its change, revision and check');
  end if;
  select c.state into state from governance_changerequest c where c.id = new.change_id for update;
  if state in ('applied', 'rejected', 'withdrawn') then
    perform governance_refuse('change_is_closed', 'a closed change does not move');
  end if;
  return new;
end $$;
create or replace trigger guard before update on governance_checkresult
  for each row execute function governance_check_changed();

-- An approved change that has a blocking check again goes back into review; what is in effect already stays.
create or replace function governance_recheck(change bigint, reason text) returns void language plpgsql as $$
begin
  perform 1 from governance_changerequest c where c.id = change for update;
  if exists (select from governance_changerequest c where c.id = change and c.state = 'approved')
     and exists (select from governance_blocking_check b where b.change_id = change) then
    update governance_approval
       set voided_at = clock_timestamp(), void_reason = reason
     where change_id = change
       and voided_at is null
       and used_at is null;
    update governance_changerequest
       set state = 'in_review'
     where id = change
       and state = 'approved';
  end if;
end $$;

create or replace function governance_check_blocks_again() returns trigger language plpgsql as $$
begin
  perform governance_recheck(new.change_id, 'check ' || new.check_id || ' no longer passes');
  return null;
end $$;
create or replace trigger blocks_again after update on governance_checkresult
  for each row execute function governance_check_blocks_again();
