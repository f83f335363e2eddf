"""The board of versions that end: who calls them, since when, and who has said by when they go."""

from __future__ import annotations

from typing import Any, Final

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from catalog.domain import lifecycle
from catalog.selectors import deprecations
from catalog.selectors.deprecations import EndingUse, EndingVersion
from catalog.web.subscription_tones import SUBSCRIPTIONS
from kernel import clock
from kernel.ui import tones
from kernel.ui.tones import Tone
from kernel.viewer import Viewer

SHOWN = 20
USES_SHOWN = 12

ANSWERS: Final[dict[str, Tone]] = {
    "none": tones.wait("No answer", "alert"),
    "owner": tones.wait("Owner's date only"),
    "promised": tones.ok("Promised"),
    "late": tones.stop("Late", "alert"),
    "moved": tones.quiet("Moved"),
}


@require_GET
def board(request: HttpRequest) -> HttpResponse:
    viewer, now = Viewer.of(request.user), clock.now()
    mine = request.GET.get("mine") == "1"
    page = Paginator(deprecations.ending(viewer=viewer, mine=mine), SHOWN).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "lines": [_line(item, now) for item in deprecations.with_uses(page.object_list, now, viewer=viewer)],
        "mine": mine,
        "picks": [
            {"label": "All", "url": "?", "current": not mine},
            {"label": "Of my teams", "url": "?mine=1", "current": mine},
        ],
    }
    return render(request, "catalog/deprecations.html", context)


def _line(item: EndingVersion, now: Any) -> dict[str, Any]:
    return {
        "item": item,
        "version": item.version,
        "tone": _tone(item),
        "state": lifecycle.tone(item.version.state),
        "uses": [_use(use) for use in item.uses[:USES_SHOWN]],
        "more": max(0, len(item.uses) - USES_SHOWN),
    }


def _use(use: EndingUse) -> dict[str, Any]:
    return {
        "use": use,
        "consumer": use.consumer,
        "tone": ANSWERS[use.answer],
        "subscription": SUBSCRIPTIONS.get(use.consumer.state, tones.quiet(use.consumer.state)),
    }


def _tone(item: EndingVersion) -> Tone:
    if item.red:
        return tones.stop("Past its sunset, still used", "alert")
    if item.past:
        return tones.ok("Past its sunset, unused")
    if not item.uses:
        return tones.ok("Nobody uses it")
    if item.unanswered:
        return tones.wait(f"{item.unanswered} without an answer")
    return tones.ok("Everybody has answered")
