"""Versions that end: who still uses them, who has said by when they go, and what they were told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.db.models import Exists, OuterRef, Q, QuerySet

from catalog import permissions
from catalog.domain import lifecycle
from catalog.domain.facts import ConsumerFacts
from catalog.models import ApiVersion, BrownOut, Subscription, SunsetNotice
from catalog.selectors import consumers, successors
from kernel import clock
from kernel.viewer import Viewer

Answer = Literal["none", "owner", "promised", "late", "moved"]


@dataclass(frozen=True, slots=True)
class Told:
    """The newest notice to an application: the step, when, and how many people of its team there were."""

    step: str
    at: datetime
    people: int


@dataclass(frozen=True, slots=True)
class EndingUse:
    """A consumer of a version that ends. `answer`: `none` nobody has said when it goes; `owner` only the owner of the
    API has; `promised` its own team has; `late` the promised day has passed and it still calls; `moved` it has gone."""

    consumer: ConsumerFacts
    answer: Answer
    told: Told | None


@dataclass(frozen=True, slots=True)
class EndingVersion:
    """A version with its promised end, and everybody who would notice it; who has not answered comes first."""

    version: ApiVersion
    past: bool
    uses: tuple[EndingUse, ...]
    brown_outs: tuple[BrownOut, ...]

    @property
    def live(self) -> int:
        return sum(use.answer != "moved" for use in self.uses)

    @property
    def unanswered(self) -> int:
        return sum(use.answer in ("none", "owner", "late") for use in self.uses)

    @property
    def red(self) -> bool:
        """Past its sunset, and somebody still uses it."""
        return self.past and self.live > 0


def ending(*, viewer: Viewer, mine: bool = False) -> QuerySet[ApiVersion]:
    """The deprecated versions of APIs that the viewer sees, what ends first first. `mine`: those that a team of the
    viewer owns or uses."""
    rows = ApiVersion.objects.filter(
        state__in=lifecycle.LIVE, sunset_at__isnull=False, api__in=permissions.visible(viewer)
    ).select_related("api__owner_team", "api__tier", "successor__api")
    if mine:
        uses = Subscription.objects.filter(
            version=OuterRef("pk"), application__team__in=viewer.team_ids, state__in=["active", "requested"]
        )
        rows = rows.filter(Q(api__owner_team__in=viewer.team_ids) | Exists(uses))
    return rows.order_by("sunset_at", "api__name", "position")


def with_uses(versions: Iterable[ApiVersion], now: datetime, *, viewer: Viewer) -> list[EndingVersion]:
    """These versions with their consumers, notices and brown-outs that are not over: three queries for all, and one
    more where a successor belongs to another API."""
    listed = successors.rows_told(versions, viewer)
    keys = [v.pk for v in listed]
    uses: dict[int, list[EndingUse]] = defaultdict(list)
    told = _told(listed)
    for facts in consumers.of_versions(keys, limit=None) if keys else []:
        if facts.is_live:
            said = told.get((facts.version_id, facts.application_key))
            uses[facts.version_id].append(EndingUse(facts, _answer(facts, now), said))
    planned: dict[int, list[BrownOut]] = defaultdict(list)
    for row in BrownOut.objects.select_related("environment").filter(
        version__in=keys, cancelled_at=None, ends_at__gt=now
    ):
        planned[row.version_id].append(row)
    return [EndingVersion(v, is_past(v), tuple(sorted(uses[v.pk], key=_urgency)), tuple(planned[v.pk])) for v in listed]


def is_past(version: ApiVersion) -> bool:
    """It still answers although its promised end has passed."""
    return version.state in lifecycle.LIVE and version.sunset_at is not None and version.sunset_at <= clock.now()


def _answer(use: ConsumerFacts, now: datetime) -> Answer:
    if use.has_moved(now):
        return "moved"
    if use.moves_on is None:
        return "none"
    if use.moves_on < now.date():
        return "late"
    return "owner" if use.moves_said_by_owner else "promised"


def _urgency(use: EndingUse) -> tuple[Any, ...]:
    order = ("late", "none", "owner", "promised", "moved")
    return (order.index(use.answer), -(use.consumer.calls or 0), use.consumer.name, use.consumer.environment)


def _told(versions: list[ApiVersion]) -> dict[tuple[int, str], Told]:
    sunsets = {v.pk: v.sunset_at for v in versions}
    rows = (
        SunsetNotice.objects.filter(version__in=sunsets)
        .order_by("at")
        .values_list("version_id", "application__key", "sunset_at", "step", "at", "people")
    )
    return {
        (version, application): Told(step, at, people)
        for version, application, sunset_at, step, at, people in rows
        if sunsets[version] == sunset_at
    }
