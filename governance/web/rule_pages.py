"""Policies with explain and preview, break-glass."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from catalog.selectors import systems
from governance import permissions
from governance.domain import emergency, kinds, limits
from governance.domain.policy import ChangeProfile
from governance.domain.subject import Subject
from governance.models import Approval, BreakGlass, Policy
from governance.selectors import policies as selectors
from governance.selectors import sight, waiver_standings
from governance.services import breakglass, policies
from governance.web import policy_words, subject_words, tones
from governance.web.decisions import person
from kernel import clock, persons
from kernel.errors import DomainError, Invalid, NotFound, finding
from kernel.strict_json import loads
from kernel.ui import tones as kernel_tones
from kernel.ui.wording import counted
from kernel.viewer import Viewer


# -- policies --------------------------------------------------------------------------------------------------------
class ExplainForm(forms.Form):
    """A situation to be explained. Left empty means unknown."""

    kind = forms.ChoiceField(label="Kind of change")
    environment = forms.ChoiceField(label="Environment")
    tier = forms.TypedChoiceField(
        label="SLA tier",
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", "unknown"), *((n, f"Tier {n}") for n in range(4))],
    )
    data_class = forms.ChoiceField(
        label="Data",
        required=False,
        choices=[("", "unknown"), *((c, c) for c in ("public", "internal", "personal", "cardholder"))],
    )
    consumers = forms.IntegerField(label="Consumers", required=False, min_value=0, max_value=10**6)
    breaking = forms.IntegerField(label="Breaking differences", required=False, min_value=0, max_value=10**6)
    entities = forms.CharField(label="Entities", required=False, max_length=500, help_text="such as price order/lines")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        fields["kind"].choices = [(k.key, k.label) for k in kinds.all_kinds()]
        fields["environment"].choices = [(key, name) for key, name, *_ in systems.environments()]


@require_safe
def policy_list(request: HttpRequest) -> HttpResponse:
    """Every level's policy in force, its rules in words, and the explain box."""
    form = ExplainForm(request.GET if "kind" in request.GET else None, initial={"environment": "production"})
    explained = error = None
    if form.is_bound and form.is_valid():
        values = form.cleaned_data
        profile = ChangeProfile(
            values["kind"],
            values["environment"],
            values["tier"],
            values["data_class"] or None,
            tuple(values["entities"].split()),
            values["consumers"],
            values["breaking"],
        )
        try:
            explained = policies.explain_profile(profile)
        except DomainError as problem:
            error = problem
    versions = selectors.all_versions()
    context = {
        "form": form,
        "explained": explained,
        "error": error,
        "active": [(p, _rules(p)) for p in versions if p.state == Policy.State.ACTIVE],
        "explained_slots": [(slot, policy_words.people(slot.key, slot.count)) for slot in explained.slots]
        if explained
        else [],
        "versions": [{"policy": p, "tone": tones.POLICIES[p.state]} for p in versions],
        "may_propose": permissions.may_propose_policy(Viewer.of(request.user)),
    }
    return render(request, "governance/policies.html", context)


@require_safe
def policy_detail(request: HttpRequest, policy_id: int) -> HttpResponse:
    """One version: its rules, its document, and for a draft what it would flip."""
    version = Policy.objects.select_related("author").filter(pk=policy_id).first()
    if version is None:
        raise NotFound("policy.unknown", "There is no such policy.")
    viewer, is_draft = Viewer.of(request.user), version.state == Policy.State.DRAFT
    flips = policies.preview(version.level, version.document, viewer=viewer) if is_draft else None
    text = json.dumps(version.document, indent=2, ensure_ascii=False)
    context = {
        "policy": version,
        "tone": tones.POLICIES[version.state],
        "flips": flips,
        "text": text,
        "rules": _rules(version),
    }
    return render(request, "governance/policy.html", context)


def _rules(policy: Policy) -> list[dict[str, Any]]:
    return policy_words.rules(
        policy.document.get("rules", []), {kind.key: kind.label.lower() for kind in kinds.all_kinds()}
    )


