"""For WSGI applications (PEP 3333)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from tillgate.deprecation.refreshing import Deprecations, with_headers

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class DeprecationWSGI:
    """Wraps an application; see `tillgate.deprecation`."""

    def __init__(self, application: Application, deprecations: Deprecations) -> None:
        self.application, self.deprecations = application, deprecations

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        ending = self.deprecations.of_path(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""))
        if ending is None:
            return self.application(environ, start_response)
        now = datetime.now(UTC)
        going_on = ending.brown_out(self.deprecations.environment, now)
        if going_on is not None:
            headers, body = ending.refusal(going_on, now)
            start_response("503 Service Unavailable", headers)
            return [body]

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(status, with_headers(headers, ending), *more)

        return self.application(environ, start)
