"""Open Data Contract Standard (Bitol): a data contract becomes an API of style `file`, its schema becomes a JSON
Schema.

https://bitol-io.github.io/open-data-contract-standard/
"""

from __future__ import annotations

from typing import Any, Final

from catalog.domain import contract_engine, lifecycle, naming
from catalog.services.contracts import ReadContract
from catalog.services.importing import data_contracts, identity
from catalog.services.importing.sources import ImportItem
from catalog.services.importing.target import ImportOutcome, ImportTarget
from catalog.services.importing.values import bounded, plain
from kernel.errors import Invalid

_STATE: Final = {
    "active": lifecycle.PUBLISHED,
    "draft": lifecycle.DRAFT,
    "proposed": lifecycle.DRAFT,
    "deprecated": lifecycle.DEPRECATED,
    "retired": lifecycle.RETIRED,
}
_TYPE: Final[dict[str, dict[str, Any]]] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "timestamp": {"type": "string", "format": "date-time"},
    "time": {"type": "string", "format": "time"},
    "object": {"type": "object"},
    "array": {"type": "array"},
}
_OPTIONS: Final = (
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "uniqueItems",
    "format",
)
_DATES: Final = ("date", "timestamp", "time")
_CLASS: Final = {
    "public": "public",
    "internal": "internal",
    "confidential": "internal",
    "restricted": "personal",
    "pii": "personal",
    "personal": "personal",
    "sensitive": "personal",
    "pci": "cardholder",
    "cardholder": "cardholder",
}
_FACTS: Final = ("id", "team", "slaProperties", "slaDefaultElement", "servers", "roles", "support", "price", "tags")
_STRICTNESS: Final = ("", "public", "internal", "personal", "cardholder")


def take(item: ImportItem, target: ImportTarget) -> ImportOutcome:
    """One data contract."""
    value: dict[str, Any] = item.value
    if item.file is None or not plain(value.get("apiVersion")).lower().removeprefix("v").startswith("3"):
        raise Invalid(
            "import.odcs_version",
            f"Data contracts of apiVersion v2.2 and v3 are read, not {plain(value.get('apiVersion'), 20)!r}.",
        )
    name = plain(value.get("name")) or plain(value.get("dataProduct")) or plain(value.get("id"))
    if not name:
        raise Invalid("import.odcs_name", "This data contract has neither a name nor an id.")
    notes: list[str] = []
    thing = identity.claim(ref_of(value), "api", names=[name], title=name[:200], source=target.source, adopt=False)
    schema, classes = schema_of(value, notes)
    document = contract_engine.from_value(schema, name=item.source)
    reading = ReadContract(document, item.file.data, item.source[:255], "application/yaml")
    description = value.get("description")
    purpose = description.get("purpose") if isinstance(description, dict) else description
    values = {
        "name": name[:200],
        "purpose": plain(purpose, 300),
        "domain": naming.slug_of(plain(value.get("domain")), fallback=""),
        "owner_team": _team(value),
        "style": "file",
        "data_class": max(classes, key=_STRICTNESS.index, default=""),
    }
    again = bool(item.again) and thing.pk is not None
    said = {} if again else {k: v for k, v in values.items() if v}
    there = identity.row_of("api", thing.key) is not None
    api, first = target.api(
        thing.key, {k: v for k, v in said.items() if not there or thing.said.get(k) != v}, notes=notes
    )
    word = plain(value.get("status"), 40).lower()
    state = _STATE.get(word, lifecycle.DRAFT)
    if word not in _STATE:
        notes.append(f"status {word!r} is none of {', '.join(_STATE)}: a draft")
    version, second = target.version(api, reading, label=plain(value.get("version"), 100), state=state)
    differs = []
    if second == "unchanged" and word in _STATE and version.state != state:
        differs = [f"status {word}: {version} is {version.state}; a state moves by a decision"]
    kept = not again and identity.keep(thing, said, _facts(value))
    code = "import.differs" if differs else "import.noticed" if notes else ""
    result = target.finish(api, first, second, "changed" if kept else "unchanged")
    return ImportOutcome(result, str(version), code, "; ".join([*differs, *notes][:8]))


def id_of(value: dict[str, Any]) -> str:
    """The id of a data contract; "" where it has none, though the standard asks for one."""
    return plain(value.get("id"), 400)


def ref_of(value: dict[str, Any]) -> str:
    """How a data contract is known: by its id, which stays when its name changes, or else by its name; "" where it has
    neither."""
    found = id_of(value) or plain(value.get("name"), 400) or plain(value.get("dataProduct"), 400)
    return f"odcs:{found}" if found else ""


