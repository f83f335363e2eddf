"""The four ways to accept a breaking difference: who may say so, what it unlocks, and which seats it brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Way:
    """`accepted_by`: teams of whom one member accepts (`owner` is the owner team of the subject, the rest are role teams).

    `seats`: whose decision the change needs from then on, beside the policy's (`consumer_owner` is the owner team of every consumer
    that the difference reaches). `needs_impact`: refused while nobody can say whom it reaches. `unlocks` and `asks` are sentences.
    """

    accepted_by: tuple[str, ...]
    seats: tuple[str, ...]
    needs_impact: bool
    unlocks: str
    asks: str


WAYS: Mapping[str, Way] = {
    "benign": Way(("architects",), (), False, "This one finding, for this one difference.", "An architect says so."),
    "correction": Way(
        ("owner",),
        (),
        False,
        "This one finding: the document was wrong and the interface never behaved otherwise.",
        "A member of the owner team says so.",
    ),
    "no_consumers": Way(
        ("owner", "architects"),
        (),
        True,
        "This one finding, while nobody uses it: the first consumer that appears takes it back.",
        "A member of the owner team or an architect says so.",
    ),
    "breaking": Way(
        ("release-managers",),
        ("release_manager", "consumer_owner"),
        True,
        "This one finding, with the day by which its consumers have moved.",
        "A release manager says so; a release manager and the owner of every consumer that it reaches then decide as well.",
    ),
}
