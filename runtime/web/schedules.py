"""Schedules: when each integration reads its sources; switch one on or off, or change its times."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from kernel import clock
from kernel.errors import Invalid, NotFound
from kernel.viewer import Viewer
from runtime import permissions
from runtime.domain import schedule as rules
from runtime.models import Integration
from runtime.selectors import schedules as selectors
from runtime.services import schedules as services
from runtime.web import environment

COMING = 5
SKIPPED = [("shift", "Run at the first moment after"), ("skip", "Skip the run")]
REPEATED = [("first", "The first time"), ("second", "The second time"), ("both", "Both times")]


class ScheduleForm(forms.Form):
    expression = forms.CharField(
        max_length=80, label="When", help_text="every 15m, daily 06:30, weekly mon 06:30, or five cron fields."
    )
    zone = forms.CharField(max_length=60, label="Time zone", help_text="As in the IANA database: Europe/Berlin.")
    skipped = forms.ChoiceField(label="Hour skipped at clock change", choices=SKIPPED)
    repeated = forms.ChoiceField(label="Hour repeated at clock change", choices=REPEATED)
    enabled = forms.BooleanField(required=False, label="Switched on")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for text in (
            rules.problems(cleaned.get("expression") or "", cleaned.get("zone") or "UTC") if not self.errors else []
        ):
            self.add_error("zone" if "zone" in text else "expression", f"{text[:1].upper()}{text[1:]}.")
        return cleaned


@never_cache
@require_safe
def schedules(request: HttpRequest) -> HttpResponse:
    viewer, place = Viewer.of(request.user), environment.chosen(request)
    context = {
        "environment": place,
        "environments": environment.segments(request, place),
        "schedules": selectors.listed(viewer, environment=place),
    }
    return render(request, "runtime/schedules.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def schedule(request: HttpRequest, schedule_id: int) -> HttpResponse:
    viewer = Viewer.of(request.user)
    found = selectors.listed(viewer, schedule_id=schedule_id)
    if not found:
        raise NotFound("schedule.unknown", f"There is no schedule {schedule_id}, or you may not see it.")
    one = found[0]
    operate = permissions.may_operate(viewer, Integration.objects.select_related("owner_team").get(key=one.integration))
    form = ScheduleForm(request.POST if request.method == "POST" else None, initial=_initial(one))
    if request.method == "POST":
        permissions.allow(operate, outcome="The schedule was not changed.")
        if form.is_valid() and _change(form, schedule_id, viewer):
            messages.success(request, "The schedule was changed.")
            return redirect("runtime:schedule", schedule_id)
    context = {"schedule": one, "form": form, "operate": operate, "coming": coming(one)}
    return render(request, "runtime/schedule.html", context, status=422 if form.errors else 200)


def _initial(one: selectors.ScheduleRow) -> dict[str, Any]:
    return {name: getattr(one, name) for name in ("expression", "zone", "skipped", "repeated", "enabled")}


def _change(form: ScheduleForm, schedule_id: int, viewer: Viewer) -> bool:
    """False when the service found an error that the form did not."""
    try:
        services.change(schedule_id, actor=viewer.user, **form.cleaned_data)
    except Invalid as error:
        form.add_error("expression", error.message)
        return False
    return True


def coming(one: selectors.ScheduleRow) -> list[Any]:
    """The next due times, so that the effect of a clock change can be seen before it happens."""
    if not one.enabled or rules.problems(one.expression, one.zone):
        return []
    due = rules.occurrences(one.expression, one.zone, clock.now(), skipped=one.skipped, repeated=one.repeated)
    return [moment for moment, _ in zip(due, range(COMING), strict=False)]
