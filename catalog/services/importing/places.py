"""Where a source is read from without a person: a folder, a Git checkout, a list of addresses."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx

from catalog.services.importing.run import read_sources
from catalog.services.importing.sources import ImportSource
from kernel import egress
from kernel.errors import Invalid

FOLDER: Final = "folder"
GIT: Final = "git"
URLS: Final = "urls"
KINDS: Final = (FOLDER, GIT, URLS)
MOST_BYTES: Final = 64 * 1024 * 1024
MOST_ADDRESSES: Final = 1000
SECONDS: Final = 20.0
MOST_SECONDS: Final = 900.0
"""Of one answer, and of a whole list."""
_WRITING: Final = ("index.lock", "MERGE_HEAD", "rebase-merge", "rebase-apply")


@dataclass(frozen=True, slots=True)
class PlaceRead:
    """What was read, and which state of the source it is: the commit of a checkout, "" where it has no name."""

    sources: list[ImportSource]
    state: str = ""


def check(kind: str, location: str) -> None:
    """Raises Invalid `import.place` for a place that could never be read."""
    if kind == URLS:
        _addresses(Path(location))
    elif not Path(location).is_dir():
        raise _refused(f"{location} is no folder of this machine.")
    elif kind == GIT:
        _commit(Path(location))


def read(kind: str, location: str) -> PlaceRead:
    """Everything of a source. Raises Invalid: then nobody knows what it names, and nothing of it is imported."""
    path = Path(location)
    try:
        if kind == URLS:
            return PlaceRead(_fetched(_addresses(path)))
        state = _commit(path) if kind == GIT else ""
        return PlaceRead(read_sources(path), state)
    except OSError as error:
        raise _refused(f"{location} cannot be read: {error.strerror or error}.") from None


def _refused(message: str) -> Invalid:
    return Invalid("import.place", message)


def _commit(folder: Path) -> str:
    """The commit that a checkout is at. Raises Invalid while Git writes into it, or where it is none."""
    git = folder / ".git"
    if git.is_file():  # of a worktree or a submodule
        git = folder / git.read_text(errors="replace").removeprefix("gitdir:").strip()
    head = git / "HEAD"
    if not head.is_file():
        raise _refused(f"{folder} is no Git checkout: it has no .git with a HEAD.")
    busy = next((name for name in _WRITING if (git / name).exists()), "")
    if busy:
        raise _refused(f"Git is writing to {folder} ({busy}): nothing is read until it has ended.")
    said = head.read_text(errors="replace").strip()
    if not said.startswith("ref:"):
        return said
    ref = said.removeprefix("ref:").strip()
    common = git / "commondir"
    for place in (git, git / common.read_text().strip() if common.is_file() else git):
        if (place / ref).is_file():
            return (place / ref).read_text(errors="replace").strip()
        packed = place / "packed-refs"
        if packed.is_file():
            for line in packed.read_text(errors="replace").splitlines():
                commit, _, name = line.partition(" ")
                if name == ref:
                    return commit
    return ""


def _addresses(listed: Path) -> list[str]:
    """The addresses of a list, one a line; empty lines and those that begin with # say nothing."""
    try:
        lines = listed.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(f"The list of addresses {listed} cannot be read: {error}.") from None
    found = []
    for n, line in enumerate(lines, start=1):
        address = line.strip()
        if not address or address.startswith("#"):
            continue
        try:
            parts = urlsplit(address)
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if not good or "@" in parts.netloc:
            raise _refused(
                f"{listed}, line {n}: not an address that is fetched. Give http:// or https://, a host and a path, and "
                "no name or password in it."
            )
        found.append(address)
    if not found or len(found) > MOST_ADDRESSES:
        raise _refused(f"{listed} names {len(found)} addresses; between 1 and {MOST_ADDRESSES} are fetched.")
    return found


def _fetched(addresses: list[str]) -> list[ImportSource]:
    made: dict[str, ImportSource] = {}
    left, until = MOST_BYTES, time.monotonic() + MOST_SECONDS
    with egress.client(egress.systems(), httpx.Timeout(SECONDS)) as http:
        for address in addresses:
            shown = urlsplit(address)._replace(query="", fragment="").geturl()
            try:
                data = _body(http, address, left, until)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                said = str(error).partition("\n")[0][:200] or type(error).__name__
                raise _refused(f"{shown} was not fetched: {said}.") from None
            except _Other as error:
                raise _refused(f"{shown} {error}.") from None
            left -= len(data)
            name = _name(address)
            while name in made:
                name = f"{len(made)}/{name}"
            made[name] = ImportSource(name, data)
    return list(made.values())


class _Other(Exception):
    """An answer that is not taken."""


def _body(http: httpx.Client, address: str, most: int, until: float) -> bytes:
    with http.stream("GET", address, headers={"Accept-Encoding": "identity"}) as answer:
        if answer.is_redirect:
            raise _Other("sends elsewhere (a redirect), which is not followed: list the address that it names")
        if answer.status_code != 200:
            raise _Other(f"answered {answer.status_code}")
        parts, size = [], 0
        for part in answer.iter_bytes():
            size += len(part)
            if size > most:
                raise _Other(f"and the addresses before it are larger than {max(MOST_BYTES >> 20, 1)} MB together")
            if time.monotonic() > until:
                raise _Other("was not read in time")
            parts.append(part)
    return b"".join(parts)


def _name(address: str) -> str:
    """The path of an address as the name of a file: it names API and version as a file's path does."""
    path = unquote(urlsplit(address).path).strip("/")
    parts = [p for p in re.sub(r"[\x00-\x1f]", "", path).split("/") if p not in ("", ".", "..")]
    return "/".join(parts)[:400] or "openapi.json"
