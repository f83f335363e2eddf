-- What the active policies ask of a change, counted by the database: the rules of governance/domain/policy.py, over the
-- facts that the change was assessed by. What is unknown fulfils each condition on it.

-- An entity and its attribute group cover one another: price, price/base.
create or replace function governance_covers(wanted text, touched text) returns boolean language sql immutable as $$
  select wanted = touched or starts_with(touched, wanted || '/') or starts_with(wanted, touched || '/')
$$;

create or replace function governance_rule_matches(asked jsonb, c governance_changerequest) returns boolean
language sql stable as $$
  select (not asked ? 'kinds' or asked -> 'kinds' ? c.kind)
     and (not asked ? 'environments' or asked -> 'environments' ? c.environment)
     and (not asked ? 'tiers'
          or c.facts ->> 'tier' is null
          or asked -> 'tiers' @> (c.facts -> 'tier'))
     and (not asked ? 'data_classes'
          or coalesce(c.facts ->> 'data_class', '') = ''
          or asked -> 'data_classes' ? (c.facts ->> 'data_class'))
     and (not asked ? 'entities'
          or coalesce(c.facts -> 'entities', '[]') = '[]'
          or exists (select from jsonb_array_elements_text(asked -> 'entities') w
                      cross join jsonb_array_elements_text(c.facts -> 'entities') t
                      where governance_covers(w, t)))
     and (not asked ? 'consumers_at_least'
          or c.facts ->> 'consumers' is null
          or (c.facts ->> 'consumers')::int >= (asked ->> 'consumers_at_least')::int)
     and (not asked ? 'breaking'
          or c.facts ->> 'breaking' is null
          or (c.facts ->> 'breaking')::int > 0)
     and (not asked ? 'unknown_impact'
          or c.facts ->> 'consumers' is null
          or c.facts ->> 'breaking' is null
          or c.facts ->> 'tier' is null)
$$;

-- Each rule of the active policies that matches.
create or replace function governance_matching_rules(change bigint) returns setof jsonb language sql stable as $$
  select r.rule
    from governance_changerequest c
    join governance_policy p on p.state = 'active' and p.level = any(c.policy_levels)
   cross join jsonb_array_elements(p.document -> 'rules') r(rule)
   where c.id = change
     and governance_rule_matches(coalesce(r.rule -> 'when', '{}'), c)
$$;

-- The slots that a kind of change asks for whatever the policies say.
create or replace function governance_quorum_of(kind text, parameters jsonb) returns jsonb language sql immutable as $$
  select case
           when kind in ('freeze.end', 'freeze.change') then '{"owner": 1, "architect": 1}'
           when kind in ('api.hand_over', 'application.hand_over') then '{"owner": 1}'
           when kind = 'version.deprecate' and coalesce(parameters -> 'earlier', 'null')
                  not in ('null', 'false', '0', '""', '[]', '{}')
           then '{"release_manager": 1, "consumer_owner": 1}'
           else '{}'
         end::jsonb
$$;

-- What is missing of the slots, checks and levels that a change must have; null where nothing is.
create or replace function governance_lacks(change bigint) returns text language sql stable as $$
  with c as (
    select * from governance_changerequest where id = change
  ), asked as (
    select s.key, max(s.value::int) as number
      from (select coalesce(r -> 'slots', '{}') as slots from governance_matching_rules(change) r
            union all
            select governance_quorum_of(c.kind, c.parameters) from c) r
     cross join jsonb_each_text(r.slots) s
     group by s.key
  ), teams as (  -- by the slot that asks for them; none: a slot that nobody can fill stands in their place
    select a.key,
           a.number,
           t.group_id
      from asked a
      left join catalog_team t
        on t.key = case a.key
                     when 'architect' then 'architects'
                     when 'security' then 'security'
                     when 'release_manager' then 'release-managers'
                     else case when starts_with(a.key, 'team:') then substr(a.key, 6) end
                   end
       and t.retired_at is null
     where a.key not in ('owner', 'owner_of_record', 'consumer_owner')
    union all
    select a.key,
           a.number,
           t.group_id
      from asked a
     cross join c
      left join catalog_team t
        on t.retired_at is null
       and ((a.key = 'owner' and t.group_id = any(c.owner_team_ids))
         or (a.key <> 'owner' and c.facts -> 'teams' -> a.key @> to_jsonb(t.group_id)))
     where a.key = 'owner'
        or (a.key in ('owner_of_record', 'consumer_owner')
            and c.facts ? 'teams'
            and (a.key <> 'consumer_owner' or t.group_id is not null))
  ), slots as (
    select s.key, s.group_ids
      from governance_slot s
      join c on c.id = s.change_id and c.revision = s.revision
  )
  select string_agg(what, ', ')
    from (select 'slot ' || t.key as what
            from teams t
           where t.number > (select count(*)
                               from slots s
                              where s.group_ids = case when t.group_id is null then '{}' else array[t.group_id] end)
          union all
          select 'check ' || k
            from governance_matching_rules(change) r
           cross join jsonb_array_elements_text(coalesce(r -> 'checks', '[]')) k
           where not exists (select from governance_checkresult q
                               join c on c.id = q.change_id and c.revision = q.revision
                              where q.check_id = k)
          union all
          select 'policy ' || p.level
            from governance_policy p
           cross join c
           where p.state = 'active'
             and p.level <> all(c.policy_levels)
             and (p.level = 'organisation'
                  or p.level in (select 'domain:' || d from jsonb_array_elements_text(
                                   coalesce(c.facts -> 'domains', '[]')) d)
                  or p.level = 'domain:' || (c.facts ->> 'domain')
                  or p.level in (select 'team:' || t.key from catalog_team t
                                  where t.retired_at is null and t.group_id = any(c.owner_team_ids)))) missing
$$;
