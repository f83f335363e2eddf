"""Words, tones and icons of governance, in one place."""

from __future__ import annotations

from governance.models import ChangeRequest, CheckResult
from kernel.ui import tones
from kernel.ui.tones import Tone

STATES: dict[str, Tone] = {
    "draft": tones.quiet("Draft"),
    "in_review": tones.wait("In review"),
    "approved": tones.ok("Approved"),
    "applied": tones.ok("In effect"),
    "rejected": tones.stop("Rejected"),
    "withdrawn": tones.quiet("Withdrawn"),
}
RISKS: dict[str, Tone] = {
    "high": tones.stop("High risk", "alert"),
    "medium": tones.wait("Medium risk", "alert"),
    "low": tones.quiet("Low risk", "shield"),
    "unknown": tones.wait("Unknown risk", "alert"),
}
CHECKS: dict[str, Tone] = {
    "passed": tones.ok("Passed"),
    "failed": tones.stop("Failed"),
    "not_applicable": tones.quiet("Not applicable"),
    "not_run": tones.wait("Not run"),
}
FINDINGS: dict[str, Tone] = {
    "breaking": tones.stop("Breaking", "alert"),
    "attention": tones.wait("Review"),
    "compatible": tones.ok("Compatible"),
}
OUTCOMES: dict[str, Tone] = {
    "approve": tones.ok("Approved"),
    "request_changes": tones.wait("Changes requested"),
    "reject": tones.stop("Rejected"),
}
WAIVERS: dict[str, Tone] = {
    "proposed": tones.wait("Asked for"),
    "granted": tones.ok("In force", "shield"),
    "lapsed": tones.stop("No longer holds", "shield"),
    "revoked": tones.quiet("Revoked"),
    "expired": tones.quiet("Expired"),
}
STRICTNESS: dict[str, Tone] = {
    "notice": tones.quiet("Notice", "info"),
    "changes": tones.wait("No change goes live", "gate-shut"),
    "work": tones.stop("No job runs", "stop"),
}
POLICIES: dict[str, Tone] = {
    "draft": tones.wait("Draft"),
    "active": tones.ok("In force"),
    "superseded": tones.quiet("Superseded"),
}


DELIVERIES: dict[str, Tone] = {
    "open": tones.wait("Waiting"),
    "delivered": tones.ok("Arrived"),
    "failed": tones.stop("Failed"),
}


def receiver_of(active: bool, failed: int, waiting: int) -> Tone:
    """A receiver of webhooks by what became of its deliveries."""
    if not active:
        return tones.quiet("Stopped", "pause")
    if failed:
        return tones.stop(f"{failed} did not arrive", "alert")
    return tones.wait(f"{waiting} waiting") if waiting else tones.ok("Sending")


def state_of(change: ChangeRequest) -> Tone:
    return STATES.get(change.state, tones.quiet(change.state))


def risk_of(change: ChangeRequest) -> Tone:
    return RISKS.get(change.risk, RISKS["unknown"])


def counts(passed: int | None, failed: int | None, not_run: int | None, not_applicable: int | None) -> list[Tone]:
    """The check counts of a change as tones; a count of zero or None is left out."""
    words = (
        (passed, tones.ok, "passed"),
        (failed, tones.stop, "failed"),
        (not_run, tones.wait, "not run"),
        (not_applicable, tones.quiet, "not applicable"),
    )
    return [tone(f"{count} {word}") for count, tone, word in words if count]


def tally(results: list[CheckResult]) -> list[Tone]:
    def of(status: str) -> int:
        return sum(1 for r in results if r.status == status)

    return counts(of("passed"), of("failed"), of("not_run"), of("not_applicable"))
