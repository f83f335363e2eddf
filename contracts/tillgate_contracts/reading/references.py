"""References made local: other files are bundled, `$id` and `$anchor` become JSON Pointers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from tillgate_contracts.errors import ContractError
from tillgate_contracts.reading.limits import ReadingLimits
from tillgate_contracts.reading.pointers import MISSING, escape, fragment_tokens, join, resolve
from tillgate_contracts.reading.walk import DATA, holds_names, located, objects

BUNDLE = "x-bundled"
"""Key at the top of the normal form that holds the other files, by their path relative to the base directory."""

_UNREAD = frozenset({"ref.external", "ref.network", "ref.outside", "ref.unreadable", "ref.unresolved"})
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


@dataclass(slots=True)
class Linked:
    """A tree whose references are all local. `source` differs from `tree` when `$id` or `$anchor` were followed."""

    tree: dict[str, Any]
    source: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


Parse = Callable[[bytes, str], tuple[Any, str]]
"""Bytes and name of a bundled file to its value and its text."""


def link(
    tree: dict[str, Any],
    *,
    name: str | None,
    base_dir: Path | None,
    limits: ReadingLimits,
    parse: Parse,
    id_key: str = "$id",
) -> Linked:
    """Follow every reference of a contract. Never touches the network; never leaves `base_dir`."""
    refs, special = _survey(tree, id_key)
    if not special and all(ref.startswith("#/") or ref == "#" for ref in refs):
        linked = Linked(tree, tree)
        if any(resolve(tree, ref) is MISSING for ref in refs):
            _note_missing(linked)
        _note_loops(linked, refs)
        return linked
    bundled, files, notes = _Bundler(name, base_dir, limits, parse, _Resources(tree, id_key)).bundle(tree)
    linked = Linked(bundled, bundled, files)
    linked.tree = _Resources(bundled, id_key).localise() if special or files else bundled
    linked.problems += notes
    _note_missing(linked)
    _note_loops(linked, {str(holder["$ref"]) for holder in objects(linked.tree) if isinstance(holder.get("$ref"), str)})
    return linked


def _survey(tree: dict[str, Any], id_key: str) -> tuple[set[str], bool]:
    refs: set[str] = set()
    special = False
    for holder in objects(tree):
        ref = holder.get("$ref")
        if type(ref) is str:
            refs.add(ref)
        if not special and (
            "$anchor" in holder
            or "$dynamicRef" in holder
            or "$recursiveRef" in holder
            or type(holder.get(id_key)) is str
        ):
            # An id at the very top changes nothing as long as every reference starts with "#/".
            special = holder is not tree or "$dynamicRef" in holder or "$recursiveRef" in holder
    return refs, special


def _note_missing(linked: Linked) -> None:
    noted = {problem.pointer for problem in linked.problems}
    for tokens, holder in located(linked.tree):
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


class _Bundler:
    """Copies other files of the base directory under `x-bundled` and rewrites references to them."""

    def __init__(
        self, name: str | None, base_dir: Path | None, limits: ReadingLimits, parse: Parse, inside: _Resources
    ) -> None:
        self.inside = inside
        self.base = base_dir.resolve() if base_dir is not None else None
        self.main = _own_name(name, self.base)
        self.limits = limits
        self.parse = parse
        self.trees: dict[str, Any] = {}
        self.files: dict[str, str] = {}
        self.queue: list[str] = []
        self.refused: dict[str, tuple[str, str]] = {}
        self.size = 0
        self.problems: list[Problem] = []

    def bundle(self, tree: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str], list[Problem]]:
        made = self._copy(tree, "", ())
        kept = dict(made.get(BUNDLE) or {}) if isinstance(made.get(BUNDLE), dict) else {}
        while self.queue:
            path = self.queue.pop()
            kept[path] = self._copy(self.trees[path], path, (BUNDLE, path))
        if kept:
            made[BUNDLE] = kept
        return made, self.files, self.problems

    def _copy(self, value: Any, file: str, tokens: tuple[str, ...], names: bool = False) -> Any:
        if type(value) is dict:
            made: dict[str, Any] = {}
            for key, item in value.items():
                if not names and key == "$ref" and type(item) is str:
                    made[key] = self._rewrite(item, file, tokens)
                elif not names and key == "mapping" and type(item) is dict:
                    made[key] = {name: self._mapping(target, file, tokens) for name, target in item.items()}
                elif not names and (key in DATA or (key == "examples" and type(item) is list)):
                    made[key] = item
                else:
                    made[key] = self._copy(item, file, (*tokens, key), not names and holds_names(key, item))
            return made
        if type(value) is list:
            return [self._copy(item, file, (*tokens, str(number))) for number, item in enumerate(value)]
        return value

    def _mapping(self, target: Any, file: str, tokens: tuple[str, ...]) -> Any:
        """A discriminator's mapping value is a schema name or a reference; only a file is a reference to us."""
        if not isinstance(target, str) or not ("#/" in target or target.endswith((".json", ".yaml", ".yml"))):
            return target
        return self._rewrite(target, file, tokens)

    def _rewrite(self, ref: str, file: str, tokens: tuple[str, ...]) -> str:
        outside, fragment = urldefrag(ref)
        if not outside:
            return (
                f"#/{BUNDLE}/{escape(file)}{fragment}" if file and (not fragment or fragment.startswith("/")) else ref
            )
        try:
            parts = urlsplit(outside)
        except ValueError:
            return ref
        if parts.scheme or outside.startswith("//"):
            return ref
        if not file and self.inside.knows(join(tokens), outside):
            return ref
        target = self._load(unquote(parts.path), file)
        if target is None:
            return ref
        if isinstance(target, tuple):
            self.problems.append(Problem(target[0], join(tokens), target[1]))
            return ref
        if fragment and not fragment.startswith("/"):
            return ref
        return f"#{fragment}" if target == "" else f"#/{BUNDLE}/{escape(target)}{fragment}"

    def _load(self, path: str, file: str) -> str | tuple[str, str] | None:
        """The bundle name of a file (empty: the contract itself), or the problem that it has."""
        if self.base is None:
            if self.main is not None and path in (self.main, "./" + self.main):
                return ""
            return (
                "ref.external",
                f"{path} is another file. Upload the contract bundled into one file, or give its folder.",
            )
        here = self.base / PurePosixPath(file or self.main or "").parent
        try:
            full = (here / path).resolve()
        except (OSError, ValueError, RuntimeError):
            return "ref.unreadable", f"{path[:120]!r} is not a file name."
        if not full.is_relative_to(self.base):
            return "ref.outside", f"{path} lies outside the contract's folder and is not read."
        name = full.relative_to(self.base).as_posix()
        if name == self.main:
            return ""
        if name in self.trees:
            return name
        if name not in self.refused:
            problem = self._read(full, name)
            if problem is None:
                return name
            self.refused[name] = problem
        return self.refused[name]

    def _read(self, full: Path, name: str) -> tuple[str, str] | None:
        if len(self.trees) >= self.limits.max_files:
            return (
                "ref.too_many_files",
                f"{name} is not read: the contract is spread over more than {self.limits.max_files} files.",
            )
        try:
            size = full.stat().st_size
            if not full.is_file() or self.size + size > self.limits.max_bytes:
                return (
                    "ref.unreadable",
                    f"{name} is not a plain file, or makes the bundle larger than {self.limits.max_bytes:,} bytes.",
                )
            data = full.read_bytes()
        except OSError as error:
            return "ref.unreadable", f"{name} cannot be read: {error.strerror or error}."
        try:
            self.trees[name], self.files[name] = self.parse(data, name)
        except ContractError as error:
            return "ref.unreadable", f"{name} cannot be read: {error.message}"
        self.size += size
        self.queue.append(name)
        return None


