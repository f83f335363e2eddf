"""Records of an XML file: the elements at a path, one after the other, in constant memory. No entities, no document
type, no network; one character that cannot be read costs its record alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec
from lxml import etree

from kernel.errors import Invalid
from runtime.connectors.drop import ClaimedFile, Unreadable
from runtime.connectors.legible_xml import MARKS, IllegibleXml, LegibleXml, illegible
from runtime.connectors.shallow_xml import DEEP, TOO_DEEP, ShallowXml, is_about_limits
from runtime.connectors.xml_sizes import XmlSize, beginning
from runtime.domain.json_paths import MOST_STEPS

LONGEST_AROUND = 10_000  # characters of a value that stands beside the records
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
Numbered = tuple[int, bytes, str]


class XmlLayout(msgspec.Struct, frozen=True):
    """record       path of the elements that are records, from the root: `Document/BkToCstmrStmt/Stmt/Ntry`. `*` is any
                 one element; `//Ntry` are those of that name wherever they stand
    namespaces   prefixes for the namespaces whose names are to be told apart: `{bank: "urn:example:bank"}` makes
                 `bank:Name` of them, in paths and in records; the prefix "" leaves them as they are. Without it,
                 and for all other namespaces, names are local names
    around       names of values that stand before the records, and their paths: `{account: "Document/…/Acct/Id/IBAN"}`;
                 `Document/…/Stmt/@id` is an attribute. A value counts for the records of the element that both lie in
    lists        paths within a record of what is always a list, also where it stands once: `[Line, Line/Tax]`
    """

    record: str
    namespaces: dict[str, str] = {}
    around: dict[str, str] = {}
    lists: list[str] = []

    def verify(self) -> None:
        paths = {f"around.{name}": path for name, path in self.around.items()}
        for name, path in {"record": self.record, **paths, **{f"lists: {one}": one for one in self.lists}}.items():
            steps = path.removeprefix("//").split("/")
            if not all(steps) or len(steps) > MOST_STEPS or any("@" in step for step in steps[:-1]):
                said = "names of elements joined by '/'"
                raise Invalid("connection.settings", f"'xml.{name}' is {path!r}, which is no path: {said}.")
        if self.record.rpartition("/")[2].startswith("@"):
            raise Invalid("connection.settings", "'xml.record' names elements, not an attribute.")
        if self.around and any("//" in one for one in (self.record, *paths.values())):
            raise Invalid(
                "connection.settings", "'xml.around' needs paths from the root, its own and that of 'record'."
            )
        if inside := [name for name, path in paths.items() if f"{path}/".startswith(f"{self.record}/")]:
            said = "lies within the records, which have it anyway"
            raise Invalid("connection.settings", f"'xml.{inside[0]}' {said}.")


class _Around:
    """A value beside the records: it counts within the element that its path and that of the records share."""

    def __init__(self, name: str, path: str, record: list[str]) -> None:
        steps = path.split("/")
        self.name = name
        self.attribute = steps.pop()[1:] if steps[-1].startswith("@") else ""
        self.steps, self.used = steps, False
        self.value: str | None = None
        shared = [one == other for one, other in zip(steps, record[:-1], strict=False)]
        self.scope = shared.index(False) if False in shared else len(shared)

    def set(self, value: str, line: int) -> None:
        if len(value) > LONGEST_AROUND:
            raise Unreadable(f"line {line}: {self.name!r} has more than {LONGEST_AROUND} characters")
        if self.value is not None and self.value != value:
            raise Unreadable(
                f"line {line}: {self.name!r} is {value[:40]!r} and {self.value[:40]!r}; name one of the two"
            )
        if self.value is None and self.used:
            raise Unreadable(f"line {line}: {self.name!r} stands behind the records that it is to go with")
        self.value = value

    def forget(self) -> None:
        self.value, self.used = None, False


class XmlRecords:
    """Reads the records of one file. Raises Unreadable where it is no XML, or holds none of the named elements."""

    def __init__(self, layout: XmlLayout, *, too_deep: int = 0) -> None:
        """`too_deep`: the line at which the parser stopped before. What is nested too deeply is cut out before it is
        read then, which takes longer."""
        self.layout, self.too_deep, self.cuts = layout, too_deep, 0
        self.anywhere = layout.record.startswith("//")
        self.steps = layout.record.removeprefix("//").split("/")
        self.around = [_Around(name, path, self.steps) for name, path in layout.around.items()]
        self.prefixes = {uri: f"{prefix}:" if prefix else "" for prefix, uri in layout.namespaces.items()}
        self.lists = {tuple(path.removeprefix("//").split("/")) for path in layout.lists}
        self.found, self.way, self.first = 0, list[str](), ""
        self.parent = False  # whether the element was there in which the records stand: then there may be none

    def read(self, claimed: ClaimedFile) -> Iterator[Numbered]:
        """(number, the record as JSON, why it cannot be read: empty where it can)."""
        passed = 0
        with claimed.open() as file:
            try:
                for one in self._read(LegibleXml(file)):
                    passed = one[0]
                    yield one
                return
            except IllegibleXml as error:
                raise Unreadable(str(error)) from None
            except etree.XMLSyntaxError as error:
                if self.too_deep or not is_about_limits(error):
                    raise Unreadable(f"line {error.lineno or 0}: {error.msg}") from None
                stopped = error.lineno or 1
        yield from islice(XmlRecords(self.layout, too_deep=stopped).read(claimed), passed, None)

    def _read(self, source: LegibleXml) -> Iterator[Numbered]:
        shallow = ShallowXml(source) if self.too_deep else None
        readable: Any = shallow or source
        settings: Any = {"resolve_entities": False, "no_network": True, "load_dtd": False, "dtd_validation": False}
        events = etree.iterparse(
            readable,
            encoding="utf-8",  # whatever the file declares: what is read here is UTF-8
            events=("start", "end"),
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
            **settings,
        )
        way, inside, size = self.way, 0, XmlSize()
        for event, element in events:
            if event == "start":
                if not way:
                    _no_doctype(element)
                way.append(self.name(element.tag))
                if not inside and self._is(self.steps, anywhere=self.anywhere):
                    inside, size = len(way), XmlSize()
                if not inside:
                    self._attributes(element)
                continue
            if inside and size.add(element):
                element.clear()
            if len(way) == inside:
                self.found += 1
                yield self._made(element, size, marked=source.marks > 0 or shallow is not None)
                inside = 0
            if not inside:
                self._texts(element, len(way))
                _let_go(element)
            way.pop()
        if shallow is not None and shallow.cuts != self.cuts:
            said = f"outside of its records {TOO_DEEP}; what is in there was not read"
            raise Unreadable(f"line {self.too_deep} or behind it: {said}")
        if not self.found and not self.parent:
            raise Unreadable(f"there is no element at {self.layout.record!r}; the first one is {self.first!r}")

    def _is(self, steps: list[str], *, anywhere: bool = False) -> bool:
        way = self.way
        if len(way) == 1:
            self.first = self.first or way[0]
        if not anywhere and not self.parent and _fits(steps[:-1], way):
            self.parent = True
        return _fits(steps, way[-len(steps) :] if anywhere else way)

    def _attributes(self, element: Any) -> None:
        for one in self.around:
            if one.attribute and _fits(one.steps, self.way):
                for key, value in element.attrib.items():
                    if self.name(str(key)) == one.attribute:
                        one.set(str(value), element.sourceline or 0)

    def _texts(self, element: Any, depth: int) -> None:
        for one in self.around:
            if not one.attribute and _fits(one.steps, self.way):
                one.set(_text(element), element.sourceline or 0)
            if depth == one.scope:
                one.forget()

    def name(self, tag: str) -> str:
        uri, mark, local = tag.rpartition("}")
        return f"{self.prefixes.get(uri[1:], '')}{local}" if mark and self.prefixes else local

    def _made(self, element: Any, size: XmlSize, *, marked: bool) -> Numbered:
        for one in self.around:
            one.used = True
        if size.large:
            return self.found, beginning(element), size.reason(element, "; name elements further in as records")
        data = self._data(element, ())
        data = data if isinstance(data, dict) else {"#text": data} if data else {}
        around = {one.name: one.value for one in self.around if one.value is not None}
        both = [name for name in around if name in data]
        payload = msgspec.json.encode({**data, **around})
        if marked and (reason := illegible(payload.decode())):
            self.cuts += payload.decode().count(DEEP)
            return self.found, MARKS.sub("\ufffd", payload.decode()).encode(), reason
        return self.found, payload, f"it has a {both[0]!r} of its own; give 'around' another name" if both else ""

    def _data(self, element: Any, way: tuple[str, ...]) -> Any:
        """Text, or an object of attributes (`@name`), elements and `#text`; what stands several times is a list."""
        if element.get(_NIL) in ("true", "1"):
            return None
        out: dict[str, Any] = {}
        for key, value in element.attrib.items():
            out[f"@{self.name(str(key))}"] = str(value)
        for inner in element:
            name = self.name(inner.tag)
            here = (*way, name)
            value = self._data(inner, here)
            if isinstance(held := out.get(name), list):
                held.append(value)
            elif name in out:
                out[name] = [held, value]
            else:
                out[name] = [value] if here in self.lists else value
        content = _text(element)
        if not out:
            return content
        if content:
            out["#text"] = content
        return out


def _fits(steps: list[str], way: list[str]) -> bool:
    return len(steps) == len(way) and all(step in ("*", name) for step, name in zip(steps, way, strict=True))


def _text(element: Any) -> str:
    parts = [element.text or "", *(inner.tail or "" for inner in element)]
    return "".join(parts).strip()


def _let_go(element: Any) -> None:
    """What was read, and what stands before it."""
    parent = element.getparent()
    element.clear()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def _no_doctype(element: Any) -> None:
    if element.getroottree().docinfo.doctype:
        raise Unreadable("the file has a document type declaration, which is not read: entities could be anything")
