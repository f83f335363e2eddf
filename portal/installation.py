"""The page *Installation*, for administrators: what the production guard says of the process that answers, and what is
accepted for a while."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from kernel.errors import NotFound
from kernel.ui.tones import Tone, ok, quiet, stop, wait
from kernel.viewer import Viewer
from portal.guard import acceptance, judgement
from portal.guard.judgement import GuardJudgement
from portal.guard.rules import GuardFinding


@dataclass(frozen=True, slots=True)
class GuardLine:
    """One finding. `until` is the last day on which it is accepted."""

    finding: GuardFinding
    tone: Tone
    until: date | None = None


@never_cache
@require_safe
def installation(request: HttpRequest) -> HttpResponse:
    if not Viewer.of(request.user).sees_everything:
        raise NotFound("installation.not_yours", "There is no such page, or you may not see it. Ask an administrator.")
    found = judgement.present()
    context = {"tone": _tone(found), "lines": lines(found), "demo": found.demo, "setting": acceptance.SETTING}
    return render(request, "portal/installation.html", context)


def lines(found: GuardJudgement) -> list[GuardLine]:
    """The gravest first."""
    return [
        *(GuardLine(one, stop("Refused")) for one in found.refusals),
        *(GuardLine(one, wait("Accepted"), until) for one, until in found.accepted),
        *(GuardLine(one, quiet("Warning")) for one in found.warnings),
    ]


def _tone(found: GuardJudgement) -> Tone:
    if found.demo:
        return quiet("Demo")
    if found.refusals:
        return stop("Does not start again")
    return wait("Something is accepted") if found.accepted else ok("Ready for production")
