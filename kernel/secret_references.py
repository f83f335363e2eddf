"""Names of secrets: `env:NAME` and `file:name`, which stand in registrations in a secret's place.

Who registers a system chooses what is sent to it, so a reference must not be able to name just any variable or file of
this machine. Only variables with a stated prefix and files of one folder are secrets of systems; what the product
itself runs with (its database, its keys) never is, whatever the prefix.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from kernel.errors import Unavailable

PREFIX = "TILLGATE_SECRET_"
LARGEST = 1024 * 1024
_PREFIX = re.compile(r"[A-Z][A-Z0-9]*_(?:[A-Z0-9]+_)*\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}\Z")
# Variables that the product, its libraries and its processes run with.
_OWN = re.compile(
    r"(?:DATABASE|DJANGO|SECRET_KEY|PG|POSTGRES|REDIS|VALKEY|BROKER|CACHE|CELERY|OIDC|WITNESS|EMAIL|STATEMENT|OTEL"
    r"|TILLGATE_PLACE|TILLGATE_PIPELINE|TILLGATE_WEBHOOK|PIPELINE|WEBHOOK|EGRESS|SECRETS?_)",
    re.IGNORECASE,
)
_OWN_FILES = frozenset({"DATABASE_URL", "DATABASE_OWNER_URL", "SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD"})


@dataclass(frozen=True, slots=True)
class SecretPlaces:
    """Where secrets of systems are: variables with one of the `prefixes`, files below `folder` (none where it is
    empty). `own`: names of variables that the product reads itself."""

    prefixes: tuple[str, ...] = (PREFIX,)
    folder: str = ""
    own: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, more_prefixes: str, folder: str, own: Iterable[str] = ()) -> SecretPlaces:
        """Raises ValueError, whose text says what is wrong."""
        prefixes = more_prefixes.replace(",", " ").split()
        for prefix in prefixes:
            if not _PREFIX.match(prefix) or is_own(prefix, frozenset(own)):
                raise ValueError(f"{prefix!r} is no prefix such as ERP_ that the product does not use itself")
        if folder and (not os.path.isabs(folder) or Path(folder) == Path("/")):
            raise ValueError(f"{folder!r} is no whole path of a folder for secrets alone")
        return cls((PREFIX, *prefixes), folder, frozenset(own))


def is_own(name: str, own: frozenset[str]) -> bool:
    """Whether a variable is one of the product's own."""
    return name in own or name.removesuffix("_FILE") in own or _OWN.match(name) is not None


def places() -> SecretPlaces:
    held: SecretPlaces = settings.SECRET_PLACES
    return held


def problem(reference: str) -> str:
    """Why this is the name of no secret of a system, for a person; empty where it is one. Nothing is read."""
    known = places()
    scheme, _, name = reference.partition(":")
    if scheme == "env":
        if not _VARIABLE.match(name) or not name.startswith(known.prefixes) or is_own(name, known.own):
            named = " or ".join(known.prefixes)
            return f"{reference!r} names a variable that is no secret of a system: those begin with {named}"
        return ""
    if scheme != "file":
        return (
            f"{reference[:100]!r} is no name of a secret: env:{PREFIX}NAME, or file:name in the folder SECRETS_FOLDER"
        )
    if not known.folder:
        return f"{reference!r} names a file, and the setting SECRETS_FOLDER names no folder of secrets"
    outside = name.startswith("/") and not Path(name).is_relative_to(known.folder)
    if not name or outside or ".." in Path(name).parts or not name.isprintable():
        return f"{reference!r} names no file in the folder of secrets ({known.folder})"
    if Path(name).stem.upper().replace("-", "_") in known.own | _OWN_FILES:
        return f"{reference!r} names what the product itself runs with"
    return ""


def read(reference: str) -> str:
    """The secret behind a reference, without blanks around it. Raises Unavailable `connection.secret`, which says the
    name and never the secret."""
    if said := problem(reference):
        raise Unavailable("connection.secret", f"{said}.")
    scheme, _, name = reference.partition(":")
    value = os.environ.get(name, "") if scheme == "env" else _file(reference, name)
    if not value.strip():
        raise Unavailable("connection.secret", f"The secret {reference!r} is not set on this worker.")
    return value.strip()


def _file(reference: str, name: str) -> str:
    """Links within the folder are followed (mounted secrets are such), and none that leads out of it."""
    folder = Path(places().folder)
    try:
        root = folder.resolve(strict=True)
        path = (folder / name).resolve(strict=True)
        if not path.is_relative_to(root) or path in _files_of_settings():
            raise Unavailable("connection.secret", f"{reference!r} names no file in the folder of secrets ({folder}).")
        with path.open(encoding="utf-8") as file:
            return file.read(LARGEST)
    except (OSError, UnicodeDecodeError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise Unavailable(
            "connection.secret", f"The secret {reference!r} cannot be read on this worker: {why}."
        ) from None


def _files_of_settings() -> set[Path]:
    """Files in which this process was given its own settings (`DATABASE_URL_FILE`)."""
    named = [value for name, value in os.environ.items() if name.endswith("_FILE") and value]
    return {Path(value).resolve() for value in named}
