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
from catalog.services.importing import data_contracts, listings
from kernel import bounded_yaml
from kernel.errors import Invalid

log = logging.getLogger(__name__)
Kind = Literal["contract", "csv", "backstage", "odcs", "listed", "aside", "gone", "leave", "blocked"]
UNREAD: Final = {
    ".proto": "Protocol Buffers is not read yet",
    ".raml": "RAML is not read yet",
    ".avsc": "Avro is not read yet",
    ".apib": "API Blueprint is not read yet",
    ".har": "an HTTP archive records calls, and describes no API",
    ".xlsx": "a workbook is not read; save the sheet as CSV",
}
_FOREIGN: Final = (
    (b"PK\x03\x04", "is a zip archive or an office document; name an archive .zip, and save a sheet as CSV"),
    (b"\x1f\x8b", "is packed by gzip; unpack it, or send a .zip of the folder"),
    (b"BZh", "is packed by bzip2; unpack it, or send a .zip of the folder"),
    (b"\xfd7zXZ", "is packed by xz; unpack it, or send a .zip of the folder"),
    (b"7z\xbc\xaf", "is a 7z archive; send a .zip of the folder"),
    (b"Rar!", "is a RAR archive; send a .zip of the folder"),
    (b"%PDF", "is a PDF, which holds no contract for programs"),
    (b"\xd0\xcf\x11\xe0", "is a document of an older Office; save a sheet as CSV"),
    (b"\x89PNG", "is a picture"),
)
READABLE: Final = frozenset(
    (".json", ".yaml", ".yml", ".edmx", ".xml", ".csv", ".xsd", ".wsdl", ".graphql", ".graphqls", ".gql", ".sdl")
) | {".linkset", *UNREAD}
API_CATALOG: Final = "api-catalog"  # the name that RFC 9727 gives a linkset
MAX_FILES: Final = 20_000
_VERSION: Final = re.compile(
    r"[-_.]((?:v\d+(?:[._-]\d+)*(?:[._-](?:alpha|beta|rc)\d*)?)"
    r"|\d{4}-\d{2}(?:-\d{2})?|\d+\.\d+(?:\.\d+)*|0\d{3}|\d{1,3}|[a-z])\Z",
    re.I,
)
_LOCATION: Final = re.compile(rb"""\s(?:schemaLocation|location)\s*=\s*["']([^"'\s]{1,300})["']""")
MORE_CELLS: Final = " "
"""The name, which no column has, under which a line of a CSV says how many of its cells stand beyond its columns."""
_CSV_END: Final = "\x01end of the CSV\x01"
_SEPARATOR: Final = re.compile(r'\ufeff?"?sep=(.)"?\s*\Z', re.I)
_REFERENCE: Final = re.compile(rb"""\$ref["']?\s*:\s*["']?([^"'#\s,{}]{1,300}\.(?:json|ya?ml))""", re.I)
_ENTITY: Final = rb"""["']?apiVersion["']?\s*:\s*["']?backstage\.io/"""
_ENTITY_LINE: Final = re.compile(rb"^(?:\xef\xbb\xbf)?" + _ENTITY, re.M)
_ENTITY_ANYWHERE: Final = re.compile(_ENTITY)
_DESCRIBES: Final = re.compile(rb"""["']?(?:openapi|swagger|asyncapi)["']?\s*:""")
_OF_TOOLS: Final = frozenset(
    (
        "package.json",
        "package-lock.json",
        "composer.json",
        "tsconfig.json",
        "jsconfig.json",
        "renovate.json",
        "lerna.json",
        "nx.json",
        "angular.json",
        "mkdocs.yml",
        "compose.yaml",
        "compose.yml",
        "docker-compose.yml",
        "docker-compose.yaml",
        "chart.yaml",
        "kustomization.yaml",
        "pom.xml",
    )
)
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
    """A file. `base_dir` is the folder that its relative references may be read from; None for an upload.

    Of what is no file that could be read, `data` says why in words: somebody has to pack or send
    what is `unread` anew, `aside` is nothing to read."""

    name: str
    data: bytes
    base_dir: Path | None = None
    kind: str = "file"


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
    again: str = ""
    """Where the source names the same thing before this item; of a thing with several versions, the first speaks for
    it, and each further one for its version alone."""