def _own_name(name: str | None, base: Path | None) -> str | None:
    """The contract's own path below the base directory, so that a reference back to it is recognised."""
    if not name:
        return None
    path = PurePosixPath(name.replace("\\", "/"))
    if base is not None and len(path.parts) > 1 and ".." not in path.parts and not path.is_absolute():
        try:
            if (base / path).is_file():
                return path.as_posix()
        except (OSError, ValueError):
            return None
    return path.name


class _Resources:
    """Embedded resources of JSON Schema: `$id` opens one, `$anchor` names a place in it (2020-12 core §8.2)."""

    def __init__(self, tree: dict[str, Any], id_key: str) -> None:
        self.tree = tree
        self.id_key = id_key
        self.roots: dict[str, str] = {_ROOT: ""}
        self.anchors: dict[tuple[str, str], str] = {}
        self.bases: dict[str, str] = {}
        self._collect()

    def _collect(self) -> None:
        for tokens, holder in sorted(located(self.tree), key=lambda pair: len(pair[0])):
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
                elif not names and (key in DATA or (key == "examples" and type(item) is list)):
                    made[key] = item
                else:
                    made[key] = self._copy(item, f"{pointer}/{escape(key)}", not names and holds_names(key, item))
            return made
        if type(value) is list:
            return [self._copy(item, f"{pointer}/{number}", False) for number, item in enumerate(value)]
        return value

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
