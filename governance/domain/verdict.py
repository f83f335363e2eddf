"""The gate's answer: from evidence to `allow`, `deny` or `unknown`, the same bytes for the same evidence.

Deny beats unknown beats allow. `allow` needs each piece of evidence that a rule reads: a missing one gives `unknown`.
The evidence's shape is documented in docs/reference/gate-evidence.md; `ENGINE` grows whenever the same evidence could
give other bytes, and old engines stay, so that every later release reproduces stored verdicts: engine 1 in a module
that nothing changes any more, engines 2 to 5 as what engine 6 says without what came with it (`case.engine`).
This fixes the sentences of the rules too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from governance.domain import engine_1
from governance.domain.evidence import MISSING, Evidence
from governance.domain.judges import consumed, freezes, integrations, provided, surroundings, waivers
from governance.domain.reasons import GateCase, smallest_fix
from kernel.digest import canonical_json, digest_bytes

ENGINE = 6
REPRODUCED = (2, 3, 4, 5, ENGINE)
SCHEMA = "tillgate.verdict/1"
Word = Literal["allow", "deny", "unknown"]


@dataclass(frozen=True, slots=True)
class VerdictInput:
    """Question and evidence in canonical JSON: what the digest is made of, and what is stored."""

    question: bytes
    evidence: bytes

    @classmethod
    def of(cls, question: Mapping[str, Any], evidence: Mapping[str, Any]) -> VerdictInput:
        return cls(canonical_json(question), canonical_json(evidence))

    @property
    def digest(self) -> str:
        """That of both in one document."""
        return digest_bytes(b'{"evidence":%b,"question":%b}' % (self.evidence, self.question))


def decide(
    question: Mapping[str, Any],
    evidence: Mapping[str, Any],
    *,
    engine: int = ENGINE,
    written: VerdictInput | None = None,
) -> dict[str, Any]:
    """The verdict document. `question` is normalised (`question.normalise`); it is stored with evidence and answer.
    Who has both written down already gives that along."""
    if engine == engine_1.ENGINE:
        return engine_1.judge(question, evidence)
    if engine not in REPRODUCED:
        raise ValueError(f"this release has no engine {engine}")
    missing: list[str] = []
    root = Evidence(evidence, missing)
    as_of = root.moment("as_of")
    known = as_of is not MISSING
    case = GateCase(as_of if known else datetime.min.replace(tzinfo=UTC), str(question["application"]), engine)
    if known:
        surroundings.judge(case, root, question)
        freezes.judge(case, root, question)
        consumed.judge(case, root, question)
        provided.judge(case, root, question)
        integrations.judge(case, root, question)
        surroundings.name_the_owner(case, root)
    waived = waivers.set_aside(case, root, question)
    surroundings.tell_missing(case, missing)
    return _document(question, evidence, case, waived, written or VerdictInput.of(question, evidence))


def _document(
    question: Mapping[str, Any],
    evidence: Mapping[str, Any],
    case: GateCase,
    waived: list[dict[str, Any]],
    written: VerdictInput,
) -> dict[str, Any]:
    reasons = sorted(set(case.reasons), key=lambda r: (r.word != "deny", r.code, r.subject, r.pointer, r.message))
    open_ones = [reason for reason in reasons if reason.waived_by is None]
    word: Word = "deny" if any(r.word == "deny" for r in open_ones) else "unknown" if open_ones else "allow"
    policy_digest = evidence.get("policy_digest")
    return {
        "schema": SCHEMA,
        "engine": case.engine,
        "verdict": word,
        "enforcing": word != "unknown" or not all(reason.report_only for reason in open_ones),
        "application": question["application"],
        "version": question["version"],
        "environment": question["environment"],
        "instance": question["instance"],
        "as_of": evidence.get("as_of"),
        "hypothetical": evidence.get("hypothetical") is not False,
        "reasons": [reason.as_json() for reason in reasons],
        "flip": smallest_fix(open_ones),
        "warnings": sorted(case.warnings, key=lambda w: (w["code"], w["subject"], w["message"])),
        "waivers": waived,
        **({"break_glass": case.break_glass} if case.engine >= 3 else {}),
        "policy_digest": policy_digest if isinstance(policy_digest, str) else None,
        "input_digest": written.digest,
    }


def answer_bytes(document: Mapping[str, Any]) -> bytes:
    """The canonical bytes that are stored and sent."""
    return canonical_json(document)
