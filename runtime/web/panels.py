"""Fragments for other rooms' pages, loaded by htmx: what a change deploys, and which integrations use an API."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from catalog.selectors import apis
from catalog.services import endpoints
from governance.domain.subject import Subject
from governance.selectors import sight
from kernel.errors import NotFound
from kernel.viewer import SYSTEM, Viewer
from runtime.domain import manifest as manifests
from runtime.selectors import destinations, integrations
from runtime.web import environment


@never_cache
@require_safe
def deploy(request: HttpRequest, key: str) -> HttpResponse:
    """What the change would deploy: source, targets, and how the mapping differs from the running release.

    `?digest=` and `?environment=` are those of the change; without a digest the newest release is shown. The panel is
    part of the change's page: for who sees the integration, and for the readers and deciders of a change about exactly
    this. It shows the manifest and no message.
    """
    place = environment.chosen(request)
    digest = request.GET.get("digest", "").replace("\0", "")[:71]
    viewer = Viewer.of(request.user)
    decides = bool(digest) and sight.reads_of(viewer, Subject("integration", key, digest), place)
    job = integrations.detail(SYSTEM if decides else viewer, key, place, digest=digest)
    if job is None or job.manifest is None or job.release is None:
        raise NotFound("release.unknown", f"There is no such release of {key!r}.")
    running = integrations.running(key, place)
    before = manifests.load(running.manifest) if running and running.digest != job.release.digest else None
    context = {
        "job": job,
        "running": running,
        "same": running is not None and running.digest == job.release.digest,
        "changes": integrations.mapping_changes(before, job.manifest) if before else [],
        "environment": place,
        "tables": integrations.mapping_tables(job.manifest),
    }
    return render(request, "runtime/_deploy_panel.html", context)


@never_cache
@require_safe
def of_api(request: HttpRequest, slug: str) -> HttpResponse:
    """Deployed integrations that call an API. To who may change the API, those that they may not see are counted and
    not named: its owner has to know whom a change reaches."""
    viewer = Viewer.of(request.user)
    found = integrations.of_api(viewer, slug)
    counted = apis.may_change_by_slug(slug, viewer=viewer)
    hidden = integrations.users_of_api(slug) - len({one["key"] for one in found}) if counted else 0
    return render(request, "runtime/_integrations_of_api.html", {"found": found, "hidden": hidden})


@never_cache
@require_safe
def destination(request: HttpRequest, subject: str) -> HttpResponse:
    """What runs over a system whose destination a change moves: the integrations that the viewer may see by name; how
    many there are beside, who may say where the system answers."""
    key, _, place = subject.partition("/")
    if "\0" in subject or not environment.is_known(place):
        raise NotFound("destination.unknown", f"There is no system and environment {subject[:120]!r}.")
    viewer = Viewer.of(request.user)
    told = endpoints.flows_told(viewer, endpoints.find(key, place)[0], place)
    keys = set(destinations.flows_over(key, place).values_list("integration__key", flat=True))
    rows = [row for row in integrations.listed(viewer, place) if row.key in keys]
    waiting = {one.integration for one in destinations.moved() if (one.system, one.environment) == (key, place)}
    context = {
        "rows": [(row, row.key in waiting) for row in rows],
        "others": max(told - len(rows), 0),
        "subject": subject,
        "environment": place,
    }
    return render(request, "runtime/_destination_panel.html", context)
