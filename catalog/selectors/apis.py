"""One API and everything its page shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Q

from catalog import permissions
from catalog.domain import lifecycle
from catalog.domain.facts import TierFacts
from catalog.models import Api, ApiEntity, ApiSearch, ApiVersion, Contract, Subscription, VersionEndpoint
from catalog.selectors import boundaries, successors, tiers
from kernel import clock
from kernel.errors import NotFound
from kernel.models import User
from kernel.ui import tones
from kernel.ui.tones import Tone
from kernel.ui.wording import duration
from kernel.viewer import Permission, Viewer


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version in a list: its state as people read it, and the version that it is compared with."""

    id: int
    label: str
    reference: str
    state: str
    tone: Tone
    digest: str | None
    format: str
    origin: str
    judged: bool
    published_at: Any
    created_at: Any
    deprecated_at: Any
    sunset_at: Any
    retired_at: Any
    successor: str
    successor_label: str
    migration_guide: str
    released_on: date | None
    previous_digest: str | None
    previous_label: str


@dataclass(frozen=True, slots=True)
class RecordLine:
    """An entity that the API touches, and who is right about it."""

    entity: str
    group: str | None
    how: str
    record: str
    where: str
    since: Any


@dataclass(frozen=True, slots=True)
class Measure:
    """A promise of the tier against what was reported. `kept` None is unknown."""

    name: str
    target: str
    measured: str
    kept: bool | None
    why: str = ""

    @property
    def tone(self) -> Tone:
        return tones.quiet("Unknown") if self.kept is None else tones.ok("Kept") if self.kept else tones.stop("Missed")


def find(slug: str, *, viewer: Viewer) -> Api:
    """The API, when the viewer may see it. Raises NotFound otherwise: absent and hidden look the same."""
    rows = permissions.visible(viewer).select_related("owner_team__group", "domain", "tier", "system")
    api = rows.filter(slug=slug).first() if "\x00" not in slug else None
    if api is None:
        raise NotFound("api.unknown", f"There is no API {slug[:100]!r}, or you may not see it.")
    return api


def may_change_by_slug(slug: str, *, viewer: Viewer) -> bool:
    return permissions.editable(viewer).filter(slug=slug).exists()


def visible_slugs(slugs: Iterable[str], *, viewer: Viewer) -> set[str]:
    """Those of the slugs that the viewer may see."""
    return set(permissions.visible(viewer).filter(slug__in=list(slugs)).values_list("slug", flat=True))


def who_sees(slug: str, people: Iterable[int]) -> set[int]:
    """Those of these people who may see the API: the rule of `permissions.seen_by`, for many readers of one thing."""
    row = ApiSearch.objects.filter(slug=slug).only("restricted", "team_ids").first()
    if row is None or not row.restricted:
        return set(people) if row else set()
    sees = Q(groups__in=row.team_ids) | Q(is_superuser=True)
    return set(User.objects.filter(sees, pk__in=list(people)).values_list("pk", flat=True))


def sees_drafts(viewer: Viewer, api: Api) -> bool:
    return (
        viewer.sees_everything
        or api.owner_team_id in viewer.team_ids
        or (api.owner_team_id is None and api.created_by_id == viewer.id)
    )


def sees_version(reference: str, *, viewer: Viewer) -> bool:
    """Whether the viewer sees a version of this name, `<api slug>@<label>`."""
    slug, _, label = reference.partition("@")
    if "\0" in reference:
        return False
    rows = ApiVersion.objects.filter(api__slug=slug, label=label, api__in=permissions.visible(viewer))
    found = rows.select_related("api").first()
    return found is not None and (found.state != lifecycle.DRAFT or sees_drafts(viewer, found.api))


def versions_of(api: Api, *, viewer: Viewer) -> list[VersionLine]:
    """Newest first. A draft is seen by the owner team only."""
    rows = list(
        ApiVersion.objects.filter(api=api)
        .select_related("successor__api")
        .defer("notes")
        .order_by("position", "id")
        .extra(
            select={"format": "select c.format from catalog_contract c where c.digest = catalog_apiversion.contract_id"}
        )
    )
    if not sees_drafts(viewer, api):
        rows = [r for r in rows if r.state != lifecycle.DRAFT]
    rows = successors.rows_told(rows, viewer)
    by_id = {r.pk: r for r in rows}
    lines: list[VersionLine] = []
    before: ApiVersion | None = None
    for row in rows:
        previous = by_id.get(row.predecessor_id) if row.predecessor_id else before
        lines.append(_line(api, row, previous))
        if row.state not in (lifecycle.REJECTED, lifecycle.WITHDRAWN):
            before = row
    return lines[::-1]


