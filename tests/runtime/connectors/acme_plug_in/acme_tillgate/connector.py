"""Acme's tills: `GET path?after=<id>` answers `{"rows": [{"id": …}], "more": true}`, the oldest first."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from runtime.connectors.http import HttpClient, raise_for
from runtime.connectors.protocols import (
    CallContext,
    CallError,
    Cursor,
    Health,
    Page,
    Record,
    RejectedRecord,
    Resource,
    health_of,
)
from runtime.connectors.settings import read_settings

READ_ONLY = True


class AcmeSettings(msgspec.Struct, frozen=True):
    """How Acme's tills are read.

    path       path of the list
    page_size  rows of one answer
    """

    base_url: str
    path: str
    page_size: int = 100
    further_hosts: list[str] = []
    token_hosts: list[str] = []
    verify: bool | str = True


class AcmeSource:
    """Read only. The cursor is the last id."""

    def __init__(self, settings: AcmeSettings) -> None:
        self.settings = settings
        self.http = HttpClient(settings.base_url, verify=settings.verify, further_hosts=settings.further_hosts)

    def close(self) -> None:
        self.http.close()

    def check(self, *, call: CallContext) -> Health:
        try:
            self._asked(0, call)
        except CallError as error:
            return health_of(error)
        return Health(True)

    def discover(self, *, call: CallContext) -> Sequence[Resource]:
        rows = self._asked(0, call)["rows"]
        return [Resource(self.settings.path, ["id"], {name: "text" for row in rows[:1] for name in row})]

    def read(self, cursor: Cursor | None, *, call: CallContext) -> Page:
        after = (cursor or {}).get("after", 0)
        answer, at = self._asked(after, call), datetime.now(UTC)
        records, rejected = [], []
        for row in answer["rows"]:
            payload, place = json.dumps(row).encode(), f"{self.settings.path}#{row.get('id')}"
            if isinstance(row.get("id"), int):
                records.append(Record(str(row["id"]), payload, at, version=str(row["id"]), origin=place))
            else:
                rejected.append(RejectedRecord(place, "the row has no id", payload))
        last = max([after, *(row["id"] for row in answer["rows"] if isinstance(row.get("id"), int))])
        return Page(records, {"after": last}, not answer["more"], rejected)

    def _asked(self, after: int, call: CallContext) -> dict[str, Any]:
        params = {"after": after, "limit": self.settings.page_size}
        headers = {"X-Key": call.secrets["key"]}
        response = self.http.request("GET", self.settings.path, call=call, effect=False, params=params, headers=headers)
        if not response.ok:
            raise_for(response, call=call, effect=False)
        return dict(json.loads(response.body))


def source(settings: Mapping[str, Any]) -> AcmeSource:
    return AcmeSource(read_settings(AcmeSettings, settings))
