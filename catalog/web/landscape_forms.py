"""Forms of systems and business entities."""

from __future__ import annotations

from typing import Any

from django import forms

from catalog.models import Domain, System, Team
from catalog.web.forms import EMPTY, SAID, PlainForm
from kernel.ui.fields import LinesField, UtcMomentField
from kernel.viewer import Viewer

KEY_HINT = "Small letters, digits and hyphens. It never changes."


def _teams(viewer: Viewer) -> list[tuple[str, str]]:
    """One's own teams first."""
    rows = Team.objects.filter(retired_at=None).exclude(kind=Team.Kind.ROLE)
    own = [(t.key, t.name) for t in rows if t.pk in viewer.team_ids]
    return [EMPTY, *own, *((t.key, t.name) for t in rows if t.pk not in viewer.team_ids)]


class SystemForm(PlainForm):
    """`key` and `third_party` only at registration; `seen` is what the page showed of a system that is there."""

    name = forms.CharField(max_length=120, label="Name", help_text="As people call it", required=False)
    key = forms.CharField(max_length=60, label="Short name", help_text=KEY_HINT)
    owner_team = forms.ChoiceField(label="Owner team", required=False, help_text="It says where the system answers.")
    vendor = forms.CharField(max_length=120, label="Vendor", required=False)
    kind = forms.CharField(max_length=40, label="Kind", required=False, help_text="erp, pos, loyalty, wms …")
    deployment = forms.ChoiceField(
        label="Runs", required=False, choices=[("", "Nobody has said"), *System.Deployment.choices]
    )
    network_zone = forms.CharField(max_length=60, label="Network zone", required=False)
    third_party = forms.ChoiceField(label="A third party makes it", choices=SAID, required=False)
    description = forms.CharField(
        max_length=2000, label="What it does", required=False, widget=forms.Textarea(attrs={"rows": 3})
    )
    seen = forms.CharField(widget=forms.HiddenInput, max_length=80, required=False)

    def __init__(self, *args: Any, viewer: Viewer, registering: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not registering:
            del self.fields["key"], self.fields["third_party"]
        self.fields["owner_team"].choices = _teams(viewer)  # type: ignore[attr-defined]

    def columns(self) -> list[forms.BoundField]:
        return [bound for bound in self if bound.name not in ("description", "seen")]

    def values(self) -> dict[str, Any]:
        return {name: given for name, given in self.cleaned_data.items() if name not in ("key", "third_party", "seen")}


class EntityForm(PlainForm):
    """`key` only at registration. Attribute groups that are not named stay."""

    name = forms.CharField(max_length=120, label="Name", help_text="Such as gift card", required=False)
    key = forms.CharField(max_length=60, label="Short name", help_text=KEY_HINT)
    domain = forms.ChoiceField(label="Domain", required=False, help_text="Its owner approves what touches the entity.")
    aliases = LinesField(
        label="Other words for it", required=False, max_length=4000, help_text="That contracts use, one a line"
    )
    attribute_groups = LinesField(
        label="Parts with a system of record of their own",
        required=False,
        max_length=8000,
        help_text="Short names, one a line. What stands here already stays.",
    )
    seen = forms.CharField(widget=forms.HiddenInput, max_length=80, required=False)

    def __init__(self, *args: Any, registering: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not registering:
            del self.fields["key"]
        known = Domain.objects.values_list("key", "name")
        self.fields["domain"].choices = [EMPTY, *known]  # type: ignore[attr-defined]

    def values(self) -> dict[str, Any]:
        return {name: given for name, given in self.cleaned_data.items() if name not in ("key", "seen")}


class RecordForm(PlainForm):
    """Which system is right about an entity, from when on."""

    entity = forms.ChoiceField(label="Entity")
    system = forms.ChoiceField(label="System of record")
    valid_from = UtcMomentField(label="From", required=False, help_text="Empty: as soon as it is approved.")
    justification = forms.CharField(label="Why", max_length=4000, widget=forms.Textarea(attrs={"rows": 2}))

    def __init__(self, *args: Any, entities: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = System.objects.filter(retired_at=None).values_list("key", "name")
        self.fields["entity"].choices = [EMPTY, *entities]  # type: ignore[attr-defined]
        self.fields["system"].choices = [EMPTY, *known]  # type: ignore[attr-defined]
