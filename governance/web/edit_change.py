"""Amending a change: texts, window, rollback plan, parameters. Everything but title and justification voids what was
decided, and the page says so.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from governance import permissions
from governance.models import ChangeRequest
from governance.services import changes
from governance.web.decisions import asked_change, person
from governance.web.new_change import ChangeForm, put_on_form
from kernel.errors import Invalid
from kernel.viewer import Viewer

TEXTS = ("title", "justification", "rollback_plan", "planned_from", "planned_until")


@require_http_methods(["GET", "HEAD", "POST"])
def edit_change(request: HttpRequest, change_id: int) -> HttpResponse:
    change = asked_change(request, change_id)
    changes.require_allowed(permissions.may_revise(Viewer.of(request.user), change), "change.not_yours")
    if request.method != "POST":
        return _shown(request, change, _form(change, None), 200)
    form = _form(change, request.POST)
    if not form.is_valid():
        return _shown(request, change, form, 422)
    wanted: dict[str, Any] = {name: form.cleaned_data[name] for name in TEXTS}
    if form.extra:
        wanted["parameters"] = {**change.parameters, **form.parameters()}
    changed = {name: value for name, value in wanted.items() if value != getattr(change, name)}
    if not changed:
        return redirect("governance:change", change_id)
    try:
        changes.amend(change, actor=person(request), **changed)
    except Invalid as error:
        put_on_form(form, error)
        return _shown(request, change, form, 422)
    messages.success(
        request, "Changed. The checks run again." if change.state != ChangeRequest.State.DRAFT else "Changed."
    )
    return redirect("governance:change", change_id)


def _form(change: ChangeRequest, data: Any) -> ChangeForm:
    start: dict[str, Any] = {name: getattr(change, name) for name in TEXTS}
    for name, value in change.parameters.items():
        start[f"p_{name}"] = _moment(value)
    form = ChangeForm(data, initial=start, kind=change.kind)
    for name in ("kind", "subject", "environment"):
        del form.fields[name]
    return form


def _moment(value: Any) -> Any:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) and "T" in value else value
    except ValueError:
        return value


def _shown(request: HttpRequest, change: ChangeRequest, form: ChangeForm, status: int) -> HttpResponse:
    voids = change.decisions.filter(voided_at=None).count()
    return render(
        request, "governance/edit_change.html", {"change": change, "form": form, "voids": voids}, status=status
    )
