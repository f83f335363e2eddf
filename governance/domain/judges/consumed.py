"""What the application calls: the version, its subscription, its contract, and whether somebody provides it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from governance.domain.evidence import MISSING, Evidence
from governance.domain.judges import agreed, entries, lifecycle
from governance.domain.reasons import ASKER, GateCase

_SUBSCRIPTIONS = {
    "none": ("subscription.missing", "There is no subscription to {} in this environment.", "Subscribe to {}."),
    "pending": (
        "subscription.pending",
        "The subscription to {} waits for its approval.",
        "Have the subscription to {} approved.",
    ),
    "expired": ("subscription.expired", "The subscription to {} has ended.", "Renew the subscription to {}."),
}


def judge(case: GateCase, root: Evidence, question: Mapping[str, Any]) -> None:
    known = entries.place_is_known(root)
    enforced = root.child("environment").moment("records_enforced_from", "now") if known else MISSING

    def judge_one(case: GateCase, asked: Mapping[str, Any], node: Evidence) -> None:
        reference = asked["ref"]
        if not lifecycle.judge_version(case, reference, node, provided=False):
            return
        _subscribed(case, reference, node, place_is_known=known)
        _pinned(case, reference, node)
        _provider(case, reference, node, place_is_known=known, report_only=entries.reported_only(case, enforced))

    entries.each(case, root, "consumed", question["consumes"], judge_one)


def _subscribed(case: GateCase, reference: str, node: Evidence, *, place_is_known: bool) -> None:
    """Where application or environment do not exist, that is told once, and no subscription is looked for."""
    subscription = node.text("subscription", "active", "unasked", *_SUBSCRIPTIONS)
    if subscription == "unasked" and place_is_known:
        node.child("subscription").unusable()
    elif subscription in _SUBSCRIPTIONS:
        code, message, fix = (text.format(reference) for text in _SUBSCRIPTIONS[subscription])
        closed, successor = node.text("state") == "deprecated", node.text("successor")
        if closed:  # a deprecated version takes no new consumers
            fix = f"Move to {successor}." if successor not in (MISSING, "none") else "Move to another API."
        case.deny(code, reference, node, message, fix, leaves=closed)


def _pinned(case: GateCase, reference: str, node: Evidence) -> None:
    contract = node.text("contract", "unpinned", "same", "compatible", "breaking", "uncompared")
    pins = node.text("pins", "advised", "required", "unstated")
    overdue = agreed.over_since(case, reference, case.application, node)
    if contract == "breaking":
        if overdue is None:
            return
        case.deny(
            "contract.breaking_for_consumer",
            reference,
            node,
            f"{reference} is no longer the contract this application was built against; the difference breaks it."
            f"{overdue}",
            f"Build against the present contract of {reference}.",
        )
    elif contract == "uncompared":
        case.unknown(
            "contract.uncompared",
            reference,
            node,
            f"The contract that was built against cannot be compared with {reference}.",
            "Send a digest that the catalog knows.",
            who=ASKER,
        )
    elif contract == "unpinned":
        said = f"The question does not say which contract of {reference} the application was built against."
        fix = f"Send the contract digest of {reference} that it was built against."
        if pins == "required":
            case.unknown("contract.unpinned", reference, node, f"{said} Its tier asks for that.", fix, who=ASKER)
        elif pins == "unstated":
            said, fix = f"{said} No tier says whether that is needed.", f"State the tier of {_api(reference)}."
            owner, enforced = entries.team(node.text("owner_team")), node.moment("enforced_from", "now")
            late = entries.reported_only(case, enforced)
            case.unknown("contract.unpinned", reference, node, said, fix, who=owner, report_only=late)
        else:
            case.warn("contract.unpinned", reference, f"{said} {fix}")


def _provider(case: GateCase, reference: str, node: Evidence, *, place_is_known: bool, report_only: bool) -> None:
    """Where application or environment do not exist, that is told once, and nobody's record is missed."""
    provider = node.text("provider", "running", "older", "none", "third_party", "unrecorded")
    relation, runs = node.text("relation", *entries.RELATIONS), ", ".join(entries.listed(node.texts("runs")))
    owner = entries.team(node.text("owner_team"))
    api, unserved = _api(reference), entries.listed(node.texts("unserved")) if case.engine >= 3 else []
    where = f"in {', '.join(unserved)}" if unserved else "here"
    if provider in ("running", "older") and unserved:
        node.child("unserved").unusable()
    elif (provider == "older") != bool(runs) or (provider == "older") == (relation == "not_needed"):
        node.child("provider").unusable()
    elif provider == "older":
        _older(case, reference, node, relation, runs, owner)
    elif case.engine >= 3 and not place_is_known:
        return
    elif provider == "none":
        message = f"Nobody provides {reference} {where}, and no other version of {api} either."
        fix = f"Release a provider of {reference} first."
        case.unknown("provider.missing", reference, node, message, fix, who=owner)
    elif provider == "unrecorded":
        case.unknown(
            "provider.unrecorded",
            reference,
            node,
            f"No record says who provides {reference} {where}, and it is not declared as a third party's.",
            f"Record the release that provides {api} {where}, or declare {api} or its system as third party.",
            who=owner,
            report_only=report_only,
        )


def _older(case: GateCase, reference: str, node: Evidence, relation: Any, runs: str, owner: str) -> None:
    """Somewhere here only other versions of the API run: may they serve this one?"""
    if relation in ("forward", "breaking"):
        case.deny(
            "order.producer_first",
            reference,
            node,
            f"Not every provider here runs {reference} yet, and {runs} cannot serve it.",
            f"Release {reference} first, in each place that runs {runs}.",
            who=owner,
        )
    elif relation == "uncompared":
        case.unknown(
            "contract.uncompared",
            reference,
            node,
            f"Nobody can say whether {runs}, which runs here, can serve {reference}.",
            f"Register readable contracts of {_api(reference)}.",
            who=owner,
        )


def _api(reference: str) -> str:
    return reference.partition("@")[0]
