"""The data folder of the private PostgreSQL, and the file with its passwords: whole, or left as they are.

A folder is made beside its place and moved there. So one that is in its place and not whole has lost something since:
nothing is removed, nothing is put into it, and the person at the terminal is told.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
from pathlib import Path

DRAFT = "pg-draft-"
PARTS = ("PG_VERSION", "global/pg_control", "global/pg_filenode.map", "base/1/PG_VERSION", "pg_wal", "pg_xact")
_LEFT = "It is left as it is: put back what is missing, or `make reset` clears everything."


class EmbeddedError(Exception):
    """A service did not start; the message is one line for the person at the terminal."""


def is_there(data: Path) -> bool:
    """An empty folder is none."""
    return data.is_dir() and any(data.iterdir())


def require_whole(data: Path) -> None:
    """Raises EmbeddedError where parts are missing without which PostgreSQL does not start."""
    if missing := [part for part in PARTS if not (data / part).exists()]:
        raise EmbeddedError(f"The data folder {data} is not whole: {', '.join(missing)} is missing. {_LEFT}")


def draft(state: Path) -> Path:
    """A new folder of its own beside the place; what starts that were killed left of theirs goes."""
    for left in state.glob(f"{DRAFT}*"):
        shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=DRAFT, dir=state))


def move(made: Path, data: Path) -> None:
    """To its place, in one step that a power cut does not halve."""
    made.rename(data)  # also onto an empty folder
    _sync(data.parent)


def passwords(path: Path, data: Path) -> dict[str, str]:
    """Of both servers and both roles, and the key of Django; made where there is no data yet. Raises EmbeddedError
    where the file is lost, or is not what was written, and data needs it."""
    names = {"postgres": 24, "serving": 24, "valkey": 24, "django": 48}
    known = _read(path)
    if is_there(data) and not {"postgres", "valkey", "django"} <= known.keys():
        what = "cannot be read as the passwords" if path.exists() else "is missing: the passwords"
        raise EmbeddedError(f"{path} {what} of the data in {data}. Put it back, or `make reset` clears everything.")
    if names.keys() <= known.keys():
        return known
    # `serving` is missing in a file of before there were two roles.
    made = {name: known.get(name) or secrets.token_urlsafe(size) for name, size in names.items()}
    written = path.with_suffix(".new")
    with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump(made, out)
        out.flush()
        os.fsync(out.fileno())
    written.replace(path)
    _sync(path.parent)
    return made


def _read(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return {name: text for name, text in found.items() if isinstance(text, str)} if isinstance(found, dict) else {}


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
