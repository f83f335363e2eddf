"""The values of an API's fields, as `domain.api_fields` lists them: plain for machines, in words for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Field, ForeignKey, Model

from catalog.domain.api_fields import API_FIELDS, ApiField
from catalog.models import Api


@dataclass(frozen=True, slots=True)
class ShownField:
    """One line of the facts on the overview page. `value` is "" where it is not stated, `url` is "" for plain text."""

    label: str
    value: str
    url: str = ""


def choices(field: ApiField) -> list[tuple[str, str]]:
    """(value, words) of a field of the kind `choice`."""
    return [(value, str(words)) for value, words in _column(field).choices or ()]


def preset(field: ApiField) -> str:
    """What an empty choice is stored as: nothing, or the column's default where the column must not be empty."""
    column = _column(field)
    return "" if column.blank else str(column.default)


def referenced(field: ApiField) -> type[Model]:
    """The model of the rows that a field of the kind `reference` names by their keys."""
    column = _column(field)
    if not isinstance(column, ForeignKey):
        raise TypeError(f"{field.key} refers to nothing")
    return column.related_model


def _column(field: ApiField) -> Field[Any, Any]:
    column = Api._meta.get_field(field.key)
    if not isinstance(column, Field):
        raise TypeError(f"{field.key} is no column")
    return column


def plain(api: Api, field: ApiField) -> Any:
    """The value in JSON: a key for a reference, a number for a tier, None where the reference is empty."""
    value = getattr(api, field.key)
    if field.kind == "reference":
        return value.key if value else None
    if field.kind == "level":
        return value.level if value else None
    return list(value) if field.kind == "names" else value


def plain_values(api: Api) -> dict[str, Any]:
    return {field.key: plain(api, field) for field in API_FIELDS}


def form_values(api: Api) -> dict[str, str]:
    """Every value as the text of a form field."""
    made = {}
    for field in API_FIELDS:
        value = plain(api, field)
        made[field.key] = ", ".join(value) if field.kind == "names" else "" if value is None else str(value)
    return made


def shown_fields(api: Api) -> list[ShownField]:
    """The facts of the overview page: every field that has no place of its own there."""
    return [_shown(api, field) for field in API_FIELDS if not field.prominent]


def _shown(api: Api, field: ApiField) -> ShownField:
    value = getattr(api, field.key)
    if field.kind == "choice":
        return ShownField(field.label, getattr(api, f"get_{field.key}_display")())
    if field.kind == "reference":
        return ShownField(field.label, value.name if value else "")
    if field.kind == "level":
        return ShownField(field.label, str(value) if value else "")
    if field.kind == "names":
        return ShownField(field.label, ", ".join(value))
    return ShownField(field.label, value, value if field.kind == "url" else "")
