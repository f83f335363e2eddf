"""Verdicts and approvals as in-toto statements with the predicate of SLSA's Verification Summary Attestation.

What is of the gate alone stands below `tillgate` in the predicate: the word, for whom the statement is (`audience`),
and from when until when it may be used. Nothing here signs; see `governance.services.statements`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from kernel.digest import PREFIX, digest_bytes, digest_of
from kernel.errors import Invalid, finding

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/verification_summary/v1"
PAYLOAD = "application/vnd.in-toto+json"
VALID = timedelta(minutes=15)
LONGEST_AUDIENCE = 200


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who makes the statement, for whom, and when."""

    url: str
    audience: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Asker:
    """Whose question it was: the account's name and `kind` (`person`, `service`, `agent`), and whether it is active in
    the application's own team when the statement is made. Anybody may ask about any application, and declares what the
    gate judges."""

    account: str
    kind: str
    own_team: bool


def audience_of(text: object) -> str:
    """The audience, checked. Raises Invalid `statement.audience`."""
    if (
        not isinstance(text, str)
        or not 1 <= len(text) <= LONGEST_AUDIENCE
        or not text.isprintable()
        or text.strip() != text
    ):
        raise Invalid(
            "statement.audience",
            "A statement is for somebody: say once which deployment or system will check it.",
            {
                "findings": [
                    finding("/audience", f"a text of 1 to {LONGEST_AUDIENCE} characters, such as argo-production")
                ]
            },
        )
    return text


def of_verdict(
    number: int,
    given_at: datetime,
    question: Mapping[str, Any],
    answer: bytes,
    document: Mapping[str, Any],
    asker: Asker,
    issuer: Issuer,
) -> dict[str, Any]:
    """The statement about a stored verdict: its subjects are the verdict, the question, and each manifest or contract
    that the application brings. It may be used for fifteen minutes from the verdict on, not from the statement on.
    """
    name = f"{question['application']}@{question['version']}"
    subjects = [
        _subject(f"tillgate:verdict/{number}", digest_bytes(answer)),
        _subject(f"tillgate:application/{name}", digest_of(question)),
    ]
    subjects += [_subject(f"tillgate:integration/{e['ref']}", e["digest"]) for e in question["integrations"]]
    provided = [e for e in question["provides"] if e["contract_digest"]]
    subjects += [_subject(f"tillgate:contract/{e['ref']}", e["contract_digest"]) for e in provided]
    policy = document["policy_digest"]
    own = {
        "kind": "verdict",
        "id": number,
        "word": document["verdict"],
        "application": question["application"],
        "version": question["version"],
        "environment": question["environment"],
        "instance": question["instance"],
        "asked_by": {"account": asker.account, "kind": asker.kind, "own_team": asker.own_team},
        "as_of": document["as_of"],
        "enforcing": document["enforcing"],
        "hypothetical": document.get("hypothetical", False),
        "engine": document["engine"],
        "codes": sorted({reason["code"] for reason in document["reasons"] if reason["waived_by"] is None}),
        "waivers": [waiver["id"] for waiver in document["waivers"]],
        "break_glass": [
            {name: used[name] for name in ("id", "subject", "review")} for used in document.get("break_glass", ())
        ],
        **_use(issuer, given_at, min([given_at + VALID, *_ends(document)])),
    }
    return _statement(
        subjects,
        issuer,
        at=given_at,
        resource=f"tillgate:{question['environment']}/{question['instance'] or '*'}/{question['application']}",
        policy=policy,
        evidence={"uri": f"{issuer.url}/api/v1/gate/verdicts/{number}/evidence", **_digest(document["input_digest"])},
        passed=document["verdict"] == "allow" and not own["hypothetical"],
        own=own,
    )


@dataclass(frozen=True, slots=True)
class StatedApproval:
    """An approval as a statement tells of it; `unmet` holds the codes of what keeps it from holding now."""

    id: int
    kind: str
    subject_id: str
    digest: str
    environment: str
    origin: str
    change_id: int | None
    policy_digest: str
    sealed_at: datetime
    valid_until: datetime | None
    approvals: int
    unmet: tuple[str, ...]


def of_approval(approval: StatedApproval, issuer: Issuer) -> dict[str, Any]:
    """The statement about an approval as it is now: for fifteen minutes, and never longer than it holds."""
    ends = issuer.at + VALID
    own = {
        "kind": "approval",
        "id": approval.id,
        "word": "deny" if approval.unmet else "allow",
        "subject_kind": approval.kind,
        "subject_id": approval.subject_id,
        "environment": approval.environment,
        "origin": approval.origin,
        "change": approval.change_id,
        "sealed_at": _time(approval.sealed_at),
        "people": approval.approvals,
        "codes": sorted(approval.unmet),
        **_use(issuer, issuer.at, min(ends, approval.valid_until) if approval.valid_until else ends),
    }
    return _statement(
        [_subject(f"tillgate:{approval.kind}/{approval.subject_id}", approval.digest)],
        issuer,
        at=issuer.at,
        resource=f"tillgate:{approval.environment}/*/{approval.subject_id}",
        policy=approval.policy_digest or None,
        evidence=None,
        passed=not approval.unmet,
        own=own,
    )


def _statement(
    subjects: list[dict[str, Any]],
    issuer: Issuer,
    *,
    at: datetime,
    resource: str,
    policy: str | None,
    evidence: dict[str, Any] | None,
    passed: bool,
    own: dict[str, Any],
) -> dict[str, Any]:
    return {
        "_type": STATEMENT,
        "subject": subjects,
        "predicateType": PREDICATE,
        "predicate": {
            "verifier": {"id": issuer.url},
            "timeVerified": _time(at),
            "resourceUri": resource,
            "policy": {"uri": f"{issuer.url}/api/v1/policies", **(_digest(policy) if policy else {})},
            **({"inputAttestations": [evidence]} if evidence else {}),
            "verificationResult": "PASSED" if passed else "FAILED",
            "verifiedLevels": ["TILLGATE_ALLOWED"] if passed else ["FAILED"],
            "tillgate": own,
        },
    }


def _ends(document: Mapping[str, Any]) -> list[datetime]:
    """When what carries the verdict ends: its waivers, its break-glasses."""
    waived = [waiver["expires_at"] for waiver in document["waivers"]]
    carried = [used["ends_at"] for used in document.get("break_glass", ())]
    return [datetime.fromisoformat(text) for text in (*waived, *carried)]


def _use(issuer: Issuer, begins: datetime, ends: datetime) -> dict[str, Any]:
    return {
        "audience": issuer.audience,
        "issued": _time(issuer.at),
        "not_before": _time(begins),
        "expires": _time(ends),
    }


def _subject(name: str, digest: str) -> dict[str, Any]:
    return {"name": name, **_digest(digest)}


def _digest(digest: str) -> dict[str, Any]:
    return {"digest": {"sha256": digest.removeprefix(PREFIX)}}


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
