"""The triggers that django-pgtrigger makes from the models: no session leaves one out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pgtrigger
from django.db import connections

FILE = Path(__file__).parent / "sql" / "05_model_triggers.sql"
COUNTING = tuple(f"pgtrigger_{one}" for one in ("counted_in", "counted_out", "release_tally"))
"""Begin the names of functions that write where nobody else may; where another role serves they act as the owner."""
_BODY = re.compile(r"CREATE OR REPLACE FUNCTION (pgtrigger_\w+)\(\)\s+RETURNS TRIGGER AS \$\$(.*?)\$\$", re.DOTALL)
_PRESENT = "select p.prosrc from pg_proc p where p.oid = to_regprocedure('_pgtrigger_should_ignore(name)')"


def bodies() -> Mapping[str, str]:
    """By its name, the text of each function that a trigger of a model calls, as this release makes it."""
    found: dict[str, str] = {}
    for statement in statements():
        found.update(_BODY.findall(statement))
    return found


def statements() -> list[str]:
    """What makes each trigger of a model, with its function."""
    return [trigger.compile(model).install_sql for model, trigger in pgtrigger.registered()]


def places() -> set[tuple[str, str]]:
    """The name of each trigger of a model, and its table."""
    return {(trigger.get_pgid(model), model._meta.db_table) for model, trigger in pgtrigger.registered()}


def never_left_out(using: str, **_: Any) -> None:
    """After each migration: those with a trigger of a model have brought the library's function back with it."""
    text = FILE.read_text()
    with connections[using].cursor() as cursor:
        cursor.execute(_PRESENT)
        present = cursor.fetchone()
        if present is not None and present[0] not in text:
            cursor.execute(text)
