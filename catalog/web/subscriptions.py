"""Apply for a version, decide about an application, end a use."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from catalog import permissions
from catalog.domain import lifecycle
from catalog.models import Subscription
from catalog.selectors import apis, deprecations, successors
from catalog.services import subscriptions
from catalog.web.forms import DecisionForm, MoveForm, SubscribeForm
from catalog.web.people import person
from kernel.errors import Conflict, Forbidden, Invalid, NotFound
from kernel.viewer import Viewer


def _end_of(day: Any) -> datetime | None:
    return datetime.combine(day, time(), UTC) if day else None


@require_http_methods(["GET", "POST"])
def subscribe(request: HttpRequest, slug: str) -> HttpResponse:
    viewer = Viewer.of(request.user)
    api = apis.find(slug, viewer=viewer)
    versions = [v for v in apis.versions_of(api, viewer=viewer) if v.state == lifecycle.PUBLISHED]
    choices = [(v.reference, v.label) for v in versions]
    form = SubscribeForm(
        request.POST if request.method == "POST" else None,
        viewer=viewer,
        versions=choices,
        initial={"version": f"{slug}@{request.GET.get('version', '')}"},
    )
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            subscriptions.apply(
                actor=person(request),
                application=given["application"],
                version=given["version"],
                environment=given["environment"],
                justification=given["justification"],
                valid_until=_end_of(given["valid_until"]),
            )
        except (Invalid, Conflict, Forbidden) as error:
            form.take(error)
        else:
            messages.success(request, f"{api.owner_team or 'The owner'} has been notified and decides.")
            return redirect("catalog:subscriptions")
    return render(
        request,
        "catalog/subscribe.html",
        {"api": api, "form": form, "versions": versions},
        status=422 if form.is_bound else 200,
    )


@require_GET
def subscriptions_list(request: HttpRequest) -> HttpResponse:
    viewer = Viewer.of(request.user)
    waiting = [
        {"row": s, "permission": permissions.may_decide_subscription(viewer, s)}
        for s in apis.waiting_subscriptions(viewer)
    ]
    own = apis.own_subscriptions(viewer)
    return render(request, "catalog/subscriptions.html", {"waiting": waiting, "own": own})


@require_http_methods(["GET", "POST"])
def decide(request: HttpRequest, subscription_id: int) -> HttpResponse:
    """The owner decides; everybody else sees the request and its result."""
    viewer = Viewer.of(request.user)
    row = _find(subscription_id, viewer)
    form = DecisionForm(
        request.POST if request.method == "POST" else None,
        initial={"valid_until": row.valid_until.date() if row.valid_until else None},
    )
    if request.method == "POST" and form.is_valid():
        action, note = request.POST.get("decision"), form.cleaned_data["note"]
        try:
            if action == "approve":
                subscriptions.approve(
                    row.pk, actor=person(request), valid_until=_end_of(form.cleaned_data["valid_until"]), note=note
                )
            elif action == "refuse":
                subscriptions.refuse(row.pk, actor=person(request), note=note)
            elif action == "end":
                subscriptions.end(row.pk, actor=person(request), note=note)
            else:
                raise Invalid("subscription.decision", "Approve, refuse or end.")
        except Invalid as error:
            form.take(error)
        else:
            messages.success(request, "The decision is saved.")
            return redirect("catalog:subscriptions")
    context = {
        "row": row,
        "form": form,
        "permission": permissions.may_decide_subscription(viewer, row),
        "ending": permissions.may_end_subscription(viewer, row),
        "moving": _move_form(row, None),
        "may_move": permissions.may_plan_move(viewer, row),
        "past": deprecations.is_past(row.version),
    }
    return render(request, "catalog/subscription.html", context, status=422 if form.is_bound else 200)


def _find(subscription_id: int, viewer: Viewer) -> Subscription:
    row = (
        Subscription.objects.select_related(
            "application__team",
            "version__api__owner_team",
            "version__successor__api",
            "environment",
            "requested_by",
            "decided_by",
            "moves_to",
            "moves_said_by",
        )
        .filter(pk=subscription_id, version__api__in=permissions.visible(viewer))
        .first()
    )
    if row is None:
        raise NotFound("subscription.unknown", "There is no such subscription, or you may not see it.")
    successors.rows_told([row.version], viewer)
    return row


def _move_form(row: Subscription, data: Any) -> MoveForm:
    """The versions that it may go to: published ones of the API, the named successor first proposed."""
    published = (
        row.version.api.versions.filter(state=lifecycle.PUBLISHED)
        .exclude(pk=row.version_id)
        .order_by("-position", "-id")
    )
    versions = [(v.label, v.label) for v in published]
    successor = (
        row.version.successor.label
        if row.version.successor and row.version.successor.api_id == row.version.api_id
        else ""
    )
    proposed = row.moves_to.label if row.moves_to else "" if row.moves_on else successor
    return MoveForm(data, versions=versions, initial={"moves_to": proposed, "moves_on": row.moves_on})


@require_http_methods(["GET", "POST"])
def move(request: HttpRequest, subscription_id: int) -> HttpResponse:
    """Where this consumer goes, and when; an empty day takes the plan back."""
    viewer = Viewer.of(request.user)
    row = _find(subscription_id, viewer)
    if request.method == "GET":
        return redirect("catalog:subscription", subscription_id=row.pk)
    form = _move_form(row, request.POST)
    if form.is_valid():
        try:
            given = form.cleaned_data
            subscriptions.plan_move(
                row.pk, actor=person(request), moves_to=given["moves_to"], moves_on=given["moves_on"]
            )
        except (Invalid, Conflict) as error:
            form.take(error)
        else:
            messages.success(request, "The plan is saved." if given["moves_on"] else "The plan is removed.")
            return redirect("catalog:subscription", subscription_id=row.pk)
    context = {
        "row": row,
        "form": DecisionForm(),
        "permission": permissions.may_decide_subscription(viewer, row),
        "moving": form,
        "ending": permissions.may_end_subscription(viewer, row),
        "may_move": permissions.may_plan_move(viewer, row),
        "past": deprecations.is_past(row.version),
    }
    return render(request, "catalog/subscription.html", context, status=422)
