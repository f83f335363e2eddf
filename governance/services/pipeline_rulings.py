"""The gate's answer to a pipeline, as of now: what its own team asked is asked again, by the same account."""

from __future__ import annotations

from django.conf import settings
from django.urls import reverse

from catalog.selectors import gate_asking
from governance.domain import question as questions
from governance.domain.pipelines import ruling
from governance.domain.pipelines.ruling import AskedVerdict, Ruling
from governance.models import PipelineMapping, PipelineReview
from governance.selectors import pipelines, sight
from governance.selectors.pipelines import AskedQuestion
from governance.services import verdicts
from kernel import clock
from kernel.errors import Invalid
from kernel.models import User
from kernel.viewer import Viewer


def rule(review: PipelineReview) -> Ruling:
    """Passed only where everything that the repository and place stand for is allowed in this moment."""
    mappings = pipelines.mapped(review)
    if not mappings:
        return ruling.unmapped(review.repository, review.place)
    return ruling.together([_of_mapping(review.sha, mapping) for mapping in mappings])


def _of_mapping(sha: str, mapping: PipelineMapping) -> Ruling:
    asking, _ = gate_asking.who_asks(mapping.application, [], mapping.environment, clock.now())
    listed = (
        [] if asking.team_id is None else pipelines.asked(mapping.application, sha, mapping.environment, asking.team_id)
    )
    if not listed:
        return ruling.never_asked(mapping.application, sha, mapping.environment)
    if len(listed) > pipelines.MOST_INSTANCES:
        return Ruling("pending", f"It was asked about for more than {pipelines.MOST_INSTANCES} instances.")
    team_id = asking.team_id or 0
    people = User.objects.in_bulk({one.asked_by for one in listed})
    try:
        answers = [_ask(one, people[one.asked_by], mapping, sha, team_id) for one in listed]
    except Invalid as error:
        return Ruling("pending", f"What was asked cannot be asked again: {ruling.code(error.message)}")
    if any(not one.question["instance"] for one in listed):
        return ruling.of_verdicts(answers)
    return ruling.in_part(mapping.application, sha, mapping.environment, answers)


def _ask(asked: AskedQuestion, by: User, mapping: PipelineMapping, sha: str, team_id: int) -> AskedVerdict:
    answer = verdicts.ask(questions.as_asked(asked.question), viewer=Viewer.of(by))
    page = f"{settings.PUBLIC_URL}{reverse('governance:verdict', args=[answer.id])}"
    told = sight.told_to_team(answer.id, team_id)
    return AskedVerdict(answer.id, page, answer.document, mapping.application, sha, mapping.environment, told)
