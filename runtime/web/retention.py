"""Retention: what is kept, how much, since when, and what would go."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from kernel.errors import Forbidden, Invalid, NotFound
from kernel.viewer import Viewer
from runtime import permissions
from runtime.models import RetentionPolicy
from runtime.selectors import retention as selectors
from runtime.services import retention as services

PARTS = {
    "head": "Facts whose keys are looked through",
    "deliveries": "Deliveries",
    "attempts": "Attempts at deliveries",
    "runspan": "Positions that runs read",
    "firing": "Starts by schedules",
    "run": "Runs",
    "rejected": "Rejected messages",
    "conflict": "Conflicts",
    "unkept": "Counts of what was only counted",
    "comparison": "Comparisons with targets",
    "outboxevent": "Events",
    "webhookdelivery": "Deliveries to webhooks",
    "pipelinedelivery": "Webhooks of pipelines",
    "pipelinereview": "Reviews of pipelines",
    "indicatorday": "Service levels by day",
    "alertentry": "Entries of alerts",
    "alert": "Alerts",
}
"""The parts of what is due by the names of their tables."""
_MONTH = re.compile(r"runtime_message_([0-9]{4})(0[1-9]|1[0-2])")


class RetentionForm(forms.Form):
    data_class = forms.ChoiceField(choices=RetentionPolicy.DataClass.choices, label="What")
    days = forms.IntegerField(required=False, label="Days", help_text="Empty: for ever.")
    integration = forms.CharField(required=False, max_length=80, help_text="Empty: all that have no own policy.")
    reason = forms.CharField(max_length=2000, label="Reason", widget=forms.Textarea(attrs={"rows": 2}))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def retention(request: HttpRequest) -> HttpResponse:
    viewer = Viewer.of(request.user)
    allowed = permissions.may_set_retention(viewer)
    form, status = RetentionForm(), 200
    if request.method == "POST":
        if not allowed:
            raise Forbidden("retention.not_allowed", f"{allowed.reason} Nothing was changed.")
        form = RetentionForm(request.POST)
        if form.is_valid() and _set(form, viewer):
            messages.success(request, "The policy is stored. A longer time holds now, a shorter one in seven days.")
            return redirect("runtime:retention")
        status = 422
    context = {
        "classes": selectors.classes(),
        "own": [
            one for one in selectors.own_policies() if one.integration and permissions.may_see(viewer, one.integration)
        ],
        "due": _due(viewer) if request.GET.get("show") == "due" and allowed else None,
        "form": form,
        "allowed": allowed,
    }
    return render(request, "runtime/retention.html", context, status=status)


def _due(viewer: Viewer) -> list[dict[str, Any]]:
    titles = dict(RetentionPolicy.DataClass.choices)
    return [
        {"part": part_name(one.what), "kind": titles.get(one.data_class, one.data_class), "due": one}
        for one in services.due(viewer)
    ]


def part_name(what: str) -> str:
    """What a part of what is due is called: a month of messages by its month."""
    if found := _MONTH.fullmatch(what):
        return f"{date(int(found[1]), int(found[2]), 1):%B %Y}"
    return PARTS.get(what, what)


def _set(form: RetentionForm, viewer: Viewer) -> bool:
    """False when the service found an error that the form did not; the page then shows it beside its field."""
    given = form.cleaned_data
    try:
        services.set_policy(
            given["data_class"],
            given["days"],
            integration=given["integration"],
            actor=viewer.user,
            reason=given["reason"],
        )
    except NotFound as error:
        form.add_error("integration", error.message)
        return False
    except Invalid as error:
        for one in error.findings or []:
            name = str(one["pointer"]).strip("/")
            form.add_error(name if name in form.fields else None, one["message"][:1].upper() + one["message"][1:] + ".")
        return False
    return True
