"""Which messages say the same as those that are to be erased: corrections of their key, dated copies; and under which
keys and numbers the rejected ones stand that they were before.

A correction that a person let in stands under `key#2`, `key#3` and so on, and is caused by the conflict case
(`services.cases`).
"""
# ruff: noqa: S608 - statements are assembled from constants of this package

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any

from runtime.domain.correlation import STATE_MARK, subject_of
from runtime.models import Stream
from runtime.selectors.corrections import CAUSE, MOST_CORRECTIONS, first_of

LEAST_NAMED = 6  # characters of a key that is looked for in what was rejected without one
_AROUND = "[^[:alnum:]_-]"
_LANES = "any(array(select l.lane from runtime_lane l where l.stream_id = %(stream)s))"
# Known keys are dropped after a while: then messages of one may be in chains that nothing leads to. They came before
# this moment, and months that are over have an index of these names (`runtime_index_keys`).
FORGOTTEN = """(
       select (max(d.day) + 1)::timestamp at time zone 'utc'
         from runtime_dropped d
        where d.data_class = 'heads' and d.stream_id = %(stream)s and d.number > 0)"""
ROOT = f"regexp_replace(split_part(m.key, '{STATE_MARK}', 1), '#[0-9]{{1,2}}$', '')"
ROOT_OF_K = ROOT.replace("m.key", "k")
# Caused by a case, or the same as what a case let in: then somebody else had stored it under that key before.
_CORRECTIONS = f"""
select h.key
  from unnest(%(keys)s::text[]) k(key)
  cross join generate_series(2, {MOST_CORRECTIONS - 1}) n
  join runtime_head h on h.stream_id = %(stream)s and h.key = k.key || '#' || n
 where exists (
         select from runtime_message m
          where m.stream_id = %(stream)s and m.lane = {_LANES} and m.position = h.position and m.key = h.key
            and m.causation ~ '{CAUSE}')
    or exists (
         select from runtime_conflict c
          where c.stream_id = %(stream)s and c.key = k.key and c.state = 'replaced' and c.hash = h.hash)
 union
select m.key
  from runtime_message m
 where m.stream_id = %(stream)s
   and m.causation ~ '{CAUSE}'
   and m.received_at < {FORGOTTEN}
   and {ROOT} = any(array(select {ROOT_OF_K} from unnest(%(keys)s::text[]) k))
   and regexp_replace(m.key, '#[0-9]{{1,2}}$', '') = any(%(keys)s)"""
_IS_CORRECTION = f"""
select exists (
  select from runtime_head h
    join runtime_message m
      on m.stream_id = h.stream_id and m.lane = {_LANES} and m.position = h.position and m.key = h.key
   where h.stream_id = %(stream)s and h.key = %(key)s and m.causation ~ '{CAUSE}')"""
# A dated state is put into the log again on the day from which it counts.
_COPIES = f"""
select m.lane, m.position, m.key
  from runtime_validitymoment v
  join runtime_message m
    on m.stream_id = v.stream_id
   and m.lane = {_LANES}
   and m.position in (v.position, v.of_position)
   and m.key in (v.subject, v.subject || '{STATE_MARK}' || v.record)
 where v.stream_id = %(stream)s
   and %(position)s in (v.position, v.of_position)
   and %(key)s in (v.subject, v.subject || '{STATE_MARK}' || v.record)"""
_CAUSES = """
select distinct substr(m.causation, 10)::bigint
  from unnest(%(lanes)s::int[], %(positions)s::bigint[]) as x(lane, position)
  join runtime_message m on m.stream_id = %(stream)s and m.lane = x.lane and m.position = x.position
 where m.causation ~ '^rejected [0-9]{1,18}$'"""


def keys_of(cursor: Any, stream: int, key: str) -> list[str]:
    """The key, what it corrects, and every correction of it."""
    while (first := first_of(key)) is not None:
        cursor.execute(_IS_CORRECTION, {"stream": stream, "key": key})
        if not cursor.fetchone()[0]:
            break
        key = first
    found, new = {key}, {key}
    while new:
        cursor.execute(_CORRECTIONS, {"stream": stream, "keys": sorted(new)})
        new = {one for (one,) in cursor.fetchall()} - found
        found |= new
    return sorted(found)


def copies_of(cursor: Any, stream: int, key: str, position: int) -> set[tuple[int, int, str]]:
    """The places at which the same dated state stands once more, and the one that it is a copy of."""
    cursor.execute(_COPIES, {"stream": stream, "key": key, "position": position})
    return set(cursor.fetchall())


def rejected_of(cursor: Any, stream: Stream, chosen: dict[str, Any]) -> dict[str, Any]:
    """Under which keys, of which source, and under which numbers rejected messages say the same. They have the key as
    the source gives it."""
    cursor.execute(_CAUSES, chosen)
    numbers = [one for (one,) in cursor.fetchall()]
    named = {(source, subject_of(key)) for key in chosen["keys"] for source, key in _as_given(stream, key)}
    return {
        "rejected": numbers,
        "subjects": sorted({subject_of(key) for key in chosen["keys"]}),
        "sources": [source for source, _ in sorted(named)],
        "given": [key for _, key in sorted(named)],
        "mentions": _mentions({subject_of(key) for key in chosen["keys"]} | {key for _, key in named}),
    }


def _mentions(keys: Collection[str]) -> list[str]:
    """Patterns of PostgreSQL for a text that names one of them, and not a longer one. A short key may be any number."""
    return [f"(^|{_AROUND}){re.escape(key)}($|{_AROUND})" for key in sorted(keys) if len(key) >= LEAST_NAMED]


def _as_given(stream: Stream, key: str) -> Iterable[tuple[str, str]]:
    for name in _sources(stream):
        if key.startswith(f"{name}:"):
            yield name, key.removeprefix(f"{name}:")


def _sources(stream: Stream) -> Collection[str]:
    """Of every release that was ever deployed there, if it has several."""
    deployments = stream.integration.deployments.filter(environment=stream.environment)
    read = deployments.values_list("release__manifest__sources", flat=True).distinct()
    return {source["name"] for sources in read if sources and len(sources) > 1 for source in sources}
