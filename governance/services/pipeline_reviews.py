"""Answers what pipelines asked for: the gate is asked in the moment of each answer, and a yes is in the ledger before
it leaves.

A review is claimed for a lease. A process that dies in between leaves it to the next one, which asks the gate anew:
what was ruled once is never sent later.
"""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import Error, connection, transaction
from django.db.models import Max

from governance import permissions
from governance.domain.pipelines import github
from governance.domain.pipelines.ruling import Ruling
from governance.models import PipelineConnection, PipelineReview, Verdict
from governance.selectors import pipelines
from governance.services import changes, pipeline_calls, pipeline_faults, pipeline_intake, pipeline_rulings
from governance.services.pipeline_calls import AnswerOutcome, PipelineCall
from kernel import audit, clock, measures, outbox
from kernel.digest import digest_of
from kernel.errors import Conflict, NotFound
from kernel.models import User
from kernel.retry import RetryPolicy
from kernel.viewer import Viewer

log = logging.getLogger(__name__)
State, Provider = PipelineReview.State, PipelineConnection.Provider
PIPELINE_CALL = RetryPolicy(base=2.0, ceiling=900.0, attempts=14)  # counts from 1
PIPELINE_WAIT = RetryPolicy(base=15.0, ceiling=3600.0)  # counts from 0
LEASE_SECONDS = 120
AT_ONCE = 8
LONGEST_LIMITED = timedelta(days=1)
"""For no longer than that after the webhook, or after the time to wait, limits of a provider are obeyed."""
ANSWERS = measures.counter(
    "pipeline_answers",
    "Calls that answer pipelines by provider and by how they ended: taken, overtaken, later, fault.",
    ["provider", "outcome"],
)

_CLAIM = """
with c as materialized (
  select r.id
    from governance_pipelinereview r
   where r.state in ('open', 'waiting') and r.next_at <= clock_timestamp()
   order by r.next_at
   limit %(limit)s
     for update skip locked)
update governance_pipelinereview r
   set state = 'open', next_at = clock_timestamp() + %(lease)s * interval '1 second'
  from c
 where r.id = c.id
returning r.id
"""

# A newer question of a pipeline about this very thing; what the review itself asked is none.
_ASKED_MEANWHILE = """
update governance_pipelinereview r
   set next_at = clock_timestamp()
 where r.state = 'waiting'
   and r.next_at > clock_timestamp()
   and r.ruled_at < clock_timestamp() - interval '1 second'
   and exists (
     select from governance_pipelinemapping t
       join governance_verdict v
         on v.application = t.application and v.environment = t.environment
        and v.id > r.seen and v.version = r.sha and v.id <> all(r.verdict_ids)
      where t.connection_id = r.connection_id and t.repository_id = r.repository_id and t.place = r.place)
"""

_SOMETHING_CHANGED = """
update governance_pipelinereview r
   set next_at = greatest(clock_timestamp(), r.ruled_at + interval '5 seconds')
 where r.state = 'waiting' and r.next_at > clock_timestamp() + interval '5 seconds'
"""


@dataclass(slots=True)
class _Answering:
    """A review whose ruling is on its way; `future` is the call, or its outcome where none could be made."""

    review: PipelineReview
    ruling: Ruling
    future: Future[AnswerOutcome] | AnswerOutcome


def answer_due(*, limit: int = AT_ONCE) -> int:
    """Ask the gate for what is due and answer the pipelines, several at once. Returns how many were claimed. The calls
    are outside any transaction and use no connection of the database."""
    with connection.cursor() as cursor:
        cursor.execute(_ASKED_MEANWHILE)
        cursor.execute(_CLAIM, {"limit": limit, "lease": LEASE_SECONDS})
        claimed = [row[0] for row in cursor.fetchall()]
    if not claimed:
        return 0
    reviews = PipelineReview.objects.select_related("connection").filter(pk__in=claimed).order_by("id")
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="pipelines") as pool:
        answering = [one for review in reviews if (one := _begin_safely(review, pool)) is not None]
        for one in answering:
            outcome = one.future if isinstance(one.future, AnswerOutcome) else one.future.result()
            _note(one.review, one.ruling, outcome)
    return len(claimed)


def on_change(topic: str) -> None:
    """Something changed that the gate may read: what waits for it is asked again soon."""
    if not topic.startswith("governance.pipeline_"):
        with connection.cursor() as cursor:
            cursor.execute(_SOMETHING_CHANGED)


