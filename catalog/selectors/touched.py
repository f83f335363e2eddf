"""Who of the known consumers of a version a difference touches: by operation where it is known which ones they call."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from django.db import connection

from catalog.selectors import consumers
from kernel.ui.wording import counted

_SHOWN = 4

_OPERATIONS = """
select a.key, u.operation
  from catalog_operationuse u
  join catalog_application a on a.id = u.application_id
 where u.version_id = %(version)s
   and u.calls > 0
   and u.last_seen_at > clock_timestamp() - interval '30 days'
   and (%(environment)s::text is null or u.environment_id = (
     select id from catalog_environment where key = %(environment)s))
"""


@dataclass(frozen=True, slots=True)
class Touched:
    """Names of applications. `surely` call one of the operations, `perhaps`: nobody reported which operations they
    call, `spared` call other operations only."""

    surely: tuple[str, ...] = ()
    perhaps: tuple[str, ...] = ()
    spared: tuple[str, ...] = ()

    @property
    def known(self) -> int:
        return len(self.surely) + len(self.perhaps) + len(self.spared)

    @property
    def in_words(self) -> str:
        """ "Touches 1 of 4 known consumers: Web shop. 2 call other operations only."; empty where none is known."""
        if not self.known:
            return ""
        known = counted(self.known, "known consumer")
        said = []
        if self.surely:
            said.append(f"Touches {len(self.surely)} of {known}: {_names(self.surely)}.")
        if self.perhaps:
            start = f"{len(self.perhaps)} more may be" if self.surely else f"May touch {len(self.perhaps)} of {known}"
            said.append(f"{start}: {_names(self.perhaps)}; which operations they call was not reported.")
        if self.spared and len(self.spared) == self.known:
            said.append(f"Touches none of {known}: they call other operations.")
        elif self.spared:
            said.append(f"{len(self.spared)} call{'s' if len(self.spared) == 1 else ''} other operations only.")
        return " ".join(said)


@dataclass(frozen=True, slots=True)
class KnownConsumers:
    """The live consumers of a version by key, and the operations that each was seen to call in the last 30 days."""

    names: Mapping[str, str]
    called: Mapping[str, frozenset[str]]

    def touched(self, operations: Collection[str], *, only: Collection[str] | None = None) -> Touched:
        """Who is touched by a difference of these operations; one of the whole document (no operation) touches all.
        `only` limits the answer to these application keys."""
        surely, perhaps, spared = list[str](), list[str](), list[str]()
        for key, name in self.names.items():
            if only is not None and key not in only:
                continue
            called = self.called.get(key)
            if not operations or (called and not called.isdisjoint(operations)):
                surely.append(name)
            elif called:
                spared.append(name)
            else:
                perhaps.append(name)
        return Touched(tuple(surely), tuple(perhaps), tuple(spared))


def _names(names: tuple[str, ...]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def known_consumers(version_id: int, *, environment: str | None = None) -> KnownConsumers:
    """Who would notice a change of this version, with the operations that each calls."""
    names = {c.application_key: c.name for c in consumers.live_of_version(version_id, environment=environment)}
    with connection.cursor() as cursor:
        cursor.execute(_OPERATIONS, {"version": version_id, "environment": environment})
        rows: Iterable[tuple[str, str]] = cursor.fetchall()
    called: dict[str, set[str]] = {}
    for key, operation in rows:
        called.setdefault(key, set()).add(operation)
    return KnownConsumers(names, {key: frozenset(several) for key, several in called.items()})
