"""Corrections of a key: facts that a person let in beside the first one, each under a key of its own (`key#2`).

Its cause says which conflict case it comes from; what belongs together is found by the names.
"""
# ruff: noqa: S608 - statements are assembled from constants of this module

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol

from django.db import connection

from runtime.permissions import SEEN

MOST_CORRECTIONS = 100
CAUSE = "^conflict [0-9]{1,18}$"
_NUMBER = re.compile(r"#[0-9]{1,2}\Z")
_CAUSED = re.compile(r"conflict ([0-9]{1,18})\Z")
LANES_OF = "any(array(select l.lane from runtime_lane l where l.stream_id = h.stream_id))"
SAME_FACT = f"""
select m.stream_id as stream, m.lane, m.position, m.key, m.version, m.received_at, i.key as integration, i.title,
       st.environment, m.correlation, st.salt
  from runtime_head h
  join runtime_message m
    on m.stream_id = h.stream_id and m.lane = {LANES_OF} and m.position = h.position and m.key = h.key
  join runtime_stream st on st.id = m.stream_id
  join runtime_integration i on i.id = st.integration_id
 where h.stream_id = %(stream)s
   and h.key = any(%(names)s)
   and h.key <> %(key)s
   and (h.key = %(first)s or m.causation ~ '{CAUSE}')
 order by m.received_at"""

BY_CASE = f"""
select m.stream_id as stream, m.lane, m.position, m.key, m.version, m.received_at, i.key as integration, i.title,
       st.environment, m.correlation, st.salt
  from runtime_conflict c
  cross join generate_series(2, {MOST_CORRECTIONS - 1}) n
  join runtime_head h on h.stream_id = c.stream_id and h.key = c.key || '#' || n
  join runtime_message m
    on m.stream_id = h.stream_id and m.lane = {LANES_OF} and m.position = h.position and m.key = h.key
  join runtime_stream st on st.id = m.stream_id
  join runtime_integration i on i.id = st.integration_id
 where c.id = %(case)s
   and m.causation = 'conflict ' || c.id
   and {SEEN}"""


AMONG = f"""
select m.position is not null and m.causation ~ '{CAUSE}'
  from unnest(%(lanes)s::int[], %(positions)s::bigint[]) with ordinality x (lane, position, n)
  left join runtime_message m on m.stream_id = %(stream)s and m.lane = x.lane and m.position = x.position
 order by x.n"""


class MessagePlace(Protocol):
    """A message of a stream by its place."""

    @property
    def lane(self) -> int: ...
    @property
    def position(self) -> int: ...
    @property
    def key(self) -> str: ...


def among(stream: int, messages: Sequence[MessagePlace]) -> list[bool]:
    """Which of some messages of a stream are corrections. Most have no name of one, and cost no question."""
    if not any(_NUMBER.search(one.key) for one in messages):
        return [False] * len(messages)
    given: dict[str, Any] = {
        "stream": stream,
        "lanes": [one.lane for one in messages],
        "positions": [one.position for one in messages],
    }
    with connection.cursor() as cursor:
        cursor.execute(AMONG, given)
        return [bool(corrects) for (corrects,) in cursor.fetchall()]


def cause_of(text: str) -> int | None:
    """The number of the conflict case that is named as the cause of a message."""
    found = _CAUSED.fullmatch(text)
    return int(found[1]) if found else None


def names_of(key: str, causation: str) -> dict[str, Any]:
    """Arguments of SAME_FACT: the first key, and the names that corrections of it may have."""
    first = _NUMBER.sub("", key) if cause_of(causation) is not None else key
    return {"key": key, "first": first, "names": [first, *(f"{first}#{n}" for n in range(2, MOST_CORRECTIONS))]}


def first_of(key: str) -> str | None:
    """What a key would be a correction of."""
    first = _NUMBER.sub("", key)
    return None if first == key else first
