"""References made local: other files are bundled, `$id` and `$anchor` become JSON Pointers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from tillgate_contracts.reading.bundle import Bundler, Parse, survey
from tillgate_contracts.reading.limits import ReadingLimits
from tillgate_contracts.reading.pointers import MISSING, escape, fragment_tokens, join, resolve
from tillgate_contracts.reading.walk import DATA, holds_names, located, objects

_UNREAD = frozenset(("ref.external", "ref.network", "ref.outside", "ref.too_many_files", "ref.unreadable"))
_UNREAD |= {"ref.unresolved", "ref.loop", "xsd.redefined"}
#: What was read in one of several ways that it may mean.
_AMBIGUOUS = frozenset(("ref.dynamic", "dialect.unknown", "field.other_version"))
_ROOT = "http://contract.invalid/"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the contract that stays undecided. `pointer` is into the normal form."""

    code: str
    pointer: str
    message: str

    @property
    def unread(self) -> bool:
        """True where a part of the contract was not read, so that nothing can be said about it."""
        return self.code in _UNREAD

    @property
    def ambiguous(self) -> bool:
        """True where a part was read in one way and may mean another: a change of it cannot be told from the text."""
        return self.code in _AMBIGUOUS


@dataclass(slots=True)
class Linked:
    """A tree whose references are all local. `source` differs from `tree` when `$id` or `$anchor` were followed."""

    tree: dict[str, Any]
    source: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def link(
    tree: dict[str, Any],
    *,
    name: str | None,
    base_dir: Path | None,
    limits: ReadingLimits,
    parse: Parse,
    id_key: str = "$id",
    values: Callable[[], frozenset[int]] = frozenset,
) -> Linked:
    """Follow every reference of a contract. Never touches the network; never leaves `base_dir`. `values` gives the `id`
    of objects and lists that are data, in which no reference is one; it is asked where a reference is not plain."""
    refs, special = survey(tree, id_key)
    plain = not special and all(ref.startswith("#/") or ref == "#" for ref in refs)
    if plain and not any(resolve(tree, ref) is MISSING for ref in refs):
        linked = Linked(tree, tree)
        _note_loops(linked, refs)
        return linked
    opaque = values()
    refs, special = survey(tree, id_key, opaque)
    if not special and all(ref.startswith("#/") or ref == "#" for ref in refs):
        linked = Linked(tree, tree)
        _note_missing(linked, opaque)
        _note_loops(linked, refs)
        return linked
    bundler = Bundler(
        name, base_dir, limits, parse, knows=_Resources(tree, id_key, opaque).knows, id_key=id_key, values=opaque
    )
    bundled = bundler.bundle(tree)
    notes = [Problem(*note) for note in bundler.notes]
    linked = Linked(bundled, bundled, bundler.files)
    if special or bundler.special:
        resources = _Resources(bundled, id_key, opaque)
        linked.tree = resources.localise()
        linked.problems += resources.dynamic
    linked.problems += notes
    _note_missing(linked, opaque)
    holders = (holder.get("$ref") for holder in objects(linked.tree, opaque))
    _note_loops(linked, {ref for ref in holders if isinstance(ref, str)})
    return linked


def _note_missing(linked: Linked, values: frozenset[int]) -> None:
    noted = {problem.pointer for problem in linked.problems}
    for tokens, holder in located(linked.tree, values=values):
        ref = holder.get("$ref")
        if type(ref) is not str or resolve(linked.tree, ref) is not MISSING:
            continue
        pointer = join(tokens)
        if pointer in noted:
            continue
        if _is_network(ref):
            linked.problems.append(
                Problem(
                    "ref.network",
                    pointer,
                    f"{ref} is on the network, and nothing is fetched. Bundle it into the contract.",
                )
            )
        else:
            linked.problems.append(
                Problem("ref.unresolved", pointer, f"{ref} names nothing in this contract. Correct or remove it.")
            )


def _note_loops(linked: Linked, refs: set[str]) -> None:
    done: set[str] = set()
    for start in sorted(refs):
        chain: list[str] = []
        ref = start
        while ref not in done:
            done.add(ref)
            chain.append(ref)
            target = resolve(linked.tree, ref)
            if not (isinstance(target, dict) and isinstance(target.get("$ref"), str)):
                break
            ref = target["$ref"]
            if ref in done and ref in chain:
                pointer = join(fragment_tokens(ref) or [])
                linked.problems.append(
                    Problem("ref.loop", pointer, f"{ref} refers to itself through references alone.")
                )


