"""Files that are what no text is: said by their names and not by the first byte that makes no sense."""

from __future__ import annotations

import zipfile

from runtime.connectors.drop import ClaimedFile, Unreadable
from runtime.connectors.zip_files import EMPTY, SIGNATURE

_KINDS = (
    (
        b"\xd0\xcf\x11\xe0",
        "a workbook of before 2007 (.xls) or another old office file; have it saved as .xlsx or as CSV",
    ),
    (b"\x1f\x8b", "gzip within a packed file; have it packed once"),
    (b"%PDF-", "a PDF, which holds a picture of data and no data"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; zip and gzip are unpacked"),
    (b"Rar!\x1a", "a RAR archive; zip and gzip are unpacked"),
    (b"BZh91AY", "packed with bzip2; zip and gzip are unpacked"),
    (b"\xfd7zXZ", "packed with xz; zip and gzip are unpacked"),
    (b"\x28\xb5\x2f\xfd", "packed with zstandard; zip and gzip are unpacked"),
    (b"PAR1\x15", "Parquet, which is not read"),
    (b"\x7fELF", "a program of Linux"),
)
_OFFICE = (b"[Content_Types].xml", b"_rels/", b"docProps/", b"xl/", b"word/", b"ppt/", b"customXml/", b"mimetype")
_LOCAL_HEADER = 30  # bytes before the name of the first file of an archive
SELF_EXTRACTING = "a zip archive with something before it, as a self-extracting one; have it sent as a plain .zip"
WITHIN = "a zip archive within a packed file; have it packed once"


def refuse_foreign(claimed: ClaimedFile, *, workbook: bool = False, tables: bool = True) -> None:
    """Raises Unreadable, saying what a file is that is neither text nor, where one is wanted, a workbook. `tables`: the
    source could read workbooks."""
    with claimed.open() as file:
        head = file.peek(512)[:512]
    if kind := _zip(claimed, head, workbook=workbook, tables=tables) or _other(head):
        raise Unreadable(f"it is {kind}")


def _zip(claimed: ClaimedFile, head: bytes, *, workbook: bool, tables: bool) -> str:
    """An archive that was not unpacked: an office file, or what lies within packed data."""
    if head.startswith((SIGNATURE, EMPTY)):
        if workbook:
            return ""
        if claimed.packing is not None and not head[_LOCAL_HEADER:].startswith(_OFFICE):
            return WITHIN
        hint = "; a workbook is read by 'format: xlsx'" if tables else ""
        return f"a workbook (.xlsx) or another office file{hint}"
    if claimed.packing is None and zipfile.is_zipfile(claimed.path):
        return SELF_EXTRACTING
    return ""


def _other(head: bytes) -> str:
    if head[257:262] == b"ustar":
        return "a tar archive; zip and gzip are unpacked"
    if head.startswith(b"MZ") and b"\0" in head:
        return "a program of Windows (.exe)"
    return next((kind for signature, kind in _KINDS if head.startswith(signature)), "")


__all__ = ["WITHIN", "refuse_foreign"]
