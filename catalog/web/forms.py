"""Forms of the catalog. They shape input; the rules are in services, whose findings come back beside the fields."""

from __future__ import annotations

from typing import Any

from django import forms

from catalog.domain.api_fields import API_FIELDS, KEYS, MOST_NAMES, ApiField, names_in
from catalog.domain.endpoints import AUTH_CHOICES
from catalog.domain.scorecards import POINTS
from catalog.models import ApiEntity, Application, BusinessEntity, Domain, Environment, SlaTier, System, Team
from catalog.selectors.api_values import choices
from kernel.errors import DomainError
from kernel.ui.fields import LinesField, UtcMomentField
from kernel.viewer import Viewer

EMPTY = ("", "Choose")
HOWS = [
    ("command", "Command: changes the source system"),
    ("authoritative_read", "Authoritative read: from the system of record"),
    ("replica_read", "Copy: may be late"),
    ("event", "Event: says what happened"),
    ("", "It does not use it"),
]


class PlainForm(forms.Form):
    """Takes findings of a service: each goes to the field that its pointer names, the rest to the form."""

    def take(self, error: DomainError, names: dict[str, str] | None = None) -> None:
        placed = False
        for found in error.findings:
            field = (names or {}).get(found["pointer"].strip("/"), found["pointer"].strip("/").partition("/")[0])
            if field in self.fields:
                self.add_error(field, found["message"])
                placed = True
            else:
                line = f" (line {found['line']})" if found.get("line") else ""
                self.add_error(None, f"{found['message']}{line}")
        if not error.findings or not placed:
            self.add_error(None, error.message)


class ContractForm(PlainForm):
    """A contract by file or by text."""

    contract = forms.FileField(
        required=False,
        allow_empty_file=True,
        label="File",
        help_text="OpenAPI, AsyncAPI, JSON Schema, EDMX, GraphQL, WSDL or XSD; at most 10 MB",
    )
    text = forms.CharField(
        required=False,
        label="or paste it",
        strip=False,
        help_text="JSON, YAML or XML",
        widget=forms.Textarea(attrs={"rows": 8, "class": "mono", "spellcheck": "false"}),
    )

    def content(self) -> tuple[bytes, str]:
        """(bytes, file name). A file counts before the text."""
        upload = self.cleaned_data.get("contract")
        if upload:
            return upload.read(), upload.name or ""
        return (self.cleaned_data.get("text") or "").encode(), ""


def _teams(viewer: Viewer) -> list[tuple[str, str]]:
    rows = Team.objects.filter(retired_at=None).exclude(kind=Team.Kind.ROLE)
    own = [(t.key, t.name) for t in rows if t.pk in viewer.team_ids]
    others = [(t.key, t.name) for t in rows if t.pk not in viewer.team_ids]
    return [EMPTY, *own, *others]


def _all_teams() -> list[tuple[str, str]]:
    return [EMPTY, *Team.objects.filter(retired_at=None).values_list("key", "name")]


def _choices(field: ApiField, viewer: Viewer) -> list[tuple[str, str]]:
    """What may be chosen for a field: rows by their keys, SLA tiers by their level, or the column's own choices."""
    if field.key == "owner_team":
        return _teams(viewer)
    if field.key == "domain":
        return [EMPTY, *Domain.objects.values_list("key", "name")]
    if field.key == "system":
        return [EMPTY, *System.objects.filter(retired_at=None).values_list("key", "name")]
    if field.kind == "level":
        return [EMPTY, *((str(t.level), str(t)) for t in SlaTier.objects.all())]
    return [EMPTY, *choices(field)] if field.optional else choices(field)


def _form_field(field: ApiField, viewer: Viewer) -> forms.Field:
    if field.kind in ("choice", "reference", "level"):
        return forms.ChoiceField(
            label=field.label, help_text=field.hint, required=False, choices=_choices(field, viewer)
        )
    longest = field.limit * MOST_NAMES if field.kind == "names" else field.limit
    widget = forms.URLInput if field.kind == "url" else forms.TextInput
    return forms.CharField(label=field.label, help_text=field.hint, required=False, max_length=longest, widget=widget)


SAID = [("", "Nobody has said"), ("yes", "Yes"), ("no", "No")]


