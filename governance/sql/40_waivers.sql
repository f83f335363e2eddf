-- Waivers: proposed, granted by an approval of exactly this waiver, perhaps revoked.

create or replace function governance_waiver_guard() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    perform governance_refuse('waiver_is_kept', 'a waiver is never deleted');
  end if;
  if tg_op = 'INSERT' then
    if new.state <> 'proposed' then
      perform governance_refuse('waiver_starts_as_proposed', 'a waiver starts as a proposal');
    end if;
    if new.application = '' and new.subject_digest is null
       or new.seen_findings is not null and jsonb_typeof(new.seen_findings) <> 'array' then
      perform governance_refuse('waiver_binds_what_is_present',
                                'a waiver of a finding says for which content it is, and what was found there');
    end if;
    return new;
  end if;
  if (to_jsonb(new) - '{state,granted_at,revoked_at,revoked_by_id}'::text[])
       <> (to_jsonb(old) - '{state,granted_at,revoked_at,revoked_by_id}'::text[])
     or (old.state = 'revoked')
     or (old.state = 'granted' and new.state <> 'revoked')
     or (old.state = 'granted' and new.granted_at is distinct from old.granted_at) then
    perform governance_refuse('waiver_is_immutable', 'a waiver can only be granted and revoked, once each');
  end if;
  if new.state = 'granted'
     and old.state = 'proposed'
     and not exists (select from governance_valid_approval a
                      where a.subject_kind = 'waiver'
                        and a.subject_id = new.id::text
                        and a.digest = new.digest
                        and a.environment = new.environment) then
    perform governance_refuse('waiver_needs_its_approval', 'a waiver is granted by an approval of exactly this waiver');
  end if;
  if new.state <> old.state then
    new.granted_at := case when new.state = 'granted' then clock_timestamp() else new.granted_at end;
    new.revoked_at := case when new.state = 'revoked' then clock_timestamp() end;
  end if;
  return new;
end $$;
create or replace trigger guard before insert or update or delete on governance_waiver
  for each row execute function governance_waiver_guard();

-- The findings that a revoked waiver had settled may block again.
create or replace function governance_waiver_ended() returns trigger language plpgsql as $$
declare
  touched record;
begin
  if new.state = 'revoked' and old.state <> 'revoked' then
    for touched in
      select s.change_id
        from governance_changesubject s
        join governance_changerequest c on c.id = s.change_id and c.state in ('in_review', 'approved')
       where s.kind = new.subject_kind
         and s.subject_id = new.subject_id
       order by s.change_id
    loop
      perform governance_recheck(touched.change_id, 'a waiver was revoked');
    end loop;
  end if;
  return null;
end $$;
create or replace trigger ended after update on governance_waiver
  for each row execute function governance_waiver_ended();
