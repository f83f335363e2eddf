"""A folder that others put files into: claim, check, archive, quarantine. Shared by every connector that reads files.

    incoming/   where files arrive          work/        claimed, being read
    archive/    read to the end             quarantine/  cannot be read; beside each a `.reason.txt`
    waiting/    over the limit of rejected records: read again by each run, behind the others; a reason beside each

A file is claimed by a rename on one file system, so two readers never get the same one; it is archived only after the
caller has come back with the cursor that stands behind it, so that a crash in between reads it again and loses nothing.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path

from runtime.connectors.protocols import Cursor, Health, Page, Record, Refused, RejectedRecord, Retriable
from runtime.connectors.unpacking import Packing, open_unpacked, packing_of

CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ClaimedFile:
    """One file in `work/`. `name` is stable over crashes: `<original path with __>.<first 12 of its SHA-256>`."""

    name: str
    path: Path
    checksum: str
    size: int
    packing: Packing | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing of its content is missing, as far as its packing tells."""
        return self.packing is None or self.packing.whole

    def open(self) -> io.BufferedReader:
        """Its content, unpacked where it is packed."""
        return open_unpacked(self.path, self.packing)


class DropFolder:
    """`root` must exist; the four folders are made below it, or `incoming` is given on its own.

    patterns   which names are files for us; dotted names and `.part`, `.tmp` never are
    quiet      seconds for which size and time must not have changed (event-less folders: a half-written file grows)
    done       suffix of a marker file that must stand beside (`sales.xml.done`), for writers who promise one
    patience   seconds since its last change for which a gzip file that is cut off is not claimed: the rest may come
    unpacks    files that are gzip are read unpacked
    """

    def __init__(
        self,
        root: str,
        *,
        incoming: str | None = None,
        patterns: tuple[str, ...] = ("*",),
        quiet: float = 2.0,
        done: str | None = None,
        max_size: int = 512 * 1024 * 1024,
        patience: float = 900.0,
        unpacks: bool = True,
    ) -> None:
        self.root = Path(root)
        self.incoming = Path(incoming) if incoming else self.root / "incoming"
        self.work, self.archive, self.quarantine = self.root / "work", self.root / "archive", self.root / "quarantine"
        self.waiting = self.root / "waiting"
        self.again: list[Path] | None = None  # what waited when this reader began, and was not read again yet
        self.patterns, self.quiet, self.done, self.max_size = patterns, quiet, done, max_size
        self.patience, self.unpacks = patience, unpacks
        self.incomplete: dict[Path, tuple[tuple[int, int], str]] = {}  # files that are not claimed yet: state, why
        self.seen: dict[Path, tuple[int, int, float]] = {}

    def check(self) -> Health:
        """The folders exist, may be written, and renames stay on one file system."""
        try:
            self.prepare()
            if not os.access(self.incoming, os.R_OK | os.W_OK):
                return Health(
                    False, f"{self.incoming} cannot be read and renamed from; give the runtime's user these rights"
                )
            if self.incoming.stat().st_dev != self.work.stat().st_dev:
                return Health(
                    False, f"{self.incoming} and {self.work} lie on different file systems; a claim must be a rename"
                )
        except OSError as error:
            return Health(False, f"{error.filename}: {error.strerror}")
        return Health(True, f"{sum(1 for _ in self.candidates())} files are waiting")

    def prepare(self) -> None:
        for folder in (self.incoming, self.work, self.archive, self.quarantine):
            folder.mkdir(parents=True, exist_ok=True)

    def claim(self) -> ClaimedFile | None:
        """The oldest file: one left in `work` by a crash first, else a new one. Too large files go to quarantine."""
        try:
            self.prepare()
            if self.again is None:
                self.again = self.held()
            for left in sorted(p for p in self.work.iterdir() if p.is_file() and not p.name.startswith(".")):
                return self._claimed(left)
            for path in self.stable():
                if not self._is_incomplete(path) and (claimed := self._take(path)) is not None:
                    return claimed
            while self.again:
                if (path := self.again.pop(0)).is_file():
                    path.with_name(f"{path.name}.reason.txt").unlink(missing_ok=True)
                    os.replace(path, self.work / path.name)
                    return self._claimed(self.work / path.name)
        except OSError as error:
            raise Retriable(f"{error.filename}: {error.strerror}") from None
        return None

    def resume(self, name: str) -> ClaimedFile | None:
        """The claimed file of a cursor, None when it is not in `work` any more."""
        path = self.work / Path(name).name
        return self._claimed(path) if path.is_file() else None

    def finish(self, name: str) -> None:
        """Archive, by day. Doing it twice is harmless."""
        path = self.work / Path(name).name
        if path.is_file():
            day = self.archive / datetime.now(UTC).strftime("%Y-%m-%d")
            day.mkdir(parents=True, exist_ok=True)
            os.replace(path, day / path.name)

    def held(self) -> list[Path]:
        """The files that wait because they are over the limit of rejected records."""
        found = self.waiting.iterdir() if self.waiting.is_dir() else ()
        return sorted(path for path in found if path.is_file() and not path.name.endswith(".reason.txt"))

    def refuse(self, name: str, reason: str) -> Path:
        """To quarantine, with the reason beside it."""
        return self._put(name, self.quarantine, reason)

    def wait(self, name: str, reason: str) -> Path:
        """Beside the others, until it is read again."""
        self.waiting.mkdir(parents=True, exist_ok=True)
        return self._put(name, self.waiting, reason)

    def _put(self, name: str, folder: Path, reason: str) -> Path:
        path, target = self.work / Path(name).name, folder / Path(name).name
        (folder / f"{target.name}.reason.txt").write_text(
            f"{datetime.now(UTC).isoformat()}\n{reason}\n", encoding="utf-8"
        )
        if path.is_file():
            os.replace(path, target)
        return target

    def candidates(self) -> Iterator[Path]:
        for path in self.incoming.rglob("*"):
            parts = path.relative_to(self.incoming).parts
            if (
                any(part.startswith(".") for part in parts)
                or path.suffix in (".part", ".tmp")
                or not path.is_file()
                or path.is_symlink()
            ):
                continue
            if self.done and path.name.endswith(self.done):
                continue
            if any(fnmatch(path.name, pattern) for pattern in self.patterns):
                yield path

    def stable(self) -> list[Path]:
        """Oldest first: files whose marker stands beside them, or that have been quiet long enough by the file's own
        clock and ours."""
        ready, seen, now = [], dict[Path, tuple[int, int, float]](), time.time()
        for path in self.candidates():
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            if self.done:
                if path.with_name(path.name + self.done).exists():
                    ready.append((stat.st_mtime_ns, path))
                continue
            held = self.seen.get(path)
            since = held[2] if held and held[:2] == (stat.st_size, stat.st_mtime_ns) else now
            seen[path] = (stat.st_size, stat.st_mtime_ns, since)
            # A file older than the quiet time by its own stamp needs no second look; a stamp in the future does.
            if 0 <= self.quiet <= now - stat.st_mtime or (held and now - since >= self.quiet and since != now):
                ready.append((stat.st_mtime_ns, path))
        self.seen = seen
        return [path for _, path in sorted(ready)]

    def _is_incomplete(self, path: Path) -> bool:
        """Whether a packed file is cut off and its rest may still come."""
        known = self.incomplete.pop(path, None)
        try:
            stat = path.stat()
            patient_until = stat.st_mtime + self.patience
            if self.done or not self.unpacks or time.time() >= patient_until or stat.st_size > self.max_size:
                return False
            state = (stat.st_size, stat.st_mtime_ns)
            packing = None if known and known[0] == state else packing_of(path, self.max_size)
        except FileNotFoundError:
            return False
        if known is None or known[0] != state:
            if packing is None or packing.trouble != "cut":
                return False
            until = datetime.fromtimestamp(patient_until, UTC).isoformat(timespec="seconds")
            said = (
                f"{path.name} is cut off ({stat.st_size} bytes so far): its rest may come, so it is left until {until}"
            )
            known = state, said
        self.incomplete[path] = known
        return True

    def warnings(self) -> list[str]:
        """What is to be said of files that were not claimed."""
        return [said for path, (_, said) in self.incomplete.items() if path.exists()]

    def _take(self, path: Path) -> ClaimedFile | None:
        flat = "__".join(path.relative_to(self.incoming).parts)
        renamed = self.work / f".{flat}.{os.getpid()}"
        try:
            before = path.stat()
            os.replace(path, renamed)
        except FileNotFoundError:
            return None  # another reader was faster
        if renamed.stat().st_size != before.st_size:
            os.replace(renamed, path)  # still being written: the writer's handle follows the inode, nothing is lost
            return None
        claimed = self.work / f"{flat}.{checksum(renamed)[:12]}"
        os.replace(renamed, claimed)
        if self.done:
            path.with_name(path.name + self.done).unlink(missing_ok=True)
        return self._claimed(claimed)

    def _claimed(self, path: Path) -> ClaimedFile:
        size = path.stat().st_size
        if size > self.max_size:
            self.refuse(path.name, f"{size} bytes are more than the {self.max_size} allowed")
            raise Refused(
                "file.too_large",
                f"{path.name} has {size} bytes, more than the {self.max_size} allowed; it is in quarantine.",
            )
        packing = packing_of(path, self.max_size) if self.unpacks else None
        return ClaimedFile(path.name, path, checksum(path), size, packing)


