"""The page *Intake* of an integration: where messages are handed in, and who may."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from kernel.viewer import Viewer
from runtime import permissions
from runtime.selectors.integrations import DeployedIntegration
from runtime.services import intake_grants
from runtime.web import hooks
from runtime.web.intake_actions import asked, shown


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
        **hooks.context(job),
    }


@require_POST
def grant(request: HttpRequest, key: str) -> HttpResponse:
    actor, integration, place = asked(request, key)
    form = GrantForm({name: request.POST.get(name, "").strip().replace("\0", "") for name in ("account", "team")})
    form.full_clean()
    given = {name: str(form.data[name]) for name in ("account", "team")}
    intake_grants.grant(integration, place, account=given["account"], team=given["team"], actor=actor)
    return shown(key, place)


@require_POST
def revoke(request: HttpRequest, key: str, grant_id: int) -> HttpResponse:
    actor, integration, place = asked(request, key)
    intake_grants.revoke(grant_id, integration, actor=actor)
    return shown(key, place)
