"""What is said of a system or a business entity, read in one way wherever it is said: page, API, blueprint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from catalog.domain import naming
from catalog.models import BusinessEntity, Domain, System, Team
from catalog.services.findings import Findings

LIMITS: Final[Mapping[str, int]] = {
    "key": 60,
    "name": 120,
    "vendor": 120,
    "kind": 40,
    "network_zone": 60,
    "description": 2000,
}
SYSTEM_FIELDS: Final = ("name", "vendor", "kind", "deployment", "network_zone", "description", "owner_team")
ENTITY_FIELDS: Final = ("name", "domain", "aliases")
MOST_ALIASES: Final = 50
MOST_GROUPS: Final = 100


def key_of(given: Any, found: Findings, pointer: str) -> str:
    """A new key; empty with a finding where it is none."""
    key = found.text(given, pointer, limit=LIMITS["key"], required="Give it a key: small letters, digits, hyphens.")
    if key and not naming.is_slug(key):
        near = naming.slug_of(key, fallback="")
        hint = f" {near!r} would do." if near and near != key else ""
        found.add(pointer, f"{key!r} is no key. A key has small letters, digits and hyphens.{hint}")
        return ""
    return key


def system_values(given: Mapping[str, Any], found: Findings, *, base: str = "") -> dict[str, Any]:
    """The fields of a system that are said; one that is left out is left out here as well."""
    read: dict[str, Any] = {}
    for name in ("vendor", "kind", "network_zone", "description", "name"):
        if name in given:
            read[name] = found.text(given[name], f"{base}/{name}", limit=LIMITS[name])
    if "deployment" in given:
        read["deployment"] = found.choice(
            given["deployment"], System.Deployment.choices, f"{base}/deployment", noun="deployment"
        )
    if "owner_team" in given:
        read["owner_team"] = _team(given["owner_team"], found, f"{base}/owner_team")
    return read


def entity_values(given: Mapping[str, Any], found: Findings, *, base: str = "") -> dict[str, Any]:
    """The fields of a business entity that are said, without its attribute groups."""
    read: dict[str, Any] = {}
    if "name" in given:
        read["name"] = found.text(given["name"], f"{base}/name", limit=LIMITS["name"])
    if "domain" in given:
        read["domain"] = _near(Domain, given["domain"], found, f"{base}/domain", noun="domain")
    if "aliases" in given:
        aliases = given["aliases"] or []
        if not isinstance(aliases, list) or len(aliases) > MOST_ALIASES:
            found.add(f"{base}/aliases", f"Give a list of at most {MOST_ALIASES} words.")
        else:
            read["aliases"] = [
                found.text(one, f"{base}/aliases/{n}", limit=60, required="Give a word.")
                for n, one in enumerate(aliases)
            ]
    return read


def group_values(given: Any, found: Findings, *, base: str = "/attribute_groups") -> list[tuple[str, str]]:
    """(key, name) of attribute groups; each is a key, or an object with key and name."""
    if not isinstance(given, list) or len(given) > MOST_GROUPS:
        found.add(base, f"Give a list of at most {MOST_GROUPS} keys, or objects with key and name.")
        return []
    read, seen = [], set()
    for n, one in enumerate(given):
        item = one if isinstance(one, dict) else {"key": one}
        key = key_of(item.get("key"), found, f"{base}/{n}/key")
        name = found.text(item.get("name"), f"{base}/{n}/name", limit=LIMITS["name"]) or key.replace("-", " ")
        if key in seen:
            found.add(f"{base}/{n}/key", f"{key!r} stands here twice.")
        elif key:
            read.append((key, name))
        seen.add(key)
    return read


def _team(key: Any, found: Findings, pointer: str) -> Team | None:
    row: Team | None = _near(Team, key, found, pointer, noun="team")
    return row


def _near(model: type[Any], key: Any, found: Findings, pointer: str, *, noun: str) -> Any:
    """The row with this key. None for an empty key; None and a finding that names the nearest for an unknown one."""
    row = Findings().row_by_key(model, key, pointer, noun=noun)
    if row is None and key not in (None, ""):
        known = list(model._default_manager.values_list("key", flat=True)[:5000])
        close = naming.nearest(str(key)[:200], known)
        hint = f" Did you mean {close}?" if close else ""
        found.add(pointer, f"There is no {noun} {str(key)[:80]!r}.{hint}", code=f"{noun}.unknown")
    return row


def require_own_name(kind: str, key: str, words: Iterable[tuple[str, str]], found: Findings) -> None:
    """Notes names (pointer, name) under which another system or entity is known."""
    taken: dict[str, str] = {}
    if kind == "system":
        for other, name in System.objects.filter(retired_at=None).exclude(key=key).values_list("key", "name"):
            taken |= {naming.spelled(name): other, other: other}
    else:
        rows = BusinessEntity.objects.exclude(key=key).values_list("key", "name", "aliases")
        for other, name, aliases in rows:
            taken |= {naming.spelled(word): other for word in (name, other, *(aliases or []))}
    for pointer, word in words:
        if known := taken.get(naming.spelled(word)):
            said = f"The {kind} {known!r} is known as {word!r} already. Use that one, or choose another name."
            found.add(pointer, said, code=f"{kind}.near_name")
