"""Checks on the lifecycle of an API version: its consumers, what they were promised, and its dates (RFC 9745, RFC
8594).

Each finding names its rule, its place and the evidence; each outcome says what would fix it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from catalog.domain.facts import VersionFacts
from catalog.selectors import consumers, gate_facts, tiers, versions
from governance.domain.checks import (
    ChangeFacts,
    Check,
    CheckContext,
    CheckOutcome,
    failed,
    finding,
    not_applicable,
    not_run,
    passed,
)
from governance.domain.subject import SubjectFacts
from governance.services.catalog.proposals import moment_or_none
from governance.services.catalog.subject_facts import on_version
from kernel.models import User
from kernel.ui.wording import counted
from kernel.viewer import Viewer


@on_version
def _consumers(context: CheckContext, facts: SubjectFacts, version: VersionFacts) -> CheckOutcome:
    if facts.consumers_affected is None:
        return not_run("Its consumers are unknown.", ["Report usage, or register that it has no consumers."])
    listed = [
        finding(
            "consumers.affected",
            "",
            f"{c.name} in {c.environment}: {c.state}, "
            f"last seen {f'{c.last_seen_at:%d %b %Y}' if c.last_seen_at else 'never'}.",
            level="info",
            application=c.application,
            environment=c.environment,
            last_seen_at=c.last_seen_at.isoformat() if c.last_seen_at else "never",
        )
        for c in facts.consumers_affected
    ]
    homeless = sorted({c.name for c in facts.consumers_affected if c.team_id is None})
    if homeless:
        errors = [finding("consumers.owner", "", f"{name} has no owner team.") for name in homeless]
        return failed(
            f"{counted(len(homeless), 'affected consumer')} without an owner.",
            [*errors, *listed],
            [f"Name an owner team for {name}." for name in homeless],
        )
    seen = [c.last_seen_at for c in facts.consumers_affected if c.last_seen_at]
    if not listed:
        return passed("It has no subscriptions, and no calls in the last 30 days.")
    return passed(
        f"{counted(len(listed), 'use')}, last seen {max(seen):%d %b %Y %H:%M} UTC."
        if seen
        else f"{counted(len(listed), 'use')}, none of them seen yet.",
        listed,
    )


@on_version
def _notice(context: CheckContext, facts: SubjectFacts, version: VersionFacts) -> CheckOutcome:
    """Deprecation needs a sunset as late as the tier promises, a live successor and a migration guide (RFC 9745, RFC
    8594).
    """
    parameters = context.change.parameters
    sunset = moment_or_none(parameters.get("sunset_at"))
    tier = tiers.by_level(version.tier) if version.tier is not None else None
    if tier is None or tier.notice_days is None:
        return not_run("The tier does not say how much notice consumers get.", ["Choose a tier with a notice period."])
    found = []
    if sunset is None:
        found.append(finding("deprecation.sunset", "/parameters/sunset_at", "There is no sunset date."))
    elif sunset < context.as_of + timedelta(days=tier.notice_days) and not parameters.get("earlier"):
        found.append(
            finding(
                "deprecation.notice",
                "/parameters/sunset_at",
                f"The sunset on {sunset:%d %b %Y} comes sooner than the {counted(tier.notice_days, 'day')} that "
                f"tier {version.tier} promises.",
                sunset_at=sunset.isoformat(),
            )
        )
    found += _without_successor(version, facts, context.change)
    if found:
        earliest = context.as_of + timedelta(days=tier.notice_days)
        away = f" The sunset is {counted((sunset - context.as_of).days, 'day')} away." if sunset else ""
        return failed(
            f"{counted(len(found), 'requirement')} of a deprecation not met.{away}",
            found,
            [f"Name a published successor, a guide and a sunset not before {earliest:%d %b %Y}."],
        )
    return passed(
        f"The sunset is {(sunset - context.as_of).days if sunset else 0} days away; "
        f"tier {version.tier} requires {tier.notice_days}."
    )


def _without_successor(version: VersionFacts, facts: SubjectFacts, change: ChangeFacts) -> list[dict[str, Any]]:
    found, parameters = [], change.parameters
    successor = str(parameters.get("successor") or "")
    if not successor:
        if facts.consumers_affected:
            found.append(
                finding(
                    "deprecation.successor", "/parameters/successor", "It has consumers, but no successor is named."
                )
            )
    else:
        target = versions.by_reference(successor) if _seen_by_author(change, successor) else None
        if target is None or target.state not in ("published",) or target.reference == version.reference:
            found.append(
                finding(
                    "deprecation.successor", "/parameters/successor", f"{successor} is not another published version."
                )
            )
    if not str(parameters.get("guide") or version.migration_guide or "").strip() and facts.consumers_affected:
        found.append(
            finding("deprecation.guide", "/parameters/guide", "There is no migration guide for its consumers.")
        )
    return found


def _seen_by_author(change: ChangeFacts, reference: str) -> bool:
    """What the author may not see is no successor, in the words for what does not exist."""
    if change.author_id is None:
        return True
    author = Viewer.of(User.objects.filter(pk=change.author_id).first())
    return not gate_facts.hidden_apis([reference.partition("@")[0]], author)


@on_version
def _sunset(context: CheckContext, facts: SubjectFacts, version: VersionFacts) -> CheckOutcome:
    """Deprecation before sunset, no sunset earlier than promised, and no successor that ends first."""
    found = []
    sunset = moment_or_none(context.change.parameters.get("sunset_at")) or version.sunset_at
    if context.change.kind == "version.publish":
        if version.sunset_at and version.sunset_at <= context.as_of:
            found.append(
                finding("sunset.past", "", f"It would be published after its sunset on {version.sunset_at:%d %b %Y}.")
            )
        if not found and version.sunset_at is None:
            return not_applicable("It has no sunset.")
    if sunset and version.deprecated_at and version.deprecated_at > sunset:
        found.append(
            finding("sunset.before_deprecation", "/parameters/sunset_at", "The sunset is before the deprecation.")
        )
    if sunset and version.sunset_at and sunset < version.sunset_at and not context.change.parameters.get("earlier"):
        found.append(
            finding(
                "sunset.earlier",
                "/parameters/sunset_at",
                f"{version.sunset_at:%d %b %Y} was promised; an earlier sunset needs more approvals.",
            )
        )
    named = str(context.change.parameters.get("successor") or "")
    asked = version.successor_reference if not named else named if _seen_by_author(context.change, named) else ""
    successor = versions.by_reference(asked or "@")
    if sunset and successor and successor.sunset_at and successor.sunset_at <= sunset:
        found.append(
            finding(
                "sunset.successor_first",
                "/parameters/successor",
                f"{named or 'Its successor'} has its sunset no later than this one.",
            )
        )
    if found:
        return failed(
            "The dates contradict each other.",
            found,
            ["Choose a sunset after the deprecation and not before the promised one, and a successor that ends later."],
        )
    return passed(f"Sunset {sunset:%d %b %Y}." if sunset else "No sunset.")


@on_version
def _no_live_consumers(context: CheckContext, facts: SubjectFacts, version: VersionFacts) -> CheckOutcome:
    left = consumers.blocking_retirement(version.id, context.change.planned_from or context.as_of)
    listed = [
        finding(
            "retire.live_consumer",
            f"/consumers/{c.application_key}",
            f"{c.name} still uses it in {c.environment}.",
            application=c.application_key,
        )
        for c in left
    ]
    if listed:
        return failed(
            f"{counted(len(listed), 'live consumer')} left.",
            listed,
            ["Move each consumer by a dated migration, or grant a waiver for it."],
        )
    return passed("No live consumer is left.")


@on_version
def _sunset_reached(context: CheckContext, facts: SubjectFacts, version: VersionFacts) -> CheckOutcome:
    until = context.change.planned_from or context.as_of
    if version.sunset_at is None:
        return failed(
            "It was never deprecated.",
            [finding("retire.no_sunset", "", "It has no sunset, so its consumers were not told.")],
            ["Deprecate it first."],
        )
    if version.sunset_at > until:
        found = finding("retire.before_sunset", "", f"It was promised until {version.sunset_at:%d %b %Y}.")
        advice = f"Plan it after {version.sunset_at:%d %b %Y}."
        return failed("It is planned to begin before the promised sunset.", [found], [advice])
    return passed(f"Promised until {version.sunset_at:%d %b %Y}.")


CONSUMERS = Check("consumers.affected", "Affected consumers have an owner", _consumers)
NOTICE = Check("deprecation.notice", "Notice, successor and migration guide", _notice)
SUNSET = Check("sunset.coherence", "Lifecycle dates", _sunset)
NO_LIVE_CONSUMERS = Check("retire.consumers", "No live consumers", _no_live_consumers)
SUNSET_REACHED = Check("retire.sunset", "Promised sunset reached", _sunset_reached)
