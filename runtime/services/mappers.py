"""From a manifest's target to the mapper that the ledger calls for each message, or for a whole batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from runtime.domain.manifest import Manifest, ManifestTarget
from runtime.ledger.copy_format import cell
from runtime.ledger.log_reader import LoggedMessage
from runtime.ledger.mappers import Mapper, Skipped, Unmappable
from runtime.mapping import MappingError, compile_mapping, parse
from runtime.mapping.rows import NEEDS_COMPILED_MAPPING, compile_lines


def filter_mapping(formula: str) -> dict[str, Any]:
    """A target's `when` as a mapping of one field, so that both have the same language and the same checks."""
    return {"mapping": "when", "version": "1", "fields": [{"to": "keep", "formula": formula, "type": "boolean"}]}


def mapper_of(manifest: Manifest, target: ManifestTarget) -> Mapper:
    """The mapper of one target. Raises Invalid when the mapping or the filter cannot be read."""
    run = compile_mapping(parse(target.mapping))
    keep = compile_mapping(parse(filter_mapping(target.when))) if target.when else None

    prefix = manifest.prefix(manifest.source_of(target))
    if keep is None and not prefix:
        return _plain_mapper(run)

    def mapped(message: LoggedMessage) -> Any:
        if not message.key.startswith(prefix):
            raise Skipped
        try:
            if keep is not None and keep(message.document).get("keep") is not True:
                raise Skipped
            return run(message.document, message.correlation)
        except MappingError as error:
            raise Unmappable(str(error), pattern=error.pattern) from None

    return Mapper(mapped)


def _plain_mapper(run: Callable[..., Any]) -> Mapper:
    """Without filter and prefix: the usual case on the hot path."""

    def mapped(message: LoggedMessage) -> Any:
        try:
            return run(message[2], message[3])
        except MappingError as error:
            raise Unmappable(str(error), pattern=error.pattern) from None

    return Mapper(mapped)


def row_mapper(mapper: Mapper, columns: Sequence[str]) -> Mapper:
    """The same as a tuple in the order of the table's columns; a value that the mapping omits is null."""

    map_one = mapper.one
    pick = itemgetter(*columns) if len(columns) > 1 else None

    def row(message: LoggedMessage) -> tuple[Any, ...]:
        mapped = map_one(message)
        if pick is not None and len(mapped) == len(columns):
            picked: tuple[Any, ...] = pick(mapped)
            return picked
        return tuple([mapped.get(column) for column in columns])

    return Mapper(row)


def table_mapper(manifest: Manifest, target: ManifestTarget, columns: Sequence[str]) -> Mapper:
    """The mapper of a table target.

    Without a filter, whole batches are mapped straight from payloads to lines for COPY.
    """
    mapper = row_mapper(mapper_of(manifest, target), columns)
    if target.when or manifest.prefix(manifest.source_of(target)):
        return mapper
    quick = compile_lines(parse(target.mapping), cell)
    if quick is None:
        return mapper

    def lines(payloads: Sequence[bytes]) -> list[str] | None:
        try:
            return quick(payloads)
        except NEEDS_COMPILED_MAPPING:
            return None

    return Mapper(mapper.one, lines)


def columns_of(target: ManifestTarget) -> tuple[str, ...]:
    """The columns that the mapping fills, in the mapping's order."""
    return tuple(".".join(field.target) for field in parse(target.mapping).fields)
