"""Absences, and delegations: another person decides in one's place for a while."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from catalog.selectors import teams
from governance.models import Absence, Delegation
from governance.services import people
from governance.web.decisions import person
from kernel import clock
from kernel.errors import DomainError, finding
from kernel.models import User
from kernel.ui.fields import UtcMomentField


class AbsenceForm(forms.Form):
    prefix = "absence"
    starts_at = UtcMomentField(label="From")
    ends_at = UtcMomentField(label="Until")
    note = forms.CharField(label="Note", max_length=200, required=False)


class DelegationForm(forms.Form):
    prefix = "lend"
    team = forms.ChoiceField(label="My approvals for")
    delegate = forms.CharField(label="To", max_length=150, help_text="The sign-in name of the other person")
    starts_at = UtcMomentField(label="From")
    ends_at = UtcMomentField(label="Until")
    reason = forms.CharField(label="Why", max_length=200, required=False)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        fields["team"].choices = [(t.key, t.name) for t in teams.of_user(user)]


@require_http_methods(["GET", "HEAD", "POST"])
def away(request: HttpRequest) -> HttpResponse:
    """The person's absences and delegations, and a form for each."""
    actor = person(request)
    asked = request.POST.get("what", "")
    absence = AbsenceForm(request.POST if asked == "absence" else None)
    lend = DelegationForm(request.POST if asked == "lend" else None, user=actor)
    status = 200
    if request.method == "POST":
        if _done(actor, absence if asked == "absence" else lend):
            messages.success(request, "Saved.")
            return redirect("governance:away")
        status = 422
    now = clock.now()
    context = {
        "absence": absence,
        "lend": lend,
        "absences": list(Absence.objects.filter(person=actor, ends_at__gt=now)),
        "delegations": list(
            Delegation.objects.select_related("delegator", "delegate", "group").filter(
                Q(delegator=actor) | Q(delegate=actor), ends_at__gt=now, revoked_at=None
            )
        ),
        "me": actor,
    }
    return render(request, "governance/away.html", context, status=status)


def _done(actor: User, form: AbsenceForm | DelegationForm) -> bool:
    if not form.is_valid():
        return False
    values = form.cleaned_data
    try:
        if isinstance(form, AbsenceForm):
            people.be_absent(actor=actor, starts_at=values["starts_at"], ends_at=values["ends_at"], note=values["note"])
            return True
        to = User.objects.filter(username=values["delegate"]).first()
        if to is None:
            form.add_error("delegate", "There is no person of that name.")
            return False
        people.delegate(
            actor=actor,
            to=to,
            team_key=values["team"],
            starts_at=values["starts_at"],
            ends_at=values["ends_at"],
            reason=values["reason"],
        )
    except DomainError as error:
        for found in error.findings or [finding("", error.message)]:
            name = found["pointer"].strip("/")
            form.add_error(name if name in form.fields else None, found["message"])
        return False
    return True


@require_POST
def end_delegation(request: HttpRequest, delegation_id: int) -> HttpResponse:
    people.revoke_delegation(delegation_id, actor=person(request))
    messages.success(request, "The delegation has ended.")
    return redirect("governance:away")
