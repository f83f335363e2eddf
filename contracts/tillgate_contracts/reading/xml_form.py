"""Questions about the normal form of a WSDL or an XML Schema: its operations, types and names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tillgate_contracts.reading.pointers import escape
from tillgate_contracts.reading.summary import MAX_FIELDS, OperationSummary

METHODS = {"request-response": "CALL", "one-way": "ONE-WAY", "solicit-response": "SOLICIT", "notification": "NOTIFY"}
Tree = dict[str, Any]


class XmlForm:
    """An operation is one of a port type (interface): `CALL OrderPort/placeOrder`."""

    def operations(self, tree: Tree) -> tuple[OperationSummary, ...]:
        return tuple(self._operations(tree))

    def _operations(self, tree: Tree) -> Iterator[OperationSummary]:
        for name, interface in tree.get("interfaces", {}).items():
            short = _short(name)
            for key, value in interface["operations"].items():
                yield OperationSummary(
                    METHODS.get(value["pattern"], "CALL"),
                    f"{short}/{key}",
                    key,
                    value.get("description", "").split(". ", 1)[0],
                    (short,),
                    False,
                    f"/interfaces/{escape(name)}/operations/{escape(key)}",
                    request=_parts(value.get("input")),
                    response=_parts(value.get("output")),
                )

    def schemas(self, tree: Tree) -> tuple[str, ...]:
        found = tree.get("schemas", {})
        return tuple(dict.fromkeys(_short(name) for key in ("elements", "types") for name in found.get(key, {})))

    def components(self, tree: Tree) -> dict[str, Any]:
        return {
            f"/schemas/{section}/{escape(name)}": value
            for section, items in tree.get("schemas", {}).items()
            for name, value in items.items()
        }

    def fields(self, tree: Tree) -> tuple[str, ...]:
        """Names of elements and attributes inside types."""
        seen: dict[str, None] = {}
        todo: list[Any] = [*tree.get("schemas", {}).values()]
        while todo and len(seen) < MAX_FIELDS:
            value = todo.pop()
            if isinstance(value, dict):
                if value.get("kind") == "element":
                    seen[value.get("name") or _short(value.get("ref", ""))] = None
                if isinstance(value.get("attributes"), dict) and "kind" in value:
                    seen.update((_short(name), None) for name in value["attributes"])
                todo += value.values()
            elif isinstance(value, list):
                todo += value
        return tuple(list(seen)[:MAX_FIELDS])

    def servers(self, tree: Tree) -> tuple[str, ...]:
        ports = [port for service in tree.get("services", {}).values() for port in service["ports"].values()]
        return tuple(dict.fromkeys(port["address"] for port in ports if port["address"]))

    def security_schemes(self, tree: Tree) -> Mapping[str, str]:
        """Security policies (WS-SecurityPolicy) that the bindings name."""
        words = {
            "UsernameToken": "user name token",
            "X509Token": "X.509 token",
            "HttpsToken": "TLS",
            "SamlToken": "SAML",
        }
        text = " ".join(one for b in tree.get("bindings", {}).values() for one in (b.get("extensions", [])))
        return {name: told for name, told in words.items() if name in text}

    def origins(self, tree: Tree) -> dict[str, str]:
        """XPaths by name: `portType[@name='Orders']/operation[@name='place']`, `complexType[@name='Order']//sku`."""
        found: dict[str, str] = {}
        for section, word, below, inner in (
            ("interfaces", "portType", "operations", "operation"),
            ("bindings", "binding", "operations", "operation"),
            ("services", "service", "ports", "port"),
        ):
            for name, value in tree.get(section, {}).items():
                place = f"/{section}/{escape(name)}"
                found[place] = f"{word}[@name='{_short(name)}']"
                for key in value.get(below, {}):
                    found[f"{place}/{below}/{escape(key)}"] = f"{found[place]}/{inner}[@name='{key}']"
        words = {
            "elements": "element",
            "groups": "group",
            "attributes": "attribute",
            "attributeGroups": "attributeGroup",
        }
        for section, items in tree.get("schemas", {}).items():
            for name, value in items.items():
                word = words.get(section) or ("complexType" if value.get("kind") == "complex" else "simpleType")
                place = f"/schemas/{section}/{escape(name)}"
                found[place] = f"{word}[@name='{_short(name)}']"
                _inside(value, place, found[place], found)
        found["/schemas"] = "schema"
        return found


def _inside(value: Any, place: str, path: str, found: dict[str, str]) -> None:
    """Elements and attributes below a component."""
    todo: list[tuple[Any, str, str]] = [(value, place, path)]
    while todo:
        one, here, shown = todo.pop()
        if not isinstance(one, dict):
            continue
        for key in ("type", "content", "base"):
            if isinstance(one.get(key), dict):
                todo.append((one[key], f"{here}/{key}", shown))
        for name in one.get("attributes", {}) if "kind" in one or here == place else {}:
            found[f"{here}/attributes/{escape(name)}"] = f"{shown}//attribute[@name='{_short(name)}']"
        for number, item in enumerate(one.get("items", ())):
            spot = f"{here}/items/{number}"
            inner = shown
            if item.get("kind") == "element":
                name = item.get("name") or _short(item.get("ref", ""))
                inner = f"{shown}//element[@name='{name}']"
                found[spot] = inner
            todo.append((item, spot, inner))


def _parts(message: Tree | None) -> str:
    if message is None:
        return ""
    return ", ".join(
        _short(part["element"])
        if "element" in part
        else f"{part['name']}: {_short(part.get('type', ''))}".removesuffix(": ")
        for part in message["parts"]
    )


def _short(name: str) -> str:
    return name.rpartition("}")[2]
