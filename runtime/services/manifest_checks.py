"""Manifest checks: what a manifest must satisfy now, given the catalog: contracts, write direction, mappings,
connections, safety.

Registration (a refusal with all findings), the checks of a change request and deployment use the same functions. Every
function returns findings `{"pointer", "message", "code", …}`; an empty list means that the check passes. A registration
is judged with the catalog as its person sees it (`CatalogSight`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from catalog.domain.facts import VersionFacts
from catalog.selectors import boundaries, domains, systems, tiers
from governance.domain import direction
from kernel.errors import DomainError, Invalid, finding
from runtime.domain.manifest import Manifest, ManifestSource, ManifestTarget
from runtime.domain.odata_schemas import as_read, made_by_server
from runtime.mapping import check_against, parse
from runtime.selectors import connectors
from runtime.services import (
    base_paths,
    egress_checks,
    handed_poslog,
    hook_settings,
    paging_checks,
    query_checks,
    state_questions,
    system_connections,
)
from runtime.services.address_checks import addresses
from runtime.services.asked_of_services import PROTOCOLS, asked_for
from runtime.services.catalog_sight import CatalogSight, of_everything
from runtime.services.date_checks import dates
from runtime.services.mappers import filter_mapping

Findings = list[dict[str, Any]]
USABLE = ("approved", "published", "deprecated")


def everything(manifest: Manifest, at: datetime, sight: CatalogSight | None = None) -> Findings:
    """All findings, in the order in which a person would fix them."""
    seen = sight or of_everything()
    return [
        *systems_and_tier(manifest),
        *pins(manifest, at, seen),
        *writes(manifest, at, seen),
        *mappings(manifest, seen),
        *dates(manifest, seen.schema_of),
        *links(manifest),
        *query_checks.unfit(manifest, seen),
        *query_checks.other_wsdls(manifest),
        *egress_checks.found(manifest),
        *safety(manifest),
    ]


def systems_and_tier(manifest: Manifest) -> Findings:
    found: Findings = []
    for pointer, key in [(f"/sources/{n}/system", s.system) for n, s in enumerate(manifest.sources)] + [
        (f"/targets/{n}/system", t.system) for n, t in enumerate(manifest.targets)
    ]:
        if systems.by_key(key) is None:
            found.append(finding(pointer, f"the catalog has no system {key!r}", code="system.unknown"))
    if tiers.by_level(manifest.tier) is None:
        found.append(finding("/tier", f"there is no SLA tier {manifest.tier}", code="tier.unknown"))
    return found


def domain(manifest: Manifest) -> Findings:
    """A freeze or a policy of a domain finds an integration by it."""
    if domains.by_key(manifest.domain) is not None:
        return []
    return [finding("/domain", f"the catalog has no domain {manifest.domain!r}", code="domain.unknown")]


def _pinned(manifest: Manifest) -> Iterator[tuple[str, ManifestSource | ManifestTarget]]:
    for number, source in enumerate(manifest.sources):
        if source.api is not None:
            yield f"/sources/{number}", source
    for number, target in enumerate(manifest.targets):
        if target.api is not None:
            yield f"/targets/{number}", target


def pins(manifest: Manifest, at: datetime, sight: CatalogSight | None = None) -> Findings:
    """Every API version exists, is usable, belongs to the named system, and has exactly the pinned contract."""
    found: Findings = []
    seen = sight or of_everything()
    for pointer, side in _pinned(manifest):
        version = seen.version(side.api or "")
        if version is None:
            found.append(
                finding(f"{pointer}/api", f"the catalog has no API version {side.api!r}", code="version.unknown")
            )
            continue
        found += _pin(pointer, side, version, at, seen)
    return found


def _pin(
    pointer: str, side: ManifestSource | ManifestTarget, version: VersionFacts, at: datetime, sight: CatalogSight
) -> Iterator[dict[str, Any]]:
    if version.state not in USABLE:
        yield finding(
            f"{pointer}/api",
            f"{version.reference} is {version.state}; only {', '.join(USABLE)} versions are called",
            code="version.not_published",
        )
    if version.sunset_at is not None and version.sunset_at <= at:
        yield finding(
            f"{pointer}/api",
            f"{version.reference} reached its sunset on {version.sunset_at:%Y-%m-%d}",
            code="version.past_sunset",
        )
    if version.system_key and version.system_key != side.system:
        yield finding(
            f"{pointer}/system",
            f"{version.reference} belongs to {version.system_key}, not to {side.system}",
            code="version.other_system",
        )
    if version.contract_digest != side.contract:
        held = version.contract_digest or "none"
        yield finding(
            f"{pointer}/contract",
            f"{version.reference} has the contract {held}; the manifest pins {side.contract}",
            code="contract.not_current",
            held=held,
        )
    if side.contract is not None and sight.sees_contract(side.contract):
        try:
            sight.schema_of(side)
        except Invalid as error:
            yield finding(f"{pointer}/schema", error.message, code=error.code)


def direction_of(manifest: Manifest, at: datetime, sight: CatalogSight | None = None) -> list[direction.Judgement]:
    """Every entity write judged against the systems of record in force at that time."""

    def record_of(entity: str, group: str | None, scope: Mapping[str, str]) -> list[str]:
        return [boundary.system.key for boundary in boundaries.matching(entity, group, scope, at)]

    return [direction.judge(write, record_of) for write in _writes(manifest, sight or of_everything())]


def _writes(manifest: Manifest, sight: CatalogSight) -> Iterator[direction.Write]:
    for number, target in enumerate(manifest.targets):
        version, source = sight.version(target.api) if target.api else None, manifest.source_of(target)
        for index, write in enumerate(target.writes):
            yield direction.Write(
                entity=write.entity,
                attribute_group=write.attribute_group,
                kind="command" if write.kind == "command" else "replica",
                source_system=source.system,
                target_system=target.system,
                target_api_system=_system_of(target, version),
                target_entities=tuple((use.entity, use.attribute_group, use.access) for use in version.entities)
                if version
                else (),
                scope=write.scope,
                pointer=f"/targets/{number}/writes/{index}",
                source_api_system=_system_of(source, sight.version(source.api) if source.api else None),
            )


def _system_of(side: ManifestSource | ManifestTarget, version: VersionFacts | None) -> str | None:
    """The system that the side's API belongs to now; None without an API, empty where nobody says."""
    if not side.api:
        return None
    return version.system_key if version else ""


