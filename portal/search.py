"""The search box at the top: APIs by words, a change by its number, anything by the beginning of its digest.

A room that has more to offer brings `find(viewer, text, *, limit) -> Iterable[kernel.hits.Hit]` in its `web/search.py`.
"""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from kernel.hits import Hit
from kernel.viewer import Viewer
from portal.shell import ROOMS, address

LIMIT = 20
MAX_LENGTH = 200
_NUMBER = re.compile(r"#?(\d{1,12})")


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """One hit opens at once where the text names a thing exactly; everything else is a list by kind."""
    text = " ".join(request.GET.get("q", "").replace("\x00", " ").split())[:MAX_LENGTH]
    if number := _NUMBER.fullmatch(text):
        change = address("governance:change", int(number[1]))
        if change and text.startswith("#"):
            return redirect(change)
    hits = find(Viewer.of(request.user), text) if text else []
    if len(hits) == 1 and hits[0].exact:
        return redirect(hits[0].url)
    kinds: dict[str, list[Hit]] = {}
    for hit in hits:
        kinds.setdefault(hit.kind, []).append(hit)
    return render(request, "portal/search.html", {"q": text, "kinds": kinds, "total": len(hits)})


def find(viewer: Viewer, text: str) -> list[Hit]:
    found: list[Hit] = []
    for room in ROOMS:
        provider = _provider(room)
        if provider is not None:
            found += list(provider.find(viewer, text, limit=LIMIT))[:LIMIT]
    return found


def _provider(room: str) -> Any:
    name = f"{room}.web.search"
    return import_module(name) if find_spec(name) else None