def is_readable(name: str) -> bool:
    """Whether an import reads a file of this path: by its ending; hidden files and folders are left alone."""
    path = PurePosixPath(name)
    hidden = [part for part in path.parts if part.startswith((".", "__MACOSX"))]
    if path.name == API_CATALOG:
        return hidden in ([], [".well-known"])
    return path.suffix.lower() in READABLE and not hidden


def files_of(path: Path) -> Iterator[ImportSource]:
    """Every readable file below a folder, or the one file. Hidden files and symbolic links that lead outside are left
    alone."""
    if path.is_file():
        yield ImportSource(path.name, path.read_bytes(), path.parent)
        return
    root = path.resolve()
    paths = (p for p in root.rglob("*") if is_readable(p.relative_to(root).as_posix()) and p.is_file())
    for n, found in enumerate(sorted(paths)):
        relative = found.relative_to(root)
        if not found.resolve().is_relative_to(root):
            continue
        if n >= MAX_FILES:
            raise Invalid("import.too_many_files", f"More than {MAX_FILES} files below {path}. Import it in parts.")
        yield ImportSource(relative.as_posix(), found.read_bytes(), found.parent)


def items_of(sources: Iterable[ImportSource]) -> list[ImportItem]:
    """Everything to import, in an order in which each thing finds what it refers to."""
    given = list(sources)
    files = [f for f in given if f.kind == "file"]
    by_name = {f.name: f.data for f in files}
    used = {name for f in files if f.name.lower().endswith(".csv") for name in _named_by_csv(f, by_name)}
    used |= {name for f in files if f.name.lower().endswith((".wsdl", ".xsd")) for name in _named_by_xml(f, by_name)}
    used |= {name for f in files for name in _named_by_reference(f, by_name)}
    items = [item for f in files if f.name not in used for item in _whole(f, by_name)]
    defined = {name for item in items if item.kind == "backstage" for name in _named_by_entity(item)}
    defined |= {name for item in items if item.kind == "listed" for name in _named_by_list(item)}
    items = [item for item in items if item.kind != "contract" or item.file is None or item.file.name not in defined]
    items += [_not_read(f) for f in given if f.kind != "file"]
    return sorted(items, key=lambda i: (i.rank, i.order))


def _not_read(file: ImportSource) -> ImportItem:
    reason = file.data.decode(errors="replace")
    if file.kind == "aside":
        return ImportItem(file.name, "aside", 9, place(file.name), reason, file)
    error = Invalid("import.unreadable", f"{file.name[:200]} {reason}")
    return ImportItem(file.name, "blocked", 9, place(file.name), error, file)


def _named_by_entity(item: ImportItem) -> Iterator[str]:
    """The file that the definition of an entity is in: it is that entity's contract, and none of its own."""
    definition = item.value.get("spec", {}).get("definition") if isinstance(item.value.get("spec"), dict) else None
    if not isinstance(definition, dict) or item.file is None:
        return
    for key, name in definition.items():
        if isinstance(key, str) and key.startswith("$") and isinstance(name, str) and "://" not in name:
            path = posixpath.normpath(posixpath.join(posixpath.dirname(item.file.name), name))
            yield path
            if not any("/" in other for other in item.siblings):
                yield posixpath.basename(path)


def _named_by_list(item: ImportItem) -> Iterator[str]:
    """The definition of an API that a list names."""
    if isinstance(item.value, listings.Listed) and item.file and "://" not in item.value.definition:
        yield posixpath.normpath(posixpath.join(posixpath.dirname(item.file.name), item.value.definition))


def _named_by_xml(file: ImportSource, by_name: dict[str, bytes]) -> Iterator[str]:
    """Schemas and parts that a WSDL or a schema imports: they are no contracts of their own."""
    for location in _LOCATION.findall(file.data):
        name = posixpath.normpath(posixpath.join(posixpath.dirname(file.name), location.decode(errors="replace")))
        if name in by_name and name != file.name and not name.lower().endswith(".wsdl"):
            yield name


