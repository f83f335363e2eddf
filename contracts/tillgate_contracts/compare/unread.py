"""What a comparison meets and cannot read: references that lead nowhere, each with its place."""

from __future__ import annotations

from typing import Any, NamedTuple

from tillgate_contracts.compare.collector import FindingCollector, Where
from tillgate_contracts.compare.schema.source import Part, SchemaDialect, SchemaSource, join

#: Where the operations of a document stand.
_STARTS = ("paths", "webhooks", "x-webhooks", "channels", "operations")
#: Problems that count where an operation reaches them.
_REACHED = frozenset(("ref.unresolved", "ref.loop"))
#: Place, code and message of a problem.
_Key = tuple[str, str, str]
HINT = "Bundle the contract into one file, or give the folder that its files are read from."


class LocatedObject(NamedTuple):
    """A resolved object and where it stands (after its `$ref`)."""

    raw: dict[str, Any]
    pointer: str


class Resolver:
    """Follows the references of one document, and keeps those that lead nowhere until they are told."""

    def __init__(self, source: SchemaSource) -> None:
        self.source = source
        #: Place of each reference that led nowhere, as far as it was not told yet -> the reference.
        self.unread: dict[str, str] = {}
        self.told: set[str] = set()

    def resolve(self, raw: Any, pointer: str) -> LocatedObject | None:
        """Follows `$ref`, in chains too. None when the value is no object or the reference leads nowhere."""
        first = pointer
        for _ in range(32):
            if not isinstance(raw, dict):
                return None
            ref = raw.get("$ref")
            if not isinstance(ref, str):
                return LocatedObject(raw, pointer)
            target = self.source.resolve(ref)
            if target is None or not isinstance(target.raw, dict):
                self.note(pointer, ref)
                return None
            raw, pointer = target.raw, target.pointer
        self.note(first, str(raw.get("$ref")))
        return None

    def note(self, pointer: str, ref: str) -> None:
        """Keeps a reference that leads nowhere."""
        self.unread.setdefault(pointer, ref)

    def leads_nowhere(self, raw: Any, pointer: str) -> bool:
        """True for a reference behind which nothing was read; it is kept as such."""
        return isinstance(raw, dict) and isinstance(raw.get("$ref"), str) and self.resolve(raw, pointer) is None


def tell_unread(collector: FindingCollector, old: Resolver, new: Resolver, where: Where | None = None) -> None:
    """A finding for each reference that was met since the last call and leads nowhere; one where both sides agree."""
    for pointer, ref in old.unread.items():
        both = new.unread.pop(pointer, None) if new.unread.get(pointer) == ref else None
        _tell(collector, ref, where, base=pointer, revision=pointer if both else None)
    for pointer, ref in new.unread.items():
        _tell(collector, ref, where, base=None, revision=pointer)
        new.told.add(pointer)
    old.told.update(old.unread)
    old.unread.clear()
    new.unread.clear()


def _tell(
    collector: FindingCollector, ref: str, where: Where | None, *, base: str | None, revision: str | None
) -> None:
    sides = "both versions" if base and revision else "the base" if base else "the revision"
    text = f"Cannot tell automatically what changed: {ref[:200]} was not read. It stands in {sides}."
    collector.add(
        "reference-unresolved",
        text,
        where=where,
        old=base and ref,
        new=revision and ref,
        base=base,
        revision=revision,
        hint=HINT,
    )


def tell_problems(collector: FindingCollector, base: Any, revision: Any) -> None:
    """What could not be read of either document and was not told yet: nothing says that it is not used.

    A reference that names nothing in its own document counts where an operation reaches it.
    """
    told = {
        pointer
        for finding in collector.findings()
        if finding.rule.endswith("reference-unresolved")
        for pointer in (finding.base_pointer, finding.revision_pointer)
    }
    sides: list[dict[_Key, Any]] = []
    for document in (base, revision):
        problems = [
            item
            for item in getattr(document, "problems", ())
            if (item.unread or item.ambiguous) and item.pointer not in told
        ]
        if any(item.code in _REACHED for item in problems):
            met = _reached(document.tree)
            problems = [item for item in problems if item.code not in _REACHED or item.pointer in met]
        sides.append({(item.pointer, item.code, item.message): item for item in problems})
    for key in _paired(*sides):
        pointer, left, right = key[0][0], sides[0].get(key[0]), sides[1].get(key[1])
        problem = right or left
        if problem is None or (left == right and problem.ambiguous and not _counts(problem, base, revision)):
            continue
        collector.add(
            "contract-not-read",
            f"Cannot tell automatically what changed: {problem.message}",
            base=pointer if left else None,
            revision=pointer if right else None,
            hint=HINT if problem.unread else "",
        )


def _paired(old: dict[_Key, Any], new: dict[_Key, Any]) -> list[tuple[_Key, _Key]]:
    """The keys of equal problems, then of those that stand at one place with the same code in turn, then the rest."""
    pairs = [(key, key) for key in old if key in new]
    left, right = [key for key in old if key not in new], [key for key in new if key not in old]
    for key in list(left):
        found = next((other for other in right if other[:2] == key[:2]), None)
        if found is not None:
            right.remove(found)
            left.remove(key)
            pairs.append((key, found))
    return [*pairs, *((key, key) for key in left), *((key, key) for key in right)]


def _counts(problem: Any, base: Any, revision: Any) -> bool:
    """Whether an ambiguous part that both sides have may hide a change: a reference does so when anything moved, a
    dialect that is the same on both sides does not."""
    moved: bool = base.digest != revision.digest
    return problem.code == "ref.dynamic" and moved


def _reached(tree: Any) -> set[str]:
    """Places of the objects that operations (or, of a bare schema, its root) reach through references."""
    source = SchemaSource(tree, SchemaDialect.of(""))
    starts = [join("", word) for word in _STARTS if word in tree] or [""]
    stack = [(source.resolve("#" + start), start) for start in starts]
    seen: set[str] = set()
    while stack:
        part, pointer = stack.pop()
        if part is None or pointer in seen or not isinstance(part.raw, dict | list):
            continue
        seen.add(pointer)
        if isinstance(part.raw, list):
            stack += [(Part(item, join(pointer, index)), join(pointer, index)) for index, item in enumerate(part.raw)]
            continue
        ref = part.raw.get("$ref")
        target = source.resolve(ref) if isinstance(ref, str) else None
        if target is not None:
            stack.append((target, target.pointer))
        stack += [(Part(item, join(pointer, key)), join(pointer, key)) for key, item in part.raw.items()]
        for child in source.family.children(part.raw):
            found = source.resolve(child)
            stack += [(found, found.pointer)] if found is not None else []
    return seen