class PolicyForm(forms.Form):
    level = forms.CharField(label="Level", max_length=80, help_text="organisation, domain:<key> or team:<key>")
    document = forms.CharField(
        label="Document",
        widget=forms.Textarea(attrs={"rows": 22, "class": "mono", "spellcheck": "false"}),
        max_length=200_000,
    )
    title = forms.CharField(label="Title of the change", max_length=200)
    justification = forms.CharField(label="Why", widget=forms.Textarea(attrs={"rows": 3}))
    environment = forms.ChoiceField(label="Environment")
    summary = forms.CharField(label="Summary", max_length=200, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        fields["environment"].choices = [(key, name) for key, name, *_ in systems.environments()]

    def clean_document(self) -> Any:
        try:
            return loads(self.cleaned_data["document"].encode())
        except DomainError as error:
            raise forms.ValidationError(error.message) from error


@require_http_methods(["GET", "HEAD", "POST"])
def new_policy(request: HttpRequest) -> HttpResponse:
    """Write a version, look at what it would flip, then propose it."""
    level = request.GET.get("level", "organisation")[:80].replace("\x00", "")
    present = selectors.present(level)
    if request.method != "POST":
        start = {
            "level": level,
            "document": json.dumps(present.document, indent=2, ensure_ascii=False) if present else "",
            "environment": "production",
            "title": f"New policy of the {level}",
        }
        return render(request, "governance/new_policy.html", {"form": PolicyForm(initial=start)})
    form = PolicyForm(request.POST)
    flips = None
    if form.is_valid():
        values = form.cleaned_data
        try:
            if "preview" in request.POST:
                flips = policies.preview(values["level"], values["document"], viewer=Viewer.of(request.user))
            else:
                now = clock.now()
                change = policies.propose(
                    author=person(request),
                    planned_from=now,
                    planned_until=now + timedelta(days=30),
                    rollback_plan="Propose the previous version again; its document is kept.",
                    **values,
                )
                return redirect("governance:change", change.pk)
        except Invalid as error:
            for found in error.findings or [finding("", error.message)]:
                about_level = found["pointer"] == "/level"
                form.add_error(
                    "level" if about_level else "document",
                    found["message"] if about_level else f"{found['pointer'] or 'the document'}: {found['message']}",
                )
    return render(
        request, "governance/new_policy.html", {"form": form, "flips": flips}, status=200 if flips is not None else 422
    )


# -- break-glass -----------------------------------------------------------------------------------------------------
class BreakGlassForm(forms.Form):
    subject_kind = forms.ChoiceField(label="About")
    subject_id = forms.CharField(label="Reference", max_length=200, help_text="As its page shows it, such as sales")
    digest = forms.CharField(label="Digest", max_length=71, help_text="The exact digest: sha256: and 64 hex digits")
    environment = forms.ChoiceField(label="Environment")
    hours = forms.TypedChoiceField(
        label="For",
        coerce=int,
        choices=[(n, counted(n, "hour")) for n in range(1, limits.BREAK_GLASS_HOURS + 1)],
        initial=limits.BREAK_GLASS_HOURS,
    )
    reason = forms.CharField(label="What is the emergency?", widget=forms.Textarea(attrs={"rows": 3}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        fields["subject_kind"].choices = subject_words.choices()
        fields["environment"].choices = [(key, name) for key, name, *_ in systems.environments()]


@require_http_methods(["GET", "HEAD", "POST"])
def break_glass(request: HttpRequest) -> HttpResponse:
    """Open cases and debts, and the form of the first of two people."""
    form = BreakGlassForm(
        request.POST or None,
        initial={
            "environment": "production",
            "subject_kind": request.GET.get("subject_kind", "integration"),
            **{k: request.GET.get(k, "") for k in ("subject_id", "digest")},
        },
    )
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            values = form.cleaned_data
            try:
                breakglass.open_case(
                    actor=person(request),
                    subject=Subject(values["subject_kind"], values["subject_id"], values["digest"]),
                    environment=values["environment"],
                    reason=values["reason"],
                    hours=values["hours"],
                )
                messages.success(request, "Requested. Nothing is allowed until a second person confirms.")
                return redirect("governance:break-glass")
            except Invalid as error:
                names = {"/subject": "subject_id"}
                for found in error.findings:
                    form.add_error(names.get(found["pointer"], found["pointer"].strip("/")), found["message"])
    viewer = Viewer.of(request.user)
    cases = [
        _case(case, viewer)
        for case in sight.emergencies(viewer)
        .select_related("opened_by", "confirmed_by", "reviewed_by")
        .order_by("-id")[:50]
    ]
    context = {"form": form, "cases": cases, "hours": limits.BREAK_GLASS_HOURS}
    return render(request, "governance/break_glass.html", context, status=status)


def _case(case: BreakGlass, viewer: Viewer) -> dict[str, Any]:
    now = clock.now()
    if case.confirmed_by_id is None:
        tone = kernel_tones.wait("Waiting for a second person")
    elif case.reviewed_at is not None:
        tone = kernel_tones.ok("Reviewed")
    elif case.ends_at and case.ends_at > now:
        tone = kernel_tones.stop("Open now", "alert")
    elif case.ends_at and emergency.review_state(case.ends_at, None, now) == "overdue":
        tone = kernel_tones.stop("Review overdue", "alert")
    else:
        tone = kernel_tones.wait("Review due")
    end = permissions.may_end_break_glass(viewer, case)
    open_now = case.confirmed_by_id is not None and case.ends_at is not None and case.ends_at > now
    confirm = permissions.may_confirm_break_glass(viewer)
    if confirm and persons.are_one(viewer.id, case.opened_by_id):
        confirm = type(confirm)(False, "You requested it; another person must take this step.")
    review = confirm
    if confirm and persons.are_one(viewer.id, case.confirmed_by_id):
        review = type(confirm)(False, "You confirmed it; a third person reviews it.")
    live = open_now or case.confirmed_by_id is None
    return {
        "case": case,
        "binds": waiver_standings.bound_kind(case.subject_kind),
        "lapsed": waiver_standings.moved(case.subject_kind, case.subject_id, case.digest) if live else "",
        "tone": tone,
        "may_confirm": confirm,
        "may_review": review,
        "confirm_id": f"confirm-{case.pk}",
        "end_id": f"end-{case.pk}",
        "confirm_label": f"Confirm for {counted(case.hours, 'hour')}",
        "may_end": end if open_now and Approval.objects.filter(break_glass=case, voided_at=None).exists() else None,
        "waits": case.confirmed_by_id is None,
        "owes": bool(case.confirmed_by_id) and case.reviewed_at is None,
        "due": emergency.review_due(case.ends_at) if case.ends_at and case.reviewed_at is None else None,
    }


@require_POST
def break_glass_step(request: HttpRequest, case_id: int, step: str) -> HttpResponse:
    actor = person(request)
    if step == "confirm":
        approval = breakglass.confirm(case_id, actor=actor)
        messages.success(request, f"Confirmed until {approval.valid_until:%H:%M} UTC. A review is due.")
    elif step == "review":
        breakglass.review(case_id, actor=actor, note=request.POST.get("note", ""))
        messages.success(request, "The review is complete.")
    else:
        breakglass.end(case_id, actor=actor)
        messages.success(request, "Ended. It allows nothing any more; the review is still due.")
    return redirect(reverse("governance:break-glass"))
