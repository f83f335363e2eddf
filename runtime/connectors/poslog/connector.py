"""POSLog files from a drop folder, one record per transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import IO, Any

import msgspec
from lxml import etree

from kernel import card_measures
from kernel.card_data import MaskedCards, masked_text
from runtime.connectors.drop import ClaimedFile, Unreadable, each_part
from runtime.connectors.drop_places import place_of
from runtime.connectors.drop_reader import DropReader
from runtime.connectors.foreign_files import refuse_foreign
from runtime.connectors.incoming_files import Archive, IncomingRules
from runtime.connectors.legible_xml import IllegibleXml, LegibleXml, illegible
from runtime.connectors.poslog.again import judge_document
from runtime.connectors.poslog.cards import without_cards
from runtime.connectors.poslog.document import gaps, sale_document
from runtime.connectors.poslog.reading import Element, NotPosLog, NotXml, TooDeep
from runtime.connectors.poslog.rules import PLAIN, PosLogRules
from runtime.connectors.poslog.stated import BadTransaction
from runtime.connectors.poslog.stream import refuse_doctype, transactions
from runtime.connectors.protocols import CallContext, Cursor, Health, Page, Record, RejectedRecord, Resource
from runtime.connectors.settings import read_settings
from runtime.connectors.sftp_settings import SftpPlace, one_mark, one_place
from runtime.connectors.xml_sizes import SHOWN, beginning
from runtime.domain import masking

_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


READS_FILES = True


class PosLogSettings(PosLogRules, frozen=True, kw_only=True):
    """Folder settings as in `drop.DropFolder`, and the rules by which receipts are read. Files may be gzip; `max_size`
    bounds them unpacked too.

    sftp  where the files lie on an SFTP server, in the place of `root`
    """

    root: str = ""
    sftp: SftpPlace | None = None
    base_url: str = ""
    trusted: str = ""
    incoming: str | None = None
    patterns: list[str] = msgspec.field(default_factory=lambda: ["*.xml", "*.XML", "*.xml.gz"])
    quiet: float = 2.0
    done: str | None = None
    checksum: str | None = None
    max_size: int = 512 * 1024 * 1024
    patience: float = 900.0
    archive: Archive = "kept"
    page_size: int = 500


def documents(
    source: IO[bytes],
    name: str = "",
    *,
    charset: str = "",
    rules: PosLogRules = PLAIN,
    taken: MaskedCards | None = None,
    again: Callable[[], IO[bytes]] | None = None,
) -> Iterator[Record | RejectedRecord]:
    """Every transaction of a POSLog document as a Record (key `store/till/business date/sequence`, payload canonical
    JSON), or as a Rejected with its XML. `charset` is what came with the document, and counts more than what stands in
    it (RFC 7303 §3). What was taken out of cardholder data is added to `taken`. `again` opens the document once more,
    where a transaction is nested too deeply for the parser: it costs itself alone then. Raises NotPosLog where the
    document as a whole cannot be read on."""
    reading = _Reading(name, charset, rules, MaskedCards() if taken is None else taken)
    try:
        yield from reading.transactions(source)
    except TooDeep:
        if again is None:
            raise
        with again() as file:
            yield from reading.transactions(file, shallow=True)


class _Reading:
    """One document that is read, and how many transactions of it were given."""

    def __init__(self, name: str, charset: str, rules: PosLogRules, taken: MaskedCards) -> None:
        self.name, self.charset, self.rules, self.taken = name, charset, rules, taken
        self.now, self.given = datetime.now(UTC), 0

    def transactions(self, source: IO[bytes], *, shallow: bool = False) -> Iterator[Record | RejectedRecord]:
        """Those that were not given yet."""
        try:
            legible = LegibleXml(source, self.charset)
        except IllegibleXml as error:
            raise NotXml(str(error)) from None
        found = enumerate(transactions(legible, self.rules, shallow=shallow), 1)
        for number, (element, too_large) in islice(found, self.given, None):
            cards = without_cards(element)
            card_measures.count("poslog", cards)
            self.taken.add(cards)
            self.given = number
            origin, marked = f"{self.name}#{number}", shallow or legible.marks > 0
            if too_large:
                said = f"transaction {number}: {too_large}"
                yield RejectedRecord(origin, said, beginning(element), cut=True)
            else:
                yield _judged(element, cards, origin, self.now, self.rules, marked=marked)


def _judged(
    element: Element, cards: MaskedCards, origin: str, now: datetime, rules: PosLogRules, *, marked: bool
) -> Record | RejectedRecord:
    if marked and (reason := illegible(etree.tostring(element, encoding="unicode"))):
        return _rejected(origin, reason, element)
    try:
        document = sale_document(element, rules)
    except BadTransaction as error:
        return _rejected(origin, str(error), element)
    if cards:
        document["cardData"] = cards.as_data
    return Record(document["id"], _ENCODER.encode(document), now, origin=origin)


def _rejected(origin: str, reason: str, element: Element) -> RejectedRecord:
    xml = etree.tostring(element, encoding="unicode")
    return RejectedRecord(origin, reason, xml[:SHOWN].encode(), cut=len(xml) > SHOWN)


class PosLogSource:
    """Reads as `drop_reader.DropReader` says. A till's gaps are reported as warnings of the page that shows them."""

    def __init__(self, settings: PosLogSettings) -> None:
        one_mark(settings.done, settings.checksum)
        one_place(settings.root, settings.incoming, settings.sftp)
        self.settings = settings
        rules = IncomingRules(
            tuple(settings.patterns),
            settings.quiet,
            settings.done or settings.checksum,
            settings.max_size,
            settings.patience,
            archive=settings.archive,
            proven=settings.checksum is not None,
        )
        self.folder = place_of(
            settings.root, settings.incoming, settings.sftp, rules, address=settings.base_url, trusted=settings.trusted
        )
        self.reading = DropReader(self.folder, self._records, settings.page_size)
        self.taken = MaskedCards()  # of cardholder data since the last page

    def close(self) -> None:
        self.reading.end()

    def set_aside(self, cursor: Cursor, reason: str) -> Cursor:
        return self.reading.set_aside(cursor, reason)

    def check(self, *, call: CallContext) -> Health:
        self.folder.use(call)
        return self.folder.check()

    def discover(self, *, call: CallContext) -> list[Resource]:
        fields = {
            "id": "string",
            "lines": "array",
            "tenders": "array",
            "taxes": "array",
            "total": "number",
            "control": "object",
        }
        return [Resource("Transaction", ["store", "till", "businessDate", "sequence"], fields)]

    def read(self, cursor: Cursor | None, *, call: CallContext) -> Page:
        self.folder.use(call)
        page = self.reading.read(cursor, call.beat)
        warnings = [*page.warnings, *gap_warnings([record.key for record in page.records])]
        if self.taken:
            warnings.append(masking.said_of(self.taken))
            self.taken.clear()
        return replace(page, warnings=warnings, looked_through=True)

    def _records(self, claimed: ClaimedFile) -> Generator[Record | RejectedRecord, None, None]:
        yield from each_part(claimed, self._part)

    def _part(self, part: ClaimedFile) -> Iterator[Record | RejectedRecord]:
        refuse_foreign(part, tables=False)
        try:
            with part.open() as file:
                yield from documents(file, part.name, rules=self.settings, taken=self.taken, again=part.open)
        except NotPosLog as error:
            raise Unreadable(str(error)) from None

    def judged_again(self, payload: bytes) -> Record | RejectedRecord:
        """A stored transaction as a record, as if it had just been read: its XML, or the document made of it."""
        return transaction_again(payload, self.settings)


