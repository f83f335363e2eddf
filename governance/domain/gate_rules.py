"""The rules of the gate that deny: which of them a waiver can set aside, and how grave it is to do so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from kernel.difference import escape

Grave = Literal["high", "medium"]

# By the code of the reason. What lets something broken, ended or unapproved go live is grave; the rest concerns one
# application that has not asked.
DENIALS: Mapping[str, Grave] = {
    "approval.check_blocking": "high",
    "approval.expired": "high",
    "approval.lost_right": "high",
    "approval.missing": "high",
    "approval.outside_window": "high",
    "approval.stale_digest": "high",
    "approval.void": "high",
    "contract.breaking_for_consumer": "high",
    "freeze.active": "high",
    "integration.not_allowed": "high",
    "order.consumers_first": "high",
    "order.producer_first": "high",
    "provider.not_allowed": "high",
    "provider.withdrawn": "high",
    "sor.violation": "high",
    "subscription.expired": "medium",
    "subscription.missing": "medium",
    "subscription.pending": "medium",
    "tier.dependency_weaker": "medium",
    "usage.undeclared": "high",
    "version.not_published": "high",
    "version.past_sunset": "high",
    "version.retired": "high",
}

UNKNOWNS = frozenset(
    {
        "application.unknown",
        "approval.unmet",
        "contract.uncompared",
        "contract.unpinned",
        "environment.unknown",
        "evidence.missing",
        "evidence.no_consumes",
        "evidence.nothing_declared",
        "freeze.not_compiled",
        "freeze.rows_missing",
        "freeze.scope_unknown",
        "freeze.scope_unresolved",
        "instance.unknown",
        "integration.unregistered",
        "provider.missing",
        "provider.unrecorded",
        "sor.not_run",
        "tier.unstated",
        "version.unjudged",
        "version.unknown",
    }
)
"""What the gate says where it does not know: it can hide anything, so no waiver sets it aside."""

NEVER_WAIVED = frozenset({"approval.destination_moved"})
"""A waiver is for what its approvers saw, and says nothing of where a system answers. A change of the destination is as
quick, and its difference shows where credentials would go."""

WAIVED_ABOUT: Mapping[str, str] = {
    "consumed": "version",
    "provided": "version",
    "withdrawn": "version",
    "undeclared_use": "version",
    "integrations": "integration",
    "freezes": "freeze",
}
"""By the part of the evidence in which a reason stands: the kind of subject that it is about."""


def is_place_of(pointer: str, subject_kind: str, subject: str) -> bool:
    """Whether a reason about this subject may stand there: `/consumed/items/price-api@v2` and what is below it."""
    root, part, items, name, *_ = [*pointer.split("/"), "", "", ""]
    named = f"freeze {name}" if subject_kind == "freeze" else name
    return (root, items, named) == ("", "items", escape(subject)) and WAIVED_ABOUT.get(part) == subject_kind


def risk_of_waiving(rule: str) -> Grave:
    """The risk that a waiver of this rule has at least; one of a check is never low."""
    return DENIALS.get(rule, "medium")


def names_a_consumer(pointer: str) -> bool:
    """Whether the place in the evidence is that of one consumer, so that who approved saw for whom it is."""
    parts = pointer.split("/")
    return len(parts) == 7 and parts[1:3] == ["provided", "items"] and parts[4:6] == ["consumers", "items"]
