"""The gate on pages: the matrix of applications and environments, and one answer with everything behind it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from catalog.selectors import application_usage, systems
from governance.domain import gate_rules
from governance.models import Verdict
from governance.selectors import gate_matrix
from governance.services import verdicts
from kernel import clock
from kernel.errors import NotFound
from kernel.ui import tones
from kernel.ui.tones import Tone
from kernel.viewer import Viewer

SHOWN = 40
ANSWERS_SHOWN = 30
WORDS: Final[dict[str, Tone]] = {
    "allow": tones.ok("Allow", "gate-open"),
    "deny": tones.stop("Deny", "gate-shut"),
    "unknown": tones.wait("Unknown", "alert"),
}


def tone_of(word: str, *, enforcing: bool = True) -> Tone:
    """The answer as people read it; one that only reports is never red."""
    base = WORDS.get(word, tones.quiet(word))
    return base if enforcing else tones.quiet(f"{base.word}, reported only", base.icon)


@require_safe
def matrix(request: HttpRequest) -> HttpResponse:
    viewer, now = Viewer.of(request.user), clock.now()
    q = " ".join(request.GET.get("q", "").replace("\x00", " ").split())[:100]
    mine = request.GET.get("mine") == "1"
    page = Paginator(application_usage.applications(viewer=viewer, q=q, mine=mine), SHOWN).get_page(
        request.GET.get("page")
    )
    places = {key: name for key, name, _ in systems.environments()}
    context = {
        "page": page,
        "q": q,
        "mine": mine,
        "environments": places.values(),
        "rows": [_row(row, places) for row in gate_matrix.rows(page.object_list, viewer=viewer)],
        "reported": _reported(gate_matrix.only_reported(now, viewer=viewer), places),
        "days": gate_matrix.REPORTED_DAYS,
        "picks": [
            {"label": "All", "url": "?", "current": not mine},
            {"label": "Of my teams", "url": "?mine=1", "current": mine},
        ],
    }
    return render(request, "governance/gate.html", context)


def _row(row: gate_matrix.GateRow, places: Mapping[str, str]) -> dict[str, Any]:
    return {
        "application": row.application,
        "cells": [
            {
                "cell": cell,
                "name": places[cell.environment],
                "tone": tone_of(cell.verdict.word, enforcing=cell.enforcing) if cell.verdict else None,
            }
            for cell in row.cells
        ],
    }


def _line(verdict: Any) -> dict[str, Any]:
    enforcing = gate_matrix.is_enforcing(verdict)
    return {"verdict": verdict, "tone": tone_of(verdict.word, enforcing=enforcing)}


def _reported(found: Sequence[Verdict], places: Mapping[str, str]) -> list[dict[str, Any]]:
    """Lines by the names of applications and environments, each with what its reasons say."""
    names = {one.key: one.name for one in application_usage.named({verdict.application for verdict in found})}
    return [
        _line(verdict)
        | {
            "name": names.get(verdict.application, verdict.application),
            "place": places.get(verdict.environment, verdict.environment),
            "reasons": [
                str(one["message"]) for one in gate_matrix.document(verdict)["reasons"] if not one.get("waived_by")
            ],
        }
        for verdict in found
    ]


@require_safe
def application(request: HttpRequest, key: str) -> HttpResponse:
    """Every answer about one application, the newest first."""
    viewer = Viewer.of(request.user)
    found = application_usage.named([key]).first()
    if found is None:
        raise NotFound("application.unknown", f"There is no application {key[:60]!r}.")
    environment = request.GET.get("environment", "").replace("\x00", "")[:60]
    before = request.GET.get("before", "")
    below = int(before) if before.isascii() and before.isdecimal() and len(before) < 19 else None
    listed = gate_matrix.answers(key, viewer=viewer, environment=environment, before=below)
    answers = list(listed.select_related("asked_by")[: ANSWERS_SHOWN + 1])
    context = {
        "application": found,
        "lines": [_line(verdict) for verdict in answers[:ANSWERS_SHOWN]],
        "older": answers[ANSWERS_SHOWN - 1].pk if len(answers) > ANSWERS_SHOWN else None,
        "environment": environment,
        "picks": [
            {"label": "Everywhere", "url": "?", "current": not environment},
            *(
                {"label": name, "url": f"?environment={place}", "current": place == environment}
                for place, name, _ in systems.environments()
            ),
        ],
    }
    return render(request, "governance/gate_application.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def verdict(request: HttpRequest, verdict_id: int) -> HttpResponse:
    """One answer: its reasons, what would change it, and what it was made from. A POST computes it again."""
    viewer = Viewer.of(request.user)
    row = verdicts.find(verdict_id, viewer)
    same = verdicts.reproduce(verdict_id, viewer)[0] if request.method == "POST" else None
    document = gate_matrix.document(row)
    context = {
        "row": row,
        "document": document,
        "tone": tone_of(row.word, enforcing=document.get("enforcing", True)),
        "reasons": [_reason(reason, row, document) for reason in document["reasons"]],
        "asked": [
            {"label": label, "entries": row.question.get(key)}
            for key, label in (("consumes", "Consumes"), ("provides", "Provides"), ("integrations", "Integrations"))
        ],
        "evidence": json.dumps(row.evidence, indent=2, ensure_ascii=False, sort_keys=True),
        "carried": [used | {"until": _moment(used["ends_at"])} for used in document.get("break_glass", ())],
        "waivers": [waiver | {"until": _moment(waiver["expires_at"])} for waiver in document["waivers"]],
        "same": same,
        "json_url": reverse("governance-api:verdict", args=[row.pk]),
    }
    return render(request, "governance/verdict.html", context)


def _moment(text: str) -> datetime:
    """A time of a document, for people."""
    return datetime.fromisoformat(text)


def _reason(reason: dict[str, Any], row: Verdict, document: Mapping[str, Any]) -> dict[str, Any]:
    tone = tones.quiet("Waived", "shield") if reason.get("waived_by") else WORDS.get(reason["word"])
    return {"reason": reason, "tone": tone, "waiver_url": _waiver_url(reason, row, document)}


def _waiver_url(reason: dict[str, Any], row: Verdict, document: Mapping[str, Any]) -> str:
    """The form of a waiver of exactly this reason, all five parts filled in; empty where no waiver opens it."""
    place = reason["pointer"].split("/")[1]
    waivable = reason["word"] == "deny" and not reason.get("waived_by") and reason["code"] in gate_rules.DENIALS
    if not waivable or document.get("hypothetical") or place not in gate_rules.WAIVED_ABOUT:
        return ""
    parts = {
        "rule": reason["code"],
        "pointer": reason["pointer"],
        "subject_kind": gate_rules.WAIVED_ABOUT[place],
        "subject_id": reason["subject"],
        "application": row.application,
        "environment": row.environment,
    }
    return f"{reverse('governance:waivers')}?{urlencode(parts)}#h-ask"
