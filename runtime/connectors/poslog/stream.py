"""A file of a till as a stream of transactions: constant memory, no entities, no network.

POSLog itself, in whatever envelope, and two other forms that become POSLog transactions here: the point of sale journal
of NAXML (Conexxus), and the sales documents that SAP takes in from tills (IDoc WPUBON01).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from lxml import etree

from runtime.connectors.legible_xml import IllegibleXml, LegibleXml
from runtime.connectors.poslog import building, idoc, naxml
from runtime.connectors.poslog.reading import Element, NotPosLog, NotXml, TooDeep, local, text
from runtime.connectors.poslog.rules import PosLogRules
from runtime.connectors.rawjson import Beginning
from runtime.connectors.shallow_xml import DEEP, TOO_DEEP, ShallowXml, is_about_limits
from runtime.connectors.xml_sizes import XmlSize


class FoundTransaction(NamedTuple):
    """A transaction, complete; of one that is too large the beginning, and `why`."""

    element: Element
    why: Beginning | None = None


class _Form(NamedTuple):
    """`units`: the elements that are a transaction each. `context`: elements in front of them whose text they need, of
    the part of the file that begins with `head`. `alike`: ends of names, in small letters, of what looks like a
    transaction and is none of `units`: it is given with the reason why it is not read."""

    units: frozenset[str]
    context: frozenset[str]
    head: str
    translated: Callable[[Element, Mapping[str, str], PosLogRules], Element]
    alike: tuple[str, ...] = ()

    def is_alike(self, name: str) -> bool:
        return name not in self.units and name.lower().endswith(self.alike)

    def no_unit(self, name: str) -> Beginning:
        return Beginning(f"{name} is none of {', '.join(sorted(self.units))}, so nobody knows what it says")


_ENVELOPE = _Form(frozenset(("Transaction",)), frozenset(), "", lambda element, context, rules: element)
_POSLOG = _ENVELOPE._replace(alike=("transaction", "sale", "return", "lineitem"))
_FORMS = {
    "POSLog": _POSLOG,
    "NAXML-POSJournal": _Form(naxml.EVENTS, naxml.CONTEXT, "TransmissionHeader", naxml.transaction_of, ("event",)),
    "WPUBON01": _Form(idoc.RECEIPTS, idoc.CONTEXT, "IDOC", idoc.transaction_of),
}
_SUMS = ("WPUUMS01", "WPUUMS02", "WPUTAB01", "NAXML-MovementReport")


def transactions(source: LegibleXml, rules: PosLogRules, *, shallow: bool = False) -> Iterator[FoundTransaction]:
    """Each transaction as POSLog has it; it is emptied when the next one is asked for. Raises NotPosLog, for
    what is nested too deeply TooDeep. `shallow`: that is cut out before it is read, so that marks of it stand in the
    transactions that had it."""
    shallow_source = ShallowXml(source) if shallow else None
    readable: Any = shallow_source or source
    events = etree.iterparse(
        readable,
        encoding="utf-8",  # whatever the file declares: what is read here is UTF-8
        events=("start", "end"),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    root: Element | None = None
    form, context = _ENVELOPE, dict[str, str]()
    found, depth = False, 0  # whether it is a file of a till; how many transactions the place is in
    cuts, size = 0, XmlSize()
    try:
        for event, element in events:
            if root is None:
                root = element
                refuse_doctype(element)
            name = local(element)
            if depth == 0 and event == "start" and name in _SUMS:
                raise NotPosLog(f"{name} has sums of a day and no receipts; have the till send its receipts")
            if depth == 0 and event == "start" and name == form.head:
                context.clear()
            if depth == 0 and name in _FORMS:
                form, found = _FORMS[name], True
            elif name in form.units or form.is_alike(name):
                if event == "start" and depth == 0:
                    size = XmlSize()
                depth += 1 if event == "start" else -1
                if event == "end" and depth == 0:
                    found = True
                    marks = _cuts(element) if shallow else 0
                    cuts += marks
                    if name not in form.units:
                        yield FoundTransaction(element, form.no_unit(name))
                    elif size.large:
                        yield FoundTransaction(element, size.reason(element))
                    else:
                        yield FoundTransaction(_marked(form.translated(element, context, rules), element, marks))
            if event == "end" and depth and size.add(element):
                element.clear()
            if event == "end" and depth == 0:
                if name in form.context:
                    context[name] = text(element) or ""
                _let_go(element)
    except etree.XMLSyntaxError as error:
        kind = TooDeep if is_about_limits(error) else NotXml
        raise kind(f"line {error.lineno or 0}: {error.msg}") from None
    except (OSError, IllegibleXml) as error:
        raise NotXml(str(error)) from None
    if root is None:
        raise NotXml("it is empty")
    if shallow_source is not None and shallow_source.cuts != cuts:
        raise NotXml(f"outside of its transactions {TOO_DEEP}; what is in there was not read")
    if not found:
        raise NotPosLog(f"the root element is {local(root)!r}, not 'POSLog', and there is no Transaction in it")


def _cuts(element: Element) -> int:
    return etree.tostring(element, encoding="unicode").count(DEEP)


def _marked(made: Element, element: Element, marks: int) -> Element:
    """What was made of an element has its marks, also of what stands in nothing that was taken over."""
    if marks and made is not element:
        building.add(made, "Omitted", DEEP)
    return made


def _let_go(element: Element) -> None:
    """A transaction that was read, and those before it."""
    parent = element.getparent()
    element.clear()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def refuse_doctype(element: Element) -> None:
    """Raises NotPosLog for a document that declares its type."""
    docinfo: Any = element.getroottree().docinfo
    if docinfo.doctype:
        raise NotPosLog("the file has a document type declaration; POSLog needs none, and entities are not read")
