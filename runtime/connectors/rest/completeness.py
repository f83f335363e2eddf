"""Whether everything was read: what the service says that it has, and what a run got. And when the whole is due."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from kernel import clock
from runtime.connectors.partial_answers import mark_of_more
from runtime.connectors.protocols import Cursor, Refused
from runtime.connectors.rest.page_settings import ChangeFeed, Paging, Select
from runtime.connectors.rest.paging import BY_NUMBER
from runtime.domain.schedule import BadSchedule, distance


class RowCount:
    """The rows of a run so far beside the total that the service told last. A reading that got fewer than that is
    done once more from its beginning; if that is incomplete, too, the run fails where its cursor began."""

    def __init__(self, paging: Paging, select: Select | None = None) -> None:
        self.paging = paging
        self.in_body = paging.total or (select.total if select else "")
        self.where = self.in_body or paging.total_header

    def counted(self, cursor: Cursor, rows: int, found: Mapping[str, Any], headers: Mapping[str, str]) -> Cursor:
        """The cursor of a run with these rows counted, and the total that the page tells. A run that earlier releases
        began did not count."""
        if not self.where:
            if "at" in cursor and "count" not in cursor:
                return cursor
            return {**cursor, "count": int(cursor.get("count", 0)) + rows}
        told = _number(found.get("total") if self.in_body else headers.get(self.where.lower()))
        return {**cursor, "count": int(cursor.get("count", 0)) + rows, "total": told}

    def silent(self, cursor: Cursor) -> list[str]:
        if not self.where or cursor.get("total") is not None:
            return []
        return [f"the page tells no total at {self.where!r}, so nothing proves that all rows were read"]

    def missing(self, cursor: Cursor) -> str:
        """At the end of a reading: what is missing. Raises Refused where it is the second time."""
        total, count = cursor.get("total"), int(cursor.get("count", 0))
        if not self.where or total is None or count >= total:
            return ""
        return self._once_more(cursor, f"The service says that it has {total:,} rows, and gave {count:,}")

    def promised(self, cursor: Cursor) -> str:
        """The same where no content (204) comes in the place of a page that the one before has promised."""
        if self.paging.whole or not cursor.get("promised"):
            return ""
        by = cursor["promised"]
        return self._once_more(cursor, f"The page before says by {by!r} that there is more, and there is none (204)")

    def promise(self, document: Any, headers: Mapping[str, str], path: str) -> Cursor:
        """Whether a page says that another one follows."""
        if self.paging.strategy in ("link", "next", "cursor"):
            return {"promised": self.paging.strategy}
        mark = mark_of_more(document, headers, math.inf, pages=math.inf, path=path, link=True)
        return {"promised": mark} if mark else {}

    def _once_more(self, cursor: Cursor, said: str) -> str:
        if cursor.get("again"):
            raise Refused(
                "rest.incomplete",
                f"{said}, twice in a row. The cursor stays where the run began. Look at the limit of rows that the "
                f"service gives without more rights, at its paging and its order.",
            )
        return f"{said}; it is read once more from the beginning"

    def unread(self, cursor: Cursor, document: Any, headers: Mapping[str, str], path: str) -> None:
        """Raises Refused at the end of a reading whose last page says that there is more. `path`: where its rows are.
        Totals are compared where nothing else does it, and where no row can be counted twice or moved."""
        paging = self.paging
        if paging.whole:
            return
        numbered = paging.strategy in BY_NUMBER
        counts = not self.where and not numbered and "count" in cursor
        mark = mark_of_more(
            document,
            headers,
            int(cursor["count"]) if counts else math.inf,
            pages=math.inf if numbered else int(cursor.get("pages", 0)) + 1,
            path=path,
            link=paging.strategy != "link",
        )
        if mark:
            way = "'paging' reads one page" if paging.strategy == "none" else f"'paging' ({paging.strategy}) ends here"
            raise Refused(
                "rest.more",
                f"The page says by {mark!r} that there is more, and {way}: not everything was read, and the cursor "
                f"stays. Say in 'paging' of the connection's settings how its pages follow one another (strategy link, "
                f"next, cursor, offset or page), or paging.whole: true where this mark means something else.",
            )

    def kept(self, cursor: Cursor) -> Cursor:
        """What of it goes on to the next page."""
        return {name: cursor[name] for name in ("count", "again", "total") if cursor.get(name) is not None}


def began_at(headers: Mapping[str, str]) -> str:
    """The moment of a page by the clock of the service (`Date`, RFC 9110 §6.6.1), else by ours."""
    try:
        return parsedate_to_datetime(headers.get("date", "")).astimezone(UTC).isoformat()
    except ValueError:
        return clock.now().isoformat()


def whole_is_due(changes: ChangeFeed | None, cursor: Cursor) -> bool:
    """Whether a run that begins now reads everything, because the last time was too long ago or is not known."""
    if changes is None or not changes.full_every:
        return False
    try:
        return clock.now() - datetime.fromisoformat(str(cursor.get("full"))) >= distance(changes.full_every)
    except (ValueError, TypeError, BadSchedule):
        return True


def _number(told: Any) -> int | None:
    """A total as it comes: a number, its text, or the end of a Content-Range (RFC 9110 §14.4)."""
    if isinstance(told, bool) or not isinstance(told, int | str):
        return None
    text = str(told).rpartition("/")[2].strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None
