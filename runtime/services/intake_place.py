"""What is deployed where calls hand in messages. It is remembered from call to call, and each append asks whether it is
still so."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from kernel.errors import NotFound
from runtime.domain import manifest as manifests
from runtime.domain.manifest import Manifest
from runtime.ledger import pool
from runtime.ledger.connections import Connection
from runtime.ledger.streams import CHANGES_OF_LANES, StillSo, StreamRef

Place = tuple[str, str]
"""Integration and environment."""
_DEPLOYED = f"""
select t.id, t.lanes, t.salt, t.immutable, case when t.immutable then runtime_known_since(i.id, t.id) end,
       {CHANGES_OF_LANES.format("t")}, d.release_id
  from runtime_integration i
  join runtime_stream t on t.integration_id = i.id and t.environment = %s
  join runtime_deployment d on d.integration_id = i.id and d.environment = t.environment and d.active
 where i.key = %s"""  # noqa: S608 - constants

_known: dict[Place, tuple[Any, ...]] = {}


def still(place: Place) -> StillSo | None:
    row = _known.get(place)
    return None if row is None else StillSo(_DEPLOYED, (place[1], place[0]), row)


def remember(place: Place, row: tuple[Any, ...]) -> None:
    _known[place] = row


def forget(place: Place) -> None:
    _known.pop(place, None)


def deployed_row(conn: Connection, place: Place) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = conn.execute(_DEPLOYED, (place[1], place[0])).fetchone()
    if row is None:
        raise NotFound(
            "deployment.none", f"{place[0]} is not deployed in {place[1]}; nothing accepts its messages there."
        )
    return row


def deployment(row: tuple[Any, ...]) -> tuple[StreamRef, int, Manifest]:
    return StreamRef(*row[:6]), row[6], _manifest_of(row[6])


@lru_cache(maxsize=64)
def _manifest_of(release: int) -> Manifest:
    with pool.connection() as conn:
        row = conn.execute("select manifest from runtime_release where id = %s", (release,)).fetchone()
    if row is None:
        raise NotFound("release.unknown", f"There is no release {release}.")
    return manifests.load(row[0])
