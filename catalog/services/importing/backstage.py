"""Backstage entity descriptors (catalog-info.yaml): Group, Domain, System, API, Component.

https://backstage.io/docs/features/software-catalog/descriptor-format
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, Final

from django.contrib.auth.models import Group

from catalog.domain import lifecycle, naming
from catalog.models import Api, Application, Dependency, Domain, System, Team
from catalog.services import contracts
from catalog.services.importing.contract_files import target_purpose
from catalog.services.importing.sources import ImportItem
from catalog.services.importing.target import ImportOutcome, ImportTarget
from catalog.services.importing.values import mapping, nested, plain, texts
from kernel import audit
from kernel.errors import Invalid

_STATE: Final = {"production": lifecycle.PUBLISHED, "deprecated": lifecycle.DEPRECATED, "experimental": lifecycle.DRAFT}
_STYLE: Final = {"openapi": "rest", "asyncapi": "event", "graphql": "graphql", "odata": "odata", "soap": "soap"}


def take(item: ImportItem, target: ImportTarget) -> ImportOutcome:
    """One entity. Kinds that the catalog has no place for are refused by name, so that the report lists them."""
    entity: dict[str, Any] = item.value
    kind = entity["kind"]
    meta, spec = mapping(entity, "metadata"), mapping(entity, "spec")
    name = plain(meta.get("name"), 300)
    key = naming.slug_of(name, fallback="")
    if not key:
        raise Invalid("import.backstage_name", f"This {kind[:40]} has no metadata.name.")
    title = plain(meta.get("title"), 120) or plain(nested(spec, "profile", "displayName"), 120) or name[:120]
    if kind == "Group":
        return _group(key, title, spec, target)
    if kind == "Domain":
        return _domain(key, title, spec, target)
    if kind == "System":
        return _system(key, title, plain(meta.get("description"), 4000), spec, target)
    if kind == "API":
        return _api(key, title, meta, spec, item, target)
    if kind == "Component":
        return _component(key, title, plain(meta.get("description"), 4000), spec, target)
    raise Invalid(
        "import.backstage_kind",
        f"The catalog has no place for the kind {kind[:60]!r}; Group, Domain, System, API and Component are read.",
    )


def _ref(value: Any) -> str:
    """`group:default/pricing` → pricing."""
    return naming.slug_of(plain(value, 400).rpartition("/")[2].rpartition(":")[2], fallback="")


def _say(target: ImportTarget, kind: str, key: str) -> None:
    audit.record(actor=target.actor, verb=f"catalog.{kind}_imported", subject_kind=kind, subject_id=key)


def _group(key: str, title: str, spec: dict[str, Any], target: ImportTarget) -> ImportOutcome:
    if Team.objects.filter(key=key).exists():
        return ImportOutcome("unchanged", key)
    group, _ = Group.objects.get_or_create(name=title[:150])
    if Team.objects.filter(group=group).exists():
        group = Group.objects.create(name=f"{title[:80]} ({key})"[:150])
    email = plain(nested(spec, "profile", "email"), 300)
    Team.objects.create(
        group=group,
        key=key,
        name=title,
        kind=Team.Kind.DOMAIN,
        email=email if "@" in email and len(email) < 250 else "",
    )
    _say(target, "team", key)
    return ImportOutcome("created", key, "import.noticed", "the team has no members yet")


def _domain(key: str, title: str, spec: dict[str, Any], target: ImportTarget) -> ImportOutcome:
    owner = Team.objects.filter(key=_ref(spec.get("owner"))).first()
    domain, new = Domain.objects.get_or_create(key=key, defaults={"name": title, "owner_team": owner})
    if new:
        _say(target, "domain", key)
        return ImportOutcome(
            "created",
            key,
            "" if owner else "import.noticed",
            "" if owner else f"owner {plain(spec.get('owner'), 60)!r} is not known",
        )
    if domain.owner_team is None and owner is not None:
        domain.owner_team = owner
        domain.save(update_fields=["owner_team"])
        _say(target, "domain", key)
        return ImportOutcome("changed", key)
    return ImportOutcome("unchanged", key)


def _system(key: str, title: str, description: str, spec: dict[str, Any], target: ImportTarget) -> ImportOutcome:
    owner = Team.objects.filter(key=_ref(spec.get("owner"))).first()
    _, new = System.objects.get_or_create(
        key=key, defaults={"name": title, "description": description[:2000], "owner_team": owner}
    )
    if new:
        _say(target, "system", key)
    return ImportOutcome("created" if new else "unchanged", key)


def _api(
    key: str, title: str, meta: dict[str, Any], spec: dict[str, Any], item: ImportItem, target: ImportTarget
) -> ImportOutcome:
    notes: list[str] = []
    domain = System.objects.filter(key=_ref(spec.get("system"))).first()
    values = {
        "name": title,
        "purpose": target_purpose(plain(meta.get("description"), 4000) + "\n")
        or plain(meta.get("description"), 4000)[:300],
        "owner_team": _ref(spec.get("owner")),
        "system": domain.key if domain else "",
        "style": _STYLE.get(plain(spec.get("type")).lower(), ""),
        "domain": _ref(spec.get("domain")),
    }
    if spec.get("type") and not values["style"]:
        notes.append(f"type {plain(spec['type'], 40)!r} has no style here")
    api, first = target.api(key, values, notes=notes)
    reading = None
    definition = _definition(spec.get("definition"), item, notes)
    if definition is not None:
        try:
            reading = contracts.read_contract(definition, file_name=f"{key}-definition")
        except Invalid as error:
            notes.append(f"definition: {error.message}")
    state = _STATE.get(plain(spec.get("lifecycle")).lower(), lifecycle.PUBLISHED if reading else lifecycle.DRAFT)
    version, second = target.version(api, reading, label="", state=state)
    if reading is not None:
        target.entities(api, reading)
    return ImportOutcome(
        target.finish(api, first, second), str(version), "import.noticed" if notes else "", "; ".join(notes[:8])
    )  # type: ignore[arg-type]


def _definition(value: Any, item: ImportItem, notes: list[str]) -> bytes | None:
    """The text of a contract: inline, or `$text` / `$openapi` / `$asyncapi` naming a file that came along. Nothing is
    fetched."""
    if isinstance(value, str):
        return value.encode()
    name = (
        next((v for k, v in value.items() if k in ("$text", "$openapi", "$asyncapi", "$yaml", "$json")), None)
        if isinstance(value, dict)
        else None
    )
    if not isinstance(name, str):
        notes.append("no definition")
        return None
    folder = PurePosixPath(item.file.name).parent if item.file else PurePosixPath()
    parts: list[str] = []
    for part in (folder / name).parts:
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    data = item.siblings.get("/".join(parts))
    if data is None:
        notes.append(f"definition {name[:200]!r} did not come along; nothing is fetched from the network")
    return data


def _component(key: str, title: str, description: str, spec: dict[str, Any], target: ImportTarget) -> ImportOutcome:
    team = Team.objects.filter(key=_ref(spec.get("owner"))).first()
    _, new = Application.objects.get_or_create(
        key=key, defaults={"name": title, "description": description[:2000], "team": team}
    )
    notes = [] if team else [f"owner {plain(spec.get('owner'), 60)!r} is not known"]
    consumed = [_ref(r) for r in texts(spec.get("consumesApis"), notes, "consumesApis")]
    if consumed:
        notes.append(
            f"consumes {', '.join(consumed)}: version and environment are not said, so no subscription was made"
        )
    needs = 0
    provided_slugs = [_ref(r) for r in texts(spec.get("providesApis"), notes, "providesApis")]
    for provided in Api.objects.filter(slug__in=provided_slugs):
        for slug in consumed:
            needed = Api.objects.filter(slug=slug).exclude(pk=provided.pk).first()
            if needed is None:
                notes.append(f"API {slug!r} is not known")
            else:
                needs += Dependency.objects.get_or_create(api=provided, target_api=needed, target_system=None)[1]
    if new:
        _say(target, "application", key)
    return ImportOutcome(
        "created" if new else "changed" if needs else "unchanged",
        key,
        "import.noticed" if notes else "",
        "; ".join(notes[:8]),
    )
