"""What people do on a change page. Every form works without script; every decision carries the digests that were
seen.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from governance.models import ChangeRequest, Decision
from governance.selectors import sight
from governance.services import acceptances, applying, changes, checks, reviews
from governance.web import change_layout, tones
from kernel.errors import Conflict, DomainError, Invalid
from kernel.models import User
from kernel.ui.wording import counted
from kernel.viewer import Viewer

FIELDS = ("subject_digest", "diff_digest", "impact_digest", "policy_digest")


def person(request: HttpRequest) -> User:
    """The signed-in user; the middleware lets nobody else come here."""
    assert isinstance(request.user, User)
    return request.user


def asked_change(request: HttpRequest, change_id: int) -> ChangeRequest:
    """The change, as far as this person may see it."""
    return sight.change(Viewer.of(request.user), change_id)


@require_http_methods(["GET", "HEAD", "POST"])
def decide(request: HttpRequest, change_id: int) -> HttpResponse:
    """GET shows the plain page for browsers without script; POST decides."""
    if request.method != "POST":
        outcome = request.GET.get("outcome", "approve")
        return _plain(request, change_id, outcome if outcome in Decision.Outcome.values else "approve", "", None, 200)
    change = asked_change(request, change_id)
    outcome, note = request.POST.get("outcome", ""), request.POST.get("note", "")
    if outcome not in Decision.Outcome.values:
        raise Invalid("decision.outcome", "Approve, request changes or reject.")
    seen = reviews.Seen(*(request.POST.get(field, "") for field in FIELDS))
    try:
        reviews.decide(change, actor=person(request), outcome=outcome, seen=seen, note=note)
    except Invalid as error:
        return _plain(request, change_id, outcome, note, error, 422)
    except Conflict as error:
        if error.code != "change.stale_page":
            raise
        kept = f"Your note was kept: {note}" if note.strip() else "Nothing was decided, nothing was lost."
        places = {
            "kept": kept,
            "changed_url": reverse("governance:differences", args=[change_id]),
            "back_url": reverse("governance:change", args=[change_id]),
        }
        raise Conflict(error.code, error.message, {**error.data, **places}) from error
    change.refresh_from_db()
    words = {"approve": "You approved", "request_changes": "You asked for changes", "reject": "You rejected it"}
    sealed = " All approvals are given: the change is approved." if change.state == "approved" else ""
    messages.success(request, f"{words[outcome]}.{sealed}")
    return redirect("governance:change", change_id)


def _plain(
    request: HttpRequest, change_id: int, outcome: str, note: str, error: DomainError | None, status: int
) -> HttpResponse:
    context = change_layout.context(request, change_id, "conversation")
    context |= {
        "outcome": outcome,
        "outcomes": [(key, tones.OUTCOMES[key]) for key in Decision.Outcome.values],
        "note": note,
        "error": error,
    }
    return render(request, "governance/decide.html", context, status=status)


@require_POST
def retract(request: HttpRequest, change_id: int) -> HttpResponse:
    reviews.retract(asked_change(request, change_id), actor=person(request))
    messages.success(request, "Your decision no longer counts. You may decide again.")
    return redirect("governance:change", change_id)


@require_POST
def comment(request: HttpRequest, change_id: int) -> HttpResponse:
    changes.comment(asked_change(request, change_id), actor=person(request), text=request.POST.get("text", ""))
    return redirect(reverse("governance:change", args=[change_id]) + "#conversation-end")


@require_POST
def submit(request: HttpRequest, change_id: int) -> HttpResponse:
    changes.submit(asked_change(request, change_id), actor=person(request))
    messages.success(request, "Submitted. The checks run now, and the people who must decide are told.")
    return redirect("governance:change", change_id)


@require_POST
def withdraw(request: HttpRequest, change_id: int) -> HttpResponse:
    changes.withdraw(asked_change(request, change_id), actor=person(request), reason=request.POST.get("reason", ""))
    messages.success(request, "The change is withdrawn. It stays readable.")
    return redirect("governance:change", change_id)


@require_POST
def link(request: HttpRequest, change_id: int) -> HttpResponse:
    number = request.POST.get("other", "").strip().lstrip("#")
    if not number.isdecimal() or len(number) > 12:
        raise Invalid("change.link", "Give the number of the other change.")
    changes.link(
        asked_change(request, change_id), other=int(number), actor=person(request), note=request.POST.get("note", "")
    )
    return redirect("governance:change", change_id)


@require_POST
def run_checks(request: HttpRequest, change_id: int) -> HttpResponse:
    checks.ask_again(asked_change(request, change_id), actor=person(request))
    return redirect("governance:checks", change_id)


@require_POST
def apply(request: HttpRequest, change_id: int) -> HttpResponse:
    change = asked_change(request, change_id)
    try:
        applying.apply(change, actor=person(request))
    except DomainError as error:
        applying.keep_error(change, error)
        raise
    messages.success(request, "It is in effect.")
    return redirect("governance:change", change_id)


@require_POST
def accept(request: HttpRequest, change_id: int) -> HttpResponse:
    """Accept one breaking finding, or several of one rule, as what they are."""
    values: dict[str, Any] = {key: request.POST.get(key, "") for key in ("rule", "kind", "reason", "subject")}
    pointers = request.POST.getlist("pointer") or [""]
    try:
        by = date.fromisoformat(request.POST["migrate_by"]) if request.POST.get("migrate_by") else None
    except ValueError:
        raise Invalid("acceptance.needs_a_date", "The day is written 2027-06-30.") from None
    made = acceptances.accept_breaks(
        asked_change(request, change_id), actor=person(request), pointers=pointers, migrate_by=by, **values
    )
    many = len(made) > 1
    messages.success(
        request,
        f"Accepted {counted(len(made), 'finding')}. They no longer block this revision."
        if many
        else "Accepted. The finding no longer blocks this revision.",
    )
    return redirect("governance:checks", change_id)
