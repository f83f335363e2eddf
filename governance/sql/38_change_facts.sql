-- What the policies ask of a change follows from what it is about. The facts that are stored with it were written by a
-- program: an approval is sealed by facts that ask for no less than the rows say. Of integrations, and of what is sent
-- or read again, the runtime knows the rows (runtime/sql/37_manifest_facts.sql, 38_flow_facts.sql).

-- Who uses these versions: the live ones of catalog/selectors/consumers.py.
create or replace function governance_live_consumers(versions bigint[])
returns table (application bigint, environment bigint, team int) language sql stable as $$
  with subscribed as (
    select distinct on (s.version_id, s.application_id, s.environment_id) s.*
      from catalog_subscription s
     where s.version_id = any(versions)
       and s.state <> 'refused'
     order by s.version_id, s.application_id, s.environment_id,
              array_position(array['active', 'requested', 'ended'], s.state::text), s.id desc
  ), live as (
    select application_id, environment_id
      from subscribed
     where state = 'requested'
        or (state = 'active' and (valid_until is null or valid_until > clock_timestamp()))
    union
    select application_id, environment_id
      from catalog_usageday
     where version_id = any(versions)
       and day >= current_date - 30
     group by 1, 2
    having sum(calls) > 0
  )
  select l.application_id, l.environment_id, n.team_id
    from live l
    join catalog_application n on n.id = l.application_id
$$;

-- Open teams among these, as a list in JSON.
create or replace function governance_teams_of(ids int[]) returns jsonb language sql stable as $$
  select coalesce(jsonb_agg(distinct t.group_id), '[]')
    from catalog_team t
   where t.retired_at is null
     and t.group_id = any(ids)
$$;

-- Whether the boundaries in force leave no place of this entity, or of this part of it, without a system of record:
-- the rule of catalog/domain/systems_of_record.py, which calls what has more places than that unknown.
create or replace function governance_record_is_whole(of_entity bigint, part bigint) returns boolean
language sql stable as $$
  with boundary as (
    select b.*
      from catalog_boundary b
     where b.entity_id = of_entity
       and b.valid @> clock_timestamp()
  ), parts as (
    select g.id
      from catalog_attributegroup g
     where g.entity_id = of_entity
       and (part is null or g.id = part)
  ), scope as (
    select v.id, v.dimension from catalog_scopevalue v
  ), axes as (
    select array(select id from parts) as parts,
           array(select id from scope where dimension = 'banner') as banners,
           array(select id from scope where dimension = 'region') as regions,
           array(select id from scope where dimension = 'channel') as channels
  ), points as (
    select p.id as part, n.id as banner, r.id as region, c.id as channel
      from axes a
     cross join unnest(case a.parts when '{}' then array[null]::bigint[] else a.parts end) p(id)
     cross join unnest(case a.banners when '{}' then array[null]::bigint[] else a.banners end) n(id)
     cross join unnest(case a.regions when '{}' then array[null]::bigint[] else a.regions end) r(id)
     cross join unnest(case a.channels when '{}' then array[null]::bigint[] else a.channels end) c(id)
  )
  select exists (select from boundary b
                  where coalesce(b.banner_id, b.region_id, b.channel_id) is null
                    and coalesce(b.attribute_group_id = part, b.attribute_group_id is null))
      or (select greatest(cardinality(a.parts), 1) * greatest(cardinality(a.banners), 1)
                 * greatest(cardinality(a.regions), 1) * greatest(cardinality(a.channels), 1) <= 20000
            from axes a)
     and not exists (select from points o
                      where not exists (select from boundary b
                                         where (b.attribute_group_id is null or b.attribute_group_id = o.part)
                                           and (b.banner_id is null or b.banner_id = o.banner)
                                           and (b.region_id is null or b.region_id = o.region)
                                           and (b.channel_id is null or b.channel_id = o.channel)))
$$;

