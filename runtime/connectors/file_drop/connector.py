"""Files that arrive in a folder: tables, objects of each format of `formats`, or whole files as they are."""

from __future__ import annotations

import base64
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from runtime.connectors.charsets import by_mark, errors_of, misread
from runtime.connectors.drop import ClaimedFile, Unreadable, each_part
from runtime.connectors.drop_places import place_of
from runtime.connectors.drop_reader import DropReader
from runtime.connectors.file_drop.controls import ControlSums
from runtime.connectors.file_drop.csv_rows import Fields, UnreadableRow
from runtime.connectors.file_drop.dialect import rows
from runtime.connectors.file_drop.formats import Numbered, objects
from runtime.connectors.file_drop.settings import FileDropSettings
from runtime.connectors.file_drop.xlsx_rows import SheetLayout, xlsx_rows
from runtime.connectors.foreign_files import refuse_foreign
from runtime.connectors.incoming_files import IncomingRules, few
from runtime.connectors.page_cards import without_cards
from runtime.connectors.protocols import CallContext, Cursor, Health, Page, Record, RejectedRecord, Resource
from runtime.connectors.rawjson import Beginning, KeyReader, odd_escape, unreadable
from runtime.connectors.settings import read_settings
from runtime.connectors.stamps import said_of_wrong
from runtime.domain import record_keys

READS_FILES = True


