"""Sections of a blueprint on what is offered and used: APIs with their versions, applications, subscriptions, needs,
campaigns."""

from __future__ import annotations

from datetime import date
from typing import Any

from catalog import permissions
from catalog.domain import lifecycle, naming, scorecards
from catalog.models import (
    Api,
    ApiEntity,
    ApiVersion,
    Application,
    Campaign,
    Dependency,
    Environment,
    ProviderRight,
    Subscription,
    System,
    Team,
    VersionEndpoint,
)
from catalog.services import api_values, audit_snapshots, contracts
from catalog.services.blueprint.writer import BlueprintWriter
from kernel import outbox
from kernel.errors import Invalid

NEVER_EMPTY = ("name", "layer", "style", "data_class", "visibility")
"""Fields of an API for which an empty value says nothing: no default takes the place of what is there."""


def apis(writer: BlueprintWriter, item: dict[str, Any], pointer: str) -> None:
    """An API, the entities it exposes and its versions."""
    slug = writer.key(item, pointer, "slug")
    if not slug:
        return
    before = Api.objects.filter(slug=slug).select_related("owner_team").first()
    said = writer.said(item, *NEVER_EMPTY)
    given = {k: v for k, v in item.items() if k in said and k not in ("slug", "versions", "entities")}
    if before is None:
        given = {"name": slug, "visibility": "internal"} | given
    values = api_values.read(given, writer.found, base=pointer)
    for name in ("third_party", "per_instance"):
        if name in item:
            values[name] = writer.flag(item, name, pointer)
    uses = api_values.entity_uses(item.get("entities") or [], writer.found, base=f"{pointer}/entities")
    owner = before.owner_team if before else None
    api = writer.upsert(Api, "api", {"slug": slug}, values, slug, said=said)
    permissions.hand_over(api, before=owner)
    have = {(u.entity_id, u.attribute_group_id, u.access) for u in api.entity_uses.all()}
    new = [
        u
        for u in uses
        if (u["entity"].pk, u["attribute_group"].pk if u["attribute_group"] else None, u["access"]) not in have
    ]
    if new:
        ApiEntity.objects.bulk_create(ApiEntity(api=api, **use) for use in new)
        writer.record("changed" if before else "created", "api_entities", slug, None, {"added": len(new)})
    for n, version in enumerate(item.get("versions") or []):
        if isinstance(version, dict):
            _version(writer, api, version, f"{pointer}/versions/{n}", n + 1)
    _successors(writer, api, item.get("versions") or [], pointer)
    writer.touched.add(api.pk)


def _version(writer: BlueprintWriter, api: Api, item: dict[str, Any], pointer: str, position: int) -> None:
    label = writer.text(item, "label", pointer, 100, "Every version has a label.")
    if not naming.is_label(label):
        writer.found.add(f"{pointer}/label", "Letters, digits, dot, plus, hyphen and underscore.")
        return
    state = writer.found.choice(
        item.get("state") or "draft", [(s, s) for s in lifecycle.STATES], f"{pointer}/state", noun="state"
    )
    contract = _contract(writer, item, pointer)
    version = api.versions.filter(label=label).first()
    if version is None:
        dates = {n: writer.time(item, n, pointer) for n in ("published_at", "deprecated_at", "sunset_at", "retired_at")}
        origin = "registered" if state in lifecycle.EDITABLE else "declared"
        version = ApiVersion.objects.create(
            api=api,
            label=label,
            contract=contract,
            state=state,
            origin=origin,
            position=position,
            created_by=writer.actor,
            migration_guide=writer.text(item, "migration_guide", pointer, 4000),
            **dates,
        )
        writer.record("created", "version", str(version), None, audit_snapshots.of_version(version))
        outbox.emit(
            "catalog.version_added", key=str(version), payload={"version_id": version.pk, "digest": version.contract_id}
        )
    else:
        _known_version(writer, version, contract, state if item.get("state") else version.state)
    for env, url in (item.get("endpoints") or {}).items():
        environment = writer.found.row_by_key(Environment, env, f"{pointer}/endpoints/{env}", noun="environment")
        if environment is not None:
            values = {"url": writer.found.text(url, f"{pointer}/endpoints/{env}", limit=500)}
            writer.upsert(
                VersionEndpoint,
                "version_endpoint",
                {"version": version, "environment": environment},
                values,
                f"{version}/{env}",
                said=values,
            )


