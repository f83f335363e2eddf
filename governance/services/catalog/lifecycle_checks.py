"""Checks on the life of an API version: who lives on it, what they were promised, and whether the dates keep it (RFC 9745, RFC 8594).

Each says its rule id, where, on what evidence, and the smallest set of actions that would flip it.
"""

from __future__ import annotations

from datetime import timedelta

from catalog.domain.facts import VersionFacts
from catalog.selectors import consumers, tiers, versions
from governance.domain.checks import Check, CheckContext, CheckOutcome, failed, finding, not_applicable, not_run, passed
from governance.domain.subject import SubjectFacts
from governance.services.catalog.proposals import moment_or_none
from governance.services.catalog.subject_facts import on_version


@on_version
def _consumers(context: CheckContext, facts: SubjectFacts, version: VersionFacts) -> CheckOutcome:
    if facts.consumers_affected is None:
        return not_run("Nobody can say who uses it.", ["Report usage, or register that nobody does."])
    listed = [
        finding(
            "consumers.affected",
            "",
            f"{c.name} in {c.environment}: {c.state}, last seen {f'{c.last_seen_at:%d %b %Y}' if c.last_seen_at else 'never'}.",
            level="info",
            application=c.application,
            environment=c.environment,
            last_seen_at=c.last_seen_at.isoformat() if c.last_seen_at else "never",
        )
        for c in facts.consumers_affected
    ]
    homeless = sorted({c.name for c in facts.consumers_affected if c.team_id is None})
    if homeless:
        errors = [
            finding("consumers.owner", "", f"{name} has no owner team: nobody speaks for it.") for name in homeless
        ]
        return failed(
            f"{len(homeless)} affected consumer(s) have no owner.",
            [*errors, *listed],
            [f"Name an owner team for {name}." for name in homeless],
        )
    seen = [c.last_seen_at for c in facts.consumers_affected if c.last_seen_at]
    if not listed:
        return passed("Nobody uses it, by subscription or by calls of the last 30 days.")
    return passed(
        f"{len(listed)} use(s), last seen {max(seen):%d %b %Y %H:%M} UTC."
        if seen
        else f"{len(listed)} use(s), none of them seen yet.",
        listed,
    )


@on_version
def _notice(context: CheckContext, facts: SubjectFacts, version: VersionFacts) -> CheckOutcome:
    """Deprecation: a sunset far enough away for the tier, a successor that lives, a guide. RFC 9745, RFC 8594."""
    parameters = context.change.parameters
    sunset = moment_or_none(parameters.get("sunset_at"))
    tier = tiers.by_level(version.tier) if version.tier is not None else None
    if tier is None or tier.notice_days is None:
        return not_run(
            "The tier states no notice, so nobody can say whether this is enough.",
            ["Choose a tier that states its notice."],
        )
    found = []
    if sunset is None:
        found.append(finding("deprecation.sunset", "/parameters/sunset_at", "No sunset is named."))
    elif sunset < context.as_of + timedelta(days=tier.notice_days) and not parameters.get("earlier"):
        days = (sunset - context.as_of).days
        found.append(
            finding(
                "deprecation.notice",
                "/parameters/sunset_at",
                f"The sunset is {days} days away; tier {version.tier} promises {tier.notice_days}.",
                days=days,
            )
        )
    successor = str(parameters.get("successor") or "")
    if not successor:
        if facts.consumers_affected:
            found.append(
                finding("deprecation.successor", "/parameters/successor", "It has consumers and no successor is named.")
            )
    else:
        target = versions.by_reference(successor)
        if target is None or target.state not in ("published",) or target.reference == version.reference:
            found.append(
                finding("deprecation.successor", "/parameters/successor", f"{successor} is no published other version.")
            )
    if not str(parameters.get("guide") or version.migration_guide or "").strip() and facts.consumers_affected:
        found.append(finding("deprecation.guide", "/parameters/guide", "There is no guide for those who have to move."))
    if found:
        earliest = context.as_of + timedelta(days=tier.notice_days)
        return failed(
            f"{len(found)} thing(s) are missing for a fair deprecation.",
            found,
            [f"Name a published successor, a guide and a sunset not before {earliest:%d %b %Y}."],
        )
    return passed(
        f"The sunset is {(sunset - context.as_of).days if sunset else 0} days away; tier {version.tier} asks for {tier.notice_days}."
    )


@on_version
def _sunset(context: CheckContext, facts: SubjectFacts, version: VersionFacts) -> CheckOutcome:
    """Dates agree with each other: deprecation before sunset, a promise never earlier than it was, no successor that dies first."""
    found = []
    sunset = moment_or_none(context.change.parameters.get("sunset_at")) or version.sunset_at
    if context.change.kind == "version.publish":
        if version.sunset_at and version.sunset_at <= context.as_of:
            found.append(
                finding(
                    "sunset.past", "", f"It would be published after its own sunset on {version.sunset_at:%d %b %Y}."
                )
            )
        if not found and version.sunset_at is None:
            return not_applicable("It has no sunset.")
    if sunset and version.deprecated_at and version.deprecated_at > sunset:
        found.append(
            finding("sunset.before_deprecation", "/parameters/sunset_at", "The sunset lies before the deprecation.")
        )
    if sunset and version.sunset_at and sunset < version.sunset_at and not context.change.parameters.get("earlier"):
        found.append(
            finding(
                "sunset.earlier",
                "/parameters/sunset_at",
                f"{version.sunset_at:%d %b %Y} was promised; moving it earlier needs a quorum.",
            )
        )
    successor = versions.by_reference(
        str(context.change.parameters.get("successor") or version.successor_reference or "@")
    )
    if sunset and successor and successor.sunset_at and successor.sunset_at <= sunset:
        found.append(
            finding(
                "sunset.successor_first",
                "/parameters/successor",
                f"{successor.reference} has its own sunset no later than this one.",
            )
        )
    if found:
        return failed(
            "The dates do not agree.",
            found,
            ["Choose a sunset after the deprecation and the promise, and a successor that outlives it."],
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
            f"{len(listed)} consumer(s) still use it.",
            listed,
            ["Move each consumer by a dated migration, or grant a waiver for it."],
        )
    return passed("Nobody uses it any more.")


@on_version
def _sunset_reached(context: CheckContext, facts: SubjectFacts, version: VersionFacts) -> CheckOutcome:
    until = context.change.planned_from or context.as_of
    if version.sunset_at is None:
        return failed(
            "It was never deprecated.",
            [finding("retire.no_sunset", "", "It has no sunset: nobody was told.")],
            ["Deprecate it first."],
        )
    if version.sunset_at > until:
        found = finding("retire.before_sunset", "", f"It was promised until {version.sunset_at:%d %b %Y}.")
        return failed("Its promised time is not over.", [found], [f"Plan it after {version.sunset_at:%d %b %Y}."])
    return passed(f"Promised until {version.sunset_at:%d %b %Y}.")


CONSUMERS = Check("consumers.affected", "Consumers affected are known, with when they were last seen", _consumers)
NOTICE = Check("deprecation.notice", "Consumers get notice, a successor and a guide", _notice)
SUNSET = Check("sunset.coherence", "The dates agree with each other", _sunset)
NO_LIVE_CONSUMERS = Check("retire.consumers", "Nobody uses it any more", _no_live_consumers)
SUNSET_REACHED = Check("retire.sunset", "Its promised time is over", _sunset_reached)
