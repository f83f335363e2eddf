"""Who asks, where, under which policies; what the question says about itself; and what nobody knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from governance.domain.evidence import MISSING, Evidence
from governance.domain.judges.entries import did_you_mean, listed
from governance.domain.policy import digest_of_levels
from governance.domain.reasons import ASKER, GateCase, day


def judge(case: GateCase, root: Evidence, question: Mapping[str, Any]) -> None:
    root.flag("hypothetical")
    _known(case, root.child("application"), "application", question)
    _known(case, root.child("environment"), "environment", question)
    root.child("store").text("key", *(["unknown", question["instance"]] if question["instance"] else ["none"]))
    _policies(root)
    _declared(case, question)
    _undeclared_use(case, root)


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
    elif what == "environment" and known is True:
        node.moment("records", "unstated")
        node.moment("records_enforced_from", "now")


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
