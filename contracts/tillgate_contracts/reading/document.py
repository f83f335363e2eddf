"""A contract in one normal form for every format, with the places in the author's file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from tillgate_contracts.digest import canonical_json, digest_bytes
from tillgate_contracts.errors import ContractError
from tillgate_contracts.reading import summary
from tillgate_contracts.reading.composition import check_composition
from tillgate_contracts.reading.detect import detect, dialect, looks_like_sdl
from tillgate_contracts.reading.dialects import other_dialects
from tillgate_contracts.reading.forms import Form, OwnReading, form_of, own_format, problems_in
from tillgate_contracts.reading.json_text import parse_json
from tillgate_contracts.reading.limits import DEFAULT, Clock, ReadingLimits, measure, refusal, too_large
from tillgate_contracts.reading.lines import Locator, SourceText
from tillgate_contracts.reading.pointers import MISSING, resolve
from tillgate_contracts.reading.references import Problem, link
from tillgate_contracts.reading.shape import drop_meaningless, values_in
from tillgate_contracts.reading.summary import OperationSummary
from tillgate_contracts.reading.text import decode


@dataclass(frozen=True, eq=False)
class Document:
    """One contract.

    `tree` is the normal form (OpenAPI 3.x, AsyncAPI and JSON Schema as written; Swagger 2.0 as OpenAPI 3.0; EDMX as
    OpenAPI 3.1; GraphQL, WSDL and XML Schema in trees of their own); `source` is the parsed original, with other files
    bundled; `canonical` and `digest` identify it (for formats that are not JSON: the normal form). Values of both trees
    may be shared and must not be changed.
    """

    format: str
    tree: dict[str, Any]
    source: dict[str, Any]
    canonical: bytes
    digest: str
    problems: tuple[Problem, ...] = ()
    name: str | None = None
    locator: Locator = field(default_factory=Locator, repr=False)

    @classmethod
    def from_canonical(cls, canonical: bytes, *, name: str | None = None) -> Document:
        """A stored contract, from the canonical bytes of an earlier reading. Trusted: duplicates and bounds are not
        checked again.

        Raises ContractError `contract.json_syntax` or `contract.not_a_contract` when the bytes are something else.
        """
        try:
            tree = orjson.loads(canonical)
        except orjson.JSONDecodeError as error:
            raise refusal("contract.json_syntax", f"The stored contract is not JSON: {error}.") from None
        stored = own_format(tree)
        if stored:
            return _own(OwnReading(stored, tree), name, canonical)
        source_text = SourceText(canonical.decode(), is_json=True) if b"\n" in canonical else None
        return _build(
            tree, canonical, name=name, base_dir=None, limits=DEFAULT, clock=Clock(DEFAULT), files={}, text=source_text
        )

    @classmethod
    def from_value(cls, value: Any, *, name: str | None = None, limits: ReadingLimits = DEFAULT) -> Document:
        """A contract of any format but EDMX that is already parsed. Raises ContractError as `read` does."""
        clock = Clock(limits)
        measure(value, limits, clock)
        if isinstance(value, bool):
            return cls.from_schema(value, name=name, limits=limits)
        return _build(value, None, name=name, base_dir=None, limits=limits, clock=clock, files={}, text=None)

    @classmethod
    def from_schema(cls, schema: Any, *, name: str | None = None, limits: ReadingLimits = DEFAULT) -> Document:
        """An inline JSON Schema that is already parsed: `true` is the schema {}, `false` is {"not": {}}.

        Raises ContractError when it is neither an object nor a boolean, or too large or too deep.
        """
        if isinstance(schema, bool):
            schema = {} if schema else {"not": {}}
        if not isinstance(schema, dict):
            raise refusal("contract.not_a_contract", "A JSON Schema is an object, or true or false.")
        clock = Clock(limits)
        measure(schema, limits, clock)
        return _build(
            schema,
            None,
            kind=dialect(schema),
            name=name,
            base_dir=None,
            limits=limits,
            clock=clock,
            files={},
            text=None,
        )

    @property
    def family(self) -> str:
        """The shape of the normal form: `openapi` (Swagger and EDMX included), `asyncapi`, `jsonschema`, `graphql`,
        `wsdl`, `xsd`.
        """
        kind = self.format.partition("-")[0]
        return "openapi" if kind == "edmx" else kind

    def resolve(self, ref: str) -> Any:
        """The value that a local reference of the normal form names, or None."""
        found = resolve(self.tree, ref)
        return None if found is MISSING else found

    def pointer_line(self, pointer: str) -> int | None:
        """Line (1-based) in the author's file of a normal-form pointer, or of its nearest ancestor there."""
        return self.locator.line(pointer)

    def origin(self, pointer: str) -> str:
        """The pointer in the author's file: for EDMX an XPath, for a bundled file `file.yaml#/pointer`."""
        return self.locator.origin(pointer)

    @cached_property
    def title(self) -> str:
        return summary.text_at(self.tree, "info", "title") or summary.text_at(self.tree, "title")

    @cached_property
    def version_label(self) -> str:
        """`info.version` as written: may be empty, and may be the same in every version."""
        return summary.text_at(self.tree, "info", "version")

    @cached_property
    def description(self) -> str:
        return summary.text_at(self.tree, "info", "description") or summary.text_at(self.tree, "description")

    @cached_property
    def operations(self) -> tuple[OperationSummary, ...]:
        """Every operation, webhook operation, or (events) channel operation, in the order of the document."""
        return self._form.operations(self.tree) if self._form else summary.operations(self.tree, self.format)

    @cached_property
    def schemas(self) -> tuple[str, ...]:
        """Names of the named schemas."""
        return self._form.schemas(self.tree) if self._form else tuple(summary.named_schemas(self.tree))

    @cached_property
    def schema_digests(self) -> Mapping[str, str]:
        """Digest of each named component by its pointer, shallow: a reference counts as its text."""
        return {
            pointer: "sha256:" + hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()
            for pointer, value in (self._form or summary).components(self.tree).items()
        }

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """Property and parameter names for the search index, each once, at most `summary.MAX_FIELDS`."""
        return self._form.fields(self.tree) if self._form else summary.field_names(self.tree)

    @cached_property
    def servers(self) -> tuple[str, ...]:
        return (self._form or summary).servers(self.tree)

    @cached_property
    def security_schemes(self) -> Mapping[str, str]:
        """Kind of each security scheme by its name: `oauth2`, `apiKey (header)`, `http bearer`, …"""
        return (self._form or summary).security_schemes(self.tree)

    @cached_property
    def _form(self) -> Form | None:
        return form_of(self.family)


