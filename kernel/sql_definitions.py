"""What a function, trigger or view does beside its name and text: how a trigger is called and what it calls, with whose
rights and by which names a function works, what a view shows; and what stands there that no release made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.db import connection, transaction

_TRIGGER = re.compile(
    r"create\s+(?:or\s+replace\s+)?(?:constraint\s+)?trigger\s+(\w+)\s+(before|after|instead\s+of)\s+([^;']*?)\s+"
    r"on\s+\"?(\w+)\"?\s+([^;]*?)execute\s+(?:function|procedure)\s+(\w+)\s*\(",
    re.DOTALL | re.IGNORECASE,
)
_FUNCTION = re.compile(r"create or replace function (\w+)\s*\((.*?)\$\$", re.DOTALL)
_VIEW = re.compile(r"create or replace view (\w+) as\s(.*?);", re.DOTALL)
_STAMPED = re.compile(r"kernel_stamp_writes_of\(array\[(.*?)\]", re.DOTALL)
_COLUMNS = re.compile(r"\bupdate\s+of\s+.*?(?=\s+or\s+|$)", re.DOTALL | re.IGNORECASE)
_COMMENT = re.compile(r"--.*$", re.MULTILINE)
_EVENTS = {"insert": 4, "delete": 8, "update": 16, "truncate": 32}
_ROW, _BEFORE = 1, 2
OURS = "^(kernel|catalog|governance|runtime|auth|guardian|django)_"

_TRIGGERS = """
select t.tgname, c.relname, t.tgtype::int, t.tgqual is not null, p.proname
  from pg_trigger t
  join pg_class c on c.oid = t.tgrelid
  join pg_proc p on p.oid = t.tgfoid
 where c.relnamespace = current_schema()::regnamespace
   and c.relname ~ %s
   and not t.tgisinternal
   and t.tgparentid = 0
"""
_FUNCTIONS = """
select p.proname, p.prosecdef, coalesce(p.proconfig, '{}')
  from pg_proc p
 where p.pronamespace = current_schema()::regnamespace
   and p.proname = any(%s)
"""
_RULES = """
select r.rulename, c.relname
  from pg_rewrite r
  join pg_class c on c.oid = r.ev_class
 where c.relnamespace = current_schema()::regnamespace
   and c.relname ~ %s
   and r.rulename <> '_RETURN'
 order by 2, 1
"""
_GRANTS = """
select distinct c.relname, g.privilege_type, coalesce(a.rolname, 'everybody')
  from pg_class c
 cross join lateral aclexplode(c.relacl) g
  left join pg_roles a on a.oid = g.grantee
 where c.relnamespace = current_schema()::regnamespace
   and c.relname = any(%s)
   and g.grantee <> c.relowner
   and g.privilege_type <> 'SELECT'
 order by 1, 2, 3
"""
_SCHEMA = "select current_schema()"


class _Call(NamedTuple):
    """When a trigger calls, whether only on a condition, and what."""

    kind: int
    conditional: bool
    function: str


_STAMP = _Call(sum(_EVENTS.values()), False, "kernel_stamp_write")


def differences(texts: Iterable[str], of_models: Iterable[str], counting: Sequence[str]) -> list[str]:
    """Sentences. `texts` are the SQL files, `of_models` the SQL of each trigger of a model, `counting` begins the names
    of functions of models that work as the owner where another role serves."""
    plain = [_COMMENT.sub("", text) for text in texts]
    return [*_triggers([*plain, *of_models]), *_functions(plain, counting), *_views(plain), *_rules()]


def written_by_others(tables: Sequence[str]) -> list[str]:
    """Grants on these tables, which nobody but their owner writes."""
    return [f"{role} may {right} on {table}" for table, right, role in _rows(_GRANTS, [list(tables)])]


def _rows(statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return list(cursor.fetchall())


def _triggers(texts: Iterable[str]) -> list[str]:
    wanted: dict[tuple[str, str], _Call] = {}
    for text in texts:
        for name, moment, events, table, rest, function in _TRIGGER.findall(text):
            kind = _BEFORE if moment.lower() == "before" else 0
            kind |= _ROW if re.search(r"for\s+each\s+row", rest, re.IGNORECASE) else 0
            for event in re.findall(r"\w+", _COLUMNS.sub("update", events)):
                kind |= _EVENTS.get(event.lower(), 0)
            conditional = re.search(r"\bwhen\s*\(", rest, re.IGNORECASE) is not None
            wanted[name.lower(), table.lower()] = _Call(kind, conditional, function.lower())
        for tables in _STAMPED.findall(text):
            wanted |= {("write_stamp", table): _STAMP for table in re.findall(r"\w+", tables)}
    found = {(name, table): _Call(*call) for name, table, *call in _rows(_TRIGGERS, [OURS])}
    other = [name for name in sorted(found) if name in wanted and found[name] != wanted[name]]
    more = [name for name in sorted(found) if name not in wanted]
    return [
        *(f"trigger {name} on {table} is not the one of this release" for name, table in other),
        *(f"trigger {name} on {table} is of no release" for name, table in more),
    ]


def _functions(texts: Iterable[str], counting: Sequence[str]) -> list[str]:
    heads: dict[str, list[str]] = {}
    for text in texts:
        for name, head in _FUNCTION.findall(text):
            heads.setdefault(name, []).append(head.lower())
    [(schema,)] = _rows(_SCHEMA)
    pinned = f"search_path={schema}, pg_temp"
    told = set()
    for name, as_owner, settings in _rows(_FUNCTIONS, [list(heads)]):
        texts_of = heads[name]
        if (
            as_owner
            and not any("security definer" in head for head in texts_of)
            and not name.startswith(tuple(counting))
        ):
            told.add(name)
        more = [one for one in settings if one != pinned and not any(f"set {_named(one)}" in t for t in texts_of)]
        loose = pinned not in settings and all("set search_path" in head for head in texts_of)
        if more or loose or any(one.startswith("search_path=") and one != pinned for one in settings):
            told.add(name)
    return [f"function {name} works by other rights or names than in this release" for name in sorted(told)]


def _named(setting: str) -> str:
    return setting.partition("=")[0].lower()


def _views(texts: Iterable[str]) -> list[str]:
    """Each view beside one of this session alone that the file's text makes, as PostgreSQL itself writes both."""
    wanted: Mapping[str, str] = {name: text for file in texts for name, text in _VIEW.findall(file)}
    told = []
    with transaction.atomic(), connection.cursor() as cursor:
        for name, text in wanted.items():
            cursor.execute(f'create temp view "of_release_{name}" as {text}'.replace("%", "%%"), [])
            cursor.execute(
                "select pg_get_viewdef(to_regclass(%s)) is not distinct from pg_get_viewdef(to_regclass(%s))",
                [name, f"pg_temp.of_release_{name}"],
            )
            if not cursor.fetchone()[0]:
                told.append(f"view {name} is not the one of this release")
        cursor.execute("".join(f'drop view pg_temp."of_release_{name}";' for name in wanted) or "select 1")
    return told


def _rules() -> list[str]:
    return [f"rule {name} on {table} is of no release" for name, table in _rows(_RULES, [OURS])]
