"""Settings of a REST connection. Paths into JSON are member names joined by dots, one with a dot of its own in
backticks; an empty path is the document itself."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from runtime.connectors.answer_rules import AnswerRule, SuccessRule
from runtime.connectors.answers import plain_name
from runtime.connectors.failure_marks import FailureMarks, WholeAnswers
from runtime.connectors.rest.error_places import Errors
from runtime.connectors.rest.page_rules import PageRule
from runtime.connectors.rest.page_settings import ChangeFeed, Paging, RestRead, Select
from runtime.connectors.stamps import StampRules
from runtime.domain.json_paths import JsonPath


class RestBatch(msgspec.Struct, frozen=True):
    """Many items in one call, answered one by one.

    Results are matched by `key` where it is given, else by position. `retriable`, `declined` and `accepted` list
    statuses or error codes. A status that is in none of the lists is read as an HTTP status, and is unknown where
    it is none. `reference`: where it is given, an item without it is unknown; else `id` where there is one.
    """

    items: str = "items"
    results: str = "results"
    key: str | None = None
    status: str = "status"
    confirmed: list[str] = msgspec.field(default_factory=list)
    refused: list[str] = msgspec.field(default_factory=list)
    retriable: list[str] = msgspec.field(default_factory=list)
    declined: list[str] = msgspec.field(default_factory=list)
    accepted: list[str] = msgspec.field(default_factory=list)
    reference: str | None = None
    code: str = "code"
    message: str = "message"


class RestLookup(msgspec.Struct, frozen=True):
    """The question whether keys have arrived: POST {keys: […]} → `found`, an object by key or a list of objects with
    `key`.

    reference  the target's name for what it found, else `id` (not where that is the key itself); an entry without it
               tells nothing, unless it holds what is compared
    versioned  keys are `id@version`: confirmed when the version held is not older
    whole      an answer is never one page of several, whatever it says of a next one or of a total; else what such an
               answer does not show is not known to be missing
    references, found_by_reference  the same question by business reference, for a vendor that forgets keys: the members
               of question and answer
    business_reference  that reference, as a template over the document that is sent: `{reference}`
    documents  the member of the answer that lists, by name, every document that bears it, so that a second one shows
    amount, amount_sent  where such a document says its amount, and the field of what is sent that it has to equal
    holds      more of the kind, `{member of the document: field of what is sent}`: a document that says something else
               is not this message's
    status     the member of what was found that says how it is; `pending`: taken and still at work, `declined`,
               `refused`. Without it, to be found is to be there
    """

    path: str
    keys: str = "keys"
    found: str = "found"
    key: str = "key"
    reference: str | None = None
    versioned: bool = False
    version: str = "version"
    batch: int = 500
    whole: bool = False
    references: str = ""
    found_by_reference: str = ""
    business_reference: str = ""
    documents: str = ""
    amount: str = ""
    amount_sent: str = ""
    holds: dict[str, str] = msgspec.field(default_factory=dict)
    status: str = ""
    pending: list[str] = msgspec.field(default_factory=list)
    declined: list[str] = msgspec.field(default_factory=list)
    refused: list[str] = msgspec.field(default_factory=list)

    @property
    def compared(self) -> dict[str, str]:
        """Members of a document that is found, and the fields of what is sent that they have to equal."""
        amount = {self.amount: self.amount_sent} if self.amount and self.amount_sent else {}
        return amount | self.holds


class RestJob(msgspec.Struct, frozen=True):
    """How the target is asked what became of something that it accepted: GET `path` with `{job}`, or the Location
    itself where no path is given. A status in none of the lists is unknown. `id`: where the answer names the job; one
    that names another says nothing."""

    path: str = ""
    status: str = "status"
    confirmed: list[str] = msgspec.field(default_factory=list)
    pending: list[str] = msgspec.field(default_factory=list)
    refused: list[str] = msgspec.field(default_factory=list)
    reference: str = "id"
    code: str = "code"
    message: str = "message"
    id: str = ""


class RestSettings(msgspec.Struct, frozen=True):
    """base_url and path say where; `path` may hold `{names}`, which the target's `address` in the manifest fills.

    Reading: items, key_fields, version_field, paging, changes, stamps (what the field of `changes`, or else
    `version_field`, means, and how far ahead it may lie); `page_errors` must be missing or empty in a page and in the
    answer of a lookup, as what `success` names in `absent` and `unless`.
    Writing: method, batch or single, where the idempotency key goes, lookup. What an answer means: success, answers,
    nothing_done (statuses by which this vendor proves that it did nothing, `[503]`), reference (where it is given, a
    success has it), job.
    path         below the base URL of the endpoint, or from the root of its host with a slash in front
    parameters   of the query; a list stands once for each of its values
    request, select, paging, changes  how pages are asked for, what is taken out of them, how they follow one another,
                 and how a run asks for what has changed
    reads        answers to reads that this vendor is known to give, and what they mean; the first that fits wins
    match_field  the member of the document whose value goes into `If-Match`
    not_sent     members of the document that serve the address alone
    connections  `kept`: writes go over connections that are kept; `new`: each opens its own. A server or proxy that
                 answers one request twice is caught before the next request leaves, not after; where nobody could find
                 that out (class U), connections are new unless `kept` is said
    """

    OF_ROLE: ClassVar[dict[str, frozenset[str]]] = {
        "source": frozenset(
            [
                *("request", "select", "items", "key_fields", "version_field", "paging", "changes", "stamps"),
                *("reads", "page_errors", "success", "check_path", "charset", "max_response"),
            ]
        ),
        "sink": frozenset(
            [
                *("method", "idempotency", "idempotency_header", "idempotency_field", "correlation_field", "reference"),
                *("success", "answers", "nothing_done", "match_field", "not_sent", "job", "duplicate_status"),
                *("busy_status", "batch", "lookup", "check_path", "max_batch", "page_errors", "connections"),
                *("max_response",),
            ]
        ),
        "decision": frozenset({"method", "max_response"}),
    }

    base_url: str
    path: str
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    parameters: dict[str, str | list[str]] = msgspec.field(default_factory=dict)
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    request: RestRead = msgspec.field(default_factory=RestRead)
    select: Select = msgspec.field(default_factory=Select)
    items: JsonPath = ""
    key_fields: list[JsonPath] = msgspec.field(default_factory=list)
    version_field: JsonPath | None = None
    paging: Paging = msgspec.field(default_factory=Paging)
    changes: ChangeFeed | None = None
    stamps: StampRules = StampRules()
    idempotency: Literal["K", "N", "L", "U"] = "U"
    idempotency_header: str | None = None
    idempotency_field: str | None = None
    correlation_field: str | None = None
    reference: str | None = None
    success: SuccessRule = msgspec.field(default_factory=SuccessRule)
    answers: list[AnswerRule] = msgspec.field(default_factory=list)
    nothing_done: list[int] = msgspec.field(default_factory=list)
    reads: list[PageRule] = msgspec.field(default_factory=list)
    page_errors: list[JsonPath] = msgspec.field(default_factory=lambda: ["errors", "error"])
    match_field: str = ""
    not_sent: list[str] = msgspec.field(default_factory=list)
    job: RestJob | None = None
    duplicate_status: list[int] = msgspec.field(default_factory=list)
    busy_status: list[int] = msgspec.field(default_factory=list)
    batch: RestBatch | None = None
    lookup: RestLookup | None = None
    check_path: str | None = None
    max_batch: int = 100
    errors: Errors = msgspec.field(default_factory=Errors)
    auth: dict[str, Any] = msgspec.field(default_factory=dict)
    verify: bool | str = True
    further_hosts: list[str] = msgspec.field(default_factory=list)
    token_hosts: list[str] = msgspec.field(default_factory=list)
    max_response: int = 64 * 1024 * 1024
    charset: str | None = None
    connections: Literal["", "kept", "new"] = ""

    @property
    def writes_alone(self) -> bool:
        return self.connections == "new" or (self.connections == "" and self.idempotency == "U")

    def whole_answers(self, but: str = "") -> WholeAnswers:
        """By which the answers to reads are judged: pages, lookups and jobs. `page_errors` alone says of `errors` and
        `error` whether they matter there. `but`: a member with a meaning of its own."""
        own, rule = {plain_name(path) for path in ("errors", "error")}, self.success
        absent = [path for path in rule.absent if plain_name(path) not in own]
        unless = {path: values for path, values in rule.unless.items() if plain_name(path) != plain_name(but)}
        return WholeAnswers(FailureMarks([*self.page_errors, *absent], unless))