def read(
    data: bytes, *, name: str | None = None, base_dir: Path | None = None, limits: ReadingLimits = DEFAULT
) -> Document:
    """Read a contract of any known format.

    `name` is the file's name (it decides between JSON and YAML where the text alone does not), or its path below
    `base_dir`, the folder that other files of the contract may be read from. Raises ContractError with a code below
    `contract.`, the pointer and the line where it is known, within the limits' bytes, depth, values and seconds.
    """
    clock = Clock(limits)
    text = decode(data, limits)
    head = text.lstrip()[:1]
    try:
        if head == "<":
            from tillgate_contracts.reading.edmx import read_edmx
            from tillgate_contracts.reading.wsdl import ROOTS, read_xml_contract
            from tillgate_contracts.reading.xml_text import root_name

            if root_name(text) in ROOTS:
                own = read_xml_contract(text, limits, clock, name=name, base_dir=base_dir)
                if own is not None:
                    return _own(own, name)

            lifted = read_edmx(text, limits, clock)
            canonical = _canonical(lifted.tree)
            document = _build(
                lifted.tree, canonical, name=name, base_dir=None, limits=limits, clock=clock, files={}, text=None
            )
            document.locator.origins = lifted.origins
            document.locator.known_lines = lifted.lines
            return document
        if looks_like_sdl(text, name):
            from tillgate_contracts.reading.graphql_sdl import read_sdl

            return _own(read_sdl(text, limits, clock), name)
        value, is_json = _parse(text, name, limits, clock)
        if isinstance(value, bool):
            return Document.from_schema(value, name=name, limits=limits)
        return _build(
            value,
            None,
            name=name,
            base_dir=base_dir,
            limits=limits,
            clock=clock,
            files={},
            text=SourceText(text, is_json),
        )
    except RecursionError:
        raise refusal(
            "contract.too_deep", "The contract is nested too deeply to be read. Name the inner schemas."
        ) from None


