"""The functions, views and triggers of a room as files: `<room>/sql/*.sql` is their only text, and migrations apply it.

Tables, columns, indexes and constraints change step by step, by migrations. A function, a view or a trigger holds no
data, so only its present text matters: `ApplySql("<room>")` stands once in a room, in its newest migration that changes
SQL, and brings an empty or older database to what the files say. The files run in the order of their names. They say
`create or replace`; where PostgreSQL cannot replace (a constraint trigger, another result type, other columns of a
view), the file drops first. `docs/how-to/add-a-migration.md` shows the steps.

What belongs to a room is known by its name: functions and views that begin with `<room>_`, and the triggers on tables
that begin so, except those that django-pgtrigger makes from the models. A trigger on a table of nobody's room
(`auth_group`) or of a room below has a name that begins with its own room's.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

Name = tuple[str, str]
"""Kind (`trigger`, `view` or `function`) and the name as `drop` wants it: `guard on governance_slot`, `f(bigint)`."""

Definitions = dict[Name, tuple[str, str]]
"""By name: where the row of the system catalog lies, and the definition as PostgreSQL writes it."""

_PRESENT = """
select 'trigger', format('%%I on %%s', t.tgname, t.tgrelid::regclass), t.ctid::text, pg_get_triggerdef(t.oid)
  from pg_trigger t
  join pg_class c on c.oid = t.tgrelid
 where c.relnamespace = current_schema()::regnamespace
   and (starts_with(t.tgname, %(prefix)s)
        or starts_with(c.relname, %(prefix)s) and t.tgname !~ '^(kernel|catalog|governance|runtime)_')
   and not t.tgisinternal
   and t.tgparentid = 0
   and not starts_with(t.tgname, 'pgtrigger_')
union all
select 'view', v.oid::regclass::text, r.ctid::text, pg_get_viewdef(v.oid)
  from pg_class v
  join pg_rewrite r on r.ev_class = v.oid and r.rulename = '_RETURN'
 where v.relnamespace = current_schema()::regnamespace
   and starts_with(v.relname, %(prefix)s)
   and v.relkind = 'v'
union all
select 'function', p.oid::regprocedure::text, p.ctid::text, pg_get_functiondef(p.oid)
  from pg_proc p
 where p.pronamespace = current_schema()::regnamespace
   and starts_with(p.proname, %(prefix)s)
   and p.prokind = 'f'
"""


def files_of(room: str) -> list[Path]:
    """The SQL files of one room in the order in which they run."""
    return sorted((Path(apps.get_app_config(room).path) / "sql").glob("*.sql"))


def definitions(cursor: Any, room: str) -> Definitions:
    """The functions, views and triggers of one room that the database has at this moment."""
    cursor.execute(_PRESENT, {"prefix": f"{room}_"})
    return {(kind, name): (place, text) for kind, name, place, text in cursor.fetchall()}


def _left_over(before: Definitions, after: Definitions) -> list[Name]:
    """What no file defines: PostgreSQL writes a new row of its catalog for all that is replaced, so this one's row
    stayed.
    """
    return [name for name, (place, _) in after.items() if name in before and before[name][0] == place]


def _drop(schema_editor: BaseDatabaseSchemaEditor, names: Iterable[Name]) -> None:
    """Triggers, then views, then functions: each kind uses the next. Views together, since one may use another."""
    sorted_by_kind: dict[str, list[str]] = {"trigger": [], "view": [], "function": []}
    for kind, name in names:
        sorted_by_kind[kind].append(name)
    for trigger in sorted_by_kind["trigger"]:
        schema_editor.execute(f"drop trigger {trigger}", params=None)
    for kind in ("view", "function"):
        if sorted_by_kind[kind]:
            schema_editor.execute(f"drop {kind} {', '.join(sorted_by_kind[kind])}", params=None)


class ApplySql(Operation):
    """Makes the functions, views and triggers of one room what its files say, and drops those that no file defines.

    It works on an empty database, on one with older definitions, and twice. Reversed, it drops all of them, so that the
    tables below can be undone; migrating forwards makes them again.
    """

    reduces_to_sql = True
    reversible = True

    def __init__(self, room: str) -> None:
        self.room = room

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Models do not change."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        with schema_editor.connection.cursor() as cursor:
            before = definitions(cursor, self.room)
            for file in files_of(self.room):
                schema_editor.execute(file.read_text(), params=None)
            if not schema_editor.collect_sql:
                _drop(schema_editor, _left_over(before, definitions(cursor, self.room)))

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        with schema_editor.connection.cursor() as cursor:
            _drop(schema_editor, definitions(cursor, self.room))

    def describe(self) -> str:
        return f"Functions, views and triggers of {self.room} as its files say"