def writes(manifest: Manifest, at: datetime, sight: CatalogSight | None = None) -> Findings:
    return [
        finding(judgement.write.pointer, judgement.message, code=judgement.code)
        for judgement in direction_of(manifest, at, sight)
        if judgement.verdict != "allowed"
    ]


def mappings(manifest: Manifest, sight: CatalogSight | None = None) -> Findings:
    """Every mapping can be read and fits the source's and the target's contract."""
    found: Findings = []
    seen = sight or of_everything()
    for number, target in enumerate(manifest.targets):
        pointer = f"/targets/{number}/mapping"
        try:
            mapping = parse(target.mapping)
        except Invalid as error:
            found += [
                finding(pointer + f["pointer"], f["message"], code=f.get("code", error.code)) for f in error.findings
            ]
            continue
        if target.when:
            try:
                parse(filter_mapping(target.when))
            except Invalid as error:
                found.append(finding(f"/targets/{number}/when", error.message, code=error.code))
        found += _fit(manifest, target, mapping, pointer, seen)
        if target.table is not None:
            missing = [key for key in target.table.key if key not in {".".join(f.target) for f in mapping.fields}]
            found += [
                finding(pointer, f"the mapping does not fill the key column {key!r}", code="mapping.no_key")
                for key in missing
            ]
    return found


def _fit(
    manifest: Manifest, target: ManifestTarget, mapping: Any, pointer: str, sight: CatalogSight
) -> Iterator[dict[str, Any]]:
    source = manifest.source_of(target)
    try:
        source_schema, source_document = (
            sight.schema_of(source) if source.contract else (manifest.event.schema or {}, None)
        )
        target_schema, target_document = sight.schema_of(target) if target.contract else ({}, None)
    except DomainError:
        return  # reported by `pins`
    asked = asked_for(source, source_document.tree) if source_document else None
    if source_document is not None and asked is not None:
        source_schema = as_read(source_document.tree, source_schema, asked)
    for one in check_against(
        mapping,
        source_schema,
        target_schema,
        resolve=source_document.resolve if source_document else None,
        resolve_target=target_document.resolve if target_document else None,
    ):
        if one.severity != "error" or filled_by_connector(target, one.member):
            continue
        if target_document is not None and filled_by_service(target, target_document.tree, target_schema, one.member):
            continue
        if not serves_the_address(target, mapping, one.pointer):
            yield finding(pointer + one.pointer, one.message, code=one.code)


def filled_by_connector(target: ManifestTarget, member: str) -> bool:
    """Whether the connection itself fills a required member (with the idempotency key, say), so that the mapping
    need not.
    """
    if target.connection is None or not member:
        return False
    settings = system_connections.settings_of(target.connection)
    return member in (settings.get("idempotency_field"), settings.get("correlation_field"))