-- The owner teams of the systems of record of what an API offers to read with authority or to command, and of what it
-- was counted to offer before somebody took that away: where one system alone is the record of all of it.
create or replace function governance_record_owners(of_slug text) returns int[] language sql stable as $$
  with used as (
    select u.entity_id, u.attribute_group_id as part
      from catalog_apientity u
      join catalog_api a on a.id = u.api_id
     where a.slug = of_slug
       and u.access in ('authoritative_read', 'command')
    union
    select e.id, g.id
      from governance_stricter_fact f
     cross join lateral split_part(f.was, ' ', 1) place
      join catalog_businessentity e on e.key = split_part(place, '/', 1)
      left join catalog_attributegroup g on g.entity_id = e.id and g.key = split_part(place, '/', 2)
     where f.slug = of_slug
       and f.fact = 'entity'
       and split_part(f.was, ' ', 2) in ('authoritative_read', 'command')
  ), recorded as (
    select u.entity_id, u.part, min(b.system_id) as system_id
      from used u
      join catalog_boundary b on b.entity_id = u.entity_id
                             and b.valid @> clock_timestamp()
                             and (u.part is null or b.attribute_group_id is null or b.attribute_group_id = u.part)
     group by u.entity_id, u.part
    having count(distinct b.system_id) = 1
  )
  select array(select distinct y.owner_team_id
                 from recorded r
                 join catalog_system y on y.id = r.system_id
                where y.owner_team_id is not null
                  and governance_record_is_whole(r.entity_id, r.part))
$$;

-- The facts of an API as a change of it, or of one of its versions, is judged by them. Its owners of record are those
-- of what it offers, and the owner of its domain where there are none.
create or replace function governance_facts_of_api(of_slug text, using_it bigint[]) returns jsonb
language sql stable as $$
  select jsonb_build_object(
           'tier', (select t.level from catalog_slatier t where t.id = a.tier_id),
           'data_class', nullif(a.data_class, ''),
           'domain', d.key,
           'owners', governance_teams_of(array[a.owner_team_id]),
           'entities', (select coalesce(jsonb_agg(distinct concat_ws('/', e.key, g.key)), '[]')
                          from catalog_apientity u
                          join catalog_businessentity e on e.id = u.entity_id
                          left join catalog_attributegroup g on g.id = u.attribute_group_id
                         where u.api_id = a.id),
           'consumers', (select count(*) from governance_live_consumers(using_it)),
           'consumer_owner', governance_teams_of(array(select c.team from governance_live_consumers(using_it) c)),
           'owner_of_record', governance_teams_of(
             coalesce(nullif(governance_record_owners(a.slug), '{}'), array[d.owner_team_id])))
    from catalog_api a
    left join catalog_domain d on d.id = a.domain_id
   where a.slug = of_slug
$$;

-- An application is as critical as the most critical API that it uses, may provide or runs with, and of unknown weight
-- where one of them has no tier (catalog/selectors/ownership.py).
create or replace function governance_facts_of_application(of_key text) returns jsonb language sql stable as $$
  with touched as (
    select distinct a.id, t.level, d.key as domain
      from catalog_application n
     cross join catalog_api a
      left join catalog_slatier t on t.id = a.tier_id
      left join catalog_domain d on d.id = a.domain_id
     where n.key = of_key
       and (exists (select from catalog_subscription s
                      join catalog_apiversion v on v.id = s.version_id
                     where s.application_id = n.id
                       and s.state in ('active', 'requested')
                       and v.api_id = a.id)
         or exists (select from catalog_providerright r
                     where r.application_id = n.id
                       and r.api_id = a.id
                       and r.ended_at is null)
         or a.slug in (select split_part(named.reference, '@', 1)
                         from governance_applicationrelease l
                        cross join unnest(l.consumes || l.provides) named(reference)
                        where l.application = of_key
                          and l.ended_at is null))
  )
  select jsonb_build_object(
           'tier', (select case when bool_and(o.level is not null) is not false
                                then coalesce(min(o.level)::int, 3) end
                      from touched o),
           'domain', (select case when count(distinct o.domain) = 1 and bool_and(o.domain is not null)
                                  then min(o.domain) end
                        from touched o),
           'data_class', 'internal',
           'owners', governance_teams_of(array[n.team_id]))
    from catalog_application n
   where n.key = of_key