def _facts(value: dict[str, Any]) -> dict[str, Any]:
    """What the contract says and the catalog has no field for: people, quality, service levels, servers, roles."""
    kept = {key: value[key] for key in _FACTS if key in value}
    rules: list[dict[str, Any]] = []
    objects = value.get("schema")
    for table in objects if isinstance(objects, list) else []:
        _quality(table, "", "properties", rules, 0)
    made: dict[str, Any] = bounded(kept | ({"quality": rules} if rules else {}), deep=7)
    return made


def _quality(part: Any, above: str, below: str, rules: list[dict[str, Any]], depth: int) -> None:
    """The quality rules of an object and of everything in it, each with the path of what it is of."""
    if not isinstance(part, dict) or depth > 20:
        return
    path = ".".join(p for p in (above, plain(part.get("name"), 200)) if p)
    given = part.get("quality")
    rules += [{"of": path, **rule} for rule in given if isinstance(rule, dict)] if isinstance(given, list) else []
    columns = part.get(below)
    for column in columns if isinstance(columns, list) else []:
        _quality(column, path, below, rules, depth + 1)


def _team(value: dict[str, Any]) -> str:
    team = value.get("team")
    if isinstance(team, dict):
        return naming.slug_of(plain(team.get("name")), fallback="")
    return ""  # the list of v3.0 names people, which are kept as facts


def schema_of(value: dict[str, Any], notes: list[str]) -> tuple[dict[str, Any], set[str]]:
    """A JSON Schema with one definition per object of the contract, and the data classes that its properties name."""
    classes: set[str] = set()
    definitions = {}
    objects = value.get("schema")
    for n, table in enumerate(objects if isinstance(objects, list) else []):
        if not isinstance(table, dict) or not plain(table.get("name")):
            notes.append(f"schema/{n}: no name")
            continue
        definitions[plain(table["name"])] = _object(table, notes, classes, f"schema/{n}", 0)
    if not definitions:
        raise Invalid("import.odcs_schema", "This data contract has no schema: there is nothing to compare later.")
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": plain(value.get("name")) or plain(value.get("id")),
        "$defs": definitions,
    }
    references = [{"$ref": f"#/$defs/{name.replace('~', '~0').replace('/', '~1')}"} for name in definitions]
    return schema | (references[0] if len(references) == 1 else {"oneOf": references}), classes


def _object(table: dict[str, Any], notes: list[str], classes: set[str], at: str, depth: int) -> dict[str, Any]:
    properties, required = {}, []
    given = table.get("properties")
    for n, column in enumerate(given if isinstance(given, list) else []):
        if not isinstance(column, dict) or not plain(column.get("name")) or depth > 20:
            notes.append(f"{at}/properties/{n}: not read")
            continue
        properties[plain(column["name"])] = _column(column, notes, classes, f"{at}/properties/{n}", depth)
        if column.get("required") is True or column.get("primaryKey") is True:
            required.append(plain(column["name"]))
    made: dict[str, Any] = {"type": "object", "properties": properties}
    return made | ({"required": required} if required else {})


def _column(column: dict[str, Any], notes: list[str], classes: set[str], at: str, depth: int) -> dict[str, Any]:
    if label := plain(column.get("classification"), 100).lower():
        if label in _CLASS:
            classes.add(_CLASS[label])
        else:
            notes.append(f"{at}: classification {label[:40]!r} is not known")
    kind = plain(column.get("logicalType"), 100) or data_contracts.logical_type(column.get("physicalType"))
    if kind == "object":
        return _object(column, notes, classes, at, depth + 1)
    made = dict(_TYPE.get(kind, {}))
    if not made:
        notes.append(f"{at}: logicalType {kind[:40]!r} is not known, so anything is allowed")
    items = column.get("items")
    if kind == "array" and isinstance(items, dict):
        made["items"] = _column(items, notes, classes, f"{at}/items", depth + 1)
    _limit(made, kind, column, notes, at)
    if description := plain(column.get("description"), 4000):
        made["description"] = description
    return made


def _limit(made: dict[str, Any], kind: str, column: dict[str, Any], notes: list[str], at: str) -> None:
    """What the options of a type say, as keywords of JSON Schema."""
    options = column.get("logicalTypeOptions")
    for key in _OPTIONS:
        if not isinstance(options, dict) or options.get(key) is None:
            continue
        if kind in _DATES:
            notes.append(f"{at}: {key} {plain(options[key], 40)!r} of a {kind} is not compared")
        else:
            made[key] = options[key]
    for key, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if made.get(key) is True and limit in made:  # until v3.0 a flag of the limit beside it
            made[key] = made.pop(limit)
        elif isinstance(made.get(key), bool):
            del made[key]
    if isinstance(column.get("enum"), list):
        made["enum"] = column["enum"]
