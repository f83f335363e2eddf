"""Settings of a SOAP connection. Paths into an answer begin below the Body; they are names without prefixes, joined by
dots, and an attribute is a member of its element (`Amount.currencyCode`; the text beside it is `value`)."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from runtime.connectors.answer_rules import AnswerRule
from runtime.connectors.rest.settings import RestSettings
from runtime.connectors.settings import wrong_setting
from runtime.domain.json_paths import JsonPath
from runtime.domain.templates import names_in


class SoapLog(msgspec.Struct, frozen=True):
    """Entries of a log in an answer, each with a severity: a success may hold errors.

    items     where the entries are
    severity  the member with it; `refused`: severities by which the message was not taken; `warning`: that are shown
    code, message  members of an entry
    """

    items: JsonPath
    severity: str
    refused: list[str]
    warning: list[str] = msgspec.field(default_factory=list)
    code: str = ""
    message: str = ""


class SoapLookup(msgspec.Struct, frozen=True):
    """The operation by which is asked what became of a message.

    operation  of the WSDL
    request    its document; `{key}` in its texts is our key, or the id of the message that was accepted
    found      where the answer has what it found: an element, or several
    match      the member of it that holds the key
    reference  the member with the service's own name
    status     the member that says how it is; without it, to be found is to be there
    pending, declined, refused  values of it; any other with a reference is done
    message    the member with words
    """

    operation: str
    request: dict[str, Any]
    found: JsonPath
    match: JsonPath
    reference: JsonPath
    status: JsonPath = ""
    pending: list[str] = msgspec.field(default_factory=list)
    declined: list[str] = msgspec.field(default_factory=list)
    refused: list[str] = msgspec.field(default_factory=list)
    message: JsonPath = ""


class SoapSettings(msgspec.Struct, frozen=True):
    """path        where messages go, below the base URL of the endpoint. The address in the WSDL is not called
    wsdl         the digest of the pinned contract (`sha256:…`, or `current` when it is registered), a WSDL that holds
                 its schemas; it is never fetched
    service, port  of the WSDL, where it has several
    operation    that writes; the document is its message
    message_id   a path into the document that takes the id of the message: a UUID that stays the same over attempts
    accepted_as  a path into the document by whose value `lookup` knows what was accepted; without it that id
    addressing   whether that id goes into a header of WS-Addressing, too
    reference    where the answer has the service's name for what was made. What is answered by nothing (202) is
                 accepted, and asked about by `lookup`
    log          entries with a severity within an answer
    required     paths that a success has
    answers      answers that this service is known to give; `codes` are fault codes without prefix (`Client`, `Server`)
    lookup       how it is asked about a message
    """

    base_url: str
    path: str
    wsdl: str
    operation: str
    service: str = ""
    port: str = ""
    message_id: JsonPath = ""
    accepted_as: JsonPath = ""
    addressing: bool = False
    reference: JsonPath = ""
    required: list[JsonPath] = msgspec.field(default_factory=list)
    log: SoapLog | None = None
    answers: list[AnswerRule] = msgspec.field(default_factory=list)
    nothing_done: list[int] = msgspec.field(default_factory=list)
    lookup: SoapLookup | None = None
    idempotency: Literal["K", "N", "L", "U"] = "U"
    max_batch: int = 100
    not_sent: list[str] = msgspec.field(default_factory=list)
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    auth: dict[str, Any] = msgspec.field(default_factory=dict)
    verify: bool | str = True
    further_hosts: list[str] = msgspec.field(default_factory=list)
    token_hosts: list[str] = msgspec.field(default_factory=list)
    max_response: int = 16 * 1024 * 1024

    def of_writing(self) -> RestSettings:
        """What is the same for every document that is sent over HTTP. Raises Invalid, with a pointer."""
        if self.idempotency == "L" and self.lookup is None:
            raise wrong_setting("/lookup", "Class L needs 'lookup': how the service is asked.")
        if self.idempotency == "K" and not (self.message_id or self.addressing):
            raise wrong_setting("/idempotency", "Class K needs 'message_id' or 'addressing': where the id is sent.")
        if self.lookup is not None and "key" not in {n for t in _texts(self.lookup.request) for n in names_in(t)}:
            raise wrong_setting("/lookup/request", "The question has to name {key}.")
        names = ("base_url", "path", "headers", "auth", "verify", "further_hosts", "token_hosts", "max_response")
        own = ("nothing_done", "max_batch", "not_sent", "answers")
        return RestSettings(
            **{name: getattr(self, name) for name in (*names, *own)},
            connections="new" if self.idempotency == "U" else "kept",
        )


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for one in inner for text in _texts(one)]


__all__ = ["SoapLog", "SoapLookup", "SoapSettings"]
