-- Where a system answers in an environment, with which secret and whose certificates, has a digest. The database
-- computes it, so that no way of writing an endpoint leaves it out; what was approved for one destination is compared
-- with it.

-- Every column of an endpoint counts, by its name; what is empty is left out, so that a new column changes no digest.
create or replace function catalog_destination_of(endpoint jsonb) returns jsonb language sql stable as $$
  select coalesce(jsonb_object_agg(f.key, f.value), '{}')
         || jsonb_build_object(
              'system', (select y.key from public.catalog_system y where y.id = (endpoint ->> 'system_id')::bigint),
              'environment',
              (select n.key from public.catalog_environment n where n.id = (endpoint ->> 'environment_id')::bigint))
    from jsonb_each(endpoint - '{id,system_id,environment_id,destination}'::text[]) f
   where f.value not in ('null', '""', '[]', '{}')
$$;

-- The digest of kernel/digest.py: texts and lists of texts, keys by code point, no blanks.
create or replace function catalog_destination_digest(document jsonb) returns text language sql immutable as $$
  select 'sha256:' || encode(sha256(convert_to('{' || string_agg(
           to_json(f.key)::text || ':'
           || case jsonb_typeof(f.value)
                when 'array' then '[' || (select coalesce(string_agg(e.value::text, ',' order by e.ordinality), '')
                                            from jsonb_array_elements(f.value) with ordinality e) || ']'
                else f.value::text
              end,
           ',' order by f.key collate "C") || '}', 'UTF8')), 'hex')
    from jsonb_each(document) f
$$;

create or replace function catalog_endpoint_guard() returns trigger
language plpgsql set search_path to public, pg_temp as $$
begin
  new.destination := catalog_destination_digest(catalog_destination_of(to_jsonb(new)));
  return new;
end $$;
create or replace trigger destination before insert or update on catalog_systemendpoint
  for each row execute function catalog_endpoint_guard();

-- Every destination is kept, so that a difference can be shown later, and every change is in the ledger. The name of a
-- secret is none.
create or replace function catalog_endpoint_written() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
declare
  before jsonb;
  after jsonb;
begin
  if tg_op <> 'INSERT' then
    select d.document into before from catalog_destination d where d.digest = old.destination;
    before := coalesce(before, catalog_destination_of(to_jsonb(old)));
  end if;
  if tg_op <> 'DELETE' then
    if tg_op = 'UPDATE' and new.destination = old.destination then
      return null;
    end if;
    after := catalog_destination_of(to_jsonb(new));
    insert into catalog_destination (digest, document) values (new.destination, after) on conflict do nothing;
    if tg_op = 'UPDATE' and old.destination = '' then
      return null;  -- by the upgrade below
    end if;
  end if;
  perform kernel_tell('catalog.endpoint_' || case tg_op when 'INSERT' then 'declared'
                                                         when 'UPDATE' then 'changed' else 'removed' end,
                      'endpoint',
                      (coalesce(after, before) ->> 'system') || '/' || (coalesce(after, before) ->> 'environment'),
                      before, coalesce(after, '{}'));
  return null;
end $$;
create or replace trigger told after insert or update or delete on catalog_systemendpoint
  for each row execute function catalog_endpoint_written();

-- A destination is known by its digest and stays.
create or replace function catalog_destination_guard() returns trigger
language plpgsql set search_path to public, pg_temp as $$
begin
  if tg_op <> 'INSERT' or new.digest is distinct from catalog_destination_digest(new.document) then
    raise exception 'a destination is kept under its own digest, as it was'
      using errcode = 'check_violation', constraint = 'catalog_destination_is_kept';
  end if;
  return new;
end $$;
create or replace trigger guard before insert or update or delete on catalog_destination
  for each row execute function catalog_destination_guard();

-- Endpoints from before get their digest.
update catalog_systemendpoint set destination = '' where destination = '';
