"""Plug-ins: connectors and profiles of packages that the operator installs beside the product.

A package names its connectors in the entry point group `tillgate.connectors` (`acme = "acme_tillgate.connector"`: the
name of the protocol, a module as a built-in connector's), and packages of profiles in `tillgate.profiles`. A plug-in is
code that runs with the rights of the worker: installing it is trusting it. One that is broken costs itself: it is
listed with what is wrong, and everything else goes on.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module, metadata, util
from pathlib import Path
from types import ModuleType
from typing import Final, Literal

import msgspec

log = logging.getLogger(__name__)
CONNECTORS: Final = "tillgate.connectors"
PROFILES: Final = "tillgate.profiles"
ROLES: Final = ("source", "sink", "decision")
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")


@dataclass(frozen=True, slots=True)
class PlugIn:
    """A connector (`name` is its protocol), or a package or folder of profiles. `package` and `version` are those of
    the installed distribution; of a folder both are empty. `fault`: why it is not used, empty where it is."""

    kind: Literal["connector", "profiles"]
    name: str
    package: str
    version: str
    place: str
    fault: str = ""

    @property
    def origin(self) -> str:
        return f"{self.package} {self.version}".strip() or self.place


def settings_of(module: ModuleType) -> list[type[msgspec.Struct]]:
    """The structs that read a connector's settings: those whose names end in `Settings`."""
    return [
        one
        for name, one in vars(module).items()
        if name.endswith("Settings") and isinstance(one, type) and issubclass(one, msgspec.Struct)
    ]


def connectors(built_in: Collection[str]) -> tuple[PlugIn, ...]:
    """Every connector of an installed package, those that are not used with their fault."""
    return tuple(one for one, _ in _connectors(frozenset(built_in)))


def modules(built_in: Collection[str]) -> Mapping[str, ModuleType]:
    """The modules of those that are used, by protocol."""
    return {one.name: module for one, module in _connectors(frozenset(built_in)) if module is not None}


def profile_folders() -> tuple[tuple[PlugIn, Path | None], ...]:
    """Packages of profiles and where their files are; None where they cannot be found."""
    return _profile_folders()


def forget() -> None:
    """Look again at what is installed."""
    _connectors.cache_clear()
    _profile_folders.cache_clear()


@cache
def _connectors(built_in: frozenset[str]) -> tuple[tuple[PlugIn, ModuleType | None], ...]:
    found = [_plug_in("connector", one) for one in _installed(CONNECTORS)]
    counted = [one.name for one in found]
    return tuple(_loaded(one, built_in, counted) for one in found)


def _loaded(one: PlugIn, built_in: Collection[str], named: list[str]) -> tuple[PlugIn, ModuleType | None]:
    fault, module = "", None
    if not NAME.match(one.name):
        fault = "its name is no protocol: small letters, digits and underscores, a letter first"
    elif one.name in built_in:
        fault = f"{one.name} is a connector of the product; give yours another name"
    elif named.count(one.name) > 1:
        fault = f"two packages have a connector {one.name}; remove one of them"
    else:
        try:
            module = import_module(one.place)
            fault = _lacks(module)
        except (Exception, SystemExit) as error:  # whatever somebody else's module does when it is imported
            fault = f"{one.place} cannot be imported: {_words(error)}"
    if fault:
        log.warning("the connector %s of %s is not used: %s", one.name, one.origin, fault)
        return replace(one, fault=fault), None
    return one, module


def _lacks(module: ModuleType) -> str:
    if not any(callable(getattr(module, role, None)) for role in ROLES):
        return f"it has none of the functions {', '.join(ROLES)}"
    if (number := len(settings_of(module))) != 1:
        return f"it has {number} classes of settings, msgspec structs whose names end in Settings; one is needed"
    return ""


@cache
def _profile_folders() -> tuple[tuple[PlugIn, Path | None], ...]:
    found: list[tuple[PlugIn, Path | None]] = []
    for entry in _installed(PROFILES):
        one = _plug_in("profiles", entry)
        try:
            spec = util.find_spec(one.place)
            places = list(spec.submodule_search_locations or []) if spec else []
        except (Exception, SystemExit) as error:  # a parent package is imported
            places, one = [], replace(one, fault=f"{one.place} cannot be imported: {_words(error)}")
        if not places and not one.fault:
            one = replace(one, fault=f"{one.place} is no package with a folder of files")
        if one.fault:
            log.warning("the profiles %s of %s are not used: %s", one.name, one.origin, one.fault)
        found.append((one, Path(places[0]) if places else None))
    return tuple(found)


def _installed(group: str) -> Iterable[metadata.EntryPoint]:
    """Each once, however often a folder stands in the path, in an order that does not depend on it."""
    entries = {(one.name, one.value): one for one in metadata.entry_points(group=group)}
    return [entries[key] for key in sorted(entries)]


def _plug_in(kind: Literal["connector", "profiles"], entry: metadata.EntryPoint) -> PlugIn:
    dist = entry.dist
    package, version = (dist.name, dist.version) if dist is not None else ("", "")
    return PlugIn(kind, entry.name, package, version, entry.value.partition(":")[0].strip())


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:300]


__all__ = [
    "CONNECTORS",
    "PROFILES",
    "ROLES",
    "PlugIn",
    "connectors",
    "forget",
    "modules",
    "profile_folders",
    "settings_of",
]
