-- Who may fill a slot of a change.

-- Author, submitter and contributors are parties of a change; they never decide on it.
-- By none of their accounts.
create or replace function governance_is_party(change bigint, person bigint) returns boolean language sql stable as $$
  with who as (select kernel_accounts_of(person) as accounts)
  select exists (select from governance_changerequest c
                  where c.id = change
                    and (c.author_id = any(who.accounts) or c.submitter_id = any(who.accounts)))
      or exists (select from governance_contributor c
                  where c.change_id = change
                    and c.person_id = any(who.accounts))
    from who
$$;

-- A person with an open account, of whom it is known which other accounts are theirs.
create or replace function governance_is_somebody(person bigint) returns boolean language sql stable as $$
  select exists (select from kernel_user u where u.id = person and u.is_active and u.kind = 'person')
     and not kernel_unsettled(person)
$$;

-- The names of the parties of a change of whom that is not known: their change is not sealed. Null where there is
-- none.
create or replace function governance_unsettled_parties(change bigint) returns text language sql stable as $$
  select string_agg(u.username, ', ' order by u.username)
    from kernel_user u
   where (exists (select from governance_changerequest c
                   where c.id = change
                     and (c.author_id = u.id or c.submitter_id = u.id))
       or exists (select from governance_contributor c
                   where c.change_id = change
                     and c.person_id = u.id))
     and kernel_unsettled(u.id)
$$;

-- A right or a password that somebody gave fills no slot for some hours, so that nobody becomes two people in an
-- afternoon. So many they are for this change: what the strictest of its policies says, a day where none says anything.
create or replace function governance_rest_hours(change bigint) returns int language sql stable as $$
  select coalesce(max((p.document ->> 'rights_rest_hours')::int), 24)
    from governance_changerequest c
    join governance_policy p on p.state = 'active' and p.level = any(c.policy_levels)
   where c.id = change
$$;

-- How many hours they are where a right decides without a change, such as for break-glass: what the strictest of all
-- policies says.
create or replace function governance_rest_hours_anywhere() returns int language sql stable as $$
  select coalesce(max((p.document ->> 'rights_rest_hours')::int), 24)
    from governance_policy p
   where p.state = 'active'
$$;

-- Until when an installation was set up: until its first policy came into force, by the ledger.
create or replace function governance_set_up_until() returns timestamptz language sql stable as $$
  select coalesce((select min(e.at) from kernel_auditentry e where e.verb = 'governance.policy_activated'),
                  (select min(p.created_at) from governance_policy p where p.state <> 'draft'))
$$;

-- Whether the identity provider gave it, as the entry says and as the account is: anybody can write the word.
create or replace function governance_by_provider(said jsonb, person bigint) returns boolean language sql stable as $$
  select coalesce(said ->> 'way', '') = 'provider'
     and exists (select from kernel_user u
                  where u.id = person
                    and (starts_with(u.username, 'oidc:')
                         or exists (select from governance_provideridentity i where i.person_id = u.id))
                    and starts_with(u.password, '!'))
$$;

-- Whether a pattern of the provider's groups can mean this team.
create or replace function governance_pattern_means(pattern text, roles boolean, member_of int) returns boolean
language sql stable as $$
  select exists (select from catalog_team t
                  where t.group_id = member_of
                    and t.key like replace(pattern, '*', '_%')
                    and (roles or t.kind <> 'role'))
$$;

-- Whether some mapping, by name or by pattern, makes groups of the provider this one.
create or replace function governance_is_mapped(member_of int) returns boolean language sql stable as $$
  select exists (select from governance_groupmapping g where g.group_id = member_of)
      or exists (select from governance_grouppattern p where governance_pattern_means(p.team, p.roles, member_of))
$$;

-- The entries of the ledger for which the right of this person as a member of this group does not count yet at this
-- moment; without a group only what was done to the account itself. Own changes of a password are other entries, and so
-- is what the identity provider says by a mapping that is older: of an account of the provider, which has no password,
-- and of a group that a mapping names. What was given before the first policy of the
-- installation belongs to its set-up.
create or replace function governance_resting(person bigint, member_of int, at timestamptz, hours int)
returns table (entry bigint, verb text, given_by text, given_at timestamptz) language sql stable as $$
  with recent as (
    select e.id, e.verb, e.actor_text, e.at, e.subject_kind, e.before, e.after
      from kernel_auditentry e
     where (e.subject_kind, e.subject_id) in (('user', person::text), ('second_factor', person::text),
                                              ('group', member_of::text))
       and hours > 0
       and e.at > governance_resting.at - make_interval(hours => hours)
       and e.at <= governance_resting.at
       and e.at > governance_set_up_until()
  )
  select r.id, r.verb, r.actor_text, r.at
    from recent r
   where case r.verb
           when 'kernel.account_created' then not governance_by_provider(r.after, person)
           when 'kernel.account_changed' then r.before ->> 'username' <> r.after ->> 'username'
                                           or r.before ->> 'kind' <> r.after ->> 'kind'
           when 'kernel.account_reopened' then true
           when 'kernel.password_reset' then true
           when 'kernel.factor_reset' then true
           when 'kernel.factor_given' then true
           when 'kernel.accounts_parted' then true
           when 'kernel.mail_proof_forgotten' then true
           when 'governance.account_linked' then true
           when 'kernel.role_given' then (r.after ->> 'group')::int = member_of
                                     and not (governance_by_provider(r.after, person)
                                              and governance_is_mapped(member_of))
           when 'catalog.group_became_team' then true
           else false
         end
  union all
  select m.id, m.verb, m.actor_text, m.at
    from kernel_auditentry m
   where (m.subject_kind = 'group_mapping'
          and (m.after ->> 'group')::int = member_of
       or m.subject_kind = 'group_pattern'
          and governance_pattern_means(m.after ->> 'team', (m.after ->> 'roles')::boolean, member_of))
     and hours > 0
     and m.at > governance_resting.at - make_interval(hours => hours)
     and m.at <= governance_resting.at
     and m.at > governance_set_up_until()
     and exists (select from recent r
                  where r.verb = 'kernel.role_given'
                    and r.after ->> 'way' = 'provider'
                    and (r.after ->> 'group')::int = member_of
                    and r.at >= m.at)
