"""The page of one API: overview, definition, versions, consumers, changes, integrations."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_safe

from catalog.domain import lifecycle
from catalog.domain.facts import ConsumerFacts
from catalog.models import Api
from catalog.selectors import apis, consumers, contracts, dependencies, drift, history, imported_facts, scorecards
from catalog.selectors.api_values import shown_fields
from catalog.selectors.lifecycle_headers import lifecycle_headers
from catalog.services import comparisons, provision
from catalog.web import comparison_findings, links, version_timeline
from catalog.web.subscription_tones import SUBSCRIPTIONS
from kernel import clock
from kernel.errors import NotFound
from kernel.ui import tones
from kernel.viewer import Viewer

COMPUTED_AT_ONCE = 3
TABS = {
    "overview": "Overview",
    "definition": "Definition",
    "versions": "Versions",
    "consumers": "Consumers",
    "changes": "Changes",
    "integrations": "Integrations",
}


def _frame(request: HttpRequest, slug: str, tab: str) -> tuple[Api, list[apis.VersionLine], dict[str, Any]]:
    """What every tab shows: head, meta, tabs, actions."""
    viewer = Viewer.of(request.user)
    api = apis.find(slug, viewer=viewer)
    versions = apis.versions_of(api, viewer=viewer)
    used = consumers.of_versions([v.id for v in versions])
    here = apis.current(versions)
    draft = next((v for v in versions if v.state == lifecycle.DRAFT), None)
    permission = apis.may_change(api, viewer=viewer)
    counts = {"versions": len(versions), "consumers": len({c.application_key for c in used})}
    subject = draft or here
    unjudged = here is not None and not here.judged
    kind = "version.publish" if draft or unjudged else "version.deprecate"
    return (
        api,
        versions,
        {
            "api": api,
            "versions": versions,
            "pills": apis.head_tones(versions),
            "current": here,
            "tabs": _tabs(slug, tab, counts),
            "used": used,
            "outlived": _outlived(versions, used),
            "permission": permission,
            "propose_url": links.propose(kind, subject.reference) if subject else "",
            "hand_over_url": links.propose("api.hand_over", slug),
            "propose_word": _propose_word(draft is not None, unjudged),
            "unjudged": any(not v.judged for v in versions),
            "subscribable": any(v.state == lifecycle.PUBLISHED for v in versions),
        },
    )


def _outlived(versions: list[apis.VersionLine], used: list[ConsumerFacts]) -> list[tuple[apis.VersionLine, int]]:
    """The versions past their sunset that applications still use, with how many do: red on every tab."""
    now = clock.now()
    live: dict[int, set[str]] = {}
    for use in used:
        if use.is_live and not use.has_moved(now):
            live.setdefault(use.version_id, set()).add(use.application_key)
    past = (v for v in versions if v.state in lifecycle.LIVE and v.sunset_at and v.sunset_at <= now)
    return [(v, len(live[v.id])) for v in past if v.id in live]


def _tabs(slug: str, current: str, counts: dict[str, int]) -> list[dict[str, Any]]:
    tabs = []
    for name, title in TABS.items():
        url = reverse("catalog:api" if name == "overview" else f"catalog:{name}", args=[slug])
        tab: dict[str, Any] = {"label": title, "url": url, "current": name == current}
        tabs.append(tab | ({"count": counts[name]} if name in counts else {}))
    return tabs


def _propose_word(draft: bool, unjudged: bool) -> str:
    return "Propose publication" if draft else "Propose to adopt it" if unjudged else "Propose a change"


@require_GET
def overview(request: HttpRequest, slug: str) -> HttpResponse:
    api, versions, context = _frame(request, slug, "overview")
    breaks = dependencies.breaks(slug)
    visible = apis.visible_slugs((b[0] for b in breaks), viewer=Viewer.of(request.user))
    measures, calls = apis.measures_of(api)
    deprecated = next((v for v in versions if v.deprecated_at and v.state in lifecycle.LIVE), None)
    context |= {
        "measures": measures,
        "calls": calls,
        "records": apis.records_of(api),
        "needs": dependencies.seen_of_api(slug, viewer=Viewer.of(request.user)),
        "breaks": [b for b in breaks if b[0] in visible],
        "facts": shown_fields(api),
        "card": scorecards.of_api(api.pk),
        "headers": lifecycle_headers(deprecated.id, viewer=Viewer.of(request.user)) if deprecated else {},
        "deprecated": deprecated,
        "provided": provision.counts_as(api),
        "drift": drift.newest([v.id for v in versions if v.state in lifecycle.LIVE]),
        "drift_most": drift.MOST,
        "imported": imported_facts.of("api", slug, viewer=Viewer.of(request.user)),
        "levels_url": links.address("runtime:service-levels-of-api", slug=slug),
    } | _versions_context(versions, full=False)
    return render(request, "catalog/api_overview.html", context | _consumers_context(versions, context["used"]))


def _versions_context(versions: list[apis.VersionLine], *, full: bool) -> dict[str, Any]:
    """Version lines with the verdict between neighbours. At most three missing verdicts are computed for a page; the
    rest are links, until the follow-up work has kept them."""
    pairs = [(v.previous_digest, v.digest) for v in versions if v.previous_digest and v.digest]
    known = comparisons.known(pairs)  # type: ignore[arg-type]
    lines = []
    computed = 0
    for version in versions[: None if full else 8]:
        verdict = known.get((version.previous_digest or "", version.digest or ""))
        if (
            verdict is None
            and version.previous_digest
            and version.digest
            and version.previous_digest != version.digest
            and computed < COMPUTED_AT_ONCE
        ):
            verdict, computed = comparisons.ensure(version.previous_digest, version.digest), computed + 1
        tone = (
            comparison_findings.tone_of(verdict.verdict, verdict.breaking, verdict.warnings)
            if verdict
            else tones.quiet("Not compared yet")
        )
        lines.append({"version": version, "verdict": verdict, "tone": tone})
    return {
        "version_lines": lines,
        "chart": version_timeline.drawn(_lives(versions), now=clock.now()),
        "more_versions": len(versions) - len(lines),
    }


def _lives(versions: list[apis.VersionLine]) -> list[version_timeline.VersionLife]:
    """When an imported version was published is not known, so it has no place on the line."""
    return [
        version_timeline.VersionLife(
            v.label,
            v.state,
            v.published_at or (v.created_at if v.origin == "registered" else None),
            v.deprecated_at,
            v.sunset_at,
            v.retired_at,
        )
        for v in reversed(versions)
        if v.state not in (lifecycle.REJECTED, lifecycle.WITHDRAWN)
    ][-6:]


def _consumers_context(versions: list[apis.VersionLine], used: list[Any]) -> dict[str, Any]:
    series = apis.daily_calls([v.id for v in versions])
    lines = []
    ending = {v.reference for v in versions if v.sunset_at}
    for consumer in used:
        label = consumer.version_reference.partition("@")[2]
        lines.append(
            {
                "consumer": consumer,
                "label": label,
                "ends": consumer.version_reference in ending,
                "series": series.get((consumer.application_key, label, consumer.environment)),
                "tone": SUBSCRIPTIONS.get(consumer.state, tones.quiet(consumer.state)),
            }
        )
    total = sum(c.calls for c in used if c.calls)
    return {"consumer_lines": lines, "total_calls": total if any(c.calls is not None for c in used) else None}


@require_GET
def definition(request: HttpRequest, slug: str) -> HttpResponse:
    """What the contract of one version says: operations, schemas, servers; the original bytes are one link away."""
    _, versions, context = _frame(request, slug, "definition")
    label = request.GET.get("version", "")
    chosen = next((v for v in versions if v.label == label), None) if label else context["current"]
    if chosen is None and (label or versions):
        raise NotFound("version.unknown", f"{slug} has no version {label[:100]!r}.")
    context |= {
        "chosen": chosen,
        "picks": [
            {"label": v.label, "url": f"?version={v.label.replace('+', '%2B')}", "current": v == chosen}
            for v in versions[:12]
        ],
    }
    if chosen and chosen.digest:
        document = contracts.document(chosen.digest)
        groups: dict[str, list[Any]] = {}
        for operation in document.operations:
            groups.setdefault(
                operation.tags[0] if operation.tags else operation.path.strip("/").partition("/")[0] or "/", []
            ).append(operation)
        context |= {
            "document": document,
            "groups": list(groups.items()),
            "contract": apis.contract_of(chosen.digest),
            "schemas": document.schemas[:300],
            "schema_count": len(document.schemas),
        }
    return render(request, "catalog/api_definition.html", context)


@require_safe
def versions(request: HttpRequest, slug: str) -> HttpResponse:
    _, lines, context = _frame(request, slug, "versions")
    return render(request, "catalog/api_versions.html", context | _versions_context(lines, full=True))


@require_safe
def version(request: HttpRequest, slug: str, label: str) -> HttpResponse:
    """One version by its own address; it answers with the same Deprecation, Sunset and Link headers as the API does."""
    _, lines, context = _frame(request, slug, "versions")
    found = next((v for v in lines if v.label == label), None)
    if found is None:
        raise NotFound("version.unknown", f"{slug} has no version {label[:100]!r}, or you may not see it.")
    context |= _versions_context([found], full=True) | {
        "version": found,
        "headers": lifecycle_headers(found.id, viewer=Viewer.of(request.user)),
        "endpoints": apis.endpoints_of(found.id),
    }
    context |= _consumers_context([found], [c for c in context["used"] if c.version_reference == found.reference])
    context["propose"] = {
        "publish": links.propose("version.publish", found.reference),
        "deprecate": links.propose("version.deprecate", found.reference),
        "retire": links.propose("version.retire", found.reference),
        "contract": links.propose("contract.change", found.reference),
    }
    response = render(request, "catalog/version.html", context)
    for name, value in context["headers"].items():
        response.headers[name] = value
    return response


@require_GET
def consumers_tab(request: HttpRequest, slug: str) -> HttpResponse:
    """Who uses which version; `?version=` and `?environment=` narrow it: "who still uses v1" is one click."""
    _, lines, context = _frame(request, slug, "consumers")
    wanted = request.GET.get("version", "")
    used = [c for c in context["used"] if not wanted or c.version_reference == f"{slug}@{wanted}"]
    counts = [(v.label, sum(1 for c in context["used"] if c.version_reference == v.reference)) for v in lines]
    picks = [{"label": "All", "url": "?", "current": not wanted, "count": len(context["used"])}]
    picks += [
        {"label": label, "url": f"?version={label.replace('+', '%2B')}", "current": label == wanted, "count": n}
        for label, n in counts
        if n
    ]
    return render(
        request,
        "catalog/api_consumers.html",
        context | _consumers_context(lines, used) | {"picks": picks, "wanted": wanted},
    )


@require_GET
def changes(request: HttpRequest, slug: str) -> HttpResponse:
    api, _, context = _frame(request, slug, "changes")
    viewer = Viewer.of(request.user)
    entries = history.of_api(api, viewer=viewer, drafts=apis.sees_drafts(viewer, api))
    context["entries"] = [{"entry": e, "word": history.word_of(e.verb)} for e in entries]
    context["governance_url"] = links.address("governance:changes")
    return render(request, "catalog/api_changes.html", context)


@require_GET
def integrations(request: HttpRequest, slug: str) -> HttpResponse:
    _, _, context = _frame(request, slug, "integrations")
    context["fragment_url"] = links.address("runtime:integrations-of-api", slug=slug)
    return render(request, "catalog/api_integrations.html", context)
