"""Checks that every change has, whatever its kind. Missing evidence never passes."""

from __future__ import annotations

from governance.domain import kinds
from governance.domain.checks import Check, CheckContext, CheckOutcome, failed, finding, not_applicable, not_run, passed
from governance.domain.freeze import FreezeScope
from governance.selectors import freezes
from kernel.ui.wording import counted

REHEARSAL = ("test", "staging")


def _subject_present(context: CheckContext) -> CheckOutcome:
    facts = context.subject_facts
    if facts is None:
        return not_run(
            f"{context.subject.kind} {context.subject.id} no longer exists.",
            [f"Register {context.subject.id}, or withdraw the change."],
        )
    if facts.digest is None:
        return not_run(
            f"{context.subject.id} has no digest, so there is nothing to approve.",
            ["Give it a contract or a manifest."],
        )
    if facts.digest != context.subject.digest:
        found = finding("subject.present", "", "It has changed since this revision.", digest=facts.digest)
        return failed(
            f"{context.subject.id} has another digest now.", [found], ["Revise the change to the present digest."]
        )
    return passed("The digest under review is the present one.")


def _owner_known(context: CheckContext) -> CheckOutcome:
    facts = context.subject_facts
    if facts is None or not facts.owner_team_ids:
        return not_run(
            f"{context.subject.id} has no owner team that could approve it.",
            [f"Name an owner team for {context.subject.id}."],
        )
    return passed()


def _impact_known(context: CheckContext) -> CheckOutcome:
    facts = context.subject_facts
    if facts is None or facts.consumers_affected is None:
        return not_run(
            "It is unknown which consumers this affects.", ["Report the consumers, or register that there are none."]
        )
    seen = [c for c in facts.consumers_affected if c.last_seen_at is not None]
    if not facts.consumers_affected:
        return passed("It affects no consumer.")
    return passed(f"{counted(len(facts.consumers_affected), 'consumer')}, {len(seen)} of them seen.")


def _window(context: CheckContext) -> CheckOutcome:
    change = context.change
    if change.environment in REHEARSAL:
        return not_applicable(f"A planned window is not needed in {change.environment}.")
    if change.planned_from is None or change.planned_until is None:
        return not_run("There is no planned window.", ["Say from when until when it may go live."])
    if change.planned_until <= context.as_of:
        found = finding("change.window", "", f"The planned window ended {change.planned_until:%Y-%m-%d %H:%M} UTC.")
        return failed("The planned window is in the past.", [found], ["Plan a new window."])
    if kinds.kind(change.kind).passes_freezes:
        return passed("It is about a freeze; freezes do not stop it.")
    facts = context.subject_facts
    scope = FreezeScope(
        change.environment,
        facts.tier if facts else None,
        facts.domain_key if facts else None,
        facts.system_keys if facts else (),
        fleet=freezes.is_fleet(change.environment),
    )
    frozen = freezes.touching(scope, change.planned_from, change.planned_until)
    open_from = change.planned_from
    for occurrence in sorted(frozen, key=lambda o: o.starts):
        if occurrence.starts > open_from:
            break
        open_from = max(open_from, occurrence.ends)
    if open_from >= change.planned_until:
        listed = [
            finding("freeze.active", "", f"{o.name} until {o.ends:%Y-%m-%d %H:%M} UTC.", freeze=o.id) for o in frozen
        ]
        return failed(
            "A freeze covers the whole planned window.", listed, [f"Plan it after {open_from:%Y-%m-%d %H:%M} UTC."]
        )
    if frozen:
        return passed(
            f"The planned window is open from {open_from:%Y-%m-%d %H:%M} UTC, after {counted(len(frozen), 'freeze')}."
        )
    return passed("No freeze touches the planned window.")


def _rollback(context: CheckContext) -> CheckOutcome:
    if context.change.environment in REHEARSAL:
        return not_applicable(f"A rollback plan is not needed in {context.change.environment}.")
    if len(context.change.rollback_plan.split()) < 3:
        found = finding("change.rollback_plan", "/rollback_plan", "There is no rollback plan.")
        return failed("No rollback plan.", [found], ["Write in a sentence or two how this is undone, and by whom."])
    return passed()


BUILT_IN: tuple[Check, ...] = (
    Check("subject.present", "Contract unchanged since review", _subject_present),
    Check("owner.known", "Has an owner", _owner_known),
    Check("impact.known", "Affected consumers known", _impact_known),
    Check("change.window", "Planned window", _window),
    Check("change.rollback_plan", "Rollback plan", _rollback),
)
