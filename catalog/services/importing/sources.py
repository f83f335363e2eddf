"""The files of a folder or an upload, sorted by kind: contract, CSV, Backstage, Open Data Contract."""

from __future__ import annotations

import csv
import io
import logging
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal

from catalog.domain import contract_engine, naming
from kernel import bounded_yaml
from kernel.errors import Invalid

log = logging.getLogger(__name__)
Kind = Literal["contract", "csv", "backstage", "odcs", "gone", "leave", "blocked"]
READABLE: Final = frozenset(
    {".json", ".yaml", ".yml", ".edmx", ".xml", ".csv", ".xsd", ".wsdl", ".graphql", ".graphqls", ".proto", ".raml"}
)
MAX_FILES: Final = 20_000
_VERSION: Final = re.compile(
    r"[-_.]((?:v\d+(?:[._-]\d+)*(?:[._-](?:alpha|beta|rc)\d*)?)"
    r"|\d{4}-\d{2}(?:-\d{2})?|\d+\.\d+(?:\.\d+)*|0\d{3}|\d{1,3}|[a-z])\Z",
    re.I,
)
_LOCATION: Final = re.compile(rb"""\s(?:schemaLocation|location)\s*=\s*["']([^"'\s]{1,300})["']""")
_SEPARATOR: Final = re.compile(r"\ufeff?sep=(.)\s*\Z")
_GENERIC: Final = frozenset(
    (
        "",
        *[
            "openapi",
            "swagger",
            "asyncapi",
            "api",
            "stable",
            "latest",
            "current",
            "spec",
            "schema",
            "contract",
            "metadata",
        ],
    )
)
_RANK: Final[dict[str, int]] = {"Group": 0, "Domain": 1, "System": 2, "API": 3, "Component": 5}


@dataclass(frozen=True, slots=True)
class ImportSource:
    """A file. `base_dir` is the folder that its relative references may be read from; None for an upload."""

    name: str
    data: bytes
    base_dir: Path | None = None


@dataclass(frozen=True, slots=True)
class ImportItem:
    """One thing to import. `rank` orders the items: teams before the APIs that they own, APIs before their
    consumers."""

    source: str
    kind: Kind
    rank: int
    order: tuple[Any, ...]
    value: Any
    file: ImportSource | None = None
    siblings: dict[str, bytes] = field(default_factory=dict)


def is_readable(name: str) -> bool:
    """Whether an import reads a file of this path: by its ending; hidden files and folders are left alone."""
    path = PurePosixPath(name)
    return path.suffix.lower() in READABLE and not any(part.startswith((".", "__MACOSX")) for part in path.parts)


def files_of(path: Path) -> Iterator[ImportSource]:
    """Every readable file below a folder, or the one file. Hidden files and symbolic links that lead outside are left
    alone."""
    if path.is_file():
        yield ImportSource(path.name, path.read_bytes(), path.parent)
        return
    root = path.resolve()
    for n, found in enumerate(sorted(p for p in root.rglob("*") if p.is_file() and p.suffix.lower() in READABLE)):
        relative = found.relative_to(root)
        if any(part.startswith(".") for part in relative.parts) or not found.resolve().is_relative_to(root):
            continue
        if n >= MAX_FILES:
            raise Invalid("import.too_many_files", f"More than {MAX_FILES} files below {path}. Import it in parts.")
        yield ImportSource(relative.as_posix(), found.read_bytes(), found.parent)


def items_of(sources: Iterable[ImportSource]) -> list[ImportItem]:
    """Everything to import, in an order in which each thing finds what it refers to."""
    files = list(sources)
    by_name = {f.name: f.data for f in files}
    used = {name for f in files if f.name.lower().endswith(".csv") for name in _named_by_csv(f, by_name)}
    used |= {name for f in files if f.name.lower().endswith((".wsdl", ".xsd")) for name in _named_by_xml(f, by_name)}
    items = [item for f in files if f.name not in used for item in _whole(f, by_name)]
    defined = {name for item in items if item.kind == "backstage" for name in _named_by_entity(item)}
    items = [item for item in items if item.kind != "contract" or item.file is None or item.file.name not in defined]
    return sorted(items, key=lambda i: (i.rank, i.order))


def _named_by_entity(item: ImportItem) -> Iterator[str]:
    """The file that the definition of an entity is in: it is that entity's contract, and none of its own."""
    definition = item.value.get("spec", {}).get("definition") if isinstance(item.value.get("spec"), dict) else None
    if not isinstance(definition, dict) or item.file is None:
        return
    for key, name in definition.items():
        if isinstance(key, str) and key.startswith("$") and isinstance(name, str) and "://" not in name:
            path = posixpath.normpath(posixpath.join(posixpath.dirname(item.file.name), name))
            yield path
            if item.file.base_dir is None and not any("/" in other for other in item.siblings):
                yield posixpath.basename(path)


def _named_by_xml(file: ImportSource, by_name: dict[str, bytes]) -> Iterator[str]:
    """Schemas and parts that a WSDL or a schema imports: they are no contracts of their own."""
    for location in _LOCATION.findall(file.data):
        name = posixpath.normpath(posixpath.join(posixpath.dirname(file.name), location.decode(errors="replace")))
        if name in by_name and name != file.name and not name.lower().endswith(".wsdl"):
            yield name


def _whole(file: ImportSource, by_name: dict[str, bytes]) -> list[ImportItem]:
    """The items of a file. A file that nobody can take apart is one item, which says so."""
    try:
        return list(_items_of_file(file, by_name))
    except Exception as error:  # files may be odd in a way that nobody has thought of
        log.exception("a file of an import failed: %s", file.name)
        reason = Invalid("import.failed", f"This file cannot be taken apart ({type(error).__name__}).")
        return [ImportItem(file.name, "blocked", 9, natural(file.name), reason, file)]


