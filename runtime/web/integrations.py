"""Integrations: the list, one of them with its gate, mapping, releases and runs, and what a person may do with it."""

from __future__ import annotations

from typing import Any

import yaml
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from catalog.selectors import systems
from governance.domain.subject import Subject
from governance.services import approvals
from kernel.errors import Conflict, NotApproved, NotFound
from kernel.viewer import Permission, Viewer
from runtime import permissions
from runtime.selectors import connection_faults, lane_changes, runs, schedules, service_levels, unused_fields
from runtime.selectors import integrations as selectors
from runtime.selectors.integrations import DeployedIntegration
from runtime.services import deployments
from runtime.services import runs as run_services
from runtime.web import environment, intake_grants

VIEWS = (
    ("", "Overview"),
    ("mapping", "Mapping"),
    ("releases", "Releases"),
    ("runs", "Runs"),
    ("intake", "Intake"),
    ("manifest", "Manifest"),
)


@require_safe
def integrations(request: HttpRequest) -> HttpResponse:
    viewer, place = Viewer.of(request.user), environment.chosen(request)
    text = (request.GET.get("q") or "").replace("\0", "").strip()[:100]
    context = {
        "environment": place,
        "environments": environment.segments(request, place),
        "jobs": selectors.listed(viewer, place, text=text),
        "text": text,
    }
    return render(request, "runtime/integrations.html", context)


@never_cache
@require_safe
def integration(request: HttpRequest, key: str, view: str = "") -> HttpResponse:
    viewer, place = Viewer.of(request.user), environment.chosen(request)
    if view not in dict(VIEWS):
        raise NotFound("page.not_found", "There is no such view of an integration.")
    job = _found(viewer, key, place, digest=request.GET.get("release", "").replace("\0", "")[:71])
    context = _context(request, viewer, job, view) | _MORE.get(view, _nothing)(viewer, job)
    return render(request, f"runtime/integration_{view or 'overview'}.html", context)


def _found(viewer: Viewer, key: str, place: str, *, digest: str = "") -> DeployedIntegration:
    job = selectors.detail(viewer, key, place, digest=digest)
    if job is None:
        raise NotFound("integration.unknown", f"There is no integration {key!r}, or you may not see it.")
    return job


def _context(request: HttpRequest, viewer: Viewer, job: DeployedIntegration, view: str) -> dict[str, Any]:
    query = f"?{urlencode({'environment': job.environment})}" if job.environment != environment.DEFAULT else ""
    urls = {name: _url(job, name) + query for name, _ in VIEWS}
    tabs = [{"label": label, "url": urls[name], "current": name == view} for name, label in VIEWS]
    operate = permissions.may_operate(viewer, job.integration)
    return {
        "job": job,
        "integration": job.integration,
        "environment": job.environment,
        "environments": environment.segments(request, job.environment),
        "query": query,
        "tabs": tabs,
        "operate": operate,
        "may": _actions(viewer, job, operate),
        "change_url": change_url(job.integration.key, job.environment, job.release.digest if job.release else ""),
    }


def _url(job: DeployedIntegration, view: str) -> str:
    key = job.integration.key
    return reverse("runtime:integration-view", args=[key, view]) if view else reverse("runtime:integration", args=[key])


def change_url(key: str, place: str, digest: str) -> str:
    """The page that opens a change for this release of an integration."""
    subject = f"{key}@{digest}" if digest else key
    query = urlencode({"kind": "integration.deploy", "subject": subject, "environment": place})
    return f"{reverse('governance:new-change')}?{query}"


def _actions(viewer: Viewer, job: DeployedIntegration, operate: Permission) -> dict[str, Permission]:
    """What may be done now, each with its reason where not."""
    running = job.deployed
    there = operate if running else operate and Permission(False, f"Nothing is deployed in {job.environment}.")
    manifest = job.manifest
    collects = bool(manifest and any(source.connection for source in manifest.sources))
    may: dict[str, Permission] = {
        "deploy": _may_deploy(viewer, job, operate),
        "pause": there,
        "resume": there,
        "start": there,
    }
    approved = job.release and job.release.approval_for(job.environment)
    elsewhere = bool(job.release and not (job.deployed and job.deployed.digest == job.release.digest))
    may["propose"] = operate and Permission(elsewhere and not (approved and approved.valid))
    if running and running.paused:
        may["pause"] = Permission(False, "It is paused already.")
        may["start"] = there and Permission(False, "It is paused. Resume it first.")
    elif running:
        may["resume"] = Permission(False, "It is not paused.")
    if may["start"] and not collects:
        may["start"] = Permission(False, "Its messages come by intake; there is no source to collect from.")
    if may["start"] and job.gate is not None and not job.gate.permitted:
        may["start"] = Permission(False, f"The gate is closed. {job.gate.says}")
    return may


def _may_deploy(viewer: Viewer, job: DeployedIntegration, operate: Permission) -> Permission:
    """The same question as the deployment asks, so that the button says what the deployment would answer."""
    if not operate:
        return operate
    if job.release is None:
        return Permission(False, "There is no release yet. Register a manifest.")
    if job.deployed and job.deployed.digest == job.release.digest:
        return Permission(False, "This release is deployed here.")
    try:
        approval_of(job, viewer)
    except NotApproved as error:
        return Permission(False, " ".join(str(one["message"]) for one in error.unmet) or error.message)
    return Permission(True)