class Unreadable(Exception):
    """The file as a whole cannot be read on; the message says where."""


class DropReader:
    """One reader over a drop folder: claims, pages, archives, quarantines. `records` yields from a claimed file.

    Cursor: `{"file": name, "at": n}` inside a file, `{"finished": name}` behind one, `{"refused": name, "reason": …}`
    behind one that cannot be read on, `{}` when nothing waits. Files leave `work` only when the cursor behind them
    comes back. The open file is kept between pages; after a crash it is opened again and the first n records are passed
    over.
    """

    def __init__(
        self,
        folder: DropFolder,
        records: Callable[[ClaimedFile], Generator[Record | RejectedRecord, None, None]],
        page_size: int,
        *,
        keyed: bool = True,
    ) -> None:
        self.folder, self.records, self.page_size, self.keyed = folder, records, page_size, keyed
        self.held: tuple[str, int, Generator[Record | RejectedRecord, None, None]] | None = None

    def read(self, cursor: Cursor | None) -> Page:
        cursor = dict(cursor or {})
        if finished := cursor.get("finished"):
            self.folder.finish(str(finished))
        if refused := cursor.get("refused"):
            self.folder.refuse(str(refused), str(cursor.get("reason", "")))
        name, start = str(cursor.get("file", "")), int(cursor.get("at", 0))
        if self.held and self.held[:2] == (name, start):
            return self._page(name, start, self.held[2])
        self.close()
        claimed = self.folder.resume(name) if name else None
        if claimed is None:
            start, claimed = 0, self.folder.claim()
        if claimed is None:
            return Page([], {}, True, warnings=self.folder.warnings())
        return self._page(claimed.name, start, self._content(claimed), passed_over=start)

    def _content(self, claimed: ClaimedFile) -> Generator[Record | RejectedRecord, None, None]:
        """The records of a file and, at its end, what was wrong with the file. Raises Unreadable where it was not read
        to its end."""
        packing = claimed.packing
        if packing is not None and not packing.whole and not (packing.size and self.keyed):
            raise Unreadable(f"{packing.reason}; nothing of it was read: have it sent again")
        try:
            yield from self.records(claimed)
        except (Unreadable, EOFError, zlib.error) as error:
            if claimed.whole:
                raise Unreadable(str(error)) from None
        if packing is not None and not packing.whole:
            raise Unreadable(f"{packing.reason}; what stands before that was read: have it sent again")
        if claimed.path.stat().st_size != claimed.size:
            raise Unreadable(
                f"its writer was not done: it had {claimed.size} bytes when it was claimed and has "
                f"{claimed.path.stat().st_size} now; have it sent again, and give it a longer 'quiet' or a 'done' mark"
            )
        if packing is not None and packing.trouble:
            yield RejectedRecord(claimed.name, packing.reason)

    def _page(
        self, name: str, start: int, stream: Generator[Record | RejectedRecord, None, None], *, passed_over: int = 0
    ) -> Page:
        records: list[Record] = []
        rejected: list[RejectedRecord] = []
        self.held = None
        try:
            deque(islice(stream, passed_over), maxlen=0)
            for made in islice(stream, self.page_size):
                if isinstance(made, RejectedRecord):
                    rejected.append(made)
                else:
                    records.append(made)
        except Unreadable as error:
            rejected.append(RejectedRecord(name, f"{error}; the file goes to quarantine"))
            return Page(records, {"refused": name, "reason": str(error)}, False, rejected, acknowledges=True)
        if len(records) + len(rejected) < self.page_size:
            return Page(records, {"finished": name}, False, rejected, acknowledges=True)
        self.held = (name, start + self.page_size, stream)
        return Page(records, {"file": name, "at": start + self.page_size}, False, rejected)

    def set_aside(self, cursor: Cursor, reason: str) -> Cursor:
        """The file of a cursor waits beside the others; one that cannot be read on goes to quarantine all the same."""
        self.close()
        if refused := cursor.get("refused"):
            self.folder.refuse(str(refused), str(cursor.get("reason", "")))
        elif name := cursor.get("finished") or cursor.get("file"):
            self.folder.wait(str(name), reason)
        return {}

    def close(self) -> None:
        """Closes the file that is open between pages."""
        if self.held:
            self.held[2].close()
        self.held = None


def checksum(path: Path) -> str:
    """SHA-256 in hex, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