$$;

-- The boundaries in force for a place such as price/base?banner=main, and the team of the system that it would move to.
-- Where no system is right about it yet, the owner of the entity's domain is asked as the owner of record.
create or replace function governance_facts_of_boundary(place text, parameters jsonb) returns jsonb
language sql stable as $$
  with asked as (
    select split_part(split_part(place, '?', 1), '/', 1) as entity,
           nullif(split_part(split_part(place, '?', 1), '/', 2), '') as part,
           (select jsonb_object_agg(split_part(p.pair, '=', 1), split_part(p.pair, '=', 2))
              from regexp_split_to_table(split_part(place, '?', 2), '&') p(pair)
             where p.pair <> '') as scope
  ), owning as (
    select y.owner_team_id as team
      from asked k
      join catalog_businessentity e on e.key = k.entity
      join catalog_boundary b on b.entity_id = e.id and b.valid @> clock_timestamp()
      join catalog_system y on y.id = b.system_id
      left join catalog_attributegroup g on g.id = b.attribute_group_id
      left join catalog_scopevalue sb on sb.id = b.banner_id
      left join catalog_scopevalue sr on sr.id = b.region_id
      left join catalog_scopevalue sc on sc.id = b.channel_id
     where (k.part is null or g.key is null or g.key = k.part)
       and coalesce(sb.key = k.scope ->> 'banner', true)
       and coalesce(sr.key = k.scope ->> 'region', true)
       and coalesce(sc.key = k.scope ->> 'channel', true)
  )
  select jsonb_build_object(
           'tier', 1,
           'data_class', 'internal',
           'entities', jsonb_build_array(concat_ws('/', k.entity, k.part)),
           'owner_of_record', governance_teams_of(
             case when exists (select from owning) then array(select team from owning)
                  else array(select d.owner_team_id
                               from catalog_businessentity e
                               join catalog_domain d on d.id = e.domain_id
                              where e.key = k.entity) end),
           'owners', governance_teams_of(array(select team from owning)
                                         || array(select y.owner_team_id from catalog_system y
                                                   where y.key = parameters ->> 'system')))
    from asked k
$$;

-- The facts of one subject of a change; null where no row says any, as of a kind that a room above registers.
create or replace function governance_facts_of(kind text, of_kind text, identifier text, parameters jsonb)
returns jsonb language plpgsql stable as $$
declare
  found jsonb;
  api text := split_part(identifier, '@', 1);
  waiver governance_waiver%rowtype;
