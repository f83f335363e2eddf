"""The page of the systems of record: which system owns which data, and the graph of what depends on what."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from catalog.selectors import record_matrix
from catalog.selectors.record_matrix import ChosenRecord, RecordMatrix
from catalog.web import links
from catalog.web.dependencies import graph_context
from kernel import clock
from kernel.viewer import Viewer


@require_GET
def systems_of_record(request: HttpRequest) -> HttpResponse:
    """`?scope=channel:store` narrows, `?entity=price&group=base` opens the rail, `?focus=price-api` lights a path of
    the graph."""
    now, viewer = clock.now(), Viewer.of(request.user)
    dimension, _, value = request.GET.get("scope", "").partition(":")
    known = record_matrix.scopes()
    if (dimension, value) not in {(d, k) for d, k, _ in known}:
        dimension = value = ""
    matrix = record_matrix.matrix(now, viewer=viewer, dimension=dimension, value=value)
    chosen = _chosen(request, matrix, now)
    context = {
        "matrix": matrix,
        "chosen": chosen,
        "scopes": _scope_links(known, dimension, value),
        "query": urlencode({"scope": f"{dimension}:{value}"} if value else {}),
        "propose_url": links.propose("boundary.move", chosen.subject) if chosen else "",
        "width": max(1, len(matrix.columns)),
        **graph_context(viewer, focus=request.GET.get("focus", "")),
    }
    return render(request, "catalog/systems_of_record.html", context)


def _chosen(request: HttpRequest, matrix: RecordMatrix, now: datetime) -> ChosenRecord | None:
    """What the address names; without a name the first row that has a system of record."""
    viewer = Viewer.of(request.user)
    found = record_matrix.chosen(request.GET.get("entity", ""), request.GET.get("group") or None, now, viewer=viewer)
    if found is not None or request.GET.get("entity"):
        return found
    first = next((row for _, rows in matrix.sections for row in rows if not row.nobody), None)
    return record_matrix.chosen(first.entity, first.group, now, viewer=viewer) if first else None


def _scope_links(known: list[tuple[str, str, str]], dimension: str, value: str) -> list[dict[str, Any]]:
    url = reverse("catalog:systems-of-record")
    made = [{"label": "All scopes", "url": url, "current": not value}]
    return made + [
        {"label": name, "url": f"{url}?{urlencode({'scope': f'{d}:{k}'})}", "current": (d, k) == (dimension, value)}
        for d, k, name in known
    ]
