"""Changes of an API's own facts by its owners. What needs an approval (tier, lifecycle, boundaries) is not here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection, transaction

from catalog import permissions
from catalog.models import Api, ApiEntity, ApiVersion, Dependency, Environment, System, VersionEndpoint
from catalog.selectors import dependencies
from catalog.services import api_values, audit_snapshots, governed_facts, search_index
from catalog.services.findings import Findings
from catalog.services.governed_facts import Decides
from catalog.services.locked_rows import locked_api, locked_version
from kernel import audit, clock, outbox
from kernel.errors import Conflict, Forbidden, Invalid, NotFound, finding
from kernel.models import User
from kernel.viewer import Viewer

Check = Callable[[Api], None]


def change(
    slug: str,
    *,
    values: dict[str, Any],
    actor: User,
    entities: Sequence[dict[str, Any]] | None = None,
    check: Check | None = None,
    decides: Decides | None = None,
) -> Api:
    """Change the given fields (`domain.api_fields`) and, where given, the entities; `check` may refuse the locked row
    (If-Match).

    A tier that is not stated yet may be stated here; changing a stated one is a `tier.change` request. Handing the API
    to another team moves the object grant. What the gate decides by needs more (`governed_facts`); `decides` says who
    calls in a session of their own. Raises Forbidden, Invalid with findings, and whatever `check` raises.
    """
    with transaction.atomic():
        api = locked_api(slug)
        _require_owner(api, Viewer.of(actor), handing_over=set(values) == {"owner_team"} and entities is None)
        if check:
            check(api)
        found = Findings()
        fields = _changed_fields(api, values, found)
        uses = api_values.entity_uses(list(entities), found) if entities is not None else None
        found.require_none("api.invalid", "The change cannot be saved; see the findings.")
        governed_facts.require_change(api, fields, actor=actor, decides=decides)
        before, owner = audit_snapshots.of_api(api), api.owner_team
        for name, value in fields.items():
            setattr(api, name, value)
        api.save(update_fields=list(fields) or None)
        if uses is not None:
            _replace_entities(api, uses)
        permissions.hand_over(api, before=owner)
        after = audit_snapshots.of_api(api)
        if after != before:
            audit.record(
                actor=actor, verb="catalog.api_changed", subject_kind="api", subject_id=slug, before=before, after=after
            )
            outbox.emit("catalog.api_changed", key=slug, payload={"slug": slug})
            search_index.refresh([api.pk])
    return api


def _require_owner(api: Api, viewer: Viewer, *, handing_over: bool) -> None:
    """An architect may hand over what others own."""
    if not permissions.visible(viewer).filter(pk=api.pk).exists():
        raise NotFound("api.unknown", f"There is no API {api.slug[:100]!r}.")
    allowed = permissions.may_change_api(viewer, api)
    if not allowed and not (handing_over and permissions.may_steward(viewer)):
        raise Forbidden("api.not_yours", allowed.reason)


def _changed_fields(api: Api, values: dict[str, Any], found: Findings) -> dict[str, Any]:
    """The stored values; what needs a change request, and a missing owner, is noted."""
    fields = api_values.read(values, found)
    if "tier" in fields and api.tier_id is not None and fields["tier"] != api.tier:
        message = "Changing a stated tier is a change of its own: propose it."
        found.add("/tier", message, code="tier.needs_change_request")
    if "owner_team" in fields and fields["owner_team"] is None and api.owner_team_id is not None:
        found.add("/owner_team", "An API must have an owner. Name the team that takes over.")
    return fields


def _replace_entities(api: Api, uses: list[dict[str, Any]]) -> None:
    wanted = {(u["entity"].pk, u["attribute_group"].pk if u["attribute_group"] else None, u["access"]): u for u in uses}
    for row in list(api.entity_uses.all()):
        if wanted.pop((row.entity_id, row.attribute_group_id, row.access), None) is None:
            row.delete()
    ApiEntity.objects.bulk_create(ApiEntity(api=api, **use) for use in wanted.values())


def set_endpoint(
    reference: str, *, environment: str, url: str, actor: User, check: Callable[[ApiVersion], None] | None = None
) -> None:
    """Set the address of a version in one environment; an empty address removes it. `check` may refuse the locked
    row (If-Match)."""
    with transaction.atomic():
        version = locked_version(reference)
        allowed = permissions.may_change_api(Viewer.of(actor), version.api)
        if not allowed:
            raise Forbidden("api.not_yours", allowed.reason)
        if check:
            check(version)
        where = Environment.objects.filter(key=environment[:30].replace("\x00", "")).first()
        if where is None:
            raise Invalid(
                "environment.unknown",
                f"There is no environment {environment[:40]!r}.",
                {"findings": [finding("/environment", "Unknown.")]},
            )
        if url and (not url.startswith(("https://", "http://")) or len(url) > 500 or "\x00" in url):
            raise Invalid(
                "endpoint.url",
                "Enter an address that begins with https:// or http://, of at most 500 characters.",
                {"findings": [finding("/url", "Not one.")]},
            )
        was = VersionEndpoint.objects.filter(version=version, environment=where).values_list("url", flat=True).first()
        if url:
            VersionEndpoint.objects.update_or_create(version=version, environment=where, defaults={"url": url})
        else:
            VersionEndpoint.objects.filter(version=version, environment=where).delete()
        audit.record(
            actor=actor,
            verb="catalog.endpoint_set",
            subject_kind="version",
            subject_id=reference,
            before={environment: was},
            after={environment: url},
        )


def add_dependency(
    slug: str,
    *,
    needs: str = "",
    needs_system: str = "",
    criticality: str = "hard",
    degraded_mode: str = "",
    actor: User,
) -> Dependency:
    """`slug` needs another API or a system. A second statement about the same target changes the first."""
    with transaction.atomic():
        api = locked_api(slug)
        viewer = Viewer.of(actor)
        allowed = permissions.may_change_api(viewer, api)
        if not allowed:
            raise Forbidden("api.not_yours", allowed.reason)
        found = Findings()
        target = permissions.visible(viewer).filter(slug=needs).first() if needs and "\x00" not in needs else None
        system = found.row_by_key(System, needs_system, "/needs_system", noun="system")
        if needs and target is None:
            found.add("/needs", f"There is no API {needs[:80]!r}.")
        if (target is None) == (system is None) and not found.items:
            found.add("/needs", "Name one target: an API or a system.")
        if target is not None and target.pk == api.pk:
            found.add("/needs", "An API cannot depend on itself.")
        kind = found.choice(criticality or "hard", Dependency.Criticality.choices, "/criticality", noun="criticality")
        mode = found.text(degraded_mode, "/degraded_mode", limit=300)
        found.require_none("dependency.invalid", "The dependency cannot be taken over.")
        row, _ = Dependency.objects.update_or_create(
            api=api, target_api=target, target_system=system, defaults={"criticality": kind, "degraded_mode": mode}
        )
        audit.record(
            actor=actor,
            verb="catalog.dependency_stated",
            subject_kind="api",
            subject_id=slug,
            after={"needs": needs or needs_system, "criticality": kind, "degraded_mode": mode},
        )
    return row


def drop(row: Dependency) -> None:
    """Delete a dependency on purpose: it is evidence of the gate, and no other statement may."""
    with connection.cursor() as cursor:
        cursor.execute("select set_config('tillgate.dropping', 'dependency', true)")
        row.delete()
        cursor.execute("select set_config('tillgate.dropping', '', true)")


def drop_dependency(dependency_id: int, *, actor: User, check: Callable[[Dependency], None] | None = None) -> None:
    """The API does not need this any more. The audit log keeps it. `check` may refuse the locked row (If-Match)."""
    with transaction.atomic():
        row = (
            Dependency.objects.select_for_update(of=("self",))
            .select_related("api", "target_api", "target_system")
            .filter(pk=dependency_id)
            .first()
        )
        if row is None or not dependencies.seen(Viewer.of(actor)).filter(pk=row.pk).exists():
            raise NotFound("dependency.unknown", f"There is no dependency {dependency_id}.")
        allowed = permissions.may_change_api(Viewer.of(actor), row.api)
        if not allowed:
            raise Forbidden("api.not_yours", allowed.reason)
        if check:
            check(row)
        target = row.target_api.slug if row.target_api else row.target_system.key if row.target_system else ""
        drop(row)
        audit.record(
            actor=actor,
            verb="catalog.dependency_dropped",
            subject_kind="api",
            subject_id=row.api.slug,
            before={"needs": target},
        )


def enforce_from(slugs: Sequence[str], *, at: Any, actor: User) -> int:
    """The dated switch of imported APIs from reporting to enforcing. Only earlier moments and only by architects; an
    API without a date is enforced already. Returns how many."""
    allowed = permissions.may_steward(Viewer.of(actor))
    if not allowed:
        raise Forbidden("api.not_yours", allowed.reason)
    with transaction.atomic():
        rows = list(Api.objects.select_for_update(of=("self",)).filter(slug__in=list(slugs)).order_by("pk"))
        for api in rows:
            since = api.enforced_from or clock.now()
            if at is not None and at > since:
                when = f"from {api.enforced_from:%d %b %Y}" if api.enforced_from else "already"
                message = f"{api.slug} is enforced {when}; putting it off is a waiver."
                raise Conflict("api.enforced_already", message)
            before = {"enforced_from": api.enforced_from.isoformat() if api.enforced_from else None}
            api.enforced_from = at
            api.save(update_fields=["enforced_from"])
            audit.record(
                actor=actor,
                verb="catalog.enforcement_dated",
                subject_kind="api",
                subject_id=api.slug,
                before=before,
                after={"enforced_from": at.isoformat() if at else None},
            )
    return len(rows)
