-- What an API is decides which approvals a change of it needs: its data class, tier, domain, and the entities that it
-- exposes. Where somebody loosens one of them otherwise than by an approved change, the stricter value is kept here,
-- and changes are judged by it until one that names it was approved and has taken effect.

-- Public 1 to cardholder 4; what nobody has said counts as the gravest.
create or replace function governance_class_rank(class text) returns int language sql immutable as $$
  select coalesce(array_position(array['public', 'internal', 'personal', 'cardholder'], class), 5)
$$;

-- An API is judged once one of its versions was decided on and is in use, as in `is_governed` of the catalog.
create or replace function governance_is_judged(api bigint) returns boolean language sql stable as $$
  select exists (select from catalog_apiversion v
                  where v.api_id = api
                    and v.state in ('approved', 'published', 'deprecated')
                    and (v.origin <> 'imported' or v.approval_id is not null))
$$;

create or replace function governance_api_loosened() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
declare
  old_tier int := (select t.level from catalog_slatier t where t.id = old.tier_id);
  new_tier int := (select t.level from catalog_slatier t where t.id = new.tier_id);
begin
  if not governance_is_judged(new.id) then
    return null;
  end if;
  if governance_class_rank(new.data_class) < governance_class_rank(old.data_class) then
    insert into governance_loosenedfact (api_id, fact, was)
    values (new.id, 'data_class', coalesce(old.data_class, ''));
  end if;
  -- An approved change of the tier was judged by the tier of before, and is used in this transaction.
  if coalesce(new_tier, -1) > coalesce(old_tier, -1)
     and not exists (select from governance_approval a
                       join governance_changerequest c on c.id = a.change_id and c.kind = 'tier.change'
                      where a.subject_kind = 'api'
                        and a.subject_id = new.slug
                        and a.used_at is not null
                        and catalog_written_here(a.xmin)) then
    insert into governance_loosenedfact (api_id, fact, was)
    values (new.id, 'tier', coalesce(old_tier::text, ''));
  end if;
  if new.domain_id is distinct from old.domain_id then
    insert into governance_loosenedfact (api_id, fact, was)
    select new.id, 'domain', d.key from catalog_domain d where d.id = old.domain_id;
  end if;
  return null;
end $$;
create or replace trigger governance_loosened after update of data_class, tier_id, domain_id on catalog_api
  for each row execute function governance_api_loosened();

-- What an API exposes, and how: `price/base authoritative_read`.
create or replace function governance_exposed(u catalog_apientity) returns text language sql stable as $$
  select concat_ws('/', e.key, (select g.key from catalog_attributegroup g where g.id = u.attribute_group_id))
         || ' ' || u.access
    from catalog_businessentity e
   where e.id = u.entity_id
$$;

create or replace function governance_entity_loosened() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
begin
  if governance_is_judged(old.api_id) then
    insert into governance_loosenedfact (api_id, fact, was)
    values (old.api_id, 'entity', governance_exposed(old));
  end if;
  return null;
end $$;
create or replace trigger governance_loosened after delete or update on catalog_apientity
  for each row execute function governance_entity_loosened();

-- The stricter facts that count still: those that no change has answered for, and that are stricter than the present
-- ones.
create or replace view governance_stricter_fact as
select l.id, l.api_id, a.slug, l.fact, l.was, l.at
  from governance_loosenedfact l
  join catalog_api a on a.id = l.api_id
 where l.answered_by_id is null
   and case l.fact
         when 'data_class' then governance_class_rank(l.was) > governance_class_rank(a.data_class)
         when 'tier' then coalesce(nullif(l.was, '')::int, -1)
                          < coalesce((select t.level::int from catalog_slatier t where t.id = a.tier_id), -1)
         when 'domain' then l.was is distinct from (select d.key from catalog_domain d where d.id = a.domain_id)
         else not exists (select from catalog_apientity u where u.api_id = l.api_id and governance_exposed(u) = l.was)
       end;

-- The class by which a change is judged that calls this API; null where nobody has said.
create or replace function governance_class_judged(api bigint, class text) returns text language sql stable as $$
  select (array['public', 'internal', 'personal', 'cardholder'])[
           greatest(governance_class_rank(class),
                    (select max(governance_class_rank(s.was))
                       from governance_stricter_fact s
                      where s.api_id = api and s.fact = 'data_class'))]
$$;

-- The APIs that a change is about.
create or replace function governance_apis_of(change bigint) returns table (slug text) language sql stable as $$
  select distinct split_part(s.subject_id, '@', 1)
    from governance_changesubject s
   where s.change_id = change
     and s.kind in ('version', 'api')
$$;

-- By which stricter facts the change was not judged; null where by all.
create or replace function governance_judged_by_less(change bigint) returns text language sql stable as $$
  select string_agg(f.slug || ' ' || f.fact, ', ' order by f.slug, f.fact)
    from governance_changerequest c
   cross join governance_stricter_fact f
   where c.id = change
     and f.slug in (select a.slug from governance_apis_of(change) a)
     and (not coalesce(c.facts -> 'loosened' @> to_jsonb(f.id), false)
          or case f.fact
               when 'data_class' then governance_class_rank(c.facts ->> 'data_class') < governance_class_rank(f.was)
               when 'tier' then coalesce((c.facts ->> 'tier')::int, -1) > coalesce(nullif(f.was, '')::int, -1)
               when 'domain' then not coalesce(c.facts -> 'domains' ? f.was, false)
               else coalesce(c.facts -> 'entities', '[]') <> '[]'
                    and not c.facts -> 'entities' ? split_part(f.was, ' ', 1)
             end)
$$;

create or replace function governance_approval_of_strict_facts() returns trigger language plpgsql as $$
declare
  less text;
begin
  if new.origin = 'review' then
    less := governance_judged_by_less(new.change_id);
    if less is not null then
      perform governance_refuse('approval_counts_loosened_facts',
                                'the change was judged by less than before somebody loosened it: ' || less);
    end if;
  end if;
  return new;
end $$;
create or replace trigger strict_facts before insert on governance_approval
  for each row execute function governance_approval_of_strict_facts();

-- A change that took effect answers for what it was judged by: from now on the present facts count.
create or replace function governance_loosened_answered() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
begin
  if old.used_at is null and new.used_at is not null and new.origin = 'review' then
    update governance_loosenedfact l
       set answered_by_id = new.id
      from governance_changerequest c, catalog_api a
     where c.id = new.change_id
       and a.id = l.api_id
       and l.answered_by_id is null
       and a.slug in (select o.slug from governance_apis_of(c.id) o)
       and c.facts -> 'loosened' @> to_jsonb(l.id);
  end if;
  return null;
end $$;
create or replace trigger answered after update of used_at on governance_approval
  for each row execute function governance_loosened_answered();
