"""Files moved between folders so that none is lost and none is put over another, whatever stops the move."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from pathlib import Path

CHUNK = 1024 * 1024
# What these say is no matter of one file: the process, the disk or the connection to it.
_OF_ALL_FILES = frozenset(
    getattr(errno, name)
    for name in (
        *("EMFILE", "ENFILE", "ENOMEM", "ENOSPC", "EDQUOT", "EROFS", "ESTALE", "ETIMEDOUT", "ENOTCONN", "ENODEV"),
        *("EHOSTDOWN", "EHOSTUNREACH", "EINTR", "EAGAIN"),
    )
)


def of_all_files(error: OSError) -> bool:
    """Whether an error is about the folder, the disk or this process, and not about one file."""
    return error.errno in _OF_ALL_FILES


def is_file(path: Path) -> bool:
    """A file itself: no link, pipe, socket or device."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def checksum(path: Path) -> str:
    """SHA-256 in hex, read in pieces. Does not follow a link, and does not wait for the other end of a pipe."""
    digest = hashlib.sha256()
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def move(source: Path, target: Path, *, copies: bool = True) -> Path:
    """Rename, and answer the name that it got. A file that is there already is replaced where it holds the same bytes;
    else the moved one gets a number. To another file system it is copied (`copies`), and is whole there before it goes
    here."""
    target = free(source, target)
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV or not copies:
            raise
        _copy(source, target)
        os.unlink(source)
        return target
    if _same(source, target):  # two names of one file: the rename has done nothing
        os.unlink(source)
    return target


def free(source: Path, target: Path) -> Path:
    """`target`, with a number where another file has that name."""
    number, found = 1, target
    while os.path.lexists(found) and not _holds_the_same(source, found):
        number += 1
        found = target.with_name(f"{target.name}.{number}")
    return found


def put_back(path: Path, place: Path) -> None:
    """To where it was, unless another file stands there by now: then it stays."""
    try:
        os.link(path, place)
    except FileExistsError:
        return
    except OSError:  # a file system without links
        if not os.path.lexists(place):
            os.rename(path, place)
        return
    os.unlink(path)


def _copy(source: Path, target: Path) -> None:
    half = target.with_name(f".copy-{target.name}")
    shutil.copy2(source, half)
    with half.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(half, target)


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samestat(os.lstat(one), os.lstat(other))
    except FileNotFoundError:
        return False


def _holds_the_same(one: Path, other: Path) -> bool:
    if not is_file(one) or not is_file(other):
        return False
    return _same(one, other) or (one.stat().st_size == other.stat().st_size and checksum(one) == checksum(other))
