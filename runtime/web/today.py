"""The first page of the runtime: the business first, the infrastructure below."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from catalog.selectors import systems
from kernel import clock
from kernel.viewer import Viewer
from runtime.selectors import connection_faults, dead_letters, flows, infrastructure, vendors
from runtime.selectors import recovery as recoveries
from runtime.web import environment, flow_map


@never_cache
@require_safe
def today(request: HttpRequest) -> HttpResponse:
    viewer, place = Viewer.of(request.user), environment.chosen(request)
    found = flows.today(viewer, place)
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "runtime/_flows.html", {"flows": found, "environment": place})
    state, faults = infrastructure.state(viewer, place), connection_faults.listed(viewer, place)
    context = {
        "environment": place,
        "environments": environment.segments(request, place),
        "day": timezone.localtime(clock.now()),
        "flows": found,
        "tone": flows.summary(found),
        "map": flow_map.draw(found, systems.all_systems()),
        "groups": dead_letters.groups(viewer, place)[:8],
        "flows_held": [flow for flow in found if flow.waits_for_people],
        "systems": vendors.by_system(vendors.listed(viewer, place)),
        "closed_gates": [(flow, gate) for flow in found if (gate := flow.first_closed_gate)],
        "infrastructure": state,
        "recovery": recoveries.state(viewer),
        "settled": dead_letters.settled_today(viewer, place),
        "faults": faults,
        "open": sum(flow.for_person for flow in found) + len(faults),
        "failed": sum(flow.for_person for flow in found),
    }
    return render(request, "runtime/today.html", context)
