"""Who asks, where, under which policies; what the question says about itself; and what nobody knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from governance.domain.evidence import MISSING, Evidence
from governance.domain.judges.entries import did_you_mean, listed
from governance.domain.policy import digest_of_levels
from governance.domain.reasons import ASKER, GateCase, day


def judge(case: GateCase, root: Evidence, question: Mapping[str, Any]) -> None:
    root.flag("hypothetical")
    _known(case, root.child("application"), "application", question)
    _known(case, root.child("environment"), "environment", question)
    _store(case, root.child("store"), question["instance"])
    if case.engine >= 3:
        _instance(case, root.child("instance"), question["instance"])
    _policies(root)
    _declared(case, question)
    _undeclared_use(case, root)


def _store(case: GateCase, node: Evidence, instance: str) -> None:
    """Freezes go by what it says of the store, so a piece that is gone is missed."""
    key = node.text("key", *(["unknown", instance] if instance else ["none"]))
    if case.engine >= 4 and key == instance:
        for name in ("banner", "region", "channel", "zone"):
            node.text(name)


def _known(case: GateCase, node: Evidence, what: str, question: Mapping[str, Any]) -> None:
    """The key is the question's own; an unknown one is told with what is written alike."""
    if node.text("key") not in (MISSING, question[what]):
        node.unusable()
    known = node.flag("known")
    if known is False:
        near = did_you_mean(listed(node.texts("near")))
        message = f"There is no {what} {question[what]}."
        fix = near or f"Register the {what}, or correct its name."
        case.unknown(f"{what}.unknown", question[what], node, message, fix, who=ASKER)
    elif what == "application" and known is True:
        node.text("owner_team")
        if case.engine >= 3:
            node.text("agent", "yes", "no")
            node.text("purpose")
    elif what == "environment" and known is True:
        node.moment("records", "unstated")
        node.moment("records_enforced_from", "now")


def _instance(case: GateCase, node: Evidence, asked: str) -> None:
    """Where nobody knows the instance, nobody knows what runs on it either."""
    node.text("key", asked or "none")
    if node.flag("known") is not False:
        return
    fix = did_you_mean(listed(node.texts("near"))) or "Register the store, or record what runs there."
    message = f"There is no instance {asked} here: no store of this key, and nothing is recorded to run on it."
    case.unknown("instance.unknown", asked, node, message, fix, who=ASKER)


def name_the_owner(case: GateCase, root: Evidence) -> None:
    """An agent settles nothing itself: where the asking team would, the verdict names the team that owns the agent."""
    node = root.child("application")
    if case.engine < 3 or node.flag("known") is not True or node.text("agent") != "yes":
        return
    who = f"team {node.text('owner_team')}, which owns the agent {case.application}"
    case.reasons = [replace(reason, who=who) if reason.who == ASKER else reason for reason in case.reasons]


def _policies(root: Evidence) -> None:
    """The digest of every level that took part, and one for all of them."""
    together = root.text("policy_digest")
    levels = dict(root.members_of("policies"))
    if not all(isinstance(digest, str) and digest for digest in levels.values()):
        root.child("policies").unusable()
    elif together is not MISSING and digest_of_levels(levels) != together:
        root.child("policy_digest").unusable()


def _declared(case: GateCase, question: Mapping[str, Any]) -> None:
    node = Evidence(None, [], "/question")
    if question["consumes"] is None:
        case.unknown(
            "evidence.no_consumes",
            question["application"],
            node,
            "The question does not say what the application consumes.",
            "Send `consumes`, an empty list if it consumes nothing.",
            who=ASKER,
        )
    if not any((question["consumes"], question["provides"], question["integrations"])):
        case.unknown(
            "evidence.nothing_declared",
            question["application"],
            node,
            "The application declares no consumed, provided or integrated thing: nothing was judged.",
            "Declare what it consumes, provides or integrates.",
            who=ASKER,
        )


def _undeclared_use(case: GateCase, root: Evidence) -> None:
    """Calls of the last days that neither the question nor a recorded release of the application explains."""
    for reference, use in root.members("undeclared_use"):
        calls, last, sunset = use.whole("calls"), use.text("last_day"), use.moment("sunset_at", "never")
        if MISSING in (calls, last, sunset):
            continue
        said = f"{case.application} called {reference} {calls} times, last on {last}, and declares no use of it"
        if not isinstance(sunset, str) and case.as_of >= sunset:
            case.deny(
                "usage.undeclared",
                reference,
                use,
                f"{said}; its sunset was on {day(sunset)}.",
                f"Stop calling {reference}, or record the release that still does.",
                leaves=True,
            )
        else:
            case.warn("usage.undeclared", reference, f"{said}.")


def tell_missing(case: GateCase, missing: Iterable[str]) -> None:
    """One reason for every piece of evidence that a rule looked for in vain."""
    for pointer in dict.fromkeys(missing):
        case.unknown(
            "evidence.missing",
            case.application,
            Evidence(None, [], pointer),
            f"Nothing is known about {pointer}.",
            "Record it in the catalog, then ask again.",
            who="an administrator of the catalog",
        )
