-- Who may do what is in the ledger, by whichever way it changed: a page, the administration, a shell, an import or
-- plain SQL. Passwords, hashes of tokens and addresses of mail never are.

-- Who acts, as the program has said in this transaction (kernel/acting.py); a program that said nothing is named by its
-- role. What is said can be made up by any writer: the role and the address in `written_by` are the
-- database's own words.
create or replace function kernel_acting() returns jsonb language sql stable as $$
  select coalesce(
    nullif(current_setting('tillgate.acting', true), '')::jsonb,
    jsonb_build_object('text', 'database role ' || session_user
                               || coalesce(' (' || nullif(current_setting('application_name', true), '') || ')', '')))
$$;

create or replace function kernel_tell(verb text, kind text, subject text, before jsonb, after jsonb) returns void
language plpgsql as $$
declare
  acting jsonb := kernel_acting();
begin
  perform kernel_record((acting ->> 'person')::bigint, left(acting ->> 'text', 200), verb, kind, subject, before,
                        after || case when acting ? 'way' then jsonb_build_object('way', acting -> 'way') else '{}' end,
                        '', left(coalesce(acting ->> 'request', ''), 64));
end $$;

-- What of an account is told.
create or replace function kernel_account_told(u kernel_user) returns jsonb language sql immutable as $$
  select jsonb_build_object('username', u.username, 'first_name', u.first_name, 'last_name', u.last_name,
                            'kind', u.kind)
$$;

create or replace function kernel_account_written() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
declare
  acting jsonb := kernel_acting();
  who text := coalesce(new.id, old.id)::text;
  told jsonb;
begin
  if tg_op = 'DELETE' then
    perform kernel_tell('kernel.account_deleted', 'user', who, kernel_account_told(old), '{}');
    return null;
  end if;
  told := jsonb_build_object('username', new.username);
  if tg_op = 'INSERT' then
    perform kernel_tell('kernel.account_created', 'user', who, null,
                        kernel_account_told(new)
                        || jsonb_build_object('is_active', new.is_active,
                                              'password', case when new.password = '' or new.password like '!%'
                                                               then 'none' else 'set' end));
  else
    if kernel_account_told(new) <> kernel_account_told(old) or new.email <> old.email then
      perform kernel_tell('kernel.account_changed', 'user', who, kernel_account_told(old),
                          kernel_account_told(new)
                          || case when new.email <> old.email then '{"email": "changed"}' else '{}' end::jsonb);
    end if;
    -- One password that nobody can use is as good as another.
    if new.password <> old.password
       and not ((new.password = '' or new.password like '!%') and (old.password = '' or old.password like '!%')) then
      perform kernel_tell(case when acting ->> 'way' = 'stored_anew' then 'kernel.password_stored_anew'
                               when (acting ->> 'person')::bigint = new.id then 'kernel.password_changed'
                               when new.password like '!%' then 'kernel.password_taken'
                               else 'kernel.password_reset' end,
                          'user', who, null, told);
    end if;
  end if;
  if new.is_superuser <> coalesce(old.is_superuser, false) then
    perform kernel_tell('kernel.superuser_' || case when new.is_superuser then 'given' else 'taken' end,
                        'user', who, null, told);
  end if;
  if new.is_staff <> coalesce(old.is_staff, false) then
    perform kernel_tell('kernel.staff_' || case when new.is_staff then 'given' else 'taken' end,
                        'user', who, null, told);
  end if;
  if new.is_active <> coalesce(old.is_active, new.is_active) then
    perform kernel_tell('kernel.account_' || case when new.is_active then 'reopened' else 'closed' end,
                        'user', who, null, told);
  end if;
  -- What was handed out with the old password, or by an account that is closed, ends with it.
  if tg_op = 'UPDATE'
     and (old.is_active and not new.is_active
          or new.password <> old.password and old.password <> '' and old.password not like '!%'
             and acting ->> 'way' is distinct from 'stored_anew'
             and (acting ->> 'person')::bigint is distinct from new.id) then
    update kernel_apitoken set revoked_at = clock_timestamp() where user_id = new.id and revoked_at is null;
    delete from kernel_usersession where user_id = new.id;
  end if;
  return null;
