"""Which environment a page shows: from the address, production without one."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from catalog.selectors import systems
from kernel.errors import NotFound

DEFAULT = "production"


def chosen(request: HttpRequest) -> str:
    """The key of a known environment. Raises NotFound for any other word."""
    key = request.GET.get("environment") or request.POST.get("environment") or DEFAULT
    if not is_known(key):
        raise NotFound("environment.unknown", "There is no such environment.")
    return key


def is_known(key: str) -> bool:
    return key == DEFAULT or key in {known for known, _, _ in systems.environments()}


def segments(request: HttpRequest, current: str) -> list[dict[str, Any]]:
    """A switch between environments that keeps the rest of the address."""
    known = [(key, name) for key, name, _ in systems.environments()] or [(DEFAULT, "Production")]
    made = []
    for key, name in sorted(known, key=lambda one: one[0] != DEFAULT):
        query = request.GET.copy()
        for gone in ("environment", "group", "before", "store"):
            query.pop(gone, None)
        if key != DEFAULT:
            query["environment"] = key
        made.append({"label": name, "url": f"?{query.urlencode()}", "current": key == current})
    return made
