"""Protocol name → connector. A new protocol is a new folder with `connector.py`, or a package that is installed beside
the product (`plug_ins`); nothing here changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import msgspec

import runtime.connectors as package
from kernel.errors import Invalid
from runtime.connectors.protocols import DecisionConnector, SinkConnector, SourceConnector
from runtime.domain import plug_ins
from runtime.domain.plug_ins import ROLES, PlugIn


@dataclass(frozen=True, slots=True)
class ConnectorTraits:
    """What a connector's module says about itself, in capitals, where it says it.

    read_only    READ_ONLY: reading on has no effect on the source, so several pages are stored together. Otherwise
                 a `read` with a cursor may tell the source that what came before is stored
    reads_files  READS_FILES: what was read is moved away, and cannot be read again from a point of time
    """

    read_only: bool = False
    reads_files: bool = False


def built_in() -> list[str]:
    """The connectors of the product: the folders beside this file."""
    return sorted(module.name for module in iter_modules(package.__path__) if module.ispkg)


def names() -> list[str]:
    """Protocols that this installation speaks."""
    own = built_in()
    return sorted([*own, *plug_ins.modules(own)])


def plugged_in() -> tuple[PlugIn, ...]:
    """Connectors of installed packages, also those that are not used, with what is wrong with them."""
    return plug_ins.connectors(built_in())


def traits(protocol: str) -> ConnectorTraits:
    """Raises Invalid for an unknown protocol."""
    module = _module(protocol)
    return ConnectorTraits(
        read_only=bool(getattr(module, "READ_ONLY", False)), reads_files=bool(getattr(module, "READS_FILES", False))
    )


def load() -> None:
    """Import every connector now: a worker does so before it claims, so that no lane is held while modules load. One of
    somebody else's that cannot be imported is in the log, and costs itself."""
    for name in names():
        _module(name)


def open_source(protocol: str, settings: Mapping[str, Any]) -> SourceConnector:
    """A source. Raises Invalid for an unknown protocol, one that cannot read, or settings that do not fit."""
    made: SourceConnector = _maker(protocol, "source", "read from")(settings)
    return made


def open_sink(protocol: str, settings: Mapping[str, Any]) -> SinkConnector:
    made: SinkConnector = _maker(protocol, "sink", "write to")(settings)
    return made


def open_decision(protocol: str, settings: Mapping[str, Any]) -> DecisionConnector:
    made: DecisionConnector = _maker(protocol, "decision", "ask")(settings)
    return made


def roles(protocol: str) -> list[str]:
    """What a connector can be: a source, a sink, a decision. Raises Invalid for an unknown protocol."""
    module = _module(protocol)
    return [role for role in ROLES if hasattr(module, role)]


def settings_type(protocol: str, role: str) -> type[msgspec.Struct]:
    """The struct that reads the settings of a role: the one whose name ends in `Settings` in the connector's module.
    Raises Invalid for an unknown protocol or a role that it does not have."""
    _maker(protocol, role, {"source": "read from", "sink": "write to"}.get(role, "ask"))
    found = plug_ins.settings_of(_module(protocol))
    if len(found) != 1:
        raise Invalid("connection.protocol", f"The connector {protocol!r} tells nothing of its settings.")
    return found[0]


def needs_address(protocol: str, settings: Mapping[str, Any]) -> bool:
    """Whether a connection with these settings calls the system's address, and reads no folder of the workers. A
    connector that can do both says so itself. Raises Invalid for an unknown protocol."""
    said = getattr(_module(protocol), "needs_address", None)
    return "root" not in settings if said is None else bool(said(settings))


def members(protocol: str) -> frozenset[str]:
    """What the settings of a connector may have, in any of its roles. Raises Invalid for an unknown protocol."""
    return frozenset(
        one.encode_name for role in roles(protocol) for one in msgspec.structs.fields(settings_type(protocol, role))
    )


def _maker(protocol: str, role: str, words: str) -> Any:
    maker = getattr(_module(protocol), role, None) if role in ROLES else None
    if maker is None:
        raise Invalid("connection.protocol", f"The connector {protocol!r} cannot {words} a system.")
    return maker


def _module(protocol: str) -> Any:
    own = built_in()
    if protocol in own:
        return import_module(f"{package.__name__}.{protocol}.connector")
    others = plug_ins.modules(own)
    if protocol in others:
        return others[protocol]
    for one in plugged_in():
        if one.name == protocol:
            said = f"The connector {protocol!r} of {one.origin} is not used: {one.fault}."
            raise Invalid("connection.protocol", said)
    known = [*own, *others]
    close = get_close_matches(protocol, known, n=2)
    hint = f"Did you mean {' or '.join(close)}?" if close else f"There are {', '.join(sorted(known))}."
    raise Invalid("connection.protocol", f"There is no connector {protocol!r}. {hint}")


__all__ = [
    "ROLES",
    "ConnectorTraits",
    "built_in",
    "load",
    "members",
    "names",
    "needs_address",
    "open_decision",
    "open_sink",
    "open_source",
    "plugged_in",
    "roles",
    "settings_type",
    "traits",
]