def filled_by_service(target: ManifestTarget, tree: Any, schema: Any, member: str) -> bool:
    """Whether an OData service makes a required member of what is created itself: its key."""
    connection = target.connection
    if connection is None or connection.protocol not in PROTOCOLS or not member or "x-edmx" not in tree:
        return False
    settings = system_connections.settings_of(connection)
    return settings.get("operation", "create") == "create" and made_by_server(tree, schema, member)


def serves_the_address(target: ManifestTarget, mapping: Any, pointer: str) -> bool:
    """Whether a finding is about the place of a field that only an address or an ETag needs: it is not sent at all."""
    place, _, rest = pointer.removeprefix("/fields/").partition("/")
    if target.connection is None or not place.isdecimal() or rest != "to":
        return False
    settings = system_connections.settings_of(target.connection)
    return mapping.fields[int(place)].target[0] in (settings.get("match_field"), *settings.get("not_sent", []))


def links(manifest: Manifest) -> Findings:
    """Profiles are known, protocols are spoken, settings fit, addresses are filled. Nothing is called."""
    found: Findings = []
    sides: list[tuple[str, str, Any]] = [
        (f"/sources/{n}/connection", "source", s.connection) for n, s in enumerate(manifest.sources)
    ]
    sides += [(f"/targets/{n}/connection", "sink", t.connection) for n, t in enumerate(manifest.targets)]
    for pointer, role, connection in sides:
        if connection is not None:
            found += _of_settings(pointer, partial(system_connections.check, connection, role=role))
    for number, source in enumerate(manifest.sources):
        if source.poslog is not None:
            found += _of_settings(f"/sources/{number}/poslog", partial(handed_poslog.rules_of, source))
        if source.webhook is not None:
            found += _of_settings(f"/sources/{number}/webhook", partial(hook_settings.of_source, source))
    return [*found, *paging_checks.refused(manifest), *addresses(manifest)]


def of_others(manifest: Manifest) -> Findings:
    """What of its connections is no part of the product: packages with their versions, profiles with their digests."""
    sides = [(f"/sources/{n}/connection", one.connection) for n, one in enumerate(manifest.sources)]
    sides += [(f"/targets/{n}/connection", one.connection) for n, one in enumerate(manifest.targets)]
    return [
        finding(at, said, code="connection.of_others")
        for at, connection in sides
        if connection is not None
        for said in connectors.of_others(connection)
    ]


def _of_settings(pointer: str, check: Callable[[], object]) -> Findings:
    try:
        check()
    except DomainError as error:
        return [
            finding(f"{pointer}/settings{f['pointer']}" if error.findings else pointer, f["message"], code=error.code)
            for f in error.findings or [finding("", error.message)]
        ]
    return []


def warnings(manifest: Manifest) -> Findings:
    """What may be meant, and is said to those who register or approve: no refusal."""
    found = [*paging_checks.told(manifest), *state_questions.told(manifest), *base_paths.told(manifest)]
    found += _silent_hooks(manifest)
    if not manifest.by_arrival:
        return found
    said = (
        "states come in by intake without a version, so the one that arrives last counts, also when it is older; "
        "event.version points to what orders them"
    )
    return [finding("/event/version", said, code="event.by_arrival"), *found]


def _silent_hooks(manifest: Manifest) -> Findings:
    """A vendor that sends no more, because it was refused too often or somebody removed the subscription, is seen by
    the time alone."""
    said = (
        "nobody sees it when this vendor sends no more; say how often something comes (expect_every), or read the "
        "source on a schedule and let its webhooks mean changes"
    )
    return [
        finding(f"/sources/{number}/expect_every", said, code="webhook.silence")
        for number, source in enumerate(manifest.sources)
        if source.webhook is not None and source.connection is None and source.expect_every is None
    ] + [
        finding("/schedule", "webhooks that never come are not noticed without a schedule", code="webhook.silence")
        for source in manifest.sources
        if source.notifies and manifest.schedule is None
    ]


def safety(manifest: Manifest) -> Findings:
    """The declared idempotency class is no better than the vendor's, and a critical tier says how it runs degraded."""
    found: Findings = []
    for number, target in enumerate(manifest.targets):
        if target.connection is None:
            continue
        try:
            offered = str(system_connections.settings_of(target.connection).get("idempotency", "U"))
        except DomainError:
            continue  # reported by `links`
        if offered != target.idempotency:
            said = f"the connection is of class {offered}, the manifest declares {target.idempotency}"
            found.append(finding(f"/targets/{number}/idempotency", said, code="idempotency.differs"))
    tier = tiers.by_level(manifest.tier)
    if tier is not None and tier.degraded_mode_required and manifest.degraded_mode is None:
        said = f"tier {manifest.tier} ({tier.name}) must say how it runs degraded"
        found.append(finding("/degraded_mode", said, code="degraded_mode.missing"))
    return found
