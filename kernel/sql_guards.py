"""Whether the functions and triggers of the database are those of this release: a person who replaced or
switched off one of them could leave out what the ledger should hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from django.db import connection

from kernel import model_triggers, sql_definitions
from kernel.sql_files import files_of

_FUNCTION = re.compile(r"create or replace function (\w+)\s*\(.*?\$\$(.*?)\$\$", re.DOTALL)
_TRIGGER = re.compile(r"create (?:or replace |constraint )?trigger (\w+)\s[^;]*?\son\s+(\w+)", re.DOTALL)
_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)
_BODIES = """
select p.proname, p.prosrc from pg_proc p
 where p.pronamespace = current_schema()::regnamespace and p.proname = any(%s)
"""
_TRIGGERS = """
select t.tgname, c.relname, t.tgenabled::text
  from pg_trigger t
  join pg_class c on c.oid = t.tgrelid
 where c.relnamespace = current_schema()::regnamespace and not t.tgisinternal
"""


def differences(rooms: Sequence[str]) -> list[str]:
    """Sentences about functions of these rooms that have another text than the files or the models, triggers that are
    missing or switched off, and what `sql_definitions` compares. During an upgrade they say that it has not been
    migrated yet."""
    texts = [file.read_text() for room in rooms for file in files_of(room)]
    more = sql_definitions.differences(texts, model_triggers.statements(), model_triggers.COUNTING)
    return list(dict.fromkeys([*_functions(texts), *_triggers(texts), *more]))


def _functions(texts: Iterable[str]) -> list[str]:
    wanted: dict[str, set[str]] = {name: {body} for name, body in model_triggers.bodies().items()}
    for text in texts:
        for name, body in _FUNCTION.findall(text):
            wanted.setdefault(name, set()).add(body)
    with connection.cursor() as cursor:
        cursor.execute(_BODIES, [list(wanted)])
        present: dict[str, set[str]] = {}
        for name, body in cursor.fetchall():
            present.setdefault(name, set()).add(body)
    return [
        f"function {name} {'is missing' if name not in present else 'is not the one of this release'}"
        for name in sorted(wanted)
        if present.get(name) != wanted[name]
    ]


def _triggers(texts: Iterable[str]) -> list[str]:
    wanted = {found for text in texts for found in _TRIGGER.findall(_COMMENT.sub("", text))} | model_triggers.places()
    with connection.cursor() as cursor:
        cursor.execute(_TRIGGERS)
        present = {(name, table): enabled for name, table, enabled in cursor.fetchall()}
    missing = [f"trigger {name} on {table} is missing" for name, table in sorted(wanted - set(present))]
    off = [
        f"trigger {name} on {table} is switched off" for (name, table), on in sorted(present.items()) if on not in "OA"
    ]
    return [*missing, *off]
