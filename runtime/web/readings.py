"""Reading a source again, from its start or from a date, and what was rejected judged again."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from kernel.errors import Invalid, NotApproved, NotFound
from kernel.ui.fields import UtcMomentField
from kernel.ui.wording import number
from kernel.viewer import Permission, Viewer
from runtime import permissions
from runtime.models import ReadAgain, RejectedMessage
from runtime.selectors import integrations as selectors
from runtime.selectors.integrations import DeployedIntegration
from runtime.services import reading_again, rejudging
from runtime.web import environment


class ReadAgainForm(forms.Form):
    """Where to begin. The choices are the sources that can be read again."""

    source = forms.ChoiceField(required=False, label="Source")
    since = UtcMomentField(label="Changed since", required=False, help_text="Empty: from the start.")
    reason = forms.CharField(max_length=2000, label="Reason", widget=forms.Textarea(attrs={"rows": 2}))

    def __init__(self, *args: Any, sources: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        named = [(name, name) for name in sources]
        choices = [("", "All sources"), *named] if len(named) > 1 else named
        self.fields["source"].choices = choices  # type: ignore[attr-defined]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def read_again(request: HttpRequest, key: str) -> HttpResponse:
    """A form to plan a reading, and one to judge rejected messages again. A plan reads nothing."""
    viewer, place = Viewer.of(request.user), environment.chosen(request)
    job = _job(viewer, key, place)
    sources = [one.name for one in reading_again.sources_of(job.manifest)] if job.manifest else []
    form = ReadAgainForm(request.POST if request.method == "POST" else None, sources=sources)
    if request.method == "POST" and form.is_valid():
        permissions.require_operate(viewer, job.integration, outcome="Nothing was planned.")
        made = _plan(form, key, place, viewer)
        if made is not None:
            messages.success(request, "The reading is planned. Nothing was read yet.")
            return redirect("runtime:reading", made.pk)
    return render(
        request, "runtime/read_again.html", _context(request, viewer, job, form, sources), status=_status(form)
    )


def _status(form: forms.Form) -> int:
    return 422 if form.errors else 200


def _context(
    request: HttpRequest, viewer: Viewer, job: DeployedIntegration, form: ReadAgainForm, sources: list[str]
) -> dict[str, Any]:
    stream = {"stream__integration": job.integration, "stream__environment": job.environment}
    operate = permissions.may_operate(viewer, job.integration)
    may = operate if job.deployed else operate and Permission(False, f"Nothing is deployed in {job.environment}.")
    if may and not sources:
        may = Permission(False, "It has no source that can be read again: messages are handed in, or come as files.")
    return {
        "job": job,
        "integration": job.integration,
        "environment": job.environment,
        "environments": environment.segments(request, job.environment),
        "form": form,
        "may_plan": may,
        "operate": operate,
        "plans": list(ReadAgain.objects.filter(**stream).select_related("planned_by")[:10]),
        "rejected": RejectedMessage.objects.filter(state="open", **stream).count(),
        "pattern": request.GET.get("pattern", "").replace("\0", "")[:16],
        "limit_words": number(reading_again.APPROVAL_ABOVE),
    }


def _plan(form: ReadAgainForm, key: str, place: str, viewer: Viewer) -> ReadAgain | None:
    values = form.cleaned_data
    since = values["since"].replace(tzinfo=UTC) if values["since"] else None
    try:
        return reading_again.plan(
            key, place, source=values["source"], since=since, actor=viewer.user, reason=values["reason"]
        )
    except Invalid as error:
        for found in error.findings:
            name = str(found["pointer"]).strip("/")
            said = found["message"][:1].upper() + found["message"][1:] + "."
            form.add_error(name if name in form.fields else None, said)
        return None


@require_POST
def judge(request: HttpRequest, key: str) -> HttpResponse:
    """Judge rejected messages again: `act` is `try` (a dry run) or `judge`."""
    viewer, place = Viewer.of(request.user), environment.chosen(request)
    job = _job(viewer, key, place)
    permissions.require_operate(viewer, job.integration, outcome="Nothing was judged.")
    dry = request.POST.get("act") != "judge"
    chosen = {"pattern": request.POST.get("pattern", "").replace("\0", "")[:16]}
    reason = request.POST.get("reason", "").replace("\0", "")[:2000]
    done = rejudging.judge_again(key, place, dry_run=dry, actor=viewer.user, reason=reason, **chosen)
    sources = [one.name for one in reading_again.sources_of(job.manifest)] if job.manifest else []
    context = _context(request, viewer, job, ReadAgainForm(sources=sources), sources)
    context |= {"judged": done, "dry": dry, "still": done.still.most_common(5), "reason": reason, **chosen}
    return render(request, "runtime/read_again.html", context)


@never_cache
@require_safe
def reading(request: HttpRequest, number: int) -> HttpResponse:
    viewer = Viewer.of(request.user)
    found = _found(viewer, number)
    integration = found.stream.integration
    operate = permissions.may_operate(viewer, integration)
    unmet = ""
    if found.state == "planned":
        try:
            reading_again.approval_for(found, actor=viewer.user)
        except NotApproved as error:
            unmet = " ".join(str(one["message"]) for one in error.unmet) or error.message
    about = reading_again.subject(found)
    wanted = {"kind": "reading.open", "subject": f"{about.id}@{about.digest}", "environment": found.stream.environment}
    context = {
        "reading": found,
        "integration": integration,
        "environment": found.stream.environment,
        "operate": operate,
        "unmet": unmet,
        "may_start": operate and Permission(not unmet, unmet),
        "change_url": f"{reverse('governance:new-change')}?{urlencode(wanted)}",
    }
    return render(request, "runtime/reading.html", context)


@require_POST
def act(request: HttpRequest, number: int) -> HttpResponse:
    """`act`: start or cancel."""
    viewer = Viewer.of(request.user)
    found = _found(viewer, number)
    permissions.require_operate(viewer, found.stream.integration, outcome="Nothing was changed.")
    wanted = request.POST.get("act", "")
    if wanted == "start":
        started = reading_again.start(number, actor=viewer.user)
        return redirect("runtime:run", started.run_id) if started.run_id else redirect("runtime:reading", number)
    if wanted != "cancel":
        raise Invalid("reading.act", "Choose one: start or cancel. Nothing was changed.")
    reading_again.cancel(number, actor=viewer.user, reason=request.POST.get("reason", "").replace("\0", "")[:2000])
    return redirect("runtime:reading", number)


def _job(viewer: Viewer, key: str, place: str) -> DeployedIntegration:
    job = selectors.detail(viewer, key, place)
    if job is None:
        raise NotFound("integration.unknown", f"There is no integration {key!r}, or you may not see it.")
    return job


def _found(viewer: Viewer, number: int) -> ReadAgain:
    found = (
        ReadAgain.objects.select_related("stream__integration__owner_team", "planned_by", "started_by", "approval")
        .filter(pk=number, stream__integration__in=permissions.visible(viewer))
        .first()
    )
    if found is None:
        raise NotFound("reading.unknown", f"There is no plan {number} to read again, or you may not see it.")
    return found