def _items_of_file(file: ImportSource, by_name: dict[str, bytes]) -> Iterator[ImportItem]:
    suffix = PurePosixPath(file.name).suffix.lower()
    if suffix == ".csv":
        yield from _csv_items(file, by_name)
    elif suffix in {".proto", ".raml"}:
        reason = Invalid(
            "import.format_unread",
            f"{suffix[1:].upper()} is not read yet; "
            "OpenAPI, AsyncAPI, JSON Schema, EDMX, GraphQL, WSDL and XML Schema are.",
        )
        yield ImportItem(file.name, "blocked", 9, natural(file.name), reason, file)
    elif suffix in {".yaml", ".yml", ".json"} and _looks_like(file.data, b"backstage.io/"):
        yield from _backstage_items(file, by_name)
    elif suffix in {".yaml", ".yml", ".json"} and _looks_like(file.data, b"DataContract"):
        try:
            value = contract_engine.parse_yaml(file.data)
        except Invalid as error:
            yield ImportItem(file.name, "blocked", 9, natural(file.name), error, file)
        else:
            if isinstance(value, dict) and value.get("kind") == "DataContract":
                yield ImportItem(file.name, "odcs", 4, natural(file.name), value, file)
            else:
                yield ImportItem(file.name, "contract", 4, natural(file.name), None, file)
    else:
        yield ImportItem(file.name, "contract", 4, natural(file.name), None, file)


def _looks_like(data: bytes, mark: bytes) -> bool:
    return mark in data[:20_000]


def _csv_text(data: bytes) -> str:
    """Text of a CSV: as contracts are, or in the code page that Excel saves "CSV" in."""
    try:
        return contract_engine.decode(data)
    except Invalid:
        if b"\x00" in data:
            raise
        try:
            return data.decode("cp1252")
        except UnicodeDecodeError:
            pass
        raise


def _column(name: str) -> str:
    """`Owner Team` and `owner-team` are owner_team."""
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def _rows(file: ImportSource) -> list[dict[str, str]]:
    text = _csv_text(file.data)
    first, _, rest = text.partition("\n")
    if said := _SEPARATOR.match(first):  # the line that Excel writes and reads
        text, delimiter = rest, said.group(1)
    else:
        bare = re.sub(r'"[^"]*"', "", first)
        delimiter = max(",;\t|", key=bare.count)
    try:
        return [
            {_column(k): v.strip() for k, v in row.items() if isinstance(k, str) and isinstance(v, str)}
            for row in csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
        ]
    except csv.Error as error:
        raise Invalid("import.csv", f"{file.name} is not a CSV file that can be read: {error}.") from None


def _named_by_csv(file: ImportSource, by_name: dict[str, bytes]) -> list[str]:
    try:
        folder = PurePosixPath(file.name).parent
        return [name for row in _rows(file) if (name := (folder / row.get("contract", "?")).as_posix()) in by_name]
    except Invalid:
        return []


def _csv_items(file: ImportSource, by_name: dict[str, bytes]) -> Iterator[ImportItem]:
    try:
        rows = _rows(file)
    except Invalid as error:
        yield ImportItem(file.name, "blocked", 9, natural(file.name), error, file)
        return
    for n, row in enumerate(rows, start=2):
        yield ImportItem(f"{file.name}, line {n}", "csv", 3, (file.name, n), row, file, by_name)


def _backstage_items(file: ImportSource, by_name: dict[str, bytes]) -> Iterator[ImportItem]:
    try:
        documents = list(bounded_yaml.each(contract_engine.decode(file.data)))
    except Invalid as error:
        yield ImportItem(file.name, "blocked", 9, natural(file.name), error, file)
        return
    for n, document in enumerate(documents):
        if document is None:
            continue
        where = file.name if len(documents) == 1 else f"{file.name}, document {n + 1}"
        if isinstance(document, Invalid):
            yield ImportItem(where, "blocked", 9, (file.name, n), document, file)
            continue
        if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
            yield ImportItem(
                where,
                "blocked",
                9,
                (file.name, n),
                Invalid("import.backstage", "The document must be an entity with a kind."),
                file,
            )
            continue
        yield ImportItem(where, "backstage", _RANK.get(document["kind"], 6), (file.name, n), document, file, by_name)


def natural(text: str) -> tuple[Any, ...]:
    """Sorts v2 before v10."""
    return tuple((0, int(p)) if p.isdecimal() else (1, p) for p in re.split(r"(\d+)", text.lower()) if p)


def names_from_path(name: str, *, folder: str = "") -> tuple[str, str, str]:
    """(slug, label, title) that a file's path says: `adyen/checkout-v71.json` → adyen-checkout, v71, "Adyen checkout".

    A file called openapi, stable, latest … is named by its folder alone, which is `folder` where the path has none; the
    label is "" where the path says none.
    """
    path = PurePosixPath(name)
    stem, label = path.stem, ""
    if match := _VERSION.search(stem):
        stem, label = stem[: match.start()], match.group(1)
    folders = [part for part in path.parent.parts if part not in (".", "/")]
    if not folders and folder and stem.lower() in _GENERIC:
        folders = [folder]
    parts = folders + ([] if stem.lower() in _GENERIC and folders else [stem])
    said = " ".join(naming.words(" ".join(parts))) or "api"
    return naming.slug_of("-".join(parts)), label, said[:1].upper() + said[1:]
