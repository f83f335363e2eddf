"""Receivers of webhooks: who is told what, whether it arrived, and sending it again."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from governance import permissions
from governance.models import WebhookDelivery, WebhookEndpoint
from governance.selectors import webhooks as selectors
from governance.services import webhooks
from governance.web import tones
from governance.web.decisions import person
from kernel.bounded_pages import BoundedPages
from kernel.errors import DomainError, Invalid, NotFound, finding
from kernel.viewer import Viewer

PER_PAGE = 50
ROOMS = (
    ("governance.*", "Decisions: changes, approvals, policies, waivers, freezes, break-glass"),
    ("catalog.*", "Facts: versions, contracts, subscriptions, systems of record"),
    ("runtime.*", "Action: deployments, runs, silent workers"),
)


class ReceiverForm(forms.Form):
    name = forms.CharField(label="Name", max_length=80, help_text="Such as chat or change calendar")
    url = forms.CharField(
        label="Address",
        max_length=500,
        help_text="An https address; plain http only on this machine",
        widget=forms.URLInput(),
    )
    rooms = forms.MultipleChoiceField(
        label="Tell it about",
        choices=ROOMS,
        required=False,
        widget=forms.CheckboxSelectMultiple(),
        initial=["governance.*"],
    )
    topics = forms.CharField(
        label="Or only these topics",
        max_length=2000,
        required=False,
        help_text="Separated by spaces, such as governance.change_approved runtime.run_*",
    )

    def wanted(self) -> list[str]:
        return list(dict.fromkeys([*self.cleaned_data["rooms"], *self.cleaned_data["topics"].split()]))


@require_http_methods(["GET", "HEAD", "POST"])
def webhook_list(request: HttpRequest) -> HttpResponse:
    """The receivers and a form for another one; a POST answers 201 with the signing key, which no later page can
    show.
    """
    form = ReceiverForm(request.POST if request.method == "POST" else None)
    if request.method != "POST":
        return _listed(request, form, 200)
    if not form.is_valid():
        return _listed(request, form, 422)
    try:
        values = form.cleaned_data
        made, key = webhooks.register(
            actor=person(request), name=values["name"], url=values["url"], topics=form.wanted()
        )
    except Invalid as error:
        _put_on_form(form, error)
        return _listed(request, form, 422)
    except DomainError as error:
        if error.code != "webhook.name_taken":
            raise
        form.add_error("name", error.message)
        return _listed(request, form, 409)
    return _listed(request, ReceiverForm(), 201, issued=made, secret=key)


def _put_on_form(form: ReceiverForm, error: Invalid) -> None:
    for found in error.findings or [finding("", error.message)]:
        name = found["pointer"].strip("/")
        form.add_error(name if name in form.fields else None, error.message)


def _listed(request: HttpRequest, form: ReceiverForm, status: int, **more: Any) -> HttpResponse:
    viewer = Viewer.of(request.user)
    known: Any = selectors.receivers(viewer)
    rows = [{"endpoint": row, "tone": tones.receiver_of(row.active, row.failed, row.open)} for row in known]
    context = {"form": form, "rows": rows, "may_run": permissions.may_run_webhooks(viewer), **more}
    return render(request, "governance/webhooks.html", context, status=status)


@require_safe
def webhook_detail(request: HttpRequest, endpoint_id: int) -> HttpResponse:
    """One receiver and its recent deliveries; the URL holds the filter."""
    viewer = Viewer.of(request.user)
    endpoint: WebhookEndpoint | None = selectors.receivers(viewer).filter(pk=endpoint_id).first()
    if endpoint is None:
        raise NotFound("webhook.unknown", "There is no such receiver, or it is not yours to see.")
    state = request.GET.get("state", "")
    rows = selectors.deliveries(viewer).filter(endpoint=endpoint)
    if state in WebhookDelivery.State.values:
        rows = rows.filter(state=state)
    page = BoundedPages(rows, PER_PAGE, request.GET.get("before")).get_page(request.GET.get("page"))
    context = {
        "endpoint": endpoint,
        "page": page,
        "rows": [{"delivery": row, "tone": tones.DELIVERIES[row.state]} for row in page.object_list],
        "segments": [
            {"label": label, "url": f"?state={key}" if key else "?", "current": key == state}
            for key, label in (("", "All"), *WebhookDelivery.State.choices)
        ],
    }
    return render(request, "governance/webhook.html", context)


@require_POST
def switch_webhook(request: HttpRequest, endpoint_id: int, step: str) -> HttpResponse:
    """`stop` or `start` sending."""
    if step == "stop":
        webhooks.deactivate(endpoint_id, actor=person(request))
        messages.success(request, "Nothing is sent there any more. What waits is kept.")
    else:
        webhooks.activate(endpoint_id, actor=person(request))
        messages.success(request, "Sending begins again, with the same key.")
    return redirect("governance:webhook", endpoint_id)


@require_POST
def replay_delivery(request: HttpRequest, delivery_id: int) -> HttpResponse:
    row = webhooks.replay(delivery_id, actor=person(request))
    messages.success(request, f"{row.topic} is sent again: the same bytes under the same id.")
    return redirect("governance:webhook", row.endpoint_id)
