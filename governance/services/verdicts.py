"""The gate: answer a question, store the verdict, reproduce it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from governance.domain import question as questions
from governance.domain import verdict_names
from governance.domain.verdict import ENGINE, VerdictInput, answer_bytes, decide
from governance.models import Verdict
from governance.selectors import sight
from governance.services import gate_evidence
from kernel import clock, measures, prepared_queries, tracing
from kernel.errors import NotFound
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


def ask(
    question: Mapping[str, Any], *, viewer: Viewer, as_of: datetime | None = None, what_if: bool = False
) -> GateAnswer:
    """May this application version go there? See docs/reference/gate.md. `what_if`: the answer counts for nothing that
    goes live, whatever the time of the question. Raises Invalid `gate.question` with findings.
    """
    began = time.perf_counter()
    asked = questions.normalise(question)
    now = clock.now()
    asked_for = question if as_of is None else {"as_of": as_of.isoformat()}
    moment, hypothetical = questions.judged_at(asked_for, now)
    with tracing.span("gate.answer", {"tillgate.environment": str(asked["environment"])}) as span:
        known = gate_evidence.gather(asked, moment, viewer) | {"hypothetical": hypothetical or what_if}
        written = VerdictInput.of(asked, known)
        document = decide(asked, known, written=written)
        span.set(**{"tillgate.verdict": document["verdict"]})
    body = answer_bytes(document)
    number = _store(
        as_of=moment,
        word=document["verdict"],
        application=asked["application"],
        version=asked["version"],
        environment=asked["environment"],
        codes=sorted({reason["code"] for reason in document["reasons"]}),
        question=written.question.decode(),
        evidence=written.evidence.decode(),
        answer=body.decode(),
        input_digest=document["input_digest"],
        policy_digest=document["policy_digest"] or "",
        engine=ENGINE,
        asked_by=viewer.id,
        names=verdict_names.names(asked, known),
    )
    ANSWER_SECONDS.labels(document["verdict"]).observe(time.perf_counter() - began)
    return GateAnswer(number, document, body)


_STORE = """
insert into governance_verdict (as_of, word, application, version, environment, codes, question, evidence, answer,
                                input_digest, policy_digest, engine, asked_by_id, names)
values (%(as_of)s, %(word)s, %(application)s, %(version)s, %(environment)s, %(codes)s, %(question)s, %(evidence)s,
        %(answer)s, %(input_digest)s, %(policy_digest)s, %(engine)s, %(asked_by)s, %(names)s)
returning id
"""


def _store(**columns: Any) -> int:
    """One statement with a kept plan: evidence of hundreds of consumers is neither written a second time nor quoted."""
    return int(prepared_queries.written(_STORE, columns)[0][0])


def find(verdict_id: int, viewer: Viewer) -> Verdict:
    """The verdict, for who asked, and, where they see all that it names, the application's team and the role teams.
    Raises NotFound, with the same words for one that is not there and one that is hidden.
    """
    row: Verdict | None = sight.verdicts(viewer).filter(pk=verdict_id).first()
    if row is None:
        raise NotFound("gate.unknown_verdict", f"There is no verdict {verdict_id}.")
    return row


def reproduce(verdict_id: int, viewer: Viewer) -> tuple[bool, bytes]:
    """Compute the answer again from the stored evidence; also returns whether every byte is the same."""
    row = find(verdict_id, viewer)
    again = answer_bytes(decide(row.question, row.evidence, engine=row.engine))
    return again == row.answer.encode(), again
