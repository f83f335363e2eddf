"""What is done with files of an SFTP server, each in one exchange or in pieces with an end to every wait. Paths are as
`os.fsdecode` spells them."""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from runtime.connectors.drop import Unreadable
from runtime.connectors.sftp_session import SftpClient, SftpSession, named

PIECE = 256 * 1024  # bytes that are asked for within one deadline


@dataclass(frozen=True, slots=True)
class RemoteState:
    """What a server says of a file; None is what it does not say. `mode` 0: nothing."""

    size: int | None
    modified: int | None
    mode: int = 0

    @classmethod
    def of(cls, found: Any) -> RemoteState:
        return cls(found.st_size, found.st_mtime, found.st_mode or 0)

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        """A file itself; where the server tells no kinds, whatever is there."""
        return stat.S_ISREG(self.mode) or not stat.S_IFMT(self.mode)

    @property
    def content(self) -> tuple[int | None, int | None]:
        """What shows that it was changed."""
        return self.size, self.modified


class SftpFiles:
    """Raises ConnectionFault, Retriable, and OSError that names the file."""

    def __init__(self, session: SftpSession) -> None:
        self.session, self.posix = session, True  # whether the server renames over what is there, in one step
        self.partly: tuple[str, RemoteState, Path] | None = None  # a file of which a part has come

    def state(self, path: str) -> RemoteState | None:
        """None where nothing is there."""
        try:
            with self._asked(path) as sftp:
                return RemoteState.of(sftp.lstat(path))
        except FileNotFoundError:
            return None

    def entries(self, folder: str) -> list[tuple[str, RemoteState]]:
        """(path, state) of what lies in a folder. Raises FileNotFoundError."""
        with self._asked(folder) as sftp:
            return [(posixpath.join(folder, name), RemoteState.of(one)) for name, one in sftp.entries(folder)]

    def make_folder(self, path: str) -> None:
        """Made where it is missing; the one above it has to be there."""
        if (found := self.state(path)) is None:
            with self._asked(path) as sftp:
                sftp.mkdir(path, 0o700)
        elif not found.is_folder:
            raise NotADirectoryError(20, "is no folder", path)

    def rename(self, source: str, target: str) -> None:
        """In one step. What is there already is replaced where the server offers that (posix-rename), and is taken
        away before where it does not."""
        if self.posix:
            try:
                with self._asked(source) as sftp:
                    sftp.posix_rename(source, target)
                return
            except (FileNotFoundError, PermissionError):
                raise
            except OSError:
                if self.state(source) is None:
                    return  # it was done, whatever was answered
                self.posix = False
        if self.state(target) is not None:
            self.remove(target)
        with self._asked(source) as sftp:
            sftp.rename(source, target)

    def put(self, source: str, target: str) -> None:
        """Rename to a name that is free; nothing is taken away for it. Where the answer is a no, what is there now says
        whether it was done."""
        for posix in [True, False] if self.posix else [False]:
            try:
                with self._asked(source) as sftp:
                    (sftp.posix_rename if posix else sftp.rename)(source, target)
                return
            except OSError as error:
                if self.state(source) is None and self.state(target) is not None:
                    return
                if not posix or isinstance(error, FileNotFoundError | PermissionError):
                    raise
                self.posix = False

    def remove(self, path: str) -> None:
        """Doing it twice is harmless."""
        try:
            with self._asked(path) as sftp:
                sftp.remove(path)
        except FileNotFoundError:
            return

    def write(self, path: str, content: bytes, *, append: bool = False) -> None:
        """A small file of ours."""
        with self._asked(path) as sftp, sftp.open(path, "a" if append else "w") as file:
            file.write(content)

    def read(self, path: str, most: int = 1024 * 1024) -> bytes:
        """A small file of ours. Raises FileNotFoundError."""
        with self._asked(path) as sftp, sftp.open(path, "r") as file:
            return bytes(file.read(most))

    def fetch(self, path: str, found: RemoteState, into: Path, most: int, beat: Callable[[], object]) -> str:
        """The file on this machine, and the SHA-256 of what came. What had come before the connection was cut is kept
        for the next time, as long as the server says the same of the file. Raises Unreadable above `most` bytes."""
        digest, begun = hashlib.sha256(), 0
        if self.partly and self.partly[:2] == (path, found) and self.partly[2].exists():
            os.replace(self.partly[2], into)
            with into.open("rb") as kept:
                while piece := kept.read(PIECE):
                    digest.update(piece)
                    begun += len(piece)
        self.partly = path, found, into
        with open(into, "ab" if begun else "wb", opener=_private) as out:
            self._pieces(path, begun, out, digest.update, most, beat)
        self.partly = None
        return digest.hexdigest()

    def _pieces(
        self, path: str, at: int, out: IO[bytes], seen: Callable[[bytes], object], most: int, beat: Callable[[], object]
    ) -> None:
        with self._asked(path) as sftp:
            file = sftp.open(path, "r")
            file.seek(at)
        while True:
            beat()
            with self._asked(path):
                piece = file.read(PIECE)
            if not piece:
                break
            at += len(piece)
            if at > most:
                raise Unreadable(f"more than the {most} bytes allowed came of it")
            out.write(piece)
            seen(piece)
            out.flush()
        with self._asked(path):
            file.close()

    @contextmanager
    def _asked(self, path: str) -> Iterator[SftpClient]:
        with self.session.client() as sftp:
            try:
                yield sftp
            except (TimeoutError, ConnectionError):
                raise
            except OSError as error:
                raise named(error, path) from None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


__all__ = ["RemoteState", "SftpFiles"]
