"""What the role that serves may do in the database, as statements of the owner: reading and writing rows where the
product does, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString, cast

import psycopg
from django.core.management.base import CommandError
from django.db import connection, connections
from psycopg import sql

from kernel.postgresql import owner

ROOMS = ("kernel", "catalog", "governance", "runtime")
OTHERS = ("auth", "django", "guardian")
EVERYTHING = "select, insert, update, delete"
_READ, _ADD, _ADD_AND_DROP = "select", "select, insert", "select, insert, delete"

# Everything else is read and written. Triggers guard what is written; a row that is written once needs no update, and
# where a few columns may move, the others do not.
RIGHTS: Mapping[str, str] = {
    "django_migrations": _READ,
    "django_content_type": _READ,
    "auth_permission": _READ,
    "kernel_auditentry": _READ,  # written by triggers and by kernel_record
    "kernel_auditlink": _READ,
    "kernel_ledgerturn": _READ,  # who adds to the chain locks it as the owner
    "kernel_recoverycode": f"{_ADD_AND_DROP}, update (used_at)",
    "kernel_secondfactor": f"{_ADD_AND_DROP}, update (name, used_at, step, signatures)",
    "kernel_usedchallenge": _ADD_AND_DROP,
    "kernel_provedmail": _ADD_AND_DROP,
    "kernel_demomark": f"{_ADD}, update (ended_at)",
    "kernel_writestamp": _ADD_AND_DROP,
    "catalog_destination": _READ,
    "catalog_evidencetally": _READ,
    "governance_approval": f"{_ADD}, update (voided_at, void_reason, used_at, used_by_text)",
    "governance_breakacceptance": f"{_ADD}, update (voided_at)",
    "governance_breakglass": f"{_ADD}, update (confirmed_by_id, starts_at, ends_at, reviewed_by_id, reviewed_at,"
    " review_note)",
    "governance_changeevent": _ADD,
    "governance_changerequest": f"{_ADD}, update",
    "governance_checkresult": f"{_ADD}, update",
    "governance_contributor": _ADD,
    "governance_decision": f"{_ADD}, update (voided_at, void_reason)",
    "governance_freezewindow": f"{_ADD}, update",
    "governance_loosenedfact": _READ,
    "governance_policy": f"{_ADD}, update (state, activated_at, summary)",
    "governance_releasetally": _READ,
    "governance_slot": _ADD,
    "governance_verdict": _ADD,
    "governance_waiver": f"{_ADD}, update (state, granted_at, revoked_at, revoked_by_id)",
    "governance_applicationrelease": f"{_ADD}, update",
    "runtime_approveddestination": _READ,
    "runtime_attempt": f"{_ADD_AND_DROP}, update (answer, detail, payload)",
    "runtime_delivery": _ADD_AND_DROP,
    "runtime_deployment": f"{_ADD}, update",  # where work goes stays: nobody puts another row in its place
    "runtime_entitywrite": _ADD,
    "runtime_integration": f"{_ADD}, update",
    "runtime_message": f"{_ADD}, update (payload)",
    "runtime_pin": _ADD,
    "runtime_release": _ADD,
    "runtime_stream": f"{_ADD}, update",
    "runtime_subscription": f"{_ADD}, update",
    "runtime_vendorstate": f"{_ADD}, update",
}
MOVED_SEQUENCES = ("runtime_subscription",)  # a database that went back gives no number a second time

_TABLES = """
select c.relname, c.relkind::text, c.relispartition
  from pg_class c
 where c.relnamespace = current_schema()::regnamespace
   and c.relkind in ('r', 'p', 'v')
   and split_part(c.relname, '_', 1) = any(%s)
 order by c.relname"""
_SEQUENCES = """
select c.relname, coalesce(t.relname, '')
  from pg_class c
  left join pg_depend d on d.objid = c.oid and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i')
  left join pg_class t on t.oid = d.refobjid
 where c.relnamespace = current_schema()::regnamespace
   and c.relkind = 'S'
   and split_part(c.relname, '_', 1) = any(%s)
 order by c.relname"""
# Triggers made from models cannot say so themselves: those that count rows write where nobody else may.
COUNTING = ("counted_in", "counted_out", "release_tally")
_FUNCTIONS = """
select p.oid::regprocedure::text,
       p.prosecdef,
       p.prorettype = 'trigger'::regtype,
       coalesce(array_to_string(p.proconfig, ' '), '') like '%%search_path=%%',
       p.proname
  from pg_proc p
 where p.pronamespace = current_schema()::regnamespace
   and p.prokind = 'f'
   and split_part(p.proname, '_', 1) = any(%s)
 order by 1"""


def give_serving_role() -> int:
    """As the owner: the role of DATABASE_URL has its rights on everything that is there now; it is made where it is
    missing. Answers how many statements that took; 0 where one role does everything."""
    role = owner.serving_role()
    if role is None:
        return 0
    conn = _session()
    if not _one(conn, "select exists (select from pg_roles where rolname = %s)", role):
        _make(conn, role)
    return give(conn, role)


def give(conn: psycopg.Connection[Any], role: str) -> int:
    """In one transaction: who serves meanwhile has its rights the whole time."""
    said = statements(conn, role)
    conn.execute(sql.SQL("; ").join(said), prepare=False)
    return len(said)


def give_to(role: str) -> int:
    return give(_session(), role)


def printed(role: str) -> list[str]:
    return [f"{one.as_string()};" for one in statements(_session(), role)]


def _session() -> psycopg.Connection[Any]:
    connection.ensure_connection()
    found: psycopg.Connection[Any] = connection.connection
    return found


def _one(conn: psycopg.Connection[Any], statement: LiteralString, *given: Any) -> Any:
    row = conn.execute(statement, given).fetchone()
    return row[0] if row else None


def _make(conn: psycopg.Connection[Any], role: str) -> None:
    password = str(connections.databases["default"]["PASSWORD"])
    text = "create role {} login password {} nosuperuser nocreatedb nocreaterole noreplication"
    try:
        conn.execute(sql.SQL(text).format(sql.Identifier(role), sql.Literal(password)))
    except psycopg.errors.InsufficientPrivilege:
        said = f"create role {sql.Identifier(role).as_string()} login password '…';"
        raise CommandError(
            f"The database has no role {role}, and the owner may make none. Let the administrator of the server say: "
            f"{said} Then run this again."
        ) from None


def statements(conn: psycopg.Connection[Any], role: str) -> list[sql.Composed]:
    """What the owner says to give `role` its rights on everything that is there now. Said again, it changes nothing."""
    given = {"role": sql.Identifier(role), "schema": sql.Identifier(str(_one(conn, "select current_schema()")))}
    made = [sql.SQL("grant usage on schema {schema} to {role}").format(**given)]
    for table, kind, is_partition in conn.execute(_TABLES, [[*ROOMS, *OTHERS]]).fetchall():
        right = _READ if kind == "v" or is_partition else RIGHTS.get(table, EVERYTHING)
        made += _exactly(right, sql.Identifier(table), given)
    for sequence, table in conn.execute(_SEQUENCES, [[*ROOMS, *OTHERS]]).fetchall():
        right = "usage, select, update" if table in MOVED_SEQUENCES else "usage, select"
        made += _exactly(right, sql.SQL("sequence {}").format(sql.Identifier(sequence)), given)
    for row in conn.execute(_FUNCTIONS, [[*ROOMS, "pgtrigger"]]).fetchall():
        made += _of_function(row, given)
    # A partition that is made later is read by name when it is counted.
    text = "alter default privileges in schema {schema} grant select on tables to {role}"
    return [*made, sql.SQL(text).format(**given)]


def _exactly(right: str, what: sql.Composable, given: Mapping[str, sql.Composable]) -> list[sql.Composed]:
    parts = {**given, "right": sql.SQL(cast(LiteralString, right)), "what": what}
    return [
        sql.SQL("revoke all on {what} from {role}").format(**parts),
        sql.SQL("grant {right} on {what} to {role}").format(**parts),
    ]


def _of_function(row: tuple[Any, ...], given: Mapping[str, sql.Composable]) -> list[sql.Composed]:
    """Guards look at the tables of the product, and not at a temporary one that was given the same name. A function
    that acts as the owner is called by this role alone; one that is a trigger by nobody."""
    signature, acts_as_owner, is_trigger, pinned, name = row
    parts = {**given, "function": sql.SQL(signature)}
    counts = name.startswith(tuple(f"pgtrigger_{one}" for one in COUNTING))
    wanted = []
    if counts:
        wanted.append("alter function {function} security definer")
    if not pinned and (is_trigger or not name.startswith("runtime_")):
        wanted.append("alter function {function} set search_path to {schema}, pg_temp")
    if acts_as_owner or counts:
        wanted.append("revoke all on function {function} from public")
        if not is_trigger:
            wanted.append("grant execute on function {function} to {role}")
    return [sql.SQL(cast(LiteralString, one)).format(**parts) for one in wanted]


def page() -> str:
    """The reference of the rights, in Markdown."""
    lines = [
        "# Rights of the serving role",
        "",
        "What `manage.py migrate` grants to the role of `DATABASE_URL`, where the tables have another owner "
        "([how to](../how-to/two-database-roles.md)). Made from `portal/database_roles.py` by `make drawings`; do not "
        "edit.",
        "",
        f"Tables that are not listed: {EVERYTHING}. Views and partitions of the log: {_READ}. Sequences: usage, select"
        f" ({', '.join(MOVED_SEQUENCES)}: update, too). Nothing else: no truncate, no trigger, no references, no table "
        "or function of its own but temporary tables.",
        "",
        "| table | rights |",
        "|---|---|",
        *(f"| `{table}` | {right} |" for table, right in sorted(RIGHTS.items())),
        "",
        "The log's partitions are made, exchanged and dropped by functions of the owner "
        "(`runtime/sql/80_partitions.sql`), which refuse what a policy keeps or something needs. The hash chain and "
        "the tallies are written by triggers that act as the owner. Guards look at the schema of the product before "
        "temporary tables, so one with the same name deceives none.",
    ]
    return "\n".join(lines) + "\n"
