-- A release bears the digest of its manifest, computed by the database from the row that is stored.

-- The text that kernel/digest.py hashes: keys by code point, no blanks. Fractions that Python may write in more than
-- one way, the very small and the very large, have no text.
create or replace function runtime_canonical(given jsonb) returns text language plpgsql immutable as $$
declare
  text_of text;
begin
  if jsonb_typeof(given) = 'object' then
    select '{' || coalesce(string_agg(to_json(m.key)::text || ':' || public.runtime_canonical(m.value), ','
                                      order by m.key collate "C"), '') || '}'
      into text_of
      from jsonb_each(given) m;
  elsif jsonb_typeof(given) = 'array' then
    select '[' || coalesce(string_agg(public.runtime_canonical(e.value), ',' order by e.ordinality), '') || ']'
      into text_of
      from jsonb_array_elements(given) with ordinality e;
  elsif jsonb_typeof(given) = 'number' and given::text like '%.%'
      and given::numeric <> 0 and (abs(given::numeric) < 0.0001 or abs(given::numeric) >= 1e16) then
    raise exception 'the number % of a manifest can be written in more than one way', given
      using errcode = 'check_violation', constraint = 'runtime_release_digest';
  else
    text_of := given::text;
  end if;
  return text_of;
end $$;

create or replace function runtime_release_digest() returns trigger language plpgsql as $$
begin
  if 'sha256:' || encode(sha256(convert_to(public.runtime_canonical(new.manifest), 'UTF8')), 'hex') <> new.digest then
    raise exception 'the digest is not the one of the manifest'
      using errcode = 'check_violation', constraint = 'runtime_release_digest';
  end if;
  return new;
end $$;

create or replace trigger runtime_release_digest before insert on runtime_release for each row
  execute function runtime_release_digest();
