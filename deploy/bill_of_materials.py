"""What is inside: a bill of materials in CycloneDX 1.6, made of a lock file and of what is installed from it.

    /venv/bin/python deploy/bill_of_materials.py requirements.lock --name tillgate-portal --version 0.1.0 >sbom.json

The standard library is enough. The lock says for each package the version, the digests of every file that may be
installed, on which platforms it is (its marker), and who asks for it (`# via`). The licence is what the package says of
itself where this Python has it installed. Without a time and a serial number of chance: the same makes the same bill.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from importlib import metadata
from pathlib import Path
from typing import Any, cast

FORMAT = "1.6"
_PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)(?:\s*;\s*(?P<marker>[^\\]*))?"
)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_VIA = re.compile(r"^\s+#(?:\s+via)?\s+(?P<who>\S.*)$")


_OSI = "License :: OSI Approved :: "
_SPDX = {  # classifiers that stand for one licence of https://spdx.org/licenses/
    "MIT License": "MIT",
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "PostgreSQL License": "PostgreSQL",
    "Python Software Foundation License": "PSF-2.0",
}
_IDS = {*_SPDX.values(), "BSD-2-Clause", "BSD-3-Clause"}
_LONGEST = 80  # of what stands in the field License; longer ones are whole texts


class UnreadableLock(Exception):
    """The lock does not say what the bill needs; the message says in which line."""


@dataclass(slots=True)
class Pin:
    """One package of the lock. `wanted_by`: names of packages, and of project files that ask for it themselves."""

    name: str
    version: str
    marker: str = ""
    digests: list[str] = field(default_factory=list)
    wanted_by: list[str] = field(default_factory=list)

    @property
    def purl(self) -> str:
        """https://github.com/package-url/purl-spec, type pypi: lower case, `_` is `-`."""
        return f"pkg:pypi/{normal(self.name)}@{self.version}"


