"""Backstage entity descriptors (catalog-info.yaml): Group, Domain, System, API, Component.

https://backstage.io/docs/features/software-catalog/descriptor-format
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from django.contrib.auth.models import Group

from catalog.domain import lifecycle
from catalog.models import Api, Application, Dependency, Domain, ImportedThing, System, Team
from catalog.services import contracts
from catalog.services.importing import backstage_people, identity
from catalog.services.importing.identity import Ref
from catalog.services.importing.sources import ImportItem
from catalog.services.importing.target import ImportOutcome, ImportTarget
from catalog.services.importing.values import MOST_KEPT, bounded, mapping, nested, plain, target_purpose, texts
from kernel import audit
from kernel.errors import Invalid

_STATE: Final = {"production": lifecycle.PUBLISHED, "deprecated": lifecycle.DEPRECATED, "experimental": lifecycle.DRAFT}
_STYLE: Final = {"openapi": "rest", "asyncapi": "event", "graphql": "graphql", "odata": "odata", "soap": "soap"}
_POINTERS: Final = ("$text", "$openapi", "$asyncapi", "$yaml", "$json")
ELSEWHERE: Final = {
    "user": "people come from the identity provider or a blueprint, unless this source is chosen for people",
    "location": "it names other files; import those",
    "template": "it makes new software, and describes none",
    "resource": "the catalog keeps systems, APIs and applications",
}
MOST_NAMED: Final = 10_000
"""So many members, children or dependencies of an entity are kept."""
_FACTS: Final = ("parent", "children", "members", "dependsOn", "subcomponentOf", "subdomainOf", "system", "domain")


@dataclass(slots=True)
class _Entity:
    """An entity that is being imported, and what there is to say about it."""

    ref: Ref
    title: str
    meta: dict[str, Any]
    spec: dict[str, Any]
    item: ImportItem
    target: ImportTarget
    notes: list[str] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)

    @property
    def description(self) -> str:
        return plain(self.meta.get("description"), 2000)

    def named(self, key: str, kind: str) -> Ref | None:
        return identity.parsed(self.spec.get(key), kind=kind, namespace=self.ref.namespace)

    def owner(self) -> Team | None:
        """The team that owns it. A person is none, whatever teams are called like."""
        ref = self.named("owner", "group")
        if ref is None:
            return None
        if ref.kind == "user":
            self.notes.append(f"owner {ref} is a person; teams own things here")
            return None
        team: Team | None = self.target.names.resolve(ref) if ref.kind == "group" else None
        if team is None:
            self.notes.append(f"owner {plain(self.spec.get('owner'), 60)!r} is not known")
        return team

    def claim(self) -> ImportedThing:
        name, place = self.ref.name, self.ref.namespace
        at_home = place.lower() == identity.DEFAULT
        return identity.claim(
            str(self.ref),
            identity.TABLE_OF[self.ref.kind],
            names=[name] if at_home else [f"{place}-{name}"],
            title=self.title,
            source=self.target.source,
            adopt=at_home,
        )

    def facts(self) -> dict[str, Any]:
        """What the source says and no field of ours holds."""
        kept: dict[str, Any] = {key: self.spec[key] for key in _FACTS if key in self.spec}
        for key in ("type", "lifecycle"):
            if said := plain(self.spec.get(key), 100):
                kept[key] = said
        for key in ("annotations", "labels", "links", "tags"):
            if isinstance(self.meta.get(key), dict | list) and self.meta[key]:
                kept[key] = self.meta[key]
        made: dict[str, Any] = {}
        for key, said in kept.items():
            most = MOST_NAMED if key in _FACTS else MOST_KEPT
            made[key] = bounded(said, deep=3, most=most)
            if isinstance(said, list | dict) and len(said) > most:
                self.notes.append(f"{key}: {len(said):,}, of which the first {most:,} are kept")
        return made

    def outcome(self, result: str, reference: str) -> ImportOutcome:
        code = "import.differs" if self.differs else "import.noticed" if self.notes else ""
        said = "; ".join([*self.differs, *self.notes][:8])
        return ImportOutcome(result, reference, code, said)  # type: ignore[arg-type]


def take(item: ImportItem, target: ImportTarget) -> ImportOutcome:
    """One entity. Kinds that the catalog has no place for are no fault; the report says where they belong."""
    value: dict[str, Any] = item.value
    kind = plain(value.get("kind"), 60)
    if kind.lower() == "user" and target.people:
        who = identity.ref_of(value)
        if who is None or not any(c.isalnum() for c in who.name):
            raise Invalid("import.backstage_name", "This User has no metadata.name.")
        return backstage_people.take(who, value, target)
    if reason := ELSEWHERE.get(kind.lower()):
        return ImportOutcome("unchanged", "", "import.not_here", f"Nothing to do here for a {kind}: {reason}.")
    ref = identity.ref_of(value)
    meta, spec = mapping(value, "metadata"), mapping(value, "spec")
    if kind.lower() not in identity.TABLE_OF:
        raise Invalid(
            "import.backstage_kind",
            f"The catalog has no place for the kind {kind!r}; Group, Domain, System, API and Component are read.",
        )
    if ref is None or not any(c.isalnum() for c in ref.name):
        raise Invalid("import.backstage_name", f"This {kind} has no metadata.name.")
    title = plain(meta.get("title"), 120) or plain(nested(spec, "profile", "displayName"), 120) or ref.name[:120]
    entity = _Entity(ref, title, meta, spec, item, target)
    if ref.kind == "api":
        return _api(entity)
    if ref.kind == "group":
        return _group(entity)
    thing, owner = entity.claim(), entity.owner()
    if ref.kind == "domain":
        return _row(entity, thing, Domain, {"name": title, "owner_team": owner})
    if ref.kind == "system":
        return _row(entity, thing, System, {"name": title, "description": entity.description, "owner_team": owner})
    return _component(entity, thing, owner)


def _say(target: ImportTarget, table: str, key: str) -> None:
    audit.record(actor=target.actor, verb=f"catalog.{table}_imported", subject_kind=table, subject_id=key)


def _row(
    entity: _Entity, thing: ImportedThing, model: Any, values: dict[str, Any], first: dict[str, Any] | None = None
) -> ImportOutcome:
    """A row with a key, created or brought up to what the source says anew. Who owns it already is asked;
    `first` are values for a new row alone."""
    row = identity.row_of(thing.table, thing.key)
    said = {k: getattr(v, "key", v) for k, v in values.items() if v not in (None, "")}
    if row is None:
        model.objects.create(key=thing.key, **values, **(first or {}))
        result = "created"
    else:
        new = {k: values[k] for k in said if thing.said.get(k) != said[k] and getattr(row, k) != values[k]}
        for name in ("owner_team", "team"):
            if name in new and getattr(row, name) is not None:
                entity.differs.append(
                    f"owner: the source says {said[name]}, here it is {getattr(row, name).key}; a hand-over is a change"
                )
                del new[name], said[name]
        if getattr(row, "retired_at", None) is not None:
            entity.notes.append("named again: it is no longer retired")
            new["retired_at"] = None
        for name, value in new.items():
            setattr(row, name, value)
        if new:
            row.save(update_fields=list(new))
        result = "changed" if new else "unchanged"
    if identity.keep(thing, said, entity.facts()) and result == "unchanged":
        result = "changed"
    entity.target.names.forget(thing)
    if result != "unchanged":
        _say(entity.target, thing.table, thing.key)
    return entity.outcome(result, thing.key)


def _group(entity: _Entity) -> ImportOutcome:
    thing = entity.claim()
    email = plain(nested(entity.spec, "profile", "email"), 250)
    values = {"name": entity.title, "email": email if "@" in email else ""}
    if identity.row_of("team", thing.key) is None:
        name = entity.title[:150]
        if Group.objects.filter(name=name).exists() and Team.objects.filter(group__name=name).exists():
            name = f"{entity.title[:80]} ({thing.key})"[:150]
        group, _ = Group.objects.get_or_create(name=name)
        entity.notes.append("the team has no members yet")
        return _row(entity, thing, Team, values, {"group": group, "kind": Team.Kind.DOMAIN})
    return _row(entity, thing, Team, values)


def _api(entity: _Entity) -> ImportOutcome:
    thing, owner, spec = entity.claim(), entity.owner(), entity.spec
    system = entity.target.names.resolve(entity.named("system", "system"))
    domain = entity.target.names.resolve(entity.named("domain", "domain")) or entity.target.names.domain_of(system)
    if spec.get("system") and system is None:
        entity.notes.append(f"system {plain(spec['system'], 60)!r} is not known")
    values = {
        "name": entity.title,
        "purpose": target_purpose(entity.description + "\n") or entity.description[:300],
        "owner_team": owner.key if owner else "",
        "system": system.key if system else "",
        "style": _STYLE.get(plain(spec.get("type")).lower(), ""),
        "domain": domain.key if domain else "",
    }
    if spec.get("type") and not values["style"]:
        entity.notes.append(f"type {plain(spec['type'], 40)!r} has no style here")
    said = {k: v for k, v in values.items() if v}
    there = entity.target.names.row("api", thing.key) is not None
    anew = {k: v for k, v in said.items() if not there or thing.said.get(k) != v}
    held: list[str] = []
    api, first = entity.target.api(thing.key, anew, notes=held)
    entity.differs += [n for n in held if "is proposed and not taken over" in n]
    entity.notes += [n for n in held if "is proposed and not taken over" not in n]
    reading = _reading(entity)
    word = plain(spec.get("lifecycle"), 40).lower()
    state = _STATE.get(word, lifecycle.DRAFT)
    if word not in _STATE:
        entity.notes.append(f"lifecycle {word!r} is none of production, deprecated, experimental: a draft")
    version, second = entity.target.version(api, reading, label="", state=state)
    wanted = lifecycle.DRAFT if version.contract_id is None and state in lifecycle.LIVE else state
    if second == "unchanged" and word in _STATE and version.state != wanted:
        entity.differs.append(f"lifecycle {word}: {version} is {version.state}; a state moves by a decision")
    if reading is not None and "created" in (first, second):
        entity.target.entities(api, reading)
    kept = {k: v for k, v in said.items() if getattr(getattr(api, k), "key", getattr(api, k)) == v or k in thing.said}
    facts = identity.keep(thing, kept, entity.facts())
    entity.target.names.forget(thing)
    result = entity.target.finish(api, first, second, "changed" if facts else "unchanged")
    return entity.outcome(result, str(version))


def _pointed(value: Any) -> str:
    if not isinstance(value, dict):
        return ""
    return next((plain(v, 500) for k, v in value.items() if k in _POINTERS), "")


def _reading(entity: _Entity) -> contracts.ReadContract | None:
    """The contract: inline, or `$text` / `$openapi` / `$asyncapi` naming a file that came along. Nothing is fetched."""
    value = entity.spec.get("definition")
    data: bytes | None = value.encode() if isinstance(value, str) else None
    if data is None:
        name = _pointed(value)
        if not name:
            entity.notes.append("no definition")
            return None
        data = _beside(name, entity.item)
        if data is None:
            entity.notes.append(f"definition {name[:200]!r} did not come along; nothing is fetched from the network")
            return None
    try:
        return contracts.read_contract(data, file_name=f"{entity.ref.name[:200]}-definition")
    except Invalid as error:
        entity.notes.append(f"definition: {error.message}")
        return None


def _beside(name: str, item: ImportItem) -> bytes | None:
    """A file by its path; of files whose folders are not known, the only one of that name."""
    own = item.file.name if item.file else ""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(own), name))
    if path in item.siblings:
        return item.siblings[path]
    if item.file is None or any("/" in other for other in item.siblings):
        return None
    return item.siblings.get(PurePosixPath(name).name)


def _component(entity: _Entity, thing: ImportedThing, team: Team | None) -> ImportOutcome:
    def refs(key: str) -> list[Ref]:
        found = texts(entity.spec.get(key), entity.notes, key)
        parsed = [identity.parsed(one, kind="api", namespace=entity.ref.namespace) for one in found]
        return [one for one in parsed if one is not None]

    consumed = refs("consumesApis")
    if consumed:
        entity.notes.append(
            f"consumes {', '.join(r.name for r in consumed)}: version and environment are not said, so no subscription "
            "was made"
        )
    needs = 0
    for provided in refs("providesApis"):
        api = entity.target.names.resolve(provided)
        for needed in consumed:
            other = entity.target.names.resolve(needed)
            if other is None:
                entity.notes.append(f"API {needed.name!r} is not known")
            elif isinstance(api, Api) and api.pk != other.pk:
                needs += Dependency.objects.get_or_create(api=api, target_api=other, target_system=None)[1]
    outcome = _row(entity, thing, Application, {"name": entity.title, "description": entity.description, "team": team})
    return entity.outcome("changed", thing.key) if needs and outcome.outcome == "unchanged" else outcome
