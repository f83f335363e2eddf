"""Which reader reads which format. A reader takes a claimed file and gives its records, one after the other: number,
JSON, and why it cannot be read (empty where it can). Delimited text and whole files are the connector's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from runtime.connectors.drop import ClaimedFile
from runtime.connectors.file_drop.edi_messages import EdiLayout, EdiMessages
from runtime.connectors.file_drop.json_documents import JsonLayout, json_documents
from runtime.connectors.file_drop.json_lines import json_lines
from runtime.connectors.file_drop.line_records import LineRecords
from runtime.connectors.file_drop.settings import FileDropSettings
from runtime.connectors.file_drop.xml_records import XmlRecords

Numbered = tuple[int, bytes, str]
Objects = Callable[[ClaimedFile], Iterator[Numbered]]


def objects(settings: FileDropSettings) -> Objects | None:
    """The reader of a format whose records are objects; None for the others."""
    if settings.format == "jsonl":
        return lambda claimed: json_lines(claimed, settings.dialect.encoding)
    if settings.format == "json":
        return lambda claimed: json_documents(claimed, settings.json or JsonLayout(), settings.dialect.encoding)
    if settings.xml is not None:
        layout = settings.xml
        return lambda claimed: XmlRecords(layout).read(claimed)
    if settings.format in ("edifact", "x12"):
        edi, x12 = settings.edi or EdiLayout(), settings.format == "x12"
        return lambda claimed: EdiMessages(edi, settings.dialect.encoding, x12=x12).read(claimed)
    if settings.lines is not None:
        lines, fixed = settings.lines, settings.format == "fixed"
        return lambda claimed: LineRecords(lines, settings.dialect, fixed=fixed).read(claimed)
    return None
