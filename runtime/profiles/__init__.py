"""Vendor profiles: one TOML file per system. Adding a vendor is adding a file; no code changes. Beside those of the
product there are those of installed packages (`runtime.domain.plug_ins`) and of the folders `PROFILES_FOLDER`.

A profile gives a connector's protocol and settings, with what a person needs to know about the vendor: how its limits
show, where it sets traps, when each fact was checked and on what evidence.
"""

from __future__ import annotations

import logging
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from kernel import authorities
from kernel.digest import digest_bytes
from kernel.errors import Invalid, finding
from runtime.domain import plug_ins
from runtime.domain.plug_ins import PlugIn

FOLDER = Path(__file__).parent
SETTING = "PROFILES_FOLDER"  # folders, with the separator of PATH between them
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,79}\Z")
log = logging.getLogger(__name__)
# Read in a specification file; on a vendor's documentation page; on a third party's page; from memory, to be checked.
EVIDENCE = {"S": "specification", "D": "vendor documentation", "T": "third party", "M": "memory, to be checked"}
_REQUIRED = {
    "title": str,
    "vendor": str,
    "protocol": str,
    "base_url": str,
    "checked_on": date,
    "evidence": str,
    "settings": dict,
}
_OPTIONAL = {
    "limits": dict,
    "notes": dict,
    "evidence_by_fact": dict,
    "token_hosts": list,
    "webhook": dict,
    "dated_facts": list,
}
# What happens on the day of a dated fact: something is no longer there, or behaves otherwise without another schema.
FACT_KINDS = ("end", "change")
_FACT = ("on", "kind", "says", "evidence")
_BLANK = re.compile("<[^<>]*>")  # what the retailer fills in


@dataclass(frozen=True, slots=True)
class DatedFact:
    """What a vendor ends or changes on a day. `kind` is end or change, `evidence` a letter of EVIDENCE."""

    on: date
    kind: str
    says: str
    evidence: str

    def days_left(self, today: date) -> int:
        """Days until it counts: 0 on the day itself, negative behind it."""
        return (self.on - today).days


