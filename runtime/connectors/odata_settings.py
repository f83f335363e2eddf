"""Settings of an OData connection, of both versions: where, what, and how changes are found."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from kernel.errors import Invalid
from runtime.connectors.answer_rules import AnswerRule
from runtime.connectors.odata_literals import DAY, EdmType
from runtime.connectors.stamps import StampRules
from runtime.domain.json_paths import JsonPath

Operation = Literal["create", "update", "upsert", "delete", "action"]


class ODataLookup(msgspec.Struct, frozen=True):
    """How the sink asks whether a message has arrived: `field eq 'key'` over an entity set. `holds`: properties of what
    is found, and the fields of what is sent that they have to equal; an entity that says something else is not this
    message's. `type`: that of the field."""

    field: str
    reference: str
    entity_set: str | None = None
    batch: int = 20
    holds: dict[str, str] = msgspec.field(default_factory=dict)
    type: EdmType = "String"


class ODataSettings(msgspec.Struct, frozen=True, kw_only=True):
    """base_url is the host (and gateway prefix); service is the path of the service document.

    key_types     the Edm types of key fields that are no text (`Guid`, `Int32`, …): they are written so in `$filter`
                  and in addresses. V4: a number in a row is one without it
    changed       the field that moves when a row changes; without it every run reads everything
    changed_type  its literal form in `$filter`; V2: datetime (Edm.DateTime) or datetimeoffset (Edm.DateTimeOffset); V4:
                  datetimeoffset, date, or counter (a number that only grows)
    overlap       seconds (of a counter: units) that a new run reads again before its last position, for rows that were
                  committed late with an earlier stamp. They come again in every run, and what is known is stored once
                  only. 0: none
    stamps        how far ahead of now a stamp may lie (`ahead`)
    charset       of the answers, where the service declares a wrong one
    page_size     sent as `Prefer: odata.maxpagesize` (a hint; `$top` would switch the server's own paging off)
    operation     create (POST), update (on the key predicate), upsert (update, or create where there is none), delete,
                  action (POST of `action`, bound as `bound` says)
    match         for what changes something: `fetch` reads the ETag first, `item` takes the field `match_field`, `any`
                  sends `*`, `none` sends nothing
    batch         several messages in one `$batch`: `each` by itself, or `whole`, of which all or none are done
    not_sent      fields of the document that serve the key predicate alone
    reference     the property that names what was made; where it is given, a create without it is unknown
    answers, nothing_done  as in a REST connection: what known answers mean, and statuses that prove
                  that nothing was done
    """

    base_url: str
    service: str
    entity_set: str
    key_fields: list[JsonPath]
    key_types: dict[str, EdmType] = msgspec.field(default_factory=dict)
    changed: JsonPath | None = None
    changed_type: Literal["datetime", "datetimeoffset", "date", "counter"] = "datetimeoffset"
    overlap: float = 120.0
    stamps: StampRules = StampRules()
    charset: str | None = None
    filter: str | None = None
    select: list[str] = msgspec.field(default_factory=list)
    expand: list[str] = msgspec.field(default_factory=list)
    parameters: dict[str, str] = msgspec.field(default_factory=dict)
    page_size: int | None = None
    operation: Operation = "create"
    action: str = ""
    bound: Literal["entity", "set", "service"] = "entity"
    update_method: Literal["PATCH", "MERGE", "PUT"] = "PATCH"
    match: Literal["fetch", "item", "any", "none"] = "fetch"
    match_field: str = ""
    batch: Literal["no", "each", "whole"] = "no"
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

    @property
    def addressed(self) -> bool:
        """Whether a write goes to the address of one entity."""
        return self.operation in ("update", "upsert", "delete") or (
            self.operation == "action" and self.bound == "entity"
        )

    @property
    def unit(self) -> int:
        """How many milliseconds (of a counter: units) one shown stamp stands for."""
        return DAY if self.changed_type == "date" else 1

    @property
    def back(self) -> int:
        """The overlap in milliseconds, or in units of a counter."""
        return round(self.overlap * (1 if self.changed_type == "counter" else 1000))

    def latest_stamp(self) -> int:
        """The highest stamp that can be true: milliseconds; any, of a counter. `Edm.DateTime` has no zone."""
        if self.changed_type == "counter":
            return 2**63 - 1
        return self.stamps.latest(zoned=self.changed_type == "datetimeoffset", per_second=1000)

    def checked(self) -> ODataSettings:
        """Itself. Raises Invalid for settings that contradict one another."""
        problem = ""
        if self.operation not in ("create", "action") and self.match == "item" and not self.match_field:
            problem = "match = item needs 'match_field': the field of the document that holds the ETag."
        elif (self.operation == "action") != bool(self.action):
            problem = "'action' names what 'operation = action' calls; give both, or none of them."
        elif unknown := sorted(set(self.key_types) - set(self.key_fields)):
            problem = f"'key_types' names {unknown[0]!r}, which is no key field ({', '.join(self.key_fields)})."
        elif self.batch != "no" and (self.operation == "upsert" or self.idempotency == "U"):
            problem = (
                "'batch' takes no upserts and no target of class U: send one by one (leave 'batch' out), where each "
                "answer is known before the next one is sent."
            )
        if problem:
            raise Invalid("connection.settings", problem)
        return self
