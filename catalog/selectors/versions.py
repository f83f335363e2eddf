"""API versions as facts."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

from django.db.models import F, OuterRef, Prefetch, Q, QuerySet, Subquery

from catalog.domain import lifecycle
from catalog.domain.facts import EntityUse, VersionFacts
from catalog.models import Api, ApiEntity, ApiVersion, ContractRevision
from kernel.errors import NotFound


@cache
def _versions() -> QuerySet[ApiVersion]:
    """The query on which all others stand. It is written once: each filter works on a copy of it."""
    open_revision = ContractRevision.objects.filter(version=OuterRef("pk"), adopted_at=None, dropped_at=None).values(
        "contract_id"
    )[:1]
    uses = ApiEntity.objects.select_related("entity", "attribute_group")
    return (
        ApiVersion.objects.select_related(
            "api__owner_team", "api__domain", "api__tier", "api__system", "successor__api", "predecessor__api"
        )
        .annotate(contract_format=F("contract__format"), proposed_digest=Subquery(open_revision))
        .prefetch_related(Prefetch("api__entity_uses", queryset=uses))
    )


def _facts(version: Any) -> VersionFacts:
    api = version.api
    return VersionFacts(
        id=version.pk,
        reference=f"{api.slug}@{version.label}",
        api_id=api.pk,
        api_slug=api.slug,
        api_name=api.name,
        label=version.label,
        state=version.state,
        contract_digest=version.contract_id,
        contract_format=version.contract_format or "",
        tier=api.tier.level if api.tier else None,
        data_class=api.data_class,
        owner_team_id=api.owner_team_id,
        owner_team_key=api.owner_team.key if api.owner_team else "",
        domain_key=api.domain.key if api.domain else "",
        domain_owner_team_id=api.domain.owner_team_id if api.domain else None,
        layer=api.layer,
        style=api.style,
        system_key=api.system.key if api.system else "",
        entities=tuple(
            EntityUse(use.entity.key, use.attribute_group.key if use.attribute_group else None, use.access)
            for use in api.entity_uses.all()
        ),
        deprecated_at=version.deprecated_at,
        sunset_at=version.sunset_at,
        successor_reference=str(version.successor) if version.successor else "",
        migration_guide=version.migration_guide,
        published_at=version.published_at,
        origin=version.origin,
        approval_id=version.approval_id,
        enforced_from=api.enforced_from,
        proposed_digest=version.proposed_digest,
        predecessor_reference=str(version.predecessor) if version.predecessor else "",
        created_at=version.created_at,
        third_party=_third_party(api),
    )


def _third_party(api: Api) -> bool | None:
    """The API's own word, else its system's; None where nobody has said."""
    return api.third_party if api.third_party is not None or api.system is None else api.system.third_party


def find(version_id: int) -> VersionFacts | None:
    version = _versions().filter(pk=version_id).first()
    return _facts(version) if version else None


def facts(version_id: int) -> VersionFacts:
    """Raises NotFound `version.unknown`."""
    found = find(version_id)
    if found is None:
        raise NotFound("version.unknown", f"There is no API version {version_id}.")
    return found


def split_reference(reference: str) -> tuple[str, str]:
    """`price-api@v3` → ("price-api", "v3"); the label is empty where there is no `@`."""
    slug, _, label = reference.partition("@")
    return slug, label


def by_reference(reference: str) -> VersionFacts | None:
    """The version that `<api slug>@<label>` names, or None."""
    slug, label = split_reference(reference)
    if not slug or not label or "\x00" in reference:
        return None
    version = _versions().filter(api__slug=slug, label=label).first()
    return _facts(version) if version else None


def of_api(slug: str) -> list[VersionFacts]:
    """Every version of an API, oldest first."""
    return [_facts(v) for v in _versions().filter(api__slug=slug).order_by("position", "id")]


def by_contract(digest: str) -> list[VersionFacts]:
    """Every version that has this contract now."""
    return [_facts(v) for v in _versions().filter(contract_id=digest).order_by("api__slug", "position")]


def neighbour_before(version_id: int) -> VersionFacts | None:
    """The version that this one is compared with: the declared predecessor, else the one before it in the API's
    order. Rejected and withdrawn versions do not count. For an open contract revision the caller compares with the
    version's present contract instead."""
    version = ApiVersion.objects.filter(pk=version_id).only("api_id", "position", "predecessor_id").first()
    if version is None:
        return None
    if version.predecessor_id:
        return find(version.predecessor_id)
    before = (
        _versions()
        .filter(api_id=version.api_id)
        .filter(Q(position__lt=version.position) | Q(position=version.position, pk__lt=version.pk))
        .exclude(state__in=[lifecycle.REJECTED, lifecycle.WITHDRAWN])
        .order_by("-position", "-id")
        .first()
    )
    return _facts(before) if before else None


def past_sunset(at: datetime) -> list[VersionFacts]:
    """Versions that still answer although their promised end has passed."""
    return [_facts(v) for v in _versions().filter(sunset_at__lte=at, state__in=lifecycle.LIVE)]
