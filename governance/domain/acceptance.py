"""The four ways to accept a breaking difference: who may accept, what it unlocks, and which slots it adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AcceptanceKind:
    """`accepted_by`: the teams whose members may accept (`owner` is the owner team of the subject, the others are
    role teams).

    `slots`: the slots that it adds to those of the policy (`consumer_owner`: the owner team of each affected consumer).
    `needs_impact`: refused while the affected consumers are unknown. `unlocks` and `asks` are sentences.
    """

    accepted_by: tuple[str, ...]
    slots: tuple[str, ...]
    needs_impact: bool
    unlocks: str
    asks: str


ACCEPTANCE_KINDS: Mapping[str, AcceptanceKind] = {
    "benign": AcceptanceKind(
        ("architects",), (), False, "This one finding, for this one difference.", "An architect accepts."
    ),
    "correction": AcceptanceKind(
        ("owner",),
        (),
        False,
        "This one finding: the document was wrong and the interface never behaved otherwise.",
        "A member of the owner team accepts.",
    ),
    "no_consumers": AcceptanceKind(
        ("owner", "architects"),
        (),
        True,
        "This one finding, while there are no consumers: the first consumer that appears ends it.",
        "A member of the owner team or an architect accepts.",
    ),
    "breaking": AcceptanceKind(
        ("release-managers",),
        ("release_manager", "consumer_owner"),
        True,
        "This one finding, with the date by which its consumers have migrated.",
        "A release manager accepts; then a release manager and the owner of each affected consumer must approve too.",
    ),
}
