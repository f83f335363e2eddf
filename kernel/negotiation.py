"""Which form of an answer a caller of the REST API takes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

JSON = "application/json"


class JsonFirst(DefaultContentNegotiation):
    """Most callers take anything, or JSON, and most views have nothing else: nothing is weighed for them."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> Any:
        found = list(renderers)
        plain = request.META.get("HTTP_ACCEPT", "*/*") in ("*/*", JSON) and "format" not in request.query_params
        if plain and format_suffix is None and found and found[0].media_type == JSON:
            return found[0], JSON
        return super().select_renderer(request, found, format_suffix)
