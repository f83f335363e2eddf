"""Integrations and their releases: register a manifest, find a release."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from catalog.selectors import teams, versions
from governance.services import changes
from kernel import audit, clock, outbox
from kernel.errors import Conflict, Forbidden, Invalid, NotFound, finding
from kernel.models import User
from kernel.viewer import Viewer
from runtime import permissions
from runtime.domain import manifest as manifests
from runtime.domain.manifest import Manifest, ParsedManifest
from runtime.models import EntityWrite, Integration, Pin, Release
from runtime.services import manifest_checks, source_names, state_questions, target_times
from runtime.services.catalog_sight import CatalogSight, of_everything


def register(manifest: Any, *, actor: User | None) -> Release:
    """A new release of an integration from its manifest; the same manifest again gives the same release.

    Raises Invalid `manifest.invalid` with every finding (JSON Pointers into the manifest), Forbidden where the actor
    does not belong to the owner team, Conflict where the key belongs to another team. Nothing is stored then. `actor`
    None is the system. API versions and contracts that the actor may not see are what the catalog does not have, in the
    same words, also where somebody else has registered the manifest before. A new digest moves along every change that
    is open about this integration, which voids what was decided, in this transaction.
    """
    reading = manifests.parse(manifest)
    made = reading.manifest
    team = teams.by_key(made.owner)
    if team is None:
        raise manifests.refusal([finding("/owner", f"the catalog has no team {made.owner!r}", code="team.unknown")])
    if actor is not None:
        allowed = permissions.may_register(Viewer.of(actor), team.id)
        if not allowed:
            raise Forbidden("integration.not_owner", allowed.reason)
    sight = CatalogSight(Viewer.of(actor)) if actor is not None else of_everything()
    if found := manifest_checks.everything(made, clock.now(), sight):
        raise manifests.refusal(found)
    with transaction.atomic():
        integration = _integration(made, team.id)
        known = Release.objects.filter(integration=integration, digest=reading.digest).first()
        if known is not None:
            return known
        found = [*target_times.missing_key_kept(made), *state_questions.unprovable(made)]
        if found := [*found, *source_names.changed(made, integration)]:
            raise manifests.refusal(found)
        made_release = _release(integration, reading, actor)
        changes.follow("integration", integration.key, reading.digest, actor=actor)
        return made_release


def pinned(manifest: Any, *, actor: User | None = None) -> Any:
    """Replace every `contract: current` by the digest that the catalog has now: a help for authors of manifests.

    A version that cannot be found, or that the actor may not see, stays unchanged and becomes a finding of `register`.
    """
    sight = CatalogSight(Viewer.of(actor)) if actor is not None else of_everything()
    if not isinstance(manifest, dict):
        return manifest

    def side(given: Any) -> Any:
        if not isinstance(given, dict) or given.get("contract") != "current":
            return given
        version = sight.version(str(given.get("api", "")))
        digest = version.contract_digest if version else None
        return {**given, "contract": digest, **_with_wsdl(given, digest)} if digest else given

    lists = {
        name: [side(one) for one in manifest[name]]
        for name in ("sources", "targets")
        if isinstance(manifest.get(name), list)
    }
    return {**manifest, **lists}


def _with_wsdl(side: dict[str, Any], digest: str) -> dict[str, Any]:
    """The connection of a side whose WSDL is `current` too: that of its contract."""
    connection: Any = side.get("connection")
    settings: Any = connection.get("settings") if isinstance(connection, dict) else None
    if not isinstance(settings, dict) or settings.get("wsdl") != "current":
        return {}
    return {"connection": {**connection, "settings": {**settings, "wsdl": digest}}}


def _integration(manifest: Manifest, team_id: int) -> Integration:
    integration, made = Integration.objects.select_for_update().get_or_create(
        key=manifest.integration,
        defaults={"title": manifest.title, "domain_key": manifest.domain, "owner_team_id": team_id},
    )
    if integration.owner_team_id != team_id:
        raise Conflict(
            "integration.owned",
            f"The integration {manifest.integration} belongs to another team; its owner registers releases.",
        )
    if not made and (integration.title, integration.domain_key) != (manifest.title, manifest.domain):
        integration.title, integration.domain_key = manifest.title, manifest.domain
        integration.save(update_fields=["title", "domain_key"])
    return integration


def _release(integration: Integration, reading: ParsedManifest, actor: User | None) -> Release:
    manifest = reading.manifest
    release = Release.objects.create(
        integration=integration, digest=reading.digest, manifest=reading.data, tier=manifest.tier, created_by=actor
    )
    for role, reference, digest in manifest.pins():
        version = versions.by_reference(reference)
        if version is None:
            raise Invalid("version.unknown", f"The catalog has no API version {reference!r}.")
        Pin.objects.create(
            release=release, role=role[:80], reference=reference, version_id=version.id, contract_digest=digest
        )
    EntityWrite.objects.bulk_create(
        EntityWrite(
            release=release,
            target=target.name,
            entity=write.entity,
            attribute_group=write.attribute_group,
            kind=write.kind,
            scope=write.scope,
            source_system=manifest.source_of(target).system,
            target_system=target.system,
        )
        for target in manifest.targets
        for write in target.writes
    )
    audit.record(
        "runtime.release_registered",
        "integration",
        integration.key,
        actor=actor,
        after={"digest": reading.digest, "release": release.pk},
    )
    outbox.emit(
        "runtime.release_registered", key=integration.key, payload={"release": release.pk, "digest": reading.digest}
    )
    return release


def by_key(key: str) -> Integration:
    """Raises NotFound `integration.unknown`."""
    found = Integration.objects.select_related("owner_team").filter(key=key).first()
    if found is None:
        raise NotFound("integration.unknown", f"There is no integration {key!r}.")
    return found


def release_of(key: str, digest: str) -> Release:
    """Raises NotFound `release.unknown`."""
    found = Release.objects.select_related("integration").filter(integration__key=key, digest=digest).first()
    if found is None:
        raise NotFound("release.unknown", f"{key} has no release {digest}; register its manifest first.")
    return found
