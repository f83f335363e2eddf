"""Slots that nobody can fill: told to those who can help when a change is opened, before anybody waits for it, and when
the last person who could leaves while it waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from catalog.selectors import domains, teams
from governance import permissions
from governance.domain.matching import assign
from governance.domain.slots import SlotSpec
from governance.models import ChangeRequest
from governance.selectors import told_slots
from governance.services import change_events
from kernel import clock, outbox
from kernel.models import User
from kernel.viewer import Viewer

AT_ONCE = 200  # changes of which a look announces something


@dataclass(frozen=True, slots=True)
class UnfillableSlot:
    """`missing` people too few for the slot `label`; `way_out` says who can do what about it."""

    key: str
    label: str
    missing: int
    way_out: str


def asked_of(specs: Sequence[SlotSpec]) -> list[dict[str, Any]]:
    """What a draft will ask for, as it is kept beside its facts."""
    return [
        {"key": spec.key, "label": spec.label, "count": spec.count, "groups": list(spec.group_ids)} for spec in specs
    ]


def of(change: ChangeRequest) -> list[UnfillableSlot]:
    """The slots that stay empty however the people who may decide are assigned to them. Before submission they are
    those that the present facts ask for.
    """
    asked = (change.facts or {}).get("asks") or []
    if not asked:
        return []
    rights = permissions.rights_for({one["key"]: one["groups"] for one in asked}, change.pk, clock.now())
    wanted = {(one["key"], n): rights[one["key"]] for one in asked for n in range(one["count"])}
    filled = assign(dict(sorted(wanted.items(), key=lambda pair: (len(pair[1]), pair[0]))))
    found = []
    for one in asked:
        missing = one["count"] - sum(key == one["key"] for key, _ in filled)
        if missing:
            found.append(UnfillableSlot(one["key"], one["label"], missing, _way_out(change, one)))
    return found


def told(change: ChangeRequest, viewer: Viewer) -> list[UnfillableSlot]:
    """The same as the viewer is told of them: a consumer that they may not see, and its team, is not named."""
    found = of(change)
    sight = told_slots.of(change, viewer, [(slot.key, slot.label) for slot in found])
    groups = {one["key"]: one["groups"] for one in (change.facts or {}).get("asks") or []}
    shown, hidden = [], 0
    for slot in found:
        if sight.hides(slot.key, slot.label, groups[slot.key]):
            hidden += slot.missing
        else:
            shown.append(slot)
    if hidden and sight.counted:
        shown.append(UnfillableSlot(told_slots.KEY, told_slots.HIDDEN, hidden, told_slots.UNFILLABLE))
    return shown


def _way_out(change: ChangeRequest, one: dict[str, Any]) -> str:
    if not one["groups"]:
        return f"{one['label']}: no team stands behind it. {_helpers(change)} can name one."
    who = f"nobody who had no hand in the change is in the team{'' if one['count'] == 1 else ' as often as needed'}"
    return (
        f"{one['label']}: {who}. {_helpers(change)} can add somebody to the team; a member can delegate, "
        "on the page Away, to somebody of another team."
    )


def _helpers(change: ChangeRequest) -> str:
    team = _owner_of_domain(change)
    return f"{team.name}, as owner of the domain, or an administrator" if team else "An administrator"


def _owner_of_domain(change: ChangeRequest) -> Any:
    domain = domains.by_key(str((change.facts or {}).get("domain") or ""))
    return teams.by_id(domain.owner_team_id) if domain and domain.owner_team_id else None


def helpers(change: ChangeRequest) -> set[int]:
    """The owner team of the domain, administrators, and the author, who wants it done."""
    team = _owner_of_domain(change)
    people = User.objects.filter(is_active=True, kind=User.Kind.PERSON)
    found = set(people.filter(is_superuser=True).values_list("pk", flat=True)) | {change.author_id}
    return found | (set(people.filter(groups=team.id).values_list("pk", flat=True)) if team else set())


def tell(change: ChangeRequest, specs: Sequence[SlotSpec], before: dict[str, Any]) -> None:
    """Keep what is asked for with the facts, and announce the slots that nobody can fill unless that was said."""
    change.facts = (change.facts or {}) | {"asks": asked_of(specs)}
    missing = of(change)
    change.facts["nobody_for"] = _nobody_for(missing)
    ChangeRequest.objects.filter(pk=change.pk).update(facts=change.facts)
    if missing and change.facts["nobody_for"] != before.get("nobody_for"):
        _announce(change, missing)


def look_again() -> int:
    """People leave teams and accounts are closed while a change waits: what nobody can finish any more is announced,
    once, and again when it was possible in between. Returns how many changes are announced."""
    rows = ChangeRequest.objects.filter(state=ChangeRequest.State.IN_REVIEW).order_by("id")
    moved = [change.pk for change in rows.iterator() if _nobody_for(of(change)) != _said(change)]
    return sum(_look_again_at(pk) for pk in moved[:AT_ONCE])


def _look_again_at(pk: int) -> bool:
    with transaction.atomic():
        rows = ChangeRequest.objects.select_for_update(skip_locked=True, of=("self",))
        change = rows.filter(pk=pk, state=ChangeRequest.State.IN_REVIEW).first()
        if change is None or (now := _nobody_for(missing := of(change))) == (said := _said(change)):
            return False
        ChangeRequest.objects.filter(pk=pk).update(facts=change.facts | {"nobody_for": now})
        if is_worse := bool(set(now) - set(said)):
            _announce(change, missing)
        return is_worse


def _nobody_for(missing: Sequence[UnfillableSlot]) -> list[str]:
    return sorted(slot.key for slot in missing)


def _said(change: ChangeRequest) -> list[str]:
    return list((change.facts or {}).get("nobody_for") or [])


def _announce(change: ChangeRequest, missing: Sequence[UnfillableSlot]) -> None:
    outbox.emit(
        "governance.slots_unfillable",
        key=change.pk,
        payload=change_events.payload(change) | {"slots": told_slots.without_names(slot.label for slot in missing)},
    )
