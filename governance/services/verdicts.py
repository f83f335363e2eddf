"""The gate: answer a question, store the verdict, reproduce it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from governance.domain import question as questions
from governance.domain.verdict import ENGINE, answer_bytes, decide
from governance.models import Verdict
from governance.selectors import sight
from governance.services import gate_evidence
from kernel import clock, measures, tracing
from kernel.errors import Invalid, NotFound, finding
from kernel.viewer import Viewer

ANSWER_SECONDS = measures.histogram(
    "gate_answer_duration_seconds", "Time to answer a question of a release pipeline, by the verdict.", ["verdict"]
)


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """A stored verdict: its number, the document, and the very bytes that are stored and sent."""

    id: int
    document: Mapping[str, Any]
    body: bytes

    @property
    def word(self) -> str:
        return str(self.document["verdict"])


def ask(question: Mapping[str, Any], *, viewer: Viewer, as_of: datetime | None = None) -> GateAnswer:
    """May this application version go there? See docs/reference/gate.md. Raises Invalid `gate.question` with
    findings.
    """
    began = time.perf_counter()
    asked = questions.normalise(question)
    moment = as_of or _as_of(question)
    with tracing.span("gate.answer", {"tillgate.environment": str(asked["environment"])}) as span:
        known = gate_evidence.gather(asked, moment, viewer)
        document = decide(asked, known)
        span.set(**{"tillgate.verdict": document["verdict"]})
    body = answer_bytes(document)
    row = Verdict.objects.create(
        as_of=moment,
        word=document["verdict"],
        application=asked["application"],
        version=asked["version"],
        environment=asked["environment"],
        codes=sorted({reason["code"] for reason in document["reasons"]}),
        question=asked,
        evidence=known,
        answer=body.decode(),
        input_digest=document["input_digest"],
        policy_digest=document["policy_digest"] or "",
        engine=ENGINE,
        asked_by=viewer.user,
    )
    ANSWER_SECONDS.labels(document["verdict"]).observe(time.perf_counter() - began)
    return GateAnswer(row.pk, document, body)


def find(verdict_id: int, viewer: Viewer) -> Verdict:
    """The verdict, for who asked, the application's team, and the role teams where they see all that it names. Raises
    NotFound, with the same words for one that is not there and one that is hidden.
    """
    row: Verdict | None = sight.verdicts(viewer).filter(pk=verdict_id).first()
    if row is None or (row.asked_by_id != viewer.id and gate_evidence.hidden(row.question, viewer)):
        raise NotFound("gate.unknown_verdict", f"There is no verdict {verdict_id}.")
    return row


def reproduce(verdict_id: int, viewer: Viewer) -> tuple[bool, bytes]:
    """Compute the answer again from the stored evidence; also returns whether every byte is the same."""
    row = find(verdict_id, viewer)
    again = answer_bytes(decide(row.question, row.evidence, engine=row.engine))
    return again == row.answer.encode(), again


def _as_of(question: Mapping[str, Any]) -> datetime:
    text = question.get("as_of")
    if text is None or text == "":
        return clock.now()
    try:
        at = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        at = None
    if at is None or at.tzinfo is None or not 2000 <= at.year <= 2200:
        raise Invalid(
            "gate.question",
            "as_of is a time with its zone (ISO 8601).",
            {"findings": [finding("/as_of", "a time with its zone, such as 2026-11-23T12:00:00Z")]},
        )
    return at.astimezone(clock.now().tzinfo)