def _known_version(writer: BlueprintWriter, version: ApiVersion, contract: Any, state: str) -> None:
    differs = contract is not None and version.contract_id != contract.digest
    if differs and version.state == lifecycle.DRAFT:
        before = audit_snapshots.of_version(version)
        version.contract = contract
        version.save(update_fields=["contract"])
        writer.record("changed", "version", str(version), before, audit_snapshots.of_version(version))
        outbox.emit(
            "catalog.version_contract_changed",
            key=str(version),
            payload={"version_id": version.pk, "old": before["contract"], "new": contract.digest},
        )
    elif differs:
        writer.report.add("kept", "version", str(version), "its contract changes through a change request")
    elif version.state != state:
        writer.report.add(
            "kept", "version", str(version), f"it is {version.state} by decision; the blueprint says {state}"
        )
    else:
        writer.report.add("unchanged", "version", str(version))


def _successors(writer: BlueprintWriter, api: Api, items: list[Any], pointer: str) -> None:
    labels = {v.label: v for v in api.versions.all()}
    for n, item in enumerate(items):
        if not isinstance(item, dict) or item.get("label") not in labels:
            continue
        version, fields = labels[item["label"]], []
        for name in ("successor", "predecessor"):
            if item.get(name):
                slug, _, label = str(item[name]).rpartition("@")
                other = labels.get(label) if slug in ("", api.slug) else None
                if other is None:
                    writer.found.add(f"{pointer}/versions/{n}/{name}", f"{api.slug} has no version {item[name]!r}.")
                elif other == version:
                    writer.found.add(f"{pointer}/versions/{n}/{name}", f"{other} cannot be its own {name}.")
                elif getattr(version, f"{name}_id") is None:
                    setattr(version, name, other)
                    fields.append(name)
        if fields:
            version.save(update_fields=fields)


def _contract(writer: BlueprintWriter, item: dict[str, Any], pointer: str) -> Any:
    given = item.get("contract")
    if not given:
        return None
    if writer.base_dir is None or not isinstance(given, str):
        writer.found.add(f"{pointer}/contract", "The name of a file beside the blueprint.")
        return None
    path = (writer.base_dir / given).resolve()
    if not path.is_relative_to(writer.base_dir.resolve()) or not path.is_file():
        writer.found.add(f"{pointer}/contract", f"There is no file {given!r} beside the blueprint.")
        return None
    try:
        reading = contracts.read_contract(path.read_bytes(), file_name=path.name, base_dir=path.parent)
    except Invalid as error:
        writer.found.add(f"{pointer}/contract", f"{given}: {error.message}", code=error.code)
        return None
    return contracts.store(reading)


def applications(writer: BlueprintWriter, item: dict[str, Any], pointer: str) -> None:
    """An application that uses APIs, and its team."""
    key = writer.key(item, pointer)
    values = {
        "name": writer.text(item, "name", pointer) or key,
        "description": writer.text(item, "description", pointer, 2000),
        "team": writer.found.row_by_key(Team, item.get("team"), f"{pointer}/team", noun="team"),
    }
    writer.upsert(Application, "application", {"key": key}, values, key, said=writer.said(item, "name"))


def providers(writer: BlueprintWriter, item: dict[str, Any], pointer: str) -> None:
    """An application that may provide an API of another team."""
    application = writer.found.row_by_key(
        Application, item.get("application") or "?", f"{pointer}/application", noun="application"
    )
    api = writer.found.row_by_key(Api, item.get("api") or "?", f"{pointer}/api", noun="API", field="slug")
    reason = writer.text(item, "reason", pointer, 2000, "Say why it provides an API of another team.")
    if application is None or api is None or not reason:
        return
    key = f"{application.key} {api.slug}"
    if ProviderRight.objects.filter(application=application, api=api, ended_at=None).exists():
        writer.report.add("unchanged", "provider_right", key)
        return
    ProviderRight.objects.create(application=application, api=api, reason=reason, granted_by=writer.actor)
    writer.record("created", "provider_right", key, None, {"reason": reason})