class ApiForm(PlainForm):
    """What a contract does not say: the fields of `domain.api_fields`. `slug` and `label` only at registration."""

    slug = forms.CharField(
        max_length=100, label="Short name", help_text="Used in addresses. Cannot be changed later.", required=False
    )
    label = forms.CharField(
        max_length=100, label="Version label", help_text="How consumers call this version.", required=False
    )

    def __init__(
        self, *args: Any, viewer: Viewer, registering: bool = True, hinted: dict[str, str] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        if not registering:
            del self.fields["slug"], self.fields["label"]
        for field in API_FIELDS:
            self.fields[field.key] = _form_field(field, viewer)
        self.entity_fields: list[str] = []
        entities = dict(BusinessEntity.objects.values_list("key", "name"))
        for key, access in (hinted or {}).items():
            if key in entities:
                name = f"how_{key}"
                self.fields[name] = forms.ChoiceField(
                    label=f"How it uses {entities[key].lower()}",
                    choices=HOWS,
                    required=False,
                    widget=forms.RadioSelect,
                    initial=access,
                )
                self.entity_fields.append(name)
        if registering:
            self.fields["third_party"] = forms.ChoiceField(
                label="A third party provides it",
                choices=[("", "As its system says"), *SAID[1:]],
                required=False,
                help_text="Yes: the contract rules report on it, and ask for nothing.",
            )
            self.fields["more_entity"] = forms.ChoiceField(
                label="Another entity", required=False, choices=[EMPTY, *entities.items()]
            )
            self.fields["more_access"] = forms.ChoiceField(
                label="How it uses that", required=False, choices=[EMPTY, *ApiEntity.Access.choices]
            )

    def columns(self) -> list[forms.BoundField]:
        """The short fields, for the columns of the form."""
        asked = ["third_party"] if "third_party" in self.fields else []
        return [self[key] for key in [*(field.key for field in API_FIELDS if not field.wide), *asked]]

    def wide_fields(self) -> list[forms.BoundField]:
        """The long texts, each on a line of its own."""
        return [self[field.key] for field in API_FIELDS if field.wide]

    def values(self) -> dict[str, Any]:
        """What the services take."""
        lists = {field.key for field in API_FIELDS if field.kind == "names"}
        return {key: names_in(self.cleaned_data[key]) if key in lists else self.cleaned_data[key] for key in KEYS}

    def entities(self) -> list[dict[str, str]]:
        uses = [
            {"entity": n.removeprefix("how_"), "access": self.cleaned_data[n]}
            for n in self.entity_fields
            if self.cleaned_data.get(n)
        ]
        if self.cleaned_data.get("more_entity"):
            uses.append(
                {
                    "entity": self.cleaned_data["more_entity"],
                    "access": self.cleaned_data.get("more_access") or "authoritative_read",
                }
            )
        return uses


class SubscribeForm(PlainForm):
    application = forms.ChoiceField(label="Application")
    version = forms.ChoiceField(label="Version")
    environment = forms.ChoiceField(label="Environment")
    valid_until = forms.DateField(
        label="Until",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="Leave empty for no end date.",
    )
    justification = forms.CharField(
        label="What for", required=False, max_length=4000, widget=forms.Textarea(attrs={"rows": 3})
    )

    def __init__(self, *args: Any, viewer: Viewer, versions: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = Application.objects.filter(retired_at=None)
        if not viewer.sees_everything:
            rows = rows.filter(team_id__in=viewer.team_ids)
        self.fields["application"].choices = [EMPTY, *rows.values_list("key", "name")]  # type: ignore[attr-defined]
        self.fields["version"].choices = versions  # type: ignore[attr-defined]
        environments = list(Environment.objects.values_list("key", "name"))
        self.fields["environment"].choices = environments  # type: ignore[attr-defined]
        self.has_applications = rows.exists()


class DecisionForm(PlainForm):
    """The owner's answer to an application."""

    valid_until = forms.DateField(label="Until", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    note = forms.CharField(
        label="Note",
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="A refusal needs a reason.",
    )


class VersionForm(ContractForm):
    label = forms.CharField(
        max_length=100,
        required=False,
        label="Version label",
        help_text="Empty: the version declared in the contract, or today's date.",
    )
    notes = forms.CharField(max_length=4000, required=False, label="Notes", widget=forms.Textarea(attrs={"rows": 3}))


class ImportForm(PlainForm):
    """Files of an estate: single ones, an archive, or a folder whose paths the page adds."""

    source = forms.CharField(
        max_length=200,
        required=False,
        label="Source",
        help_text="Name it where these files are the whole of it: what it names no more is listed then, and no other "
        "source changes what it brought.",
        widget=forms.TextInput(attrs={"list": "known-sources"}),
    )
    folder_paths = forms.CharField(required=False, widget=forms.HiddenInput)
    dry_run = forms.BooleanField(required=False, initial=True, label="Dry run: only show what would happen")
    owner_team = forms.ChoiceField(label="Owner of APIs that do not name one", required=False)
    new_versions = forms.ChoiceField(
        label="New versions that say no state",
        required=False,
        choices=[("draft", "are drafts"), ("published", "are published")],
        help_text="Consumers see what is published.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["owner_team"].choices = _all_teams()  # type: ignore[attr-defined]


class CampaignForm(PlainForm):
    """A scorecard point and the day by which it should hold. `key` only at the beginning."""

    key = forms.CharField(
        max_length=60, label="Short name", help_text="Used in addresses. Cannot be changed later.", required=False
    )
    name = forms.CharField(max_length=160, label="Name", required=False)
    point = forms.ChoiceField(label="Goal", required=False, choices=[EMPTY, *POINTS.items()])
    due_on = forms.DateField(label="Until", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    owner_team = forms.ChoiceField(label="Led by", required=False)
    purpose = forms.CharField(
        max_length=4000, required=False, label="Why, and where to get help", widget=forms.Textarea(attrs={"rows": 3})
    )

    def __init__(self, *args: Any, beginning: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not beginning:
            del self.fields["key"]
        self.fields["owner_team"].choices = _all_teams()  # type: ignore[attr-defined]


class ApplicationForm(PlainForm):
    """A consumer and the team that answers for it. `key` only at registration."""

    key = forms.CharField(
        max_length=100, label="Short name", help_text="Used in addresses and usage reports. Cannot be changed later."
    )
    name = forms.CharField(max_length=200, label="Name")
    team = forms.ChoiceField(label="Team", required=False)
    description = forms.CharField(
        max_length=4000, required=False, label="What it does", widget=forms.Textarea(attrs={"rows": 3})
    )

    def __init__(self, *args: Any, viewer: Viewer, registering: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not registering:
            del self.fields["key"]
        self.fields["team"].choices = _teams(viewer)  # type: ignore[attr-defined]


class AgentForm(PlainForm):
    """What an agent is for, and what it may do at most."""

    purpose = forms.CharField(label="Purpose", max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))
    limits = forms.CharField(
        label="Limits",
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="What it may do at most. Whatever stands here, its tokens never decide.",
    )
    account = forms.CharField(
        label="Acts as",
        max_length=150,
        required=False,
        help_text="A service account of the team; its deciding tokens end at once. Empty: one is made.",
    )


class MoveForm(PlainForm):
    """Where a consumer goes, and when."""

    moves_to = forms.ChoiceField(label="Moves to", required=False)
    moves_on = forms.DateField(label="By (date)", required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, *args: Any, versions: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["moves_to"].choices = [("", "Nothing: it stops using it"), *versions]  # type: ignore[attr-defined]


class BrownOutForm(PlainForm):
    """When a version is refused, and where. Times are UTC."""

    environment = forms.ChoiceField(label="Environment")
    starts_at = UtcMomentField(label="From")
    hours = forms.IntegerField(label="Hours", min_value=1, max_value=24, initial=1)
    note = forms.CharField(label="Note to the consumers", max_length=300, required=False)

    def __init__(self, *args: Any, environments: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["environment"].choices = environments  # type: ignore[attr-defined]


def said(word: str) -> bool | None:
    """A word of `SAID`; None is not said."""
    return {"yes": True, "no": False}.get(word)


def said_word(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "no"


class ApiProvisionForm(PlainForm):
    """Who provides an API. `seen` is what the page showed: another word meanwhile is not overwritten."""

    third_party = forms.ChoiceField(
        label="A third party provides it",
        choices=SAID,
        required=False,
        help_text="Then no application of ours has to be recorded as its provider.",
    )
    per_instance = forms.ChoiceField(
        label="Each instance has a provider of its own",
        choices=SAID,
        required=False,
        help_text="Yes: a store is served by its own alone. No: one provider serves all.",
    )
    seen = forms.CharField(widget=forms.HiddenInput, max_length=40)


class SystemProvisionForm(PlainForm):
    third_party = forms.ChoiceField(label="A third party makes it", choices=SAID, required=False)
    seen = forms.CharField(widget=forms.HiddenInput, max_length=40)


class EndpointForm(PlainForm):
    """Where a system answers: an address, and names of what is used there."""

    base_url = forms.CharField(label="Address", max_length=500, help_text="Whole, such as https://erp.example.com/api")
    auth_kind = forms.ChoiceField(label="Way to sign in", choices=AUTH_CHOICES)
    secret_ref = forms.CharField(
        label="Name of the secret",
        required=False,
        max_length=200,
        help_text="env:TILLGATE_SECRET_NAME or file:name, never its value",
    )
    further_hosts = LinesField(
        label="Further hosts",
        required=False,
        max_length=6000,
        help_text="Hosts that its credentials may go to as well, one a line: for tokens, uploads",
    )
    trust_ref = forms.CharField(
        label="Name of the certificates that are believed",
        required=False,
        max_length=200,
        help_text="Empty: those of the operating system",
    )
    seen = forms.CharField(widget=forms.HiddenInput, max_length=80, required=False)


class ProviderRightForm(PlainForm):
    """Which application may provide the API, and why."""

    application = forms.ChoiceField(label="Application")
    reason = forms.CharField(label="Why it provides the API", max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = Application.objects.filter(retired_at=None).values_list("key", "name")
        self.fields["application"].choices = [EMPTY, *known]  # type: ignore[attr-defined]


class RecordsForm(PlainForm):
    enforced_from = UtcMomentField(label="A missing record blocks from", required=False, help_text="Empty: at once.")
    seen = forms.CharField(widget=forms.HiddenInput, max_length=40)
