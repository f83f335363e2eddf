"""What a source of dropped files is told."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from kernel.errors import Invalid
from runtime.connectors.file_drop.controls import Control
from runtime.connectors.file_drop.dialect import FileDialect
from runtime.connectors.file_drop.json_documents import JsonLayout
from runtime.connectors.file_drop.xml_records import XmlLayout
from runtime.connectors.stamps import StampRules


class FileDropSettings(msgspec.Struct, frozen=True):
    """root (and incoming, when it lies elsewhere), patterns, quiet and done as in `drop.DropFolder`.

    format        as the how-to "read files" tells them. All but `whole` may be gzip; `max_size` bounds
                  them unpacked too, and `patience` is as in `drop.DropFolder`
    text          of a whole file: `content` is its text, by the encoding of the dialect, and not base64
    json, xml     where the records of such a file stand; JSON may do without
    key_fields    columns, or paths, that identify a record; without them file checksum and record number do
    page_size     records a page
    stamps        what `version_field` means, and how far ahead of now it may lie
    """

    root: str
    incoming: str | None = None
    patterns: list[str] = msgspec.field(default_factory=lambda: ["*"])
    quiet: float = 2.0
    done: str | None = None
    max_size: int = 512 * 1024 * 1024
    patience: float = 900.0
    format: Literal["delimited", "jsonl", "json", "xml", "whole"] = "delimited"
    text: bool = False
    json: JsonLayout | None = None
    xml: XmlLayout | None = None
    dialect: FileDialect = msgspec.field(default_factory=FileDialect)
    key_fields: list[str] = msgspec.field(default_factory=list)
    version_field: str | None = None
    control: Control | None = None
    page_size: int = 1_000
    stamps: StampRules = StampRules()

    def verify(self) -> None:
        """Raises Invalid for settings that cannot work together."""
        self.dialect.verify()
        if self.page_size < 1:
            raise Invalid("connection.settings", "'page_size' is at least 1.")
        if self.text and self.format != "whole":
            raise Invalid("connection.settings", "'text' is for 'format: whole'; all other formats are read as text.")
        for name, layout in self.layouts.items():
            if layout is None and self.format == name != "json":
                raise Invalid("connection.settings", f"'format: {name}' needs {name!r}, which says what a record is.")
            if layout is not None and self.format != name:
                raise Invalid(
                    "connection.settings", f"{name!r} is for 'format: {name}', and this one is {self.format}."
                )
            if layout is not None:
                layout.verify()

    @property
    def layouts(self) -> dict[str, Any]:
        """What says more about a format, by the format's name; None where it is not there."""
        return {"json": self.json, "xml": self.xml}
