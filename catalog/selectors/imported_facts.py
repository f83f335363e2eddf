"""What a source said of a thing and no field of the catalog holds, as its page shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from catalog import permissions
from catalog.models import ImportedThing
from kernel.viewer import Viewer

MOST: Final = 40  # lines of one group
_TITLES: Final = {
    "links": "Links",
    "type": "Type",
    "lifecycle": "Lifecycle",
    "domain": "Domain",
    "system": "System",
    "parent": "Belongs to",
    "children": "Groups in it",
    "members": "Members",
    "dependsOn": "Depends on",
    "subcomponentOf": "Part of",
    "subdomainOf": "Part of",
    "slaProperties": "Service levels",
    "quality": "Quality",
    "servers": "Servers",
    "roles": "Roles",
    "team": "Team",
    "support": "Support",
    "price": "Price",
    "tags": "Tags",
    "operations": "Operations",
    "contacts": "Contacts",
    "customProperties": "More of its source",
    "labels": "Labels",
    "annotations": "Annotations",
}
_NAMES: Final = ("of", "title", "property", "server", "role", "username", "channel", "name", "metric", "rule", "id")
_ADDRESSES: Final = ("url", "href")


@dataclass(frozen=True, slots=True)
class FactLine:
    """One line: what it is of, what is said, and an address of the web where one was given."""

    name: str
    text: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class FactGroup:
    title: str
    lines: tuple[FactLine, ...]
    more: int


@dataclass(frozen=True, slots=True)
class ImportedFacts:
    """`source` is the name of the source, "" for an upload; `ref` what it calls the thing."""

    source: str
    ref: str
    gone_since: datetime | None
    groups: tuple[FactGroup, ...]


def of(table: str, key: str, *, viewer: Viewer) -> ImportedFacts | None:
    """None for a thing that no import has brought. A person who sees the thing may see what its source says of it, but
    not the names of APIs that are hidden from them."""
    thing = ImportedThing.objects.filter(table=table, key=key).first()
    if thing is None:
        return None
    facts = thing.facts if isinstance(thing.facts, dict) else {}
    groups = []
    for name, title in _TITLES.items():
        lines = _lines(facts.get(name))
        if name == "dependsOn":
            lines = _seen(lines, thing.ref, viewer)
        if lines:
            groups.append(FactGroup(title, tuple(lines[:MOST]), max(len(lines) - MOST, 0)))
    return ImportedFacts(thing.source, thing.ref, thing.gone_since, tuple(groups))


def _seen(lines: list[FactLine], named_by: str, viewer: Viewer) -> list[FactLine]:
    """Without the APIs that the viewer may not see; a name without a namespace is in that of the thing."""
    place = named_by.partition(":")[2].partition("/")[0] or "default"
    refs = {}
    for line in lines:
        kind, colon, name = line.text.lower().partition(":")
        if colon and kind == "api":
            refs[line.text] = f"api:{name if '/' in name else f'{place}/{name}'}"
    if not refs:
        return lines
    slugs = dict(ImportedThing.objects.filter(ref__in=refs.values(), table="api").values_list("ref", "key"))
    slugs = {text: slugs.get(ref, ref.rpartition("/")[2]) for text, ref in refs.items()}
    hidden = set(permissions.hidden(viewer).filter(slug__in=slugs.values()).values_list("slug", flat=True))
    return [line for line in lines if slugs.get(line.text) not in hidden]


def _lines(value: Any) -> list[FactLine]:
    if isinstance(value, dict):
        named = [FactLine(str(k), _text(v)) for k, v in value.items() if not isinstance(v, list)]
        nested = [line for v in value.values() if isinstance(v, list) for line in _lines(v)]
        return [line for line in named if line.text] + nested
    if isinstance(value, list):
        return [line for one in value for line in [_line(one)] if line.name or line.text]
    return [FactLine("", _text(value))] if _text(value) else []


def _line(value: Any) -> FactLine:
    if not isinstance(value, dict):
        return FactLine("", _text(value))
    name = next((k for k in _NAMES if _text(value.get(k))), "")
    url = next((u for k in _ADDRESSES if (u := _text(value.get(k))).startswith(("https://", "http://"))), "")
    rest = {k: _text(v) for k, v in value.items() if k != name and k not in _ADDRESSES}
    if "value" in rest:  # a service level: 4 h
        rest = {"value": f"{rest.pop('value')} {rest.pop('unit', '')}".strip(), **rest}
    said = ", ".join(v if k == "value" else f"{k} {v}" for k, v in rest.items() if v)
    return FactLine(_text(value.get(name)) or url, said[:500], url)


def _text(value: Any) -> str:
    """A scalar as it stands; a small list as its members; "" for what is nested."""
    if isinstance(value, list):
        return ", ".join(t for one in value[:10] if (t := _text(one)))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)[:500] if isinstance(value, str | int | float) else ""
