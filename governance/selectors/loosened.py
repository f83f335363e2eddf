"""The facts by which changes of an API are judged: the present ones, and stricter ones of before that no approved
change has answered for yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast

from django.db import connection

from catalog.domain.facts import Access, EntityUse, VersionFacts
from governance.models import LoosenedFact

_CLASSES = ("public", "internal", "personal", "cardholder")
_STRICTER = """
select slug, id, fact, was, at
  from governance_stricter_fact
 where slug = any(%s)
 order by id
"""


@dataclass(frozen=True, slots=True)
class StricterFact:
    """`was` is empty where nothing was stated, which counts as the gravest."""

    id: int
    fact: str
    was: str
    at: datetime

    def finding(self, now: str) -> dict[str, Any]:
        """One line of a change's difference."""
        name = LoosenedFact.Fact(self.fact).label
        was = self.was or "not stated"
        message = (
            f"{name}: {was} until {self.at:%d %b %Y %H:%M} UTC, now {now or 'not stated'}. This change is judged by "
            "what it was; once it has taken effect, what it is now counts."
        )
        return {
            "id": f"loosened-{self.id}",
            "rule": f"api.loosened.{self.fact}",
            "level": "attention",
            "pointer": f"/{self.fact}",
            "message": message,
        }


@dataclass(frozen=True, slots=True)
class Loosened:
    """The stricter facts of one API."""

    facts: tuple[StricterFact, ...] = ()
    by_fact: Mapping[str, tuple[StricterFact, ...]] = field(default_factory=dict)

    @property
    def ids(self) -> tuple[int, ...]:
        return tuple(one.id for one in self.facts)

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.was for one in self.of("domain")))

    def of(self, fact: str) -> tuple[StricterFact, ...]:
        return self.by_fact.get(fact, ())

    def data_class(self, now: str) -> str:
        """The gravest, empty where it was or is not stated."""
        given = [now, *(one.was for one in self.of("data_class"))]
        return max(given, key=_CLASSES.index) if all(one in _CLASSES for one in given) else ""

    def tier(self, now: int | None) -> int | None:
        """The most critical, None where it was or is not stated."""
        given = [now, *(int(one.was) if one.was else None for one in self.of("tier"))]
        known = [one for one in given if one is not None]
        return min(known) if len(known) == len(given) else None

    def applied_to(self, version: VersionFacts) -> VersionFacts:
        """The version as it decides which approvals a change needs. Checks look at what it is now."""
        if not self.facts:
            return version
        more = [_use(one.was) for one in self.of("entity")]
        return replace(
            version,
            data_class=self.data_class(version.data_class),
            tier=self.tier(version.tier),
            entities=(*version.entities, *(use for use in more if use not in version.entities)),
        )

    def findings(self, *, data_class: str, tier: int | None, domain: str) -> tuple[dict[str, Any], ...]:
        """Lines of a change's difference, beside what the API says now."""
        stated = "" if tier is None else str(tier)
        now = {"data_class": data_class, "tier": stated, "domain": domain, "entity": "not exposed in this way"}
        return tuple(one.finding(now[one.fact]) for one in self.facts)


def _use(exposed: str) -> EntityUse:
    place, _, access = exposed.partition(" ")
    entity, _, group = place.partition("/")
    return EntityUse(entity, group or None, cast(Access, access))


def of(slug: str) -> Loosened:
    return of_each([slug])[slug]


def of_each(slugs: Sequence[str]) -> dict[str, Loosened]:
    found: dict[str, list[StricterFact]] = {slug: [] for slug in slugs}
    with connection.cursor() as cursor:
        cursor.execute(_STRICTER, [list(found)])
        for slug, *values in cursor.fetchall():
            found[slug].append(StricterFact(*values))
    return {
        slug: Loosened(tuple(rows), {one.fact: tuple(r for r in rows if r.fact == one.fact) for one in rows})
        for slug, rows in found.items()
    }
