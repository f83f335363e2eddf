"""The OpenAPI document that the product serves. It is the same for all who may read it, and making it takes a second of
processor time and is not safe in several threads at once; so it is made once, by the first who asks."""

from __future__ import annotations

import threading
from typing import Any

from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request
from rest_framework.response import Response

_making = threading.Lock()
_made: dict[str, Any] = {}


class ApiDocument(SpectacularAPIView):
    def _get_schema_response(self, request: Request) -> Response:
        disposition = f'inline; filename="{self._get_filename(request, None)}"'
        return Response(document(self), headers={"Content-Disposition": disposition})


def document(view: SpectacularAPIView) -> Any:
    with _making:
        if "document" not in _made:
            generator = view.generator_class(urlconf=view.urlconf, api_version=view.api_version, patterns=view.patterns)
            _made["document"] = generator.get_schema(request=None, public=view.serve_public)
        return _made["document"]
