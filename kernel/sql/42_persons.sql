-- Which accounts are one person: those that have proved the same address of mail, and those that an administrator has
-- put together. Closed accounts are among them.
create or replace function kernel_accounts_of(account bigint) returns bigint[] language sql stable as $$
  with recursive same(id) as (
    select account
    union
    select o.id
      from same s
     cross join lateral (
           select b.user_id
             from kernel_provedmail a
             join kernel_provedmail b on b.digest = a.digest
            where a.user_id = s.id
            union all
           select u.same_person_as_id from kernel_user u where u.id = s.id and u.same_person_as_id is not null
            union all
           select u.id from kernel_user u where u.same_person_as_id = s.id) o(id)
  )
  select array_agg(id order by id) from same where id is not null
$$;

-- One number for all accounts of a person: that of the oldest.
create or replace function kernel_person(account bigint) returns bigint language sql stable as $$
  select (kernel_accounts_of(account))[1]
$$;

-- An address that is written beside an account and not proved touches this account alone: another one has proved it,
-- and nobody has said that both are one person. Letters that this database cannot fold (a sharp s) are compared when
-- the address is proved.
create or replace function kernel_unsettled(account bigint) returns boolean language sql stable as $$
  select exists (select from kernel_user u
                   join kernel_provedmail p
                     on p.digest = encode(sha256(convert_to(lower(normalize(btrim(u.email), NFC)), 'UTF8')), 'hex')
                  where u.id = account
                    and u.email <> ''
                    and p.user_id <> all(kernel_accounts_of(account)))
$$;

create or replace function kernel_mail_proof_written() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
begin
  if tg_op in ('DELETE', 'UPDATE') then
    perform kernel_tell('kernel.mail_proof_forgotten', 'user', old.user_id::text, null, '{}');
  end if;
  if tg_op in ('INSERT', 'UPDATE') then
    perform kernel_tell('kernel.mail_proved', 'user', new.user_id::text, null, jsonb_build_object('by', new.way));
  end if;
  return null;
end $$;
create or replace trigger told after insert or delete or update on kernel_provedmail
  for each row execute function kernel_mail_proof_written();

-- Accounts that are put together or taken apart: told of both.
create or replace function kernel_accounts_joined() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
declare
  was bigint := case when tg_op = 'UPDATE' then old.same_person_as_id end;
begin
  if was is not distinct from new.same_person_as_id then
    return null;
  end if;
  if was is not null then
    perform kernel_tell('kernel.accounts_parted', 'user', a::text, null,
                        jsonb_build_object('account', (select u.username from kernel_user u where u.id = b)))
       from (values (new.id, was), (was, new.id)) pair(a, b);
  end if;
  if new.same_person_as_id is not null then
    perform kernel_tell('kernel.accounts_joined', 'user', a::text, null,
                        jsonb_build_object('account', (select u.username from kernel_user u where u.id = b)))
       from (values (new.id, new.same_person_as_id), (new.same_person_as_id, new.id)) pair(a, b);
  end if;
  return null;
end $$;
create or replace trigger joined after insert or update of same_person_as_id on kernel_user
  for each row execute function kernel_accounts_joined();
