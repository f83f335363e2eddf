"""Data contracts of other forms in that of the Open Data Contract Standard v3: its own v2.2 and the Data Contract
Specification.

https://github.com/bitol-io/open-data-contract-standard (history of v2.2.2), https://datacontract-specification.com/
"""

from __future__ import annotations

import re
from typing import Any, Final

from catalog.services.importing.values import mapping, plain

KIND: Final = "DataContract"
_KINDS_OF_2: Final = (KIND, "virtualDataset", "managedDataset")
_SECOND: Final = re.compile(r"v?2(?:\.|\Z)", re.I)
"""With and without the letter: an example of version 2.2.1 says 2.3.0."""
_MARKS: Final = re.compile(
    rb"DataContract|(?:virtual|managed)Dataset|dataContractSpecification|apiVersion[\"']?\s*:\s*[\"']?v2\.|datasetName"
    rb"|quantumName"
)
_TYPES: Final = {
    "string": ("string", "text", "varchar", "char", "character", "uuid", "nvarchar", "nchar", "clob", "enum"),
    "integer": ("int", "integer", "long", "bigint", "smallint", "tinyint", "int32", "int64"),
    "number": ("number", "decimal", "numeric", "float", "double", "real", "money", "float64"),
    "boolean": ("boolean", "bool", "bit"),
    "date": ("date",),
    "time": ("time",),
    "timestamp": ("timestamp", "timestamp_tz", "timestamp_ntz", "timestamptz", "datetime", "datetime2"),
    "object": ("object", "record", "struct", "map"),
    "array": ("array", "list"),
}
LOGICAL: Final = {word: logical for logical, words in _TYPES.items() for word in words}
_LIMITS: Final = ("minLength", "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def may_be_one(data: bytes) -> bool:
    """Whether a file is worth being looked into for a data contract."""
    return _MARKS.search(data[:20_000]) is not None


def logical_type(physical: Any) -> str:
    """The logical type of a type of a database, "" where none is known: `varchar(50)` is a string."""
    return LOGICAL.get(re.split(r"[(<\s]", plain(physical, 100).lower())[0], "")


def in_version_3(value: Any) -> dict[str, Any] | None:
    """The data contract in the form of v3; None for what is no data contract."""
    if not isinstance(value, dict):
        return None
    if "dataContractSpecification" in value:
        return _of_specification(value)
    version = plain(value.get("apiVersion"), 20) or plain(value.get("standardVersion"), 20)
    kind = plain(value.get("kind"), 40)
    names = "datasetName" in value or "quantumName" in value
    if version:
        is_second = _SECOND.match(version) is not None and (names or "dataset" in value or kind == KIND)
    else:  # version 2 asks for none, and the template that came before it has none
        is_second = bool(_tables_2(value)) and (names or kind in _KINDS_OF_2)
    if is_second:
        return _of_version_2(value)
    return value if kind == KIND else None


def _tables_2(value: dict[str, Any]) -> list[Any]:
    """The tables: a list, or below `tables` as an example of the standard has them."""
    said = value.get("dataset")
    return _list(said.get("tables")) if isinstance(said, dict) else _list(said)


def _of_version_2(value: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        key: value[key]
        for key in ("version", "status", "description", "slaProperties", "roles", "price", "tags")
        if key in value
    }
    if "stakeholders" in value:
        made["team"] = value["stakeholders"]
    server = {k: value[k] for k in ("server", "driver", "database", "project") if plain(value.get(k))}
    status = plain(value.get("status"), 40).lower()
    return made | {
        "kind": "DataContract",
        "apiVersion": "v3.0.0",
        "id": plain(value.get("uuid")) or plain(value.get("datasetName")) or plain(value.get("quantumName")),
        "name": plain(value.get("datasetName")) or plain(value.get("quantumName")),
        "domain": value.get("datasetDomain"),
        "status": {"current": "active"}.get(status, status),
        "servers": [server] if server else [],
        "schema": [
            {
                "name": table.get("table"),
                "quality": table.get("quality"),
                "properties": [_column_2(column) for column in _list(table.get("columns")) if isinstance(column, dict)],
            }
            for table in _tables_2(value)
            if isinstance(table, dict)
        ],
    }


def _column_2(column: dict[str, Any]) -> dict[str, Any]:
    made = {k: column[k] for k in ("physicalType", "description", "classification", "quality") if k in column}
    return made | {
        "name": column.get("column"),
        "logicalType": logical_type(column.get("logicalType")) or column.get("logicalType"),
        "required": column.get("isNullable") is False,
        "primaryKey": any(column.get(key) is True for key in ("isPrimary", "isPrimaryKey", "primary")),
    }


def _of_specification(value: dict[str, Any]) -> dict[str, Any]:
    info, definitions = mapping(value, "info"), mapping(value, "definitions")
    levels = [
        {"property": name, **said} if isinstance(said, dict) else {"property": name, "value": said}
        for name, said in mapping(value, "servicelevels").items()
    ]
    servers = [{"server": name, **said} for name, said in mapping(value, "servers").items() if isinstance(said, dict)]
    models = mapping(value, "models")
    return {
        "kind": "DataContract",
        "apiVersion": "v3.0.0",
        "id": value.get("id"),
        "name": info.get("title"),
        "version": info.get("version"),
        "status": info.get("status"),
        "description": {"purpose": info.get("description")},
        "team": {"name": info.get("owner"), "contact": info.get("contact")},
        "slaProperties": levels,
        "servers": servers,
        "tags": _list(value.get("tags")),
        "schema": [
            {
                "name": name,
                "quality": model.get("quality"),
                "properties": [
                    _field(key, field, definitions, 0)
                    for key, field in (mapping(model, "fields") or mapping(model, "columns")).items()
                ],
            }
            for name, model in models.items()
            if isinstance(model, dict)
        ],
    }


def _field(name: Any, field: Any, definitions: dict[str, Any], depth: int) -> dict[str, Any]:
    """A field as a property of v3; what it refers to in `definitions` stands behind what it says itself."""
    said = field if isinstance(field, dict) else {}
    seen: set[str] = set()
    while isinstance(reference := said.get("$ref"), str) and reference not in seen and len(seen) < 10:
        seen.add(reference)
        meant = definitions.get(reference.rpartition("/")[2]) if reference.startswith("#/definitions/") else None
        said = {**(meant if isinstance(meant, dict) else {}), **{k: v for k, v in said.items() if k != "$ref"}}
    logical = logical_type(said.get("type"))
    options = {k: said[k] for k in _LIMITS if k in said}
    if logical == "string" and plain(said.get("format")):
        options["format"] = said["format"]
    made = {
        "name": name,
        "logicalType": logical,
        "physicalType": said.get("type"),
        "required": said.get("required") is True,
        "primaryKey": said.get("primaryKey") is True or said.get("primary") is True,
        "description": said.get("description"),
        "classification": said.get("classification") or ("pii" if said.get("pii") is True else None),
        "quality": said.get("quality"),
        "logicalTypeOptions": options,
    }
    if isinstance(said.get("enum"), list):
        made["enum"] = said["enum"]
    if depth < 20:
        if logical == "object":
            fields = mapping(said, "fields").items()
            made["properties"] = [_field(key, one, definitions, depth + 1) for key, one in fields]
        if logical == "array" and isinstance(said.get("items"), dict):
            made["items"] = _field("item", said["items"], definitions, depth + 1)
    return made


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
