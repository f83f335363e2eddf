-- Who may fill a slot of a change.

-- Author, submitter and contributors are parties of a change; they never decide on it.
create or replace function governance_is_party(change bigint, person bigint) returns boolean language sql stable as $$
  select exists (select from governance_changerequest c
                  where c.id = change
                    and (c.author_id = person or c.submitter_id = person))
      or exists (select from governance_contributor c
                  where c.change_id = change
                    and c.person_id = person)
$$;

-- May this person fill a slot of these groups, as a member or as a delegate of any member? Membership is read now;
-- a delegation counts if it was in force at the moment of the decision and was not revoked since.
create or replace function governance_may_fill(groups int[], change bigint, person bigint, at timestamptz)
returns boolean language sql stable as $$
  select exists (select from kernel_user u where u.id = person and u.is_active and u.kind = 'person')
     and not governance_is_party(change, person)
     and (exists (select from kernel_user_groups m where m.user_id = person and m.group_id = any(groups))
       or exists (select from governance_delegation d
                    join kernel_user_groups m on m.user_id = d.delegator_id and m.group_id = d.group_id
                    join kernel_user f on f.id = d.delegator_id and f.is_active and f.kind = 'person'
                   where d.delegate_id = person
                     and d.group_id = any(groups)
                     and d.revoked_at is null
                     and d.starts_at <= at
                     and at < d.ends_at
                     and not governance_is_party(change, d.delegator_id)))
$$;

-- The same, by exactly one right: as a member where `right_of` is the person, otherwise by a delegation of that
-- delegator.
create or replace function governance_may_fill_as(
  groups int[], change bigint, person bigint, right_of bigint, at timestamptz
) returns boolean language sql stable as $$
  select exists (select from kernel_user u where u.id = person and u.is_active and u.kind = 'person')
     and not governance_is_party(change, person)
     and case
           when right_of = person
           then exists (select from kernel_user_groups m where m.user_id = person and m.group_id = any(groups))
           else exists (select from governance_delegation d
                          join kernel_user_groups m on m.user_id = d.delegator_id and m.group_id = d.group_id
                          join kernel_user f on f.id = d.delegator_id and f.is_active and f.kind = 'person'
                         where d.delegate_id = person
                           and d.delegator_id = right_of
                           and d.group_id = any(groups)
                           and d.revoked_at is null
                           and d.starts_at <= at
                           and at < d.ends_at
                           and not governance_is_party(change, d.delegator_id))
         end
$$;

-- Locks the rows that give these persons their rights until the transaction ends. A transaction that takes a right
-- away waits for ours, or it was first and we see that the right is gone.
create or replace function governance_hold_rights(persons bigint[]) returns void language plpgsql as $$
begin
  perform 1 from kernel_user where id = any(persons) order by id for share;
  perform 1 from kernel_user_groups where user_id = any(persons) order by id for share;
  perform 1 from governance_delegation where delegate_id = any(persons) order by id for share;
end $$;