def transaction_again(payload: bytes, rules: PosLogRules) -> Record | RejectedRecord:
    """As `PosLogSource.judged_again`. A document is held to the sums that its XML is held to (`again`), and XML to what
    a file is held to."""
    now = datetime.now(UTC)
    try:
        if not payload.lstrip().startswith(b"<"):
            document = _DECODER.decode(payload)
            judge_document(document, rules)
            return Record(str(document["id"]), payload, now)
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
        element = etree.fromstring(payload, parser)
        refuse_doctype(element)
        cards = without_cards(element)
        card_measures.count("correction", cards)
        return _judged(element, cards, "", now, rules, marked=True)
    except (BadTransaction, NotPosLog) as error:
        return RejectedRecord("", masked_text(str(error), MaskedCards()), payload)
    except (ValueError, KeyError, TypeError, AttributeError, etree.XMLSyntaxError) as error:
        return RejectedRecord("", f"it is no transaction ({error})", payload)


def gap_warnings(keys: list[str]) -> list[str]:
    """Gaps inside one set of sale keys, per till and business day (and operator, where numbers are theirs). Keys that
    end in no number have none. Whether a gap closes later is the reconciliation's question."""
    tills: dict[str, list[int]] = defaultdict(list)
    for key in keys:
        till, _, number = key.rpartition("/")
        if number.isascii() and number.isdecimal() and not till.endswith("\\"):
            tills[till].append(int(number))
    return [
        f"{till}: {first}" + (f" to {last}" if last != first else "") + " not seen between its neighbours"
        for till, numbers in sorted(tills.items())
        for first, last in gaps(numbers)
    ]


def source(settings: Mapping[str, Any]) -> PosLogSource:
    return PosLogSource(read_settings(PosLogSettings, settings))


def needs_address(settings: Mapping[str, Any]) -> bool:
    """Whether the files lie on a server, and in no folder of the workers."""
    return settings.get("sftp") is not None
