"""What lies in a folder that others put files into: which are complete, which are left alone for now, and what is said
of those that are no files for us although they look like some."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from runtime.connectors.file_ages import FileAges, State, state_of
from runtime.connectors.file_moves import of_all_files
from runtime.connectors.file_names import shown, stem_of, wanted, why, without_sum
from runtime.connectors.unpacking import packing_of

UNFINISHED = (".part", ".tmp", ".filepart")
HIDDEN = (".", "~$")  # the second is what Office keeps beside a workbook that somebody has open
_NAMED = 3  # files that a warning or an error names; it counts the others
_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


Archive = Literal["kept", "none"]


@dataclass(frozen=True, slots=True)
class IncomingRules:
    """Which files are for us, when they are complete, and what becomes of them (as in `drop.DropFolder`)."""

    patterns: tuple[str, ...] = ("*",)
    quiet: float = 2.0
    done: str | None = None
    max_size: int = 512 * 1024 * 1024
    patience: float = 900.0
    unpacks: bool = True
    archive: Archive = "kept"
    proven: bool = False  # the mark `done` holds the checksum of its file


@dataclass(slots=True)
class _Listing:
    """What one listing has found that is not read, by what is said of it."""

    no_files: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    unmarked: list[str] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)


class IncomingFiles:
    """`troubles`: what cannot be read now, by path, and why; it is not tried again by this reader."""

    def __init__(self, folder: Path, work: Path, rules: IncomingRules, *, ours: Sequence[Path] = ()) -> None:
        self.folder, self.rules, self.ages = folder, rules, FileAges(work)
        self.ours = {one.name: one for one in ours}  # what may lie in the folder and is not for us
        self.troubles: dict[str, str] = {}
        self.incomplete: dict[str, tuple[State, str]] = {}  # files that are cut off: state, what is said
        self.listing = _Listing()
        self.beat: Callable[[], object] = lambda: None  # called while a packed file is looked through

    def complete(self) -> list[tuple[Path, os.stat_result]]:
        """Oldest first: files whose mark stands beside them, or that have been unchanged for long enough."""
        self.ages.begin()
        self.listing = _Listing()
        marks, ready = dict[str, float](), list[tuple[int, str, os.stat_result]]()
        for path, found in self._files():
            if self.rules.done and path.endswith(self.rules.done):
                marks[path] = self.ages.age(path, found)
            elif self._is_for_us(path, found) and path not in self.troubles:
                ready.append((found.st_mtime_ns, path, found))
        ready = [one for one in ready if self._is_complete(one[1], one[2], marks)]
        self._note_marks(marks)
        self.ages.end()
        return [(Path(path), found) for _, path, found in sorted(ready, key=lambda one: one[:2])]

    def offered(self) -> list[str]:
        """Names of the files that are for us, complete or not."""
        self.ages.begin()
        return sorted(self.name(path) for path, found in self._files() if self._is_for_us(path, found))

    def _files(self) -> Iterator[tuple[str, os.stat_result]]:
        """Everything below the folder that is no folder itself. Hidden folders are not looked into."""
        folders = [str(self.folder)]
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(folder) as found:
                    entries = list(found)
            except FileNotFoundError:
                continue
            except OSError as error:
                if folder == str(self.folder) or of_all_files(error):
                    raise
                self.trouble(folder, error)
                continue
            for entry in entries:
                try:
                    state = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    if of_all_files(error):
                        raise
                    self.trouble(entry.path, error)
                    continue
                if entry.name in self.ours and _same(entry.path, self.ours[entry.name]):
                    continue
                if not stat.S_ISDIR(state.st_mode):
                    yield entry.path, state
                elif not entry.name.startswith("."):
                    folders.append(entry.path)

    def _is_for_us(self, path: str, found: os.stat_result) -> bool:
        """A file that one of the patterns names and whose writer does not say that it is still at work."""
        name = os.path.basename(path)
        hidden, end = name.startswith(HIDDEN), next((one for one in UNFINISHED if name.endswith(one)), "")
        if stat.S_ISLNK(found.st_mode) and os.path.isdir(path):
            self.listing.no_files.append(f"{self.name(path)} (a link to a folder)")
            return False
        if not wanted(name.lstrip(".").removeprefix("~$").removesuffix(end), self.rules.patterns):
            return False
        if not stat.S_ISREG(found.st_mode):
            if not hidden:
                self.listing.no_files.append(f"{self.name(path)} ({_KINDS.get(stat.S_IFMT(found.st_mode), 'no file')})")
            return False
        if hidden or end:
            if found.st_size and self.ages.age(path, found) > self.rules.patience:
                self.listing.unfinished.append(self.name(path))
            return False
        return True

    def _is_complete(self, path: str, found: os.stat_result, marks: dict[str, float]) -> bool:
        rules, age = self.rules, self.ages.age(path, found)
        if rules.done:
            if f"{path}{rules.done}" in marks:
                return True
            if age > rules.patience:
                self.listing.unmarked.append(self.name(path))
            return False
        return age >= rules.quiet

    def _note_marks(self, marks: dict[str, float]) -> None:
        for path, age in marks.items():
            if age > self.rules.patience and not os.path.lexists(path[: -len(self.rules.done or "")]):
                self.listing.marks.append(self.name(path))

    def unmark(self, left: Path, longest: int) -> None:
        """Take away the mark of a file that a reader had claimed when it died: the next file of that name is not
        complete by it."""
        if not (done := self.rules.done):
            return
        claimed = left.lstat().st_ctime
        for path, found in self._files():
            file = path.removesuffix(done)
            if file != path and found.st_ctime <= claimed and not os.path.lexists(file):
                parts = os.path.relpath(file, self.folder).split(os.sep)
                if stem_of(parts, longest)[0] == without_sum(left.name):
                    os.unlink(path)

    def is_cut_off(self, path: Path, found: os.stat_result) -> bool:
        """Whether a packed file is cut off and its rest may still come."""
        rules, name, age = self.rules, str(path), self.ages.age(str(path), found)
        known = self.incomplete.pop(name, None)
        if rules.done or not rules.unpacks or age >= rules.patience or found.st_size > rules.max_size:
            return False
        state = state_of(found)
        if known is None or known[0] != state:
            packing = packing_of(path, rules.max_size, self.beat)
            if packing is None or packing.trouble != "cut":
                return False
            until = (datetime.now(UTC) + timedelta(seconds=rules.patience - age)).isoformat(timespec="seconds")
            said = f"{self.name(name)} is cut off ({found.st_size} bytes so far): its rest may come, so it is left"
            known = state, f"{said} until {until}"
        self.incomplete[name] = known
        return True

    def name(self, path: str | Path) -> str:
        """The path in the folder, as it can be shown."""
        return shown(os.path.relpath(path, self.folder))

    def trouble(self, path: str | Path, error: OSError) -> None:
        """A file or folder that cannot be read now; it stays where it is."""
        self.troubles[str(path)] = f"{self.name(path)} cannot be read ({why(error)}) and stays in the folder 'incoming'"

    def warnings(self) -> list[str]:
        """What is to be said of files that were not claimed."""
        found, minutes = self.listing, self.rules.patience / 60
        cut_off = [said for path, (_, said) in self.incomplete.items() if os.path.lexists(path)]
        return cut_off + [
            f"{text}: {few(sorted(names))}"
            for text, names in (
                ("Not read, for only files themselves are", found.no_files),
                (
                    f"Not read, for the name says that the writer is at work; unchanged for more than {minutes:g} min",
                    found.unfinished,
                ),
                (f"Not read, for the mark {self.rules.done} is missing for more than {minutes:g} min", found.unmarked),
                (f"Marks whose files are missing for more than {minutes:g} min", found.marks),
            )
            if names
        ]


def _same(path: str, other: Path) -> bool:
    return os.path.realpath(path) == os.path.realpath(other)


def few(names: list[str], by: str = ", ") -> str:
    """The first names, and how many others there are."""
    more = len(names) - _NAMED
    return by.join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
