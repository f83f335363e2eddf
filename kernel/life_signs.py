"""Signs of life between processes of one machine, without a database: each process that is watched touches a file of
its own, and its supervisor looks whether the file was touched since the last look.

The folder comes from the environment, so that a web server's processes find it, too. What a supervisor ended or found
ended is left there as a note, for the next process that has a database (`kernel.replaced_processes`).
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = "TILLGATE_LIFE"
SECONDS = 1.0  # between two signs
_SIGN, _NOTE, _BEING_WRITTEN = ".alive", ".ended", ".new"


@dataclass(frozen=True, slots=True)
class EndedProcess:
    """A process that was replaced. `why`: `still`, when its supervisor ended it since it gave no sign of life, else
    `ended`. `said`: how, in words."""

    role: str
    pid: int
    why: str
    said: str
    at: float
    host: str = ""


def folder(*, make: bool = False) -> Path | None:
    """Where signs are given; None where nobody watches. A supervisor makes the folder."""
    given = os.environ.get(FOLDER)
    if given is None and make:
        given = os.environ[FOLDER] = tempfile.mkdtemp(prefix="tillgate-life-")
    if given is None:
        return None
    place = Path(given)
    if make:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        for sign in place.glob(f"*{_SIGN}"):
            if not exists(int(sign.stem)):
                sign.unlink(missing_ok=True)
    return place


def exists(pid: int) -> bool:
    """Whether a process of this number runs on this machine, or still waits for its parent to look at its end."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def give() -> bool:
    """This process works. Nobody hears of it where nobody watches. False where signs cannot be given (a full or broken
    disk), so that their absence says nothing."""
    place = folder()
    if place is None:
        return True
    sign = place / f"{os.getpid()}{_SIGN}"
    try:
        try:
            os.utime(sign)
        except FileNotFoundError:
            sign.touch(mode=0o600)
    except OSError:
        return False
    return True


def given(place: Path) -> dict[int, int]:
    """The processes that have given a sign, with a mark that differs after each further sign."""
    found = {}
    for sign in place.glob(f"*{_SIGN}"):
        with contextlib.suppress(OSError, ValueError):
            found[int(sign.stem)] = sign.stat().st_mtime_ns
    return found


def note(place: Path | None, ended: EndedProcess) -> None:
    """For the next process with a database. What cannot be written is lost; the log has it."""
    if place is None:
        return
    with contextlib.suppress(OSError):
        (place / f"{ended.pid}{_SIGN}").unlink(missing_ok=True)
        written = place / f"{ended.pid}{_BEING_WRITTEN}"
        written.write_text(json.dumps(asdict(ended) | {"host": socket.gethostname()}))
        written.rename(place / f"{ended.pid}-{int(ended.at * 1000)}{_NOTE}")


def notes() -> Iterator[tuple[Path, EndedProcess]]:
    """What is to be told; who has told it removes the file."""
    place = folder()
    for file in sorted(place.glob(f"*{_NOTE}")) if place is not None else ():
        try:
            yield file, EndedProcess(**json.loads(file.read_text()))
        except FileNotFoundError:
            continue
        except (OSError, ValueError, TypeError):
            with contextlib.suppress(OSError):
                file.unlink()
