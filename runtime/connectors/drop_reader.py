"""Pages of records from the files of a drop folder, one file after the other."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import replace
from itertools import islice

from runtime.connectors.drop import ClaimedFile, Unreadable
from runtime.connectors.drop_places import DropPlace
from runtime.connectors.file_moves import of_all_files
from runtime.connectors.file_names import legible, said, shown
from runtime.connectors.protocols import Cursor, Page, Record, RejectedRecord, Retriable

PAGE_BYTES = 16 * 1024 * 1024  # of the records of a page: what is judged and stored in one go


class DropReader:
    """One reader over a drop folder: claims, pages, archives, quarantines. `records` yields from a claimed file.

    Cursor: `{"file": name, "at": n}` inside a file, `{"finished": name}` behind one, `{"refused": name, "reason": …}`
    behind one that cannot be read on, `{"known": true}` when nothing waits: the folders were there. Files leave `work`
    only when the cursor behind them comes back. The open file is kept between pages; after a crash it is opened again
    and the first n records are passed over.
    """

    def __init__(
        self,
        folder: DropPlace,
        records: Callable[[ClaimedFile], Generator[Record | RejectedRecord, None, None]],
        page_size: int,
        *,
        keyed: bool = True,
    ) -> None:
        self.folder, self.records, self.page_size, self.keyed = folder, records, page_size, keyed
        self.held: tuple[str, int, Generator[Record | RejectedRecord, None, None]] | None = None
        self.known = False  # the folders were there before
        self.beat: Callable[[], object] = lambda: None

    def read(self, cursor: Cursor | None, beat: Callable[[], object] = lambda: None) -> Page:
        """Raises Retriable for what concerns the folder as a whole; what concerns one file is the page's trouble.
        `beat` is called while a file is read; what it raises ends the reading."""
        self.beat = self.folder.files.beat = beat
        try:
            return self._read(dict(cursor or {}))
        except OSError as error:
            self.close()
            raise Retriable(said(error)) from None

    def _read(self, cursor: Cursor) -> Page:
        if finished := cursor.get("finished"):
            self.folder.finish(str(finished))
        if refused := cursor.get("refused"):
            self.folder.refuse(str(refused), str(cursor.get("reason", "")))
        self.known = self.known or bool(cursor.get("known"))
        name, start = str(cursor.get("file", "")), int(cursor.get("at", 0))
        if self.held and self.held[:2] == (name, start) and (page := self._tried(name, start, self.held[2])):
            return page
        self.close()
        claimed = self.folder.resume(name) if name else None
        if claimed is None:
            if name and self.folder.missing(name):
                return self._refused([], [], name, f"after {start} records it was gone from the folder 'work'")
            start, claimed = 0, self._claimed()
        while claimed is not None:
            if start and claimed.changed and self.keyed:
                start = 0  # it is another content: known records come again, and none is passed over
            if page := self._tried(claimed.name, start, self._content(claimed, start), passed_over=start):
                return page
            start, claimed = 0, self._claimed()
        return Page([], {"known": True}, True, warnings=self.folder.warnings(), trouble=self.folder.trouble())

    def _claimed(self) -> ClaimedFile | None:
        claimed = self.folder.claim(known=self.known)
        self.known = True
        return claimed

    def _tried(
        self, name: str, start: int, stream: Generator[Record | RejectedRecord, None, None], *, passed_over: int = 0
    ) -> Page | None:
        """A page of a file; None for one that cannot be read now, which waits."""
        try:
            return self._page(name, start, stream, passed_over=passed_over)
        except FileNotFoundError:
            return self._refused([], [], name, "it was taken out of the folder 'work' while it was read")
        except OSError as error:
            if of_all_files(error):
                raise
            self.folder.hold_back(name, error)
        return None

    def _refused(self, records: list[Record], rejected: list[RejectedRecord], name: str, reason: str) -> Page:
        reason = legible(reason)[:2000]
        rejected = [*rejected, RejectedRecord(shown(name), f"{reason}; the file goes to quarantine")]
        return Page(records, {"refused": name, "reason": reason}, False, rejected, acknowledges=True)

    def _content(self, claimed: ClaimedFile, start: int) -> Generator[Record | RejectedRecord, None, None]:
        """The records of a file and, at its end, what was wrong with the file. Raises Unreadable where it was not read
        to its end."""
        packing = claimed.packing
        if claimed.refusal:
            raise Unreadable(f"{claimed.refusal}; nothing of it was read")
        if start and claimed.changed:
            raise Unreadable("it was changed while it was read; have it sent again")
        if packing is not None and not packing.whole and not (packing.size and self.keyed):
            raise Unreadable(f"{packing.reason}; nothing of it was read: have it sent again")
        try:
            yield from self.records(replace(claimed, beat=lambda: self.beat()))
        except (Unreadable, EOFError, zlib.error, UnicodeError) as error:
            if claimed.whole:
                raise Unreadable(str(error)) from None
        if packing is not None and not packing.whole:
            raise Unreadable(f"{packing.reason}; what stands before that was read: have it sent again")
        claimed.verify()
        if packing is not None and packing.trouble:
            yield RejectedRecord(claimed.name, packing.reason)

    def _page(
        self, name: str, start: int, stream: Generator[Record | RejectedRecord, None, None], *, passed_over: int = 0
    ) -> Page:
        records: list[Record] = []
        rejected: list[RejectedRecord] = []
        self.held, size = None, 0
        try:
            deque(islice(stream, passed_over), maxlen=0)
            for at, made in enumerate(stream, start + 1):
                size += len(made.payload)
                if isinstance(made, RejectedRecord):
                    rejected.append(made)
                else:
                    records.append(made)
                if at == start + self.page_size or size >= PAGE_BYTES:
                    self.held = (name, at, stream)
                    return Page(records, {"file": name, "at": at}, False, rejected)
        except Unreadable as error:
            return self._refused(records, rejected, name, str(error))
        return Page(records, {"finished": name}, False, rejected, acknowledges=True)

    def set_aside(self, cursor: Cursor, reason: str) -> Cursor:
        """The file of a cursor waits beside the others; one that cannot be read on goes to quarantine all the same."""
        self.close()
        try:
            if refused := cursor.get("refused"):
                self.folder.refuse(str(refused), str(cursor.get("reason", "")))
            elif name := cursor.get("finished") or cursor.get("file"):
                self.folder.wait(str(name), reason)
        except OSError as error:
            raise Retriable(said(error)) from None
        return {}

    def close(self) -> None:
        """Closes the file that is open between pages."""
        if self.held:
            self.held[2].close()
        self.held = None

    def end(self) -> None:
        """Closes the place as well."""
        self.close()
        self.folder.close()
