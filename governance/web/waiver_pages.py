"""Waivers: those asked for and granted, what each is for and whether it still holds; and the form that asks for one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from catalog.selectors import systems
from governance.domain import limits
from governance.domain.subject import Subject
from governance.models import Waiver
from governance.selectors import sight, waiver_standings
from governance.selectors.waiver_standings import WaiverStanding
from governance.services import waivers
from governance.web import subject_words, tones
from governance.web.decisions import person
from kernel import clock
from kernel.bounded_pages import BoundedPages
from kernel.errors import DomainError, finding
from kernel.ui.fields import UtcMomentField
from kernel.viewer import Viewer


class WaiverForm(forms.Form):
    rule = forms.CharField(
        label="Rule",
        max_length=100,
        help_text="The rule id as the finding shows it, such as contract.response-property-removed",
    )
    pointer = forms.CharField(
        label="Place",
        max_length=500,
        required=False,
        help_text="The JSON Pointer of the finding; empty for the whole document",
    )
    subject_kind = forms.ChoiceField(label="About")
    subject_id = forms.CharField(
        label="Reference",
        max_length=200,
        help_text="As its page shows it: a version such as price-api@v3, an integration such as sales",
    )
    subject_digest = forms.CharField(
        label="Digest",
        max_length=71,
        required=False,
        help_text="The exact content that it is for: sha256: and 64 hex digits. Empty for what has the finding now",
    )
    application = forms.CharField(
        label="Application that may pass",
        max_length=200,
        required=False,
        help_text="For a rule of the gate: exactly one application. Empty for a finding of a change",
    )
    environment = forms.ChoiceField(label="Environment")
    reason = forms.CharField(label="Reason", widget=forms.Textarea(attrs={"rows": 3}))
    expires_at = UtcMomentField(label="Until", help_text=f"At most {limits.WAIVER_DAYS} days away")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        fields["subject_kind"].choices = subject_words.choices()
        fields["environment"].choices = [(key, name) for key, name, *_ in systems.environments()]


@require_http_methods(["GET", "HEAD", "POST"])
def waiver_list(request: HttpRequest) -> HttpResponse:
    """Waivers in force first; below them a form that asks for one."""
    asked = ("rule", "pointer", "subject_kind", "subject_id", "subject_digest", "application")
    start = {key: request.GET.get(key, "") for key in asked}
    start["subject_kind"] = start["subject_kind"] or "version"
    start["environment"] = request.GET.get("environment", "production")
    form = WaiverForm(request.POST or None, initial=start)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            values = dict(form.cleaned_data)
            subject = Subject(*(values.pop(f"subject_{part}") for part in ("kind", "id", "digest")))
            try:
                change = waivers.propose(actor=person(request), subject=subject, **values)
                return redirect("governance:change", change.pk)
            except DomainError as error:
                for found in error.findings or [finding("", error.message)]:
                    name = found["pointer"].strip("/")
                    form.add_error(name if name in form.fields else None, found["message"])
    now, viewer = clock.now(), Viewer.of(request.user)
    seen = sight.waivers(viewer).select_related("requested_by").order_by("-pk")
    page = BoundedPages(seen, 50, request.GET.get("before")).get_page(request.GET.get("page"))
    standing = waiver_standings.standings(list(page.object_list), viewer)
    rows = [
        {
            "waiver": w,
            "standing": standing[w.pk],
            "tone": tones.WAIVERS[_waiver_state(w, standing[w.pk], now)],
            "live": w.state == "granted" and w.expires_at > now,
            "may_revoke": waivers.may_revoke(viewer, w),
            "revoke_id": f"revoke-{w.pk}",
        }
        for w in page.object_list
    ]
    rows.sort(key=lambda row: not row["live"])
    return render(
        request,
        "governance/waivers.html",
        {"form": form, "rows": rows, "page": page, "asking": bool(request.GET.get("rule")), "days": limits.WAIVER_DAYS},
        status=status,
    )


def _waiver_state(waiver: Waiver, standing: WaiverStanding, now: datetime) -> str:
    if waiver.state != Waiver.State.GRANTED:
        return waiver.state
    return "expired" if waiver.expires_at <= now else "lapsed" if standing.lapsed else waiver.state


@require_POST
def revoke_waiver(request: HttpRequest, waiver_id: int) -> HttpResponse:
    waivers.revoke(waiver_id, actor=person(request), reason=request.POST.get("reason", ""))
    messages.success(request, "Revoked. The rule holds again.")
    return redirect("governance:waivers")
