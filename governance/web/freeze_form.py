"""The form of a freeze window, with fields for each kind of calendar, and the text that describes a calendar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django import forms

from governance.domain.freeze import DAYS, DIMENSIONS, OF_STORES
from governance.models import FreezeWindow
from governance.selectors import freeze_scopes

KINDS: tuple[tuple[str, str], ...] = (
    ("once", "Once"),
    ("weekly", "Every week"),
    ("retail_weeks", "Weeks of the 4-5-4 retail year"),
    ("period_close", "Around each period close"),
    ("dates", "On certain days"),
)
DAY_NAMES = {
    "mon": "Monday",
    "tue": "Tuesday",
    "wed": "Wednesday",
    "thu": "Thursday",
    "fri": "Friday",
    "sat": "Saturday",
    "sun": "Sunday",
}


class LocalInput(forms.TextInput):
    input_type = "datetime-local"


class ClockInput(forms.TextInput):
    input_type = "time"


def _clock(label: str, initial: str) -> forms.CharField:
    return forms.CharField(label=label, max_length=5, widget=ClockInput(), initial=initial)


def _numbers(text: str) -> list[int | str]:
    """`47, 48 50-52` as numbers. Other text stays as it is; the calendar then refuses it."""
    found: list[int | str] = []
    for part in text.replace(",", " ").split():
        first, dash, last = part.partition("-")
        if dash and len(part) < 8 and first.isdecimal() and last.isdecimal() and int(first) <= int(last) <= 60:
            found += range(int(first), int(last) + 1)
        else:
            found.append(int(part) if part.isdecimal() and len(part) < 4 else part)
    return found


class FreezeForm(forms.Form):
    """The fields that every window has, and those of its kind. `calendar()` returns the document that
    `governance.domain.freeze` reads."""

    name = forms.CharField(label="Name", max_length=120)
    strictness = forms.ChoiceField(label="What it stops", choices=FreezeWindow.Strictness.choices, initial="changes")
    environment = forms.ChoiceField(label="Environment", required=False)
    tier = forms.TypedChoiceField(
        label="Tiers",
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", "all"), *((n, f"0 to {n}" if n else "0 only") for n in range(4))],
    )
    domain = forms.ChoiceField(label="Domain", required=False)
    system = forms.ChoiceField(label="System", required=False)
    banner = forms.ChoiceField(label="Banner of the stores", required=False)
    channel = forms.ChoiceField(label="Channel of the stores", required=False)
    region = forms.ChoiceField(label="Region of the stores", required=False)
    store_zone = forms.ChoiceField(label="Time zone of the stores", required=False)
    zone = forms.CharField(label="Time zone", max_length=60, initial="Europe/Berlin", help_text="Such as Europe/Berlin")
    reason = forms.CharField(label="Why", required=False, widget=forms.Textarea(attrs={"rows": 2}))

    def __init__(self, *args: Any, kind: str = "once", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, listed in freeze_scopes.known().items():
            self.fields[name].choices = [("", "all"), *listed]  # type: ignore[attr-defined]
        self.kind = kind if kind in _FIELDS else "once"
        for name, make in _FIELDS[self.kind]:
            self.fields[name] = make()

    @property
    def calendar_fields(self) -> list[Any]:
        return [self[name] for name, _ in _FIELDS[self.kind] if name != "days"]

    @property
    def days_field(self) -> Any:
        return self["days"] if self.kind == "weekly" else None

    @property
    def scope_fields(self) -> list[Any]:
        return [self[name] for name in DIMENSIONS if name not in OF_STORES]

    @property
    def store_fields(self) -> list[Any]:
        return [self[name] for name in OF_STORES]

    def scope(self) -> dict[str, Any]:
        values = self.cleaned_data
        return {name: values[name] if name == "tier" else values[name] or None for name in DIMENSIONS}

    def calendar(self) -> dict[str, Any]:
        values = self.cleaned_data
        made = {"kind": self.kind, "zone": values["zone"], "from": values["starts"], "until": values["ends"]}
        match self.kind:
            case "weekly":
                made["days"] = values["days"]
            case "retail_weeks":
                made["weeks"] = _numbers(values["weeks"])
            case "period_close":
                made |= {key: values[key] for key in ("days_before", "days_after")} | {"calendar": values["year"]}
            case "dates":
                made["dates"] = values["dates"].replace(",", " ").split()
        return made


_Fields = tuple[tuple[str, Callable[[], forms.Field]], ...]
_TIMES: _Fields = (("starts", lambda: _clock("From", "00:00")), ("ends", lambda: _clock("Until", "00:00")))
_FIELDS: Mapping[str, _Fields] = {
    "once": (
        ("starts", lambda: forms.CharField(label="From (local time)", max_length=16, widget=LocalInput())),
        ("ends", lambda: forms.CharField(label="Until (local time)", max_length=16, widget=LocalInput())),
    ),
    "weekly": (
        (
            "days",
            lambda: forms.MultipleChoiceField(
                label="Begins on",
                choices=[(day, DAY_NAMES[day]) for day in DAYS],
                widget=forms.CheckboxSelectMultiple(),
            ),
        ),
        ("starts", lambda: _clock("From", "16:00")),
        ("ends", lambda: _clock("Until", "06:00")),
    ),
    "retail_weeks": (
        (
            "weeks",
            lambda: forms.CharField(
                label="Weeks",
                max_length=200,
                help_text="Such as 43-44 or 43, 44, 47; week 1 begins in February, Sunday is the first day",
            ),
        ),
        *_TIMES,
    ),
    "period_close": (
        (
            "year",
            lambda: forms.ChoiceField(
                label="Periods", choices=[("gregorian", "calendar year"), ("454", "4-5-4 retail year")]
            ),
        ),
        (
            "days_before",
            lambda: forms.IntegerField(label="Days before the close", min_value=0, max_value=14, initial=2),
        ),
        ("days_after", lambda: forms.IntegerField(label="Days after the close", min_value=0, max_value=14, initial=3)),
        ("starts", lambda: _clock("From", "18:00")),
        ("ends", lambda: _clock("Until", "06:00")),
    ),
    "dates": (
        ("dates", lambda: forms.CharField(label="Days", max_length=2000, help_text="Such as 2027-01-15, 2027-07-15")),
        *_TIMES,
    ),
}


def words(document: Mapping[str, Any]) -> str:
    """A calendar as one sentence, such as `every Friday and Saturday from 16:00 to 06:00, Europe/Berlin`."""
    ends = document.get("until") or f"{document.get('hours')} hours later"
    times = f"from {document.get('from')} to {ends}"
    match document.get("kind"):
        case "once":
            said = f"once, {str(document['from']).replace('T', ' ')} to {str(document['until']).replace('T', ' ')}"
        case "weekly":
            said = f"every {_and([DAY_NAMES[day] for day in DAYS if day in document['days']])} {times}"
        case "retail_weeks":
            weeks = [str(week) for week in sorted(document["weeks"])]
            said = f"retail week{'s' if len(weeks) > 1 else ''} {_and(weeks)} of each year {times}"
        case "period_close":
            which = "retail period" if document.get("calendar") == "454" else "month"
            around = f"{document['days_before']} days before to {document['days_after']} days after"
            said = f"{around} the end of each {which}, {times}"
        case _:
            said = f"on {_and([str(day) for day in document.get('dates', ())])} {times}"
    return f"{said}, {document.get('zone')}"


def _and(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
