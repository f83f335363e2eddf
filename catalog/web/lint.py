"""What the contract rules say of one version: a line for each rule or place, and every place of one rule."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from catalog.selectors import apis, lint_reports, versions
from kernel.errors import NotFound
from kernel.ui.wording import counted
from kernel.viewer import Viewer

SHOWN = 500
"""Places of one rule on a page; the REST API has all of them."""
TONES = {"error": "stop", "warning": "wait", "info": "quiet"}


@require_safe
def lint(request: HttpRequest, slug: str, label: str) -> HttpResponse:
    """`?rule=…` lists every place of one rule; `?contract=proposed` looks at the contract that waits for approval."""
    viewer = Viewer.of(request.user)
    api = apis.find(slug, viewer=viewer)
    line = next((v for v in apis.versions_of(api, viewer=viewer) if v.label == label), None)
    if line is None:
        raise NotFound("version.unknown", f"{slug} has no version {label[:100]!r}, or you may not see it.")
    facts = versions.facts(line.id)
    proposed = request.GET.get("contract", "") == "proposed"
    digest = lint_reports.digest_of(facts, proposed=proposed, viewer=viewer)
    rule = request.GET.get("rule", "")
    context: dict[str, Any] = {"api": api, "version": line, "facts": facts, "rule": rule, "proposed": proposed}
    if digest is None:
        return render(request, "catalog/version_lint.html", context | {"missing": True})
    report = lint_reports.of_version(facts, digest)
    outcome = lint_reports.outcome_of(report, rule) if rule else None
    found = [f for f in report.findings if f.rule == rule] if rule else list(lint_reports.for_people(report))
    address = reverse("catalog:lint", args=[slug, label])
    of = {"contract": "proposed"} if proposed else {}
    context |= {
        "report": report,
        "digest": digest,
        "outcome": outcome,
        "findings": [
            {"f": f, "tone": TONES[f.level], "all_url": f"{address}?{urlencode({'rule': f.rule, **of})}"}
            for f in found[:SHOWN]
        ],
        "left_out": (outcome.total if outcome else len(found)) - min(len(found), SHOWN),
        "counts": [
            (tone, counted(number, level) if level != "info" else f"{number} info")
            for level, tone in TONES.items()
            if (number := sum(1 for f in found if f.level == level))
        ],
        "silent": [item for item in report.outcomes if item.status in ("not_applicable", "not_run")],
        "held": sum(1 for item in report.outcomes if item.status == "passed"),
        "rest_url": f"/api/v1/apis/{slug}/versions/{label}/lint" + (f"?{urlencode({'rule': rule})}" if rule else ""),
        "back_url": f"{address}?{urlencode(of)}" if of else address,
    }
    return render(request, "catalog/version_lint.html", context)
