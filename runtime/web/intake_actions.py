"""What the forms of the page *Intake* share."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from kernel.errors import NotFound
from kernel.models import User
from kernel.viewer import Viewer
from runtime import permissions
from runtime.models import Integration
from runtime.web import environment


def asked(request: HttpRequest, key: str) -> tuple[User, Integration, str]:
    """Who asks, about which integration, in which environment. Raises NotFound for one that the viewer may not see."""
    viewer = Viewer.of(request.user)
    found = permissions.visible(viewer).select_related("owner_team").filter(key=key).first()
    if found is None:
        raise NotFound("integration.unknown", f"There is no integration {key!r}, or you may not see it.")
    return viewer.user, found, environment.chosen(request)


def shown(key: str, place: str) -> HttpResponse:
    query = f"?{urlencode({'environment': place})}" if place != environment.DEFAULT else ""
    return redirect(reverse("runtime:integration-view", args=[key, "intake"]) + query)
