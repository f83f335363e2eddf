"""What the application provides: the version, what it needs itself, and the live consumers of what it replaces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from governance.domain.evidence import Evidence
from governance.domain.judges import entries, lifecycle
from governance.domain.reasons import GateCase


def judge(case: GateCase, root: Evidence, question: Mapping[str, Any]) -> None:
    entries.each(case, root, "provided", question["provides"], _judge_one)


def _judge_one(case: GateCase, asked: Mapping[str, Any], node: Evidence) -> None:
    reference = asked["ref"]
    if not lifecycle.judge_version(case, reference, node, provided=True):
        return
    relation = node.text("relation", *entries.RELATIONS)
    for weaker in entries.listed(node.texts("weaker_dependencies")):
        case.deny(
            "tier.dependency_weaker",
            reference,
            node,
            f"{reference} depends on {weaker}, which promises less.",
            f"Give {weaker} the same tier, or stop depending on it.",
        )
    for consumer, use in node.members("consumers"):
        _consumer(case, reference, consumer, use, relation)
    if relation == "uncompared":
        case.unknown(
            "contract.uncompared",
            reference,
            node,
            f"{reference} cannot be compared with what runs now.",
            f"Register a readable contract for {reference}.",
            who=entries.team(node.text("owner_team")),
        )


def _consumer(case: GateCase, reference: str, consumer: str, use: Evidence, relation: Any) -> None:
    verdict, ready = use.text("verdict", "same", "compatible", "breaking", "uncompared"), use.flag("ready")
    use.moment("last_seen", "never", "unreported")
    if verdict == "breaking":
        case.deny(
            "contract.breaking_for_consumer",
            reference,
            use,
            f"{consumer} uses what {reference} takes away or changes.",
            f"Move {consumer} first, or keep the old version beside it.",
        )
    elif verdict == "uncompared":
        case.unknown(
            "contract.uncompared",
            reference,
            use,
            f"Nobody can say whether {consumer} still works with {reference}.",
            f"Register the contract that {consumer} uses.",
            who=f"the team of {consumer}",
        )
    if relation == "backward" and ready is False:
        case.deny(
            "order.consumers_first",
            reference,
            use,
            f"{reference} can only be read by upgraded consumers, and {consumer} is not upgraded.",
            f"Release {consumer} first.",
        )
