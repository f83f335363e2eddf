"""The system-of-record map and the dependency graph."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from catalog.selectors import graph, records
from catalog.web import links
from kernel import clock
from kernel.viewer import Viewer


@require_GET
def systems_of_record(request: HttpRequest) -> HttpResponse:
    """`?scope=channel:store` narrows, `?entity=price&group=base` opens the rail, `?focus=price-api` lights a path of the graph."""
    now = clock.now()
    dimension, _, value = request.GET.get("scope", "").partition(":")
    known = records.scopes()
    if (dimension, value) not in {(d, k) for d, k, _ in known}:
        dimension = value = ""
    base = {"scope": f"{dimension}:{value}"} if value else {}
    matrix = records.matrix(now, dimension=dimension, value=value)
    chosen = records.chosen(request.GET.get("entity", ""), request.GET.get("group") or None, now)
    if chosen is None and not request.GET.get("entity"):
        first = next((row for _, rows in matrix.sections for row in rows if not row.nobody), None)
        chosen = records.chosen(first.entity, first.group, now) if first else None
    url = reverse("catalog:systems-of-record")
    scopes = [{"label": "All scopes", "url": url, "current": not value}]
    scopes += [
        {"label": name, "url": f"{url}?{urlencode({'scope': f'{d}:{k}'})}", "current": (d, k) == (dimension, value)}
        for d, k, name in known
    ]
    focus = request.GET.get("focus", "")
    viewer = Viewer.of(request.user)
    context = {
        "matrix": matrix,
        "chosen": chosen,
        "scopes": scopes,
        "query": urlencode(base),
        "focus": graph.focusable(viewer, focus),
        "picture": graph.picture(viewer, focus=focus),
        "propose_url": links.propose("boundary.move", chosen.subject) if chosen else "",
        "width": max(1, len(matrix.columns)),
    }
    return render(request, "catalog/systems_of_record.html", context)


@require_GET
def dependencies(request: HttpRequest) -> HttpResponse:
    """`?focus=price-api` shows a path, `?q=price` what the words meet with its neighbours, `?column=process` a column as a list."""
    focus = request.GET.get("focus", "")
    q = " ".join(request.GET.get("q", "").replace("\x00", " ").split())[:100]
    chosen = request.GET.get("column", "")
    viewer = Viewer.of(request.user)
    if chosen in graph.COLUMNS:
        rows = graph.column(viewer, chosen, q=q)
        page = Paginator(rows, 100).get_page(request.GET.get("page"))
        context = {"page": page, "title": graph.COLUMNS[chosen], "column": chosen, "q": q}
        return render(request, "catalog/dependencies_list.html", context)
    drawn = {"picture": graph.picture(viewer, focus=focus, q=q), "focus": graph.focusable(viewer, focus), "q": q}
    return render(request, "catalog/dependencies.html", drawn)
