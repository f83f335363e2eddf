"""On whose behalf the present code writes. The database makes the ledger's entries about accounts, roles and tokens by
itself, and takes the acting person from here: it is told in the same transaction, before the statement that writes.

A program that says nothing, psql for example, is named by its database role.
"""

from __future__ import annotations

import getpass
import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from kernel.request import request_id

SET = "select set_config('tillgate.acting', %s, true)"
PROVIDER = "provider"  # what the identity provider said at a sign-in
PROVISIONING = "provisioning"  # what a provider's or a program's token wrote about people
STORED_ANEW = "stored_anew"  # the same password, hashed in a newer way
command = ""
"""The command of manage.py that this process is; empty in servers and workers."""

_TABLES = {
    "kernel_user",
    "kernel_provedmail",
    "kernel_user_groups",
    "kernel_user_user_permissions",
    "kernel_apitoken",
    "kernel_secondfactor",
    "kernel_recoverycode",
    "auth_group",
    "auth_group_permissions",
}
_WRITES = re.compile(r"\s*(?:insert\s+into|update|delete\s+from)\s+\"?(\w+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Acting:
    """`person` is asked when something is written, so that a request that writes nothing loads nobody."""

    person: Callable[[], Any]
    way: str = ""
    text: str = ""


_now: ContextVar[Acting | None] = ContextVar("tillgate_acting", default=None)
_named_by_command: ContextVar[bool] = ContextVar("tillgate_named_by_command", default=False)


def watch(*tables: str) -> None:
    """Tables of other rooms whose triggers want to know who acts."""
    _TABLES.update(tables)


@contextmanager
def by(person: Any, *, way: str = "", text: str = "") -> Iterator[None]:
    """Within the block, what is written is written by this person: a user, a function that finds one, or None for the
    system, which `text` may describe."""
    token = _now.set(Acting(person if callable(person) else lambda: person, way, text))
    try:
        yield
    finally:
        _now.reset(token)


@contextmanager
def named_by_command() -> Iterator[None]:
    """Within the block, the person who acts was named by an option of a command; the ledger names who ran it, too."""
    token = _named_by_command.set(True)
    try:
        yield
    finally:
        _named_by_command.reset(token)


def text_of(person: Any) -> str:
    """How the ledger writes who acts: a person by name, otherwise the system."""
    if person is None:
        return system()
    return f"{str(person)[:100]}, named by {system()}"[:200] if _named_by_command.get() else str(person)


def said() -> str:
    """Who acts, for the database: a JSON object."""
    acting = _now.get()
    person = acting.person() if acting else None
    told: dict[str, Any] = {"text": (acting.text if acting else "") or system(), "request": request_id()}
    if person is not None and getattr(person, "pk", None):
        told |= {"person": person.pk, "text": text_of(person)}
    if acting and acting.way:
        told["way"] = acting.way
    return json.dumps(told)


def system() -> str:
    """Who acts where no person is known: `system`, or who called manage.py on which host."""
    return f"{_account()}@{socket.gethostname()} by manage.py {command}" if command else "system"


def tell_the_database(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
    """A wrapper of Django's statements (`connection.execute_wrappers`)."""
    found = _WRITES.match(sql) if isinstance(sql, str) else None
    if found is None or found[1].lower() not in _TABLES:
        return execute(sql, params, many, context)
    connection = context["connection"]
    if connection.in_atomic_block:
        execute(SET, [said()], False, context)
        return execute(sql, params, many, context)
    with transaction.atomic(using=connection.alias):
        execute(SET, [said()], False, context)
        return execute(sql, params, many, context)


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"
