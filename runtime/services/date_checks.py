"""Manifest checks of dates: what `valid` points to exists in the source's contract, and what orders states is sent.

A beginning that no document has would make every state count at once, silently.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kernel.errors import DomainError, Invalid, finding
from runtime.domain.manifest import Manifest
from runtime.domain.validity import Valid
from runtime.mapping import check_against, parse


def dates(manifest: Manifest, schema_of: Any) -> list[dict[str, Any]]:
    """`schema_of(source)` gives the schema and document of one message of a source with a contract."""
    found: list[dict[str, Any]] = []
    for number, source in enumerate(manifest.sources):
        valid = manifest.valid_of(source)
        if valid is None:
            continue
        at = f"/sources/{number}/valid" if source.valid is not None else "/event/valid"
        try:
            schema, document = schema_of(source) if source.contract else (manifest.event.schema or {}, None)
        except DomainError:
            continue  # reported by `pins`
        resolve = document.resolve if document else None
        for member, pointer in _pointers(valid):
            if said := _missing(pointer, schema, resolve):
                found.append(finding(f"{at}/{member}", said, code="valid.no_field"))
    return [*found, *_versions(manifest)]


def _pointers(valid: Valid) -> Iterator[tuple[str, str]]:
    single = {"from": valid.begins, "until": valid.until, "zone_from": valid.zone_from, "withdrawn": valid.withdrawn}
    yield from ((member, pointer) for member, pointer in single.items() if pointer is not None)
    yield from ((f"of/{number}", pointer) for number, pointer in enumerate(valid.of))


def _missing(pointer: str, schema: Any, resolve: Any) -> str:
    """Why the contract has no such member; empty where it has one, or says nothing."""
    path = ".".join(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
    field = {"to": "value", "from": path, "type": "string"}
    try:
        mapping = parse({"mapping": "valid", "version": "1", "fields": [field]})
    except Invalid:
        return ""  # a name that paths cannot write
    for one in check_against(mapping, schema, {}, resolve=resolve):
        if one.code == "mapping.field_does_not_exist":
            return one.message
    return ""


def _versions(manifest: Manifest) -> Iterator[dict[str, Any]]:
    for number, target in enumerate(manifest.targets):
        if target.dated_version is None:
            continue
        try:
            names = {field.target[0] for field in parse(target.mapping).fields}
        except Invalid:
            continue  # reported by `mappings`
        if target.dated_version.field not in names:
            said = f"the mapping makes no field {target.dated_version.field!r}"
            yield finding(f"/targets/{number}/dated_version/field", said, code="valid.no_version")
