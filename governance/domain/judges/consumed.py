"""What the application calls: the version, its subscription, its contract, and whether somebody provides it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from governance.domain.evidence import MISSING, Evidence
from governance.domain.judges import entries, lifecycle
from governance.domain.reasons import ASKER, GateCase


def judge(case: GateCase, root: Evidence, question: Mapping[str, Any]) -> None:
    entries.each(case, root, "consumed", question["consumes"], _judge_one)


def _judge_one(case: GateCase, asked: Mapping[str, Any], node: Evidence) -> None:
    reference = asked["ref"]
    if not lifecycle.judge_version(case, reference, node, provided=False):
        return
    _subscribed(case, reference, node)
    contract = node.text("contract", "unpinned", "same", "compatible", "breaking", "uncompared")
    if contract == "breaking":
        case.deny(
            "contract.breaking_for_consumer",
            reference,
            node,
            f"{reference} is no longer the contract this application was built against; the difference breaks it.",
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
    provider, relation = (
        node.text("provider", "running", "missing", "external"),
        node.text("relation", *entries.RELATIONS),
    )
    if provider == "missing" and relation in ("forward", "breaking"):
        case.deny(
            "order.producer_first",
            reference,
            node,
            f"Nobody provides {reference} in this environment yet, and older providers cannot serve it.",
            f"Release a provider of {reference} first.",
        )


def _subscribed(case: GateCase, reference: str, node: Evidence) -> None:
    said = {
        "none": (
            "subscription.missing",
            f"There is no subscription to {reference} in this environment.",
            f"Subscribe to {reference}.",
        ),
        "pending": (
            "subscription.pending",
            f"The subscription to {reference} waits for its approval.",
            f"Have the subscription to {reference} approved.",
        ),
        "expired": (
            "subscription.expired",
            f"The subscription to {reference} has ended.",
            f"Renew the subscription to {reference}.",
        ),
    }
    subscription = node.text("subscription", "active", *said)
    if subscription not in (MISSING, "active"):
        code, message, fix = said[subscription]
        case.deny(code, reference, node, message, fix)
