"""Pipeline connections and their reviews, as far as a viewer may see them; and which questions pipelines asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection as database
from django.db.models import Count, Max, Q, QuerySet

from governance.models import PipelineConnection, PipelineDelivery, PipelineMapping, PipelineReview
from governance.selectors import sight
from kernel.errors import NotFound
from kernel.viewer import Viewer

State = PipelineReview.State
MOST_INSTANCES = 50


def connections(viewer: Viewer) -> QuerySet[PipelineConnection]:
    """Those of the viewer's teams; all for the role teams that watch over releases."""
    return sight.pipelines(viewer).select_related("owner_team", "proposed_by", "confirmed_by", "ended_by")


def counted(viewer: Viewer) -> Any:
    """The connections with how many reviews are `unanswered` and `failed`, and when the last webhook came."""
    return connections(viewer).annotate(
        unanswered=Count("reviews", filter=Q(reviews__state__in=[State.OPEN, State.WAITING]), distinct=True),
        failed=Count("reviews", filter=Q(reviews__state=State.FAILED), distinct=True),
        last_at=Max("deliveries__last_at"),
    )


def connection(viewer: Viewer, key: str) -> PipelineConnection:
    """Raises NotFound `pipeline.unknown`, with the same words for one that is not there and one that is hidden."""
    found = connections(viewer).filter(key=key).first() if "\x00" not in key else None
    if found is None:
        raise NotFound("pipeline.unknown", "There is no such pipeline connection.")
    return found


def mappings(row: PipelineConnection) -> QuerySet[PipelineMapping]:
    """What its repositories are mapped to, those that have ended left out."""
    return row.mappings.filter(ended_at=None).select_related("proposed_by", "confirmed_by")


def reviews(row: PipelineConnection) -> QuerySet[PipelineReview]:
    return row.reviews.order_by("-id")


def without_review(row: PipelineConnection) -> QuerySet[PipelineDelivery]:
    """Webhooks that were refused or asked for nothing."""
    return row.deliveries.filter(review=None).order_by("-last_at", "-id")


def mapped(review: PipelineReview) -> list[PipelineMapping]:
    """What the repository and place stand for: confirmed, and by number and by name, letter for letter."""
    found = PipelineMapping.objects.filter(
        connection=review.connection_id,
        repository_id=review.repository_id,
        repository=review.repository,
        place=review.place,
        confirmed_at__isnull=False,
        ended_at=None,
    )
    return list(found.order_by("application"))


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """The newest question about one instance, and who asked it."""

    verdict_id: int
    asked_by: int
    question: Mapping[str, Any]


_ASKED = """
with asked as (
  select distinct on (v.question ->> 'instance') v.id, v.asked_by_id, v.question
    from governance_verdict v
    join kernel_user u on u.id = v.asked_by_id and u.is_active and u.kind = 'service'
   where v.application = %(application)s
     and v.environment = %(environment)s
     and v.version = %(version)s
     and v.as_of between v.at - interval '1 minute' and v.at + interval '1 minute'
     and v.evidence -> 'hypothetical' is distinct from 'true'::jsonb
     and exists (select from kernel_user_groups m where m.user_id = u.id and m.group_id = %(team)s)
   order by v.question ->> 'instance', v.id desc)
select id, asked_by_id, question from asked order by question ->> 'instance' limit %(limit)s
"""


def asked(application: str, version: str, environment: str, team: int) -> list[AskedQuestion]:
    """What service accounts of the application's own team asked about this version there: for each instance the newest
    question that was no what-if. Others and people may ask as well, and say nothing for the pipeline. One more than
    MOST_INSTANCES says that there are too many."""
    place = {"application": application, "version": version, "environment": environment}
    given: dict[str, str | int] = {**place, "team": team, "limit": MOST_INSTANCES + 1}
    with database.cursor() as cursor:
        cursor.execute(_ASKED, given)
        return [
            AskedQuestion(number, by, json.loads(text) if isinstance(text, str) else text)
            for number, by, text in cursor.fetchall()
        ]
