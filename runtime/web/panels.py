"""Fragments for other rooms' pages, loaded by htmx: what a change deploys, and which integrations use an API."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from catalog.selectors import systems
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
    part of the change's page, for all its readers and deciders; it shows the manifest and no message.
    """
    place = environment.chosen(request)
    digest = request.GET.get("digest", "").replace("\0", "")[:71]
    job = integrations.detail(SYSTEM, key, place, digest=digest)
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
    """Deployed integrations that call an API. Those that the viewer may not see are counted and not named."""
    viewer = Viewer.of(request.user)
    found = integrations.of_api(viewer, slug)
    hidden = integrations.users_of_api(slug) - len({one["key"] for one in found})
    return render(request, "runtime/_integrations_of_api.html", {"found": found, "hidden": hidden})


@never_cache
@require_safe
def destination(request: HttpRequest, subject: str) -> HttpResponse:
    """What runs over a system whose destination a change moves: the integrations that the viewer may see by name."""
    key, _, place = subject.partition("/")
    if systems.by_key(key) is None or not environment.is_known(place):
        raise NotFound("destination.unknown", f"There is no system and environment {subject[:120]!r}.")
    keys = set(destinations.flows_over(key, place).values_list("integration__key", flat=True))
    rows = [row for row in integrations.listed(Viewer.of(request.user), place) if row.key in keys]
    waiting = {one.integration for one in destinations.moved() if (one.system, one.environment) == (key, place)}
    context = {
        "rows": [(row, row.key in waiting) for row in rows],
        "others": len(keys) - len(rows),
        "subject": subject,
        "environment": place,
    }
    return render(request, "runtime/_destination_panel.html", context)
