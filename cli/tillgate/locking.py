"""`tillgate lock`: write the lock file from vendored contracts, with the digests that the catalog gives them."""

from __future__ import annotations

import argparse
import hashlib
import importlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tillgate import lockfile, sending
from tillgate.asking import digest_pair
from tillgate.exits import BAD_REQUEST, Failure, clean
from tillgate.lockfile import Lock, LockedContract
from tillgate.options import CommandParser

ENGINE = "tillgate_contracts"
DESCRIPTION = (
    "Write tillgate.lock.yaml from the contracts that an application was built against. Without --consumes, --provides "
    "and --integration the lock file that is there is made again from its own files. "
    "Exit codes: 0 written or up to date, 3 not."
)


def run(arguments: list[str]) -> int:
    """Raises Failure 3 for a contract that cannot be read, and with --check for a lock file that is out of date."""
    given = _parser().parse_args(arguments)
    path = Path(given.lock)
    before = lockfile.load(path, whole=False) if path.exists() else None
    lock = _named(given, path) if _names_something(given) else _again(before, path)
    changes = _changes(before, lock)
    if given.check:
        if changes or before is None:
            told = "".join(f"\n  - {line}" for line in changes)
            raise Failure(BAD_REQUEST, f"{path} is not what `tillgate lock` would write:{told}")
    elif before is None or lockfile.render(before) != lockfile.render(lock):
        _write(path, lock)
    sending.write("\n".join(changes) or f"{path}: nothing changed")
    return 0


def _parser() -> CommandParser:
    parser = CommandParser(prog="tillgate lock", description=DESCRIPTION, allow_abbrev=False)
    option = parser.add_argument
    option(
        "--consumes", action="append", default=[], metavar="API@VERSION=FILE", help="a contract that it calls (repeat)"
    )
    option("--consumes-nothing", action="store_true", help="it calls no API")
    option(
        "--provides", action="append", default=[], metavar="API@VERSION=FILE", help="a contract that it serves (repeat)"
    )
    option(
        "--integration", action="append", default=[], metavar="KEY=DIGEST", help="a manifest that it deploys (repeat)"
    )
    option("--lock", default=lockfile.NAME, metavar="FILE", help=f"the lock file ({lockfile.NAME})")
    option("--check", action="store_true", help="write nothing; end with 3 where the lock file is out of date")
    return parser


def _names_something(given: argparse.Namespace) -> bool:
    return bool(given.consumes or given.consumes_nothing or given.provides or given.integration)


def _named(given: argparse.Namespace, path: Path) -> Lock:
    if given.consumes and given.consumes_nothing:
        raise Failure(BAD_REQUEST, "--consumes-nothing and --consumes contradict each other.")
    consumes = _contracts("--consumes", given.consumes, path) if given.consumes or given.consumes_nothing else None
    pairs = [digest_pair("--integration", item) for item in given.integration]
    if len(dict(pairs)) != len(pairs):
        raise Failure(BAD_REQUEST, "--integration names a key twice.")
    return Lock(path, consumes, _contracts("--provides", given.provides, path), dict(pairs))


def _contracts(option: str, items: Iterable[str], path: Path) -> tuple[LockedContract, ...]:
    made: dict[str, LockedContract] = {}
    for item in items:
        version, _, file = item.partition("=")
        if version.count("@") != 1 or not all(version.split("@")) or not file:
            raise Failure(BAD_REQUEST, f"{option} is API@VERSION=FILE, such as price-api@v3=vendored/price.yaml.")
        if version in made:
            raise Failure(BAD_REQUEST, f"{option} names {clean(version)} twice.")
        made[version] = _locked(version, Path(file), path.parent)
    return tuple(made.values())


def _again(before: Lock | None, path: Path) -> Lock:
    if before is None:
        raise Failure(BAD_REQUEST, f"There is no {path} yet; say --consumes API@VERSION=FILE, or --consumes-nothing.")
    consumes = before.consumes
    if consumes is not None:
        consumes = tuple(_locked(c.version, path.parent / c.file, path.parent) for c in consumes)
    provides = tuple(_locked(c.version, path.parent / c.file, path.parent) for c in before.provides)
    return Lock(path, consumes, provides, before.integrations)


def _locked(version: str, file: Path, folder: Path) -> LockedContract:
    """The digest as the catalog computes it: the contract engine's, over the normal form with its files bundled."""
    engine = _engine()
    try:
        document = engine.read_file(file)
        read = [file, *(file.parent / name for name in document.locator.files)]
        files = {_beside(one, folder): hashlib.sha256(one.read_bytes()).hexdigest() for one in read}
    except (engine.ContractError, OSError) as error:
        raise Failure(BAD_REQUEST, f"The contract of {clean(version)} cannot be locked: {clean(error)}") from None
    return LockedContract(version, document.digest, _beside(file, folder), files)


def _beside(file: Path, folder: Path) -> str:
    return Path(os.path.relpath(file, folder)).as_posix()


def _engine() -> Any:
    """The package `tillgate_contracts`, where it is installed."""
    try:
        reading = importlib.import_module(f"{ENGINE}.reading")
        errors = importlib.import_module(f"{ENGINE}.errors")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != ENGINE:
            raise
        said = 'lock needs the contract engine; install it with: pip install "tillgate[contracts]"'
        raise Failure(BAD_REQUEST, said) from None
    return argparse.Namespace(read_file=reading.read_file, ContractError=errors.ContractError)


def _changes(before: Lock | None, after: Lock) -> list[str]:
    """A line for each entry that is new, other or gone."""
    old, new = (_entries(lock) if lock else {} for lock in (before, after))
    lines = [f"{name}: {digest}" for name, digest in sorted(new.items()) if name not in old]
    lines += [
        f"{name}: {digest} (was {old[name]})" for name, digest in sorted(new.items()) if old.get(name, digest) != digest
    ]
    lines += [f"{name}: no longer locked" for name in sorted(set(old) - set(new))]
    if not lines and before is not None and lockfile.render(before) != lockfile.render(after):
        lines.append("the files have changed, and the contracts in them mean the same")
    return lines


def _entries(lock: Lock) -> dict[str, str]:
    made = {f"consumes {c.version}": c.contract_digest for c in lock.consumes or ()}
    made |= {f"provides {c.version}": c.contract_digest for c in lock.provides}
    return made | {f"integration {key}": digest for key, digest in lock.integrations.items()}


def _write(path: Path, lock: Lock) -> None:
    try:
        sending.write_file(str(path), lockfile.render(lock))
    except OSError as error:
        raise Failure(BAD_REQUEST, f"{path} cannot be written: {error.strerror or error}") from None
