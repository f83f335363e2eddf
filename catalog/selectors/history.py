"""What changed in the catalog, from the audit log, for pages and the feed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import CharField, F, Func, Q, QuerySet, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce

from catalog import permissions
from catalog.models import Api, ApiSearch
from kernel.models import AuditEntry
from kernel.viewer import Viewer

NEEDS = ("catalog.dependency_stated", "catalog.dependency_dropped")
WORDS = {
    "api_registered": "registered",
    "api_imported": "imported",
    "api_declared": "declared by a blueprint",
    "api_changed": "changed",
    "version_added": "version added",
    "version_imported": "version imported",
    "version_declared": "version declared",
    "version_submitted": "sent to review",
    "version_returned": "returned to draft",
    "version_rejected": "rejected",
    "version_withdrawn": "withdrawn",
    "version_published": "published",
    "version_confirmed": "confirmed by a decision",
    "version_deprecated": "deprecated",
    "version_retired": "retired",
    "version_contract_changed": "contract changed",
    "version_contract_replaced": "contract replaced",
    "contract_revision_proposed": "contract revision proposed",
    "subscription_requested": "subscription asked for",
    "subscription_approved": "subscription approved",
    "subscription_refused": "subscription refused",
    "subscription_ended": "subscription ended",
    "subscription_move_planned": "move planned",
    "tier_changed": "SLA tier changed",
}


def word_of(verb: str) -> str:
    """`catalog.version_published` → published."""
    name = verb.removeprefix("catalog.")
    return WORDS.get(name, name.replace("_", " "))


def without_hidden_names(rows: QuerySet[AuditEntry], viewer: Viewer) -> QuerySet[AuditEntry]:
    """Without what was said about needing, or being followed by, an API that the viewer may not see."""
    if viewer.sees_everything:
        return rows
    hidden = permissions.hidden(viewer).values("slug")
    needs = Coalesce(KeyTextTransform("needs", "after"), KeyTextTransform("needs", "before"))
    return (
        rows.alias(needs=needs, before_it=_successor("before"), after_it=_successor("after"))
        .exclude(verb__in=NEEDS, needs__in=hidden)
        .exclude(Q(before_it__in=hidden) | Q(after_it__in=hidden), subject_kind="version")
    )


def _successor(side: str) -> Func:
    """The API of the successor in a snapshot of a version; "" where there is none."""
    named = Coalesce(KeyTextTransform("successor", side), Value(""))
    return Func(named, Value("@"), Value(1), function="split_part", output_field=CharField())


def of_api(api: Api, *, viewer: Viewer, drafts: bool, limit: int = 100) -> list[AuditEntry]:
    """Newest first: the API and its versions. Without `drafts`, versions that are drafts now stay out."""
    references = [str(v) for v in api.versions.select_related("api") if drafts or v.state != "draft"]
    about = Q(subject_kind="api", subject_id=api.slug) | Q(subject_kind="version", subject_id__in=references)
    entries = AuditEntry.objects.filter(about, verb__startswith="catalog.").order_by("-id")
    return list(without_hidden_names(entries, viewer)[:limit])


def recent(*, viewer: Viewer, limit: int = 50) -> list[AuditEntry]:
    """Newest first, over everything that the viewer may see. Drafts stay out: a feed is read by machines."""
    slug = Func(F("subject_id"), Value("@"), Value(1), function="split_part", output_field=CharField())
    told = AuditEntry.objects.filter(subject_kind__in=["api", "version"], verb__startswith="catalog.").order_by("-id")
    if not viewer.sees_everything:
        told = told.alias(slug=slug).exclude(slug__in=permissions.hidden(viewer).values("slug"))
    entries = list(without_hidden_names(told, viewer)[: limit * 4])
    slugs = {e.subject_id.partition("@")[0] for e in entries}
    seen = set(ApiSearch.objects.filter(permissions.seen_by(viewer), slug__in=slugs).values_list("slug", flat=True))
    drafts = _drafts(slugs)
    return [e for e in entries if e.subject_id.partition("@")[0] in seen and e.subject_id not in drafts][:limit]


def _drafts(slugs: Iterable[str]) -> set[str]:
    rows = Api.objects.filter(slug__in=slugs, versions__state="draft").values_list("slug", "versions__label")
    return {f"{slug}@{label}" for slug, label in rows}


def newest_at(entries: list[AuditEntry]) -> datetime | None:
    return entries[0].at if entries else None
