"""Other files of a contract, copied under one key of its normal form: what is reached of them, and no more.

Either everything that is reached is in the bundle, or it is a problem with its place, or the contract is refused: one
digest never stands for two contracts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

from tillgate_contracts.errors import ContractError
from tillgate_contracts.reading.limits import ReadingLimits, refusal, too_large
from tillgate_contracts.reading.pointers import MISSING, descend, escape, fragment_tokens, join
from tillgate_contracts.reading.walk import DATA, holds_names, objects

BUNDLE = "x-bundled"
"""Key at the top of the normal form that holds the other files, by their path relative to the base directory."""

Parse = Callable[[bytes, str], tuple[Any, str]]
"""Bytes and name of a bundled file to its value and its text."""

Tokens = tuple[str, ...]
_SECTIONS: tuple[Tokens, ...] = ((), ("components", "schemas"), ("definitions",), ("$defs",))


def survey(tree: dict[str, Any], id_key: str, values: frozenset[int] = frozenset()) -> tuple[set[str], bool]:
    """Every reference of a tree, and whether it holds identifiers, anchors or dynamic references."""
    refs: set[str] = set()
    special = False
    for holder in objects(tree, values):
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


class Bundler:
    """Copies what is reached of other files of the base directory under `x-bundled`, and rewrites references to it.

    `knows` says whether a reference at a pointer of the contract names a resource that is embedded in it.
    """

    def __init__(
        self,
        name: str | None,
        base_dir: Path | None,
        limits: ReadingLimits,
        parse: Parse,
        *,
        knows: Callable[[str, str], bool],
        id_key: str = "$id",
        values: frozenset[int] = frozenset(),
    ) -> None:
        self.values = values
        self.knows = knows
        self.id_key = id_key
        self.base = base_dir.resolve() if base_dir is not None else None
        self.main = _own_name(name, self.base)
        self.limits = limits
        self.parse = parse
        self.trees: dict[str, Any] = {}
        self.files: dict[str, str] = {}
        #: Code, pointer and message of what could not be read.
        self.notes: list[tuple[str, str, str]] = []
        #: Some file holds identifiers, anchors or dynamic references.
        self.special = False
        self._refused: dict[str, tuple[str, str]] = {}
        self._found: dict[tuple[str, str], str | tuple[str, str] | None] = {}
        self._whole: set[str] = set()
        self._kept: dict[str, dict[Tokens, Any]] = {}
        self._queue: list[tuple[str, Tokens]] = []
        self._names: frozenset[str] = frozenset()
        self._size = 0

    def bundle(self, tree: dict[str, Any]) -> dict[str, Any]:
        """The contract with what is reached of its other files.

        Raises ContractError `contract.too_many_files` and `contract.too_large`.
        """
        self._names = frozenset(name for section in _SECTIONS[1:] for name in _members(tree, section))
        made: dict[str, Any] = self._copy(tree, "", ())
        while self._queue:
            file, tokens = self._queue.pop()
            kept = self._kept.setdefault(file, {})
            if not any(tokens[:length] in kept for length in range(len(tokens) + 1)):
                value = descend(self.trees[file], tokens)
                if value is not MISSING:
                    kept[tokens] = self._copy(value, file, (BUNDLE, file, *tokens))
                    self._keep_family(file, tokens, value)
        files = dict(made[BUNDLE]) if isinstance(made.get(BUNDLE), dict) else {}
        files |= {file: _assembled(kept) for file, kept in self._kept.items() if kept}
        if files:
            made[BUNDLE] = files
        return made

    def _want(self, file: str, fragment: str) -> None:
        """Keep what a fragment of a file names. A place inside a list is kept with the whole list."""
        tokens = fragment_tokens("#" + fragment) if file not in self._whole else []
        value, kept = self.trees[file], []
        for token in tokens or ():
            if not isinstance(value, dict):
                break
            value = value.get(token, MISSING)
            kept.append(token)
        self._queue.append((file, tuple(kept)))

    def _keep_family(self, file: str, tokens: Tokens, value: Any) -> None:
        """A parent with a discriminator stands for the schemas that extend it: they are kept as well."""
        if not (isinstance(value, dict) and "discriminator" in value):
            return
        family, grown = {"#" + join(tokens)}, True
        while grown:
            grown = False
            for section in _SECTIONS:
                for name, raw in _members(self.trees[file], section).items():
                    ref = "#" + join((*section, name))
                    if ref not in family and not family.isdisjoint(_extended(raw)):
                        family.add(ref)
                        self._queue.append((file, (*section, name)))
                        grown = True

    def _copy(self, value: Any, file: str, tokens: Tokens, names: bool = False) -> Any:
        if type(value) is dict:
            made: dict[str, Any] = {}
            for key, item in value.items():
                if not names and key == "$ref" and type(item) is str:
                    made[key] = self._rewrite(item, file, tokens)
                elif not names and key == "mapping" and type(item) is dict:
                    made[key] = {name: self._mapping(target, file, tokens) for name, target in item.items()}
                elif not names and key == "defaultMapping" and type(item) is str:
                    made[key] = self._mapping(item, file, tokens)
                elif id(item) in self.values or (
                    not names and (key in DATA or (key == "examples" and type(item) is list))
                ):
                    made[key] = item
                else:
                    made[key] = self._copy(item, file, (*tokens, key), not names and holds_names(key, item))
            return made
        if type(value) is list:
            return [self._copy(item, file, (*tokens, str(number))) for number, item in enumerate(value)]
        return value

    def _mapping(self, target: Any, file: str, tokens: Tokens) -> Any:
        """An entry of a discriminator's mapping is a schema name or a reference.

        A name is that of a schema of the contract, else of the file that says it (OpenAPI 3.1.1 section 4.3.1).
        """
        if not isinstance(target, str):
            return target
        if file and target not in self._names:
            for section in _SECTIONS:
                if target in _members(self.trees[file], section):
                    return self._rewrite("#" + join((*section, target)), file, tokens)
        if not ("#/" in target or target.endswith((".json", ".yaml", ".yml"))):
            return target
        return self._rewrite(target, file, tokens)

    def _rewrite(self, ref: str, file: str, tokens: Tokens) -> str:
        outside, fragment = urldefrag(ref)
        if not outside:
            if not file or (fragment and not fragment.startswith("/")):
                return ref
            self._want(file, fragment)
            return f"#/{BUNDLE}/{escape(file)}{fragment}"
        try:
            parts = urlsplit(outside)
        except ValueError:
            return ref
        if parts.scheme or outside.startswith("//"):
            return ref
        if not file and self.knows(join(tokens), outside):
            return ref
        target = self._load(unquote(parts.path), file)
        if target is None:
            return ref
        if isinstance(target, tuple):
            self.notes.append((target[0], join(tokens), target[1]))
            return ref
        if fragment and not fragment.startswith("/"):
            if target:
                self._queue.append((target, ()))
            return ref
        if not target:
            return f"#{fragment}"
        self._want(target, fragment)
        return f"#/{BUNDLE}/{escape(target)}{fragment}"

    def _load(self, path: str, file: str) -> str | tuple[str, str] | None:
        """The bundle name of a file (empty: the contract itself), or the problem that it has."""
        if self.base is None:
            if self.main is not None and path in (self.main, "./" + self.main):
                return ""
            return (
                "ref.external",
                f"{path} is another file. Upload the contract bundled into one file, or give its folder.",
            )
        here = PurePosixPath(file or self.main or "").parent.as_posix()
        if (here, path) not in self._found:
            self._found[here, path] = self._look(self.base, here, path)
        return self._found[here, path]

    def _look(self, base: Path, here: str, path: str) -> str | tuple[str, str] | None:
        try:
            full = (base / here / path).resolve()
        except (OSError, ValueError, RuntimeError):
            return "ref.unreadable", f"{path[:120]!r} is not a file name."
        if not full.is_relative_to(base):
            return "ref.outside", f"{path} lies outside the contract's folder and is not read."
        name = full.relative_to(base).as_posix()
        if name == self.main:
            return ""
        if name in self.trees:
            return name
        if name not in self._refused:
            problem = self._read(full, name)
            if problem is None:
                return name
            self._refused[name] = problem
        return self._refused[name]

    def _read(self, full: Path, name: str) -> tuple[str, str] | None:
        try:
            size = full.stat().st_size
            if not full.is_file():
                return "ref.unreadable", f"{name} is not a plain file."
            self._check_bounds(size)
            data = full.read_bytes()
        except OSError as error:
            return "ref.unreadable", f"{name} cannot be read: {error.strerror or error}."
        try:
            self.trees[name], self.files[name] = self.parse(data, name)
        except ContractError as error:
            if error.code in ("contract.too_many_values", "contract.too_slow"):
                raise
            return "ref.unreadable", f"{name} cannot be read: {error.message}"
        if survey(self.trees[name], self.id_key)[1] or _identified(self.trees[name], self.id_key):
            # Identifiers and anchors may be named from anywhere in the file.
            self.special = True
            self._whole.add(name)
        return None

    def _check_bounds(self, size: int) -> None:
        """A bundle is whole or refused: a part left out would leave the digest as it is."""
        self._size += size
        if self._size > self.limits.max_bytes:
            raise too_large(self._size, self.limits)
        if len(self.trees) >= self.limits.max_files:
            raise refusal(
                "contract.too_many_files",
                f"The contract is spread over more than {self.limits.max_files:,} files. Bundle it into one file.",
                limit=self.limits.max_files,
            )


def _identified(tree: Any, id_key: str) -> bool:
    return isinstance(tree, dict) and isinstance(tree.get(id_key), str)


def _members(tree: Any, section: Tokens) -> dict[str, Any]:
    """The named schemas of one section of a file."""
    found = descend(tree, section)
    return found if isinstance(found, dict) else {}


def _extended(raw: Any) -> Iterator[str]:
    """What a schema of the same file extends."""
    for item in raw.get("allOf", ()) if isinstance(raw, dict) and isinstance(raw.get("allOf"), list) else ():
        ref = item.get("$ref") if isinstance(item, dict) else None
        if isinstance(ref, str):
            yield ref


def _assembled(kept: dict[Tokens, Any]) -> Any:
    """One tree of the kept places; a place inside another one is there already."""
    whole: dict[str, Any] = {}
    for tokens in sorted(kept, key=len):
        if not tokens:
            return kept[tokens]
        if any(tokens[:length] in kept for length in range(len(tokens))):
            continue
        level = whole
        for token in tokens[:-1]:
            level = level.setdefault(token, {})
        level[tokens[-1]] = kept[tokens]
    return whole


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
