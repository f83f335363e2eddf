"""The page *Intake* of an integration: where messages are handed in, and who may."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from kernel.errors import NotFound
from kernel.models import User
from kernel.viewer import Viewer
from runtime import permissions
from runtime.models import Integration
from runtime.selectors.integrations import DeployedIntegration
from runtime.services import intake_grants
from runtime.web import environment


class GrantForm(forms.Form):
    """Exactly one of the two."""

    account = forms.CharField(
        required=False, max_length=150, label="Account", help_text="The user name of a service account: till-0187."
    )
    team = forms.CharField(required=False, max_length=80, label="or team", help_text="Every account in it may hand in.")


def context(viewer: Viewer, job: DeployedIntegration) -> dict[str, Any]:
    manifest = job.manifest
    return {
        "grants": intake_grants.grants_of(job.integration, job.environment),
        "may_grant": permissions.may_grant_intake(viewer, job.integration),
        "form": GrantForm(),
        "address": reverse("runtime-api:intake", args=[job.integration.key]),
        "pushed": [one.name for one in manifest.sources] if manifest and manifest.event.key else [],
    }


@require_POST
def grant(request: HttpRequest, key: str) -> HttpResponse:
    actor, integration, place = _asked(request, key)
    form = GrantForm({name: request.POST.get(name, "").strip().replace("\0", "") for name in ("account", "team")})
    form.full_clean()
    given = {name: str(form.data[name]) for name in ("account", "team")}
    intake_grants.grant(integration, place, account=given["account"], team=given["team"], actor=actor)
    return _shown(key, place)


@require_POST
def revoke(request: HttpRequest, key: str, grant_id: int) -> HttpResponse:
    actor, integration, place = _asked(request, key)
    intake_grants.revoke(grant_id, integration, actor=actor)
    return _shown(key, place)


def _asked(request: HttpRequest, key: str) -> tuple[User, Integration, str]:
    viewer = Viewer.of(request.user)
    found = permissions.visible(viewer).select_related("owner_team").filter(key=key).first()
    if found is None:
        raise NotFound("integration.unknown", f"There is no integration {key!r}, or you may not see it.")
    return viewer.user, found, environment.chosen(request)


def _shown(key: str, place: str) -> HttpResponse:
    query = f"?{urlencode({'environment': place})}" if place != environment.DEFAULT else ""
    return redirect(reverse("runtime:integration-view", args=[key, "intake"]) + query)
