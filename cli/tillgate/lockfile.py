"""`tillgate.lock.yaml`: which contracts an application was built against, written by `tillgate lock`.

After a comment the file is JSON, which every YAML reader reads and which `check` reads with the standard library alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tillgate import files, strict_json
from tillgate.answers import DIGEST
from tillgate.exits import BAD_REQUEST, Failure

NAME = "tillgate.lock.yaml"
SCHEMA = "tillgate.lock/1"
HEAD = (
    "# Written by `tillgate lock` from the contracts that it names; do not edit. JSON, so every YAML reader reads it.\n"
)
SEAL = "# sha256 of the lines below: "


class LockedContract(NamedTuple):
    """An API version, the digest of its contract, and the files that the digest was computed from."""

    version: str
    contract_digest: str
    file: str
    files: Mapping[str, str]  # path beside the lock file -> sha256 of the bytes

    def as_json(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "contract_digest": self.contract_digest,
            "file": self.file,
            "files": dict(sorted(self.files.items())),
        }


class Lock(NamedTuple):
    """`consumes` is None where nothing was said about it."""

    path: Path
    consumes: tuple[LockedContract, ...] | None = None
    provides: tuple[LockedContract, ...] = ()
    integrations: Mapping[str, str] = {}

    @property
    def contracts(self) -> tuple[LockedContract, ...]:
        return (*(self.consumes or ()), *self.provides)

    def stale(self) -> list[str]:
        """A sentence for each file that is not what the lock was made from."""
        found = []
        for contract in self.contracts:
            for name, digest in contract.files.items():
                try:
                    present = hashlib.sha256((self.path.parent / name).read_bytes()).hexdigest()
                except OSError as error:
                    found.append(f"{name} ({contract.version}) cannot be read: {error.strerror or error}")
                    continue
                if present != digest:
                    found.append(f"{name} ({contract.version}) has changed since it was locked")
        return found


def render(lock: Lock) -> str:
    """The text of the file, one entry a line, so that a difference and an annotation meet the entry."""
    lines = ["{", f'  "schema": "{SCHEMA}",', f'  "consumes": {_entries(lock.consumes)},']
    lines.append(f'  "provides": {_entries(lock.provides)},')
    listed = [json.dumps({"key": key, "digest": digest}) for key, digest in sorted(lock.integrations.items())]
    lines += [f'  "integrations": {_lines(listed)}', "}", ""]
    text = "\n".join(lines)
    return f"{HEAD}{SEAL}{_seal(text)}\n{text}"


def _seal(text: str) -> str:
    """Binds digests, versions and files to each other: who changes one of them by hand has not computed it."""
    lines = [stripped for line in text.splitlines() if (stripped := line.strip())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _entries(contracts: tuple[LockedContract, ...] | None) -> str:
    if contracts is None:
        return "null"
    return _lines([json.dumps(c.as_json()) for c in sorted(contracts, key=lambda c: c.version)])


def _lines(listed: list[str]) -> str:
    return "[\n" + ",\n".join(f"    {line}" for line in listed) + "\n  ]" if listed else "[]"


def load(path: Path, *, whole: bool = True) -> Lock:
    """The lock file. Raises Failure 3 with what is wrong in it; `whole`: also where it was changed by hand."""
    try:
        text = files.read_text(path)
        lines = text.splitlines()
        first = next((index for index, line in enumerate(lines) if line.strip() and not line.startswith("#")), 0)
        document = strict_json.loads("\n".join(lines[first:]))
        sealed = [line.removeprefix(SEAL).strip() for line in lines[:first] if line.startswith(SEAL)]
        if whole and sealed and sealed != [_seal("\n".join(lines[first:]))]:  # one from before has none
            raise ValueError("it was changed by hand since; write it again with `tillgate lock`")
        return _lock(path, document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        said = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise Failure(BAD_REQUEST, f"{path} is no lock file that `tillgate lock` wrote: {said}") from None


def _lock(path: Path, document: Any) -> Lock:
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ValueError(f"its schema is not {SCHEMA}")
    if set(document) != {"schema", "consumes", "provides", "integrations"}:
        raise ValueError("its keys are schema, consumes, provides and integrations")
    consumes = document["consumes"]
    lock = Lock(
        path,
        None if consumes is None else tuple(map(_contract, _list(consumes))),
        tuple(map(_contract, _list(document["provides"]))),
        {entry["key"]: _digest(entry["digest"]) for entry in _list(document["integrations"])},
    )
    for entries in (lock.consumes or (), lock.provides):
        if len({entry.version for entry in entries}) != len(entries):
            raise ValueError("an API version stands twice")
    return lock


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("consumes, provides and integrations are lists")
    return value


def _contract(entry: Any) -> LockedContract:
    files = entry["files"]
    plain = (entry["version"], entry["file"], *files, *files.values())
    if not all(isinstance(text, str) for text in plain) or entry["file"] not in files:
        raise ValueError("an entry has a version, a contract_digest, a file and its files")
    return LockedContract(entry["version"], _digest(entry["contract_digest"]), entry["file"], dict(files))


def _digest(text: Any) -> str:
    if not isinstance(text, str) or not DIGEST.fullmatch(text):
        raise ValueError(f"{text!r} is no digest (sha256: and 64 hex digits)")
    return text
