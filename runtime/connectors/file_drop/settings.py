"""What a source of dropped files is told."""

from __future__ import annotations

from typing import Literal

import msgspec

from kernel.errors import Invalid
from runtime.connectors.file_drop.controls import Control
from runtime.connectors.file_drop.dialect import FileDialect
from runtime.connectors.file_drop.edi_messages import EdiLayout
from runtime.connectors.file_drop.json_documents import JsonLayout
from runtime.connectors.file_drop.line_layout import LineLayout
from runtime.connectors.file_drop.xlsx_rows import SheetLayout
from runtime.connectors.file_drop.xml_records import XmlLayout
from runtime.connectors.incoming_files import Archive
from runtime.connectors.sftp_settings import SftpPlace, one_mark, one_place
from runtime.connectors.stamps import StampRules

LAYOUTS = {
    "json": ("json",),
    "xml": ("xml",),
    "lines": ("fixed", "typed"),
    "edi": ("edifact", "x12"),
    "sheet": ("xlsx",),
}  # what says more about which formats


class FileDropSettings(msgspec.Struct, frozen=True):
    """root (and incoming, when it lies elsewhere), patterns, quiet and done as in `drop.DropFolder`.

    sftp          where the files lie on an SFTP server, in the place of `root`
    checksum      the end of the name of a file beside each, such as .sha256, which holds its checksum (MD5, SHA-1 or
                  SHA-2 in hex): it is complete then, and read where the two agree
    format        as the how-to "read files" tells them. All but `whole` may be gzip; `max_size` bounds
                  them unpacked too, and `patience` and `archive` are as in `drop.DropFolder`
    text          of a whole file: `content` is its text, by the encoding of the dialect, and not base64
    json, xml     where the records of such a file stand; JSON may do without
    sheet         which sheet of a workbook, and where its names stand
    edi           charset, loops and the like of EDI messages
    lines         what the lines of `fixed` and `typed` files are
    key_fields    columns, or paths, that identify a record; without them file checksum and record number do
    page_size     records a page
    stamps        what `version_field` means, and how far ahead of now it may lie
    """

    root: str = ""
    sftp: SftpPlace | None = None
    base_url: str = ""
    trusted: str = ""
    incoming: str | None = None
    patterns: list[str] = msgspec.field(default_factory=lambda: ["*"])
    members: list[str] = msgspec.field(default_factory=lambda: ["*"])
    quiet: float = 2.0
    done: str | None = None
    checksum: str | None = None
    max_size: int = 512 * 1024 * 1024
    patience: float = 900.0
    archive: Archive = "kept"
    format: Literal["delimited", "jsonl", "json", "xml", "fixed", "typed", "edifact", "x12", "xlsx", "whole"] = (
        "delimited"
    )
    text: bool = False
    json: JsonLayout | None = None
    xml: XmlLayout | None = None
    lines: LineLayout | None = None
    edi: EdiLayout | None = None
    sheet: SheetLayout | None = None
    dialect: FileDialect = msgspec.field(default_factory=FileDialect)
    key_fields: list[str] = msgspec.field(default_factory=list)
    version_field: str | None = None
    control: Control | None = None
    page_size: int = 1_000
    stamps: StampRules = StampRules()

    def verify(self) -> None:
        """Raises Invalid for settings that cannot work together."""
        one_mark(self.done, self.checksum)
        one_place(self.root, self.incoming, self.sftp)
        self.dialect.verify()
        if self.page_size < 1:
            raise Invalid("connection.settings", "'page_size' is at least 1.")
        if self.text and self.format != "whole":
            raise Invalid("connection.settings", "'text' is for 'format: whole'; all other formats are read as text.")
        if self.control and self.format not in ("delimited", "xlsx", "jsonl", "whole"):  # the last two pass over it
            said = "'control' is for tables; of lines of fixed width and of several types 'sums' of 'lines' says it"
            raise Invalid("connection.settings", f"{said}.")
        for name, formats in LAYOUTS.items():
            layout = getattr(self, name)
            if layout is None and self.format in formats and name in ("xml", "lines"):
                raise Invalid("connection.settings", f"'format: {self.format}' needs {name!r}: what a record is.")
            if layout is not None and self.format not in formats:
                said = " or ".join(f"'format: {one}'" for one in formats)
                raise Invalid("connection.settings", f"{name!r} is for {said}, and this one is {self.format}.")
        if self.json:
            self.json.verify()
        if self.xml:
            self.xml.verify()
        if self.sheet:
            self.sheet.verify()
        if self.edi:
            self.edi.verify()
        if self.lines:
            self.lines.verify(fixed=self.format == "fixed")
