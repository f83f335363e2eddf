"""Signed statements about verdicts and approvals: DSSE envelopes with Ed25519, and the public keys that check them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from securesystemslib.dsse import Envelope

from catalog.selectors import consumers
from governance.domain import statement_keys, statements
from governance.domain.subject import Subject
from governance.models import Approval, Verdict
from governance.services import approvals, standing
from kernel import clock
from kernel.digest import canonical_json
from kernel.errors import Conflict, Unavailable
from kernel.strict_json import loads
from kernel.viewer import Viewer

NEAR_NOW = timedelta(minutes=1)  # what-ifs of before each of them said so
KEYS_SCHEMA = "tillgate.keys/1"


def about_verdict(row: Verdict, audience: object, viewer: Viewer) -> dict[str, Any]:
    """The envelope. Raises Invalid without an audience, Unavailable without a key, Conflict for a what-if, and for a
    verdict that does not stand any more."""
    answer = row.answer.encode()
    document = loads(answer)
    if document.get("hypothetical") or abs(row.at - row.as_of) > NEAR_NOW:
        raise Conflict("statement.hypothetical", f"Verdict {row.pk} is a what-if; nothing may go live on it.")
    issuer = _issuer(audience)
    _require_standing(row, viewer)
    return _signed(statements.of_verdict(row.pk, row.at, row.question, answer, document, _asker(row), issuer))


def about_approval(row: Approval, audience: object) -> dict[str, Any]:
    """The envelope about an approval as it holds now. Raises Invalid without an audience, Unavailable without a key."""
    issuer = _issuer(audience)
    subject = Subject(row.subject_kind, row.subject_id, row.digest)
    codes = {str(found["code"]) for found in approvals.unmet(subject, row.environment, issuer.at)}
    if row.voided_at is not None:
        codes.add("approval.void")
    approved = statements.StatedApproval(
        id=row.pk,
        kind=row.subject_kind,
        subject_id=row.subject_id,
        digest=row.digest,
        environment=row.environment,
        origin=str(row.origin),
        change_id=row.change_id,
        policy_digest=row.policy_digest,
        sealed_at=row.sealed_at,
        valid_until=row.valid_until,
        approvals=len(row.approver_ids),
        unmet=tuple(sorted(codes)),
    )
    return _signed(statements.of_approval(approved, issuer))


def public_keys() -> dict[str, Any]:
    """The document of the well-known address: every key that a statement may be checked with; the first one signs."""
    keys = [{"keyid": key.keyid, **key.to_dict()} for key in statement_keys.read(settings.STATEMENT_KEYS)[1]]
    return {"schema": KEYS_SCHEMA, "verifier": settings.PUBLIC_URL, "keys": keys}


def _require_standing(row: Verdict, viewer: Viewer) -> None:
    """A signature is of now, and vouches for what the gate itself answers: a row says nothing that is not computed
    again, however young it is."""
    held = standing.of(row.pk, viewer)
    if not held.stands:
        raise Conflict(
            "statement.not_standing", f"Verdict {row.pk} does not stand any more ({held.why}); ask the gate again."
        )


def _asker(row: Verdict) -> statements.Asker:
    """An account that has left the team since asks for it no more."""
    account = row.asked_by
    if account is None:
        return statements.Asker("system", "service", own_team=False)
    own = consumers.applications_of(Viewer.of(account)).filter(key=row.application).exists()
    return statements.Asker(account.username, account.kind, own_team=account.is_active and own)


def _issuer(audience: object) -> statements.Issuer:
    return statements.Issuer(settings.PUBLIC_URL, statements.audience_of(audience), clock.now())


def _signed(statement: dict[str, Any]) -> dict[str, Any]:
    signer = statement_keys.read(settings.STATEMENT_KEYS)[0]
    if signer is None:
        raise Unavailable("statement.no_key", "This installation signs no statements: STATEMENT_KEYS is not set.")
    envelope = Envelope(canonical_json(statement), statements.PAYLOAD, {})
    envelope.sign(signer)
    made: dict[str, Any] = envelope.to_dict()
    return made
