"""Signing in, the CSRF handshake, and what the Gateway's error bodies say."""

from __future__ import annotations

import time
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

import msgspec

from runtime.connectors.answer_rules import SuccessRule
from runtime.connectors.answers import plain
from runtime.connectors.auth import Auth
from runtime.connectors.failure_marks import FailureMarks, WholeAnswers
from runtime.connectors.http import HttpClient, Response, raise_for
from runtime.connectors.odata_dialect import ODataDialect
from runtime.connectors.odata_settings import ODataSettings
from runtime.connectors.outcomes import fault
from runtime.connectors.protocols import CallContext, Refused

WHOLE = WholeAnswers(FailureMarks(SuccessRule().absent, SuccessRule().unless))  # of every service alike


class ODataSession:
    """One service of one system. The CSRF token and *every* cookie that came with it are sent on writes (their names
    are no contract)."""

    def __init__(self, settings: ODataSettings, dialect: ODataDialect) -> None:
        self.settings, self.dialect = settings, dialect
        self.http = HttpClient(
            settings.base_url,
            verify=settings.verify,
            further_hosts=settings.further_hosts,
            token_hosts=settings.token_hosts,
            max_response=settings.max_response,
        )
        self.auth = Auth(settings.auth, self.http)
        self.root = "/" + settings.service.strip("/") + "/"
        self.token = ""
        self.cookies: dict[str, str] = {}

    def close(self) -> None:
        self.http.close()

    def get(
        self,
        target: str,
        *,
        call: CallContext,
        params: Mapping[str, Any] | None = None,
        until: float | None = None,
        own_address: bool = False,
        prefer: str = "",
        accept: str = "application/json",
    ) -> Response:
        """A read. Raises what the status means; `own_address`: what is not found there is the message's matter.
        `prefer`: what else is preferred."""
        headers = {"Accept": accept}
        size = f"odata.maxpagesize={self.settings.page_size}" if self.settings.page_size else ""
        if wishes := ", ".join(filter(None, (size, prefer))):
            headers["Prefer"] = wishes
        url = target if target.startswith(("http", "/")) else self.root + target
        ends = deadline(call) if until is None else until
        response = self._signed_in("GET", url, call=call, effect=False, params=params, headers=headers, until=ends)
        if own_address and response.status in (404, 410):
            code, message = error_of(response.body)
            message = call.secrets.redact(message) or f"there is nothing at {target}"
            raise Refused(code or f"http.{response.status}", message, status=response.status)
        refuse(response, call=call, effect=False)
        return response

    def write(
        self,
        method: str,
        target: str,
        body: bytes | None,
        *,
        call: CallContext,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        until: float,
    ) -> Response:
        """A write with token and cookies; a rejected token (403 and `x-csrf-token: Required`: nothing was done) is
        fetched anew once."""
        for attempt in (1, 2):
            if self.settings.csrf and not self.token:
                self.fetch(call, until)
            response = self._signed_in(
                method,
                self.root + target,
                call=call,
                effect=True,
                params=params,
                headers={**self._tokens(), **(headers or {})},
                content=body,
                until=until,
                alone=self.settings.idempotency == "U",
            )
            if (
                response.status == 403
                and response.headers.get("x-csrf-token", "").lower() == "required"
                and attempt == 1
            ):
                self.token, self.cookies = "", {}
                continue
            break
        self._keep(response)
        return response

    def _signed_in(
        self,
        method: str,
        url: str,
        *,
        call: CallContext,
        effect: bool,
        headers: Mapping[str, str],
        until: float,
        params: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        alone: bool = False,
    ) -> Response:
        """One call. Where a token has ended before its time (401: nothing was done), once more with another one."""
        for attempt in (1, 2):
            given = {**self.dialect.headers, **self.auth.headers(call), **headers}
            response = self.http.request(
                method,
                url,
                call=call,
                effect=effect,
                params=params,
                headers=given,
                content=content,
                until=until,
                alone=alone,
            )
            if response.status != 401 or not self.auth.tokens or attempt == 2:
                break
            self.auth.forget()
        return response

    def fetch(self, call: CallContext, until: float) -> None:
        headers = {"X-CSRF-Token": "Fetch"}
        response = self._signed_in("GET", self.root, call=call, effect=False, headers=headers, until=until)
        refuse(response, call=call, effect=False)
        self.token = response.headers.get("x-csrf-token", "")
        if not self.token:
            raise fault("address", f"{response.url} gave no CSRF token; if the service needs none, set csrf = false")
        self.cookies = {}
        self._keep(response)

    def _tokens(self) -> dict[str, str]:
        if not self.settings.csrf:
            return {}
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"X-CSRF-Token": self.token} | ({"Cookie": cookies} if cookies else {})

    def _keep(self, response: Response) -> None:
        for line in response.headers.get_list("set-cookie"):
            try:
                self.cookies.update({name: morsel.coded_value for name, morsel in SimpleCookie(line).items()})
            except CookieError:
                name, _, value = line.partition(";")[0].partition("=")
                self.cookies[name.strip()] = value.strip()


def refuse(response: Response, *, call: CallContext, effect: bool) -> None:
    """Raises what a status means, in the words of the nested error body."""
    code, message = ("", "") if response.ok else error_of(response.body)
    raise_for(response, call=call, effect=effect, code=code, message=message)


def error_of(body: bytes) -> tuple[str, str]:
    """(`error.code`, all messages): SAP puts the useful ones into `innererror.errordetails`, Dynamics into
    `innererror.message`, V4 into `details`. OData V2 JSON format §8, OData JSON 4.01 §21."""
    try:
        error = msgspec.json.decode(body)["error"]
        value = plain(error["message"])
        inner = error.get("innererror")
        texts = [str(value)]
        for detail in [*_details(inner, "errordetails"), *_details(error, "details")]:
            text = plain(detail.get("message"))
            target = str(detail.get("target") or "")
            shown = f"{text} ({target})" if target else text
            if text and text != value:
                texts.append(shown)
            elif target:
                texts[0] = shown
        if isinstance(inner, dict) and (text := plain(inner.get("message"))):
            texts.append(text)
        return str(error.get("code") or ""), "; ".join(dict.fromkeys(texts))[:1_000]
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", ""


def _details(holder: Any, name: str) -> list[Any]:
    found = holder.get(name) if isinstance(holder, dict) else None
    return found if isinstance(found, list) else []


def warnings_of(headers: Mapping[str, str]) -> list[str]:
    """`sap-message`: a success that carries a warning. Shape: `{code, message, severity, target, details: [...]}`."""
    value = headers.get("sap-message") or headers.get("sap-messages")
    if not value:
        return []
    try:
        message = msgspec.json.decode(value)
        entries = message if isinstance(message, list) else [message, *message.get("details", [])]
        return [f"{e.get('severity', 'info')}: {e.get('message', '')} [{e.get('code', '')}]" for e in entries]
    except (ValueError, TypeError, AttributeError):
        return [value[:500]]


def deadline(call: CallContext) -> float:
    return time.monotonic() + call.deadline