@dataclass(frozen=True, slots=True)
class VendorProfile:
    """`base_url` shows the shape, with what the retailer fills in between `<` and `>`. `settings` go to the
    connector. `token_hosts`: the vendor's own, which give tokens; they may have something to fill in as well.
    `webhook`: how the vendor's webhooks are signed and read, empty where it sends none. `dated_facts`: what it ends or
    changes, in the order of days. `origin`: the package with its
    version, or the folder, that it comes from, and `digest` that of its file; empty for one of the product."""

    name: str
    title: str
    vendor: str
    protocol: str
    base_url: str
    checked_on: date
    evidence: str
    settings: Mapping[str, Any]
    limits: Mapping[str, Any] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    evidence_by_fact: Mapping[str, str] = field(default_factory=dict)
    token_hosts: Sequence[str] = ()
    webhook: Mapping[str, Any] = field(default_factory=dict)
    dated_facts: Sequence[DatedFact] = ()
    origin: str = ""
    digest: str = ""

    def gives_tokens(self, token_url: str) -> bool:
        """Whether this address is one of the vendor's for tokens: https, at the port of https."""
        try:
            asked = authorities.of_url(token_url)
        except authorities.NoAuthority:
            return False
        plain = asked.scheme == "https" and asked.port == authorities.DEFAULT_PORTS["https"]
        return plain and any(_filled(shape, asked.host) for shape in self.token_hosts)

    @property
    def idempotency(self) -> str:
        """K, N, L or U; U where the profile says nothing, for then a repetition is not known to be safe."""
        return str(self.settings.get("idempotency", "U"))

    def connection(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """Settings for the connector: the profile's, with the manifest's on top. Objects are merged, everything else is
        replaced."""
        return _merged(self.settings, overrides)

    def hook(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """Settings of webhooks, in the same way."""
        return _merged(self.webhook, overrides)


def profiles() -> dict[str, VendorProfile]:
    """All profiles by name. Raises Invalid, naming the file, when one is broken."""
    return dict(_profiles())


def plugged_in() -> tuple[PlugIn, ...]:
    """Packages and folders of profiles beside those of the product, and each of their files that is not used, with
    what is wrong with it."""
    return tuple(_others()[1])


def forget() -> None:
    """Read the files again."""
    _profiles.cache_clear()
    _others.cache_clear()


@cache
def _profiles() -> dict[str, VendorProfile]:
    return _own() | _others()[0]


def _own() -> dict[str, VendorProfile]:
    return {path.stem: read(path) for path in sorted(FOLDER.glob("*.toml"))}


@cache
def _others() -> tuple[dict[str, VendorProfile], list[PlugIn]]:
    """Somebody else's file that is broken, or that takes a name, costs itself."""
    found: dict[str, VendorProfile] = {}
    listed: list[PlugIn] = []
    own = {path.stem for path in FOLDER.glob("*.toml")}
    for source, folder in (*plug_ins.profile_folders(), *_folders()):
        listed.append(source)
        for path in sorted(folder.glob("*.toml")) if folder is not None else ():
            fault = _refusal(path, own, found)
            if not fault:
                try:
                    one = read(path)
                    found[path.stem] = replace(one, origin=source.origin, digest=digest_bytes(path.read_bytes()))
                except (Invalid, OSError) as error:
                    fault = f"it cannot be used: {error}"
            if fault:
                log.warning("the profile %s of %s is not used: %s", path.name, source.origin, fault)
                listed.append(replace(source, name=path.stem, place=str(path), fault=fault))
    return found, listed


def _refusal(path: Path, own: set[str], found: Mapping[str, VendorProfile]) -> str:
    if not _NAME.match(path.stem):
        return "its name has other characters than small letters, digits and hyphens"
    if path.stem in own:
        return "the product has a profile of this name; give yours another name"
    return f"{found[path.stem].origin} has a profile of this name, which is used" if path.stem in found else ""


def _folders() -> list[tuple[PlugIn, Path | None]]:
    made: list[tuple[PlugIn, Path | None]] = []
    for text in filter(None, os.environ.get(SETTING, "").split(os.pathsep)):
        there = Path(text).is_dir()
        fault = "" if there else f"{SETTING} names {text}, which is no folder that this process can read"
        made.append((PlugIn("profiles", Path(text).name, "", "", text, fault), Path(text) if there else None))
    return made


def profile(name: str) -> VendorProfile:
    """One profile. Raises Invalid with the nearest names."""
    known = _profiles()
    if name not in known:
        close = get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(close)}?" if close else f"There are {', '.join(known)}."
        raise Invalid("vendor.unknown_profile", f"There is no vendor profile {name!r}. {hint}", {"nearest": close})
    return known[name]


def read(path: Path) -> VendorProfile:
    """A profile from a file. Raises Invalid with every finding."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid("vendor.profile", f"{path.name} is not TOML: {error}") from None
    findings = list(_findings(data))
    if findings:
        raise Invalid("vendor.profile", f"{path.name}: {findings[0]['message']}", {"findings": findings})
    facts = sorted((DatedFact(**one) for one in data.pop("dated_facts", ())), key=lambda fact: fact.on)
    return VendorProfile(path.stem, **data, dated_facts=tuple(facts))


def _findings(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    known = {**_REQUIRED, **_OPTIONAL}
    for key, value in data.items():
        if key not in known:
            close = get_close_matches(key, known, n=1)
            found.append(
                finding(
                    f"/{key}", f"{key!r} is not a key of a profile." + (f" Did you mean {close[0]!r}?" if close else "")
                )
            )
        elif not isinstance(value, known[key]):
            found.append(finding(f"/{key}", f"{key!r} must be of type {known[key].__name__}"))
    found += [finding(f"/{key}", f"{key!r} is missing") for key in _REQUIRED if key not in data]
    marks = {
        "/evidence": data.get("evidence"),
        **{f"/evidence_by_fact/{k}": v for k, v in dict(data.get("evidence_by_fact") or {}).items()},
    }
    found += [
        finding(at, f"evidence is one of {', '.join(EVIDENCE)}")
        for at, mark in marks.items()
        if mark is not None and mark not in EVIDENCE
    ]
    if any("." not in str(host).rpartition(">")[2].strip(".") for host in data.get("token_hosts") or []):
        found.append(finding("/token_hosts", "a host ends with a domain of the vendor's, behind everything to fill in"))
    facts = data.get("dated_facts")
    for place, fact in enumerate(facts if isinstance(facts, list) else ()):
        found += _of_fact(f"/dated_facts/{place}", fact)
    settings = data.get("settings")
    if isinstance(settings, dict) and str(settings.get("idempotency", "U")) not in "KNLU":
        found.append(finding("/settings/idempotency", "the idempotency class is K, N, L or U"))
    return found


def _of_fact(at: str, fact: Any) -> list[dict[str, Any]]:
    if not isinstance(fact, dict):
        return [finding(at, f"a dated fact is a table with {', '.join(_FACT)}")]
    found = [
        finding(f"{at}/{key}", f"{key!r} is not a key of a dated fact: it has {', '.join(_FACT)}")
        for key in fact
        if key not in _FACT
    ]
    if type(fact.get("on")) is not date:  # a time is a date as well
        found.append(finding(f"{at}/on", "'on' is a day without quotes and without a time, as 2027-03-01"))
    if fact.get("kind") not in FACT_KINDS:
        found.append(finding(f"{at}/kind", f"'kind' is {' or '.join(FACT_KINDS)}"))
    if not isinstance(fact.get("says"), str) or not fact["says"].strip():
        found.append(finding(f"{at}/says", "'says' tells what happens, and what to do"))
    if fact.get("evidence") not in tuple(EVIDENCE):
        found.append(finding(f"{at}/evidence", f"evidence is one of {', '.join(EVIDENCE)}"))
    return found


def _filled(shape: str, host: str) -> bool:
    """Whether a host has the shape `auth.<region>.vendor.com`, where one or more labels fill each gap."""
    parts = [re.escape(part) for part in _BLANK.split(shape.lower())]
    return re.fullmatch("[a-z0-9-]+(?:[.][a-z0-9-]+)*".join(parts), host) is not None


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    out = {name: dict(value) if isinstance(value, Mapping) else value for name, value in base.items()}
    for name, value in over.items():
        held = out.get(name)
        out[name] = _merged(held, value) if isinstance(held, Mapping) and isinstance(value, Mapping) else value
    return out
