"""A folder that others put files into: claim, check, archive, quarantine. Shared by every connector that reads files.

    incoming/   where files arrive          work/        claimed, being read
    archive/    read to the end             quarantine/  cannot be read; beside each a `.reason.txt`
    waiting/    over the limit of rejected records, or not legible now: read again by each run, behind the others; a
                reason beside each
    names.txt   the whole paths of files whose names are kept shortened

A file is claimed by one rename on one file system, so two readers never get the same one, and it has its last name in
`work` from that moment on; it is archived only after the caller has come back with the cursor that stands behind it. So
a crash at any point reads it again and loses nothing: whatever lies in `work` is read first.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from runtime.connectors import drop_modes, file_names
from runtime.connectors.file_ages import state_of
from runtime.connectors.file_beats import beating
from runtime.connectors.file_moves import checksum, free, is_file, move, of_all_files, put_back
from runtime.connectors.file_names import shown, why
from runtime.connectors.file_proofs import contradiction
from runtime.connectors.incoming_files import IncomingFiles, IncomingRules, few
from runtime.connectors.protocols import CallContext, Health, Record, RejectedRecord, Retriable
from runtime.connectors.unpacking import Packing, open_unpacked, packing_of
from runtime.connectors.zip_files import matching

# Claims of the releases before this one had such a name while their checksum was computed.
_HALF_CLAIMED = re.compile(r"^\.(.+)\.[0-9]+$", re.DOTALL)


class Unreadable(Exception):
    """The file as a whole cannot be read on; the message says where."""


class Stamp(NamedTuple):
    """What shows that the content of a claimed file was changed; a rename leaves it as it is."""

    size: int
    modified: int
    inode: int


@dataclass(frozen=True, slots=True)
class ClaimedFile:
    """One file in `work/`. `name` is stable over crashes: `<original path with __>.<first 12 of its SHA-256>`.
    `refusal`: why nothing of it is read. `member`, `place`: which file of an archive this is, the first is 1. `beat` is
    called again and again while it is read."""

    name: str
    path: Path
    checksum: str
    stamp: Stamp
    packing: Packing | None = None
    refusal: str = ""
    member: str = ""
    place: int = 0
    beat: Callable[[], object] = field(default=lambda: None, repr=False, compare=False)

    @property
    def whole(self) -> bool:
        """Whether nothing of its content is missing, as far as its packing tells."""
        return self.packing is None or self.packing.whole

    @property
    def changed(self) -> bool:
        """Whether its content is not what it was when it was claimed."""
        known = file_names.sum_in(self.name)
        return not self.refusal and bool(known) and not self.checksum.startswith(known)

    def parts(self, patterns: Sequence[str] = ("*",)) -> Iterator[ClaimedFile]:
        """The files in it that one of the patterns fits, where it is an archive, each under a name that says which;
        else itself."""
        if self.packing is None or self.packing.members is None:
            yield self
            return
        found = matching(self.packing.members, patterns)
        for place, name in enumerate(self.packing.members, 1):
            if name in found:
                yield replace(self, name=f"{self.name}!{shown(name)}", member=name, place=place)

    def left_out(self, patterns: Sequence[str] = ("*",)) -> Iterator[RejectedRecord]:
        """Each file of an archive that is not read although one of the patterns fits, or whose name leads out of it."""
        for one in self.packing.left_out if self.packing else ():
            if one.climbs or matching([one.name], patterns):
                name = shown(one.name)
                yield RejectedRecord(f"{self.name}!{name}", f"{name!r} in the archive was not read: {one.why}")

    def not_named(self, patterns: Sequence[str]) -> list[str]:
        """Names of files of an archive that none of the patterns fits, as they can be shown."""
        if self.packing is None or self.packing.members is None:
            return []
        names = [*self.packing.members, *(one.name for one in self.packing.left_out if not one.climbs)]
        named = set(matching(names, patterns))
        return [shown(name) for name in names if name not in named]

    def open(self) -> io.BufferedReader:
        """Its content, unpacked where it is packed."""
        return beating(open_unpacked(self.path, self.packing, self.member), self.beat)

    def verify(self) -> None:
        """Raises Unreadable where it was changed since it was opened."""
        now = stamp_of(self.path)
        if now.size != self.stamp.size:
            raise Unreadable(
                f"its writer was not done: it had {self.stamp.size} bytes when it was claimed and has {now.size} now; "
                f"have it sent again, and give it a longer 'quiet' or a 'done' mark"
            )
        if now != self.stamp and checksum(self.path) != self.checksum:
            raise Unreadable("it was changed while it was read; have it sent again")


class DropFolder:
    """`root` must exist; the folders are made below it, or `incoming` is given on its own.

    patterns   which names are files for us; dotted names and `.part`, `.tmp` never are
    quiet      seconds for which a file must not have changed, by the clock of the file system (`file_ages`)
    done       suffix of a marker file that must stand beside (`sales.xml.done`), for writers who promise one
    patience   seconds since its last change for which a packed file that is cut off is not claimed: the rest may come.
               What is overdue after that is said on the run
    unpacks    files that are gzip or zip archives are read unpacked
    archive    `none`: what was read to its end is deleted in the place of being archived
    """

    def __init__(self, root: str, rules: IncomingRules | None = None, *, incoming: str | None = None) -> None:
        self.root, self.rules = Path(root), rules or IncomingRules()
        self.incoming = Path(incoming) if incoming else self.root / "incoming"
        self.work, self.archive, self.quarantine = self.root / "work", self.root / "archive", self.root / "quarantine"
        self.waiting = self.root / "waiting"
        self.longest = file_names.longest_stem(self.root)
        self.again: list[Path] | None = None  # what waited when this reader began, and was not read again yet
        ours = (self.work, self.archive, self.quarantine, self.waiting, self.root / "names.txt")
        self.files = IncomingFiles(self.incoming, self.work, self.rules, ours=ours)
        self.ready = deque[tuple[Path, os.stat_result]]()
        self.aside: list[str] = []  # what could not be read in this run, of files that were claimed
        self.notes: list[str] = []

    def use(self, call: CallContext) -> None:
        """A folder of this machine needs neither secrets nor a deadline."""

    def close(self) -> None:
        """Nothing is held open."""

    def check(self) -> Health:
        """The folders exist, may be written, and renames stay on one file system."""
        try:
            self.prepare()
            for folder in (self.incoming, self.work, self.archive, self.quarantine):
                if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                    return Health(
                        False, f"{folder} cannot be read and renamed from; give the runtime's user these rights"
                    )
            if self.incoming.stat().st_dev != self.work.stat().st_dev:
                return Health(
                    False, f"{self.incoming} and {self.work} lie on different file systems; a claim must be a rename"
                )
            complete = len(self.files.complete())
        except OSError as error:
            return Health(False, file_names.said(error))
        if self.files.troubles:
            return Health(False, few(list(self.files.troubles.values()), "; "))
        return Health(True, f"{complete} files are waiting")

    def offered(self) -> list[str]:
        """Names of the files that are for us, complete or not."""
        try:
            return self.files.offered()
        except OSError as error:
            raise Retriable(file_names.said(error)) from None

    def prepare(self, *, known: bool = False) -> None:
        """Makes what is missing below `root` before the first run. Behind one that was here (`known`), what is missing
        was taken away, as a share that is not mounted: to make it would say that nothing has arrived. Raises
        FileNotFoundError."""
        outside = self.incoming.parent != self.root
        there = [self.root, *([self.incoming] if outside or known else ()), *([self.work] if known else ())]
        for folder in there:
            if not folder.is_dir():
                raise FileNotFoundError(errno.ENOENT, "is not there; mount or make it", str(folder))
        for folder in (self.incoming, self.work, self.archive, self.quarantine):
            drop_modes.make_folder(folder)

    def claim(self, *, known: bool = False) -> ClaimedFile | None:
        """The oldest file: one left in `work` by a crash first, then new ones, at last those that wait. What concerns
        one file is said at the end of the run (`trouble`); raises OSError for what concerns all."""
        self.prepare(known=known)
        if not os.access(self.work, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "cannot be written; give the runtime's user that right", str(self.work))
        if self.again is None:
            self.again = self.held()
        return self._left() or self._new() or self._waited()

    def _left(self) -> ClaimedFile | None:
        for path in sorted(path for path in self.work.iterdir() if is_file(path)):
            if path.name.startswith(".") and not _HALF_CLAIMED.match(path.name):
                continue
            with suppress(FileNotFoundError):
                self.files.unmark(path, self.longest)
            if claimed := self._tried(path, renames=True):
                return claimed
        return None

    def _new(self) -> ClaimedFile | None:
        for listed in (False, True):
            if listed:
                self.ready = deque(self.files.complete())
            while self.ready:
                path, found = self.ready.popleft()
                try:
                    if not self.files.is_cut_off(path, found) and (claimed := self._take(path, found)):
                        return claimed
                except FileNotFoundError:
                    continue  # another reader was faster, or its writer has taken it back
                except OSError as error:
                    if of_all_files(error):
                        raise
                    self.files.trouble(path, error)
        return None

    def _waited(self) -> ClaimedFile | None:
        while self.again:
            path = self.again.pop(0)
            if not is_file(path):
                continue
            path.with_name(f"{path.name}.reason.txt").unlink(missing_ok=True)
            path = move(path, self.work / path.name)
            if claimed := self._tried(path, renames=True):
                return claimed
        return None

    def _tried(self, path: Path, digest: str = "", *, renames: bool = False) -> ClaimedFile | None:
        """A file in `work`, which waits where it cannot be read now."""
        try:
            return self._claimed(self._named(path) if renames else path, digest)
        except FileNotFoundError:
            return None  # another reader was faster
        except OSError as error:
            if of_all_files(error):
                raise
            self.hold_back(path.name, error)
        return None

    def resume(self, name: str) -> ClaimedFile | None:
        """The claimed file of a cursor, None when it is not in `work` any more."""
        path = self.work / Path(name).name
        return self._tried(path) if is_file(path) else None

    def missing(self, name: str) -> bool:
        """Whether a file that was being read is in none of the folders any more."""
        places = [self.work, self.waiting, self.quarantine, *sorted(self.archive.glob("*"), reverse=True)]
        return not any(is_file(folder / Path(name).name) for folder in places)

    def finish(self, name: str) -> None:
        """Archive, by day, or delete. Doing it twice is harmless."""
        path = self.work / Path(name).name
        if self.rules.archive == "none":
            path.unlink(missing_ok=True)
        elif is_file(path):
            day = self.archive / datetime.now(UTC).strftime("%Y-%m-%d")
            drop_modes.make_folder(self.archive)
            drop_modes.make_folder(day)
            move(path, day / path.name)

    def held(self) -> list[Path]:
        """The files that wait: over the limit of rejected records, or not legible when they were tried."""
        found = self.waiting.iterdir() if self.waiting.is_dir() else ()
        return sorted(p for p in found if not p.name.startswith(".") and not p.name.endswith(".reason.txt"))

    def refuse(self, name: str, reason: str) -> Path:
        """To quarantine, with the reason beside it."""
        return self._put(name, self.quarantine, reason)

    def wait(self, name: str, reason: str) -> Path:
        """Beside the others, until it is read again."""
        return self._put(name, self.waiting, reason)

    def hold_back(self, name: str, error: OSError) -> None:
        """A claimed file that cannot be read now waits, and the run says so."""
        said = f"{shown(name)} cannot be read ({why(error)})"
        self.wait(name, said)
        self.aside.append(f"{said} and waits in the folder 'waiting'")

    def _put(self, name: str, folder: Path, reason: str) -> Path:
        drop_modes.make_folder(folder)
        path = self.work / Path(name).name
        target = free(path, folder / path.name) if is_file(path) else folder / path.name
        beside = folder / f"{target.name}.reason.txt"
        with open(beside, "w", encoding="utf-8", errors="replace", opener=drop_modes.opened) as out:
            out.write(f"{datetime.now(UTC).isoformat()}\n{reason}\n")
        return move(path, target) if is_file(path) else target

    def warnings(self) -> list[str]:
        """What is to be said of files that were not claimed, or are kept under another name."""
        return self.notes + self.files.warnings()

    def trouble(self) -> str:
        """Which files could not be read in this run, and why; empty where there was none."""
        if not (said := self.aside + list(self.files.troubles.values())):
            return ""
        return f"{few(said, '; ')}. The others were read; each run tries again."

    def _take(self, path: Path, found: os.stat_result) -> ClaimedFile | None:
        """Into `work`, in one step. None where it has changed since it was listed."""
        if found.st_dev != self.work.stat().st_dev:
            raise OSError(errno.EXDEV, f"it lies on another file system than {self.work}; a claim must be a rename")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise OSError(errno.EACCES, f"files in {shown(path.parent)} cannot be renamed; give the runtime that right")
        digest = self._checksum(path, found)
        if self.rules.proven and found.st_size <= self.rules.max_size:
            stated = path.with_name(f"{path.name}{self.rules.done}").read_bytes()
            if said := contradiction(path, stated):
                raise OSError(errno.EBADMSG, said)
        if state_of(os.lstat(path)) != state_of(found):
            return None
        target = move(path, self.work / self._stored(path.relative_to(self.incoming).parts, digest), copies=False)
        if stamp_of(target) != (found.st_size, found.st_mtime_ns, found.st_ino):
            put_back(target, path)  # its writer goes on: the handle follows the file, nothing is lost
            return None
        if self.rules.done:
            path.with_name(path.name + self.rules.done).unlink(missing_ok=True)
        return self._tried(target, digest)

    def _named(self, path: Path) -> Path:
        """A file in `work` under a name that can be kept: releases before this one left others there."""
        half = _HALF_CLAIMED.match(path.name)
        if half is None and file_names.is_stored(path.name, self.longest):
            return path
        parts = [half[1] if half else path.name]
        return move(path, self.work / self._stored(parts, self._checksum(path, path.stat())))

    def _stored(self, parts: Sequence[str], digest: str) -> str:
        """The name under which a file is kept. Whole paths of shortened ones are written down before."""
        name = file_names.without_sum(parts[-1])
        if digest[:12] not in parts[-1][len(name) :]:
            name = parts[-1]
        stem, short = file_names.stem_of([*parts[:-1], name], self.longest)
        stored = f"{stem}.{digest[:12]}"
        if short:
            whole = shown("/".join(parts))
            with open(self.root / "names.txt", "a", encoding="utf-8", opener=drop_modes.opened) as names:
                names.write(f"{stored}\t{whole}\n")
            self.notes.append(f"A name is too long to be kept; {stored} stands for {whole}")
        return stored

    def _checksum(self, path: Path, found: os.stat_result) -> str:
        """Of its content; of what a file that is too large looks like from outside."""
        if found.st_size > self.rules.max_size:
            return hashlib.sha256(f"{found.st_size} {found.st_mtime_ns} {found.st_ino}".encode()).hexdigest()
        return checksum(path)

    def _claimed(self, path: Path, digest: str = "") -> ClaimedFile:
        stamp, most = stamp_of(path), self.rules.max_size
        if stamp.size > most:
            return ClaimedFile(path.name, path, "", stamp, None, f"{stamp.size} bytes are more than the {most} allowed")
        packing = packing_of(path, most, self.files.beat) if self.rules.unpacks else None
        return ClaimedFile(path.name, path, digest or checksum(path), stamp, packing)


def each_part(
    claimed: ClaimedFile,
    records: Callable[[ClaimedFile], Iterator[Record | RejectedRecord]],
    patterns: Sequence[str] = ("*",),
) -> Iterator[Record | RejectedRecord]:
    """The records of a file, or of the files in it. What is wrong with one of those keeps no other from being read:
    Unreadable is raised behind the last one and names them. What was left out of an archive stands at the end."""
    wrong, none = list[str](), True
    for part in claimed.parts(patterns):
        none = False
        try:
            yield from records(part)
        except (Unreadable, EOFError, zlib.error) as error:
            if not part.member:
                raise
            wrong.append(f"{shown(part.member)}: {error}")
    yield from claimed.left_out(patterns)
    if none:
        raise Unreadable(f"the archive holds no file that fits {', '.join(patterns)}")
    if wrong:
        raise Unreadable(few(wrong, "; "))


def stamp_of(path: Path) -> Stamp:
    found = os.lstat(path)
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ino)
