"""Places: folders of a worker that connections may use, as `TILLGATE_PLACE_…` of its environment names them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from kernel.errors import Unavailable

PREFIX = "TILLGATE_PLACE_"
FOLDERS = ("root", "incoming")
_WRITTEN = re.compile(rf"\$\{{{PREFIX}[A-Z0-9_]+\}}(?P<below>(?:/[^/]+)*)/?\Z")


def problem(folder: object) -> str:
    """Why a manifest cannot name this folder; empty where it can. Nothing of this machine is looked at."""
    written = _WRITTEN.match(folder) if isinstance(folder, str) and folder.isprintable() else None
    if written is None:
        return f"a folder is a place of the worker, ${{{PREFIX}NAME}}, or a folder below it, and no path of its own"
    if any(step in (".", "..") for step in written["below"].split("/")):
        return "a folder below a place is named without steps such as `..`"
    return ""


def folder_of(name: str) -> str:
    """What a variable stands for. Raises Unavailable `connection.place`."""
    if not name.startswith(PREFIX) or not os.environ.get(name):
        raise Unavailable(
            "connection.place",
            f"The place {name} is not set on this worker; places are variables that begin with {PREFIX}.",
        )
    return os.environ[name]


def within(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with their folders, links followed, which lie below places of this worker. Raises Unavailable
    `connection.place`."""
    for name in FOLDERS:
        if isinstance(folder := settings.get(name), str):
            settings[name] = _below_a_place(name, folder)
    return settings


def _below_a_place(name: str, folder: str) -> str:
    real = Path(os.path.realpath(folder))
    places = [value for known, value in os.environ.items() if known.startswith(PREFIX) and os.path.isabs(value)]
    if not any(real.is_relative_to(os.path.realpath(place)) for place in places):
        raise Unavailable(
            "connection.place",
            f"The folder {name} ({folder[:200]}) lies below no place of this worker; register it there as a "
            f"variable that begins with {PREFIX}.",
        )
    return str(real)
