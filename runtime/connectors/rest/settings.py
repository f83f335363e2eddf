"""Settings of a REST connection. Paths into JSON are dotted member names; an empty path is the document itself."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Errors(msgspec.Struct, frozen=True):
    """Where the vendor's error body says what is wrong: the first path that holds something wins; lists are read at
    element 0."""

    code: list[str] = msgspec.field(default_factory=lambda: ["code", "error", "errorCode", "title"])
    message: list[str] = msgspec.field(default_factory=lambda: ["message", "detail", "error_description", "title"])


class Paging(msgspec.Struct, frozen=True):
    """How pages follow one another.

    none    one answer holds everything
    link    the `Link` header with rel="next" (RFC 8288)
    next    a URL in the body, at `next`
    offset  `offset_param` advances by the number *received*; goes on while `more` in the body is true, or until a page
    is short
    cursor  an opaque value at `next` goes back in `cursor_param`
    page    `page_param` counts up from `first_page`, until a page is empty
    """

    strategy: Literal["none", "link", "next", "offset", "cursor", "page"] = "none"
    next: str = "next"
    more: str | None = None
    size: int | None = None
    size_param: str = "limit"
    offset_param: str = "offset"
    cursor_param: str = "cursor"
    page_param: str = "page"
    first_page: int = 1


class ChangeFeed(msgspec.Struct, frozen=True):
    """Incremental reading: `param` takes the highest value of `field` seen so far; rows at the boundary are read again.

    `value` is the template of the parameter, for vendors that take an expression: `greater-or-equal(updated,{since})`.
    """

    param: str
    field: str
    value: str = "{since}"
    initial: str | None = None


class RestBatch(msgspec.Struct, frozen=True):
    """Many items in one call, answered one by one.

    Results are matched by `key` where it is given, else by position. `retriable` lists statuses or error codes. A
    status that is in none of the lists is unknown.
    """

    items: str = "items"
    results: str = "results"
    key: str | None = None
    status: str = "status"
    confirmed: list[str] = msgspec.field(default_factory=list)
    refused: list[str] = msgspec.field(default_factory=list)
    retriable: list[str] = msgspec.field(default_factory=list)
    reference: str = "id"
    code: str = "code"
    message: str = "message"


class RestLookup(msgspec.Struct, frozen=True):
    """The question whether keys have arrived: POST {keys: […]} → `found`, an object by key or a list of objects with
    `key`.

    versioned  keys are `id@version`: confirmed when the version held is not older
    references, found_by_reference  the same question by business reference, for a vendor that forgets keys: the members
               of question and answer
    business_reference  that reference, as a template over the document that is sent: `{reference}`
    """

    path: str
    keys: str = "keys"
    found: str = "found"
    key: str = "key"
    reference: str = "id"
    versioned: bool = False
    version: str = "version"
    batch: int = 500
    references: str = ""
    found_by_reference: str = ""
    business_reference: str = ""


class RestSettings(msgspec.Struct, frozen=True):
    """base_url and path say where. Reading: items, key_fields, version_field, paging, changes. Writing: method, batch
    or single, the idempotency key's header or body member, lookup. `path` may hold `{names}` that come from
    `Item.address`."""

    base_url: str
    path: str
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    parameters: dict[str, str] = msgspec.field(default_factory=dict)
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    items: str = ""
    key_fields: list[str] = msgspec.field(default_factory=list)
    version_field: str | None = None
    paging: Paging = msgspec.field(default_factory=Paging)
    changes: ChangeFeed | None = None
    idempotency: Literal["K", "N", "L", "U"] = "U"
    idempotency_header: str | None = None
    idempotency_field: str | None = None
    correlation_field: str | None = None
    reference: str = "id"
    duplicate_status: list[int] = msgspec.field(default_factory=list)
    busy_status: list[int] = msgspec.field(default_factory=list)
    batch: RestBatch | None = None
    lookup: RestLookup | None = None
    check_path: str | None = None
    max_batch: int = 100
    errors: Errors = msgspec.field(default_factory=Errors)
    auth: dict[str, Any] = msgspec.field(default_factory=dict)
    verify: bool | str = True
    also_allowed: list[str] = msgspec.field(default_factory=list)
    max_response: int = 64 * 1024 * 1024
