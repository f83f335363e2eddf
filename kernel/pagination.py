"""Cursor pagination for every list of the API: stable under inserts, cost independent of depth."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import FieldDoesNotExist, ValidationError
from rest_framework import exceptions
from rest_framework.pagination import CursorPagination

from kernel.errors import Invalid, finding


class Cursor(CursorPagination):
    """`?cursor=` and `?page_size=` (at most 200). A view may set `ordering`.

    A cursor that no list gave is refused as Invalid `request.cursor`, before it comes to the database.
    """

    page_size = 50
    max_page_size = 200
    page_size_query_param = "page_size"
    ordering = "-id"

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> Any:
        """Raises Invalid."""
        given = self.decode_cursor(request)
        if given is not None and given.position is not None:
            ordered_by = self.get_ordering(request, queryset, view)[0].lstrip("-")
            if not _is_value(queryset.model, ordered_by, given.position):
                raise _unknown()
        return super().paginate_queryset(queryset, request, view)

    def decode_cursor(self, request: Any) -> Any:
        """Raises Invalid."""
        try:
            return super().decode_cursor(request)
        except exceptions.NotFound:
            raise _unknown() from None


def _is_value(model: Any, name: str, position: str) -> bool:
    """Whether a field of that name can have this value."""
    if "\0" in position:
        return False
    try:
        field = model._meta.get_field(name)
        value = field.to_python(position)
        field.run_validators(value)
        field.get_prep_value(value)
    except FieldDoesNotExist:
        return True  # a column that the query makes: text as it comes
    except (ValueError, TypeError, OverflowError, ValidationError):
        return False
    return True


def _unknown() -> Invalid:
    said = "is none that a list has given: begin without it, and go on with the `next` of each answer"
    return Invalid("request.cursor", f"The cursor {said}.", {"findings": [finding("/cursor", f"cursor {said}")]})
