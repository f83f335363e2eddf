"""Zip archives of an import, read as the folder that they hold, and the names of files that came with a folder.

Nothing is written to a disk while an archive is opened, and no more than the bounds is ever unpacked.
"""

from __future__ import annotations

import io
import json
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, Final

from catalog.services.importing.sources import MAX_FILES, ImportSource, is_readable
from kernel.errors import Invalid, finding

MOST_UNPACKED: Final = 64 * 1024 * 1024
SHOWN: Final = 20
"""So many names of files that are passed over stand in the report."""
_ARCHIVES: Final = (".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".7z", ".rar")
_TWICE: Final = "stands twice in the archive; the first one is read."
_DAMAGED: Final = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, OSError)


def opened(sources: Iterable[ImportSource]) -> list[ImportSource]:
    """The sources, and in the place of each archive what it holds. Raises Invalid `import.zip`."""
    made: list[ImportSource] = []
    for source in sources:
        made += _unpacked(source) if source.name.lower().endswith(".zip") else [source]
    return made


def _unpacked(source: ImportSource) -> list[ImportSource]:
    name = source.name[:200]
    try:
        with zipfile.ZipFile(io.BytesIO(source.data)) as archive:
            every = [m for m in archive.infolist() if not m.is_dir()]
            members = [m for m in every if is_readable(_clean(m.filename)) or _is_archive(m.filename)]
            if len(members) > MAX_FILES:
                raise _refused(f"{name} holds more than {MAX_FILES} files. Import it in parts.")
            found, left, paths = list[ImportSource](), MOST_UNPACKED, set[str]()
            for member in members:
                path = _clean(member.filename)
                reason, data = _member(archive, member, left) if path not in paths else (_TWICE, b"")
                paths.add(path)
                left -= len(data)
                if left < 0:
                    raise _refused(f"{name} holds more than {MOST_UNPACKED >> 20} MB. Import it in parts.")
                found.append(ImportSource(path, reason.encode(), kind="unread") if reason else ImportSource(path, data))
    except _DAMAGED as error:
        raise _refused(f"{name} is no zip archive that can be read ({error}). Pack it again.") from None
    if not found:
        raise _refused(f"{name} holds no file that an import reads: .json, .yaml, .graphql, .wsdl, .xsd, .csv …")
    if all(one.kind == "unread" for one in found):
        raise _refused(f"{name}: {found[0].name[:200]} {found[0].data.decode()}")
    read = {id(m) for m in members}
    return [*without_top(found), *_passed_over(name, [_clean(m.filename) for m in every if id(m) not in read])]


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, left: int) -> tuple[str, bytes]:
    """What a file of an archive holds, at most one byte more than `left`; or why it cannot be read."""
    if _is_archive(member.filename):
        return "is an archive in an archive, which is not opened. Import it by itself.", b""
    if member.flag_bits & 1:
        return "is protected by a password. Pack it without one.", b""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is packed in a way that is not read. Pack it as an ordinary zip (deflate).", b""
    try:
        with archive.open(member) as one:
            return "", one.read(left + 1)
    except _DAMAGED as error:
        return f"is damaged in the archive ({str(error)[:200]}). Pack it again.", b""


def _is_archive(name: str) -> bool:
    path = PurePosixPath(_clean(name))
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return not hidden and path.name.lower().endswith(_ARCHIVES)


def _passed_over(archive: str, names: Sequence[str]) -> list[ImportSource]:
    """What of an archive is not read, by its ending or because it is hidden, in one line of the report. What a Mac puts
    beside files is none of it."""
    told = [n for n in names if not n.startswith("__MACOSX/") and PurePosixPath(n).name not in ("", ".DS_Store")]
    if not told:
        return []
    shown = ", ".join(name[:100] for name in told[:SHOWN])
    more = f" and {len(told) - SHOWN:,} more" if len(told) > SHOWN else ""
    what = "1 file is" if len(told) == 1 else f"{len(told):,} files are"
    reason = f"{what} hidden or of a kind that no import reads: {shown}{more}"
    return [ImportSource(f"{archive}, other files", reason.encode(errors="replace"), kind="aside")]


def _refused(message: str) -> Invalid:
    return Invalid("import.zip", message, {"findings": [finding("/files", message)]})


def _clean(name: str) -> str:
    """A path without drive, root and steps upwards."""
    parts = [p for p in name.replace("\\", "/").split("/") if p not in ("", ".", "..") and not p.endswith(":")]
    return "/".join(parts)


def without_top(sources: Sequence[ImportSource]) -> list[ImportSource]:
    """The files of one folder by their paths in it: what all of them lie in says nothing of any of them."""
    tops = {PurePosixPath(s.name).parts[0] if "/" in s.name else "" for s in sources}
    if len(tops) != 1 or tops == {""}:
        return list(sources)
    return [replace(s, name=s.name.partition("/")[2]) for s in sources]


def in_folder(files: Sequence[ImportSource], paths: str) -> list[ImportSource]:
    """Files of a folder that a browser sent, under their paths in it: `paths` is the JSON list of them that the page
    adds, in the order of the files. Where it does not fit, the files keep their bare names."""
    try:
        said: Any = json.loads(paths) if paths else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, list) or len(said) != len(files) or not all(isinstance(p, str) for p in said):
        return list(files)
    named = [
        replace(f, name=_clean(path)[:500] or f.name)
        for f, path in zip(files, said, strict=True)
        if posixpath.basename(path) == f.name or not f.name
    ]
    if len(named) != len(files):
        return list(files)
    return without_top([f for f in named if is_readable(f.name)])


@contextmanager
def laid_out(sources: Sequence[ImportSource], folder: str) -> Iterator[list[ImportSource]]:
    """The files of an upload with paths, or of the named source `folder`, in a folder of their own while they are
    imported, so that a contract finds the files that it refers to; other files as they are."""
    names = [s.name for s in sources]
    if (
        not (folder or any("/" in n for n in names))
        or any(_clean(n) != n for n in names)
        or len(set(names)) != len(names)
    ):
        yield list(sources)
        return
    with TemporaryDirectory(prefix="import-") as made:
        root = Path(made) / (re.sub(r"[^0-9A-Za-z]+", "-", folder)[:60].strip("-") or "estate")
        placed = []
        for source in sources:
            path = root / source.name
            if source.kind != "file":
                placed.append(source)
                continue
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(source.data)
            except OSError:  # a name that this file system does not take
                placed.append(source)
            else:
                placed.append(replace(source, base_dir=path.parent))
        yield placed
