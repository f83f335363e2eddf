"""Pages that say who provides: an API, a system; and what environments say of their records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from catalog import permissions
from catalog.models import Api, Environment, System
from catalog.selectors import apis, imported_facts
from catalog.services import endpoints, provision
from catalog.web import links
from catalog.web.forms import ApiProvisionForm, ProviderRightForm, RecordsForm, SystemProvisionForm, said, said_word
from catalog.web.people import person
from kernel.errors import Conflict, Invalid, NotFound, Stale
from kernel.viewer import Viewer


def _unchanged(seen: str, read: Callable[[Any], str]) -> Callable[[Any], None]:
    """Refuses the write where the row says something else than the page showed."""

    def check(row: Any) -> None:
        if read(row) != seen:
            raise Stale("request.stale", "Somebody said something else meanwhile. Look again, then save.")

    return check


def _seen_of_api(api: Api) -> str:
    return f"{said_word(api.third_party)}/{said_word(api.per_instance)}"


def _seen_of_system(system: System) -> str:
    return f"/{said_word(system.third_party)}"


def _seen_of_environment(row: Environment) -> str:
    return row.records_enforced_from.isoformat() if row.records_enforced_from else "now"


@require_http_methods(["GET", "POST"])
def api(request: HttpRequest, slug: str) -> HttpResponse:
    viewer = Viewer.of(request.user)
    found = apis.find(slug, viewer=viewer)
    initial = {
        "third_party": said_word(found.third_party),
        "per_instance": said_word(found.per_instance),
        "seen": _seen_of_api(found),
    }
    form = ApiProvisionForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            provision.state_api(
                slug,
                third_party=said(given["third_party"]),
                per_instance=said(given["per_instance"]),
                actor=person(request),
                check=_unchanged(given["seen"], _seen_of_api),
            )
        except (Invalid, Conflict) as error:
            form.take(error)
        else:
            messages.success(request, "Saved. The gate goes by it from now on.")
            return redirect("catalog:provision", slug=slug)
    return _api_page(request, found, form, ProviderRightForm(), 422 if form.is_bound else 200)


@require_POST
def grant(request: HttpRequest, slug: str) -> HttpResponse:
    found = apis.find(slug, viewer=Viewer.of(request.user))
    form = ProviderRightForm(request.POST)
    if form.is_valid():
        given = form.cleaned_data
        try:
            provision.grant(slug, given["application"], reason=given["reason"], actor=person(request))
        except (Invalid, Conflict) as error:
            form.take(error)
        else:
            messages.success(request, f"{given['application']} may provide {found.name}.")
            return redirect("catalog:provision", slug=slug)
    initial = {
        "third_party": said_word(found.third_party),
        "per_instance": said_word(found.per_instance),
        "seen": _seen_of_api(found),
    }
    return _api_page(request, found, ApiProvisionForm(initial=initial), form, 422)


@require_POST
def end_right(request: HttpRequest, slug: str, key: str) -> HttpResponse:
    apis.find(slug, viewer=Viewer.of(request.user))
    provision.end_right(slug, key, actor=person(request))
    messages.success(request, "The right has ended. What runs goes on; the next release is refused.")
    return redirect("catalog:provision", slug=slug)


def _api_page(
    request: HttpRequest, found: Api, form: ApiProvisionForm, right: ProviderRightForm, status: int
) -> HttpResponse:
    context = {
        "api": found,
        "form": form,
        "right": right,
        "rights": provision.rights_of(found),
        "permission": permissions.may_change_api(Viewer.of(request.user), found),
    }
    return render(request, "catalog/provision.html", context, status=status)


@require_GET
def systems(request: HttpRequest) -> HttpResponse:
    viewer = Viewer.of(request.user)
    stated = set(permissions.systems_stated_by(viewer).values_list("pk", flat=True))
    rows = [
        {"system": row, "stated": row.pk in stated}
        for row in System.objects.select_related("owner_team").filter(retired_at=None)
    ]
    may_register = permissions.may_register_system(viewer, permissions.a_team_of(viewer))
    return render(request, "catalog/systems.html", {"rows": rows, "may_register": may_register})


@require_http_methods(["GET", "POST"])
def system(request: HttpRequest, key: str) -> HttpResponse:
    found = System.objects.select_related("owner_team").filter(key=key, retired_at=None).first()
    if found is None:
        raise NotFound("system.unknown", f"There is no system {key!r}.")
    initial = {"third_party": said_word(found.third_party), "seen": _seen_of_system(found)}
    form = SystemProvisionForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            provision.state_system(
                key,
                third_party=said(given["third_party"]),
                actor=person(request),
                check=_unchanged(given["seen"], _seen_of_system),
            )
        except (Invalid, Conflict) as error:
            form.take(error)
        else:
            messages.success(request, "Saved. The gate goes by it from now on.")
            return redirect("catalog:systems")
    context = {
        "system": found,
        "form": form,
        "places": _places(found, Viewer.of(request.user)),
        "imported": imported_facts.of("system", key, viewer=Viewer.of(request.user)),
        "permission": permissions.may_state_system(Viewer.of(request.user), found),
    }
    return render(request, "catalog/system.html", context, status=422 if form.is_bound else 200)


def _places(system: System, viewer: Viewer) -> list[dict[str, Any]]:
    """Where the system answers in each environment, and how much runs over it, as the viewer is told."""
    rows = {row.environment_id: row for row in system.endpoints.all()}
    return [
        {"place": place, "row": rows.get(place.pk), "flows": endpoints.flows_told(viewer, system, place.key)}
        for place in Environment.objects.all()
    ]


@require_GET
def environments(request: HttpRequest) -> HttpResponse:
    propose = links.address("governance:new-change")
    rows = [
        {"environment": row, "propose": f"{propose}?kind=environment.records&subject={row.key}&environment={row.key}"}
        for row in Environment.objects.all()
    ]
    context = {"rows": rows, "permission": permissions.may_steward(Viewer.of(request.user))}
    return render(request, "catalog/environments.html", context)


@require_http_methods(["GET", "POST"])
def environment(request: HttpRequest, key: str) -> HttpResponse:
    found = Environment.objects.filter(key=key).first()
    if found is None:
        raise NotFound("environment.unknown", f"There is no environment {key!r}.")
    initial = {"enforced_from": found.records_enforced_from, "seen": _seen_of_environment(found)}
    form = RecordsForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            provision.enforce_from(
                key,
                enforced_from=given["enforced_from"],
                actor=person(request),
                check=_unchanged(given["seen"], _seen_of_environment),
            )
        except (Invalid, Conflict) as error:
            form.take(error)
        else:
            messages.success(request, "Saved. The gate goes by it from now on.")
            return redirect("catalog:environments")
    context = {"environment": found, "form": form, "permission": permissions.may_steward(Viewer.of(request.user))}
    return render(request, "catalog/environment.html", context, status=422 if form.is_bound else 200)
