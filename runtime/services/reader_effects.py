"""What another contract does to the fields that a release uses: gone, gone in part, or of a shape that its mapping does
not fit any more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from kernel.errors import Invalid
from runtime.domain.manifest import Manifest, ManifestTarget
from runtime.mapping import MappingFinding, check_against
from runtime.mapping.places import FieldPlaces, SchemaPlaces, Step, spelled
from runtime.services import field_uses, manifest_checks
from runtime.services.field_readers import ContractPlaces, FlowUse, places_of
from runtime.services.field_uses import ContractUse, UsedField

Level = Literal["error", "warning"]
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect on one release. `pointer` leads into the older contract, empty for the whole of it; `fields` are the
    paths that the release uses there."""

    rule: str
    level: Level
    pointer: str
    message: str
    fields: tuple[str, ...] = ()


def unreadable(flow: FlowUse, before: ContractPlaces | None) -> str:
    """Why nobody can say which fields the release uses; empty where that is known."""
    use = flow.use
    if use.unreadable:
        return use.unreadable
    if before is None:
        return "the older contract cannot be read"
    if before.at(use.schema) is None:
        where = f"at {use.schema}" if use.schema else "as a whole"
        return f"the manifest names no schema with fields: the older contract has none {where}"
    return ""


def effects(flow: FlowUse, before: ContractPlaces, after: ContractPlaces) -> Iterator[Effect]:
    """What going from the one contract to the other does to a release that can be read. Differences that do not touch
    it have no effect."""
    use = flow.use
    old = before.at(use.schema)
    assert old is not None
    pointer = use.schema if after.at(use.schema) is not None else before.renamed(use.schema, after)
    new = after.at(pointer) if pointer else None
    if new is None:
        said = f"{flow.name} {use.verb} messages of the schema {use.schema or 'of the whole'}, which is gone."
        yield Effect("flow.schema_removed", "error", use.schema, said)
        return
    if before.used(use.schema) and not after.used(pointer):
        said = f"{flow.name} {use.verb} messages of the schema {use.schema}, which no operation has any more."
        yield Effect("flow.schema_removed", "error", use.schema, said)
        return
    gone = set[str]()
    for effect, fields in _removed(flow, places_of(use, old), old, new):
        gone |= {field.pointer for field in fields} if effect.level == "error" else set()
        yield effect
    yield from _misfits(flow, old, new, gone)


def _removed(
    flow: FlowUse, used: list[tuple[UsedField, FieldPlaces]], old: SchemaPlaces, new: SchemaPlaces
) -> Iterator[tuple[Effect, list[UsedField]]]:
    """Fields that the newer contract declares no more, those below one parent together; and fields that are gone from
    some of their places."""
    removed, partly = dict[tuple[Step, ...], list[UsedField]](), dict[tuple[Step, ...], list[UsedField]]()
    for field, places in used:
        if not places.declared:
            continue
        found = new.find(field.steps)
        if found.missing is not None:
            removed.setdefault(field.steps[: found.missing + 1], []).append(field)
        elif len(found.leaves) < len(places.leaves):
            partly.setdefault(field.steps, []).append(field)
        elif field.whole and flow.use.role == "source":
            yield from _inner(flow, field, old, new)
    for listed, whole in ((removed, True), (partly, False)):
        for steps, fields in listed.items():
            leaves, left = old.find(steps).leaves, set(() if whole else new.find(steps).leaves)
            pointer = next((leaf for leaf in leaves if leaf not in left), next(iter(leaves), ""))
            yield _gone(flow, spelled(steps), pointer, fields, whole=whole), fields


def _inner(
    flow: FlowUse, field: UsedField, old: SchemaPlaces, new: SchemaPlaces
) -> Iterator[tuple[Effect, list[UsedField]]]:
    """What is gone of a field that is used as a whole: the uppermost of it."""
    gone: list[tuple[Step, ...]] = []
    for pointer, steps in old.members(field.steps).items():
        if new.find(steps).declared or any(steps[: len(one)] == one for one in gone):
            continue
        gone.append(steps)
        lost = f"of which `{spelled(steps)}` is gone"
        said = f"{flow.name} passes on the whole of `{field.path}`, {lost}: {field.why}."
        yield Effect("flow.field_removed", "error", pointer, said, (field.path,)), []


def _gone(flow: FlowUse, path: str, pointer: str, fields: list[UsedField], *, whole: bool) -> Effect:
    paths = tuple(dict.fromkeys(field.path for field in fields))
    where = "gone" if whole else "gone from a part of its places"
    inner = [one for one in paths if one != path]
    through = f", and with it {_listed(inner)}" if inner else ""
    verb = flow.use.verb if path in paths else f"{flow.use.verb} through"
    said = f"{flow.name} {verb} `{path}`, which is {where}{through}: {_why(fields)}."
    rule = "flow.field_removed" if whole else "flow.field_partly_removed"
    return Effect(rule, "error" if whole else "warning", pointer, said, paths)


def _listed(paths: list[str]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(f"`{one}`" for one in paths[:_SHOWN]) + more


def _why(fields: list[UsedField]) -> str:
    reasons = list(dict.fromkeys(field.why for field in fields))
    more = f" and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
    return ", ".join(reasons[:_SHOWN]) + more


def _misfits(flow: FlowUse, old: SchemaPlaces, new: SchemaPlaces, gone: set[str]) -> Iterator[Effect]:
    """What the mappings did not have to be told before: types, lengths, enumerations, what a target asks for."""
    manifest = flow.release.manifest
    for number, target in _concerned(manifest, flow.use):
        known = {(f.code, f.pointer, f.message) for f in _checked(target, flow.use, old)}
        for one in _checked(target, flow.use, new):
            at = f"/targets/{number}/mapping{one.pointer}"
            if at in gone or (one.code, one.pointer, one.message) in known:
                continue
            if one.severity == "error" and _excused(target, flow.use, one):
                continue
            used = [field for field in flow.use.fields if at.startswith(field.pointer)]
            places = [old.find(field.steps) for field in used]
            pointer = next((place.leaves[0] for place in places if place.leaves), flow.use.schema)
            level: Level = "error" if one.severity == "error" else "warning"
            paths = tuple(dict.fromkeys(field.path for field in used))
            yield Effect("flow.field_changed", level, pointer, f"{flow.name}, {target.name}: {one.message}.", paths)


def _concerned(manifest: Manifest, use: ContractUse) -> Iterator[tuple[int, ManifestTarget]]:
    for number, target in enumerate(manifest.targets):
        of_source = use.role == "source" and manifest.source_of(target).name == use.name
        if of_source or (use.role == "target" and target.name == use.name):
            yield number, target


def _checked(target: ManifestTarget, use: ContractUse, schema: SchemaPlaces) -> list[MappingFinding]:
    try:
        mapping = field_uses.mapping_of(target)
    except Invalid:
        return []  # said by `unreadable`
    told = dict(schema.root.schema)
    if use.role == "source":
        return check_against(mapping, told, {}, resolve=schema.resolve)
    return check_against(mapping, {}, told, resolve_target=schema.resolve)


def _excused(target: ManifestTarget, use: ContractUse, one: MappingFinding) -> bool:
    """What the connection fills by itself, or what serves the address alone."""
    if use.role == "source":
        return False
    if manifest_checks.filled_by_connector(target, one.member):
        return True
    return manifest_checks.serves_the_address(target, field_uses.mapping_of(target), one.pointer)
