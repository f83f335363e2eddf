"""Fields of forms that several rooms use."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.utils import timezone


class LinesField(forms.CharField):
    """A list of texts, one a line."""

    widget = forms.Textarea(attrs={"rows": 2, "class": "mono", "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list | tuple) else value

    def clean(self, value: Any) -> Any:
        text = super().clean(self.prepare_value(value))
        return [line.strip() for line in str(text).splitlines() if line.strip()]


class MomentInput(forms.DateTimeInput):
    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%dT%H:%M")


class UtcMomentField(forms.DateTimeField):
    """A time as its label says it, of UTC: not of the zone in which this person sees times. What a browser sends says
    no zone."""

    widget = MomentInput

    def __init__(self, *, label: str, **more: Any) -> None:
        super().__init__(label=f"{label} (UTC)", **more)

    def to_python(self, value: Any) -> datetime | None:
        with timezone.override(UTC):
            made: datetime | None = super().to_python(value)
        return made

    def prepare_value(self, value: Any) -> Any:
        with timezone.override(UTC):
            return super().prepare_value(value)
