"""Who may move first: the relation of two contracts, by comparing them in both directions."""

from __future__ import annotations

from typing import Literal

from catalog.selectors import contracts
from kernel import clock
from kernel.errors import Invalid

Relation = Literal["none", "full", "backward", "forward", "breaking"]


def relation(old_digest: str, new_digest: str) -> Relation:
    """`forward`: old consumers work with the new provider, so producers upgrade first. `backward`: new consumers work
    with the old provider, so consumers go first. `full`: any order. `breaking`: no order is safe. `none`: the same
    contract.

    Raises Invalid where the two cannot be compared, also `contract.not_read` where a part of either was not read. The
    words are those of schema registries.
    """
    if old_digest == new_digest:
        return "none"
    today = clock.now().date()
    there, back = (
        contracts.compare(old_digest, new_digest, as_of=today),
        contracts.compare(new_digest, old_digest, as_of=today),
    )
    forward, backward = there.breaking == 0, back.breaking == 0
    if (there.unread and forward) or (back.unread and backward):
        raise Invalid(
            "contract.not_read",
            "A part of one of the two contracts was not read. Bundle it into one file and upload it again.",
        )
    if forward and backward:
        return "full"
    return "forward" if forward else "backward" if backward else "breaking"
