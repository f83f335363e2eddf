"""What is taken out of a page: paths as they always were, and `select` in their place.

A selection that is nothing but a path becomes that path, so that rows stay the bytes that the vendor sent.
"""

from __future__ import annotations

from typing import Any

import msgspec

from runtime.connectors.answers import at_list
from runtime.connectors.failure_marks import is_empty
from runtime.connectors.http import Response
from runtime.connectors.json_rows import JsonRows, rows_of
from runtime.connectors.rawjson import Shape
from runtime.connectors.rest.settings import RestSettings
from runtime.connectors.selection import Selection, path_of_names, rows_selected, selection
from runtime.connectors.settings import wrong_setting

_PATHS = {"rows": "/items", "next": "/paging/next", "more": "/paging/more", "total": "/paging/total"}


class Selected:
    """`settings`: with the paths that plain selections are. `next`: where the next page stands, for a person."""

    def __init__(self, settings: RestSettings) -> None:
        given = {name: getattr(settings.select, name) for name in settings.select.__struct_fields__}
        found = {name: selection(text, f"/select/{name}") for name, text in given.items() if text}
        _once(settings, found)
        plain = {name: path_of_names(one.names) for name, one in found.items() if one.names and name != "error"}
        self.expressions = {name: one for name, one in found.items() if name not in plain}
        self.settings = _with(settings, plain, without_rows="rows" in self.expressions)
        self.rows: Selection | None = self.expressions.pop("rows", None)
        self.error: Selection | None = self.expressions.pop("error", None)
        self.next = settings.select.next or settings.paging.next

    def rows_of(self, shape: Shape, response: Response) -> JsonRows:
        """A page: its rows, and what else is selected under `found`. Raises Retriable for what is no page."""
        settings, pages = self.settings, self.settings.paging
        if self.rows is None:
            page = rows_of(shape, response, settings.charset)
        else:
            page = rows_selected(self.rows, response, settings.charset)
            paths = {"next": pages.next, "more": pages.more, "total": pages.total}
            paths |= {f"error {n}": path for n, path in enumerate(settings.page_errors)}
            page.found.update({name: at_list(page.around, path) for name, path in paths.items() if path})
        page.found.update({name: one.of(page.around) for name, one in self.expressions.items()})
        return page

    def error_in(self, page: JsonRows) -> str:
        """What stands where nothing may stand; empty where nothing does."""
        found: Any = None if self.error is None else self.error.of(page.around)
        return "" if is_empty(found) else str(found)


def _once(settings: RestSettings, found: dict[str, Selection]) -> None:
    """Raises Invalid where a selection stands beside the path in whose place it is."""
    usual = type(settings.paging)()
    beside = {
        "rows": settings.items,
        "next": settings.paging.next != usual.next,
        "more": settings.paging.more,
        "total": settings.paging.total,
    }
    for name, said in beside.items():
        if name in found and said:
            raise wrong_setting(f"/select/{name}", f"Say either this or {_PATHS[name]!r}; both are given.")


def _with(settings: RestSettings, plain: dict[str, str], *, without_rows: bool) -> RestSettings:
    paging = {name: plain[name] for name in ("next", "more", "total") if name in plain}
    made = msgspec.structs.replace(settings, paging=msgspec.structs.replace(settings.paging, **paging))
    if "rows" in plain:
        return msgspec.structs.replace(made, items=plain["rows"])
    return msgspec.structs.replace(made, items="") if without_rows else made
