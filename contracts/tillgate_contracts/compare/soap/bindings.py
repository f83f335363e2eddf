"""Bindings and services: how messages travel (WSDL 1.1 section 3, WSDL 2.0 Adjuncts section 5)."""

from __future__ import annotations

from typing import Any, Protocol

from tillgate_contracts.compare.collector import FindingCollector
from tillgate_contracts.compare.soap.components import Tree
from tillgate_contracts.reading.pointers import escape

_BODY = (
    ("use", "soap-use-changed"),
    ("namespace", "soap-body-namespace-changed"),
    ("parts", "soap-body-parts-changed"),
    ("mime", "soap-mime-parts-changed"),
)


class PartComparison(Protocol):
    """What a comparison of bindings needs to compare headers."""

    collector: FindingCollector

    def part(
        self, one: Tree, other: Tree, direction: str, whole: str, label: str, path: str, at: dict[str, Any]
    ) -> None: ...


class BindingComparison:
    """Compares everything that stands around the messages."""

    def __init__(self, old: Tree, new: Tree, whole: PartComparison) -> None:
        self.old, self.new = old, new
        self.whole = whole
        self.add = whole.collector.add_for

    def run(self) -> None:
        old, new = self.old["bindings"], self.new["bindings"]
        self._extensions(self.old, self.new, {}, "The contract", {})
        for name, before in old.items():
            found = (
                name
                if name in new
                else next((key for key in new if _short(key) == _short(name) and key not in old), None)
            )
            place = f"/bindings/{escape(name)}"
            if found is None:
                text = f"The binding {_short(name)} was removed."
                self.add(self._who(before), "soap-binding-removed", text, old=_short(name), base=place)
            else:
                self._binding(before, new[found], place, f"/bindings/{escape(found)}", _short(name))
        for name in new:
            if name not in old and not any(_short(name) == _short(key) for key in old if key not in new):
                text = f"The binding {_short(name)} was added."
                place = f"/bindings/{escape(name)}"
                self.add(self._who(new[name]), "soap-binding-added", text, new=_short(name), revision=place)
        self._services()

    def _who(self, binding: Tree, operation: str = "") -> dict[str, str]:
        path = _short(binding.get("interface", ""))
        names = [operation] if operation else list(binding.get("operations", {}))[:200]
        return {f"CALL {path}/{name}": f"{path}/{name}" for name in names}

    def _binding(self, before: Tree, after: Tree, place: str, spot: str, name: str) -> None:
        at: dict[str, Any] = {"base": place, "revision": spot}
        who = self._who(after)
        for key, rule in (("protocol", "soap-protocol-changed"), ("transport", "soap-transport-changed")):
            one, other = before.get(key), after.get(key)
            if one != other:
                text = f"The binding {name} has the {key} {other or 'none'} instead of {one or 'none'}."
                self.add(who, rule, text, old=one, new=other, **at)
        if _short(before.get("interface", "")) != _short(after.get("interface", "")):
            one, other = _short(before.get("interface", "")), _short(after.get("interface", ""))
            text = f"The binding {name} is of the port type {other or 'none'} instead of {one or 'none'}."
            self.add(self._who(before), "soap-binding-interface-changed", text, old=one, new=other, **at)
        self._extensions(before, after, who, f"The binding {name}", at)
        old, new = before.get("operations", {}), after.get("operations", {})
        for key, one in old.items():
            spots = {"base": f"{place}/operations/{escape(key)}", "revision": f"{spot}/operations/{escape(key)}"}
            if key in new:
                sides = (self._bound(self.old, before, key, one), self._bound(self.new, after, key, new[key]))
                self._operation(key, *sides, self._who(after, key), spots)
            else:
                text = f"{key} is no longer bound in {name}."
                self.add(self._who(before, key), "soap-operation-unbound", text, old=key, base=spots["base"])

    @staticmethod
    def _bound(tree: Tree, binding: Tree, name: str, operation: Tree) -> Tree:
        """A bound operation in which `parts` says something only where the body has not every part (WSDL 1.1 section
        3.5), in no order."""
        described = tree["interfaces"].get(binding.get("interface", ""), {}).get("operations", {}).get(name, {})
        made = dict(operation)
        for side in ("input", "output"):
            body = made.get(side, {})
            if "parts" in body:
                listed = sorted(str(body["parts"]).split())
                every = sorted(part["name"] for part in described.get(side, {}).get("parts", ()))
                rest = {key: value for key, value in body.items() if key != "parts"}
                made[side] = rest if listed == every else {**rest, "parts": " ".join(listed)}
        return made

    def _operation(self, name: str, before: Tree, after: Tree, who: dict[str, str], at: dict[str, Any]) -> None:
        for key, rule in (("action", "soap-action-changed"), ("style", "soap-style-changed")):
            one, other = before.get(key), after.get(key)
            if (one or "") != (other or ""):
                text = f"The {key} of {name} is {other or 'empty'} instead of {one or 'empty'}."
                self.add(who, rule, text, old=one, new=other, **at)
        self._extensions(before, after, who, name, at)
        for side, direction in (("input", "request"), ("output", "response")):
            one, other = before.get(side, {}), after.get(side, {})
            rpc = "rpc" in (before.get("style"), after.get("style"))
            for key, rule in _BODY:
                if key == "namespace" and not rpc:
                    continue
                if one.get(key) != other.get(key):
                    shown = [
                        ", ".join(v) if isinstance(v, list) else v or "none" for v in (one.get(key), other.get(key))
                    ]
                    word = "MIME parts" if key == "mime" else key
                    is_ = "are" if key == "mime" else "is"
                    text = f"The {word} of the {side} of {name} {is_} {shown[1]} instead of {shown[0]}."
                    self.add(who, rule, text, old=one.get(key), new=other.get(key), **at)
            self._extensions(one, other, who, f"The {side} of {name}", at)
            self._headers(name, one.get("headers", []), other.get("headers", []), direction, who, at)

    def _headers(
        self, name: str, old: list[Tree], new: list[Tree], direction: str, who: dict[str, str], at: dict[str, Any]
    ) -> None:
        left, right = {_header(one): one for one in old}, {_header(one): one for one in new}
        [(label, path)] = who.items()
        for key, one in left.items():
            if key in right:
                self.whole.part(one, right[key], direction, f"header {_short(key)} of {name}", label, path, at)
            else:
                text = f"{name} no longer describes the header {_short(key)}."
                self.add(who, f"{direction}-soap-header-removed", text, old=key, **at)
        for key in right:
            if key not in left:
                text = f"{name} has the new header {_short(key)}."
                self.add(who, f"{direction}-soap-header-added", text, new=key, **at)

    def _extensions(self, before: Tree, after: Tree, who: dict[str, str], whole: str, at: dict[str, Any]) -> None:
        if before.get("extensions") != after.get("extensions"):
            text = f"{whole} has other extensions (policies, addressing): what they change is not decided."
            self.add(who, "soap-extension-changed", text, **at)

    def _services(self) -> None:
        for name, service in self.old["services"].items():
            place = f"/services/{escape(name)}"
            other = self.new["services"].get(name, service)
            at: dict[str, Any] = {"base": place, "revision": place}
            self._extensions(service, other, {}, f"The service {_short(name)}", at)
            mine, theirs = _short(service.get("interface", "")), _short(other.get("interface", ""))
            if mine and theirs and mine != theirs:
                text = f"The service {_short(name)} has the interface {theirs} instead of {mine}."
                self.add({}, "soap-service-interface-changed", text, old=mine, new=theirs, **at)
        old, new = (self._ports(tree) for tree in (self.old, self.new))
        for key, (port, place) in old.items():
            if key not in new:
                text = f"The port {key[1]} of {key[0]} was removed."
                self.add({}, "soap-port-removed", text, old=port["address"], base=place)
                continue
            other, spot = new[key]
            at = {"base": place, "revision": spot}
            self._extensions(port, other, {}, f"The port {key[1]}", at)
            if port["address"] != other["address"]:
                text = (
                    f"The address of {key[1]} is {other['address'] or 'none'} instead of {port['address'] or 'none'}."
                )
                self.add({}, "server-url-changed", text, old=port["address"], new=other["address"], **at)
            if _short(port["binding"]) != _short(other["binding"]):
                now, before = _short(other["binding"]), _short(port["binding"])
                text = f"The port {key[1]} has the binding {now} instead of {before}."
                self.add({}, "soap-port-binding-changed", text, old=port["binding"], new=other["binding"], **at)
        for key, (port, spot) in new.items():
            if key not in old:
                text = f"The port {key[1]} of {key[0]} was added."
                self.add({}, "soap-port-added", text, new=port["address"], revision=spot)

    def _ports(self, tree: Tree) -> dict[tuple[str, str], tuple[Tree, str]]:
        return {
            (_short(name), key): (port, f"/services/{escape(name)}/ports/{escape(key)}")
            for name, service in tree["services"].items()
            for key, port in service["ports"].items()
        }


def _short(name: str) -> str:
    return name.rpartition("}")[2]


def _header(part: Tree) -> str:
    return str(part.get("element") or part.get("name"))
