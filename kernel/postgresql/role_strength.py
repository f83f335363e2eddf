"""Whether the role of a session may do more than serve. Who can switch triggers off can forge everything that they
guard, and nothing in the database would show it."""

from __future__ import annotations

# Each with what is too strong about it. Privileges that a role has by being a member of another one count.
LOOK = """
select said
  from (
    select 1 as n, 'it is a superuser' as said from pg_roles where rolname = current_user and rolsuper
    union all
    select 2, 'it may make roles' from pg_roles where rolname = current_user and rolcreaterole and not rolsuper
    union all
    select 3, 'it may replicate or passes row security'
      from pg_roles where rolname = current_user and (rolreplication or rolbypassrls) and not rolsuper
    union all
    select 4, 'it owns tables, so it can switch their triggers off'
     where exists (select from pg_class c
                    where c.relnamespace = current_schema()::regnamespace
                      and c.relkind in ('r', 'p')
                      and c.relname in ('kernel_auditentry', 'governance_approval', 'runtime_message')
                      and pg_has_role(current_user, c.relowner, 'member'))
    union all
    select 5, 'it may set session_replication_role, which switches triggers off'
     where has_parameter_privilege(current_user, 'session_replication_role', 'set')
    union all
    select 6, 'it may make tables and functions'
     where has_schema_privilege(current_user, current_schema(), 'create')
    union all
    select 7, 'it may write to the hash chain of the ledger'
     where to_regclass('kernel_auditlink') is not null
       and has_any_column_privilege(current_user, 'kernel_auditlink', 'insert, update')
    union all
    select 8, 'it may empty tables'
     where to_regclass('kernel_auditentry') is not null
       and has_table_privilege(current_user, 'kernel_auditentry', 'truncate')
    union all
    select 9, 'it is a member of ' || r.rolname
      from pg_roles r
     where r.rolname in ('pg_write_all_data', 'pg_execute_server_program', 'pg_write_server_files')
       and pg_has_role(current_user, r.oid, 'member')
  ) looked
 where n = 1 or not exists (select from pg_roles where rolname = current_user and rolsuper)
 order by n"""
ADVICE = (
    "let the tables' owner migrate (DATABASE_OWNER_URL) and give DATABASE_URL a role that owns nothing: "
    "docs/how-to/two-database-roles.md"
)
