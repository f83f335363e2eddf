"""For ASGI applications (version 3)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tillgate.deprecation.refreshing import Deprecations, with_headers


class DeprecationASGI:
    """Wraps an application; see `tillgate.deprecation`. Only HTTP: other protocols pass as they are."""

    def __init__(self, application: Any, deprecations: Deprecations) -> None:
        self.application, self.deprecations = application, deprecations

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        ending = self.deprecations.of_path(scope["path"]) if scope["type"] == "http" else None
        if ending is None:
            await self.application(scope, receive, send)
            return
        now = datetime.now(UTC)
        going_on = ending.brown_out(self.deprecations.environment, now)
        if going_on is not None:
            headers, body = ending.refusal(going_on, now)
            await send({"type": "http.response.start", "status": 503, "headers": _bytes(headers)})
            await send({"type": "http.response.body", "body": body})
            return

        async def sending(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                present = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in message.get("headers", ())]
                message = message | {"headers": _bytes(with_headers(present, ending))}
            await send(message)

        await self.application(scope, receive, sending)


def _bytes(headers: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