class FileDropSource:
    """Claims, reads and archives as `drop_reader.DropReader` says; the cursor is its cursor."""

    def __init__(self, settings: FileDropSettings) -> None:
        settings.verify()
        self.settings = settings
        rules = IncomingRules(
            tuple(settings.patterns),
            settings.quiet,
            settings.done or settings.checksum,
            settings.max_size,
            settings.patience,
            settings.format != "whole",
            settings.archive,
            settings.checksum is not None,
        )
        self.folder = place_of(
            settings.root, settings.incoming, settings.sftp, rules, address=settings.base_url, trusted=settings.trusted
        )
        self.reading = DropReader(self.folder, self._records, settings.page_size, keyed=bool(settings.key_fields))
        self.objects = objects(settings)
        self.keys = KeyReader(settings.key_fields, settings.version_field) if self.objects else None
        self.notes = list[str]()  # what is to be said of files of archives since the last page

    def close(self) -> None:
        self.reading.end()

    def set_aside(self, cursor: Cursor, reason: str) -> Cursor:
        return self.reading.set_aside(cursor, reason)

    def check(self, *, call: CallContext) -> Health:
        self.folder.use(call)
        return self.folder.check()

    def discover(self, *, call: CallContext) -> list[Resource]:
        self.folder.use(call)
        return [Resource(name, self.settings.key_fields) for name in self.folder.offered()]

    def read(self, cursor: Cursor | None, *, call: CallContext) -> Page:
        """The next page. Local files have no network deadline; a page is as long as `page_size` says."""
        self.folder.use(call)
        page = without_cards(
            self.reading.read(cursor, call.beat), whole=self.settings.format == "whole", text=self.settings.text
        )
        if self.notes:
            page, self.notes = replace(page, warnings=[*page.warnings, *self.notes]), []
        stamps = self.settings.stamps
        if not self.settings.version_field:
            return page
        if not (wrong := stamps.wrong(record.version for record in page.records if record.version)):
            return page
        warnings = [*page.warnings, said_of_wrong(self.settings.version_field, wrong)]
        return replace(page, records=stamps.believed(page.records, wrong, None), warnings=warnings)

    def _records(self, claimed: ClaimedFile) -> Generator[Record | RejectedRecord, None, None]:
        if self.settings.format == "whole":
            content = self._content(claimed.path.read_bytes())
            body = msgspec.json.encode({"name": claimed.name, "checksum": claimed.checksum, "content": content})
            yield Record(claimed.checksum, body, datetime.now(UTC), origin=claimed.name)
            return
        if names := claimed.not_named(self.settings.members):
            self.notes.append(f"Not read of {claimed.name}, for 'members' does not name them: {few(names)}")
        yield from each_part(claimed, self._part, self.settings.members)

    def _part(self, part: ClaimedFile) -> Iterator[Record | RejectedRecord]:
        refuse_foreign(part, workbook=self.settings.format == "xlsx")
        yield from self._judged(part, self.objects(part)) if self.objects else self._delimited(part)

    def _content(self, data: bytes) -> str:
        if not self.settings.text:
            return base64.b64encode(data).decode()
        codec = by_mark(data[:4], self.settings.dialect.encoding)
        text = data.decode(codec, errors_of(codec))
        if reason := misread(text, codec):
            raise Unreadable(reason)
        if "\0" in text:
            raise Unreadable(f"it is no text: it holds NUL (character {text.index(chr(0))})")
        return text

    def _judged(self, claimed: ClaimedFile, found: Iterator[Numbered]) -> Iterator[Record | RejectedRecord]:
        """Each record that a format has found, with its key and version."""
        assert self.keys is not None
        now = datetime.now(UTC)
        for number, payload, reason in found:
            origin, key, version = f"{claimed.name}:{number}", None, None
            try:
                key, version, _ = (
                    self.keys.read(payload) if self.settings.key_fields else (self._numbered(claimed, number), None, ())
                )
                if key is None:
                    reason = reason or f"a key field is missing ({', '.join(self.settings.key_fields)})"
            except (ValueError, RecursionError) as error:
                reason = reason or f"not a JSON object ({error})"
            if isinstance(reason, Beginning):
                yield RejectedRecord(origin, f"record {number}: {reason}", payload, cut=True)
            elif reason or key is None:
                yield RejectedRecord(origin, reason, payload, key)
            else:
                yield Record(key, payload, now, version, origin=origin)

    def judged_again(self, payload: bytes) -> Record | RejectedRecord:
        """A stored row as a record, as if it had just been read; a delimited one as the object that was made of it."""
        settings, now = self.settings, datetime.now(UTC)
        if not settings.key_fields or settings.format == "whole":
            return RejectedRecord("", "its key is its place in the file: hand the file in again", payload)
        if reason := unreadable(payload):
            return RejectedRecord("", reason, payload)
        try:
            key, version, _ = KeyReader(settings.key_fields, settings.version_field).read(payload)
        except ValueError as error:
            return RejectedRecord("", f"not a JSON object ({error})", payload)
        if key is None:
            return RejectedRecord("", f"a key field is missing ({', '.join(settings.key_fields)})", payload)
        return settings.stamps.judged(Record(key, payload, now, version))

    def _numbered(self, claimed: ClaimedFile, number: int) -> str:
        return (
            f"{claimed.checksum[:16]}/{claimed.place}/{number}"
            if claimed.place
            else f"{claimed.checksum[:16]}/{number}"
        )

    def _delimited(self, claimed: ClaimedFile) -> Iterator[Record | RejectedRecord]:
        settings, dialect, now = self.settings, self.settings.dialect, datetime.now(UTC)
        workbook = settings.format == "xlsx"
        marker = settings.control.marker if settings.control else ""
        sheet = settings.sheet or SheetLayout()
        source = xlsx_rows(claimed, sheet) if workbook else rows(claimed, dialect, marker)
        names = self._header(next(source, (1, []))[1]) if dialect.header else list(dialect.columns)
        self._names(names, claimed)
        control = settings.control
        tally, ended, cut = self._tally(), False, list[int]()
        for number, fields in source:
            origin = f"{claimed.name}:{number}"
            if isinstance(fields, UnreadableRow):
                tally.add(None, "")
                yield RejectedRecord(origin, fields.reason, fields.raw, cut=fields.cut)
                continue
            if control and fields and fields[0].strip() == control.marker:
                for said in tally.contradictions(*control.stated(fields)):
                    yield RejectedRecord(origin, said)
                ended = True
                continue
            if dialect.header and fields and fields[0].strip() in names and _header_again(fields, names):
                names = self._header(fields)
                said = "the header stands here again, so files were joined; the rows behind it are read by it"
                yield RejectedRecord(origin, said, dialect.delimiter.join(fields).encode())
                if control and not ended:
                    cut.append(number)
                tally, ended = self._tally(), False
                continue
            if workbook:
                fields += [""] * (len(names) - len(fields))
            if len(fields) != len(names):
                tally.add(None, "")
                text, said = dialect.delimiter.join(fields), f"{len(fields)} fields instead of {len(names)}"
                yield RejectedRecord(origin, said, text[:10_000].encode(), cut=len(text) > 10_000)
                continue
            values = dict(zip(names, fields, strict=True))
            tally.add(values.get(tally.column), f"record {number}")
            made = self._record(claimed, origin, number, values, now)
            if ended and isinstance(made, Record):
                said = "it stands behind the trailer, whose count and sum do not cover it"
                made = RejectedRecord(origin, said, made.payload, made.key)
            yield made
        if control and cut:
            said = f"files were joined, and the trailer {control.marker!r} is missing before the header"
            raise Unreadable(f"{said} in record {', '.join(map(str, cut[:5]))}: what stands there may be cut off")
        if control and not ended:
            raise Unreadable(f"the trailer {control.marker!r} is missing: the file may be cut off")

    def _tally(self) -> ControlSums:
        control = self.settings.control
        return ControlSums((control.sum or "") if control else "", self.settings.dialect.numbers)

    def _header(self, fields: Fields) -> list[str]:
        if isinstance(fields, UnreadableRow):
            raise Unreadable(f"the header: {fields.reason}")
        return [name.strip() for name in fields]

    def _names(self, names: list[str], claimed: ClaimedFile) -> None:
        settings = self.settings
        summed = settings.control.sum if settings.control else None
        wanted = [*settings.key_fields, *(name for name in (settings.version_field, summed) if name)]
        missing = [name for name in wanted if name not in names]
        if not names or len(set(names)) != len(names) or missing:
            why = f"no column {', '.join(missing)}" if missing else "no usable header"
            raise Unreadable(f"{why}; found {', '.join(names[:20]) or 'nothing'}")

    def _record(
        self, claimed: ClaimedFile, origin: str, number: int, values: dict[str, str], now: datetime
    ) -> Record | RejectedRecord:
        settings = self.settings
        shown = {k: v for k, v in values.items() if v != ""} if settings.dialect.empty_is_missing else values
        payload = msgspec.json.encode(shown)
        if reason := odd_escape(payload):
            return RejectedRecord(origin, reason, payload)
        if not settings.key_fields:
            return Record(self._numbered(claimed, number), payload, now, origin=origin)
        if any(values[name] == "" for name in settings.key_fields):
            return RejectedRecord(origin, f"a key field is empty ({', '.join(settings.key_fields)})", payload)
        key = record_keys.joined([values[name] for name in settings.key_fields])
        version = values[settings.version_field] or None if settings.version_field else None
        return Record(key, payload, now, version, origin=origin)


def _header_again(fields: list[str], names: list[str]) -> bool:
    return sorted(field.strip() for field in fields) == sorted(names)


def source(settings: Mapping[str, Any]) -> FileDropSource:
    return FileDropSource(read_settings(FileDropSettings, settings))


def needs_address(settings: Mapping[str, Any]) -> bool:
    """Whether the files lie on a server, and in no folder of the workers."""
    return settings.get("sftp") is not None
