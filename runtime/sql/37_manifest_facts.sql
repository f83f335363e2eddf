-- What the policies ask of a change that deploys an integration follows from its manifest and from the catalog. The
-- facts that are stored with the change were written by a program: one that is sealed asks for no less than these.

-- The facts of one manifest, as `_facts` of runtime/services/change_kinds.py derives them. A data class that nobody has
-- said of one of the pinned APIs is null. Teams that are retired fill no slot.
create or replace function runtime_facts_of(manifest jsonb) returns jsonb language sql stable as $$
  with target as (
    select t.part from jsonb_path_query(manifest, '$.targets[*]') t(part)
  ), written as (
    select w.part ->> 'entity' as entity,
           concat_ws('/', w.part ->> 'entity', nullif(w.part ->> 'attribute_group', '')) as touched
      from jsonb_path_query(manifest, '$.targets[*].writes[*]') w(part)
  ), pinned as (
    select array_position(array['public', 'internal', 'personal', 'cardholder'],
                          public.governance_class_judged(a.id, a.data_class::text)) as class
      from (select part from target union all select s.part from jsonb_path_query(manifest, '$.sources[*]') s(part)) p
      left join public.catalog_api a on a.slug = split_part(p.part ->> 'api', '@', 1)
                                    and exists (select from public.catalog_apiversion v
                                                 where v.api_id = a.id
                                                   and a.slug || '@' || v.label = p.part ->> 'api')
     where p.part ->> 'api' <> ''
       and p.part ->> 'contract' <> ''
  ), recorded as (
    select d.owner_team_id as team
      from public.catalog_businessentity e
      join public.catalog_domain d on d.id = e.domain_id
     where e.key in (select w.entity from written w)
    union
    select y.owner_team_id
      from public.catalog_system y
     where y.key in (select t.part ->> 'system' from target t)
  ), consumed as (
    select distinct s.application_id, s.environment_id, n.team_id as team
      from target t
      join public.catalog_api a on a.slug = split_part(t.part ->> 'api', '@', 1)
      join public.catalog_apiversion v on v.api_id = a.id and a.slug || '@' || v.label = t.part ->> 'api'
      join public.catalog_subscription s on s.version_id = v.id and s.state <> 'refused'
      join public.catalog_application n on n.id = s.application_id
  )
  select jsonb_build_object(
           'tier', manifest -> 'tier',
           'domain', manifest -> 'domain',
           'owner', (select t.group_id from public.catalog_team t where t.key = manifest ->> 'owner'),
           'data_class', (select case when bool_and(class is not null)
                                      then (array['public', 'internal', 'personal', 'cardholder'])[max(class)] end
                            from pinned),
           'entities', (select coalesce(jsonb_agg(distinct w.touched), '[]') from written w),
           'consumers', (select count(*) from consumed),
           'owner_of_record', (select coalesce(jsonb_agg(t.group_id), '[]')
                                 from public.catalog_team t
                                where t.retired_at is null
                                  and t.group_id in (select r.team from recorded r)),
           'consumer_owner', (select coalesce(jsonb_agg(t.group_id), '[]')
                                from public.catalog_team t
                               where t.retired_at is null
                                 and t.group_id in (select c.team from consumed c)))
$$;

-- The checks that these kinds of changes have, whatever the policies ask for: DEPLOY_CHECKS, and the built-in ones.
create or replace function runtime_checks_of_deployments() returns text[] language sql immutable as $$
  select array['integration.estate', 'integration.contracts', 'integration.direction', 'integration.mapping',
               'integration.connections', 'integration.safety', 'integration.comparison', 'subject.present',
               'owner.known', 'impact.known', 'change.window', 'change.rollback_plan']
$$;

-- In what the facts of a change ask for less than its manifests do; null where in nothing. A fact that is unknown asks
-- for more than any other.
create or replace function runtime_asks_for_less(change bigint) returns text language sql stable as $$
  with c as (
    select * from public.governance_changerequest where id = change
  ), f as (
    select public.runtime_facts_of(r.manifest) as fact
      from public.governance_changesubject s
      join public.runtime_integration i on i.key = s.subject_id
      join public.runtime_release r on r.integration_id = i.id and r.digest = s.digest
     where s.change_id = change
       and s.kind = 'integration'
  ), gravest as (
    select case when bool_and(f.fact ->> 'data_class' is not null)
                then (array['public', 'internal', 'personal', 'cardholder'])[max(
                       array_position(array['public', 'internal', 'personal', 'cardholder'], f.fact ->> 'data_class'))]
           end as class,
           min((f.fact ->> 'tier')::int) as tier
      from f
  )
  select string_agg(distinct what, ', ')
    from (select 'no release of the digest' as what
           where not exists (select from f)
          union all
          select 'tier'
            from c cross join gravest g
           where (c.facts ->> 'tier')::int <> g.tier
          union all
          select 'data class'
            from c cross join gravest g
           where coalesce(c.facts ->> 'data_class', '') <> ''
             and c.facts ->> 'data_class' is distinct from g.class
          union all
          select 'domain ' || (f.fact ->> 'domain')
            from c cross join f
           where not coalesce(c.facts -> 'domains' ? (f.fact ->> 'domain'), false)
             and c.facts ->> 'domain' is distinct from f.fact ->> 'domain'
          union all
          select 'entity ' || t.touched
            from c cross join f
           cross join jsonb_array_elements_text(f.fact -> 'entities') t(touched)
           where coalesce(c.facts -> 'entities', '[]') <> '[]'
             and not c.facts -> 'entities' ? t.touched
          union all
          select 'consumers'
            from c cross join f
           where (c.facts ->> 'consumers')::int < (f.fact ->> 'consumers')::int
          union all
          select 'teams'
            from c
           where not coalesce(c.facts ? 'teams', false)
          union all
          select asked.slot || ' ' || asked.team
            from c cross join f
           cross join lateral (select k.slot, t.team
                                 from (values ('owner_of_record'), ('consumer_owner')) k(slot)
                                cross join jsonb_array_elements(f.fact -> k.slot) t(team)) asked
           where not coalesce(c.facts -> 'teams' -> asked.slot @> asked.team, false)
          union all
          select 'owner ' || (f.fact ->> 'owner')
            from c cross join f
           where (f.fact ->> 'owner')::int <> all(c.owner_team_ids)
          union all
          select 'check ' || k.name
            from c cross join unnest(public.runtime_checks_of_deployments()) k(name)
           where not exists (select from public.governance_checkresult q
                              where q.change_id = c.id
                                and q.revision = c.revision
                                and q.check_id = k.name)) less
$$;