def ask_again(key: str, review_id: int, *, actor: User) -> PipelineReview:
    """Ask the gate and answer once more, from the beginning. Raises Conflict `pipeline.decided` where the provider has
    taken an answer."""
    row = pipelines.connection(Viewer.of(actor), key)
    changes.require_allowed(permissions.may_end_pipeline(Viewer.of(actor), row), "pipeline.not_allowed")
    with transaction.atomic():
        review = row.reviews.select_for_update().filter(pk=review_id).first()
        if review is None:
            raise NotFound("pipeline.unknown_review", f"There is no review {review_id} of this connection.")
        over = review.state in (State.ANSWERED, State.OVERTAKEN)
        if over and not (row.provider == Provider.GITLAB and review.word == "failed"):
            raise Conflict("pipeline.decided", "It has its answer; run the job or the check again there.")
        begun = review.ruled_at is not None and review.ruled_at > clock.now() - timedelta(seconds=LEASE_SECONDS)
        if review.state == State.OPEN and begun and not review.last_error:
            raise Conflict("pipeline.busy", "It is being asked or answered at this moment.")
        pipeline_intake.reopen(row.reviews.filter(pk=review.pk), row.wait_minutes)
        audit.record(
            actor=actor,
            verb="governance.pipeline_asked_again",
            subject_kind="pipeline_connection",
            subject_id=row.key,
            after={"review": review.pk},
        )
    review.refresh_from_db()
    return review


def _begin_safely(review: PipelineReview, pool: ThreadPoolExecutor) -> _Answering | None:
    """One that fails by an error of ours holds up nobody else: it comes again later."""
    try:
        return _begin(review, pool)
    except Error:
        raise  # the database: the lease brings all of them back
    except Exception:
        log.exception("review %s of a pipeline failed", review.pk)
        _later(review, AnswerOutcome("later", None, "It failed on our side; the server's log says why."))
        return None


def _begin(review: PipelineReview, pool: ThreadPoolExecutor) -> _Answering | None:
    row = review.connection
    if row.ended_at is not None:
        _end(review, State.UNDECIDED, why="The connection has ended.")
        return None
    newest = Verdict.objects.aggregate(newest=Max("id"))["newest"] or 0
    ruling = _at_the_end(review, pipeline_rulings.rule(review))
    if ruling is None:
        _end(review, State.UNDECIDED, why="The gate did not know until the time to wait was over.")
        return None
    silent = ruling.word == "pending" and not _has_news(review, ruling)
    _intend(review, ruling, newest, silent)
    if silent:
        return None
    call = pipeline_calls.call_of(row, review)
    made = pool.submit(call.answer, ruling.word, _comment(row, ruling)) if isinstance(call, PipelineCall) else call
    return _Answering(review, ruling, made)


def _at_the_end(review: PipelineReview, ruling: Ruling) -> Ruling | None:
    """What is said when the time to wait is over: no, or nothing, as the connection has it."""
    if ruling.word != "pending" or clock.now() < review.waits_until:
        return ruling
    if review.connection.at_the_end == PipelineConnection.AtTheEnd.LEAVE:
        return None
    why = (
        f"The gate did not know within {review.connection.wait_minutes} minutes, and unknown is no allow. {ruling.why}"
    )
    return Ruling("failed", why, ruling.lines, ruling.verdicts)


def _comment(row: PipelineConnection, ruling: Ruling) -> str:
    return (ruling if row.tells_reasons else Ruling(ruling.word, ruling.why, (), ruling.verdicts)).comment()


def _news(ruling: Ruling) -> str:
    return digest_of([ruling.word, ruling.why, list(ruling.lines)])[7:]


def _has_news(review: PipelineReview, ruling: Ruling) -> bool:
    """Whether to report that the gate does not know: once, and at GitHub again when the reasons are others."""
    if review.connection.provider == Provider.GITLAB:
        return not review.reported
    return review.reported != _news(ruling) and review.reports < github.MOST_REPORTS


def _intend(review: PipelineReview, ruling: Ruling, newest: int, silent: bool) -> None:
    """Before anything leaves: what was ruled, by which verdicts, and that it is on its way."""
    verdict_ids = [one.id for one in ruling.verdicts]
    values: dict[str, Any] = {
        "word": ruling.word,
        "why": ruling.why[:500],
        "verdict_ids": verdict_ids,
        "seen": newest,
        "ruled_at": clock.now(),
    }
    if silent:
        values |= {"state": State.WAITING, "asked": review.asked + 1, "next_at": _next_look(review)}
    elif ruling.word != "pending":
        values["sent"] = ruling.word
    with transaction.atomic():
        PipelineReview.objects.filter(pk=review.pk).update(**values)
        if ruling.word == "passed":
            _record("approval_sent", review, verdict_ids)


