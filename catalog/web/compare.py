"""Two versions beside each other, in three readings: words, tree, text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from catalog.domain import contract_text_diff
from catalog.domain.contract_engine import DESCRIPTIVE
from catalog.selectors import apis, contracts, touched
from catalog.selectors.apis import VersionLine
from catalog.selectors.touched import KnownConsumers
from catalog.web import comparison_findings, links
from catalog.web.comparison_findings import LEVELS, SHOWS, ComponentFindings
from kernel import clock
from kernel.errors import Invalid
from kernel.viewer import Viewer

READINGS = {"words": "In words", "tree": "As a tree", "text": "As text"}
SHOWN = 200


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is compared and how it is shown."""

    slug: str
    old: VersionLine
    new: VersionLine
    reading: str
    show: str

    def url(self, *, reading: str = "", show: str = "") -> str:
        chosen = show or self.show
        query = {"from": self.old.label, "to": self.new.label, "reading": reading or self.reading}
        query |= {"show": chosen} if chosen != "all" else {}
        return f"{reverse('catalog:compare', args=[self.slug])}?{urlencode(query)}"


@require_GET
def compare(request: HttpRequest, slug: str) -> HttpResponse:
    """`?from=v2&to=v3&reading=words|tree|text&show=all|breaking|warning|info`; without versions the newest and the one
    before."""
    viewer = Viewer.of(request.user)
    api = apis.find(slug, viewer=viewer)
    lines = apis.versions_of(api, viewer=viewer)
    old, new = _chosen(request, lines)
    context: dict[str, Any] = {"api": api, "old": old, "new": new, "versions": lines}
    if old is None or new is None or not old.digest or not new.digest:
        status = 404 if request.GET.get("from") or request.GET.get("to") else 200
        return render(request, "catalog/compare.html", context | {"missing": True}, status=status)
    reading, show = request.GET.get("reading", ""), request.GET.get("show", "")
    shown = _Shown(slug, old, new, reading if reading in READINGS else "words", show if show in SHOWS else "all")
    try:
        found = contracts.compare(old.digest, new.digest, as_of=clock.now().date())
    except Invalid as error:
        return render(request, "catalog/compare.html", context | {"refused": error}, status=error.status)
    chosen = [f for f in found.findings if shown.show in ("all", f.level)]
    known = touched.known_consumers(old.id)
    context |= _head(found, shown) | {"known": len(known.names), "readers_url": _readers_url(old, new)}
    if shown.reading == "words":
        context |= _in_words(chosen, known, shown, everything=request.GET.get("all") == "1")
    elif shown.reading == "tree":
        context["sections"] = _as_tree(chosen)
    else:
        context["lines"], context["left_out"] = contract_text_diff.text_differences(
            contracts.document(old.digest).tree, contracts.document(new.digest).tree
        )
    return render(request, "catalog/compare.html", context)


def _readers_url(old: VersionLine, new: VersionLine) -> str:
    """The fragment of the room above that says who uses the fields that differ, or ""."""
    base = links.address("runtime:readers-panel", subject=old.reference)
    return f"{base}?{urlencode({'to': new.label})}" if base else ""


def _chosen(request: HttpRequest, lines: list[VersionLine]) -> tuple[VersionLine | None, VersionLine | None]:
    """(older, newer) version that the address names, or else the present one and the one that it is compared with."""
    by_label = {version.label: version for version in lines}
    wanted = request.GET.get("to")
    new = by_label.get(wanted) if wanted else apis.current(lines)
    old = by_label.get(request.GET.get("from") or (new.previous_label if new else ""))
    return old, new


def _head(found: Any, shown: _Shown) -> dict[str, Any]:
    levels = (
        ("all", "All", len(found.findings)),
        ("breaking", "Breaking", found.breaking),
        ("warning", "Review", found.warnings),
        ("info", "Compatible", found.compatible),
    )
    return {
        "found": found,
        "tone": comparison_findings.tone_of(found.verdict, found.breaking, found.warnings),
        "levels": LEVELS,
        "reading": shown.reading,
        "show": shown.show,
        "readings": [
            {"label": word, "url": shown.url(reading=key), "current": key == shown.reading}
            for key, word in READINGS.items()
        ],
        "shows": [
            {"label": word, "url": shown.url(show=key), "current": key == shown.show, "count": n}
            for key, word, n in levels
        ],
    }


def _toned(findings: list[Any]) -> list[dict[str, Any]]:
    return [{"f": found, "tone": LEVELS.get(found.level)} for found in findings]


def _in_words(chosen: list[Any], known: KnownConsumers, shown: _Shown, *, everything: bool) -> dict[str, Any]:
    """What may hurt comes first; what is compatible, and changes of descriptions alone, stand folded behind it."""
    told = comparison_findings.told(chosen, known)
    changes = [one for one in told if one.told.rule not in DESCRIPTIVE]
    grave = [one for one in changes if one.told.level != "info"]
    # Beside what may hurt somebody, what hurts nobody is folded.
    folded = [one for one in changes if one.told.level == "info"] if grave else []
    changes = grave or changes
    broken = comparison_findings.broken(told, known)
    return {
        "told": changes if everything else changes[:SHOWN],
        "broken": broken,
        "what_breaks": f"What breaks {broken[:1].lower()}{broken[1:]}",
        "harmless": folded if everything else folded[:SHOWN],
        "harmless_count": sum(one.told.count for one in folded),
        "described": [one for one in told if one.told.rule in DESCRIPTIVE],
        "descriptions": sum(one.told.count for one in told if one.told.rule in DESCRIPTIVE),
        "left_out": 0 if everything else max(0, len(changes) - SHOWN),
        "all_url": f"{shown.url()}&all=1",
    }


def _as_tree(chosen: list[Any]) -> list[tuple[str, list[tuple[ComponentFindings, list[dict[str, Any]]]]]]:
    return [
        (section, [(group, _toned(group.findings[:50])) for group in groups[:300]])
        for section, groups in comparison_findings.grouped(chosen)
    ]
