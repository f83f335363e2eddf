"""One source of a run: pages under a lease that always covers the next one, stored in groups, each group one commit
that moves the cursor, unless too many records have been rejected so far."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from runtime.connectors import registry
from runtime.connectors.page_cards import without_cards
from runtime.connectors.protocols import (
    CallContext,
    CallError,
    Page,
    Record,
    Refused,
    RejectedRecord,
    Retriable,
    Secrets,
    SetsAside,
    SourceConnector,
)
from runtime.domain.manifest import ManifestSource
from runtime.domain.retry import SOURCE_PAGE
from runtime.domain.storable import is_storable, storable_text
from runtime.ledger import measures
from runtime.ledger.append import TOO_OLD, Appended, Fenced, SourceMove, append
from runtime.ledger.connections import Connection
from runtime.ledger.faultpoints import hit
from runtime.ledger.streams import StreamRef
from runtime.services import finer_versions
from runtime.services.dating import DatedItems
from runtime.services.message_checks import Rejection, came_last, store_rejected, too_old
from runtime.services.record_checks import UNSTORABLE, RecordChecks, rejections, unstorable
from runtime.worker.unhurried import Unhurried

CALL_SECONDS = 30.0  # for one page; the lease is renewed to cover it
MARGIN_SECONDS = 5.0
GROUP = 4  # pages per commit at most, where reading on has no effect on the source
GROUP_RECORDS = 5_000
STOP_REJECTED = 10_000  # above the limit of rejected records, a run reads on to find out, but no further than this
WARNINGS = 50  # kept with a run; the others are counted

_RENEW = """
update runtime_source
   set lease_until = clock_timestamp() + make_interval(secs => %s)
 where id = %s and token = %s
