"""Reading XML Schema 1.0: the components of every schema of a contract, by qualified name.

A qualified name is written `{namespace}name`, one of XML Schema itself `xs:name`.
"""

from __future__ import annotations

import hashlib
from typing import Any

from lxml import etree

from tillgate_contracts.errors import ContractError
from tillgate_contracts.reading.limits import refusal
from tillgate_contracts.reading.pointers import escape
from tillgate_contracts.reading.xml_files import XmlFiles
from tillgate_contracts.reading.xsd_later import unread_defaults, unread_parts
from tillgate_contracts.reading.xsd_names import undeclared

XS = "http://www.w3.org/2001/XMLSchema"
XML = "http://www.w3.org/XML/1998/namespace"
_SECTIONS = {
    "element": "elements",
    "complexType": "types",
    "simpleType": "types",
    "group": "groups",
    "attribute": "attributes",
    "attributeGroup": "attributeGroups",
}
_WORDS = {
    "elements": "element",
    "types": "type",
    "groups": "group",
    "attributes": "attribute",
    "attributeGroups": "attribute group",
}
_FACETS = frozenset(
    (
        *("length", "minLength", "maxLength", "minInclusive", "maxInclusive", "minExclusive", "maxExclusive"),
        *("totalDigits", "fractionDigits", "whiteSpace"),
    )
)
_MODELS = ("sequence", "choice", "all", "group")
_IDENTITY = ("key", "keyref", "unique")
_MAX_DEPTH = 150
Tree = dict[str, Any]


