"""The search box at the top: APIs by words, a change by its number, anything by the beginning of its digest.

A room takes part with `find(viewer, text, *, limit) -> Iterable[SearchResult]` in `<room>/web/search.py`.
"""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from kernel.search_results import SearchResult
from kernel.viewer import Viewer
from portal.navigation import ROOMS, address

LIMIT = 20
MAX_LENGTH = 200
_NUMBER = re.compile(r"#?(\d{1,12})")


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """A text that names one thing exactly opens it at once; everything else is a list by kind."""
    text = " ".join(request.GET.get("q", "").replace("\x00", " ").split())[:MAX_LENGTH]
    if number := _NUMBER.fullmatch(text):
        change = address("governance:change", int(number[1]))
        if change and text.startswith("#"):
            return redirect(change)
    results = find(Viewer.of(request.user), text) if text else []
    if len(results) == 1 and results[0].exact:
        return redirect(results[0].url)
    kinds: dict[str, list[SearchResult]] = {}
    for result in results:
        kinds.setdefault(result.kind, []).append(result)
    return render(request, "portal/search.html", {"q": text, "kinds": kinds, "total": len(results)})


def find(viewer: Viewer, text: str) -> list[SearchResult]:
    found: list[SearchResult] = []
    for room in ROOMS:
        provider = _provider(room)
        if provider is not None:
            found += list(provider.find(viewer, text, limit=LIMIT))[:LIMIT]
    return found


def _provider(room: str) -> Any:
    name = f"{room}.web.search"
    return import_module(name) if find_spec(name) else None