def _named_by_reference(file: ImportSource, by_name: dict[str, bytes]) -> Iterator[str]:
    """Files that another one refers to by `$ref`, and that are no description of an API themselves: parts of it."""
    if b"$ref" not in file.data or not file.name.lower().endswith((".json", ".yaml", ".yml")):
        return
    for target in set(_REFERENCE.findall(file.data)):
        name = posixpath.normpath(posixpath.join(posixpath.dirname(file.name), target.decode(errors="replace")))
        if name in by_name and name != file.name and not _DESCRIBES.search(by_name[name][:5_000]):
            yield name


def _whole(file: ImportSource, by_name: dict[str, bytes]) -> list[ImportItem]:
    """The items of a file. A file that nobody can take apart is one item, which says so."""
    try:
        return list(_items_of_file(file, by_name))
    except Exception as error:  # files may be odd in a way that nobody has thought of
        log.exception("a file of an import failed: %s", file.name)
        reason = Invalid("import.failed", f"This file cannot be taken apart ({type(error).__name__}).")
        return [ImportItem(file.name, "blocked", 9, place(file.name), reason, file)]


def _items_of_file(file: ImportSource, by_name: dict[str, bytes]) -> Iterator[ImportItem]:
    path = PurePosixPath(file.name)
    suffix = path.suffix.lower()
    plain_contract = ImportItem(file.name, "contract", 4, place(file.name), None, file)
    if suffix not in UNREAD and (foreign := _foreign(file.data)):
        reason = Invalid("import.unreadable", f"{path.name[:100]} {foreign}.")
        yield ImportItem(file.name, "blocked", 9, place(file.name), reason, file)
        return
    if suffix == ".csv":
        yield from _csv_items(file, by_name)
    elif suffix in UNREAD:
        reason = Invalid("import.format_unread", f"{path.name[:100]}: {UNREAD[suffix]}.")
        yield ImportItem(file.name, "blocked", 9, place(file.name), reason, file)
    elif path.name.lower() in _OF_TOOLS:
        yield ImportItem(file.name, "aside", 9, place(file.name), "it configures a tool, and describes no API", file)
    elif suffix in {".edmx", ".xml", ".xsd", ".wsdl", ".graphql", ".graphqls", ".gql", ".sdl"}:
        yield plain_contract
    elif _holds_entities(plain := _in_utf8(file.data)):
        yield from _backstage_items(file, by_name)
    elif data_contracts.may_be_one(plain) or listings.may_be_one(plain):
        yield from _structured(file, by_name) or [plain_contract]
    else:
        yield plain_contract


def _structured(file: ImportSource, by_name: dict[str, bytes]) -> list[ImportItem]:
    """The data contract of a file, or the APIs that it lists; none where it is neither, or cannot be read."""
    try:
        value = (
            contract_engine.parse_yaml(file.data)
            if file.data.lstrip()[:1] not in (b"{", b"[")
            else (contract_engine.parse_text(file.data))
        )
    except Invalid as error:
        if data_contracts.may_be_one(file.data):
            return [ImportItem(file.name, "blocked", 9, place(file.name), error, file)]
        return []
    contract = data_contracts.in_version_3(value)
    if contract is not None:
        return [ImportItem(file.name, "odcs", 4, place(file.name), contract, file)]
    listed = listings.listed_in(value)
    if listed is None:
        return []
    if others := listings.includes(value):
        reason = f"it includes other lists, which are not fetched: {', '.join(others[:10])}"
        aside = [ImportItem(f"{file.name}, includes", "aside", 9, place(file.name), reason, file)]
    else:
        aside = []
    if not listed:
        empty = ImportItem(file.name, "aside", 9, place(file.name), "it lists no API", file)
        return aside or [empty]
    if len(listed) == 1 and not aside:
        return [ImportItem(file.name, "listed", 3, place(file.name), listed[0], file, by_name)]
    return [
        ImportItem(f"{file.name}, API {n}", "listed", 3, place(file.name, n), one, file, by_name)
        for n, one in enumerate(listed, start=1)
    ] + aside


def _foreign(data: bytes) -> str:
    """What a file is that is no text; "" where its first bytes say nothing of the kind."""
    if data[257:262] == b"ustar":
        return "is a tar archive; send a .zip of the folder"
    return next((said for mark, said in _FOREIGN if data.startswith(mark)), "")