def parse_text(data: bytes, name: str | None = None, limits: ReadingLimits = DEFAULT) -> Any:
    """The value of a JSON or YAML file that is no contract, such as a rule file, read within the same bounds."""
    return _parse(decode(data, limits), name, limits, Clock(limits))[0]


def read_file(path: Path, *, root: Path | None = None, limits: ReadingLimits = DEFAULT) -> Document:
    """Read a contract file. Other files of the contract are read below `root`, which is the file's own folder if left
    out.

    Raises ContractError `contract.unreadable` as well, and `contract.outside_root` for a file that is not below the
    root.
    """
    try:
        size = path.stat().st_size
        if path.is_file() and size > limits.max_bytes:
            raise too_large(size, limits)
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise refusal("contract.unreadable", f"{path} cannot be read: {reason}.") from None
    if root is None:
        return read(data, name=path.name, base_dir=path.parent, limits=limits)
    try:
        name = path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        raise refusal("contract.outside_root", f"{path} is not below the root {root}.") from None
    return read(data, name=name, base_dir=root, limits=limits)


def _parse(text: str, name: str | None, limits: ReadingLimits, clock: Clock) -> tuple[Any, bool]:
    """The value, and whether the text was JSON.

    The YAML parser is loaded for YAML only: a quick start matters at a prompt.
    """
    suffix = Path(name).suffix.lower() if name else ""
    if text.lstrip()[:1] in ("{", "[", '"') or suffix == ".json":
        try:
            return parse_json(text, limits, clock), True
        except ContractError as error:
            if error.code != "contract.json_syntax" or suffix == ".json":
                raise
            from tillgate_contracts.reading.yaml_text import parse_yaml

            try:
                value = parse_yaml(text, limits, clock)
            except ContractError as second:
                raise (second if suffix in (".yaml", ".yml") else error) from None
            if not isinstance(value, dict):
                raise error from None
    else:
        from tillgate_contracts.reading.yaml_text import parse_yaml

        value = parse_yaml(text, limits, clock)
    measure(value, limits, clock)
    return value, False


def _canonical(tree: Any) -> bytes:
    try:
        return canonical_json(tree)
    except (ValueError, TypeError) as error:
        raise refusal("contract.encoding", f"The contract has no canonical JSON: {error}.") from None


def _own(reading: OwnReading, name: str | None, canonical: bytes | None = None) -> Document:
    """A document whose format has a normal form of its own: nothing in it is a reference of ours."""
    tree = reading.tree
    canonical = canonical or _canonical(tree)
    document = Document(
        reading.format, tree, tree, canonical, digest_bytes(canonical), problems_in(tree), name, Locator()
    )
    form = form_of(document.family)
    document.locator.origins = form.origins(tree) if form else {}
    document.locator.known_lines = reading.lines
    return document


def _build(
    value: Any,
    canonical: bytes | None,
    *,
    name: str | None,
    base_dir: Path | None,
    limits: ReadingLimits,
    clock: Clock,
    files: dict[str, SourceText],
    text: SourceText | None,
    kind: str | None = None,
) -> Document:
    kind = kind or detect(value)

    def parse(data: bytes, file: str) -> tuple[Any, str]:
        inner = decode(data, limits)
        parsed, is_json = _parse(inner, file, limits, clock)
        files[file] = SourceText(inner, is_json)
        return parsed, inner

    linked = link(
        value,
        name=name,
        base_dir=base_dir,
        limits=limits,
        parse=parse,
        id_key="id" if kind == "jsonschema-04" else "$id",
        values=lambda: values_in(value, kind),
    )
    if linked.files:
        measure(linked.tree, limits, clock)
    settled, wrong = drop_meaningless(linked.tree, kind)
    check_composition(settled)
    locator = Locator(main=text, files={file: files[file] for file in linked.files})
    if canonical is None:
        canonical = _canonical(linked.source)
    tree, problems = settled, [*linked.problems, *wrong]
    if b'"$schema":' in canonical or b'"jsonSchemaDialect":' in canonical:
        problems += other_dialects(settled, kind, values_in(settled, kind))
    if kind == "openapi-2.0":
        from tillgate_contracts.reading.swagger import lift

        lifted = lift(tree)
        tree, locator.origins = lifted.tree, lifted.origins
        problems = [Problem(item.code, lifted.moved(item.pointer), item.message) for item in problems]
    return Document(kind, tree, linked.source, canonical, digest_bytes(canonical), tuple(problems), name, locator)
