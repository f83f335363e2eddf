"""The four ways to accept a breaking difference: who may say so, what it unlocks, and which slots it adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AcceptanceKind:
    """`accepted_by`: teams of whom one member accepts (`owner` is the owner team of the subject, the rest are role teams).

    `slots`: whose decision the change needs from then on, beside the policy's (`consumer_owner` is the owner team of every consumer
    that the difference reaches). `needs_impact`: refused while nobody can say whom it reaches. `unlocks` and `asks` are sentences.
    """

    accepted_by: tuple[str, ...]
    slots: tuple[str, ...]
    needs_impact: bool
    unlocks: str
    asks: str


ACCEPTANCE_KINDS: Mapping[str, AcceptanceKind] = {
    "benign": AcceptanceKind(
        ("architects",), (), False, "This one finding, for this one difference.", "An architect says so."
    ),
    "correction": AcceptanceKind(
        ("owner",),
        (),
        False,
        "This one finding: the document was wrong and the interface never behaved otherwise.",
        "A member of the owner team says so.",
    ),
    "no_consumers": AcceptanceKind(
        ("owner", "architects"),
        (),
        True,
        "This one finding, while nobody uses it: the first consumer that appears takes it back.",
        "A member of the owner team or an architect says so.",
    ),
    "breaking": AcceptanceKind(
        ("release-managers",),
        ("release_manager", "consumer_owner"),
        True,
        "This one finding, with the day by which its consumers have moved.",
        "A release manager says so; a release manager and the owner of every consumer that it reaches then decide as well.",
    ),
}
