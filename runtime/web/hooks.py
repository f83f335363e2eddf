"""Addresses of webhooks on the page *Intake* of an integration."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from runtime.selectors.integrations import DeployedIntegration
from runtime.services import hook_states, hooks
from runtime.web.intake_actions import asked, shown

_SECRET = f"Its name on every web process: env:{hooks.SECRETS.prefix}SHOP, or file:shop in {hooks.SECRETS.folder}."


class HookForm(forms.Form):
    source = forms.ChoiceField(label="Source")
    secret_ref = forms.CharField(max_length=160, label="Secret", help_text=_SECRET)
    public_url = forms.CharField(
        required=False,
        max_length=500,
        label="Address as the vendor has it",
        help_text="Only where another host stands before this one.",
    )


class SecretForm(forms.Form):
    secret_ref = forms.CharField(max_length=160, label="Secret", help_text=_SECRET)
    old_secret_ref = forms.CharField(
        required=False, max_length=160, label="Also believed", help_text="The one before, while the vendor changes it."
    )


def context(job: DeployedIntegration) -> dict[str, Any]:
    sources = job.manifest.sources if job.manifest else []
    states = hook_states.states(job.integration, job.environment, sources)
    taken = {one.hook.source for one in states}
    free = [one.name for one in sources if one.webhook is not None and one.name not in taken]
    form = HookForm()
    form.fields["source"].choices = [(name, name) for name in free]  # type: ignore[attr-defined]
    rows = [
        (
            one,
            SecretForm(
                initial={"secret_ref": one.hook.secret_ref, "old_secret_ref": one.hook.old_secret_ref},
                auto_id=f"id_{one.hook.pk}_%s",
            ),
        )
        for one in states
    ]
    return {"hooks": rows, "hook_form": form if free and job.deployed else None}


@require_POST
def make(request: HttpRequest, key: str) -> HttpResponse:
    actor, integration, place = asked(request, key)
    given = {name: request.POST.get(name, "").replace("\0", "") for name in ("source", "secret_ref", "public_url")}
    hooks.make(integration, place, actor=actor, **given)
    return shown(key, place)


@require_POST
def change_secret(request: HttpRequest, key: str, hook_id: int) -> HttpResponse:
    actor, integration, place = asked(request, key)
    given = {name: request.POST.get(name, "").replace("\0", "") for name in ("secret_ref", "old_secret_ref")}
    hooks.change_secret(hook_id, integration, actor=actor, **given)
    return shown(key, place)


@require_POST
def end(request: HttpRequest, key: str, hook_id: int) -> HttpResponse:
    actor, integration, place = asked(request, key)
    hooks.end(hook_id, integration, actor=actor)
    return shown(key, place)
