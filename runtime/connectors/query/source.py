"""Reading by queries. A row that was deleted says so itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import msgspec

from runtime.connectors.json_rows import JsonRows
from runtime.connectors.protocols import CallContext, Cursor, Record, RejectedRecord, Resource
from runtime.connectors.query.dialects import DIALECTS
from runtime.connectors.query.settings import QuerySettings
from runtime.connectors.rest.source import RestSource


class QuerySource(RestSource):
    def __init__(self, settings: QuerySettings) -> None:
        super().__init__(settings.of_reading())
        self.given = settings
        name = DIALECTS[settings.dialect].deleted_field if settings.deleted else ""
        self.gone = re.compile(rf'"{name}"\s*:\s*true'.encode()) if name else None

    def discover(self, *, call: CallContext) -> list[Resource]:
        (found,) = super().discover(call=call)
        change = [self.given.changed] if self.given.changed else []
        return [Resource(self.given.table, found.key_fields, found.fields, change_fields=change)]

    def cursor_at(self, moment: datetime) -> Cursor | None:
        """As REST's. Times of SuiteQL are those of the account's zone, which nobody says here: a day earlier covers
        each of them."""
        found = super().cursor_at(moment)
        if found is None or self.given.dialect != "suiteql":
            return found
        return {"since": f"{moment.astimezone(UTC) - timedelta(days=1):%Y-%m-%dT%H:%M:%S}"}

    def _records(self, page: JsonRows, url: str) -> tuple[list[Record], list[RejectedRecord]]:
        records, rejected = super()._records(page, url)
        if (gone := self.gone) is not None:
            records = [
                msgspec.structs.replace(one, deleted=True) if gone.search(one.payload) else one for one in records
            ]
        return records, rejected


__all__ = ["QuerySource"]