class SchemaReader:
    """Collects schemas into `schemas`, with lines by pointer and what could not be read."""

    def __init__(self, files: XmlFiles) -> None:
        self.files = files
        self.schemas: Tree = {}
        self.lines: dict[str, int] = {}
        self.problems: list[dict[str, str]] = []
        self.known: set[str] = set()
        self._done: set[tuple[int, str]] = set()
        self._waiting: list[tuple[Any, str, str]] = []
        self._wanted: list[tuple[str, str, str, str]] = []

    def add(self, root: Any, file: str, space: str | None = None) -> None:
        """One schema element. `space` is the namespace of the schema that includes it, where it has none of its own."""
        target = root.get("targetNamespace") or space or ""
        if (id(root), target) in self._done:
            return
        self._done.add((id(root), target))
        self.known.add(target)
        self._unread(unread_defaults(root), "/target")
        for child in root:
            kind = local(child)
            if child.tag[: len(XS) + 2] != f"{{{XS}}}":
                continue
            if kind in ("include", "redefine", "override"):
                self._file(child, file, target, kind)
            elif kind == "import":
                self._wanted.append((child.get("namespace") or "", child.get("schemaLocation") or "", file, target))
            elif kind in _SECTIONS:
                self._component(child, kind, _Context(root, target))

    def finish(self) -> None:
        """Follows the imports, once every schema of the contract itself is known."""
        while self._wanted:
            space, location, file, _ = self._wanted.pop()
            if space in self.known or space in (XML, XS):
                continue
            if not location:
                self.problem("ref.unresolved", f"The namespace {space} is imported without a file, and nothing has it.")
                continue
            found, root = self.files.load(location, file)
            if isinstance(root, str):
                self.problem(found, root)
            elif local(root) == "schema":
                self.add(root, found)
            else:
                self.problem("ref.unreadable", f"{found} is no XML Schema.")
        if not self.problems or all(problem["code"] == "xsd.not_read" for problem in self.problems):
            self._undeclared()

    def _undeclared(self) -> None:
        """Names that nothing declares, where everything was read that could declare them."""
        for kind, name, pointer in undeclared(self.schemas):
            word = _WORDS[kind]
            message = f"The {word} {name.rpartition('}')[2]} is declared nowhere. Declare it, or import its schema."
            self.problems.append({"code": "ref.unresolved", "pointer": pointer, "message": message, "name": name})

    def _unread(self, message: str, pointer: str) -> None:
        if message:
            self.problem("xsd.not_read", message, pointer)

    def problem(self, code: str, message: str, pointer: str = "/schemas") -> None:
        item = {"code": code, "pointer": pointer, "message": message}
        if item not in self.problems:
            self.problems.append(item)

    def _file(self, node: Any, file: str, target: str, kind: str) -> None:
        found, root = self.files.load(node.get("schemaLocation") or "", file)
        if isinstance(root, str):
            self.problem(found, root)
            return
        if kind != "include":
            self._redefined(node, found)
        self.add(root, found, target)

    def _redefined(self, node: Any, found: str) -> None:
        """What stands in a redefinition is not read. The problem is part of the normal form, so it has the names and a
        digest of the content: two redefinitions are two contracts.
        """
        names = ", ".join(name for child in node if (name := child.get("name")) and isinstance(child.tag, str))
        if names:
            plain = etree.tostring(node, with_tail=False, encoding="unicode")
            text = str(etree.canonicalize(plain, strip_text=True, rewrite_prefixes=True))
            content = hashlib.sha256(text.encode()).hexdigest()[:12]
            message = (
                f"{names} of {found} {'are' if ',' in names else 'is'} redefined here (content {content}), which is"
            )
            self.problem("xsd.redefined", f"{message} not read. Write the definition that counts into one schema.")

    def _component(self, node: Any, kind: str, context: _Context) -> None:
        name = node.get("name")
        if not name:
            raise _wrong(node, f"A global <{kind}> has no name.")
        section = self.schemas.setdefault(_SECTIONS[kind], {})
        full = f"{{{context.target}}}{name}" if context.target else name
        pointer = f"/schemas/{_SECTIONS[kind]}/{escape(full)}"
        made = self._read(node, kind, context, pointer)
        self._unread(unread_parts(node), pointer)
        if full in section:
            if section[full] == made:
                return
            raise refusal(
                "contract.duplicate_key",
                f"The {kind} {name} is declared twice: at line {self.lines.get(pointer)} and at line "
                f"{node.sourceline}. Keep one.",
                pointer=pointer,
                line=node.sourceline,
            )
        self.lines[pointer] = node.sourceline or 0
        section[full] = made

    def _read(self, node: Any, kind: str, context: _Context, pointer: str) -> Tree:
        if kind == "element":
            return self._element(node, context, pointer, top=True)
        if kind == "complexType":
            return self._complex(node, context, pointer)
        if kind == "simpleType":
            return self._simple(node, context, pointer)
        if kind == "attribute":
            return self._attribute(node, context, pointer)
        if kind == "attributeGroup":
            made: Tree = {}
            self._attributes(node, context, pointer, made)
            return made
        return self._particle(next((c for c in node if local(c) in _MODELS), None), context, f"{pointer}") or {}

    def _element(self, node: Any, context: _Context, pointer: str, *, top: bool = False) -> Tree:
        made: Tree = {"kind": "element"}
        if node.get("ref"):
            made["ref"] = context.name(node, node.get("ref"))
        else:
            made["name"] = node.get("name") or ""
            qualified = top or (node.get("form") or context.element_form) == "qualified"
            made["ns"] = context.target if qualified else ""
            inner = next((c for c in node if local(c) in ("complexType", "simpleType")), None)
            if inner is not None:
                made["type"] = self._anonymous(inner, context, f"{pointer}/type")
            else:
                made["type"] = context.name(node, node.get("type")) if node.get("type") else "xs:anyType"
        for key in ("default", "fixed"):
            if node.get(key) is not None:
                made[key] = node.get(key)
        for key in ("nillable", "abstract"):
            if node.get(key) in ("true", "1"):
                made[key] = True
        made |= context.controls(node) if top or "ref" not in made else {}
        if node.get("substitutionGroup"):
            made["head"] = sorted(context.name(node, one) for one in node.get("substitutionGroup").split())
        identity = [etree.tostring(c, method="c14n").decode().strip() for c in node if local(c) in _IDENTITY]
        if identity:
            made["identity"] = sorted(identity)
        if not top:
            _occurs(made, node)
            self.lines[pointer] = node.sourceline or 0
        _words(made, node)
        return made

    def _anonymous(self, node: Any, context: _Context, pointer: str) -> Tree:
        return (
            self._complex(node, context, pointer)
            if local(node) == "complexType"
            else self._simple(node, context, pointer)
        )

    def _complex(self, node: Any, context: _Context, pointer: str) -> Tree:
        made: Tree = {"kind": "complex"}
        for key in ("abstract", "mixed"):
            if node.get(key) in ("true", "1"):
                made[key] = True
        made |= context.controls(node)
        holder = node
        for child in node:
            if local(child) in ("simpleContent", "complexContent"):
                if local(child) == "simpleContent":
                    made["simple"] = True
                if child.get("mixed") in ("true", "1"):
                    made["mixed"] = True
                holder = next((c for c in child if local(c) in ("extension", "restriction")), None)
                if holder is None:
                    raise _wrong(child, f"<{local(child)}> has neither extension nor restriction.")
                made["by"] = local(holder)
                made["base"] = context.name(holder, holder.get("base") or "")
        if made.get("simple"):
            facets = self._facets(holder)
            if facets:
                made["facets"] = facets
        else:
            model = next((c for c in holder if local(c) in _MODELS), None)
            content = self._particle(model, context, f"{pointer}/content")
            if content:
                made["content"] = content
        self._attributes(holder, context, pointer, made)
        _words(made, node)
        return made

    def _particle(self, node: Any, context: _Context, pointer: str) -> Tree | None:
        if node is None:
            return None
        if pointer.count("/") > _MAX_DEPTH:
            raise refusal(
                "contract.too_deep",
                f"The schema is nested too deeply at line {node.sourceline}. Name the inner types.",
                line=node.sourceline,
            )
        kind = local(node)
        if kind == "element":
            return self._element(node, context, pointer)
        made: Tree = {"kind": kind}
        if kind == "any":
            made |= _wildcard(node, context)
        elif kind == "group" and node.get("ref"):
            made["ref"] = context.name(node, node.get("ref"))
        else:
            children = [c for c in node if local(c) in (*_MODELS, "element", "any")]
            made["items"] = [
                found
                for number, child in enumerate(children)
                if (found := self._particle(child, context, f"{pointer}/items/{number}"))
            ]
        _occurs(made, node)
        return made

    def _attributes(self, holder: Any, context: _Context, pointer: str, made: Tree) -> None:
        for child in holder:
            kind = local(child)
            if kind == "attribute":
                own = self._attribute(child, context, pointer)
                name = own.pop("name", "") or own.get("ref", "")
                made.setdefault("attributes", {})[name] = own
                self.lines[f"{pointer}/attributes/{escape(name)}"] = child.sourceline or 0
            elif kind == "attributeGroup" and child.get("ref"):
                made.setdefault("attributeGroups", []).append(context.name(child, child.get("ref")))
            elif kind == "anyAttribute":
                made["anyAttribute"] = _wildcard(child, context)

    def _attribute(self, node: Any, context: _Context, pointer: str) -> Tree:
        made: Tree = {}
        if node.get("ref"):
            made["ref"] = context.name(node, node.get("ref"))
        else:
            name = node.get("name") or ""
            qualified = (node.get("form") or context.attribute_form) == "qualified"
            made["name"] = f"{{{context.target}}}{name}" if qualified and context.target else name
            inner = next((c for c in node if local(c) == "simpleType"), None)
            where = f"{pointer}/attributes/{escape(made['name'])}/type"
            if inner is not None:
                made["type"] = self._simple(inner, context, where)
            else:
                made["type"] = context.name(node, node.get("type")) if node.get("type") else "xs:anySimpleType"
        for key in ("use", "default", "fixed"):
            if node.get(key) is not None and node.get(key) != "optional":
                made[key] = node.get(key)
        return made

    def _simple(self, node: Any, context: _Context, pointer: str) -> Tree:
        made: Tree = {"kind": "simple"}
        for child in node:
            kind = local(child)
            inner = [self._simple(c, context, f"{pointer}/base") for c in child if local(c) == "simpleType"]
            if kind == "restriction":
                base = child.get("base")
                made["base"] = context.name(child, base) if base else (inner[0] if inner else "xs:anySimpleType")
                made["facets"] = self._facets(child)
            elif kind == "list":
                item = child.get("itemType")
                made["list"] = context.name(child, item) if item else (inner[0] if inner else "xs:anySimpleType")
            elif kind == "union":
                made["union"] = [context.name(child, one) for one in (child.get("memberTypes") or "").split()] + inner
        _words(made, node)
        return made

    def _facets(self, node: Any) -> Tree:
        found: Tree = {}
        for child in node:
            kind, value = local(child), child.get("value") or ""
            if kind == "enumeration":
                found.setdefault("enumeration", []).append(value)
            elif kind in ("pattern", "assertion"):
                found.setdefault(kind, []).append(value or child.get("test") or "")
            elif kind in _FACETS:
                found[kind] = value
        for key in ("enumeration", "pattern", "assertion"):
            if key in found:
                found[key] = sorted(set(found[key]))
        return found


