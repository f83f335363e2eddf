"""The SQL of migrations, and what is wrong with it for an installation that runs: squawk's rules, and two of our own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

HERE = Path(__file__).parent
ROOMS = ("kernel", "catalog", "governance", "runtime")
BIG_TABLES = ("runtime_message", "runtime_delivery", "runtime_attempt", "runtime_head", "runtime_runspan")
_WRITES_MANY = re.compile(rf"^\s*(?:update|delete\s+from)\s+\"?({'|'.join(BIG_TABLES)})\b", re.IGNORECASE | re.MULTILINE)
_CONCURRENTLY = re.compile(r"^\s*(?:create|drop|reindex)\b[^;]*\bconcurrently\b", re.IGNORECASE | re.MULTILINE)
_SETTINGS: dict[str, Any] = tomllib.loads((HERE / "excused.toml").read_text())
BASELINE: dict[str, str] = _SETTINGS["baseline"]
EXCUSED: list[dict[str, Any]] = _SETTINGS["excused"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that a statement of a migration breaks."""

    migration: str
    rule: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.migration}, SQL line {self.line}: {self.rule}. {self.message}"


def sql_of_migrations() -> dict[str, tuple[str, bool]]:
    """By `room/name`: the SQL of each migration after the baseline, and whether it runs in a transaction."""
    loader = MigrationLoader(connection, replace_migrations=False)
    state = ProjectState(real_apps=loader.unmigrated_apps)
    made: dict[str, tuple[str, bool]] = {}
    leaves = loader.graph.leaf_nodes()
    for room, name in loader.graph._generate_plan(leaves, at_end=True):  # type: ignore[attr-defined]
        migration = loader.graph.nodes[room, name]
        if room not in ROOMS or name <= BASELINE[room]:
            state = migration.mutate_state(state, preserve=False)
            continue
        with connection.schema_editor(collect_sql=True, atomic=False) as editor:
            state = migration.apply(state, editor, collect_sql=True)
        made[f"{room}/{name}"] = "\n".join(editor.collected_sql), migration.atomic
    return made


def findings_in(migrations: dict[str, tuple[str, bool]]) -> list[Finding]:
    found: list[Finding] = []
    for in_transaction in (True, False):
        texts = {name: sql for name, (sql, atomic) in migrations.items() if atomic == in_transaction}
        found += _squawk(texts, in_transaction) if texts else []
    for name, (sql, atomic) in migrations.items():
        for one in _CONCURRENTLY.finditer(sql) if atomic else ():
            said = "Set `atomic = False`: PostgreSQL refuses it inside a transaction."
            found.append(Finding(name, "concurrently-in-transaction", sql.count("\n", 0, one.start()) + 1, said))
        for write in _WRITES_MANY.finditer(sql):
            said = f"{write[1]} has millions of rows: change them in batches, outside of migrations."
            found.append(Finding(name, "writes-a-big-table", sql.count("\n", 0, write.start()) + 1, said))
    return sorted(found, key=lambda one: (one.migration, one.line, one.rule))


def _squawk(texts: dict[str, str], in_transaction: bool) -> list[Finding]:
    with tempfile.TemporaryDirectory() as folder:
        for name, sql in texts.items():
            (Path(folder) / f"{name.replace('/', '.')}.sql").write_text(sql)
        command = [str(Path(sys.executable).parent / "squawk"), "--config", str(HERE / "squawk.toml")]
        command += ["--reporter", "json", *(["--assume-in-transaction"] if in_transaction else []), "*.sql"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) or not done.stdout.strip():
        raise RuntimeError(f"squawk could not be run: {done.stderr or done.stdout}")
    return [
        Finding(one["file"].removesuffix(".sql").replace(".", "/", 1), one["rule_name"], one["line"] + 1, one["message"])
        for one in json.loads(done.stdout)
    ]


def excuse_of(one: Finding) -> dict[str, Any] | None:
    return next((e for e in EXCUSED if e["migration"] == one.migration and one.rule in e["rules"]), None)
