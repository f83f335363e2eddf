"""The slots of a change as people see them: who must decide, who has, who could, and why."""

from __future__ import annotations

from dataclasses import dataclass, field

from governance import permissions
from governance.domain.matching import ExercisedRight, assign
from governance.models import ChangeRequest, Decision
from governance.permissions import Person
from governance.selectors import rights, told_slots
from kernel import clock
from kernel.viewer import Viewer


@dataclass(slots=True)
class SlotGroup:
    """All slots of one key, such as two architects. `you`: the viewer may fill one.

    `by` says who filled them, in sentences; `could` names the people who may fill one and are not absent. `twice`
    names those who approved and do not count here, because they and somebody who counts act by one and the same
    right. `resting` says whose right does not count yet, and why. `untold`: the viewer is told of no name.
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
    resting: list[str] = field(default_factory=list)
    untold: bool = False

    @property
    def name(self) -> str:
        return self.label

    @property
    def who(self) -> str:
        """One sentence: who approved, or who can."""
        if self.untold:
            return "Who decides for them is not told to you"
        if self.twice and self.filled < self.needed:
            said = f"A delegate and the delegator count once: somebody other than {', '.join(self.twice)} decides"
            return "; ".join([*self.by, said])
        if self.by:
            return "; ".join(self.by)
        if self.you:
            return "You can give this approval"
        if self.nobody and self.resting:
            return "; ".join(self.resting)
        if self.nobody:
            return "Nobody can give this approval: the team is unknown or has no other member"
        if not self.could:
            return "Everybody who could is absent"
        more = f" and {len(self.could) - 3} more" if len(self.could) > 3 else ""
        return "; ".join([f"Asked: {', '.join(self.could[:3])}{more}", *self.resting])


def of(change: ChangeRequest, *, viewer: Viewer) -> list[SlotGroup]:
    """The slots of the present revision, filled by the best assignment of the live approvals."""
    decisions = {
        d.person_id: d
        for d in change.decisions.select_related("person").filter(
            revision=change.revision, outcome=Decision.Outcome.APPROVE, voided_at=None
        )
    }
    answered = set(change.decisions.filter(voided_at=None).values_list("person_id", flat=True))
    people = rights.eligible(change.pk, change.revision, clock.now())
    resting = permissions.resting(change.pk, change.revision, clock.now())
    lacking = permissions.without_second_factor(p.id for listed in people.values() for p in listed)
    rows = list(change.slots.filter(revision=change.revision))
    exercised = {
        row.pk: [right for p in people.get(row.pk, []) if p.id in decisions for right in p.exercised] for row in rows
    }
    filled = assign(dict(sorted(exercised.items(), key=lambda pair: (len(pair[1]), pair[0]))))
    told = told_slots.of(change, viewer, [(row.key, row.label) for row in rows])
    hidden = SlotGroup(told_slots.KEY, told_slots.HIDDEN, nobody=False, untold=True)
    groups: dict[str, SlotGroup] = {}
    for row in rows:
        able = people.get(row.pk, [])
        if told.hides(row.key, row.label, row.group_ids) and all(p.id != viewer.id for p in able):
            hidden.needed += 1
            hidden.filled += row.pk in filled
            hidden.why += [why for why in row.why if why not in hidden.why]
            continue
        group = groups.setdefault(row.key, SlotGroup(row.key, row.label, why=list(row.why)))
        group.needed += 1
        group.nobody = group.nobody and not able
        if row.pk in filled:
            group.filled += 1
            group.by.append(_approved(filled[row.pk], decisions[filled[row.pk].person], able))
        else:
            group.twice += [n for n in _counted_twice(able, set(decisions), filled) if n not in group.twice]
        for person, right in resting.get(row.pk, {}).items():
            said = right.sentence()
            if all(person != p.id for p in able) and said not in group.resting:
                group.resting.append(said)
        group.could = [_name(p, lacking) for p in able if not p.absent and p.id not in answered]
        group.you = group.you or (
            row.pk not in filled and any(p.id == viewer.id for p in able) and viewer.id not in answered
        )
    if not hidden.needed:
        return list(groups.values())
    if told.counted:
        return [*groups.values(), hidden]
    for group in groups.values():  # an owner who decides for a consumer as well
        group.why = [why for why in group.why if why not in hidden.why] or group.why
    return list(groups.values())


def _name(person: Person, lacking: set[int]) -> str:
    name = person.name + (f" (for {person.for_whom})" if person.for_whom else "")
    return f"{name} (has no second factor yet)" if person.id in lacking else name


def _approved(right: ExercisedRight, decision: Decision, able: list[Person]) -> str:
    said = f"{decision.person} approved at {decision.at:%H:%M}"
    if right.right_of == right.person:
        return said
    return f"{said} for {next(p.for_whom for p in able if p.id == right.person)}"


def _counted_twice(able: list[Person], approved: set[int], filled: dict[int, ExercisedRight]) -> list[str]:
    """Who approved and could fill this slot, but somebody else counts already by the same right."""
    counting = {right.person for right in filled.values()}
    used = {person for right in filled.values() for person in right.used}
    return [
        p.name
        for p in able
        if p.id in approved and p.id not in counting and any(used & right.used for right in p.exercised)
    ]
