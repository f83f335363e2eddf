"""Signing in and reading error bodies, for every REST vendor alike."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from runtime.connectors.answers import first
from runtime.connectors.auth import Auth
from runtime.connectors.http import HttpClient, Response, raise_for
from runtime.connectors.protocols import CallContext
from runtime.connectors.rest.settings import RestSettings


class RestSession:
    def __init__(self, settings: RestSettings) -> None:
        self.settings = settings
        self.http = HttpClient(
            settings.base_url,
            verify=settings.verify,
            further_hosts=settings.further_hosts,
            token_hosts=settings.token_hosts,
            max_response=settings.max_response,
        )
        self.auth = Auth(settings.auth, self.http, for_requests=True)

    def close(self) -> None:
        self.http.close()

    def send(
        self,
        method: str,
        target: str,
        *,
        call: CallContext,
        effect: bool,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        until: float | None = None,
        alone: bool = False,
    ) -> Response:
        """One request, signed in; a 401 (nothing was done) is tried once more with a new token where tokens expire."""
        ends = until if until is not None else time.monotonic() + call.deadline
        for attempt in (1, 2):
            given = {**self.settings.headers, **self.auth.headers(call), **(headers or {})}
            address, asked = target, dict(params or {})
            if self.auth.signs:
                address, asked = str(self.http.url(target, asked | self.auth.parameters(call))), {}
                media = given.get("Content-Type", "application/json") if content else ""
                given |= self.auth.signed(call, method, address, content or b"", media)
            response = self.http.request(
                method,
                address,
                call=call,
                effect=effect,
                params=asked,
                headers=given,
                content=content,
                until=ends,
                alone=alone,
            )
            if response.status == 401 and self.auth.tokens and attempt == 1:
                self.auth.forget()
                continue
            break
        return response

    def refuse(self, response: Response, *, call: CallContext, effect: bool) -> None:
        code, message = ("", "") if response.ok else self.error(response.body)
        raise_for(response, call=call, effect=effect, code=code, message=message)

    def error(self, body: bytes) -> tuple[str, str]:
        try:
            found = msgspec.json.decode(body)
        except (ValueError, RecursionError):
            return "", ""
        errors = self.settings.errors
        return first(found, errors.code), first(found, errors.message)
