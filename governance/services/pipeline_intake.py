"""Webhooks of pipelines: the signature first, then what they ask for. Answered at once; `pipeline_reviews` does the
work.

What is not signed is neither stored nor told anything. One request is one review however often its webhook comes, since
the key is made of signed parts of the body: the provider's number of a delivery and the name of its event are not
signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from governance.domain.pipelines import reading, signatures
from governance.domain.pipelines.asked_review import AskedReview, NothingAsked
from governance.models import PipelineConnection, PipelineDelivery, PipelineReview
from governance.services import pipeline_faults, pipeline_secrets
from kernel import clock, measures
from kernel.digest import digest_bytes
from kernel.errors import Invalid, TooLarge, Unauthenticated, Unavailable
from kernel.strict_json import loads

State, Outcome = PipelineReview.State, PipelineDelivery.Outcome
NOTED_EVERY = timedelta(minutes=1)
ASKED_AGAIN_AFTER = timedelta(seconds=10)
RECEIVED = measures.counter(
    "pipeline_webhooks",
    "Webhooks of pipelines by what became of them: taken, repeated, ignored, refused, unsigned.",
    ["outcome"],
)


@dataclass(frozen=True, slots=True)
class ReceivedWebhook:
    """What became of a webhook. `repeated`: it was here before, and nothing happens twice."""

    outcome: str
    review_id: int | None = None
    repeated: bool = False
    why: str = ""


def receive(key: str, headers: Mapping[str, str], body: bytes) -> ReceivedWebhook:
    """Raises Unauthenticated `pipeline.signature` in the same words for a wrong signature and an unknown connection,
    TooLarge, Unavailable without a usable secret, Malformed or Invalid for a signed body that cannot be used."""
    if len(body) > reading.LARGEST_BODY:
        raise TooLarge("request.too_large", f"The body is larger than {reading.LARGEST_BODY // 1024 // 1024} MB.")
    row = PipelineConnection.objects.filter(key=key, confirmed_at__isnull=False, ended_at=None).first()
    if row is None or not _is_signed(row, headers, body):
        RECEIVED.labels("unsigned").inc()
        raise Unauthenticated(
            "pipeline.signature", "There is no such pipeline connection, or the webhook is not signed with its secret."
        )
    told = {"event": reading.event(row.provider, headers), "delivery_id": reading.delivery(row.provider, headers)}
    try:
        found = reading.asked(row.provider, loads(body), row.api_url)
    except Invalid as error:
        _keep(row, body, told, Outcome.REFUSED, error.message)
        RECEIVED.labels("refused").inc()
        raise
    made = _ignore(row, body, told, found) if isinstance(found, NothingAsked) else _take(row, body, told, found)
    RECEIVED.labels("repeated" if made.repeated else made.outcome).inc()
    return made


def _is_signed(row: PipelineConnection, headers: Mapping[str, str], body: bytes) -> bool:
    try:
        secrets = pipeline_secrets.of_webhooks(row)
    except Unavailable as error:
        pipeline_faults.note(row, error.message)
        raise Unavailable(
            "pipeline.unavailable", "This connection cannot be used now; its owner sees why on its page."
        ) from None
    if signatures.matches(row.provider, secrets, body, reading.signature(row.provider, headers)):
        return True
    stale = Q(refused_at=None) | Q(refused_at__lt=clock.now() - NOTED_EVERY)
    PipelineConnection.objects.filter(stale, pk=row.pk).update(refused_at=clock.now())
    return False


def _ignore(row: PipelineConnection, body: bytes, told: dict[str, str], found: NothingAsked) -> ReceivedWebhook:
    with transaction.atomic():
        _, new = _keep(row, body, told, Outcome.IGNORED, found.why)
        if found.over:
            unanswered = row.reviews.filter(key__startswith=found.over, state__in=[State.OPEN, State.WAITING])
            unanswered.update(state=State.OVERTAKEN, why=found.why, ended_at=Now())
    return ReceivedWebhook("ignored", repeated=not new, why=found.why)


def _take(row: PipelineConnection, body: bytes, told: dict[str, str], found: AskedReview) -> ReceivedWebhook:
    """The review that is asked for. One that could not be answered, that nobody decided, or about which GitLab was told
    `failed` is asked again: that is what the buttons *Redeliver* and *Retry* are for."""
    until = clock.now() + timedelta(minutes=row.wait_minutes)
    values = {name: getattr(found, name) for name in ("repository_id", "repository", "place", "sha", "ref")}
    with transaction.atomic():
        review, new = PipelineReview.objects.get_or_create(
            connection=row, key=found.key, defaults={**values, "facts": dict(found.facts), "waits_until": until}
        )
        again = not new and _again(row, review)
        _keep(row, body, told, Outcome.TAKEN, "", review)
    return ReceivedWebhook("taken", review.pk, repeated=not (new or again))


def _again(row: PipelineConnection, review: PipelineReview) -> bool:
    over = Q(state__in=[State.FAILED, State.UNDECIDED])
    if row.provider == PipelineConnection.Provider.GITLAB:
        over |= Q(state=State.ANSWERED, word="failed")
    rows = PipelineReview.objects.filter(over, pk=review.pk, ended_at__lt=clock.now() - ASKED_AGAIN_AFTER)
    return reopen(rows, row.wait_minutes) > 0


def reopen(rows: QuerySet[PipelineReview], wait_minutes: int) -> int:
    """Asked from the beginning, with the whole time to wait."""
    return rows.update(
        state=State.OPEN,
        attempts=0,
        asked=0,
        last_error="",
        ended_at=None,
        next_at=Now(),
        waits_until=clock.now() + timedelta(minutes=wait_minutes),
    )


def _keep(
    row: PipelineConnection,
    body: bytes,
    told: dict[str, str],
    outcome: str,
    why: str,
    review: PipelineReview | None = None,
) -> tuple[PipelineDelivery, bool]:
    """The webhook by the digest of its bytes, and whether it is new. What is stored stays as it came first; only what
    was not taken can become taken: once the name of the event decided, which is not signed."""
    values = {**told, "outcome": outcome, "why": why[:500], "review": review}
    kept, new = PipelineDelivery.objects.get_or_create(connection=row, digest=digest_bytes(body), defaults=values)
    if not new:
        rows = PipelineDelivery.objects.filter(pk=kept.pk)
        rows.update(times=F("times") + 1, last_at=Now())
        if outcome == Outcome.TAKEN:
            rows.exclude(outcome=Outcome.TAKEN).update(outcome=outcome, why="", review=review)
    return kept, new
