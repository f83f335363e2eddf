"""Who asks, where, under which policies; what the question says about itself; and what nobody knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from governance.domain.evidence import MISSING, Evidence
from governance.domain.reasons import ASKER, GateCase


def judge(case: GateCase, root: Evidence, question: Mapping[str, Any]) -> None:
    application = root.child("application")
    if application.text("key") not in (MISSING, question["application"]):
        application.unusable()
    application.text("owner_team")
    environment = root.child("environment")
    if environment.text("key") not in (MISSING, question["environment"]):
        environment.unusable()
    root.text("policy_digest")
    _declared(case, question)


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
