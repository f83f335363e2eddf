-- Policies: a version is written once, activated once by an approval (the first version of a level needs none) and
-- superseded once.

create or replace function governance_policy_guard() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    perform governance_refuse('policy_is_kept', 'a policy version is never deleted');
  end if;
  if tg_op = 'INSERT' then
    if new.state <> 'draft' then
      perform governance_refuse('policy_starts_as_draft', 'a policy version starts as a draft');
    end if;
    return new;
  end if;
  if (to_jsonb(new) - '{state,activated_at,summary}'::text[])
       <> (to_jsonb(old) - '{state,activated_at,summary}'::text[])
     or (old.state = 'superseded' and new.state <> 'superseded')
     or (old.state = 'active' and new.state = 'draft')
     or (old.state = 'draft' and new.state = 'superseded') then
    perform governance_refuse('policy_is_immutable',
                              'a policy version is activated once and superseded once; a change is a new version');
  end if;
  if new.state = 'active'
     and old.state = 'draft'
     and exists (select from governance_policy p
                  where p.level = new.level
                    and p.id <> new.id
                    and p.state in ('active', 'superseded'))
     and not exists (select from governance_valid_approval a
                      where a.subject_kind = 'policy'
                        and a.subject_id = new.level
                        and a.digest = new.digest) then
    perform governance_refuse('policy_needs_its_approval', 'a new policy version takes effect by an approved change');
  end if;
  return new;
end $$;
create or replace trigger guard before insert or update or delete on governance_policy
  for each row execute function governance_policy_guard();

-- The guard of the change recomputes its policy digest; the trigger after it voids what rested on the old one.
create or replace function governance_policy_moved() returns trigger language plpgsql as $$
begin
  if new.state is distinct from old.state then
    update governance_changerequest c
       set policy_digest = governance_policy_digest(c.policy_levels)
     where c.state in ('draft', 'in_review', 'approved')
       and c.policy_levels && array[new.level]::varchar[];
  end if;
  return null;
end $$;
create or replace trigger moved after update on governance_policy
  for each row execute function governance_policy_moved();
