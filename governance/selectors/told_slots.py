"""What a change tells its reader of the slots of consumers' owners. A consumer that uses an API which the reader may
not see is not told of, and neither is the team that decides for it: who takes part in the change learns that somebody
else has to decide, and who only reads it does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from governance.domain.slots import OF_CONSUMERS, without_name
from governance.models import ChangeRequest
from governance.selectors import sight, told_changes
from kernel.viewer import Viewer

KEY: Final = "consumer_owner"
HIDDEN: Final = "Owners of consumers that you may not see"
UNFILLABLE: Final = (
    "Nobody stands behind a consumer that you may not see, or nobody of its team may decide. An administrator can help."
)


@dataclass(frozen=True, slots=True)
class ToldSlots:
    """Which slots of a change a viewer is not told of, and whether they learn that there are such."""

    seen: frozenset[int] | None = None  # groups whose consumers the viewer sees; None: nothing is hidden
    mine: frozenset[int] = frozenset()
    counted: bool = True

    def hides(self, key: str, label: str, groups: Iterable[int]) -> bool:
        """`groups`: the ids of those that may fill the slot."""
        if self.seen is None or not of_consumers(key, label):
            return False
        return not self.mine.intersection(groups) and not self.seen.intersection(groups)

    def numbered(self, slots: Iterable[tuple[str, str, Iterable[int]]]) -> set[str]:
        """`<label> <number>` of each of these slots (key, label, groups), as the viewer is told of them."""
        made: set[str] = set()
        numbers: dict[str, int] = {}
        for key, label, groups in slots:
            hidden = self.hides(key, label, groups)
            if hidden and not self.counted:
                continue
            said = HIDDEN if hidden else label
            numbers[said] = numbers.get(said, 0) + 1
            made.add(f"{said} {numbers[said]}")
        return made


def of(change: ChangeRequest, viewer: Viewer, slots: Iterable[tuple[str, str]]) -> ToldSlots:
    """Of a change that asks for these slots (key, label); consumers are looked up where one of them is of theirs."""
    if viewer.sees_everything or not any(of_consumers(key, label) for key, label in slots):
        return ToldSlots()
    if not told_changes.reaches_further(change):
        return ToldSlots()
    known = told_changes.known_consumers(change).values()
    unseen = sight.unseen(viewer, "api", {slug for one in known for slug in one.apis})
    seen = frozenset(one.team_id for one in known if one.team_id is not None and not unseen.issuperset(one.apis))
    return ToldSlots(seen, frozenset(viewer.team_ids), sight.takes_part(viewer, change.pk))


def of_consumers(key: str, label: str) -> bool:
    """Whether this slot is there for the owner of a consumer, and names the owner or the consumer."""
    return key == KEY or label.startswith(OF_CONSUMERS.format(""))


def without_names(labels: Iterable[str]) -> list[str]:
    """Labels of slots in words for everybody, each once: those of consumers' owners say only that."""
    return list(dict.fromkeys(without_name(label) for label in labels))


def rules(explained: Sequence[Mapping[str, Any]], change: ChangeRequest, viewer: Viewer) -> list[dict[str, Any]]:
    """Rules of policies about a change (`Requirements.explain`). Whether one that counts consumers matches is `None` to
    a reader without a part in a change that reaches further than its subjects."""
    rows = [dict(one) for one in explained]
    counting = [row for row in rows if row.get("counts_consumers")]
    if counting and told_changes.reaches_further(change) and not sight.takes_part(viewer, change.pk):
        for row in counting:
            row["matched"] = None
    return rows
