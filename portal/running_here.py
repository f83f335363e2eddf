"""What `make up` set for its processes, so that `manage.py` in another terminal works on the same private database.

`make up` writes it below its state folder (mode 0600) once everything serves, and removes it when it stops. It counts
only while that `make up` holds its lock, and only where the environment names no database, no key and no `DEMO=no`: a
command of an installation is never led to the demo's database.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

FILE = "environment.json"
LOCK = "up.lock"
NAMED = ("DATABASE_URL", "DATABASE_DIRECT_URL", "DATABASE_OWNER_URL", "SECRET_KEY")
OF_NO_DATABASE = ("", "help", "version", "makemigrations", "spectacular", "check", "collectstatic")
OWNERS = ("migrate", "boot", "database_roles")
_OFF = ("0", "false", "no", "off", "")


class NotRunning(Exception):
    """There is a private database here that cannot be used now; the message is one line for the person who asked."""


def write(state: Path, given: Mapping[str, str], now: Mapping[str, str], owner: str) -> None:
    """Keep what `make up` added to the environment that it was given, and how a person chose the demo. `owner`: the
    address of the tables' owner, for the commands that change tables."""
    added = {name: value for name, value in now.items() if given.get(name) != value}
    if "DEMO" in given:
        added["DEMO"] = given["DEMO"]
    written = state / f"{FILE}.new"
    with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump({"process": os.getpid(), "environment": added, "owner": owner}, out)
    written.replace(state / FILE)


def remove(state: Path) -> None:
    (state / FILE).unlink(missing_ok=True)


def adopt(command: str, state: Path, environment: MutableMapping[str, str]) -> str | None:
    """Take over what the running `make up` of this state folder set, for what the environment does not say itself.
    Answers the line that says which database that is; None where there is nothing to take over. Raises NotRunning."""
    if command in OF_NO_DATABASE or command.startswith("-") or _says_it_itself(environment):
        return None
    if not (state / LOCK).exists():
        return None
    found = _read(state)
    if found is None:
        raise NotRunning(
            f"The private database of {state} is not running, or still starting. Start it with `make up`, or set "
            "DATABASE_URL and SECRET_KEY."
        )
    values, owner, process = found
    if "DATABASE_URL" not in values:
        raise NotRunning(
            f"`make up` of {state} serves the database of its own DATABASE_URL. Set the same DATABASE_URL and "
            "SECRET_KEY here."
        )
    for name, value in values.items():
        environment.setdefault(name, value)
    role = "its serving role"
    if owner and command in OWNERS:
        environment["DATABASE_OWNER_URL"] = owner
        role = "the owner of its tables"
    return f"using the private database of `make up` in {state} (process {process}), as {role}."


def _says_it_itself(environment: Mapping[str, str]) -> bool:
    if any(environment.get(name) or environment.get(f"{name}_FILE") for name in NAMED):
        return True
    return "DEMO" in environment and environment["DEMO"].lower() in _OFF


def _read(state: Path) -> tuple[dict[str, str], str, int] | None:
    """None where no `make up` runs there. Raises NotRunning where the file is somebody else's."""
    try:
        found = json.loads((state / FILE).read_text())
        with open(state / LOCK, "rb") as lock:
            return (dict(found["environment"]), str(found["owner"]), int(found["process"])) if _held(lock) else None
    except PermissionError:
        raise NotRunning(
            f"The private database of {state} belongs to another account. Ask as that account, or set DATABASE_URL "
            "and SECRET_KEY."
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _held(lock: object) -> bool:
    """Whether a `make up` runs: one that was killed left the file, and holds no lock."""
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)  # type: ignore[arg-type]
        return False
    return True
