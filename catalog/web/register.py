"""Register an API: a contract, what was read in it, what is missing, a draft. And one more version of an API."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from catalog.domain import contract_hints
from catalog.selectors import apis
from catalog.selectors.api_values import form_values
from catalog.services import apis as api_changes
from catalog.services import contract_proposal, registration, uploads
from catalog.services.contract_proposal import Proposal
from catalog.web.forms import ApiForm, ContractForm, VersionForm, said
from catalog.web.people import person
from kernel.errors import Conflict, DomainError, Forbidden, Invalid, NotFound
from kernel.viewer import Viewer


@require_http_methods(["GET", "POST"])
def register(request: HttpRequest) -> HttpResponse:
    """GET shows step 1; POST `step=read` reads a contract and proposes; POST `step=save` makes the draft."""
    viewer = Viewer.of(request.user)
    if request.method == "GET":
        return render(request, "catalog/register.html", {"contract_form": ContractForm()})
    if request.POST.get("step") == "save":
        return _save(request, viewer)
    form = ContractForm(request.POST, request.FILES)
    if not form.is_valid():
        return render(request, "catalog/register.html", {"contract_form": form}, status=422)
    data, file_name = form.content()
    try:
        proposal = contract_proposal.propose(data, file_name=file_name, viewer=viewer)
    except Invalid as error:
        return render(request, "catalog/register.html", {"contract_form": form, "refused": error}, status=422)
    upload = uploads.keep(actor=person(request), data=data, file_name=file_name)
    return render(request, "catalog/register.html", _context(proposal, upload, _proposed_form(proposal, viewer)))


def _proposed_form(proposal: Proposal, viewer: Viewer, data: Any = None) -> ApiForm:
    initial = {
        "slug": proposal.slug,
        "name": proposal.title,
        "label": proposal.label,
        "style": proposal.style,
        "data_class": proposal.data_class or "internal",
        "purpose": proposal.description.strip().partition("\n")[0][:300],
        "visibility": "internal",
    }
    return ApiForm(data, initial=initial, viewer=viewer, hinted={h.entity: h.access for h in proposal.entities})


def _context(proposal: Proposal, upload: Any, form: ApiForm) -> dict[str, Any]:
    missing = [n for n in ("owner_team", "tier") if not form[n].value()]
    filled = sum(
        1
        for n in ("slug", "name", "label", "owner_team", "domain", "layer", "tier", "data_class", "purpose")
        if form[n].value()
    )
    return {
        "contract_form": ContractForm(),
        "proposal": proposal,
        "upload": upload,
        "form": form,
        "missing": missing,
        "filled": filled,
        "strict": contract_hints.sensitive_fields(proposal.sensitive)[0],
    }


def _save(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    upload = uploads.find(request.POST.get("upload", ""), actor=person(request))
    data = bytes(upload.data)
    proposal = contract_proposal.propose(data, file_name=upload.file_name, viewer=viewer)
    form = _proposed_form(proposal, viewer, request.POST)
    if form.is_valid():
        try:
            facts = registration.register(
                actor=person(request),
                content=data,
                file_name=upload.file_name,
                slug=form.cleaned_data["slug"].strip(),
                label=form.cleaned_data["label"],
                entities=form.entities(),
                third_party=said(form.cleaned_data["third_party"]),
                **form.values(),
            )
        except (Invalid, Conflict, Forbidden) as error:
            form.take(error)
        else:
            messages.success(request, f"{facts.reference} is a draft. Publishing needs an approved change.")
            return redirect("catalog:api", slug=facts.api_slug)
    return render(request, "catalog/register.html", _context(proposal, upload, form) | {"saved": False}, status=422)


@require_http_methods(["GET", "POST"])
def add_version(request: HttpRequest, slug: str) -> HttpResponse:
    viewer = Viewer.of(request.user)
    api = apis.find(slug, viewer=viewer)
    permission = apis.may_change(api, viewer=viewer)
    form = VersionForm(*((request.POST, request.FILES) if request.method == "POST" else (None, None)))
    if request.method == "POST" and form.is_valid():
        data, file_name = form.content()
        try:
            facts = registration.add_version(
                actor=person(request),
                slug=slug,
                content=data,
                file_name=file_name,
                label=form.cleaned_data["label"],
                notes=form.cleaned_data["notes"],
            )
        except (Invalid, Conflict) as error:
            form.take(error)
        else:
            messages.success(request, f"{facts.reference} is a draft.")
            return redirect("catalog:version", slug=slug, label=facts.label)
    status = 422 if request.method == "POST" else 200
    return render(
        request, "catalog/add_version.html", {"api": api, "form": form, "permission": permission}, status=status
    )


@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, slug: str) -> HttpResponse:
    viewer = Viewer.of(request.user)
    api = apis.find(slug, viewer=viewer)
    permission = apis.may_change(api, viewer=viewer)
    data = request.POST if request.method == "POST" else None
    form = ApiForm(data, initial=form_values(api), viewer=viewer, registering=False)
    if request.method == "POST" and form.is_valid():
        try:
            api_changes.change(slug, values=form.values(), actor=person(request))
        except NotFound:
            raise
        except DomainError as error:
            form.take(error)
        else:
            messages.success(request, "Saved.")
            return redirect("catalog:api", slug=slug)
    return render(
        request,
        "catalog/edit.html",
        {"api": api, "form": form, "permission": permission},
        status=422 if form.is_bound else 200,
    )
