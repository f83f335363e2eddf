"""Which fields of a contract a release uses: those of a source that it reads, those of a target that it writes.

Derived from the manifest, which its digest covers: mappings and filters, what the event and its dates point to, and
what the connection goes by (keys, versions, change stamps).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kernel.errors import DomainError, Invalid
from runtime.domain import json_paths
from runtime.domain.manifest import Manifest, ManifestSource, ManifestTarget
from runtime.mapping import parse
from runtime.mapping.model import Mapping as FieldMap
from runtime.mapping.places import ELEMENT, Step, spelled
from runtime.mapping.uses import MappedField, read_fields, written_fields
from runtime.services import system_connections
from runtime.services.mappers import filter_mapping

Role = Literal["source", "target"]


@dataclass(frozen=True, slots=True)
class UsedField:
    """One field from the message on. `why`: what it is for, such as `store-products: description`; `pointer` leads
    into the manifest. `whole`: whatever is in it is used, too."""

    steps: tuple[Step, ...]
    why: str
    pointer: str
    whole: bool = False

    @property
    def path(self) -> str:
        """`lines[].sku`; `.` for the whole message."""
        return spelled(self.steps)


@dataclass(frozen=True, slots=True)
class ContractUse:
    """What a release uses of one pinned contract. `unreadable` says why that is not known, else it is empty."""

    role: Role
    name: str
    reference: str
    contract: str
    schema: str
    fields: tuple[UsedField, ...]
    unreadable: str = ""
    handed_in: bool = False

    @property
    def paths(self) -> tuple[str, ...]:
        """Each field once."""
        return tuple(dict.fromkeys(field.path for field in self.fields))

    @property
    def verb(self) -> str:
        return "reads" if self.role == "source" else "writes"


def of_manifest(manifest: Manifest) -> list[ContractUse]:
    """One for each pin, in the order of `Manifest.pins()`."""
    made = []
    for number, source in enumerate(manifest.sources):
        if source.api and source.contract:
            made.append(_of_source(manifest, number, source))
    for number, target in enumerate(manifest.targets):
        if target.api and target.contract:
            made.append(_of_target(number, target))
    return made


def mapping_of(target: ManifestTarget) -> FieldMap:
    """Raises Invalid where the mapping cannot be read."""
    return parse(target.mapping)


def _of_source(manifest: Manifest, number: int, source: ManifestSource) -> ContractUse:
    found, problems = list[UsedField](), list[str]()
    for index, target in enumerate(manifest.targets):
        if manifest.source_of(target) is not source:
            continue
        at = f"/targets/{index}/mapping"
        try:
            found += [_of_mapping(one, target.name, at) for one in read_fields(mapping_of(target))]
            if target.when:
                when = read_fields(parse(filter_mapping(target.when)))
                found += [UsedField(one.steps, f"{target.name}: condition", f"/targets/{index}/when") for one in when]
        except Invalid as error:
            problems.append(f"the mapping of {target.name} cannot be read: {error.message}")
    found += _of_event(manifest, source)
    try:
        found += _of_connection(number, source)
    except DomainError as error:
        problems.append(f"the connection of {source.name} cannot be read: {error.message}")
    return ContractUse(
        "source",
        source.name,
        source.api or "",
        source.contract or "",
        source.schema or "",
        tuple(dict.fromkeys(found)),
        "; ".join(problems),
        handed_in=source.connection is None,
    )


def _of_target(number: int, target: ManifestTarget) -> ContractUse:
    fields, problem = tuple[UsedField, ...](), ""
    try:
        settings = system_connections.settings_of(target.connection) if target.connection else {}
        kept_back = {name for name in (settings.get("match_field"), *settings.get("not_sent", [])) if name}
        written = [one for one in written_fields(mapping_of(target)) if one.steps[:1] not in {(n,) for n in kept_back}]
        fields = tuple(_of_mapping(one, target.name, f"/targets/{number}/mapping") for one in written)
        fields += tuple(
            UsedField((name,), f"{target.name}: {word}", f"/targets/{number}/connection/settings/{word}")
            for word in ("idempotency_field", "correlation_field")
            if isinstance(name := settings.get(word), str) and name
        )
    except DomainError as error:
        problem = f"the mapping of {target.name} cannot be read: {error.message}"
    return ContractUse(
        "target", target.name, target.api or "", target.contract or "", target.schema or "", fields, problem
    )


def _of_mapping(one: MappedField, target: str, at: str) -> UsedField:
    return UsedField(one.steps, f"{target}: {one.fills or 'each element'}", at + one.pointer, one.whole)


def _of_event(manifest: Manifest, source: ManifestSource) -> Iterator[UsedField]:
    event = manifest.event
    pointers = [("time", "/event/time", event.time)]
    if source.connection is None:
        pointers += [("key", "/event/key", event.key), ("version", "/event/version", event.version)]
    if (valid := manifest.valid_of(source)) is not None:
        at = f"/sources/{manifest.sources.index(source)}/valid" if source.valid is not None else "/event/valid"
        members = (("from", valid.begins), ("until", valid.until), ("zone_from", valid.zone_from))
        pointers += [(f"valid {name}", f"{at}/{name}", pointer or "") for name, pointer in members]
        pointers += [("withdrawn", f"{at}/withdrawn", valid.withdrawn or "")]
        pointers += [("what it is about", f"{at}/of/{number}", one) for number, one in enumerate(valid.of)]
    for why, at, pointer in pointers:
        if pointer:
            steps = tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])
            yield UsedField(steps, f"{source.name}: {why}", at)


def _of_connection(number: int, source: ManifestSource) -> Iterator[UsedField]:
    """The fields of a row that the connector goes by."""
    if source.connection is None:
        return
    settings = system_connections.settings_of(source.connection)
    at = f"/sources/{number}/connection/settings"
    named: list[tuple[str, str, Any]] = [
        *(("key", "key_fields", one) for one in _listed(settings.get("key_fields"))),
        ("version", "version_field", settings.get("version_field")),
        ("change stamp", "changed", settings.get("changed")),
        *(("expanded", "expand", one) for one in _listed(settings.get("expand"))),
        ("change stamp", "changes/field", _inner(settings.get("changes"), "field")),
        ("order", "paging/order_by", _inner(settings.get("paging"), "order_by")),
    ]
    for why, place, path in named:
        if isinstance(path, str) and path:
            steps: tuple[Step, ...] = json_paths.steps(path.replace("/", ".") if place == "expand" else path)
            yield UsedField(steps, f"{source.name}: {why}", f"{at}/{place}")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _inner(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None


__all__ = ["ELEMENT", "ContractUse", "Role", "UsedField", "mapping_of", "of_manifest"]