end $$;
create or replace trigger told after insert or delete or update of username, first_name, last_name, email, kind,
                                                                  password, is_active, is_staff, is_superuser
  on kernel_user for each row execute function kernel_account_written();

create or replace function kernel_role_written() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
begin
  if tg_op in ('DELETE', 'UPDATE') then
    perform kernel_tell('kernel.role_taken', 'user', old.user_id::text, null,
                        jsonb_build_object('group', old.group_id, 'team',
                                           (select g.name from auth_group g where g.id = old.group_id)));
  end if;
  if tg_op in ('INSERT', 'UPDATE') then
    perform kernel_tell('kernel.role_given', 'user', new.user_id::text, null,
                        jsonb_build_object('group', new.group_id, 'team',
                                           (select g.name from auth_group g where g.id = new.group_id)));
  end if;
  return null;
end $$;
create or replace trigger told after insert or delete or update on kernel_user_groups
  for each row execute function kernel_role_written();

create or replace function kernel_group_written() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
begin
  if tg_op = 'DELETE' then
    perform kernel_tell('kernel.group_deleted', 'group', old.id::text, jsonb_build_object('name', old.name), '{}');
  elsif tg_op = 'INSERT' then
    perform kernel_tell('kernel.group_made', 'group', new.id::text, null, jsonb_build_object('name', new.name));
  elsif (new.id, new.name) is distinct from (old.id, old.name) then
    perform kernel_tell('kernel.group_renamed', 'group', old.id::text, jsonb_build_object('name', old.name),
                        jsonb_build_object('name', new.name));
  end if;
  return null;
end $$;
create or replace trigger kernel_told after insert or delete or update on auth_group
  for each row execute function kernel_group_written();

-- Permissions of Django, given to a person or to a group.
create or replace function kernel_permission_written() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
declare
  given jsonb;
begin
  foreach given in array array[case when tg_op <> 'INSERT' then to_jsonb(old) || '{"verb": "taken"}' end,
                               case when tg_op <> 'DELETE' then to_jsonb(new) || '{"verb": "given"}' end] loop
    if given is not null then
      perform kernel_tell('kernel.permission_' || (given ->> 'verb'),
                          case when given ? 'user_id' then 'user' else 'group' end,
                          coalesce(given ->> 'user_id', given ->> 'group_id'), null,
                          jsonb_build_object('permission', (select c.app_label || '.' || p.codename
                                                              from auth_permission p
                                                              join django_content_type c on c.id = p.content_type_id
                                                             where p.id = (given ->> 'permission_id')::int)));
    end if;
  end loop;
  return null;
end $$;
create or replace trigger told after insert or delete or update on kernel_user_user_permissions
  for each row execute function kernel_permission_written();
create or replace trigger kernel_told after insert or delete or update on auth_group_permissions
  for each row execute function kernel_permission_written();

-- What of a token is told: never its hash.
create or replace function kernel_token_told(t kernel_apitoken) returns jsonb language sql stable as $$
  select jsonb_build_object('user', (select u.username from kernel_user u where u.id = t.user_id), 'name', t.name,
                            'prefix', t.prefix, 'scopes', t.scopes, 'expires_at', t.expires_at)
$$;

create or replace function kernel_token_written() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
begin
  if tg_op = 'INSERT' then
    perform kernel_tell('kernel.token_issued', 'token', new.id::text, null, kernel_token_told(new));
  elsif tg_op = 'DELETE' then
    perform kernel_tell('kernel.token_deleted', 'token', old.id::text, kernel_token_told(old), '{}');
  else
    if new.token_hash <> old.token_hash or kernel_token_told(new) <> kernel_token_told(old) then
      perform kernel_tell('kernel.token_changed', 'token', new.id::text, kernel_token_told(old),
                          kernel_token_told(new));
    end if;
    if (old.revoked_at is null) <> (new.revoked_at is null) then
      perform kernel_tell('kernel.token_' || case when new.revoked_at is null then 'restored' else 'revoked' end,
                          'token', new.id::text, null, kernel_token_told(new) - '{prefix,expires_at}'::text[]);
    end if;
  end if;
  return null;
end $$;
create or replace trigger told after insert or delete or update of user_id, name, prefix, token_hash, scopes,
                                                                  expires_at, revoked_at
  on kernel_apitoken for each row execute function kernel_token_written();
