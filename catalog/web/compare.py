"""Two versions beside each other, in three readings: words, tree, text."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from catalog.domain import contract_text_diff
from catalog.selectors import apis, consumers, contracts
from catalog.web import comparison_findings
from kernel import clock
from kernel.errors import Invalid
from kernel.viewer import Viewer

READINGS = {"words": "In words", "tree": "As a tree", "text": "As text"}
SHOWN = 200


@require_GET
def compare(request: HttpRequest, slug: str) -> HttpResponse:
    """`?from=v2&to=v3&reading=words|tree|text&show=all|breaking|warning|info`; without versions the newest and the one
    before."""
    viewer = Viewer.of(request.user)
    api = apis.find(slug, viewer=viewer)
    lines = apis.versions_of(api, viewer=viewer)
    new = (
        next((v for v in lines if v.label == request.GET.get("to")), None)
        if request.GET.get("to")
        else apis.current(lines)
    )
    old = next((v for v in lines if v.label == (request.GET.get("from") or (new.previous_label if new else ""))), None)
    context: dict[str, Any] = {"api": api, "old": old, "new": new, "versions": lines}
    if old is None or new is None or not old.digest or not new.digest:
        return render(
            request,
            "catalog/compare.html",
            context | {"missing": True},
            status=404 if request.GET.get("from") or request.GET.get("to") else 200,
        )
    reading = request.GET.get("reading", "words")
    reading = reading if reading in READINGS else "words"
    show = request.GET.get("show", "all")
    show = show if show in comparison_findings.SHOWS else "all"
    try:
        found = contracts.compare(old.digest, new.digest, as_of=clock.now().date())
    except Invalid as error:
        return render(request, "catalog/compare.html", context | {"refused": error}, status=error.status)
    chosen = [f for f in found.findings if show in ("all", f.level)]
    context |= {
        "found": found,
        "tone": comparison_findings.tone_of(found.verdict, found.breaking, found.warnings),
        "levels": comparison_findings.LEVELS,
        "reading": reading,
        "show": show,
        "live": len({c.application_key for c in consumers.live_of_version(old.id)}),
        "readings": [
            {"label": word, "url": _url(slug, old.label, new.label, key, show), "current": key == reading}
            for key, word in READINGS.items()
        ],
        "shows": [
            {"label": word, "url": _url(slug, old.label, new.label, reading, key), "current": key == show, "count": n}
            for key, word, n in (
                ("all", "All", len(found.findings)),
                ("breaking", "Breaking", found.breaking),
                ("warning", "Review", found.warnings),
                ("info", "Compatible", found.compatible),
            )
        ],
    }
    everything = request.GET.get("all") == "1"
    if reading == "words":
        context["findings"] = [
            {"f": f, "tone": comparison_findings.LEVELS.get(f.level)}
            for f in (chosen if everything else chosen[:SHOWN])
        ]
        context["left_out"] = 0 if everything else max(0, len(chosen) - SHOWN)
        context["all_url"] = f"{_url(slug, old.label, new.label, reading, show)}&all=1"
    elif reading == "tree":
        context["sections"] = [
            (
                section,
                [
                    (g, [{"f": f, "tone": comparison_findings.LEVELS.get(f.level)} for f in g.findings[:50]])
                    for g in groups[:300]
                ],
            )
            for section, groups in comparison_findings.grouped(chosen)
        ]
    else:
        context["lines"], context["left_out"] = contract_text_diff.text_differences(
            contracts.document(old.digest).tree, contracts.document(new.digest).tree
        )
    return render(request, "catalog/compare.html", context)


def _url(slug: str, old: str, new: str, reading: str, show: str) -> str:
    query = {"from": old, "to": new, "reading": reading} | ({"show": show} if show != "all" else {})
    return f"{reverse('catalog:compare', args=[slug])}?{urlencode(query)}"