def _next_look(review: PipelineReview) -> datetime:
    pause = changes.database_clock() + timedelta(seconds=PIPELINE_WAIT.pause(review.asked))
    return min(pause, max(review.waits_until, changes.database_clock()))


def _note(review: PipelineReview, ruling: Ruling, outcome: AnswerOutcome) -> None:
    ANSWERS.labels(review.connection.provider, outcome.kind).inc()
    if outcome.kind == "fault":
        pipeline_faults.note(review.connection, outcome.error)
    elif outcome.kind == "taken":
        pipeline_faults.clear(review.connection)
    if ruling.word == "pending":
        _note_report(review, ruling, outcome)
    elif outcome.kind == "taken":
        _note_answer(review, ruling, outcome)
    elif outcome.kind == "overtaken":
        more = " A call of ours before may be what decided it." if review.sent else ""
        _end(review, State.OVERTAKEN, last_status=outcome.status, last_error=outcome.error + more, sent="")
    else:
        _later(review, outcome)


def _note_report(review: PipelineReview, ruling: Ruling, outcome: AnswerOutcome) -> None:
    """A report that did not arrive decides nothing: the review waits all the same."""
    if outcome.kind == "overtaken" and review.connection.provider == Provider.GITLAB:
        _end(review, State.OVERTAKEN, last_status=outcome.status, last_error=outcome.error)
        return
    told = outcome.kind in ("taken", "overtaken")
    PipelineReview.objects.filter(pk=review.pk).update(
        state=State.WAITING,
        asked=review.asked + 1,
        next_at=_next_look(review),
        reported=_news(ruling) if told else review.reported,
        reports=review.reports + 1 if outcome.kind != "overtaken" else github.MOST_REPORTS,
        last_status=outcome.status,
        last_error=outcome.error[:500],
    )


def _note_answer(review: PipelineReview, ruling: Ruling, outcome: AnswerOutcome) -> None:
    with transaction.atomic():
        _end(review, State.ANSWERED, last_status=outcome.status, last_error="", sent="", attempts=0)
        _record("answered", review, [one.id for one in ruling.verdicts], word=ruling.word)
        payload = {
            "connection": review.connection.key,
            "review": review.pk,
            "word": ruling.word,
            "repository": review.repository,
            "sha": review.sha,
            "place": review.place,
            "verdicts": [one.id for one in ruling.verdicts],
        }
        outbox.emit("governance.pipeline_answered", key=review.connection.key, payload=payload)


def _later(review: PipelineReview, outcome: AnswerOutcome) -> None:
    """Again after a pause, until the attempts are over. A limit of the provider is no attempt."""
    limited = outcome.pause is not None
    attempts = review.attempts + (0 if limited else 1)
    too_old = clock.now() > max(review.waits_until, review.created_at + LONGEST_LIMITED)
    values = {"attempts": attempts, "last_status": outcome.status, "last_error": outcome.error[:500]}
    if PIPELINE_CALL.exhausted(attempts) or (limited and too_old):
        _end(review, State.FAILED, **values)
        said = f"{review.repository} {review.sha[:12]} could not be answered: {outcome.error}"
        pipeline_faults.note(review.connection, said)
        return
    pause = outcome.pause if outcome.pause is not None else PIPELINE_CALL.pause(attempts)
    at = changes.database_clock() + timedelta(seconds=pause)
    PipelineReview.objects.filter(pk=review.pk).update(state=State.OPEN, next_at=at, **values)


def _end(review: PipelineReview, state: str, **values: Any) -> None:
    PipelineReview.objects.filter(pk=review.pk).update(state=state, ended_at=clock.now(), **values)


def _record(what: str, review: PipelineReview, verdict_ids: list[int], **more: Any) -> None:
    after = {
        "review": review.pk,
        "repository": review.repository,
        "sha": review.sha,
        "place": review.place,
        "verdicts": verdict_ids,
        **more,
    }
    audit.record(
        actor=None,
        verb=f"governance.pipeline_{what}",
        subject_kind="pipeline_connection",
        subject_id=review.connection.key,
        after=after,
    )
