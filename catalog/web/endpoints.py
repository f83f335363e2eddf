"""The page of an endpoint: edited at once where nothing approved runs over the system, else proposed as a change."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from catalog import permissions
from catalog.models import SystemEndpoint
from catalog.services import endpoints
from catalog.web import links
from catalog.web.forms import EndpointForm
from catalog.web.people import person
from kernel.errors import Conflict, Forbidden, Invalid, Stale
from kernel.viewer import Viewer

KIND = "system.destination"


@require_http_methods(["GET", "HEAD", "POST"])
def endpoint(request: HttpRequest, key: str, environment: str) -> HttpResponse:
    system, place, row = endpoints.find(key, environment)
    viewer = Viewer.of(request.user)
    flows = endpoints.flows_told(viewer, system, environment)
    permission = permissions.may_state_system(viewer, system)
    initial = endpoints.values_of(row) | {"seen": row.destination if row else ""}
    form = EndpointForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        given = {name: form.cleaned_data[name] for name in endpoints.FIELDS}
        try:
            if not permission:
                raise Forbidden("system.not_yours", permission.reason)
            if flows:
                endpoints.require_usable(given, endpoints.values_of(row))
                return redirect(_proposal(key, environment, given))
            endpoints.state(key, environment, given, actor=person(request), check=_unchanged(form.cleaned_data["seen"]))
        except (Invalid, Conflict) as error:
            form.take(error)
        else:
            messages.success(request, f"Saved: {system.name} answers there in {place.name} from now on.")
            return redirect("catalog:system", key=key)
    context = {"system": system, "place": place, "form": form, "flows": flows, "permission": permission, "row": row}
    return render(request, "catalog/endpoint.html", context, status=422 if form.is_bound else 200)


def _unchanged(seen: str) -> Any:
    def check(row: SystemEndpoint | None) -> None:
        if (row.destination if row else "") != seen:
            raise Stale("request.stale", "Somebody changed it meanwhile. Look again, then save.")

    return check


def _proposal(key: str, environment: str, given: dict[str, Any]) -> str:
    """The page that opens the change, with what was entered here."""
    asked = [("kind", KIND), ("subject", f"{key}/{environment}"), ("environment", environment)]
    for name, value in given.items():
        asked += [(f"p_{name}", one) for one in ((value or [""]) if isinstance(value, list) else [value])]
    return f"{links.address('governance:new-change')}?{urlencode(asked)}"
