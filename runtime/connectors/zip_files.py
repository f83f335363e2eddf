"""Files in a zip archive: looked through before anything of them is read, and read one after the other."""

from __future__ import annotations

import errno
import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple, cast

SIGNATURE = b"PK\x03\x04"
EMPTY = b"PK\x05\x06"
MOST_MEMBERS = 10_000
_CHUNK = 256 * 1024
OFFICE = "[Content_Types].xml"  # a workbook or another office file is no archive
# What `zipfile` and its unpackers raise for content that makes no sense; an OSError of the system has a number.
BROKEN = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, NotImplementedError, RuntimeError),
    *(ValueError, OverflowError, LookupError, TypeError, AttributeError),
)


class LeftOut(NamedTuple):
    """A file of an archive that is not read, and why. `climbs`: its name leads out of the archive."""

    name: str
    why: str
    climbs: bool = False


@dataclass(frozen=True, slots=True)
class ZipLook:
    """What a look through an archive has shown. `members`: the names of its files, in their order; `size` bytes of
    content; `left_out`: the files beside them. `cut`: it has no end, so its rest may still come; `reason`: why nothing
    of it is read."""

    members: tuple[str, ...] = ()
    size: int = 0
    left_out: tuple[LeftOut, ...] = ()
    cut: bool = False
    large: bool = False
    reason: str = ""


def look(path: Path, limit: int, beat: Callable[[], object] = lambda: None) -> ZipLook | None:
    """None where the file is no archive, or an office file. Every member is read to its end, so that its checksum is
    proven, and never beyond `limit` bytes of all of them; `beat` is called meanwhile, and ends it by what it raises."""
    with path.open("rb") as file:
        if file.read(4) not in (SIGNATURE, EMPTY):
            return None
        try:
            archive = zipfile.ZipFile(file)
        except zipfile.BadZipFile:
            return ZipLook(cut=True, reason="it is cut off: the directory at the end of the archive is missing")
        except BROKEN as error:
            return ZipLook(reason=f"it cannot be unpacked: it is damaged ({error})")
        except OSError as error:
            return ZipLook(reason=f"it cannot be unpacked: it is damaged ({of_content(error)})")
        with archive:
            return _looked(archive, limit, beat)


def of_content(error: OSError) -> OSError:
    """An error that damaged content gave; raises every other one."""
    if error.errno not in (None, errno.EINVAL):
        raise error
    return error


def _looked(archive: zipfile.ZipFile, limit: int, beat: Callable[[], object]) -> ZipLook | None:
    infos = archive.infolist()
    if any(info.filename == OFFICE for info in infos):
        return None
    files = [info for info in infos if not info.is_dir() and not _is_beside(info.filename)]
    left = {info.filename: one for info in files if (one := _left_out(info.filename))}
    wanted = [info for info in files if info.filename not in left]
    names = [info.filename for info in wanted]
    if len(infos) > MOST_MEMBERS or len(set(names)) != len(names):
        why = f"more than {MOST_MEMBERS} files" if len(infos) > MOST_MEMBERS else "two files of one name"
        return ZipLook(large=True, reason=f"the archive has {why}")
    if sum(info.file_size for info in wanted) > limit:
        return ZipLook(large=True, reason=f"unpacked it has more than the {limit} bytes allowed")
    size = 0
    for info in wanted:
        if info.flag_bits & 1:
            return ZipLook(reason=f"{info.filename!r} in it is encrypted")
        pieces = _sizes(archive, info)
        while True:
            beat()
            try:
                if not (piece := next(pieces, 0)):
                    break
            except BROKEN as error:
                return ZipLook(reason=f"{info.filename!r} in it cannot be unpacked ({error})")
            except OSError as error:
                return ZipLook(reason=f"{info.filename!r} in it cannot be unpacked ({of_content(error)})")
            size += piece
    return ZipLook(tuple(names), size, tuple(left.values()))


def _sizes(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[int]:
    """Of the pieces of a member, read to its end."""
    with archive.open(info) as member:
        while piece := member.read(_CHUNK):
            yield len(piece)


def _is_beside(name: str) -> bool:
    """What a Mac puts beside files: a folder of its own, its view of a folder, the other half of a file."""
    *folders, last = name.split("/")
    return "__MACOSX" in folders or last == ".DS_Store" or last.startswith("._")


def _left_out(name: str) -> LeftOut | None:
    """None for a file that is read. `.` alone stands for the folder itself."""
    if ".." in re.split(r"[/\\]", name):
        return LeftOut(name, "its name leads out of the archive; have it packed without '..'", climbs=True)
    if any(part.startswith(".") and part != "." for part in name.split("/")):
        return LeftOut(name, "names that begin with a dot are those of hidden files; have it packed under another name")
    return None


class _Member(io.RawIOBase):
    """A member that closes its archive."""

    def __init__(self, path: Path, name: str) -> None:
        self.archive = zipfile.ZipFile(path)
        try:
            self.member: Any = self.archive.open(name)
        except BaseException:
            self.archive.close()
            raise

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return cast(int, self.member.readinto(buffer))

    def close(self) -> None:
        if not self.closed:
            self.member.close()
            self.archive.close()
        super().close()


def open_member(path: Path, name: str) -> io.BufferedReader:
    """The content of one file of an archive that was looked through. Raises EOFError where it has changed since."""
    try:
        return io.BufferedReader(_Member(path, name), _CHUNK)
    except (*BROKEN, KeyError) as error:
        raise EOFError(f"{name!r} is not in the archive any more ({error})") from None


def matching(names: Iterable[str], patterns: Iterable[str]) -> list[str]:
    """The names that one of the patterns fits, by what stands behind their folders."""
    wanted = list(patterns)
    return [name for name in names if any(fnmatchcase(name.rpartition("/")[2], one) for one in wanted)]
