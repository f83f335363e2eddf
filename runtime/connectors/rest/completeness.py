"""Whether everything was read: what the service says that it has, and what a run got. And when the whole is due."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from kernel import clock
from runtime.connectors.protocols import Cursor, Refused
from runtime.connectors.rest.settings import ChangeFeed, Paging
from runtime.domain.schedule import BadSchedule, distance


class RowCount:
    """The rows of a run so far beside the total that the service told last. A reading that got fewer than that is
    done once more from its beginning; if that is incomplete, too, the run fails where its cursor began."""

    def __init__(self, paging: Paging) -> None:
        self.paging = paging
        self.where = paging.total or paging.total_header or ""

    def counted(self, cursor: Cursor, rows: int, found: Mapping[str, Any], headers: Mapping[str, str]) -> Cursor:
        """The cursor of a run with these rows counted, and the total that the page tells."""
        if not self.where:
            return cursor
        told = _number(found.get("total") if self.paging.total else headers.get(self.where.lower()))
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
        said = f"The service says that it has {total:,} rows, and gave {count:,}"
        if cursor.get("again"):
            raise Refused(
                "rest.incomplete",
                f"{said}, twice in a row. The cursor stays where the run began. Look at the limit of rows that the "
                f"service gives without more rights, at its paging and its order.",
            )
        return f"{said}; it is read once more from the beginning"

    def kept(self, cursor: Cursor) -> Cursor:
        """What of it goes on to the next page."""
        return {name: cursor[name] for name in ("count", "again") if name in cursor}


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
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
