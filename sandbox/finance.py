"""Journal entries by SOAP at `/sap/journal`, as `finance.wsdl` says.

    JournalEntryCreate       posts at once; the answer has a log, each entry with a severity (3 and 4: not posted)
    JournalEntryBulkCreate   202 without a word; what became of it is known later (`work` questions say Pending)
    JournalEntryStatus       by reference

What it does as the vendor does: an entry that is refused is a 200 with a document number of zeros and a log; a warning
stands beside a number; a fault of the server (`broken`: `before`, `behind`) says nothing of what was done; a message
whose id was there before is not posted twice (`keeps_ids`).
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from lxml import etree

from sandbox.faults import BadControl
from sandbox.server import Answer, Call, Emulator, Operation, Refusal

PATH = "/sap/journal"
WSDL = Path(__file__).with_name("finance.wsdl")
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_MEDIA = "text/xml"


class Finance(Emulator):
    name = "finance"

    def __init__(self, state: Path, *, seed: int = 1, user: str, password: str) -> None:
        super().__init__(state, seed=seed)
        self.settings = {"work": 0, "broken": "", "keeps_ids": True}
        self.entries: dict[str, dict[str, Any]] = {}
        self.ids: dict[str, str] = {}
        self._accept(user=user, password=password)

    def restore(self) -> None:
        for entry in self.journal.entries():
            if entry.data:
                self.entries[str(entry.ref)] = {"number": entry.entity, "note": "", "asked": 9}
                self.ids[str(entry.key)] = str(entry.ref)

    def resolve(self, method: str, path: str) -> Operation | None:
        return Operation("soap.call", True, self._serve) if (method, path) == ("POST", PATH) else None

    def denied(self, headers: Any) -> Refusal | None:
        pair = f"{self.sign_in['user']}:{self.sign_in['password']}"
        if headers.get("Authorization") == "Basic " + base64.b64encode(pair.encode()).decode():
            return None
        return Refusal(401, "Client", "Logon failed")

    def refusal(self, refused: Refusal) -> Answer:
        words = f"<faultcode>soap:{refused.code}</faultcode><faultstring>{escape(refused.message)}</faultstring>"
        return _envelope(f"<soap:Fault>{words}</soap:Fault>", refused.status)

    def _serve(self, call: Call) -> Answer:
        if denied := self.denied(call.headers):
            raise denied
        root = etree.fromstring(call.body, etree.XMLParser(resolve_entities=False, no_network=True))
        (message,) = root.find(f"{{{SOAP}}}Body")
        name = etree.QName(message).localname
        ways: dict[str, Callable[[Any, Call], Answer]] = {
            "JournalEntryCreateRequest": self._create,
            "JournalEntryBulkRequest": self._bulk,
            "JournalEntryStatusQuery": self._status,
        }
        if name not in ways:
            raise Refusal(500, "Client", f"There is no operation for {name}")
        return ways[name](message, call)

    def _create(self, message: Any, call: Call) -> Answer:
        if self.settings["broken"] == "before":
            raise Refusal(500, "Server", "Web service processing error")
        note = self._post(message.find("JournalEntry"), message.findtext("MessageHeader/UUID") or "", call)
        if self.settings["broken"] == "behind":
            raise Refusal(500, "Server", "Web service processing error")
        reference = message.findtext("JournalEntry/DocumentReferenceID")
        number = self.entries[reference]["number"] if reference in self.entries and not note else "0000000000"
        log = [("605(RW)", "3", note)] if note else [("614(RW)", "1", "Document posted")]
        if not note and message.find("JournalEntry/PostingDate") is None:
            log.append(("100(F5)", "2", "The posting date was proposed"))
        shown = "".join(
            f"<Item><TypeID>{code}</TypeID><SeverityCode>{severity}</SeverityCode><Note>{escape(text)}</Note></Item>"
            for code, severity, text in log
        )
        told = f"<AccountingDocument>{number}</AccountingDocument><Log>{shown}</Log>"
        return _envelope(
            f'<f:JournalEntryCreateConfirmation xmlns:f="urn:finance">{told}</f:JournalEntryCreateConfirmation>'
        )

    def _bulk(self, message: Any, call: Call) -> Answer:
        for entry in message.findall("JournalEntry"):
            self._post(entry, message.findtext("MessageHeader/UUID") or "", call)
        return Answer(202, b"", _MEDIA)

    def _post(self, entry: Any, number: str, call: Call) -> str:
        """Posts an entry once; answers why it is not posted, empty where it is."""
        reference = entry.findtext("DocumentReferenceID") or ""
        total = sum(float(one.text or 0) for one in entry.findall("Item/Amount"))
        if self.settings["keeps_ids"] and number in self.ids:
            return ""
        if abs(total) > 0.004:
            note = f"Balance in transaction currency: {total:.2f}"
            self.entries.setdefault(reference, {"number": "", "note": note, "asked": 0})
            return note
        document = f"{len(self.entries) + 1:010}"
        self.entries[reference] = {"number": document, "note": "", "asked": 0}
        self.ids[number] = reference
        told = {"effect": "journal.posted", "key": number, "ref": reference, "entity": document, "data": {"posted": 1}}
        self.journal.record([told], request=call.request_id, correlation=call.correlation)
        return ""

    def _status(self, message: Any, call: Call) -> Answer:
        wanted = message.findtext("Reference") or ""
        shown = ""
        for reference, entry in self.entries.items():
            if not reference.startswith(wanted):
                continue
            entry["asked"] += 1
            pending = entry["asked"] <= int(self.settings["work"])
            status = "Pending" if pending else "Error" if entry["note"] else "Posted"
            number = f"<AccountingDocument>{entry['number']}</AccountingDocument>" if status == "Posted" else ""
            words = f"<Status>{status}</Status><Note>{escape(entry['note'])}</Note>"
            shown += f"<Entry><Reference>{escape(reference)}</Reference>{number}{words}</Entry>"
        return _envelope(f'<f:JournalEntryStatusResponse xmlns:f="urn:finance">{shown}</f:JournalEntryStatusResponse>')

    def control(self, order: str, value: Any) -> Any:
        raise BadControl(f"unknown order {order!r}")


def _envelope(body: str, status: int = 200) -> Answer:
    text = f'<soap:Envelope xmlns:soap="{SOAP}"><soap:Body>{body}</soap:Body></soap:Envelope>'
    return Answer(status, text.encode(), _MEDIA)
