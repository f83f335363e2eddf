"""The dependency graph as a drawing, and each of its columns as a list."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from catalog.selectors import dependency_graph
from catalog.selectors.dependency_graph import COLUMNS
from catalog.web import graph_layout
from kernel.viewer import Viewer


def graph_context(viewer: Viewer, *, focus: str, q: str = "") -> dict[str, Any]:
    """What `_graph.html` prints: the graph, its drawing, and the API in focus."""
    graph = dependency_graph.graph(viewer, focus=focus, q=q)
    return {"graph": graph, "drawing": graph_layout.draw(graph), "focus": dependency_graph.focusable(viewer, focus)}


@require_GET
def dependencies(request: HttpRequest) -> HttpResponse:
    """`?focus=price-api` shows a path, `?q=price` what the words meet with its neighbours, `?column=process` a column
    as a list."""
    q = " ".join(request.GET.get("q", "").replace("\x00", " ").split())[:100]
    chosen = request.GET.get("column", "")
    viewer = Viewer.of(request.user)
    if chosen in COLUMNS:
        rows = dependency_graph.column(viewer, chosen, q=q)
        page = Paginator(rows, 100).get_page(request.GET.get("page"))
        context = {"page": page, "title": COLUMNS[chosen], "column": chosen, "q": q}
        return render(request, "catalog/dependencies_list.html", context)
    shown = graph_context(viewer, focus=request.GET.get("focus", ""), q=q)
    return render(request, "catalog/dependencies.html", {**shown, "q": q})