class _Resources:
    """Embedded resources of JSON Schema: `$id` opens one, `$anchor` names a place in it (2020-12 core §8.2)."""

    def __init__(self, tree: dict[str, Any], id_key: str, values: frozenset[int]) -> None:
        self.tree = tree
        self.values = values
        self.id_key = id_key
        self.roots: dict[str, str] = {_ROOT: ""}
        self.anchors: dict[tuple[str, str], str] = {}
        self.bases: dict[str, str] = {}
        #: How many schemas answer to each name of a dynamic anchor; "" counts those of `$recursiveAnchor`.
        self.answers: dict[str, int] = {}
        #: References that mean one of several schemas, by the way on which they are reached.
        self.dynamic: list[Problem] = []
        self._collect()

    def _collect(self) -> None:
        for tokens, holder in sorted(located(self.tree, values=self.values), key=lambda pair: len(pair[0])):
            pointer = join(tokens)
            base = self.base_of(pointer)
            own = holder.get(self.id_key)
            if isinstance(own, str):
                if own.startswith("#"):
                    self.anchors.setdefault((base, own[1:]), pointer)
                else:
                    base = urldefrag(_join(base, own))[0]
                    self.bases[pointer] = base
                    self.roots.setdefault(base, pointer)
            for key in ("$anchor", "$dynamicAnchor"):
                if isinstance(holder.get(key), str):
                    self.anchors.setdefault((base, holder[key]), pointer)
            if isinstance(name := holder.get("$dynamicAnchor"), str):
                self.answers[name] = self.answers.get(name, 0) + 1
            if holder.get("$recursiveAnchor") is True:
                self.answers[""] = self.answers.get("", 0) + 1

    def base_of(self, pointer: str) -> str:
        while pointer:
            if pointer in self.bases:
                return self.bases[pointer]
            pointer = pointer.rpartition("/")[0]
        return self.bases.get("", _ROOT)

    def knows(self, pointer: str, outside: str) -> bool:
        """Whether a reference standing at the pointer names a resource that is embedded in the contract."""
        return urldefrag(_join(self.base_of(pointer), outside))[0] in self.roots

    def localise(self) -> dict[str, Any]:
        made = self._copy(self.tree, "", False)
        assert isinstance(made, dict)
        return made

    def _copy(self, value: Any, pointer: str, names: bool) -> Any:
        if type(value) is dict:
            made = {}
            for key, item in value.items():
                if not names and key in ("$ref", "$dynamicRef", "$recursiveRef") and type(item) is str:
                    made["$ref"] = self._local(item, pointer)
                    if key != "$ref":
                        self._note_dynamic(key, item, made["$ref"], f"{pointer}/$ref")
                elif id(item) in self.values or (
                    not names and (key in DATA or (key == "examples" and type(item) is list))
                ):
                    made[key] = item
                else:
                    made[key] = self._copy(item, f"{pointer}/{escape(key)}", not names and holds_names(key, item))
            return made
        if type(value) is list:
            return [self._copy(item, f"{pointer}/{number}", False) for number, item in enumerate(value)]
        return value

    def _note_dynamic(self, key: str, ref: str, local: str, pointer: str) -> None:
        """Keeps a dynamic reference whose target several schemas may take over (2020-12 core §8.2.3.2)."""
        target = resolve(self.tree, local)
        word = "$dynamicAnchor" if key == "$dynamicRef" else "$recursiveAnchor"
        name = target.get(word) if isinstance(target, dict) else None
        if key == "$dynamicRef" and name != unquote(urldefrag(ref)[1]):
            return
        anchor = "" if name is True else name
        count = self.answers.get(anchor, 0) if isinstance(anchor, str) else 0
        if count > 1:
            self.dynamic.append(
                Problem(
                    "ref.dynamic",
                    pointer,
                    f"{key} {ref[:200]} means one of {count} schemas with its {word}, by the way on which it is "
                    f"reached, and is read as {local[:200]}. Write $ref to the one that is meant.",
                )
            )

    def _local(self, ref: str, pointer: str) -> str:
        base = self.base_of(pointer)
        target, fragment = urldefrag(_join(base, ref))
        root = self.roots.get(target, self.roots.get(target.rstrip("/")))
        if root is None and ref.startswith("#"):
            root, target = "", _ROOT
        if root is None:
            return ref
        if not fragment or fragment.startswith("/"):
            local = f"#{root}{fragment}"
            if resolve(self.tree, local) is MISSING and ref.startswith("#") and resolve(self.tree, ref) is not MISSING:
                return ref
            return local
        found = self.anchors.get((target, unquote(fragment)))
        return f"#{found}" if found is not None else ref


def _join(base: str, ref: str) -> str:
    if ref.startswith("#"):
        return base + ref
    try:
        return urljoin(base, ref)
    except ValueError:
        return ref


def _is_network(ref: str) -> bool:
    try:
        scheme = urlsplit(ref).scheme
    except ValueError:
        return True
    return scheme in ("http", "https", "ftp", "ftps", "file") or ref.startswith("//")