def _holds_entities(data: bytes) -> bool:
    """Whether the version of an entity stands at the top of a document, or its word at all in a file that does not call
    itself a description of an API."""
    if _ENTITY_LINE.search(data):
        return True
    found = data.lstrip()[:1] in (b"{", b"[") and _ENTITY_ANYWHERE.search(data) is not None
    return (found or b"backstage.io/" in data[:20_000]) and not _DESCRIBES.search(data[:5_000])


def _in_utf8(data: bytes) -> bytes:
    """A file of another Unicode charset in this one, to be looked into."""
    if b"\0" not in data[:4]:
        return data
    try:
        return contract_engine.decode(data).encode()
    except (Invalid, UnicodeError):
        return data


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
    text = _csv_text(file.data).lstrip("\ufeff")
    first, _, rest = text.partition("\n")
    if said := _SEPARATOR.match(first):  # the line that Excel writes and reads
        text, delimiter = rest, said.group(1)
    else:
        bare = re.sub(r'"[^"]*"', "", first)
        delimiter = max(",;\t|", key=bare.count)
    lines = text.splitlines(keepends=True)
    while lines and not lines[0].strip(f" \t\r\n{delimiter}"):  # empty rows above the heading
        del lines[0]
    if not lines:
        return []
    text = "".join(lines).rstrip("\r\n") + f"\n{_CSV_END}\n"
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise Invalid("import.csv", f"{file.name} is not a CSV file that can be read: {error}.") from None
    if not rows or _CSV_END not in (rows.pop() or {"": ""}).values():
        why = "a quotation mark opens a cell and none closes it, so nobody knows where its line ends"
        raise Invalid("import.csv", f"{file.name} is not a CSV file that can be read: {why}.")
    return [_cells(row) for row in rows]


def _cells(row: dict[str | Any, Any]) -> dict[str, str]:
    """The cells of a line by their columns, and how many stand beyond these."""
    made = {_column(k): v.strip() for k, v in row.items() if isinstance(k, str) and isinstance(v, str)}
    more = [cell for cell in row.get(None, ()) if cell.strip()]
    return made | ({MORE_CELLS: str(len(more))} if more else {})


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
        yield ImportItem(file.name, "blocked", 9, place(file.name), error, file)
        return
    if not rows and not file.data.strip():
        reason = Invalid("import.empty", f"{file.name} is empty: an API a line, below a line that names the columns.")
        yield ImportItem(file.name, "blocked", 9, place(file.name), reason, file)
    for n, row in enumerate(rows, start=2):
        if not any(row.values()):  # Excel keeps rows that were emptied
            continue
        yield ImportItem(f"{file.name}, line {n}", "csv", 3, place(file.name, n), row, file, by_name)


def _backstage_items(file: ImportSource, by_name: dict[str, bytes]) -> Iterator[ImportItem]:
    try:
        documents = list(bounded_yaml.each(contract_engine.decode(file.data), of_others=True))
    except Invalid as error:
        yield ImportItem(file.name, "blocked", 9, place(file.name), error, file)
        return
    if all(document is None for document in documents):
        reason = Invalid("import.empty", f"{file.name} holds no entity.")
        yield ImportItem(file.name, "blocked", 9, place(file.name), reason, file)
    for n, document in enumerate(documents):
        if document is None:
            continue
        where = file.name if len(documents) == 1 else f"{file.name}, document {n + 1}"
        if isinstance(document, Invalid):
            yield ImportItem(where, "blocked", 9, place(file.name, n), document, file)
            continue
        if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
            yield ImportItem(
                where,
                "blocked",
                9,
                place(file.name, n),
                Invalid("import.backstage", "The document must be an entity with a kind."),
                file,
            )
            continue
        yield ImportItem(
            where, "backstage", _RANK.get(document["kind"], 6), place(file.name, n), document, file, by_name
        )


def place(name: str, number: int = 0) -> tuple[Any, ...]:
    """The order of an item, of one form for every kind: by its file, then its number in it."""
    return natural(name), number


def natural(text: str) -> tuple[Any, ...]:
    """Sorts v2 before v10."""
    return tuple((0, int(p)) if p.isdecimal() else (1, p) for p in re.split(r"(\d{1,1000})", text.lower()) if p)


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