class _Context:
    """The schema element that a declaration stands in."""

    def __init__(self, root: Any, target: str) -> None:
        self.target = target
        self.own = root.get("targetNamespace") or ""
        self.element_form = root.get("elementFormDefault") or "unqualified"
        self.attribute_form = root.get("attributeFormDefault") or "unqualified"
        self.usual = {key: root.get(f"{key}Default") or "" for key in ("final", "block")}

    def controls(self, node: Any) -> Tree:
        """What may not be derived from a declaration, or stand for it: its own word, else that of the schema (XML
        Schema 3.3.2, 3.4.2)."""
        made = {}
        for key, usual in self.usual.items():
            words = sorted(node.get(key, usual).split())
            if local(node) != "element" or key == "final":
                words = [word for word in words if word not in ("substitution", "list", "union")]
            if words:
                made[key] = " ".join(words)
        return made

    def name(self, node: Any, text: str) -> str:
        """A name as written, with the namespace of its prefix."""
        found = qualified(node, text)
        if self.target and not self.own and "}" not in found and ":" not in found:
            return f"{{{self.target}}}{found}"
        return found


def qualified(node: Any, text: str) -> str:
    """A written name (`tns:Order`) as `{namespace}Order`; `xs:string` for what XML Schema brings.

    Raises ContractError `contract.xml_prefix` for a prefix that is not declared.
    """
    prefix, colon, name = text.strip().rpartition(":")
    space = node.nsmap.get(prefix if colon else None)
    if colon and space is None:
        if prefix == "xml":
            return f"{{{XML}}}{name}"
        raise refusal(
            "contract.xml_prefix",
            f"The prefix {prefix} of {text} is not declared at line {node.sourceline}. Declare it with xmlns:{prefix}.",
            line=node.sourceline,
        )
    if space == XS:
        return f"xs:{name}"
    return f"{{{space}}}{name}" if space else name


