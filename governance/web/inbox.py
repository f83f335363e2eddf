"""The inbox (home) and the list of all changes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from governance.domain import inbox_items, kinds
from governance.models import BreakGlass, ChangeRequest, Notice
from governance.selectors import changes, emergencies, freezes, sight
from governance.services import notices
from governance.web import subject_words, tones
from governance.web.decisions import person
from kernel import clock, sessions
from kernel.bounded_pages import BoundedPages
from kernel.ui import tones as kernel_tones
from kernel.ui.tones import Tone
from kernel.viewer import Viewer

SHOWN = 30


def row_of(change: Any, now: datetime) -> dict[str, Any]:
    """One line of a list of changes."""
    subjects = list(change.subjects.all())
    return {
        "change": change,
        "subject": subjects[0] if subjects else None,
        "subject_name": subject_words.name_of(subjects[0].kind, subjects[0].subject_id) if subjects else "",
        "more_subjects": max(0, len(subjects) - 1),
        "state": tones.state_of(change),
        "risk": tones.risk_of(change),
        "counts": tones.counts(change.passed, change.failed, None, None),
        "not_run": change.not_run,
        "deadline": deadline(change, now),
    }


def deadline(change: ChangeRequest, now: datetime) -> Tone | None:
    """How much time is left to decide; the nearer, the louder."""
    if change.due_at is None or change.state != ChangeRequest.State.IN_REVIEW:
        return None
    left = (change.due_at - now).total_seconds()
    if left <= 0:
        return kernel_tones.stop("overdue", "alert")
    for seconds, unit in ((86400, "day"), (3600, "h"), (60, "min")):
        if left >= seconds:
            count = int(left // seconds)
            words = f"{count} {unit}{'s' if unit == 'day' and count != 1 else ''} left"
            return (
                kernel_tones.stop(words, "alert")
                if left < 4 * 3600
                else kernel_tones.wait(words)
                if left < 3 * 86400
                else kernel_tones.quiet(words, "wait")
            )
    return kernel_tones.stop("less than a minute left", "alert")


@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    viewer = Viewer.of(request.user)
    now = clock.now()
    waiting = changes.waiting_for(viewer, now).prefetch_related("subjects")
    mine = changes.mine(viewer).prefetch_related("subjects")
    context = {
        "waiting": [row_of(c, now) for c in waiting[:SHOWN]],
        "waiting_count": changes.count_waiting(viewer, now),
        "mine": [row_of(c, now) for c in mine[:SHOWN]],
        "decided": [_decided(c) for c in changes.recently_decided(viewer)],
        "corrections": inbox_items.items(viewer),
        "notices": _notices(viewer),
        "debts": _debts(viewer, now) if viewer.team_ids else [],
        "freeze": _next_freeze(viewer, now),
        "now": now,
    }
    return render(request, "governance/inbox.html", context)


def _notices(viewer: Viewer) -> list[Notice]:
    """The newest unread ones; those of sign-ins come first, so that nothing pushes them off the page."""
    unread = Notice.objects.filter(person=viewer.user, read_at=None)
    return [*unread.filter(kind=notices.NEW_PLACE)[:8], *unread.exclude(kind=notices.NEW_PLACE)[:8]]


def _decided(change: Any) -> dict[str, Any]:
    subjects = list(change.subjects.all())
    people = [str(d.person) for d in change.decisions.all() if d.voided_at is None]
    return {
        "change": change,
        "tone": tones.state_of(change),
        "digest": subjects[0].digest if subjects else None,
        "by": ", ".join(dict.fromkeys(people)) or "nobody",
    }


def _debts(viewer: Viewer, now: datetime) -> list[dict[str, Any]]:
    """Reviews of break-glass that the viewer's teams owe."""
    owed = BreakGlass.objects.filter(
        confirmed_by__isnull=False, reviewed_at=None, owner_team_ids__overlap=list(viewer.team_ids)
    )
    late = {case.pk for case in emergencies.overdue(now)}
    return [
        {"case": case, "said": f"A break-glass review is {'overdue' if case.pk in late else 'due'}"} for case in owed
    ]


def _next_freeze(viewer: Viewer, now: datetime) -> dict[str, Any] | None:
    first = freezes.first_within("production", now, now + timedelta(days=14))
    if first is None:
        return None
    rows = sight.of_changes(viewer).filter(
        state__in=[ChangeRequest.State.IN_REVIEW, ChangeRequest.State.APPROVED], environment="production"
    )
    return {"window": first, "open": first.starts <= now, "affected": rows.count()}


@require_POST
def read_notices(request: HttpRequest) -> HttpResponse:
    if notices.mark_read(person=person(request), began=sessions.began_at(request)):
        messages.info(
            request,
            "A sign-in from a new place stays here for three days, or until you read it in a session that began before "
            "it.",
        )
    return redirect("governance:inbox")


@require_safe
def all_changes(request: HttpRequest) -> HttpResponse:
    """Every change; the URL holds the filter."""
    viewer = Viewer.of(request.user)
    rows = changes.listed(viewer).prefetch_related("subjects")
    chosen = {key: request.GET.get(key, "")[:80].replace("\x00", "") for key in ("state", "kind", "environment", "q")}
    for key in ("state", "kind", "environment"):
        if chosen[key]:
            rows = rows.filter(**{key: chosen[key]})
    if chosen["q"]:
        rows = rows.filter(Q(title__icontains=chosen["q"]) | Q(subjects__subject_id__icontains=chosen["q"])).distinct()
    page = BoundedPages(rows, SHOWN, request.GET.get("before")).get_page(request.GET.get("page"))
    now = clock.now()
    states = [("", "Any state"), *ChangeRequest.State.choices]
    context = {
        "page": page,
        "rows": [row_of(c, now) for c in page.object_list],
        "chosen": chosen,
        "states": states,
        "kinds": [("", "Any kind"), *((k.key, k.label) for k in kinds.all_kinds())],
        "environments": [
            ("", "Any environment"),
            *(
                (e, e)
                for e in sight.of_changes(viewer)
                .order_by("environment")
                .values_list("environment", flat=True)
                .distinct()
            ),
        ],
        "new_url": reverse("governance:new-change"),
    }
    return render(request, "governance/changes.html", context)
