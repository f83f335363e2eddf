"""Pipeline connections on pages: what is connected, what repositories are mapped to, what was asked and answered."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from catalog.selectors import teams
from governance import permissions
from governance.models import PipelineConnection, PipelineReview
from governance.selectors import pipelines as selectors
from governance.services import pipeline_connections, pipeline_reviews
from governance.web.decisions import person
from kernel.bounded_pages import BoundedPages
from kernel.errors import Conflict, Invalid, finding
from kernel.ui import tones
from kernel.ui.tones import Tone
from kernel.viewer import Viewer

PER_PAGE = 30
IGNORED_SHOWN = 10
SEGMENTS: Final[dict[str, tuple[str, ...]]] = {
    "Unanswered": ("open", "waiting"),
    "Answered": ("answered",),
    "Not answered": ("failed", "undecided"),
    "Elsewhere": ("overtaken",),
}
STATES: Final[dict[str, Tone]] = {
    "open": tones.wait("To be answered"),
    "waiting": tones.wait("Waits for the gate"),
    "undecided": tones.quiet("Left undecided"),
    "overtaken": tones.quiet("Decided elsewhere"),
    "failed": tones.stop("Not answered", "alert"),
}
ANSWERS: Final[dict[str, Tone]] = {
    "passed": tones.ok("Approved", "gate-open"),
    "failed": tones.stop("Rejected", "gate-shut"),
}


class ConnectionForm(forms.Form):
    name = forms.CharField(label="Name", max_length=80, help_text="Such as Retail at GitHub")
    key = forms.CharField(label="Key", max_length=60, help_text="Part of the webhook's address, such as github-retail")
    provider = forms.ChoiceField(label="Provider", choices=PipelineConnection.Provider.choices)
    api_url = forms.CharField(
        label="Address of its API",
        max_length=300,
        help_text="https://api.github.com, or https://gitlab.example.com/api/v4. Answers go there and nowhere else",
    )
    app_id = forms.CharField(label="Client ID of the GitHub App", max_length=60, required=False)
    webhook_secret_ref = forms.CharField(
        label="Secret of the webhook", max_length=200, help_text="Its name: env:TILLGATE_PIPELINE_… or file:…"
    )
    credential_ref = forms.CharField(
        label="Private key or access token",
        max_length=200,
        help_text="Its name: of the app's key in PEM, or of GitLab's token",
    )
    old_webhook_secret_ref = forms.CharField(
        label="Secret before", max_length=200, required=False, help_text="While it is rotated: both are taken"
    )
    owner_team = forms.ChoiceField(label="Owner")
    wait_minutes = forms.IntegerField(
        label="Wait for the gate, in minutes", initial=60, help_text="While it does not know"
    )
    at_the_end = forms.ChoiceField(label="And then", choices=PipelineConnection.AtTheEnd.choices)
    tells_reasons = forms.BooleanField(
        label="Tell reasons in comments",
        required=False,
        initial=True,
        help_text="Who sees the pipeline reads them; the page of the verdict is named in any case",
    )

    def __init__(self, data: Any, viewer: Viewer) -> None:
        super().__init__(data)
        everyone = permissions.in_team(viewer, "release-managers")
        listed = teams.all_teams() if everyone else teams.of_user(viewer.user)
        self.fields["owner_team"] = forms.ChoiceField(label="Owner", choices=[(team.key, team.name) for team in listed])
        self.has_teams = bool(listed)


class MappingForm(forms.Form):
    repository = forms.CharField(label="Repository", max_length=255, help_text="Such as retail/web-shop")
    repository_id = forms.IntegerField(label="Its number", help_text="At the provider")
    place = forms.CharField(
        label="Environment or branch", max_length=255, help_text="GitHub's environment; the branch GitLab merges into"
    )
    application = forms.CharField(label="Application", max_length=200)
    environment = forms.CharField(label="Environment here", max_length=60)


@require_http_methods(["GET", "HEAD", "POST"])
def pipeline_list(request: HttpRequest) -> HttpResponse:
    viewer = Viewer.of(request.user)
    form = ConnectionForm(request.POST if request.method == "POST" else None, viewer)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                made = pipeline_connections.propose(form.cleaned_data, actor=person(request))
            except (Invalid, Conflict) as error:
                _put_on_form(form, error, conflict="key")
                status = error.status
            else:
                messages.success(request, "Proposed. It counts once a release manager has confirmed it.")
                return redirect("governance:pipeline", made.key)
    rows = [{"row": row, "tone": _tone(row)} for row in selectors.counted(viewer)]
    context = {"rows": rows, "form": form, "may": form.has_teams}
    return render(request, "governance/pipelines.html", context, status=status)


def _put_on_form(form: forms.Form, error: Invalid | Conflict, conflict: str) -> None:
    found = error.findings if isinstance(error, Invalid) else [finding(f"/{conflict}", error.message)]
    for one in found or [finding("", error.message)]:
        name = one["pointer"].strip("/")
        form.add_error(name if name in form.fields else None, one["message"])


def _tone(row: Any) -> Tone:
    if row.ended_at is not None:
        return tones.quiet("Ended")
    if row.confirmed_at is None:
        return tones.wait("To be confirmed")
    if row.fault:
        return tones.stop("At fault", "alert")
    return tones.ok("Connected")


@require_http_methods(["GET", "HEAD", "POST"])
def pipeline(request: HttpRequest, key: str) -> HttpResponse:
    """One connection. A POST proposes a mapping."""
    viewer = Viewer.of(request.user)
    row = selectors.connection(viewer, key)
    form = MappingForm(request.POST if request.method == "POST" else None)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                pipeline_connections.propose_mapping(key, form.cleaned_data, actor=person(request))
            except (Invalid, Conflict) as error:
                _put_on_form(form, error, conflict="repository")
                status = error.status
            else:
                messages.success(request, "Proposed. It counts once a release manager has confirmed it.")
                return redirect("governance:pipeline", key)
    state = request.GET.get("state", "")
    reviews = selectors.reviews(row)
    if state in SEGMENTS:
        reviews = reviews.filter(state__in=SEGMENTS[state])
    page = BoundedPages(reviews.order_by("-pk"), PER_PAGE, request.GET.get("before")).get_page(request.GET.get("page"))
    context = {
        "row": row,
        "tone": _tone(row),
        "address": settings.PUBLIC_URL + reverse("governance-api:pipeline-events", args=[row.key]),
        "may_confirm": permissions.may_confirm_pipeline(viewer, row.proposed_by_id),
        "may_end": permissions.may_end_pipeline(viewer, row),
        "may_propose": permissions.may_propose_pipeline(viewer, row.owner_team_id),
        "mappings": [
            {"row": one, "may_confirm": permissions.may_confirm_pipeline(viewer, one.proposed_by_id)}
            for one in selectors.mappings(row)
        ],
        "form": form,
        "page": page,
        "reviews": [{"row": one, "tone": _review_tone(one), "again": _may_ask(row, one)} for one in page.object_list],
        "ignored": selectors.without_review(row)[:IGNORED_SHOWN],
        "segments": [
            {"label": "All", "url": "?", "current": state not in SEGMENTS},
            *({"label": one, "url": f"?state={quote(one)}", "current": one == state} for one in SEGMENTS),
        ],
    }
    return render(request, "governance/pipeline.html", context, status=status)


def _review_tone(review: PipelineReview) -> Tone:
    if review.state == PipelineReview.State.ANSWERED:
        return ANSWERS.get(review.word, tones.quiet("Answered"))
    return STATES.get(review.state, tones.quiet(review.state))


def _may_ask(row: PipelineConnection, review: PipelineReview) -> bool:
    """Whether asking again can change anything there."""
    if row.ended_at is not None:
        return False
    over = review.state in (PipelineReview.State.ANSWERED, PipelineReview.State.OVERTAKEN)
    return not over or (row.provider == PipelineConnection.Provider.GITLAB and review.word == "failed")


@require_POST
def step(request: HttpRequest, key: str, step: str) -> HttpResponse:
    """`confirm` or `end` the connection."""
    if step == "confirm":
        pipeline_connections.confirm(key, actor=person(request))
        messages.success(request, "Confirmed. Its webhooks are taken from now on.")
    else:
        pipeline_connections.end(key, actor=person(request))
        messages.success(request, "Ended. Its webhooks are refused, and nothing is answered any more.")
    return redirect("governance:pipeline", key)


@require_POST
def mapping_step(request: HttpRequest, key: str, mapping_id: int, step: str) -> HttpResponse:
    """`confirm` or `end` a mapping."""
    if step == "confirm":
        pipeline_connections.confirm_mapping(key, mapping_id, actor=person(request))
        messages.success(request, "Confirmed. It counts from now on.")
    else:
        pipeline_connections.end_mapping(key, mapping_id, actor=person(request))
        messages.success(request, "Ended. What comes from there is rejected.")
    return redirect("governance:pipeline", key)


@require_POST
def ask_again(request: HttpRequest, key: str, review_id: int) -> HttpResponse:
    pipeline_reviews.ask_again(key, review_id, actor=person(request))
    messages.success(request, "The gate is asked again, and its answer goes out in a moment.")
    return redirect("governance:pipeline", key)
