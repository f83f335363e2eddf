"""What the applications run that use an API version, as the gate reads it: their records, checked against the count."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from governance.selectors.records import NO_STORE
from kernel import prepared_queries


@dataclass(frozen=True, slots=True)
class ConsumerRecords:
    """Live records of one application: what each consumes of the versions in question, and whether it runs where the
    question goes to. `sound` False: rows vanished, so that nothing follows from them."""

    sound: bool
    used: tuple[tuple[frozenset[str], bool], ...] = field(default=())

    def uses(self, version: str) -> bool:
        """Whether any of its records says that it uses the version."""
        return any(version in used for used, _ in self.used)

    def only_elsewhere(self, version: str) -> bool:
        """Whether its records say that it uses the version, and on other instances only."""
        places = [here for used, here in self.used if version in used]
        return self.sound and bool(places) and not any(places)

    def upgraded(self, version: str, before: Iterable[str]) -> bool | None:
        """Whether it uses the version in each place of the question in which it uses one of those before. None: nobody
        knows."""
        if not self.sound:
            return None
        old, here = frozenset(before), [used for used, is_here in self.used if is_here]
        return any(version in used for used in here) and all(version in used or not used & old for used in here)


_CONSUMING = f"""
with used as (
  select r.application, normalize(r.instance, nfc) in ('', %(instance)s) or %(instance)s = '' or {NO_STORE} as here,
         array(select p from unnest(r.consumes) p where p = any(%(versions)s) order by p) as versions
    from governance_applicationrelease r
   where r.environment = %(environment)s
     and r.ended_at is null
     and r.consumes && %(versions)s::varchar[]),
counted as (
  select r.application, count(*) as live
    from governance_applicationrelease r
   where r.environment = %(environment)s
     and r.ended_at is null
     and r.application in (select application from used)
   group by 1)
select distinct u.application, u.versions, u.here, c.live = coalesce(t.live, 0)
  from used u
  join counted c on c.application = u.application
  left join governance_releasetally t
    on t.environment = %(environment)s and t.kind = 'application' and t.name = u.application
"""  # noqa: S608 - our own fragment


def consuming(versions: Iterable[str], environment: str, instance: str) -> dict[str, ConsumerRecords]:
    """The live records that consume any of these versions there, by application."""
    wanted = sorted(set(versions))
    if not wanted:
        return {}
    asked = {"versions": wanted, "environment": environment, "instance": instance}
    found: dict[str, list[tuple[frozenset[str], bool]]] = {}
    sound: dict[str, bool] = {}
    for application, used, here, counts in prepared_queries.rows(_CONSUMING, asked):
        found.setdefault(application, []).append((frozenset(used), here))
        sound[application] = counts
    return {application: ConsumerRecords(sound[application], tuple(used)) for application, used in found.items()}