def _line(api: Api, row: Any, previous: ApiVersion | None) -> VersionLine:
    return VersionLine(
        id=row.pk,
        label=row.label,
        reference=f"{api.slug}@{row.label}",
        state=row.state,
        tone=lifecycle.tone(row.state),
        digest=row.contract_id,
        format=row.format or "",
        origin=row.origin,
        judged=row.origin != "imported" or row.approval_id is not None,
        published_at=row.published_at,
        created_at=row.created_at,
        deprecated_at=row.deprecated_at,
        sunset_at=row.sunset_at,
        retired_at=row.retired_at,
        successor=str(row.successor) if row.successor else "",
        successor_label=row.successor.label if row.successor else "",
        migration_guide=row.migration_guide,
        released_on=row.released_on,
        previous_digest=previous.contract_id if previous else None,
        previous_label=previous.label if previous else "",
    )


def head_tones(lines: Iterable[VersionLine]) -> list[Tone]:
    """The states beside the name of an API: of the newest published or deprecated version, and of one in review."""
    lines = list(lines)
    live = next((v for v in lines if v.state == lifecycle.PUBLISHED), None) or next(
        (v for v in lines if v.state == lifecycle.DEPRECATED), None
    )
    coming = next((v for v in lines if v.state in (lifecycle.IN_REVIEW, lifecycle.APPROVED)), None)
    shown = [lifecycle.tone(live.state, label=live.label)] if live else []
    if coming:
        shown.append(tones.wait(f"{coming.label} in review"))
    if not shown and lines:
        shown.append(lifecycle.tone(lines[0].state, label=lines[0].label))
    return shown or [tones.quiet("No version")]


def current(lines: Iterable[VersionLine]) -> VersionLine | None:
    """The version that a reader means without naming one: the newest published, else deprecated, else the newest at
    all."""
    lines = list(lines)
    for state in (lifecycle.PUBLISHED, lifecycle.DEPRECATED):
        if found := next((v for v in lines if v.state == state), None):
            return found
    return lines[0] if lines else None


def records_of(api: Api) -> list[RecordLine]:
    """Systems of record touched, at this moment."""
    now = clock.now()
    in_force: dict[str, list[Any]] = {}
    for found in boundaries.all_at(now):
        in_force.setdefault(found.entity, []).append(found)
    lines = []
    for use in ApiEntity.objects.filter(api=api).select_related("entity", "attribute_group"):
        group = use.attribute_group.key if use.attribute_group else None
        matching = [
            b
            for b in in_force.get(use.entity.key, [])
            if b.attribute_group is None or group is None or b.attribute_group == group
        ]
        name = use.entity.name + (f", {use.attribute_group.name}" if use.attribute_group else "")
        if not matching:
            lines.append(RecordLine(name, group, use.get_access_display().lower(), "", "", None))
        for found in matching:
            where = ", ".join(found.scope.values()) or "everywhere"
            lines.append(
                RecordLine(name, group, use.get_access_display().lower(), found.system.name, where, found.valid_from)
            )
    return lines


_MEASURED = """
select sum(calls)::bigint, sum(errors)::bigint, max(p95_ms), max(staleness_s), max(outage_s)
  from catalog_usageday
 where version_id in (select id from catalog_apiversion where api_id = %s)
   and day >= current_date - 30
   and environment_id = (select id from catalog_environment where key = 'production')
"""


