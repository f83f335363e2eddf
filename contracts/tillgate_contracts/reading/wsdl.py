"""Reading WSDL 1.1, WSDL 2.0 and XML Schema files into a normal form: interfaces, bindings, services, schemas.

Messages of WSDL 1.1 stand where they are used, because their names are not on the wire.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tillgate_contracts.reading.forms import OwnReading
from tillgate_contracts.reading.limits import Clock, ReadingLimits, measure, refusal
from tillgate_contracts.reading.pointers import escape
from tillgate_contracts.reading.wsdl_extensions import (
    MIME,
    action_of,
    attributes_of,
    extension,
    extensions_of,
    mime_parts,
    space_of,
    written_otherwise,
)
from tillgate_contracts.reading.xml_files import XmlFiles
from tillgate_contracts.reading.xml_text import parse_xml
from tillgate_contracts.reading.xsd_reader import XS, SchemaReader, local, qualified

WSDL_1 = "http://schemas.xmlsoap.org/wsdl/"
WSDL_2 = "http://www.w3.org/ns/wsdl"
SOAP = {
    "http://schemas.xmlsoap.org/wsdl/soap/": "soap-1.1",
    "http://schemas.xmlsoap.org/wsdl/soap12/": "soap-1.2",
    "http://www.w3.org/ns/wsdl/soap": "soap-1.2",
    "http://schemas.xmlsoap.org/wsdl/http/": "http",
    "http://www.w3.org/ns/wsdl/http": "http",
}
_PATTERNS = {
    ("input", "output"): "request-response",
    ("input",): "one-way",
    ("output", "input"): "solicit-response",
    ("output",): "notification",
}
_OWN = {WSDL_1, WSDL_2, XS}
_KNOWN = frozenset((*_OWN, *SOAP, MIME))
ROOTS = frozenset({"definitions", "description", "schema"})
"""Local names of the roots that are read here."""
Tree = dict[str, Any]


def read_xml_contract(
    text: str, limits: ReadingLimits, clock: Clock, *, name: str | None, base_dir: Path | None
) -> OwnReading | None:
    """The normal form of a WSDL or XML Schema; None when the root is another one.

    Raises ContractError `contract.xml_syntax`, `contract.xml_dtd`, `contract.xml_prefix`, `contract.not_a_contract`,
    `contract.duplicate_key` or a bound.
    """
    root = parse_xml(text, limits)
    space, kind = str(root.tag)[1:].split("}", 1) if str(root.tag).startswith("{") else ("", str(root.tag))
    if (space, kind) not in ((WSDL_1, "definitions"), (WSDL_2, "description"), (XS, "schema")):
        return None
    files = XmlFiles(name, base_dir, limits, clock)
    files.count(root)
    schemas = SchemaReader(files)
    if kind == "schema":
        schemas.add(root, "")
        schemas.finish()
        tree: Tree = {"xsd": "1.0", "target": root.get("targetNamespace") or ""}
        lines = schemas.lines
        if not schemas.schemas:
            raise refusal("contract.not_a_contract", "The XML Schema declares nothing.", line=root.sourceline)
    else:
        reader = _WsdlReader(files, schemas)
        tree = reader.run(root, "1.1" if kind == "definitions" else "2.0")
        lines = {**schemas.lines, **reader.lines}
    tree["schemas"] = schemas.schemas
    if schemas.problems:
        tree["problems"] = schemas.problems
    measure(tree, limits, clock)
    return OwnReading(f"wsdl-{tree['wsdl']}" if "wsdl" in tree else "xsd-1.0", tree, lines)


class _WsdlReader:
    def __init__(self, files: XmlFiles, schemas: SchemaReader) -> None:
        self.files = files
        self.schemas = schemas
        self.lines: dict[str, int] = {}
        self.messages: dict[str, list[Tree]] = {}
        self.found: Tree = {"interfaces": {}, "bindings": {}, "services": {}}
        self.later: list[tuple[Any, str]] = []
        self.extensions: list[str] = []

    def run(self, root: Any, version: str) -> Tree:
        self._file(root, "", set())
        self.schemas.finish()
        for node, target in self.later:
            if local(node) == "portType":
                self._port_type(node, target)
            elif local(node) == "interface":
                self._interface(node, target)
        for node, target in self.later:
            if local(node) == "binding":
                self._binding(node, target)
            elif local(node) == "service":
                self._service(node, target)
        self._inherit()
        if not self.found["interfaces"] and not self.schemas.schemas:
            raise refusal("contract.not_a_contract", "The WSDL describes neither an operation nor a type.", line=1)
        title = root.get("name") or next(iter(self.found["services"]), "").rpartition("}")[2]
        info = {
            "title": title or next(iter(self.found["interfaces"]), "").rpartition("}")[2],
            "description": _doc(root),
        }
        tree: Tree = {"wsdl": version, "info": {key: value for key, value in info.items() if value}}
        tree["target"] = root.get("targetNamespace") or ""
        if self.extensions:
            tree["extensions"] = sorted(self.extensions)
        return tree | self.found

    def _file(self, root: Any, file: str, seen: set[str]) -> None:
        target = root.get("targetNamespace") or ""
        self.extensions += extensions_of(root, _KNOWN)
        for child in root:
            kind = local(child)
            if space_of(child) not in _OWN:
                continue
            if kind == "types":
                for schema in child:
                    if schema.tag == f"{{{XS}}}schema":
                        self.schemas.add(schema, file)
            elif kind in ("import", "include"):
                self._import(child, file, seen)
            elif kind == "message":
                self.messages[_full(target, child)] = [_part(part) for part in child if local(part) == "part"]
            elif kind in ("portType", "interface", "binding", "service"):
                self.later.append((child, target))

    def _import(self, node: Any, file: str, seen: set[str]) -> None:
        location = node.get("location") or ""
        if not location:
            return
        found, root = self.files.load(location, file)
        if isinstance(root, str):
            self.schemas.problem(found, root)
        elif found not in seen:
            seen.add(found)
            if local(root) == "schema":
                self.schemas.add(root, found)
            else:
                self._file(root, found, seen)

    def _keep(self, section: str, node: Any, target: str, made: Tree) -> None:
        name = _full(target, node)
        pointer = f"/{section}/{escape(name)}"
        if name in self.found[section]:
            raise refusal(
                "contract.duplicate_key",
                f"The {local(node)} {node.get('name')} is declared twice: at line {self.lines.get(pointer)} and at "
                f"line {node.sourceline}. Keep one.",
                pointer=pointer,
                line=node.sourceline,
            )
        self.lines[pointer] = node.sourceline or 0
        text = _doc(node)
        said = [] if section == "bindings" else extensions_of(node, _KNOWN)
        made |= {"extensions": said} if said else {}
        self.found[section][name] = made | ({"description": text} if text else {})

    def _port_type(self, node: Any, target: str) -> None:
        operations: Tree = {}
        pointer = f"/interfaces/{escape(_full(target, node))}/operations"
        for child in node:
            if local(child) != "operation":
                continue
            shape = tuple(local(c) for c in child if local(c) in ("input", "output"))
            made: Tree = {"pattern": _PATTERNS.get(shape, "unknown")}
            for part in child:
                kind = local(part)
                if kind in ("input", "output"):
                    made[kind] = self._sent(part)
                elif kind == "fault":
                    made.setdefault("faults", {})[part.get("name") or ""] = self._sent(part)
            self._operation(operations, child, made, pointer)
        self._keep("interfaces", node, target, {"operations": operations})

    def _sent(self, node: Any) -> Tree:
        """A message of a port type with the action that WS-Addressing gives it, where it names one."""
        action = action_of(node)
        return {"parts": self._message(node)} | ({} if action is None else {"action": action})

    def _operation(self, operations: Tree, node: Any, made: Tree, pointer: str) -> None:
        name = node.get("name") or ""
        said = sorted(one for part in (node, *node) for one in extensions_of(part, _KNOWN))
        if said:
            made["extensions"] = said
        if _doc(node):
            made["description"] = _doc(node)
        while name in operations:
            # WSDL 1.1 allows overloading; WS-I forbids it (R2304).
            name += "'"
        operations[name] = made
        self.lines[f"{pointer}/{escape(name)}"] = node.sourceline or 0

    def _message(self, node: Any) -> list[Tree]:
        name = qualified(node, node.get("message") or "")
        if name not in self.messages:
            text = f"The message {node.get('message')} at line {node.sourceline} is declared nowhere."
            self.schemas.problem("ref.unresolved", text)
            return [{"name": "", "unread": name}]
        return self.messages[name]

    def _interface(self, node: Any, target: str) -> None:
        faults = {
            qualified_name(target, child.get("name") or ""): _element_of(child)
            for child in node
            if local(child) == "fault"
        }
        operations: Tree = {}
        pointer = f"/interfaces/{escape(_full(target, node))}/operations"
        for child in node:
            if local(child) != "operation":
                continue
            made: Tree = {"pattern": (child.get("pattern") or "in-out").rpartition("/")[2]}
            made["pattern"] = {"in-out": "request-response", "in-only": "one-way", "out-only": "notification"}.get(
                made["pattern"], made["pattern"]
            )
            for part in child:
                kind = local(part)
                if kind in ("input", "output"):
                    action = action_of(part)
                    made[kind] = {"parts": [_element_of(part)]} | ({} if action is None else {"action": action})
                elif kind == "outfault":
                    name = qualified(part, part.get("ref") or "")
                    made.setdefault("faults", {})[name.rpartition("}")[2]] = {"parts": [faults.get(name, {"name": ""})]}
            self._operation(operations, child, made, pointer)
            if child.get("style"):
                made["extensions"] = sorted([*made.get("extensions", []), f"style={child.get('style')}"])
        made = {"operations": operations}
        if node.get("extends"):
            made["extends"] = sorted(qualified(node, one) for one in node.get("extends").split())
        self._keep("interfaces", node, target, made)

    def _inherit(self) -> None:
        for entry in self.found["interfaces"].values():
            todo, seen = list(entry.pop("extends", ())), set()
            while todo:
                name = todo.pop()
                parent = self.found["interfaces"].get(name)
                if parent is None or name in seen:
                    continue
                seen.add(name)
                todo += parent.get("extends", ())
                for key, value in parent["operations"].items():
                    entry["operations"].setdefault(key, value)

    def _binding(self, node: Any, target: str) -> None:
        second = str(node.tag).startswith(f"{{{WSDL_2}}}")
        made: Tree = {"interface": qualified(node, node.get("interface" if second else "type") or "")}
        style = ""
        if second:
            made["protocol"] = SOAP.get(node.get("type") or "", node.get("type"))
        extensions = []
        for child in node:
            space, kind = space_of(child), local(child)
            if space in SOAP and kind == "binding":
                made["protocol"] = SOAP[space]
                made["transport"] = child.get("transport") or child.get("verb") or ""
                style = child.get("style") or "document"
            elif kind == "operation" and space in _OWN:
                name = (child.get("name") or (child.get("ref") or "").rpartition(":")[2]) or ""
                pointer = f"/bindings/{escape(_full(target, node))}/operations/{escape(name)}"
                self.lines[pointer] = child.sourceline or 0
                made.setdefault("operations", {})[name] = self._bound(child, style or "document")
            elif space not in _OWN:
                extensions.append(extension(child))
        made.setdefault("protocol", "other")
        extensions += attributes_of(node)
        if extensions:
            made["extensions"] = sorted(extensions)
        self._keep("bindings", node, target, made)

    def _bound(self, node: Any, style: str) -> Tree:
        made: Tree = {"style": style}
        for key, value in node.attrib.items():
            if str(key).rpartition("}")[2] == "action":
                made["action"] = str(value)
        for child in node:
            space, kind = space_of(child), local(child)
            if kind == "operation" and space in SOAP:
                made["action"] = child.get("soapAction") or child.get("location") or ""
                made["style"] = child.get("style") or style
            elif kind in ("input", "output"):
                body = self._body(child)
                if body:
                    made[kind] = body
            elif kind == "fault" and space in _OWN:
                name = child.get("name") or (child.get("ref") or "").rpartition(":")[2]
                said = [f"fault {name}: {text}" for text in attributes_of(child)]
                said += [text for one in child if space_of(one) in SOAP for text in written_otherwise(one, name)]
                made["extensions"] = [*made.get("extensions", []), *said]
            elif space not in _OWN and kind != "operation":
                made.setdefault("extensions", []).append(extension(child))
        said = sorted([*made.pop("extensions", []), *attributes_of(node)])
        return made | ({"extensions": said} if said else {})

    def _body(self, node: Any) -> Tree:
        made: Tree = {}
        headers: list[str] = []
        for child in node.iter():
            if space_of(child) not in SOAP:
                continue
            if local(child) == "body":
                made["use"] = child.get("use") or "literal"
                for key in ("namespace", "encodingStyle", "parts"):
                    if child.get(key) is not None:
                        made[key] = child.get(key)
            elif local(child) == "header":
                made.setdefault("headers", []).append(self._header(child))
                headers += written_otherwise(child, child.get("part") or child.get("element") or "")
            elif local(child) == "headerfault":
                message = qualified(child, child.get("message") or "")
                parts = self.messages.get(message, [])
                kinds = [p.get("element") or p.get("type") for p in parts if p["name"] == child.get("part")]
                headers.append(f"headerfault {message} {child.get('part') or ''}: {''.join(map(str, kinds))}")
                headers += written_otherwise(child, child.get("part") or "")
        mime, said = mime_parts(node), sorted([*extensions_of(node, _KNOWN), *headers])
        return made | ({"mime": mime} if mime else {}) | ({"extensions": said} if said else {})

    def _header(self, node: Any) -> Tree:
        if node.get("element"):
            return {"name": "", "element": qualified(node, node.get("element"))}
        parts = self.messages.get(qualified(node, node.get("message") or ""), [])
        return next((part for part in parts if part["name"] == node.get("part")), {"name": node.get("part") or ""})

    def _service(self, node: Any, target: str) -> None:
        ports: Tree = {}
        pointer = f"/services/{escape(_full(target, node))}/ports"
        for child in node:
            if local(child) not in ("port", "endpoint"):
                continue
            address = child.get("address") or next(
                (c.get("location") or "" for c in child if local(c) == "address"), ""
            )
            name = child.get("name") or ""
            ports[name] = {"binding": qualified(child, child.get("binding") or ""), "address": address}
            said = sorted([*extensions_of(child, _KNOWN), *attributes_of(child)])
            if said:
                ports[name]["extensions"] = said
            self.lines[f"{pointer}/{escape(name)}"] = child.sourceline or 0
        made: Tree = {"ports": ports}
        if node.get("interface"):  # WSDL 2.0: what its endpoints take, whose bindings may name none
            made["interface"] = qualified(node, node.get("interface") or "")
        self._keep("services", node, target, made)


def qualified_name(target: str, name: str) -> str:
    return f"{{{target}}}{name}" if target else name


def _full(target: str, node: Any) -> str:
    return qualified_name(target, node.get("name") or "")


def _part(node: Any) -> Tree:
    made: Tree = {"name": node.get("name") or ""}
    for key in ("element", "type"):
        if node.get(key):
            made[key] = qualified(node, node.get(key))
    return made


def _element_of(node: Any) -> Tree:
    written = node.get("element") or ""
    return {"name": "", "element": written if written.startswith("#") or not written else qualified(node, written)}


def _doc(node: Any) -> str:
    for child in node:
        if local(child) == "documentation":
            return " ".join("".join(child.itertext()).split())
    return ""
