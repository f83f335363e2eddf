"""Settings of a REST connection that say how it is read: the request, what is selected, pages, changes."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec

from runtime.domain.json_paths import JsonPath

Ways = tuple[str, dict[str, tuple[str, ...]]]
Place = Literal["", "query", "body", "header"]
_EVERY = r"^([1-9][0-9]{0,5}[smh])?\Z"


class RestRead(msgspec.Struct, frozen=True):
    """How a page is asked for.

    method  GET, or POST where the service is asked by a body
    body    that body, as it is for the first page; positions and changes are put into it (`paging.place`,
            `changes.place`)
    """

    VARIANTS: ClassVar[Ways] = ("method", {"GET": (), "POST": ("body",)})

    method: Literal["GET", "POST"] = "GET"
    body: dict[str, Any] = msgspec.field(default_factory=dict)


class Select(msgspec.Struct, frozen=True):
    """What is taken out of a page, in JMESPath: `data.orders.edges[].node`, `links[?rel=='next'] | [0].href`. A name
    with other signs than letters, digits and underscores stands in quotation marks: `"@odata.nextLink"` is one name.
    Each stands in the place of the setting with its path.

    rows   the rows, in the place of `items`. What is more than a path writes them anew, number by number
    next   in the place of `paging.next`
    more   in the place of `paging.more`
    total  in the place of `paging.total`
    error  must be missing, false or empty, as `page_errors`
    """

    rows: str = ""
    next: str = ""
    more: str = ""
    total: str = ""
    error: str = ""


class Keyset(msgspec.Struct, frozen=True):
    """Paging by a key: each page is what lies behind the last row of the one before.

    fields  of that row, by which the service sorts (say it to the service in `parameters`); the last one is unique
    param   the parameter that takes the condition
    value   the condition, with the fields in braces: `id > {id}`, `(at > {at}) or (at = {at} and id > {id})`
    quote   how a text is written in it: `single` (`'it''s'`), `double` (`"it\\"s"`), or bare where only letters,
            digits and `-_.:+` may stand; numbers are always bare
    joined  what stands between the condition of `changes` and this one, where both go into one parameter; empty: this
            one stands alone, for it says since when as well
    """

    fields: list[JsonPath]
    param: str
    value: str
    quote: Literal["", "single", "double"] = ""
    joined: str = " and "


class Paging(msgspec.Struct, frozen=True):
    """How pages follow one another.

    none    one answer holds everything
    link    the `Link` header with rel="next" (RFC 8288)
    next    a URL in the body, at `next`, whole or relative
    offset  `offset_param` advances by the number *received*; goes on while `more` in the body is true, or until nothing
            new comes. Each page begins with the last row of the one before: if it is not there, rows have moved, and
            reading goes back. Where nothing but that row comes, what is behind it is asked for alone
    cursor  an opaque value at `next` (or in the header `next_header`) goes back in `cursor_param`; ends where there is
            none, or where `more` is false
    page    `page_param` counts up from `first_page`, until a page is empty. The page before each is read again, to see
            that no row has slipped into it; if one has, reading goes back. `append_only`: rows never go away, and each
            page is asked for once
    range   as `offset`, in a header: `Range: items=0-99`; ends with 416 or where nothing new comes
    keyset  each page is what lies behind the last row of the one before, until one is empty or `more` is false

    size, size_param     how many rows a page is to have, and the parameter that says so; a service that gives fewer is
                         read to its end nevertheless
    place                where positions and `size` go: `query`, `body` (paths into `request.body`), `header`; without
                         it the body of a POST, else the query
    order_by             the field by which the service sorts (say it to the service in `parameters`): of offset and
                         page, what keeps rows that stay from changing places
    range_header, range_unit  the header of a range, and its unit (`resources`)
    total, total_header  where a page, or the answer's header, tells how many rows there are in all: a reading that got
                         fewer is done once more, and then fails
    whole                the last page is the last one, whatever it says of a next page or of a total; else a reading
                         that ends although its last page says that there is more fails
    """

    VARIANTS: ClassVar[Ways] = (
        "strategy",
        {
            "none": (),
            "link": (),
            "next": ("next",),
            "offset": ("offset_param", "more", "order_by", "place"),
            "cursor": ("next", "next_header", "cursor_param", "more", "place"),
            "page": ("page_param", "first_page", "append_only", "order_by", "place"),
            "range": ("range_header", "range_unit", "order_by"),
            "keyset": ("keyset", "more", "place"),
        },
    )

    strategy: Literal["none", "link", "next", "offset", "cursor", "page", "range", "keyset"] = "none"
    next: JsonPath = "next"
    next_header: str = ""
    more: JsonPath | None = None
    size: int | None = None
    size_param: str = "limit"
    offset_param: str = "offset"
    cursor_param: str = "cursor"
    page_param: str = "page"
    first_page: int = 1
    append_only: bool = False
    range_header: str = "Range"
    range_unit: str = "items"
    keyset: Keyset | None = None
    place: Place = ""
    order_by: JsonPath = ""
    total: JsonPath = ""
    total_header: str = ""
    whole: bool = False


class ChangeFeed(msgspec.Struct, frozen=True):
    """Incremental reading: `param` takes the highest value of `field` seen so far, less `overlap`.

    value       the template of the parameter, for vendors that take an expression: `greater-or-equal(updated,{since})`,
                also with the end: `at >= "{since}" and at < "{until}"`
    operator    what the vendor makes of it: `ge`, or `gt`, which leaves out rows of the very moment; then a run goes
                back by a second (a date by a day, a counter by one) even without `overlap`
    overlap     how far a new run goes back, in seconds where the field is a time (a date goes back by whole days), in
                units of the field where it is a counter. Rows that were committed late with an earlier value, and ties
                where the vendor means "greater than", are read only because of it. What is known is stored once only.
                0: none
    literal     how the value is written, where the parameter takes another form than the field has: `date`, `iso`,
                `seconds` or `milliseconds` since 1970, `odata_v2`
    until_param, until_value  a second parameter for the end: a run reads what changed before it began
    window      (`24h`) a run reads in slices of this length, one after the other, for services that refuse or cut off
                longer ones; needs an end and `initial`
    full_every  (`24h`) a run after that time reads everything, whatever has changed
    place       where the value goes: `query`, or `body` (a path into `request.body`); without it the body of a POST,
                else the query
    """

    param: str
    field: JsonPath
    value: str = "{since}"
    initial: str | None = None
    operator: Literal["ge", "gt"] = "ge"
    overlap: float = 120.0
    literal: Literal["", "date", "iso", "seconds", "milliseconds", "odata_v2"] = ""
    until_param: str = ""
    until_value: str = "{until}"
    window: Annotated[str, msgspec.Meta(pattern=_EVERY)] = ""
    full_every: Annotated[str, msgspec.Meta(pattern=_EVERY)] = ""
    place: Literal["", "query", "body"] = ""

    @property
    def ends(self) -> bool:
        """Whether the service is told an end, too."""
        return bool(self.until_param) or "{until}" in self.value


__all__ = ["ChangeFeed", "Keyset", "Paging", "RestRead", "Select"]
