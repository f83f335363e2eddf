"""Lifting and changing a freeze that has begun: two kinds of change, which ask for a release manager and an architect
whatever the policies say, and which no freeze stops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from catalog.selectors import teams
from governance.domain import freeze, kinds
from governance.domain.checks import Check, CheckContext, CheckOutcome, failed, finding, not_run, passed
from governance.domain.kinds import ApprovedSubject, ChangeKind
from governance.domain.subject import Subject, SubjectFacts
from governance.models import FreezeWindow
from governance.services import freezes
from governance.services.builtin_checks import REHEARSAL
from kernel.errors import Invalid

CHANGEABLE = ("name", "reason", "strictness", "calendar", *freeze.DIMENSIONS)


def register_all() -> None:
    """Called once, by `governance.services.change_kinds.register_all()`."""
    sound = Check("freeze.sound", "Freeze as it would be", _sound)
    kinds.register(
        ChangeKind(
            key="freeze.end",
            label="End a freeze",
            facts=_facts,
            checks=(sound,),
            apply=_lift,
            propose=_ended,
            subject_kind="freeze",
            parameters=(),
            quorum=_quorum,
            passes_freezes=True,
        )
    )
    kinds.register(
        ChangeKind(
            key="freeze.change",
            label="Change a freeze",
            facts=_facts,
            checks=(sound,),
            apply=_change,
            propose=_changed,
            subject_kind="freeze",
            parameters=CHANGEABLE,
            quorum=_quorum,
            passes_freezes=True,
        )
    )


def _quorum(parameters: Mapping[str, Any]) -> Mapping[str, int]:
    """The release managers own every freeze."""
    return {"owner": 1, "architect": 1}


def _window(identifier: str) -> FreezeWindow | None:
    """By its number, or as a reason of the gate names it, which is what a waiver repeats: `freeze 12`."""
    identifier = identifier.removeprefix("freeze ")
    if not identifier.isdecimal() or len(identifier) > 18:
        return None
    return FreezeWindow.objects.filter(pk=int(identifier)).first()


def _facts(subject: Subject) -> SubjectFacts | None:
    window = _window(subject.id)
    if window is None:
        return None
    owners = teams.by_key("release-managers")
    document = freezes.document_of_window(window)
    return SubjectFacts(
        title=f"Freeze {window.name}",
        digest=freezes.digest_of_window(window),
        tier=0,
        data_class="internal",
        owner_team_ids=(owners.id,) if owners else (),
        consumers_affected=(),
        domain_key=document["domain"],
        system_keys=(document["system"],) if document["system"] else (),
        url="/freezes/",
        old=document,
        new=document,
    )


def _ended(subject: Subject, facts: SubjectFacts, parameters: Mapping[str, Any]) -> SubjectFacts:
    return replace(facts, new={**facts.old, "ended": True})


def _changed(subject: Subject, facts: SubjectFacts, parameters: Mapping[str, Any]) -> SubjectFacts:
    """A dimension that the change names is resolved by it."""
    given = {key: parameters[key] for key in CHANGEABLE if key in parameters}
    made = {key: value for key, value in {**facts.old, **given}.items() if value is not None or key not in freeze.LATER}
    left = {key: name for key, name in made.pop("unresolved", {}).items() if key not in given}
    return replace(facts, new=made | ({"unresolved": left} if left else {}))


def _sound(context: CheckContext) -> CheckOutcome:
    """The window is still there, the change is about its environment, and what it would become can be."""
    facts = context.subject_facts
    if facts is None:
        return not_run("The freeze is not known.")
    found = []
    environment = facts.old["environment"]
    if facts.old["ended"]:
        found.append(finding("freeze.sound", "", "It has ended already."))
    if environment not in (None, context.environment) or (environment is None and context.environment in REHEARSAL):
        where = environment or "the environment that counts most, such as production"
        found.append(finding("freeze.sound", "/environment", f"Open the change for {where}."))
    if context.change.kind == "freeze.change":
        found += _cannot_be(facts)
    if found:
        return failed(found[0]["message"], found, ["Correct it, or open a new change."])
    return passed()


def _cannot_be(facts: SubjectFacts) -> list[dict[str, Any]]:
    if facts.new == facts.old:
        return [finding("freeze.sound", "/parameters", "Nothing of the freeze would change.")]
    try:
        freezes.require_usable(facts.new)
    except Invalid as error:
        inside = "/calendar" if error.code == "freeze.calendar" else ""
        return [finding("freeze.sound", f"/parameters{inside}{f['pointer']}", f["message"]) for f in error.findings]
    return []


def _lift(approved: ApprovedSubject) -> None:
    freezes.lift(
        int(approved.subject.id), digest=approved.subject.digest, approval_id=approved.approval_id, actor=approved.actor
    )


def _change(approved: ApprovedSubject) -> None:
    facts = _facts(approved.subject)
    if facts is None:
        return
    freezes.change(
        int(approved.subject.id),
        values=_changed(approved.subject, facts, approved.parameters).new,
        digest=approved.subject.digest,
        approval_id=approved.approval_id,
        actor=approved.actor,
    )