begin
  if kind in ('version.publish', 'contract.change', 'version.deprecate', 'version.retire') then
    found := governance_facts_of_api(api, array(select v.id from catalog_apiversion v
                                                  join catalog_api a on a.id = v.api_id
                                                 where a.slug = api
                                                   and v.label = substr(identifier, length(api) + 2)));
  elsif kind = 'tier.change' then
    found := governance_facts_of_api(api, array(select v.id from catalog_apiversion v
                                                  join catalog_api a on a.id = v.api_id
                                                 where a.slug = api
                                                   and v.state in ('published', 'deprecated')));
  elsif kind = 'api.hand_over' then
    found := governance_facts_of_api(api, '{}') - '{entities,owner_of_record}'::text[];
  elsif kind = 'application.hand_over' then
    found := governance_facts_of_application(identifier);
  elsif kind = 'boundary.move' then
    found := governance_facts_of_boundary(identifier, parameters);
  elsif kind = 'environment.records' then
    found := jsonb_build_object('owners', governance_teams_of(array(select t.group_id from catalog_team t
                                                                     where t.key = 'architects')));
  elsif kind in ('freeze.end', 'freeze.change') then
    select jsonb_build_object('tier', 0, 'data_class', 'internal', 'domain', w.domain,
                              'owners', governance_teams_of(array(select t.group_id from catalog_team t
                                                                   where t.key = 'release-managers')))
      into found
      from governance_freezewindow w
     where w.id::text = replace(identifier, 'freeze ', '');
  elsif kind = 'policy.change' then
    found := jsonb_build_object(
      'tier', case identifier when 'organisation' then 0 else 1 end,
      'data_class', 'internal',
      'domain', case when starts_with(identifier, 'domain:') then substr(identifier, 8) end,
      'owners', case when starts_with(identifier, 'domain:')
                     then governance_teams_of(array(select d.owner_team_id from catalog_domain d
                                                     where d.key = substr(identifier, 8)))
                     else governance_teams_of(array(select t.group_id from catalog_team t
                                                     where t.key = case when starts_with(identifier, 'team:')
                                                                        then substr(identifier, 6)
                                                                        else 'architects' end)) end);
  elsif kind = 'waiver.grant' then
    select * into waiver from governance_waiver w where w.id::text = identifier;
    if waiver.subject_kind = 'version' then
      found := governance_facts_of_api(split_part(waiver.subject_id, '@', 1), '{}');
    elsif waiver.id is not null then
      found := '{}';  -- of what a room above knows
    end if;
  end if;
  if found is not null and kind in ('api.hand_over', 'application.hand_over') then
    found := jsonb_set(found, '{owners}', found -> 'owners' || governance_teams_of(array(
               select t.group_id from catalog_team t where t.key = parameters ->> 'team')));
  end if;
  return '{"entities": [], "consumers": 0, "owners": [], "owner_of_record": [], "consumer_owner": []}'::jsonb || found;
end $$;

-- In what the facts of a change ask for less than these do. A fact that is unknown (null) asks for more than any
-- other; one that is left out is not derived.
create or replace function governance_facts_lack(c governance_changerequest, f jsonb) returns table (what text)
language sql stable as $$
  select 'tier'
   where f ? 'tier'
     and (c.facts ->> 'tier')::int > coalesce((f ->> 'tier')::int, -1)
  union all
  select 'data class'
   where f ? 'data_class'
     and coalesce(c.facts ->> 'data_class', '') <> ''
     and coalesce(array_position(array['public', 'internal', 'personal', 'cardholder'], c.facts ->> 'data_class'), 0)
         < coalesce(array_position(array['public', 'internal', 'personal', 'cardholder'], f ->> 'data_class'), 5)
  union all
  select 'domain ' || (f ->> 'domain')
   where f ->> 'domain' is not null
     and not coalesce(c.facts -> 'domains' ? (f ->> 'domain'), false)
     and c.facts ->> 'domain' is distinct from f ->> 'domain'
     -- Of several subjects, one without a domain: freezes count it as any, and the levels have all that are known.
     and not (coalesce(c.facts -> 'domains', '[]') = '[]' and 'domain:' || (f ->> 'domain') = any(c.policy_levels))
  union all
  select 'entity ' || t.touched
    from jsonb_array_elements_text(f -> 'entities') t(touched)
   where coalesce(c.facts -> 'entities', '[]') <> '[]'
     and not c.facts -> 'entities' ? t.touched
  union all
  select 'consumers'
   where (c.facts ->> 'consumers')::int < (f ->> 'consumers')::int
  union all
  select k.slot || ' ' || t.team
    from (values ('owner_of_record'), ('consumer_owner')) k(slot)
   cross join jsonb_array_elements(f -> k.slot) t(team)
   where not coalesce(c.facts -> 'teams' -> k.slot @> t.team, false)
  union all
  select 'owner ' || t.team
    from jsonb_array_elements_text(f -> 'owners') t(team)
   where t.team::int <> all(c.owner_team_ids)
