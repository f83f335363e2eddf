"""Writing to an OData V2 service, one document a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from runtime.connectors.http import Response
from runtime.connectors.odata_v2.literals import predicate, text
from runtime.connectors.odata_v2.session import ODataSession, deadline, error_of, refuse, warnings_of
from runtime.connectors.odata_v2.settings import ODataSettings
from runtime.connectors.one_by_one import write_one_by_one
from runtime.connectors.protocols import (
    AskBy,
    CallContext,
    Health,
    Idempotency,
    OutboundMessage,
    Refused,
    Retriable,
    WriteResult,
)


class ODataSink:
    """Creates or updates. A lost answer is `unknown`; `ask` finds the document by the lookup field.

    Resending a create after a lost answer makes a second document (SAP support note 2931385), which is why nothing is
    resent here.
    """

    def __init__(self, settings: ODataSettings) -> None:
        self.settings = settings
        self.session = ODataSession(settings)
        self.idempotency = Idempotency(settings.idempotency)
        self.max_batch = settings.max_batch
        self.business_reference = ""  # its lookup asks by a field of the document: `ask_by` names it

    def close(self) -> None:
        self.session.close()

    def check(self, *, call: CallContext) -> Health:
        """Signs in and fetches a CSRF token: a write would get this far."""
        try:
            if self.settings.csrf:
                self.session.fetch(call, deadline(call))
            else:
                self.session.get("", call=call)
        except (Refused, Retriable) as error:
            return Health(False, str(error))
        return Health(True, "signed in, writes are possible")

    def write(self, batch: Sequence[OutboundMessage], *, call: CallContext) -> list[WriteResult]:
        """One request per item, in order, within one deadline. Items that were not reached come back retriable."""
        until = deadline(call)
        return write_one_by_one(batch, until, lambda message: self._one(message, call, until))

    def _one(self, item: OutboundMessage, call: CallContext, until: float) -> WriteResult:
        settings = self.settings
        if settings.operation == "create":
            response = self.session.write("POST", settings.entity_set, item.body, call=call, until=until)
        else:
            target = settings.entity_set + self._predicate(item)
            match = self._etag(target, item, call, until)
            headers = {"If-Match": match} if match else {}
            response = self.session.write(
                settings.update_method, target, item.body, call=call, headers=headers, until=until
            )
        if response.status in (412, 428):
            code, message = error_of(response.body)
            said = message or "the entity has changed since it was read"
            return WriteResult(
                item.key, "refused", code=code or f"http.{response.status}", message=said, retry_after=0.0
            )
        refuse(response, call=call, effect=True)
        return WriteResult(item.key, "confirmed", self._reference(response, item), warnings=warnings_of(response))

    def _predicate(self, item: OutboundMessage) -> str:
        try:
            return predicate(self.settings.key_fields, item.address)
        except KeyError as error:
            raise Refused("odata.address", f"The item has no value for the key field {error.args[0]!r}.") from None

    def _etag(self, target: str, item: OutboundMessage, call: CallContext, until: float) -> str:
        if self.settings.match == "any":
            return "*"
        if self.settings.match == "item":
            return item.match or ""
        response = self.session.get(
            target, call=call, params={"$format": "json", "$select": self.settings.key_fields[0]}, until=until
        )
        return response.headers.get("etag") or _metadata(response).get("etag") or "*"

    def _reference(self, response: Response, item: OutboundMessage) -> str | None:
        name = self.settings.reference or (self.settings.lookup.reference if self.settings.lookup else None)
        if not response.body:
            return self.settings.entity_set + self._predicate(item) if item.address else None
        try:
            found = msgspec.json.decode(response.body)["d"]
            value = found.get(name) if name else found.get("__metadata", {}).get("uri")
            return None if value is None else str(value)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def ask(
        self, keys: Sequence[str], *, call: CallContext, address: Mapping[str, str] | None = None, by: AskBy = "key"
    ) -> dict[str, str | None]:
        """Which of our references the system knows: key → its document number (several joined by comma), None where
        there is none."""
        lookup = self.settings.lookup
        if lookup is None or by == "reference":
            raise Refused(
                "sink.cannot_ask", "This connection has no lookup; an unknown outcome has to be decided by a person."
            )
        until = deadline(call)
        found: dict[str, str | None] = dict.fromkeys(keys)
        entity_set = lookup.entity_set or self.settings.entity_set
        for start in range(0, len(keys), lookup.batch):
            part = keys[start : start + lookup.batch]
            target: str | None = entity_set
            params: dict[str, Any] | None = {
                "$filter": " or ".join(f"{lookup.field} eq {text(key)}" for key in part),
                "$select": f"{lookup.field},{lookup.reference}",
                "$format": "json",
            }
            while target:
                response = self.session.get(target, call=call, params=params, until=until)
                target, params = self._collect(response, found), None
        return found

    def _collect(self, response: Response, found: dict[str, str | None]) -> str | None:
        lookup = self.settings.lookup
        assert lookup is not None
        try:
            page = msgspec.json.decode(response.body)["d"]
            rows = page["results"]
            for row in rows:
                key, reference = str(row[lookup.field]), str(row[lookup.reference])
                if key in found:
                    held = found[key]
                    found[key] = reference if held is None else f"{held},{reference}"
            following: str | None = page.get("__next")
            return following
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Retriable("the answer to the lookup cannot be read") from None


def _metadata(response: Response) -> dict[str, Any]:
    try:
        about = msgspec.json.decode(response.body)["d"]["__metadata"]
        return about if isinstance(about, dict) else {}
    except (ValueError, KeyError, TypeError):
        return {}