returning clock_timestamp()"""
_LOOK = """
select clock_timestamp()
  from runtime_source
 where id = %s and token = %s and lease_until >= clock_timestamp() + make_interval(secs => %s)"""
_WARN = """
update runtime_run
   set warned = warned + %s, warnings = coalesce(warnings, '[]'::jsonb) || %s::jsonb
 where id = %s"""
_TALLY = """
update runtime_run
   set tally = coalesce(tally, '{}'::jsonb) || %s::jsonb
 where id = %s"""


class NotNow(Exception):
    """The source asked to be left alone for longer than a claim waits."""

    def __init__(self, reason: str, seconds: float) -> None:
        super().__init__(reason)
        self.reason, self.seconds = reason, seconds


@dataclass(slots=True)
class SourceLease:
    """The right to read, renewed as long as it is held. `clock` gives monotonic seconds; `beat` says that the worker is
    alive."""

    conn: Connection
    source: int
    token: int
    seconds: float
    beat: Callable[[], None] = lambda: None
    clock: Callable[[], float] = time.monotonic

    @property
    def share(self) -> float:
        """How long pages are gathered before they are stored, and the longest pause between two tries of a page."""
        return self.seconds / 3

    def lasts(self, cover: float) -> float:
        """Seconds of a lease under which calls of `cover` seconds each may begin for a while."""
        return max(self.seconds, cover + MARGIN_SECONDS + self.share)

    def hold(self, cover: float) -> datetime:
        """Hold the source for as long as a call of `cover` seconds may take; answers the database's time. Where enough
        of the lease is left it is only looked at, so that quick pages do not each cost a commit. Raises Fenced when
        another has the source."""
        self.beat()
        row = self.conn.execute(_LOOK, (self.source, self.token, cover + MARGIN_SECONDS)).fetchone()
        if row is None:
            row = self.conn.execute(_RENEW, (self.lasts(cover), self.source, self.token)).fetchone()
        if row is None:
            raise Fenced("another poller has the source")
        now: datetime = row[0]
        return now


@dataclass(slots=True)
class RunState:
    """What a run knows of itself beside the log: the cursor that is stored, the one it began with, how many records it
    has read and rejected."""

    run: int
    release: int
    cursor: Any
    start: Any
    read: int = 0
    rejected: int = 0
    waived: bool = False
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Gathered:
    """Pages that were read and are not stored yet."""

    records: list[Record] = field(default_factory=list)
    unread: list[RejectedRecord] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    pages: int = 0
    stops_here: bool = False


class SourceReader:
    """`looked_at` is the moment at which the last page was asked for, by the database's clock: what the source had then
    has been read once `groups` ends by itself. `over` says that it ended above the limit of rejected records."""

    def __init__(
        self,
        lease: SourceLease,
        stream: StreamRef,
        source: ManifestSource,
        connector: SourceConnector,
        state: RunState,
        checks: RecordChecks,
        dated: DatedItems | None = None,
    ) -> None:
        self.lease, self.conn, self.stream = lease, lease.conn, stream
        self.source, self.connector, self.state, self.checks = source, connector, state, checks
        self.dated, self.finer = dated, finer_versions.of_source(connector)
        of = source.connection
        # where it is not read only, passing a cursor acknowledges what came before: that is stored first
        self.group = GROUP if of is not None and registry.traits(of.protocol).read_only else 1
        self.at: Any = state.cursor
        begins = state.cursor == state.start
        self.read, self.rejected = (0, 0) if begins else (state.read, state.rejected)
        self.looked_at: datetime | None = None
        self.first_reason = ""
        self.part = self.read, self.rejected  # what was read and rejected before the part (a file) that is being read
        self.aside: list[str] = []  # why parts wait beside the others
        self.trouble = ""  # which parts the source itself could not read, and why
        self.held_at = 0.0  # when the lease was last looked at for the page that is being read

    @property
    def over(self) -> bool:
        return not self.state.waived and self.source.rejected_limit.passed(self.read, self.rejected)

    def groups(self, secrets: Secrets) -> Iterator[int]:
        """Yields the number of records of each committed group. What was read before an error is stored first."""
        done = False
        while not done:
            found, failure = _Gathered(), None
            try:
                done = self._gather(found, CallContext(secrets, CALL_SECONDS, doing="read", beat=self._hold_on))
            except (CallError, NotNow) as error:
                if not found.pages:
                    raise
                failure = error
            hit("collect.read")
            self._store(found)
            ends = failure is None and self._ends_over_limit(found)
            yield len(found.records) + len(found.unread)
            if failure is not None:
                raise failure
            if ends:
                return

    def _ends_over_limit(self, found: _Gathered) -> bool:
        """Whether reading ends here, above the limit. A part that is above it is set aside, whatever comes next."""
        if self.over and (found.stops_here or self.rejected >= STOP_REJECTED):
            if not isinstance(self.connector, SetsAside) or not self.at:
                return True
            self._set_aside(self.connector)
        if found.stops_here:
            self.part = self.read, self.rejected
        return False

    def _set_aside(self, connector: SetsAside) -> None:
        """The part that is over the limit waits, and counts no more for the others."""
        read, rejected = self.read - self.part[0], self.rejected - self.part[1]
        name = str(self.at.get("finished") or self.at.get("refused") or self.at.get("file") or "")
        reason = f"{rejected:,} of {read:,} records of {name} were rejected: {self.first_reason}"
        self.at = connector.set_aside(self.at, reason)
        self.aside.append(reason)
        (self.read, self.rejected), self.first_reason = self.part, ""

    def _gather(self, found: _Gathered, call: CallContext) -> bool:
        """Read pages until the group is full; answers whether the source has nothing more."""
        begun = self.lease.clock()
        while True:
            page = self._page(call)
            found.records += page.records
            found.unread += page.rejected
            found.warnings += page.warnings
            found.pages += 1
            found.stops_here = page.acknowledges
            self.trouble = self.trouble or page.trouble
            self.at = page.cursor
            if (
                page.done
                or found.pages >= self.group
                or len(found.records) >= GROUP_RECORDS
                or self.lease.clock() - begun >= self.lease.share
            ):
                return page.done

    def _page(self, call: CallContext) -> Page:
        """A page; retried a few times with growing waits, each under a renewed lease."""
        attempts = SOURCE_PAGE.attempts or 1
        for attempt in range(attempts):
            self.looked_at = self.lease.hold(call.deadline)
            self.held_at = self.lease.clock()
            try:
                return _with_place(without_cards(self.connector.read(self.at, call=call), way="sources"))
            except Retriable as error:
                if error.after is not None and error.after > self.lease.share:
                    raise NotNow(error.reason, error.after) from error
                if attempt == attempts - 1:
                    raise
                wait = error.after if error.after is not None else min(SOURCE_PAGE.pause(attempt), self.lease.share)
                self.lease.hold(wait)
                time.sleep(wait)
        raise AssertionError("unreachable")

    def _hold_on(self) -> None:
        """Said by a source that reads for long, such as a file: it is held on before its lease is over."""
        if self.lease.clock() - self.held_at >= MARGIN_SECONDS:
            self.lease.hold(CALL_SECONDS)
            self.held_at = self.lease.clock()

    def _store(self, found: _Gathered) -> None:
        items, rejected = self.checks.sort(found.records)
        last = came_last(rejected, items, self.checks.prefix)
        if self.dated is not None:
            items, undated = self.dated.sort(items)
            rejected += undated
        rejected += rejections(found.unread)
        for _ in range(3):  # rows that are refused for a name, then rows that the database refuses
            try:
                self._commit(found, items, rejected, last)
                return
            except UNSTORABLE as error:
                items, more = unstorable(self.conn, items, error)
                if not more:
                    raise
                rejected += more
        raise AssertionError("a group is refused again and again")

    def _commit(self, found: _Gathered, items: Sequence[Any], rejected: list[Rejection], last: Sequence[bool]) -> None:
        before = self.read, self.rejected, self.state.cursor
        last = [*last, *[False] * (len(rejected) - len(last))]
        self.read += len(items) + len(rejected)
        self.rejected += len(rejected)
        self.first_reason = self.first_reason or next((one.reason for one in rejected), "")
        self._place()
        cursor = None if self.state.cursor is None else json.dumps(self.state.cursor)
        moved = SourceMove(self.lease.source, self.lease.token, cursor, self.lease.lasts(CALL_SECONDS))
        work = Unhurried(lambda: self.lease.hold(CALL_SECONDS), self.checks.fit_to_store)
        try:
            done, rejected = work.store(lambda: self._commit_once(work, found, items, moved, rejected, last))
        except UNSTORABLE:
            self.read, self.rejected, self.state.cursor = before
            raise
        came = {"accepted": done.accepted, "duplicate": done.unchanged, "older": done.older}
        came |= {"conflict": done.conflicts, "refused": len(rejected)}
        measures.count_received(measures.names_of(self.conn, self.stream.id), "polling", came)

    def _commit_once(
        self,
        work: Unhurried,
        found: _Gathered,
        items: Sequence[Any],
        moved: SourceMove,
        rejected: list[Rejection],
        last: Sequence[bool],
    ) -> tuple[Appended, list[Rejection]]:
        with self.conn.transaction():
            done = append(
                self.conn,
                self.stream,
                items,
                release_id=self.state.release,
                run_id=self.state.run,
                source=moved,
                inspect=work.inspect,
                compared=work.compared,
                finer=self.finer,
            )
            if self.dated is not None:
                self.dated.keep(self.conn, self.stream, items, done)
            if done.too_old:
                late = [i for i, place in zip(items, done.positions, strict=True) if place == TOO_OLD]
                self.rejected += len(late)
                rejected = [*rejected, *(too_old(item, self.stream) for item in late)]
                last = [*last, *[False] * len(late)]
                self.first_reason = self.first_reason or rejected[-1].reason
            store_rejected(self.conn, self.stream, self.state.run, self.source.name, rejected, last)
            self._note(found.warnings)
        return done, rejected

    def _place(self) -> None:
        """The cursor to store: where reading is, or where the run began while too many records are rejected."""
        self.state.cursor = self.state.start if self.over else self.at

    def _note(self, warnings: Sequence[str]) -> None:
        """Tally and warnings on the run, in the transaction of what they are about. Most groups have neither."""
        if self.rejected:
            tally = {self.source.name: {"read": self.read, "rejected": self.rejected}}
            self.conn.execute(_TALLY, (json.dumps(tally), self.state.run))
        if warnings:
            known = self.state.warnings
            fresh = [text for text in dict.fromkeys(storable_text(one)[:500] for one in warnings) if text not in known]
            fresh = fresh[: max(WARNINGS - len(known), 0)]
            self.conn.execute(_WARN, (len(warnings), json.dumps(fresh), self.state.run))
            known += fresh


def _with_place(page: Page) -> Page:
    """Raises Refused for a page after which nobody could go on reading, because its place cannot be kept."""
    if is_storable(page.cursor):
        return page
    raise Refused(
        "source.place",
        "The source's answer names the place to read on from with NUL or half a surrogate pair, which cannot be kept. "
        "Nothing of this page was taken; have the source name it otherwise.",
    )
