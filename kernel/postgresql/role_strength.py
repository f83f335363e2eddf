"""Whether the role of a session may do more than serve. Who can switch triggers off can forge everything that they
guard, and nothing in the database would show it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.conf import settings

from kernel.postgresql import sessions

# Each with what is too strong about it. What a role may become or has by being a member of another one counts.
LOOK = """
with own as (
  select * from pg_roles where rolname = current_user
), mine as (
  select r.* from pg_roles r, own where r.oid = own.oid or not own.rolsuper and pg_has_role(own.oid, r.oid, 'member')
)
select said
  from (
    select 1 as n, 'it is a superuser' as said from own where rolsuper
    union all
    select 1, 'it may become ' || mine.rolname || ', a superuser'
      from mine, own
     where mine.rolsuper and not own.rolsuper
    union all
    select 2, 'it may make roles' where exists (select from mine where rolcreaterole)
    union all
    select 3, 'it may replicate or passes row security'
     where exists (select from mine where rolreplication or rolbypassrls)
    union all
    select 4, 'it owns tables or functions, so it can switch triggers off'
     where exists (select from pg_class c join mine on mine.oid = c.relowner
                    where c.relnamespace = current_schema()::regnamespace
                      and c.relkind in ('r', 'p', 'v', 'm')
                      and c.relname ~ '^(kernel|catalog|governance|runtime)_')
        or exists (select from pg_proc p join mine on mine.oid = p.proowner
                    where p.pronamespace = current_schema()::regnamespace
                      and p.proname ~ '^_?(kernel|catalog|governance|runtime|pgtrigger)_')
    union all
    select 5, 'it may set session_replication_role, which switches triggers off'
     where exists (select from mine where has_parameter_privilege(oid, 'session_replication_role', 'set'))
    union all
    select 6, 'it may make tables and functions in ' || string_agg(n.nspname, ', ' order by n.nspname)
      from pg_namespace n
     where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
       and exists (select from mine where has_schema_privilege(mine.oid, n.oid, 'create'))
    having count(*) > 0
    union all
    select 6, 'it may make schemas in this database'
     where exists (select from mine where has_database_privilege(mine.oid, current_database(), 'create'))
    union all
    select 7, 'it may write to the ledger or its hash chain'
     where exists (select from mine, unnest(array[to_regclass('kernel_auditentry'), to_regclass('kernel_auditlink')]) t
                    where t is not null and has_any_column_privilege(mine.oid, t, 'insert, update')
                       or t is not null and has_table_privilege(mine.oid, t, 'delete'))
    union all
    select 8, 'it may empty tables'
     where to_regclass('kernel_auditentry') is not null
       and exists (select from mine where has_table_privilege(mine.oid, 'kernel_auditentry', 'truncate'))
    union all
    select 9, 'it is a member of ' || rolname
      from mine
     where rolname in ('pg_write_all_data', 'pg_execute_server_program', 'pg_write_server_files')
  ) looked
 where n = 1 or not exists (select from mine where rolsuper)
 order by n"""
ADVICE = (
    "let the tables' owner migrate (DATABASE_OWNER_URL) and give DATABASE_URL a role that owns nothing: "
    "docs/how-to/two-database-roles.md"
)


def too_strong() -> dict[str, tuple[str, ...]]:
    """By the setting that names its address: what the role may do beyond serving. Pages use one address and workers
    another, so each of them is asked. Raises psycopg.Error where one does not answer."""
    found: dict[str, tuple[str, ...]] = {}
    for name, parts in settings.DATABASE_ADDRESSES.items():
        with _asked(parts) as conn:
            found[name] = tuple(str(row[0]) for row in conn.execute(LOOK).fetchall())
    return {name: said for name, said in found.items() if said}


@contextmanager
def _asked(parts: Mapping[str, Any]) -> Iterator[sessions.BoundedConnection]:
    """A session of exactly this address, for one question: a pooler in any mode will do."""
    named = {"application_name": "tillgate-guard"}
    opened = sessions.BoundedConnection.connect(**(dict(sessions.KEEP_ALIVE) | dict(parts) | named), autocommit=True)
    opened.prepare_threshold = None
    opened.answer_within = sessions.limits_of("probe").answer
    try:
        yield opened
    finally:
        opened.close()
