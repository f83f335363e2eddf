"""Manifest checks of addresses: everything that a path or a name needs is filled by something that a message has.

A placeholder that nothing fills would otherwise pass every approval and be sent as it stands, or refuse every message.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kernel.errors import DomainError, finding
from runtime.connectors.protocols import Comparing, SinkConnector
from runtime.domain.manifest import Manifest, ManifestTarget
from runtime.domain.templates import INSTANCE, names_in, problem_of
from runtime.mapping import Mapping, parse
from runtime.services import system_connections

_FIXED = ("key", "idempotency_key")


def addresses(manifest: Manifest) -> list[dict[str, Any]]:
    """What the paths of a target need and its `address` lacks, and names in templates that its mapping does not
    make."""
    found: list[dict[str, Any]] = []
    for number, target in enumerate(manifest.targets):
        if target.connection is None:
            continue
        try:
            sink = system_connections.opened_to_check(target.connection, role="sink")
            mapping = parse(target.mapping)
        except DomainError:
            continue  # reported by `links` and `mappings`
        found += _of_target(target, sink, mapping, f"/targets/{number}")
    return found


def _of_target(target: ManifestTarget, sink: SinkConnector, mapping: Mapping, at: str) -> Iterator[dict[str, Any]]:
    for name in sorted((sink.write_address | sink.ask_address) - set(target.address)):
        said = f"the path of the connection needs {{{name}}}, and 'address' does not say where it comes from"
        yield finding(f"{at}/address", said, code="address.missing")
    if (known_by := getattr(sink, "asks_by", "")) and target.ask_by != known_by:
        said = f"the connection knows a message again by its {known_by} alone; write ask_by: {known_by}"
        yield finding(f"{at}/ask_by", said, code="address.asked_by")
    templates = [(f"{at}/address/{name}", template) for name, template in target.address.items()]
    if target.ask_by not in _FIXED:
        if not set(names_in(target.ask_by)) - {INSTANCE}:
            example = target.ask_by.strip("{}") or "id"
            said = (
                f"'ask_by' is {target.ask_by!r} for every message: write key, idempotency_key, or a template with "
                f"fields of the mapped document in braces, such as {{{example}}}"
            )
            yield finding(f"{at}/ask_by", said, code="address.same_for_all")
        templates.append((f"{at}/ask_by", target.ask_by))
    for pointer, template in templates:
        if problem := problem_of(template):
            yield finding(pointer, problem, code="address.template")
            continue
        for name in names_in(template):
            if problem := _problem(name, target, mapping):
                yield finding(pointer, problem, code="address.no_field")
    fields = [("match_field", sink.match_field)] if sink.match_field else []
    if isinstance(sink, Comparing):
        fields += [("lookup/holds", name) for name in sink.holds.values()]
    for setting, name in [*fields, *(("not_sent", name) for name in sorted(sink.not_sent - {sink.match_field}))]:
        if problem := _problem(name, target, mapping):
            yield finding(f"{at}/connection/settings/{setting}", problem, code="address.no_field")


def _problem(name: str, target: ManifestTarget, mapping: Mapping) -> str:
    """Why a name cannot be filled; empty where it can."""
    if name == INSTANCE:
        return "" if target.instances else "{instance} needs 'instances': this target has none"
    path = tuple(name.split("."))
    made = [one for one in mapping.fields if one.target == path[: len(one.target)] or one.target[: len(path)] == path]
    if not made:
        tops = ", ".join(sorted({one.target[0] for one in mapping.fields})[:10])
        return f"the mapping makes no field {name!r}; it makes {tops}"
    if all(one.each is not None for one in made):
        return f"{name!r} is a list, and no name can be read from it"
    if all(len(one.target) > len(path) for one in made):
        return f"{name!r} is an object, and no name can be read from it; name a field inside it ({name}.…)"
    return ""
