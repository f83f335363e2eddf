"""What lies in the folder of an SFTP server: which files are complete, and what is said of the others, as
`incoming_files` tells it of a folder of this machine. The clock is another: a server shows one time alone, that of the
last change, in seconds, and a client may set it. A time ahead of the server's own clock counts for nothing; the file is
complete once it was seen unchanged for long enough.
"""

from __future__ import annotations

import json
import posixpath
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from runtime.connectors.file_names import shown, wanted, why
from runtime.connectors.incoming_files import HIDDEN, UNFINISHED, IncomingRules, few
from runtime.connectors.sftp_files import RemoteState, SftpFiles

_AT_ONCE = 2  # seconds: a file may change while a folder is being listed
MOST_LEVELS = 20  # of folders below one another

Look = tuple[int | None, int | None, float]


class SftpIncoming:
    """`troubles`: what cannot be read now, by path, and why; it is not tried again by this reader."""

    def __init__(
        self, files: SftpFiles, folder: str, work: str, rules: IncomingRules, *, ours: frozenset[str] = frozenset()
    ) -> None:
        self.files, self.folder, self.work, self.rules, self.ours = files, folder, work, rules, ours
        self.troubles: dict[str, str] = {}
        self.incomplete: dict[str, str] = {}
        self.beat: Callable[[], object] = lambda: None
        self.now, self.here = 0.0, 0.0
        self.looks: dict[str, Look] = {}  # files whose time is none: what was seen, and since when, by our clock
        self.kept: dict[str, Look] = {}
        self.said: dict[str, list[str]] = {}

    def complete(self) -> list[tuple[str, RemoteState]]:
        """Oldest first: files whose mark stands beside them, or that have been unchanged for long enough."""
        self._begin()
        rules, found = self.rules, dict(self.listed())
        ready = []
        for path, state in found.items():
            if (rules.done and path.endswith(rules.done)) or path in self.troubles or not self._is_for_us(path, state):
                continue
            age = self.age(path, state)
            if rules.done:
                if f"{path}{rules.done}" in found:
                    ready.append((state.modified or 0, path, state))
                elif age > rules.patience:
                    self._say(f"Not read, for the mark {rules.done} is missing", path)
            elif age >= rules.quiet:
                ready.append((state.modified or 0, path, state))
        for path, state in found.items():
            mark = rules.done and path.endswith(rules.done) and path[: -len(rules.done)] not in found
            if mark and self.age(path, state) > rules.patience:
                self._say("Marks whose files are missing", path)
        self._end()
        return [(path, state) for _, path, state in sorted(ready, key=lambda one: one[:2])]

    def offered(self) -> list[str]:
        """Names of the files that are for us, complete or not."""
        self._begin()
        return sorted(self.name(path) for path, state in self.listed() if self._is_for_us(path, state))

    def age(self, path: str, state: RemoteState) -> float:
        """Seconds since the last change."""
        if state.modified is not None and self.now - state.modified >= -_AT_ONCE:
            return max(self.now - state.modified, 0.0)
        size, modified, since = self.kept.get(path, (None, None, self.here))
        if (size, modified) != state.content:
            since = self.here
        self.looks[path] = (state.size, state.modified, min(since, self.here))
        return self.here - self.looks[path][2]

    def name(self, path: str) -> str:
        """The path in the folder, as it can be shown."""
        return shown(posixpath.relpath(path, self.folder))

    def trouble(self, path: str, error: OSError | str) -> None:
        """A file or folder that cannot be read now; it stays where it is."""
        said = why(error) if isinstance(error, OSError) else error
        self.troubles[path] = f"{self.name(path)} cannot be read ({said}) and stays in the folder 'incoming'"

    def warnings(self) -> list[str]:
        """What is to be said of files that were not claimed."""
        minutes = self.rules.patience / 60
        late = f"for more than {minutes:g} min"
        return [*self.incomplete.values()] + [
            f"{text}{'' if 'only files' in text else f' {late}'}: {few(sorted(names))}"
            for text, names in self.said.items()
        ]

    def listed(self) -> Iterator[tuple[str, RemoteState]]:
        folders = [(self.folder, 0)]
        while folders:
            folder, level = folders.pop()
            self.beat()
            try:
                entries = self.files.entries(folder)
            except OSError as error:
                if folder == self.folder:
                    raise
                if not isinstance(error, FileNotFoundError):
                    self.trouble(folder, error)
                continue
            for path, state in entries:
                if path in self.ours:
                    continue
                if not state.is_folder:
                    yield path, state
                elif not posixpath.basename(path).startswith(".") and level < MOST_LEVELS:
                    folders.append((path, level + 1))

    def _is_for_us(self, path: str, state: RemoteState) -> bool:
        name = posixpath.basename(path)
        hidden, end = name.startswith(HIDDEN), next((one for one in UNFINISHED if name.endswith(one)), "")
        if not wanted(name.lstrip(".").removeprefix("~$").removesuffix(end), self.rules.patterns):
            return False
        if not state.is_file:
            if not hidden:
                kind = "a link" if stat.S_ISLNK(state.mode) else "no file"
                self.said.setdefault("Not read, for only files themselves are", []).append(
                    f"{self.name(path)} ({kind})"
                )
            return False
        if hidden or end:
            if state.size and self.age(path, state) > self.rules.patience:
                self._say("Not read, for the name says that the writer is at work; unchanged", path)
            return False
        return True

    def _say(self, text: str, path: str) -> None:
        self.said.setdefault(text, []).append(self.name(path))

    def _begin(self) -> None:
        self.said = {}
        self.here = time.time()
        self.now = self._servers_now()
        self.kept, self.looks = self.looks or self._load(), {}

    def _servers_now(self) -> float:
        """The present by the clock of the server, as a file shows it that is written at this moment; ours, where
        nothing can be written or no times are shown."""
        path = posixpath.join(self.work, ".now")
        try:
            self.files.write(path, b".")
            found = self.files.state(path)
        except OSError:
            return self.here
        return float(found.modified) if found and found.modified is not None else self.here

    def _load(self) -> dict[str, Look]:
        try:
            kept = json.loads(self.files.read(self._looks))
            return {path: (size, modified, float(since)) for path, (size, modified, since) in kept.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def _end(self) -> None:
        """Keep what has to be looked at again by another run."""
        if self.looks == self.kept:
            return
        with suppress(OSError):
            if self.looks:
                self.files.write(self._looks, json.dumps(self.looks).encode())
            else:
                self.files.remove(self._looks)

    @property
    def _looks(self) -> str:
        return posixpath.join(self.work, ".looks")


__all__ = ["SftpIncoming"]
