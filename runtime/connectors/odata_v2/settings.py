"""Settings of an OData V2 connection: where, what, and how changes are found."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from runtime.connectors.answer_rules import AnswerRule
from runtime.connectors.stamps import StampRules
from runtime.domain.json_paths import JsonPath


class ODataLookup(msgspec.Struct, frozen=True):
    """How the sink asks whether a message has arrived: `field eq 'key'` over an entity set. `holds`: properties of what
    is found, and the fields of what is sent that they have to equal; an entity that says something else is not this
    message's."""

    field: str
    reference: str
    entity_set: str | None = None
    batch: int = 20
    holds: dict[str, str] = msgspec.field(default_factory=dict)


class ODataSettings(msgspec.Struct, frozen=True):
    """base_url is the host (and gateway prefix); service is the path of the service document.

    changed       the field that moves when a row changes; without it every run reads everything
    changed_type  its literal form in `$filter`: datetime (Edm.DateTime) or datetimeoffset (Edm.DateTimeOffset)
    overlap       seconds that a new run reads again before its last position, for rows that were committed late with
                  an earlier stamp. They come again in every run, and what is known is stored once only. 0: none
    stamps        how far ahead of now a stamp may lie (`ahead`); they are milliseconds in any case
    charset       of the answers, where the service declares a wrong one
    page_size     sent as `Prefer: odata.maxpagesize` (a hint; `$top` would switch the server's own paging off)
    operation     create (POST), update (MERGE on the key predicate)
    match         for update: `fetch` reads the ETag first, `item` takes the field `match_field`, `any` sends `*`
    not_sent      fields of the document that serve the key predicate alone
    reference     the property that names what was made; where it is given, a create without it is unknown
    answers, nothing_done  as in a REST connection: what known answers mean, and statuses that prove
                  that nothing was done
    """

    base_url: str
    service: str
    entity_set: str
    key_fields: list[JsonPath]
    changed: JsonPath | None = None
    changed_type: Literal["datetime", "datetimeoffset"] = "datetimeoffset"
    overlap: float = 120.0
    stamps: StampRules = StampRules()
    charset: str | None = None
    filter: str | None = None
    select: list[str] = msgspec.field(default_factory=list)
    expand: list[str] = msgspec.field(default_factory=list)
    parameters: dict[str, str] = msgspec.field(default_factory=dict)
    page_size: int | None = None
    operation: Literal["create", "update"] = "create"
    update_method: Literal["PATCH", "MERGE"] = "PATCH"
    match: Literal["fetch", "item", "any"] = "fetch"
    match_field: str = ""
    not_sent: list[str] = msgspec.field(default_factory=list)
    reference: str | None = None
    answers: list[AnswerRule] = msgspec.field(default_factory=list)
    nothing_done: list[int] = msgspec.field(default_factory=list)
    lookup: ODataLookup | None = None
    idempotency: Literal["K", "N", "L", "U"] = "L"
    csrf: bool = True
    max_batch: int = 50
    auth: dict[str, Any] = msgspec.field(default_factory=dict)
    verify: bool | str = True
    further_hosts: list[str] = msgspec.field(default_factory=list)
    token_hosts: list[str] = msgspec.field(default_factory=list)
    max_response: int = 64 * 1024 * 1024

    def latest_stamp(self) -> int:
        """The highest stamp in milliseconds that can be true. `Edm.DateTime` has no zone."""
        return self.stamps.latest(zoned=self.changed_type == "datetimeoffset", per_second=1000)