def normal(name: str) -> str:
    """The name as packages are compared by it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lock: str) -> list[Pin]:
    """The packages of a lock of `uv pip compile --generate-hashes`. Raises UnreadableLock for a line that pins nothing,
    and for a package without a digest."""
    found: list[Pin] = []
    for number, line in enumerate(lock.splitlines(), start=1):
        if not line.strip() or line.startswith(("#", "--")):
            continue
        if line[0].isspace():
            if not found:
                raise UnreadableLock(f"line {number} belongs to no package: {line.strip()[:80]}")
            found[-1].digests += _HASH.findall(line)
            if (via := _VIA.match(line)) and via["who"] != "via":
                found[-1].wanted_by.append(via["who"])
            continue
        pin = _PIN.match(line)
        if pin is None:
            raise UnreadableLock(f"line {number} pins no version: {line[:80]}")
        found.append(Pin(pin["name"], pin["version"], (pin["marker"] or "").strip(), _HASH.findall(line)))
    if bare := [pin.name for pin in found if not pin.digests]:
        raise UnreadableLock(f"no digest of {', '.join(bare)}: make the lock with --generate-hashes")
    if not found:
        raise UnreadableLock("the lock names no package")
    return found


def licence_of(said: Message) -> list[dict[str, Any]]:
    """`licenses` of a component, of the metadata of a package: its SPDX expression (PEP 639), or what its classifiers
    or its short field `License` call it; empty where it says nothing."""
    if expression := said.get("License-Expression"):
        return [{"expression": expression}]
    classifiers = said.get_all("Classifier") or []
    names = [one.removeprefix(_OSI) for one in classifiers if one.startswith(_OSI)]
    if not names and (text := (said.get("License") or "").strip()) and len(text) <= _LONGEST and "\n" not in text:
        names = [text]
    known = (_SPDX.get(one, one) for one in dict.fromkeys(names))
    return [{"license": {"id" if one in _IDS else "name": one}} for one in known]


def installed_licences() -> dict[str, list[dict[str, Any]]]:
    """By normal name and version (`django@5.2.1`), of every package that this Python has installed."""
    named = ((one, one.metadata) for one in metadata.distributions() if one.name)
    return {f"{normal(one.name)}@{one.version}": licence_of(cast(Message, said)) for one, said in named}


def unlicensed(lock: str, licences: Mapping[str, Sequence[Any]]) -> list[str]:
    """The packages without a marker, which are installed everywhere, whose licence is not known."""
    keys = (f"{normal(pin.name)}@{pin.version}" for pin in pins(lock) if not pin.marker)
    return sorted(key for key in keys if not licences.get(key))


def bill(
    lock: str,
    *,
    name: str,
    version: str,
    chosen: Sequence[str] | None = None,
    licences: Mapping[str, list[dict[str, Any]]] | None = None,
) -> dict[str, Any]:
    """The document. `chosen` limits it to these packages and what they need; else all of the lock is in it. `licences`
    as `installed_licences` finds them."""
    listed = pins(lock)
    if chosen is not None:
        wanted = _with_needs(listed, {normal(one) for one in chosen})
        listed = [pin for pin in listed if normal(pin.name) in wanted]
    refs = {normal(pin.name): pin.purl for pin in listed}
    root = f"pkg:pypi/{normal(name)}@{version}"
    top = [pin for pin in listed if chosen is not None and normal(pin.name) in {normal(one) for one in chosen}]
    direct = top if chosen is not None else [pin for pin in listed if any("(" in who for who in pin.wanted_by)]
    made = {
        "$schema": f"http://cyclonedx.org/schema/bom-{FORMAT}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": FORMAT,
        "version": 1,
        "metadata": {
            "component": {"type": "application", "bom-ref": root, "name": name, "version": version, "purl": root},
            "tools": {"components": [{"type": "application", "name": "deploy/bill_of_materials.py"}]},
        },
        "components": [_component(pin, (licences or {}).get(f"{normal(pin.name)}@{pin.version}")) for pin in listed],
        "dependencies": [
            {"ref": root, "dependsOn": sorted(pin.purl for pin in direct)},
            *({"ref": pin.purl, "dependsOn": sorted(_needs(pin, listed, refs))} for pin in listed),
        ],
    }
    text = json.dumps(made, sort_keys=True)
    return {**made, "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, text)}"}


def _component(pin: Pin, licences: list[dict[str, Any]] | None) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": "library",
        "bom-ref": pin.purl,
        "name": pin.name,
        "version": pin.version,
        "purl": pin.purl,
        "scope": "optional" if pin.marker else "required",
        **({"licenses": licences} if licences else {}),
        "externalReferences": [
            {
                "type": "distribution",
                "url": f"https://pypi.org/project/{normal(pin.name)}/{pin.version}/",
                "comment": "Each digest is that of one file of the release; one of them is installed.",
                "hashes": [{"alg": "SHA-256", "content": digest} for digest in sorted(set(pin.digests))],
            }
        ],
    }
    return made | ({"properties": [{"name": "python:marker", "value": pin.marker}]} if pin.marker else {})


def _needs(pin: Pin, listed: Sequence[Pin], refs: dict[str, str]) -> Iterator[str]:
    """Whom this package asks for: those that name it as who wants them."""
    for other in listed:
        if normal(pin.name) in {normal(who) for who in other.wanted_by if "(" not in who}:
            yield refs[normal(other.name)]


def _with_needs(listed: Sequence[Pin], names: set[str]) -> set[str]:
    known = {normal(pin.name) for pin in listed}
    if missing := sorted(names - known):
        raise UnreadableLock(f"the lock has no {', '.join(missing)}")
    wanted = set(names)
    while True:
        more = {normal(p.name) for p in listed if wanted & {normal(who) for who in p.wanted_by}} - wanted
        if not more:
            return wanted
        wanted |= more


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("lock", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--version", required=True)
    given = parser.parse_args(arguments)
    try:
        lock, licences = given.lock.read_text(encoding="utf-8"), installed_licences()
        made = bill(lock, name=given.name, version=given.version, licences=licences)
        if missing := unlicensed(lock, licences):
            raise UnreadableLock(f"no licence of {', '.join(missing)}: run it with the Python that has them installed")
    except (OSError, UnicodeDecodeError, UnreadableLock) as error:
        sys.stderr.write(f"{given.lock}: {error}\n")
        return 2
    sys.stdout.write(json.dumps(made, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
