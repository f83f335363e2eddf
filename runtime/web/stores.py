"""Stores: all instances of fleet targets as a grid, those that need attention as a list, and all as a table."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from catalog.selectors import systems
from kernel.viewer import Viewer
from runtime.selectors import stores as selectors
from runtime.selectors.stores import Store, StoreFlow
from runtime.web import environment

PAGE = 100


@never_cache
@require_safe
def stores(request: HttpRequest) -> HttpResponse:
    viewer, place = Viewer.of(request.user), environment.chosen(request)
    fleet = selectors.fleet(viewer, place)
    abnormal = sorted(
        (one for one in fleet if not one.normal), key=lambda one: (one.tone.tone != "stop", -one.lag.total_seconds())
    )
    wanted, everything = request.GET.get("store", ""), request.GET.get("show") == "all"
    chosen = next((one for one in fleet if one.name == wanted), abnormal[0] if abnormal and not wanted else None)
    context = {
        "environment": place,
        "environments": environment.segments(request, place),
        "fleet": fleet,
        "central_degraded": _central_degraded(fleet),
        "normal": len(fleet) - len(abnormal),
        "stopped": sum(1 for one in fleet if one.tone.tone == "stop"),
        "degraded": sum(1 for one in fleet if one.tone.tone == "wait"),
        "rows": selectors.in_rows(fleet),
        "abnormal": abnormal,
        "chosen": chosen,
        "unknown_store": bool(wanted) and chosen is None,
        "everything": everything,
        "page": Paginator(fleet if everything else abnormal, PAGE).get_page(request.GET.get("page")),
        "names": {one.key: one.name for one in systems.all_systems()},
    }
    return render(request, "runtime/stores.html", context)


def _central_degraded(fleet: Sequence[Store]) -> list[StoreFlow]:
    """Flows that all stores of a system share and that are down: said once, not in every cell of the grid."""
    found = {one.flow.key: one for store in fleet for one in store.central if one.operating_state.degraded}
    return list(found.values())