$$;

create or replace function governance_counts(person bigint, member_of int, at timestamptz, hours int) returns boolean
language sql stable as $$
  select not exists (select from governance_resting(person, member_of, at, hours))
$$;

-- Whether the account has been open ever since that moment, by the ledger: who left and came back begins anew, and what
-- was decided or delegated before does not come back. The opening counts as well as the closing: either says that the
-- account was closed since.
create or replace function governance_stayed(person bigint, since timestamptz) returns boolean language sql stable as $$
  select not exists (select from kernel_auditentry e
                      where e.subject_kind = 'user'
                        and e.subject_id = person::text
                        and e.at > since
                        and e.verb in ('kernel.account_closed', 'kernel.account_reopened'))
$$;

-- May this person fill a slot of these groups, as a member or as a delegate of any member? Membership is read now;
-- a delegation counts if it was in force at the moment of the decision and was not revoked since. An account that was
-- closed since then counts for neither.
create or replace function governance_may_fill(groups int[], change bigint, person bigint, at timestamptz)
returns boolean language sql stable as $$
  select (exists (select from kernel_user_groups m
                   where m.user_id = person
                     and m.group_id = any(groups)
                     and governance_counts(person, m.group_id, at, governance_rest_hours(change)))
       or exists (select from governance_delegation d
                    join kernel_user_groups m on m.user_id = d.delegator_id and m.group_id = d.group_id
                   where d.delegate_id = person
                     and governance_is_somebody(d.delegator_id)
                     and kernel_person(d.delegator_id) <> kernel_person(person)
                     and d.group_id = any(groups)
                     and d.revoked_at is null
                     and d.starts_at <= at
                     and at < d.ends_at
                     and not governance_is_party(change, d.delegator_id)
                     and governance_stayed(person, least(at, d.created_at))
                     and governance_stayed(d.delegator_id, least(at, d.created_at))
                     and governance_counts(person, null, at, governance_rest_hours(change))
                     and governance_counts(d.delegator_id, m.group_id, at, governance_rest_hours(change))))
     and not governance_is_party(change, person)
     and governance_is_somebody(person)
     and governance_stayed(person, at)
$$;

-- The same, by exactly one right: as a member where `right_of` is the person, otherwise by a delegation of that
-- delegator.
create or replace function governance_may_fill_as(
  groups int[], change bigint, person bigint, right_of bigint, at timestamptz
) returns boolean language sql stable as $$
  select governance_is_somebody(person)
     and governance_stayed(person, at)
     and not governance_is_party(change, person)
     and case
           when right_of = person
           then exists (select from kernel_user_groups m
                         where m.user_id = person
                           and m.group_id = any(groups)
                           and governance_counts(person, m.group_id, at, governance_rest_hours(change)))
           else exists (select from governance_delegation d
                          join kernel_user_groups m on m.user_id = d.delegator_id and m.group_id = d.group_id
                         where d.delegate_id = person
                           and governance_is_somebody(d.delegator_id)
                           and kernel_person(d.delegator_id) <> kernel_person(person)
                           and d.delegator_id = right_of
                           and d.group_id = any(groups)
                           and d.revoked_at is null
                           and d.starts_at <= at
                           and at < d.ends_at
                           and not governance_is_party(change, d.delegator_id)
                           and governance_stayed(person, least(at, d.created_at))
                           and governance_stayed(right_of, least(at, d.created_at))
                           and governance_counts(person, null, at, governance_rest_hours(change))
                           and governance_counts(right_of, m.group_id, at, governance_rest_hours(change)))
         end
$$;

-- A person with an open account who is in one of these groups, or in a team with one of these keys.
create or replace function governance_is_member(person bigint, groups int[], teams text[]) returns boolean
language sql stable as $$
  select exists (select from kernel_user u
                   join kernel_user_groups m on m.user_id = u.id
                   left join catalog_team t on t.group_id = m.group_id
                  where u.id = person
                    and u.is_active
                    and u.kind = 'person'
                    and not kernel_unsettled(person)
                    and (m.group_id = any(groups) or t.key = any(teams)))
$$;

-- The same, and by a right that counts at this moment.
create or replace function governance_counts_as_member(person bigint, groups int[], teams text[], at timestamptz)
returns boolean language sql stable as $$
  select exists (select from kernel_user u
                   join kernel_user_groups m on m.user_id = u.id
                   left join catalog_team t on t.group_id = m.group_id
                  where u.id = person
                    and u.is_active
                    and u.kind = 'person'
                    and not kernel_unsettled(person)
                    and (m.group_id = any(groups) or t.key = any(teams))
                    and governance_counts(person, m.group_id, at, governance_rest_hours_anywhere()))
$$;

-- Locks the rows that give these persons their rights until the transaction ends. A transaction that takes a right
-- away waits for ours, or it was first and we see that the right is gone.
create or replace function governance_hold_rights(persons bigint[]) returns void language plpgsql as $$
begin
  perform 1 from kernel_user where id = any(persons) order by id for share;
  perform 1 from kernel_user_groups where user_id = any(persons) order by id for share;
  perform 1 from governance_delegation where delegate_id = any(persons) order by id for share;
end $$;