$$;

-- The checks that each kind has, whatever the policies ask for; the built-in ones are of all, and `flow.readers` comes
-- from the runtime.
create or replace function governance_checks_of_kinds() returns table (kind text, checks text[])
language sql immutable as $$
  select k.kind,
         k.checks || array['subject.present', 'owner.known', 'impact.known', 'change.window', 'change.rollback_plan']
    from (values
      ('version.publish', array['contract.readable', 'contract.comparison', 'contract.lint', 'consumers.affected',
                                'sor.direction', 'tier.coherence', 'data.security', 'flow.observability',
                                'style.supported', 'order.upgrade', 'sunset.coherence', 'flow.readers']),
      ('contract.change', array['contract.readable', 'contract.comparison', 'contract.lint', 'consumers.affected',
                                'sor.direction', 'tier.coherence', 'data.security', 'flow.observability',
                                'style.supported', 'order.upgrade', 'flow.readers']),
      ('version.deprecate', array['consumers.affected', 'deprecation.notice', 'sunset.coherence']),
      ('version.retire', array['consumers.affected', 'retire.consumers', 'retire.sunset', 'flow.readers']),
      ('boundary.move', array['boundary.move']),
      ('tier.change', array['tier.coherence']),
      ('environment.records', array['records.complete']),
      ('api.hand_over', array['ownership.receiving']),
      ('application.hand_over', array['ownership.receiving']),
      ('freeze.end', array['freeze.sound']),
      ('freeze.change', array['freeze.sound']),
      ('policy.change', array['policy.sound', 'policy.flips']),
      ('waiver.grant', array['waiver.bounded'])) k(kind, checks)
$$;

-- In what a change was assessed by less than what it is about; null where in nothing.
create or replace function governance_asks_for_less(change bigint) returns text language sql stable as $$
  with c as (
    select r.* from governance_changerequest r where r.id = change
  )
  select string_agg(distinct less.what, ', ')
    from (select l.what
            from governance_changerequest c
            join governance_changesubject s on s.change_id = c.id
           cross join lateral governance_facts_lack(c, governance_facts_of(c.kind, s.kind, s.subject_id,
                                                                           c.parameters)) l
           where c.id = change
             and governance_facts_of(c.kind, s.kind, s.subject_id, c.parameters) is not null
          union all
          select s.kind || ' ' || s.subject_id
            from governance_changerequest c
            join governance_checks_of_kinds() k on k.kind = c.kind
            join governance_changesubject s on s.change_id = c.id
           where c.id = change
             and governance_facts_of(c.kind, s.kind, s.subject_id, c.parameters) is null
          union all
          -- What those who decide are shown.
          select 'breaking'
            from c
           where (c.facts ->> 'breaking')::int < (c.difference -> 'counts' ->> 'breaking')::int
          union all
          select 'teams'
            from c
            join governance_checks_of_kinds() k on k.kind = c.kind
           where not coalesce(c.facts ? 'teams', false)
          union all
          select 'check ' || n.name
            from c
            join governance_checks_of_kinds() k on k.kind = c.kind
           cross join unnest(k.checks) n(name)
           where not exists (select from governance_checkresult q
                              where q.change_id = c.id
                                and q.revision = c.revision
                                and q.check_id = n.name)) less
$$;

create or replace function governance_approval_of_facts() returns trigger language plpgsql as $$
declare
  less text;
begin
  if new.origin = 'review' then
    less := governance_asks_for_less(new.change_id);
    if less is not null then
      perform governance_refuse('approval_fits_facts',
                                'the change was assessed by facts that ask for less than what it is about: ' || less);
    end if;
  end if;
  return new;
end $$;
create or replace trigger weighed before insert on governance_approval
  for each row execute function governance_approval_of_facts();