def measures_of(api: Api) -> tuple[list[Measure], int | None]:
    """The tier's promises against the usage reports of 30 days in production; and the calls, None when nothing was
    reported."""
    tier: TierFacts | None = tiers.by_level(api.tier.level) if api.tier else None
    with connection.cursor() as cursor:
        cursor.execute(_MEASURED, [api.pk])
        calls, errors, p95, staleness, outage = cursor.fetchone()
    if tier is None:
        return [], calls
    lines = []
    if tier.availability is not None:
        share = (Decimal(100) * (calls - errors) / calls).quantize(Decimal("0.001")) if calls else None
        lines.append(
            Measure(
                "Availability",
                f"{tier.availability} %",
                f"{share} %" if share is not None else "unknown",
                None if share is None else share >= tier.availability,
                "" if calls else "no usage data",
            )
        )
    if tier.p95_ms is not None:
        lines.append(
            Measure(
                "Answer time, p95",
                f"≤ {tier.p95_ms} ms",
                f"{p95} ms" if p95 is not None else "unknown",
                None if p95 is None else p95 <= tier.p95_ms,
                "the worst day counts" if p95 is not None else "no answer times reported",
            )
        )
    if tier.max_staleness_s is not None:
        lines.append(_worst("Staleness", tier.max_staleness_s, staleness, "no staleness reported"))
    if tier.rto_s is not None:
        lines.append(_worst("Recovery time", tier.rto_s, outage, "no outage reported"))
    return lines, calls


def _worst(name: str, allowed: int, found: int | None, missing: str) -> Measure:
    """A promise in seconds against the worst that was reported."""
    if found is None:
        return Measure(name, f"≤ {duration(allowed)}", "unknown", None, missing)
    return Measure(name, f"≤ {duration(allowed)}", duration(found), found <= allowed, "the worst day counts")


_DAILY_CALLS = """
select a.key, v.label, e.key, u.day, u.calls
  from catalog_usageday u
  join catalog_application a on a.id = u.application_id
  join catalog_apiversion v on v.id = u.version_id
  join catalog_environment e on e.id = u.environment_id
 where u.version_id = any(%s)
   and u.day >= %s
"""


def daily_calls(version_ids: list[int], *, days: int = 14) -> dict[tuple[str, str, str], list[int]]:
    """Calls per day of (application, version label, environment), oldest first; only where something was reported."""
    today = clock.now().date()
    begin = today - timedelta(days=days - 1)
    series: dict[tuple[str, str, str], list[int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_DAILY_CALLS, [version_ids, begin])
        for application, label, environment, day, calls in cursor.fetchall():
            line = series.setdefault((application, label, environment), [0] * days)
            if 0 <= (day - begin).days < days:
                line[(day - begin).days] = calls
    return series


def endpoints_of(version_id: int) -> list[tuple[str, str]]:
    """(environment, address) of one version."""
    return list(VersionEndpoint.objects.filter(version_id=version_id).values_list("environment__name", "url"))


def contract_of(digest: str) -> Contract | None:
    """The stored contract without its bytes."""
    return (
        Contract.objects.defer("original", "canonical", "operation_words", "field_words").filter(digest=digest).first()
    )


def may_see_contract(digest: str, *, viewer: Viewer) -> bool:
    """A viewer who sees an API sees its contracts; the contract of a draft is for the owner team alone."""
    rows = ApiVersion.objects.filter(contract_id=digest, api__in=permissions.visible(viewer)).select_related("api")[
        :200
    ]
    return any(v.state != lifecycle.DRAFT or sees_drafts(viewer, v.api) for v in rows) or _proposed(digest, viewer)


def _proposed(digest: str, viewer: Viewer) -> bool:
    return permissions.visible(viewer).filter(versions__revisions__contract_id=digest).exists()


def may_change(api: Api, *, viewer: Viewer) -> Permission:
    return permissions.may_change_api(viewer, api)


def waiting_subscriptions(viewer: Viewer) -> list[Subscription]:
    """Applications that the viewer's teams have to decide."""
    rows = Subscription.objects.filter(state="requested").select_related(
        "application__team", "version__api__owner_team", "environment", "requested_by"
    )
    if not viewer.sees_everything:
        rows = rows.filter(version__api__owner_team_id__in=viewer.team_ids)
    return list(rows.order_by("requested_at")[:200])


def own_subscriptions(viewer: Viewer) -> list[Subscription]:
    """What the viewer's teams use or have asked for."""
    rows = Subscription.objects.filter(application__team_id__in=viewer.team_ids)
    return list(rows.select_related("application", "version__api", "environment", "decided_by").order_by("-id")[:200])