def local(node: Any) -> str:
    """The local name of an element."""
    tag = str(node.tag)
    return tag.rpartition("}")[2]


def _occurs(made: Tree, node: Any) -> None:
    least, most = node.get("minOccurs"), node.get("maxOccurs")
    try:
        if least is not None and int(least) != 1:
            made["min"] = int(least)
        if most is not None and most != "1":
            made["max"] = None if most == "unbounded" else int(most)
    except ValueError:
        raise _wrong(node, f"minOccurs and maxOccurs are numbers, not {least or most!r}") from None


def _wildcard(node: Any, context: _Context) -> Tree:
    spaces = node.get("namespace") or "##any"
    words = {"##targetNamespace": context.target or "##local", "##other": f"not {context.target}"}
    return {
        "namespace": sorted(words.get(one, one) for one in spaces.split()),
        "process": node.get("processContents") or "strict",
    }


def _words(made: Tree, node: Any) -> None:
    for child in node:
        if local(child) == "annotation":
            text = " ".join("".join(one.itertext()) for one in child if local(one) == "documentation").strip()
            if text:
                made["description"] = " ".join(text.split())


def _wrong(node: Any, message: str) -> ContractError:
    return refusal(
        "contract.wrong_type", f"{message.rstrip('.')} (line {node.sourceline}). Correct it.", line=node.sourceline
    )
