"""The page on which an application becomes an agent, or is none any more."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from catalog import permissions
from catalog.models import Application
from catalog.services import agents
from catalog.web.forms import AgentForm
from catalog.web.people import person
from kernel.errors import Conflict, Invalid, NotFound
from kernel.viewer import Viewer


@require_http_methods(["GET", "POST"])
def agent(request: HttpRequest, key: str) -> HttpResponse:
    found = Application.objects.select_related("team", "agent_account").filter(key=key, retired_at=None).first()
    if found is None:
        raise NotFound("application.unknown", f"There is no application {key!r}.")
    initial = {"purpose": found.agent_purpose, "limits": found.agent_limits}
    form = AgentForm(request.POST if request.method == "POST" else None, initial=initial)
    if found.is_agent:
        del form.fields["account"]
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            agents.declare(
                key,
                purpose=given["purpose"],
                limits=given["limits"],
                account=given.get("account", ""),
                actor=person(request),
            )
        except (Invalid, Conflict) as error:
            form.take(error)
        else:
            messages.success(request, f"{found.name} is an agent. Its tokens decide nothing.")
            return redirect("catalog:application", key=key)
    context = {"application": found, "form": form, "permission": permissions.may_apply(Viewer.of(request.user), found)}
    return render(request, "catalog/agent.html", context, status=422 if form.is_bound else 200)


@require_POST
def end(request: HttpRequest, key: str) -> HttpResponse:
    row = agents.end(key, actor=person(request))
    messages.success(request, f"{row.name} is no agent any more. Its account is switched off.")
    return redirect("catalog:application", key=key)
