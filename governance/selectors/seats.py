"""The seats of a change as people see them: who must decide, who has, who could, and why."""

from __future__ import annotations

from dataclasses import dataclass, field

from governance.domain.matching import seat
from governance.models import ChangeRequest, Decision
from governance.selectors import rights
from kernel import clock
from kernel.viewer import Viewer


@dataclass(slots=True)
class SeatGroup:
    """One slot with all its seats. `you`: the viewer may take one. `by` are sentences, `could` names of who is not away.

    `twice` names those who approved and cannot sit here, because they and somebody who sits act by one and the same right.
    """

    key: str
    label: str
    needed: int = 0
    filled: int = 0
    you: bool = False
    by: list[str] = field(default_factory=list)
    could: list[str] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    nobody: bool = True
    twice: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.label

    @property
    def who(self) -> str:
        if self.twice and self.filled < self.needed:
            said = f"A delegate and the delegator count once: somebody other than {', '.join(self.twice)} decides"
            return "; ".join([*self.by, said])
        if self.by:
            return "; ".join(self.by)
        if self.you:
            return "You can fill this seat"
        if self.nobody:
            return "Nobody can fill this seat: the team is unknown or has no other member"
        if not self.could:
            return "Everybody who could is away"
        return f"Asked: {', '.join(self.could[:3])}{f' and {len(self.could) - 3} more' if len(self.could) > 3 else ''}"


def of(change: ChangeRequest, *, viewer: Viewer) -> list[SeatGroup]:
    """The seats of the present revision, filled by the best assignment of the live approvals."""
    decisions = {
        d.person_id: d
        for d in change.decisions.select_related("person").filter(
            revision=change.revision, outcome=Decision.Outcome.APPROVE, voided_at=None
        )
    }
    answered = set(change.decisions.filter(voided_at=None).values_list("person_id", flat=True))
    people = rights.eligible(change.pk, change.revision, clock.now())
    rows = list(change.slots.filter(revision=change.revision))
    held = {
        row.pk: [option for p in people.get(row.pk, []) if p.id in decisions for option in p.options] for row in rows
    }
    seated = seat(dict(sorted(held.items(), key=lambda pair: (len(pair[1]), pair[0]))))
    counted = {someone for option in seated.values() for someone in (option.person, option.right_of)}
    sitting = {option.person for option in seated.values()}
    groups: dict[str, SeatGroup] = {}
    for row in rows:
        group = groups.setdefault(row.key, SeatGroup(row.key, row.label, why=list(row.why)))
        group.needed += 1
        able = people.get(row.pk, [])
        group.nobody = group.nobody and not able
        if row.pk in seated:
            group.filled += 1
            option = seated[row.pk]
            decision = decisions[option.person]
            whom = next(p.for_whom for p in able if p.id == option.person) if option.right_of != option.person else ""
            group.by.append(f"{decision.person} approved at {decision.at:%H:%M}" + (f" for {whom}" if whom else ""))
        else:
            group.twice += [
                p.name
                for p in able
                if p.id in decisions
                and p.id not in sitting
                and counted & {p.id, *p.rights}
                and p.name not in group.twice
            ]
        group.could = [
            p.name + (f" (for {p.for_whom})" if p.for_whom else "")
            for p in able
            if not p.absent and p.id not in answered
        ]
        group.you = group.you or (
            row.pk not in seated and any(p.id == viewer.id for p in able) and viewer.id not in answered
        )
    return list(groups.values())


def seat_of(change: ChangeRequest, viewer: Viewer) -> str:
    """The label of the seat that this person would fill, empty where there is none."""
    return next((group.label for group in of(change, viewer=viewer) if group.you), "")