def subscriptions(writer: BlueprintWriter, item: dict[str, Any], pointer: str) -> None:
    """Who uses which version where. An active one is dated."""
    application = writer.found.row_by_key(
        Application, item.get("application") or "?", f"{pointer}/application", noun="application"
    )
    environment = writer.found.row_by_key(
        Environment, item.get("environment") or "?", f"{pointer}/environment", noun="environment"
    )
    slug, _, label = str(item.get("version") or "").partition("@")
    version = ApiVersion.objects.select_related("api").filter(api__slug=slug, label=label).first()
    if version is None:
        writer.found.add(f"{pointer}/version", f"There is no API version {str(item.get('version'))[:100]!r}.")
    if application is None or environment is None or version is None:
        return
    key = f"{application.key} {version} {environment.key}"
    if Subscription.objects.filter(application=application, version=version, environment=environment).exists():
        writer.report.add("unchanged", "subscription", key)
        return
    state = writer.found.choice(
        item.get("state") or "active", [("active", ""), ("requested", "")], f"{pointer}/state", noun="state"
    )
    begin = writer.time(item, "from", pointer)
    if state == "active" and begin is None:
        writer.found.add(f"{pointer}/from", "Give the day from which the subscription is active.")
        return
    moves = item.get("moves_on")
    made = Subscription.objects.create(
        application=application,
        version=version,
        environment=environment,
        state=state,
        valid_from=begin,
        valid_until=writer.time(item, "until", pointer),
        moves_on=moves if isinstance(moves, date) else None,
    )
    writer.touched.add(version.api_id)
    writer.record("created", "subscription", key, None, audit_snapshots.of_subscription(made))


def dependencies(writer: BlueprintWriter, item: dict[str, Any], pointer: str) -> None:
    """What an API needs: exactly one of another API and a system."""
    api = writer.found.row_by_key(Api, item.get("api") or "?", f"{pointer}/api", noun="API", field="slug")
    target = writer.found.row_by_key(Api, item.get("needs"), f"{pointer}/needs", noun="API", field="slug")
    system = writer.found.row_by_key(System, item.get("needs_system"), f"{pointer}/needs_system", noun="system")
    if api is None or (target is None) == (system is None):
        if api is not None and not item.get("needs") and not item.get("needs_system"):
            writer.found.add(pointer, "Name what it depends on: an API in `needs` or a system in `needs_system`.")
        return
    values = {
        "criticality": writer.found.choice(
            item.get("criticality") or "hard",
            Dependency.Criticality.choices,
            f"{pointer}/criticality",
            noun="criticality",
        ),
        "degraded_mode": writer.text(item, "degraded_mode", pointer, 300),
    }
    key = f"{api.slug} on {target.slug if target else system.key if system else ''}"
    between = {"api": api, "target_api": target, "target_system": system}
    writer.upsert(Dependency, "dependency", between, values, key, said=writer.said(item, "criticality"))


def campaigns(writer: BlueprintWriter, item: dict[str, Any], pointer: str) -> None:
    """A scorecard point to be met by a day."""
    key = writer.key(item, pointer)
    due = item.get("due_on")
    known = Campaign.objects.filter(key=key).exists()
    if not isinstance(due, date) and not (known and due is None):
        writer.found.add(f"{pointer}/due_on", "Enter a day, e.g. 2027-03-31.")
        return
    point = writer.found.choice(
        item.get("point"), [(p, "") for p in scorecards.POINTS], f"{pointer}/point", noun="scorecard point"
    )
    owner = writer.found.row_by_key(Team, item.get("owner_team"), f"{pointer}/owner_team", noun="team")
    values = {
        "name": writer.text(item, "name", pointer, 160) or key,
        "point": point,
        "due_on": due,
        "owner_team": owner,
    }
    said = writer.said(item, "name", "point", "due_on")
    writer.upsert(Campaign, "campaign", {"key": key}, values, key, said=said)
