"""Opening a change: what it is about comes from the address or is typed; its digest is always the present one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from catalog.domain.endpoints import AUTH_CHOICES
from catalog.selectors import systems, teams
from governance.domain import kinds
from governance.domain.kinds import ChangeKind
from governance.domain.subject import Subject, SubjectFacts
from governance.models import ChangeRequest, FreezeWindow
from governance.selectors import sight
from governance.services import changes
from governance.web.decisions import person
from kernel import clock
from kernel.digest import PREFIX
from kernel.errors import DomainError
from kernel.ui.fields import LinesField, UtcMomentField
from kernel.viewer import Viewer

DESTINATION = "system.destination"
HIDDEN = ("policy.change", "waiver.grant")


class ChangeForm(forms.Form):
    """The fields of every change. Parameters of the kind are added below."""

    kind = forms.ChoiceField(label="Kind of change")
    subject = forms.CharField(
        label="Subject", max_length=2000, help_text="A reference such as price-api@v3; several separated by spaces"
    )
    environment = forms.ChoiceField(label="Environment")
    title = forms.CharField(label="Title", max_length=200)
    justification = forms.CharField(
        label="Why", widget=forms.Textarea(attrs={"rows": 4}), help_text="Reviewers read this first."
    )
    rollback_plan = forms.CharField(
        label="Rollback plan",
        widget=forms.Textarea(attrs={"rows": 3}),
        required=False,
        help_text="How is this undone, and by whom? Needed where customers are affected.",
    )
    planned_from = UtcMomentField(label="Planned from", required=False)
    planned_until = UtcMomentField(label="Planned until", required=False)

    def __init__(self, *args: Any, kind: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        fields["kind"].choices = [(k.key, k.label) for k in kinds.all_kinds() if k.key not in HIDDEN]
        fields["environment"].choices = [(key, name) for key, name, *_ in systems.environments()]
        self.extra = _PARAMETERS.get(kind, ())
        # What is empty is meant so: the fields show all of what is now.
        self.keep = {name for name, _ in self.extra} if kind == DESTINATION else set()
        for name, field in self.extra:
            self.fields[name] = field()

    @property
    def parameter_fields(self) -> list[Any]:
        return [self[name] for name, _ in self.extra]

    def parameters(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, _ in self.extra:
            value = self.cleaned_data.get(name)
            if isinstance(value, datetime):
                value = value.astimezone(UTC).isoformat()
            if name in self.keep or value not in (None, "", False):
                made[name.removeprefix("p_")] = value
        return made


def _moment(label: str, text: str = "") -> Any:
    return lambda: UtcMomentField(label=label, help_text=text)


def _receiving_team() -> forms.ChoiceField:
    choices = [("", ""), *((team.key, team.name) for team in teams.all_teams())]
    return forms.ChoiceField(label="Receiving team", choices=choices, help_text="Both teams approve.")


_PARAMETERS: dict[str, tuple[tuple[str, Any], ...]] = {
    DESTINATION: (
        ("p_base_url", lambda: forms.CharField(label="Address", max_length=500)),
        ("p_auth_kind", lambda: forms.ChoiceField(label="Way to sign in", choices=AUTH_CHOICES)),
        (
            "p_secret_ref",
            lambda: forms.CharField(
                label="Name of the secret",
                required=False,
                max_length=200,
                help_text="env:NAME or file:/path, never its value",
            ),
        ),
        (
            "p_further_hosts",
            lambda: LinesField(label="Further hosts", required=False, max_length=6000, help_text="One a line"),
        ),
        (
            "p_trust_ref",
            lambda: forms.CharField(label="Name of the certificates that are believed", required=False, max_length=200),
        ),
    ),
    "version.deprecate": (
        ("p_sunset_at", _moment("Sunset", "The promised end. The SLA tier sets the minimum notice.")),
        (
            "p_successor",
            lambda: forms.CharField(
                label="Successor", required=False, max_length=200, help_text="A published version such as price-api@v4"
            ),
        ),
        (
            "p_guide",
            lambda: forms.CharField(
                label="Migration guide",
                required=False,
                max_length=2000,
                help_text="Address of the guide, or a few words",
            ),
        ),
        (
            "p_earlier",
            lambda: forms.BooleanField(
                label="Earlier than promised",
                required=False,
                help_text="Less notice than the tier or an earlier promise gives: a release manager and the owner of "
                "each consumer must agree.",
            ),
        ),
    ),
    "environment.records": (
        (
            "p_since",
            lambda: UtcMomentField(
                label="Everything is recorded since", required=False, help_text="Empty: that is no longer so."
            ),
        ),
    ),
    "freeze.change": (
        ("p_name", lambda: forms.CharField(label="Name", max_length=120)),
        ("p_strictness", lambda: forms.ChoiceField(label="What it stops", choices=FreezeWindow.Strictness.choices)),
        (
            "p_calendar",
            lambda: forms.JSONField(
                label="Calendar",
                widget=forms.Textarea(attrs={"rows": 4}),
                help_text="The present one, to be changed: times are local to its zone.",
            ),
        ),
    ),
    "boundary.move": (
        (
            "p_system",
            lambda: forms.ChoiceField(
                label="New system of record", choices=[(s.key, s.name) for s in systems.all_systems()]
            ),
        ),
        ("p_valid_from", _moment("From")),
    ),
    "api.hand_over": (("p_team", _receiving_team),),
    "application.hand_over": (("p_team", _receiving_team),),
    "tier.change": (
        (
            "p_tier",
            lambda: forms.TypedChoiceField(label="New tier", coerce=int, choices=[(n, f"Tier {n}") for n in range(4)]),
        ),
    ),
}


def _present_freeze(subject: str) -> dict[str, Any]:
    """What the freeze is now, for the fields of its change."""
    found = facts_of(kinds.kind("freeze.change"), subject)
    return {f"p_{key}": found.old[key] for key in ("name", "strictness", "calendar")} if found else {}


def _wanted_destination(request: HttpRequest, subject: str) -> dict[str, Any]:
    """What the system's page handed over, on top of what the endpoint says now; it is to be quick, so the window is
    open."""
    found = facts_of(kinds.kind(DESTINATION), subject)
    names = [name for name, _ in _PARAMETERS[DESTINATION]]
    present = {f"p_{key}": value for key, value in ((found.new if found else None) or {}).items()}
    asked = {name: request.GET.getlist(name) for name in names if name in request.GET}
    given = {name: values if name == "p_further_hosts" else values[-1] for name, values in asked.items()}
    now = clock.now().replace(second=0, microsecond=0)
    window = {"planned_from": now, "planned_until": now + timedelta(days=1)}
    return {name: value for name, value in (present | given).items() if name in names} | window


@require_http_methods(["GET", "HEAD", "POST"])
def new_change(request: HttpRequest) -> HttpResponse:
    """GET with `kind`, `subject` and `environment` fills the form; POST opens the draft and leads to it."""
    if request.method != "POST":
        asked = request.GET.get("kind", "version.publish")
        start = {
            "kind": asked,
            "subject": request.GET.get("subject", ""),
            "environment": request.GET.get("environment", "production"),
            "title": request.GET.get("title", "") or _title(asked, request.GET.get("subject", "")),
        }
        if asked == "freeze.change":
            start |= _present_freeze(start["subject"])
        if asked == DESTINATION:
            start |= _wanted_destination(request, start["subject"])
        return _shown(request, ChangeForm(initial=start, kind=asked), asked, start["subject"], 200)
    asked = request.POST.get("kind", "")
    form = ChangeForm(request.POST, kind=asked)
    if not form.is_valid():
        return _shown(request, form, asked, request.POST.get("subject", ""), 422)
    try:
        change = _open(request, form)
    except DomainError as error:
        put_on_form(form, error)
        return _shown(request, form, asked, request.POST.get("subject", ""), 422)
    if "submit" in request.POST:
        changes.submit(change, actor=person(request))
    return redirect("governance:change", change.pk)


def _open(request: HttpRequest, form: ChangeForm) -> ChangeRequest:
    values = form.cleaned_data
    kind = kinds.kind(values["kind"])
    return changes.open_change(
        author=person(request),
        kind=kind.key,
        subjects=[_present(kind, reference) for reference in values["subject"].split()],
        environment=values["environment"],
        title=values["title"],
        justification=values["justification"],
        rollback_plan=values["rollback_plan"],
        planned_from=values["planned_from"],
        planned_until=values["planned_until"],
        parameters=form.parameters(),
    )


def _present(kind: ChangeKind, reference: str) -> Subject:
    """`price-api@v3`, or with a digest: `sales@sha256:…`; without one, the present digest."""
    identifier, digest = _split(reference)
    facts = facts_of(kind, reference)
    return Subject(kind.subject_kind, identifier, (digest or facts.digest or "") if facts else "")


def _split(reference: str) -> tuple[str, str]:
    identifier, mark, digest = reference.partition(f"@{PREFIX}")
    return identifier, PREFIX + digest if mark else ""


def facts_of(kind: ChangeKind, reference: str) -> SubjectFacts | None:
    try:
        return kind.facts(Subject(kind.subject_kind, *_split(reference)))
    except DomainError:
        return None


def _title(kind: str, subject: str) -> str:
    try:
        return f"{kinds.kind(kind).label}: {subject}"[:200] if subject else ""
    except DomainError:
        return ""


def put_on_form(form: ChangeForm, error: DomainError) -> None:
    """The findings of the domain beside the fields they are about."""
    named = False
    for found in error.findings:
        name = (
            found["pointer"].strip("/").split("/")[0].removesuffix("s")
            if found["pointer"].startswith("/subjects")
            else found["pointer"].strip("/").split("/")[0]
        )
        message = found["message"]
        if name == "subject" and found["pointer"].endswith("/digest"):
            message = "This is not known here, or has no contract or manifest yet."
        form.add_error(name if name in form.fields else None, message)
        named = True
    if not named:
        form.add_error(None, error.message)


def _shown(request: HttpRequest, form: ChangeForm, kind: str, subject: str, status: int) -> HttpResponse:
    known = []
    if subject:
        try:
            entry = kinds.kind(kind)
            viewer = Viewer.of(request.user)
            known = [
                (reference, facts_of(entry, reference) if sight.sees(viewer, entry.subject_kind, reference) else None)
                for reference in subject.split()[:20]
            ]
        except DomainError:
            known = []
    return render(request, "governance/new_change.html", {"form": form, "known": known, "kind": kind}, status=status)
