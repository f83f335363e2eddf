"""Files that are what no text is: said by their names and not by the first byte that makes no sense."""

from __future__ import annotations

from runtime.connectors.drop import ClaimedFile, Unreadable

_KINDS = (
    (b"PK\x03\x04", "a workbook (.xlsx) or another office file; a workbook is read by 'format: xlsx'"),
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
)


def refuse_foreign(claimed: ClaimedFile, *, workbook: bool) -> None:
    """Raises Unreadable, saying what a file is that is neither text nor, where one is wanted, a workbook."""
    with claimed.open() as file:
        head = file.peek(512)[:512]
    if head[257:262] == b"ustar":
        raise Unreadable("it is a tar archive; zip and gzip are unpacked")
    for signature, kind in _KINDS:
        if head.startswith(signature) and not (workbook and signature == _KINDS[0][0]):
            raise Unreadable(f"it is {kind}")
