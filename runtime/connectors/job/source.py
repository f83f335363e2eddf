"""Reading by a job: it is made, asked about until it is done, and its parts are read.

Cursor: as REST's between runs; inside of a run `at` holds the job and how far its result is read, so that any reader
goes on with the same job. What is known of a job is in its answers: a job that is gone, failed, or has fewer rows than
it says is made once more.
"""

from __future__ import annotations

import time
from typing import Any

from kernel import clock
from runtime.connectors.job.calls import Expired, JobCalls, JobPart, JobState
from runtime.connectors.job.row_formats import OddRow
from runtime.connectors.job.settings import JobSettings
from runtime.connectors.json_rows import JsonRows
from runtime.connectors.protocols import CallContext, Cursor, Health, Page, Refused, RejectedRecord, Resource, Retriable
from runtime.connectors.rest import paging
from runtime.connectors.rest.session import RestSession
from runtime.connectors.rest.source import RestSource
from runtime.connectors.stamps import said_of_wrong

PAGE_ROWS = 2_000


class JobSource(RestSource):
    def __init__(self, settings: JobSettings, *, page_rows: int = PAGE_ROWS) -> None:
        made = settings.of_reading()
        super().__init__(made, RestSession(made))
        self.given, self.jobs, self.page_rows = settings, JobCalls(settings, self.session), page_rows
        self._held: tuple[str, str, JobPart, JobState] | None = None  # the part that is read, so that it comes once

    def check(self, *, call: CallContext) -> Health:
        """Signs in with a read of `check_path`; makes no job."""
        if not self.given.check_path:
            return Health(True, "nothing to check without 'check_path'; the first run will show", looked=False)
        return super().check(call=call)

    def discover(self, *, call: CallContext) -> list[Resource]:
        """A job is needed to know a row, so the fields are not known."""
        return [Resource(self.given.submit.path, self.given.key_fields)]

    def _read(self, cursor: Cursor, call: CallContext) -> Page:
        until = time.monotonic() + call.deadline
        at: dict[str, Any] = dict(cursor.get("at") or {})
        if "job" not in at:
            return self._begun(cursor, at, call, until)
        part, state = self._part(at, call, until)
        if part is None:
            if state.word in ("working", "open"):
                said = f"the job {at['job'][:80]} is at work ({state.status})"
                raise Retriable(said, after=max(self.given.poll, 1.0))
            words = state.message or f"its status is {state.status!r}"
            return self._without(cursor, Refused("job.failed", f"The job {at['job'][:80]} has failed: {words}"))
        if not isinstance(part, JobPart):
            return self._once_more(cursor, at, "the address of its result is no longer served")
        return self._rows_of(cursor, at, part, state)

    def _begun(self, cursor: Cursor, at: dict[str, Any], call: CallContext, until: float) -> Page:
        now = clock.now()
        changes = self.settings.changes
        since = self.calls.since(cursor, changes) if changes is not None else None
        given = {"since": since or "", "until": now.isoformat().replace("+00:00", "Z")}
        job = self.jobs.made(given, call=call, until=until)
        made = {**paging.beginning(cursor), "begun": now.isoformat(), "at": {**at, "job": job}}
        return Page([], made, False)

    def _part(self, at: dict[str, Any], call: CallContext, until: float) -> tuple[Any, JobState]:
        """The part that a cursor stands in, and how the job is: no part where it is not done, False where its address
        has expired."""
        job, place = str(at["job"]), str(at.get("place", ""))
        if self._held is not None and self._held[:2] == (job, place):
            return self._held[2], self._held[3]
        state = self.jobs.state(job, call=call, until=until)
        if state.word != "done":
            return None, state
        try:
            part = self.jobs.part(state.job, state, place, call=call, until=until)
        except Expired:
            return False, state
        self._held = (job, place, part, state)
        return part, state

    def _rows_of(self, cursor: Cursor, at: dict[str, Any], part: JobPart, state: JobState) -> Page:
        start = int(at.get("row", 0))
        rows = part.rows[start : start + self.page_rows]
        payloads = [row for row in rows if isinstance(row, bytes)]
        doubtful = any(b"\\" in one or not one.isascii() for one in payloads)
        records, rejected = self._records(JsonRows({}, payloads, payloads, doubtful), part.url or self.settings.path)
        rejected += [
            RejectedRecord(f"{part.url} #{start}", row.reason, row.raw) for row in rows if isinstance(row, OddRow)
        ]
        high, wrong = self._high(cursor, records)
        warnings = []
        if wrong:
            shown = self._highest(self._true(high, cursor.get("since")), cursor)
            records = self.settings.stamps.believed(records, wrong, shown)
            warnings.append(said_of_wrong(str(self.version_field), wrong))
        count = int(at.get("count", 0))  # of the parts that are read to their end
        more = {"high": high} if high is not None else {}
        behind = {**paging.beginning(cursor), "begun": cursor["begun"], **more}
        kept = {name: at[name] for name in ("job", "retried") if name in at} | {"count": count}
        if start + len(rows) < len(part.rows):
            place = {"place": at["place"]} if "place" in at else {}
            return Page(
                records, {**behind, "at": {**kept, **place, "row": start + len(rows)}}, False, rejected, warnings
            )
        kept["count"] = count = count + part.lines
        if part.place is not None:
            return Page(records, {**behind, "at": {**kept, "place": part.place}}, False, rejected, warnings)
        if state.rows is not None and count != state.rows:
            said = f"it says that it has {state.rows:,} rows, and its result has {count:,}"
            missing = self._once_more(cursor, at, said)
            return Page(records, missing.cursor, False, rejected, [*warnings, *missing.warnings])
        return Page(records, self._end({**behind}), True, rejected, warnings)

    def _once_more(self, cursor: Cursor, at: dict[str, Any], why: str) -> Page:
        """Another job in the place of one whose result is not whole; the second time the run fails."""
        said = f"The job {str(at['job'])[:80]} gave no whole result: {why}"
        self._held = None
        if at.get("retried"):
            return self._without(cursor, Refused("job.incomplete", f"{said}, twice in a row"))
        return Page([], {**paging.beginning(cursor), "at": {"retried": 1}}, False, (), [f"{said}; another one is made"])

    def _without(self, cursor: Cursor, reason: Refused) -> Page:
        """The run fails once its beginning is stored: no later run asks for this job."""
        self._held = None
        return self.places.left(paging.beginning(cursor), reason)


__all__ = ["JobSource"]
