"""What the application provides: its right to, the version, what it needs itself, and the live consumers of what it
replaces or takes away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from governance.domain.evidence import MISSING, Evidence
from governance.domain.judges import agreed, entries, lifecycle
from governance.domain.reasons import ASKER, GateCase


def judge(case: GateCase, root: Evidence, question: Mapping[str, Any]) -> None:
    known = entries.place_is_known(root)

    def judge_one(case: GateCase, asked: Mapping[str, Any], node: Evidence) -> None:
        reference = asked["ref"]
        if not lifecycle.judge_version(case, reference, node, provided=True):
            return
        _right(case, reference, node, place_is_known=known)
        _contract(case, reference, node)
        _dependencies(case, reference, node)
        _consumers(case, reference, node)

    entries.each(case, root, "provided", question["provides"], judge_one)
    _replaced(case, root, question, place_is_known=known)


def _right(case: GateCase, reference: str, node: Evidence, *, place_is_known: bool) -> None:
    right = node.text("right", "owner", "granted", "none", "unasked")
    if right == "unasked" and place_is_known:
        node.child("right").unusable()
    elif right == "none":
        api = reference.partition("@")[0]
        case.deny(
            "provider.not_allowed",
            reference,
            node,
            f"{case.application} may not provide {api}: its team does not own it, and nobody granted the right.",
            f"Have the owner of {api} grant {case.application} the right to provide it.",
            who=entries.team(node.text("owner_team")),
        )


def _contract(case: GateCase, reference: str, node: Evidence) -> None:
    """A contract that the version does not have: nobody compared that one with what runs and with who uses it."""
    if case.engine >= 3 and node.text("contract", "unpinned", "same", "another") == "another":
        case.unknown(
            "contract.uncompared",
            reference,
            node.child("contract"),
            f"The contract that is provided is not that of {reference} in the catalog.",
            f"Provide {reference} as the catalog has it, or have the other contract approved for it first.",
            who=ASKER,
        )


def _dependencies(case: GateCase, reference: str, node: Evidence) -> None:
    """Nothing that it cannot answer without may promise less than it does."""
    tier = node.child("tier").value
    needs = list(node.members_of("dependencies"))
    owner = entries.team(node.text("owner_team"))
    if tier == "unstated" and needs:
        message = f"{reference} states no tier, so nobody can say whether what it needs promises enough."
        case.unknown("tier.unstated", reference, node, message, f"State the tier of {reference}.", who=owner)
    elif tier not in (MISSING, "unstated") and not _is_level(tier):
        node.child("tier").unusable()
    for needed, theirs in needs if _is_level(tier) else ():
        if theirs != "unstated" and not _is_level(theirs):
            node.child("dependencies").unusable()
        elif theirs == "unstated" or theirs > tier:
            case.deny(
                "tier.dependency_weaker",
                reference,
                node,
                f"{reference} depends on {needed}, which "
                f"{'states no tier' if theirs == 'unstated' else 'promises less'}.",
                f"Give {needed} the same tier, or stop depending on it.",
                who=owner,
            )


def _is_level(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 3


def _consumers(case: GateCase, reference: str, node: Evidence) -> None:
    relation = node.text("relation", *entries.RELATIONS)
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
    late = agreed.over_since(case, reference, consumer, use)
    if verdict == "breaking" and late is not None:
        case.deny(
            "contract.breaking_for_consumer",
            reference,
            use,
            f"{consumer} uses what {reference} takes away or changes.{late}",
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
    if ready is False and (relation == "backward" or case.engine >= 4):
        case.deny(
            "order.consumers_first",
            reference,
            use,
            f"{reference} can only be read by upgraded consumers, and {consumer} is not upgraded.",
            f"Release {consumer} first.",
            who=f"the team of {consumer}",
        )


def _replaced(case: GateCase, root: Evidence, question: Mapping[str, Any], *, place_is_known: bool) -> None:
    """What the release replaces has to be known, and what it takes away is judged."""
    node, environment = root.child("replaced"), root.child("environment")
    known = node.text("known", "recorded", "nothing", "cannot", "unrecorded", "unasked")
    running = entries.listed(node.texts("versions"))
    if known == "unrecorded":
        case.unknown(
            "provider.unrecorded",
            question["application"],
            node,
            f"No record says what {question['application']} runs here now, so nobody can say what it would take away.",
            f"Record what {question['application']} runs here now, or declare the environment's record complete.",
            who=ASKER,
            report_only=entries.reported_only(case, environment.moment("records_enforced_from", "now")),
        )
    elif (
        (known == "cannot" and question["provides"])
        or (known == "nothing" and environment.text("records") == "unstated")
        or (known == "unasked" and place_is_known)
        or (known != "recorded" and running)
    ):
        node.child("known").unusable()
    kept = {entry["ref"].partition("@")[0] for entry in question["provides"]}
    _withdrawn(case, root, {reference for reference in running if reference.partition("@")[0] not in kept})


def _withdrawn(case: GateCase, root: Evidence, gone: set[str]) -> None:
    found = dict(root.members("withdrawn"))
    if set(found) != gone:
        root.child("withdrawn").child("items").unusable()
    for reference, withdrawn in found.items():
        provided = withdrawn.text("provided", "still", "no_more")
        for consumer, use in withdrawn.members("consumers"):
            use.moment("last_seen", "never")
            if provided == "no_more":
                case.deny(
                    "provider.withdrawn",
                    reference,
                    use,
                    f"{reference} runs here now, this release takes it away, and {consumer} uses it.",
                    f"Keep providing {reference}, or move {consumer} first.",
                )
