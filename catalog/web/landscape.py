"""Pages that register and change systems and business entities, and propose a system of record."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from catalog import permissions
from catalog.models import BusinessEntity, System
from catalog.services import boundary_proposals, landscape
from catalog.web import links
from catalog.web.forms import EMPTY, said
from catalog.web.landscape_forms import EntityForm, RecordForm, SystemForm
from catalog.web.people import person
from kernel.digest import canonical_json
from kernel.errors import Conflict, Forbidden, Invalid, NotFound, Stale
from kernel.viewer import Viewer

SELECTS = {"id_system": System, "id_more_entity": BusinessEntity}
"""Selects of other forms from which a new one can be registered in place."""


def _values(row: System | BusinessEntity) -> dict[str, Any]:
    if isinstance(row, System):
        found = {name: getattr(row, name) for name in landscape.SYSTEM_FIELDS}
        return found | {"owner_team": row.owner_team.key if row.owner_team else ""}
    groups = [group.key for group in row.attribute_groups.all()]
    domain = row.domain.key if row.domain else ""
    return {"name": row.name, "domain": domain, "aliases": row.aliases, "attribute_groups": groups}


def _seen(row: System | BusinessEntity) -> str:
    return hashlib.sha256(canonical_json(_values(row))).hexdigest()[:32]


def _unchanged(seen: str) -> Callable[[Any], None]:
    def check(row: Any) -> None:
        if _seen(row) != seen:
            raise Stale("request.stale", "Somebody changed it meanwhile. Look again, then save.")

    return check


def _select(request: HttpRequest) -> str:
    """The select of another form that asks, where one does."""
    asked = request.GET.get("select", "")
    return asked if asked in SELECTS and request.headers.get("HX-Request") else ""


def _ids(request: HttpRequest) -> str:
    """How fields are named on the page: in the page of another form none has an id that stands there."""
    return "new_%s" if _select(request) else "id_%s"


def _in_place(request: HttpRequest, select: str, made: System | BusinessEntity) -> HttpResponse:
    """The select of the other form with the new one chosen, and a line that says so."""
    rows = SELECTS[select]._default_manager.all()
    known = (rows.filter(retired_at=None) if select == "id_system" else rows).values_list("key", "name")
    name = select.removeprefix("id_")
    widget = forms.Select(choices=[EMPTY, *known], attrs={"id": select, "hx-swap-oob": "true"})
    context = {"made": made, "select": widget.render(name, made.key)}
    return render(request, "catalog/_registered.html", context)


@require_http_methods(["GET", "POST"])
def add_system(request: HttpRequest) -> HttpResponse:
    viewer = Viewer.of(request.user)
    form = SystemForm(request.POST if request.method == "POST" else None, viewer=viewer, auto_id=_ids(request))
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            made = landscape.register_system(
                actor=person(request), key=given["key"], values=form.values(), third_party=said(given["third_party"])
            )
        except (Invalid, Conflict, Forbidden) as error:
            form.take(error)
        else:
            if select := _select(request):
                return _in_place(request, select, made)
            messages.success(request, f"{made.name} is registered. Now say where it answers.")
            return redirect("catalog:system", key=made.key)
    permission = permissions.may_register_system(viewer, permissions.a_team_of(viewer))
    return _form_page(request, "system", form, permission)


@require_http_methods(["GET", "POST"])
def edit_system(request: HttpRequest, key: str) -> HttpResponse:
    viewer = Viewer.of(request.user)
    found = System.objects.select_related("owner_team").filter(key=key, retired_at=None).first()
    if found is None:
        raise NotFound("system.unknown", f"There is no system {key!r}.")
    initial = _values(found) | {"seen": _seen(found)}
    data = request.POST if request.method == "POST" else None
    form = SystemForm(data, initial=initial, viewer=viewer, registering=False)
    if request.method == "POST" and form.is_valid():
        check = _unchanged(form.cleaned_data["seen"])
        try:
            landscape.change_system(key, actor=person(request), values=form.values(), check=check)
        except (Invalid, Conflict, Forbidden) as error:
            form.take(error)
        else:
            messages.success(request, "Saved.")
            return redirect("catalog:system", key=key)
    return _form_page(request, "system", form, permissions.may_state_system(viewer, found), found)


@require_GET
def entities(request: HttpRequest) -> HttpResponse:
    rows = BusinessEntity.objects.select_related("domain__owner_team").prefetch_related("attribute_groups")
    viewer = Viewer.of(request.user)
    context = {"rows": rows, "permission": _may_state_any(viewer)}
    return render(request, "catalog/entities.html", context)


def _may_state_any(viewer: Viewer) -> Any:
    """Whether the viewer may register an entity in any domain at all."""
    return permissions.may_state_entity(viewer, permissions.a_domain_of(viewer))


@require_http_methods(["GET", "POST"])
def add_entity(request: HttpRequest) -> HttpResponse:
    form = EntityForm(request.POST if request.method == "POST" else None, auto_id=_ids(request))
    if request.method == "POST" and form.is_valid():
        try:
            made = landscape.register_entity(actor=person(request), key=form.cleaned_data["key"], values=form.values())
        except (Invalid, Conflict, Forbidden) as error:
            form.take(error)
        else:
            if select := _select(request):
                return _in_place(request, select, made)
            messages.success(request, f"{made.name} is registered. Now propose its system of record.")
            return redirect(f"{links.address('catalog:propose-record')}?entity={made.key}")
    return _form_page(request, "entity", form, _may_state_any(Viewer.of(request.user)))


@require_http_methods(["GET", "POST"])
def edit_entity(request: HttpRequest, key: str) -> HttpResponse:
    found = BusinessEntity.objects.select_related("domain__owner_team").filter(key=key).first()
    if found is None:
        raise NotFound("entity.unknown", f"There is no entity {key!r}.")
    initial = _values(found) | {"seen": _seen(found)}
    form = EntityForm(request.POST if request.method == "POST" else None, initial=initial, registering=False)
    if request.method == "POST" and form.is_valid():
        check = _unchanged(form.cleaned_data["seen"])
        try:
            landscape.change_entity(key, actor=person(request), values=form.values(), check=check)
        except (Invalid, Conflict, Forbidden) as error:
            form.take(error)
        else:
            messages.success(request, "Saved.")
            return redirect("catalog:entities")
    permission = permissions.may_state_entity(Viewer.of(request.user), found.domain)
    return _form_page(request, "entity", form, permission, found)


def _form_page(request: HttpRequest, what: str, form: Any, permission: Any, found: Any = None) -> HttpResponse:
    select = _select(request)
    template = "catalog/_register_in_place.html" if select else "catalog/landscape_edit.html"
    thing = "a system" if what == "system" else "an entity"
    context = {"what": what, "thing": thing, "form": form, "found": found, "permission": permission, "select": select}
    status = 422 if form.is_bound and not select else 200  # htmx puts no refusal into the page
    return render(request, template, context, status=status)


@require_http_methods(["GET", "POST"])
def propose_record(request: HttpRequest) -> HttpResponse:
    """Opens the draft of a change; who approves it is the change's matter."""
    names = [EMPTY]
    for row in BusinessEntity.objects.prefetch_related("attribute_groups"):
        names.append((row.key, row.name))
        names += [(f"{row.key}/{group.key}", f"{row.name}: {group.name}") for group in row.attribute_groups.all()]
    initial = {"entity": request.GET.get("entity", "")[:130], "system": request.GET.get("system", "")[:60]}
    form = RecordForm(request.POST if request.method == "POST" else None, initial=initial, entities=names[1:])
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        entity, _, group = given["entity"].partition("/")
        try:
            number = boundary_proposals.propose(
                entity=entity,
                attribute_group=group or None,
                system=given["system"],
                valid_from=given["valid_from"],
                justification=given["justification"],
                actor=person(request),
            )
        except (Invalid, Conflict, Forbidden) as error:
            form.take(error, {"attribute_group": "entity"})
        else:
            messages.success(request, "A draft of the change is open. Complete and submit it.")
            return redirect(links.address("governance:change", change_id=number))
    return render(request, "catalog/propose_record.html", {"form": form}, status=422 if form.is_bound else 200)