def approval_of(job: DeployedIntegration, viewer: Viewer) -> Any:
    """The approval that lets the chosen release into this environment. Raises NotApproved."""
    assert job.release is not None
    key, digest = job.integration.key, job.release.digest
    return approvals.require(Subject("integration", key, digest), digest, job.environment, actor=viewer.user)


def _nothing(viewer: Viewer, job: DeployedIntegration) -> dict[str, Any]:
    return {}


def _names() -> dict[str, str]:
    return {one.key: one.name for one in systems.all_systems()}


def _overview(viewer: Viewer, job: DeployedIntegration) -> dict[str, Any]:
    key, manifest, names = job.integration.key, job.manifest, _names()
    return {
        "names": names,
        "faults": connection_faults.listed(viewer, job.environment, integration=key),
        "may_probe": permissions.may_operate(viewer, job.integration),
        "back": _url(job, ""),
        "lanes": lane_changes.of(key, job.environment),
        "levels": service_levels.listed(viewer, job.environment, integration=key) if job.deployed else [],
        "sources": {
            target.name: names.get(manifest.source_of(target).system, manifest.source_of(target).system)
            for target in manifest.targets
        }
        if manifest
        else {},
        "runs": runs.latest(viewer, integration=key, environment=job.environment, limit=5),
        "schedules": schedules.listed(viewer, integration=key, environment=job.environment),
        "behind": [
            one
            for one in job.targets
            if one.backlog.on_the_way or one.backlog.for_person or (one.gate and not one.gate.open)
        ],
    }


def _mapping(viewer: Viewer, job: DeployedIntegration) -> dict[str, Any]:
    if job.manifest is None:
        return {"tables": [], "unused": [], "names": _names()}
    return {
        "tables": selectors.mapping_tables(job.manifest),
        "unused": unused_fields.of_flow(job.manifest, job.environment),
        "names": _names(),
    }


def _runs(viewer: Viewer, job: DeployedIntegration) -> dict[str, Any]:
    return {"runs": runs.latest(viewer, integration=job.integration.key, environment=job.environment, limit=50)}


def _manifest(viewer: Viewer, job: DeployedIntegration) -> dict[str, Any]:
    return {"text": yaml.safe_dump(dict(job.document), sort_keys=False, allow_unicode=True, width=110)}


_MORE = {"": _overview, "mapping": _mapping, "runs": _runs, "intake": intake_grants.context, "manifest": _manifest}


# -- actions -----------------------------------------------------------------------------------------------------------
def _back(key: str, place: str, view: str = "") -> HttpResponse:
    query = f"?{urlencode({'environment': place})}" if place != environment.DEFAULT else ""
    address = (
        reverse("runtime:integration-view", args=[key, view]) if view else reverse("runtime:integration", args=[key])
    )
    return redirect(address + query)


def _operated(request: HttpRequest, key: str) -> tuple[Viewer, DeployedIntegration]:
    """The integration for an action. Raises NotFound when the viewer may not see it, Forbidden when not operate it."""
    viewer, place = Viewer.of(request.user), environment.chosen(request)
    job = _found(viewer, key, place, digest=request.POST.get("release", "").replace("\0", "")[:71])
    permissions.require_operate(viewer, job.integration, outcome="Nothing was changed.")
    return viewer, job


@require_POST
def deploy(request: HttpRequest, key: str) -> HttpResponse:
    """Deploy the approved release that the page showed. `kind=rollback` for one that ran here before."""
    viewer, job = _operated(request, key)
    if job.release is None:
        raise NotFound("release.unknown", "There is no such release. Nothing was deployed.")
    approval = approval_of(job, viewer)
    act = deployments.rollback if request.POST.get("kind") == "rollback" else deployments.deploy
    act(key, approval=approval, actor=viewer.user)
    return _back(key, job.environment)


@require_POST
def pause(request: HttpRequest, key: str) -> HttpResponse:
    viewer, job = _operated(request, key)
    reason = request.POST.get("reason", "").replace("\0", "").strip()[:500]
    deployments.pause(key, job.environment, reason=reason, actor=viewer.user)
    return _back(key, job.environment)


@require_POST
def resume(request: HttpRequest, key: str) -> HttpResponse:
    viewer, job = _operated(request, key)
    deployments.resume(key, job.environment, actor=viewer.user)
    return _back(key, job.environment)


@require_POST
def start(request: HttpRequest, key: str) -> HttpResponse:
    """Start collecting now; while a run collects, its page is the answer; of several sources, the list of runs."""
    viewer, job = _operated(request, key)
    allowed = _actions(viewer, job, Permission(True))["start"]
    if not allowed:
        raise Conflict("run.not_startable", f"{allowed.reason} Nothing was started.")
    found = run_services.start_each(
        key,
        job.environment,
        trigger="manual",
        actor=viewer.user,
        waive_limit=request.POST.get("waive_limit") == "yes",
        source=request.POST.get("source", "").replace("\0", "")[:80],
    )
    if len(found) > 1:
        return _back(key, job.environment, "runs")
    return redirect("runtime:run", found[0][0].pk)
