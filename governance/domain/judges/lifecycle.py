"""State, dates and review of one API version, consumed or provided."""

from __future__ import annotations

from datetime import datetime

from governance.domain.evidence import MISSING, Evidence
from governance.domain.judges.entries import did_you_mean, listed, reported_only, team
from governance.domain.reasons import ASKER, GateCase, day

ORIGINS = ("registered", "imported", "declared")
"""Where a version comes from. Any other word is no evidence since engine 6; before, every text was."""


def judge_version(case: GateCase, reference: str, node: Evidence, *, provided: bool) -> bool:
    """False: it is not in the catalog, and nothing else can be said of it."""
    state = node.text("state")
    if state == "unregistered":
        fix = did_you_mean(listed(node.texts("near"))) or f"Register {reference}."
        case.unknown("version.unknown", reference, node, f"{reference} is not in the catalog.", fix, who=ASKER)
        return False
    origin = node.text("origin", *(ORIGINS if case.engine >= 6 else ()))
    judged, enforced = node.flag("judged"), node.moment("enforced_from", "now")
    owner = node.text("owner_team")
    deprecated, sunset, successor = (
        node.moment("deprecated_at", "never"),
        node.moment("sunset_at", "never"),
        node.text("successor"),
    )
    if MISSING in (state, origin, judged, enforced, deprecated, sunset, successor):
        return True
    if not judged:
        case.unknown(
            "version.unjudged",
            reference,
            node,
            f"{reference} was imported and nobody has judged it yet.",
            f"Open a change request that publishes {reference}.",
            who=team(owner),
            report_only=reported_only(case, enforced),
        )
    _judge_dates(case, reference, node, state, deprecated, sunset, successor, provided=provided)
    return True


def _judge_dates(
    case: GateCase,
    reference: str,
    node: Evidence,
    state: str,
    deprecated: datetime | str,
    sunset: datetime | str,
    successor: str,
    *,
    provided: bool,
) -> None:
    move = f"Move to {successor}." if successor != "none" else "Move to another API; no successor is named."
    if state == "retired":
        case.deny("version.retired", reference, node, f"{reference} is retired.", move, leaves=True)
    elif state not in ("published", "deprecated") and not (provided and state == "approved"):
        fix = f"Have {reference} approved and published."
        case.deny("version.not_published", reference, node, f"{reference} is {state}, not published.", fix)
    if isinstance(sunset, datetime) and case.as_of >= sunset and state != "retired":
        message = f"{reference} had its sunset on {day(sunset)}."
        case.deny("version.past_sunset", reference, node, message, move, leaves=True)
    elif state == "deprecated" or (isinstance(deprecated, datetime) and case.as_of >= deprecated):
        until = f" until {day(sunset)}" if isinstance(sunset, datetime) else ""
        case.warn("version.deprecated", reference, f"{reference} is deprecated{until}. {move}")
