"""Comparison of two WSDL or two XML Schema contracts."""

from __future__ import annotations

from typing import Any

from tillgate_contracts.compare.collector import FindingCollector
from tillgate_contracts.compare.soap.bindings import BindingComparison
from tillgate_contracts.compare.soap.changes import PairResult, XmlChange
from tillgate_contracts.compare.soap.components import Components, Tree, TypeRef
from tillgate_contracts.compare.soap.kinds import DIRECTIONS, XML_KINDS, xml_level
from tillgate_contracts.compare.soap.pairs import TypePairs
from tillgate_contracts.compare.soap.particles import ContentComparison
from tillgate_contracts.reading.pointers import escape

_PARTS = (("input", "request"), ("output", "response"))


class XmlComparison:
    """Compares operations with the types that they carry, or (a schema alone) every global component."""

    def __init__(self, old: Tree, new: Tree, collector: FindingCollector) -> None:
        self.old, self.new = old, new
        self.collector = collector
        self.sides = Components(old.get("schemas", {})), Components(new.get("schemas", {}))
        self.pairs = TypePairs(*self.sides)
        self._seen: set[tuple[str, str, str, str]] = set()

    def run(self) -> None:
        if "wsdl" in self.old:
            self._interfaces()
            BindingComparison(self.old, self.new, self).run()
        else:
            self._schemas()
        self._problems()

    def report(self, change: XmlChange, direction: str, operations: dict[str, str]) -> None:
        """One change of content in one direction, with the operations that carry it."""
        rule = f"{direction}-xml-{change.kind}"
        policy = self.collector.policy
        level = xml_level(
            change.kind, direction, strict=policy.content_model == "strict", strict_enum=policy.strict_enum
        )
        text = change.text + (" What it changes is not decided." if XML_KINDS[change.kind].undecided else "")
        self.collector.add_for(
            operations,
            rule,
            text[:1].upper() + text[1:],
            old=change.old,
            new=change.new,
            base=change.old_pointer,
            revision=change.new_pointer,
            level=level,
        )

    def walk(self, before: TypeRef, after: TypeRef, direction: str, label: str, path: str) -> None:
        """Everything below a pair of types, for one operation and direction."""
        todo = [(before, after)]
        while todo:
            one, other = todo.pop()
            key = (one.key, other.key, direction, label)
            if key in self._seen:
                continue
            self._seen.add(key)
            result = self.pairs.result(one, other)
            for change in result.changes:
                self.report(change, direction, {label: path} if label else {})
            if result.words:
                self._words(one.pointer, other.pointer)
            todo += result.children

    def elements(self, before: str, after: str, direction: str, label: str, path: str) -> None:
        """A pair of global elements, by their qualified names."""
        one, other = self.sides[0].elements.get(before), self.sides[1].elements.get(after)
        places = f"/schemas/elements/{escape(before)}", f"/schemas/elements/{escape(after)}"
        if one is None or other is None:
            if not before.startswith("#") or not after.startswith("#"):
                text = f"The element {(before if one is None else after).rpartition('}')[2]} is declared nowhere."
                self.report(XmlChange("reference-unresolved", text, None, None), direction, {label: path})
            return
        found = PairResult()
        whole = f"`{after.rpartition('}')[2]}`"
        ContentComparison(*self.sides, whole, found).element_pair(one, places[0], other, places[1], whole, places)
        for change in found.changes:
            self.report(change, direction, {label: path} if label else {})
        if one.get("description") != other.get("description"):
            self._words(*places)
        for pair in found.children:
            self.walk(*pair, direction, label, path)

    def _words(self, base: str | None, revision: str | None) -> None:
        name = (revision or "").rpartition("}")[2]
        self.collector.add(
            "annotation-changed", f"The description of `{name}` changed.", base=base or None, revision=revision or None
        )

    def _interfaces(self) -> None:
        old, new = self.old["interfaces"], self.new["interfaces"]
        for name, before in old.items():
            found = _partner(name, new, old)
            place = f"/interfaces/{escape(name)}"
            short = name.rpartition("}")[2]
            if found is None:
                for operation in before["operations"]:
                    label, path = _label(name, operation, before["operations"][operation])
                    text = f"The port type {short} was removed."
                    self.collector.add_for({label: path}, "soap-interface-removed", text, old=short, base=place)
                if not before["operations"]:
                    self.collector.add("soap-interface-removed", f"The port type {short} was removed.", base=place)
                continue
            if before.get("description") != new[found].get("description"):
                self._words(place, f"/interfaces/{escape(found)}")
            if before.get("extensions") != new[found].get("extensions"):
                text = f"The port type {short} has other extensions (policies): what they change is not decided."
                who = dict(_label(name, key, value) for key, value in before["operations"].items())
                at = {"base": place, "revision": f"/interfaces/{escape(found)}"}
                self.collector.add_for(who, "soap-extension-changed", text, **at)
            if found != name:
                text = f"The port type {short} is in another namespace: {_space(found)} instead of {_space(name)}."
                spot = f"/interfaces/{escape(found)}"
                data: dict[str, Any] = {"old": _space(name), "new": _space(found), "base": place, "revision": spot}
                self.collector.add("soap-namespace-changed", text, **data)
            self._operations(name, found, before["operations"], new[found]["operations"])
        for name in new:
            if _partner(name, old, new) is None:
                text = f"The port type {name.rpartition('}')[2]} was added."
                self.collector.add("soap-interface-added", text, revision=f"/interfaces/{escape(name)}")

    def _operations(self, name: str, other_name: str, old: Tree, new: Tree) -> None:
        for key, before in old.items():
            label, path = _label(name, key, before)
            place = f"/interfaces/{escape(name)}/operations/{escape(key)}"
            spot = f"/interfaces/{escape(other_name)}/operations/{escape(key)}"
            if key not in new:
                text = f"The operation {key} was removed."
                self.collector.add_for({label: path}, "soap-operation-removed", text, old=key, base=place)
            else:
                self._operation(key, before, new[key], label, path, place, spot)
        for key, after in new.items():
            if key not in old:
                label, path = _label(other_name, key, after)
                spot = f"/interfaces/{escape(other_name)}/operations/{escape(key)}"
                text = f"The operation {key} was added."
                self.collector.add_for({label: path}, "soap-operation-added", text, new=key, revision=spot)

    def _operation(self, name: str, before: Tree, after: Tree, label: str, path: str, place: str, spot: str) -> None:
        at: dict[str, Any] = {"base": place, "revision": spot}
        who = {label: path}
        if before["pattern"] != after["pattern"]:
            text = f"{name} is {after['pattern']} instead of {before['pattern']}."
            data = {"old": before["pattern"], "new": after["pattern"]}
            self.collector.add_for(who, "soap-operation-pattern-changed", text, **data, **at)
        if before.get("description") != after.get("description"):
            self.collector.add_for(who, "annotation-changed", f"The description of {name} changed.", **at)
        if before.get("extensions") != after.get("extensions"):
            text = f"{name} has other extensions (policies, addressing): what they change is not decided."
            self.collector.add_for(who, "soap-extension-changed", text, **at)
        self._actions(name, before, after, who, at)
        for key, direction in _PARTS:
            if key in before and key in after:
                self._message(before[key]["parts"], after[key]["parts"], direction, f"{key} of {name}", who, at)
        old, new = before.get("faults", {}), after.get("faults", {})
        for fault, one in old.items():
            if fault in new:
                self._message(one["parts"], new[fault]["parts"], "response", f"fault {fault} of {name}", who, at)
            else:
                text = f"{name} no longer has the fault {fault}."
                self.collector.add_for(who, "soap-fault-removed", text, old=fault, **at)
        for fault in new:
            if fault not in old:
                text = f"{name} may answer with the fault {fault}, which is new."
                self.collector.add_for(who, "soap-fault-added", text, new=fault, **at)

    def _actions(self, name: str, before: Tree, after: Tree, who: dict[str, str], at: dict[str, Any]) -> None:
        """What WS-Addressing calls the messages, in a header that both sides look for (WSDL Binding 1.0, 4.4)."""
        pairs = [(key, before.get(key, {}), after.get(key, {})) for key in ("input", "output")]
        old, new = before.get("faults", {}), after.get("faults", {})
        pairs += [(f"fault {key}", old[key], new[key]) for key in old if key in new]
        for word, one, other in pairs:
            was, now = one.get("action"), other.get("action")
            if was == now:
                continue
            level = None if was is not None and now is not None else "warning"
            text = f"The {word} of {name} has the WS-Addressing action {now or 'none'} instead of {was or 'none'}."
            if level:
                text += " Cannot tell automatically which action it had without one."
            self.collector.add_for(who, "soap-addressing-action-changed", text, old=was, new=now, level=level, **at)

    def _message(
        self, old: list[Tree], new: list[Tree], direction: str, whole: str, who: dict[str, str], at: dict[str, Any]
    ) -> None:
        [(label, path)] = who.items()
        if any("unread" in part for part in (*old, *new)):
            return  # told as a part that was not read
        if len(old) != len(new):
            text = f"The {whole} has {len(new)} parts instead of {len(old)}."
            self.collector.add_for(who, f"{direction}-soap-parts-changed", text, **at)
        by_name = {part["name"]: part for part in new}
        named = all("type" in part for part in (*old, *new))
        for number, one in enumerate(old):
            other = by_name.get(one["name"]) if named else (new[number] if number < len(new) else None)
            if other is None:
                if len(old) == len(new):
                    text = f"The part {one['name']} of the {whole} is called otherwise or gone."
                    self.collector.add_for(who, f"{direction}-soap-parts-changed", text, old=one["name"], **at)
                continue
            self.part(one, other, direction, whole, label, path, at)
        names = [[part["name"] for part in side] for side in (old, new)]
        if named and names[0] != names[1] and sorted(names[0]) == sorted(names[1]):
            text = f"The parts of the {whole} stand in another order."
            self.collector.add_for(who, f"{direction}-soap-parts-changed", text, **at)

    def part(
        self, one: Tree, other: Tree, direction: str, whole: str, label: str, path: str, at: dict[str, Any]
    ) -> None:
        """Two parts of messages, or two headers."""
        who = {label: path}
        if ("element" in one) != ("element" in other):
            text = f"The {whole} is described by {'an element' if 'element' in other else 'a type'} now."
            self.collector.add_for(who, f"{direction}-soap-element-changed", text, **at)
        elif "element" in one:
            before, after = one["element"], other["element"]
            if before != after:
                text = f"The {whole} is <{_told(after)}> instead of <{_told(before)}>."
                data = {"old": before, "new": after}
                self.collector.add_for(who, f"{direction}-soap-element-changed", text, **data, **at)
            if before and after:
                self.elements(before, after, direction, label, path)
        elif "type" in one and "type" in other:
            pair = self.sides[0].type(one["type"], ""), self.sides[1].type(other["type"], "")
            self.walk(*pair, direction, label, path)

    def _schemas(self) -> None:
        """A schema alone does not say which side sends, so it is compared for both."""
        if self.old.get("target") != self.new.get("target"):
            old, new = self.old.get("target") or "none", self.new.get("target") or "none"
            text = f"The target namespace is {new} instead of {old}."
            self.collector.add("xml-target-namespace-changed", text, old=old, new=new)
        for section, word in (("elements", "element"), ("types", "type")):
            old, new = getattr(self.sides[0], section), getattr(self.sides[1], section)
            for name in old:
                found = _partner(name, new, old)
                place = f"/schemas/{section}/{escape(name)}"
                if found is None:
                    text = f"The global {word} {name.rpartition('}')[2]} was removed."
                    self.collector.add(f"xml-{word}-removed", text, old=name, base=place)
                    continue
                for direction in DIRECTIONS:
                    if section == "elements":
                        self.elements(name, found, direction, "", "")
                    else:
                        pair = self.sides[0].type(name, ""), self.sides[1].type(found, "")
                        self.walk(*pair, direction, "", "")
            for name in new:
                if _partner(name, old, new) is None:
                    text = f"The global {word} {name.rpartition('}')[2]} was added."
                    spot = f"/schemas/{section}/{escape(name)}"
                    self.collector.add(f"xml-{word}-added", text, new=name, revision=spot)

    def _problems(self) -> None:
        for tree, other, word in ((self.old, self.new, "before"), (self.new, self.old, "now")):
            for problem in tree.get("problems", []):
                if problem["code"] == "xsd.not_read" and problem in other.get("problems", []):
                    continue  # its message has a digest of the content: nothing moved in it
                if "name" in problem:
                    continue  # told where a comparison meets the name
                text = (
                    f"A part of the contract was not read ({word}): {problem['message']} What changed in it is unknown."
                )
                side = {"base": problem["pointer"]} if word == "before" else {"revision": problem["pointer"]}
                self.collector.add("xml-part-unread", text, **side)


def _partner(name: str, there: Tree, here: Tree) -> str | None:
    """The same name on the other side, or the same local name in a namespace that this side does not have."""
    if name in there:
        return name
    short = name.rpartition("}")[2]
    found = [key for key in there if key.rpartition("}")[2] == short and key not in here]
    return found[0] if len(found) == 1 else None


def _label(interface: str, operation: str, value: Tree) -> tuple[str, str]:
    from tillgate_contracts.reading.xml_form import METHODS

    path = f"{interface.rpartition('}')[2]}/{operation}"
    return f"{METHODS.get(value['pattern'], 'CALL')} {path}", path


def _space(name: str) -> str:
    return name[1:].partition("}")[0] if name.startswith("{") else "none"


def _told(name: str) -> str:
    """`Order` of `{urn:shop}Order`, with its namespace."""
    space, _, short = name.rpartition("}")
    return f"{short} xmlns={space[1:]}" if space else short
