"""Which fields of the newest messages of a flow none of its targets uses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
from django.db import connection

from kernel.errors import Invalid
from runtime.domain.manifest import Manifest, ManifestSource
from runtime.mapping import parse
from runtime.mapping.formula import parse_formula
from runtime.mapping.unused import FieldReads, UnusedField, reads_of, reads_of_formula, reads_of_pointers, unused

SAMPLE = 200  # messages that are looked at
SHOWN = 60  # fields of one source
_NEWEST = """
select m.key, m.payload
  from runtime_stream t
       join runtime_integration i on i.id = t.integration_id
       cross join lateral generate_series(0, t.lanes - 1) as l(lane)
       cross join lateral (
         select key, payload, received_at
           from runtime_message
          where stream_id = t.id
            and lane = l.lane
          order by position desc
          limit %(most)s
       ) m
 where i.key = %(integration)s
   and t.environment = %(environment)s
 order by m.received_at desc
 limit %(most)s"""


@dataclass(frozen=True, slots=True)
class UnusedOfSource:
    """Of one source: the most frequent unused fields of its `messages` newest messages, and how many more there are."""

    source: str
    messages: int
    fields: list[UnusedField]
    more: int


def of_flow(manifest: Manifest, environment: str) -> list[UnusedOfSource]:
    """One entry a source that has messages. The caller has to see the integration; values are not told, only names."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, {"integration": manifest.integration, "environment": environment, "most": SAMPLE})
        rows = cursor.fetchall()
    made = []
    for source in manifest.sources:
        prefix = manifest.prefix(source)
        documents = [_document(payload) for key, payload in rows if key.startswith(prefix)]
        if documents:
            found = unused(documents, list(_reads(manifest, source)))
            made.append(UnusedOfSource(source.name, len(documents), found[:SHOWN], len(found[SHOWN:])))
    return made


def _document(payload: object) -> object:
    return msgspec.json.decode(payload) if isinstance(payload, str) else payload


def _reads(manifest: Manifest, source: ManifestSource) -> Iterator[FieldReads]:
    """Of the targets that listen to a source, and of the ledger itself. A mapping that cannot be read is passed over:
    its page says so."""
    event, valid = manifest.event, manifest.valid_of(source)
    pointers = [event.key, event.version, event.time]
    if valid is not None:
        pointers += [one for one in (*msgspec.structs.astuple(valid), *valid.of) if isinstance(one, str)]
    yield reads_of_pointers(pointers)
    for target in manifest.targets:
        if manifest.source_of(target) is not source:
            continue
        try:
            yield reads_of(parse(target.mapping))
            if target.when:
                yield reads_of_formula(parse_formula(target.when))
        except (Invalid, ValueError):
            continue


__all__ = ["UnusedOfSource", "of_flow"]
