"""What a viewer may see of decisions: a row about a thing is seen by those who see the thing.

Each room says which of its things a viewer sees. The rule is a part of the query, so that lists, counts and pages
agree, and what is hidden is told in the words of what does not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import CharField, Exists, F, Func, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Cast

from catalog import permissions as catalog_permissions
from catalog.selectors import consumers, teams
from governance.models import (
    ApplicationRelease,
    Approval,
    BreakGlass,
    ChangeRequest,
    ChangeSubject,
    Delegation,
    Slot,
    Verdict,
    Waiver,
)
from kernel import clock
from kernel.errors import NotFound
from kernel.viewer import Viewer

Keys = Callable[[Viewer], QuerySet[Any, Any]]


@dataclass(frozen=True, slots=True)
class SightRule:
    """The things of one kind that a viewer sees: a query of their keys. The key of an id is what stands before
    `ends_with`, or all of it."""

    keys: Keys
    ends_with: str = ""

    def key(self, identifier: str) -> Any:
        if not self.ends_with:
            return F(identifier)
        return Func(F(identifier), Value(self.ends_with), Value(1), function="split_part", output_field=CharField())


_rules: dict[str, SightRule] = {}


def register(subject_kind: str, keys: Keys, *, ends_with: str = "") -> None:
    """Make the things of a kind visible to some only. Registering the same kind again replaces it."""
    _rules[subject_kind] = SightRule(keys, ends_with)


def seen(rows: Any, viewer: Viewer, *, kind: str = "subject_kind", key: str = "subject_id") -> Any:
    """The rows about things that the viewer may see; `kind` and `key` name the columns of the thing."""
    return _seen(rows, viewer, _rules, kind, key)


def _seen(rows: Any, viewer: Viewer, rules: Mapping[str, SightRule], kind: str, key: str) -> Any:
    if viewer.sees_everything:
        return rows
    hidden = Q()
    for name, rule in rules.items():
        alias = f"sight_{name}"
        rows = rows.alias(**{alias: rule.key(key)})
        hidden |= Q(**{kind: name}) & ~Q(**{f"{alias}__in": rule.keys(viewer)})
    return rows.exclude(hidden) if hidden else rows


def ledger(rows: Any, viewer: Viewer) -> Any:
    """The entries of the audit ledger about things and decisions that the viewer may see."""
    return _seen(rows, viewer, {**_rules, **_DECISIONS}, "subject_kind", "subject_id")


def of_changes(viewer: Viewer) -> QuerySet[ChangeRequest]:
    """The changes that the viewer may see: those whose every subject they see, and those in which they have a part:
    author, submitter, contributor, owner team, or one of those who decide.
    """
    rows = ChangeRequest.objects.all()
    if viewer.sees_everything:
        return rows
    if viewer.user is None:
        return rows.none()
    now, slots = clock.now(), Slot.objects.filter(change=OuterRef("pk"))
    delegated = Delegation.objects.filter(delegate=viewer.user, revoked_at=None, starts_at__lte=now, ends_at__gt=now)
    rules = {**_rules, "waiver": _DECISIONS["waiver"]}
    visible = _seen(ChangeSubject.objects.all(), viewer, rules, "kind", "subject_id")
    hidden = ChangeSubject.objects.filter(change=OuterRef("pk")).exclude(pk__in=visible.values("pk"))
    part = (
        Q(author=viewer.user)
        | Q(submitter=viewer.user)
        | Q(owner_team_ids__overlap=sorted(viewer.team_ids))
        | Q(contributors__person=viewer.user)
        | Q(Exists(slots.filter(group_ids__overlap=sorted(viewer.team_ids))))
        | Q(Exists(slots.filter(group_ids__overlap=delegated.values_list("group_id"))))
    )
    mine = ChangeRequest.objects.filter(part).values("pk")
    return rows.filter(Q(pk__in=mine) | ~Exists(hidden))


def change(viewer: Viewer, change_id: int) -> ChangeRequest:
    """The change, or NotFound `change.unknown`: the same words for one that is not there and one that is hidden."""
    found = of_changes(viewer).select_related("author", "submitter").filter(pk=change_id).first()
    if found is None:
        raise NotFound("change.unknown", f"There is no change {change_id}.")
    return found


def waivers(viewer: Viewer) -> Any:
    """Those about things that the viewer sees, their own, and all for the teams that may revoke them."""
    if viewer.sees_everything:
        return Waiver.objects.all()
    visible = seen(Waiver.objects.all(), viewer)
    part = Q(requested_by=viewer.user) | _in_role_team(viewer, "architects", "security", "release-managers")
    return Waiver.objects.filter(Q(pk__in=visible.values("pk")) | part)


def emergencies(viewer: Viewer) -> Any:
    """Break-glass cases: those about things that the viewer sees, those of their teams, those in which they had a
    part, and all for the teams that may confirm them.
    """
    if viewer.sees_everything:
        return BreakGlass.objects.all()
    visible = seen(BreakGlass.objects.all(), viewer)
    part = Q(opened_by=viewer.user) | Q(confirmed_by=viewer.user) | Q(owner_team_ids__overlap=sorted(viewer.team_ids))
    part |= _in_role_team(viewer, "architects", "release-managers")
    return BreakGlass.objects.filter(Q(pk__in=visible.values("pk")) | part)


def approvals(viewer: Viewer) -> Any:
    """Those about things that the viewer sees, and those of changes and cases that the viewer sees."""
    if viewer.sees_everything:
        return Approval.objects.all()
    rules = {**_rules, "waiver": _DECISIONS["waiver"]}
    visible = _seen(Approval.objects.all(), viewer, rules, "subject_kind", "subject_id")
    decided = Q(change__in=of_changes(viewer)) | Q(break_glass__in=emergencies(viewer))
    return Approval.objects.filter(Q(pk__in=visible.values("pk")) | decided)


def verdicts(viewer: Viewer) -> Any:
    """Answers of the gate: those that the viewer asked for, those about applications of their teams, and all for the
    role teams that watch over releases.
    """
    if viewer.sees_everything:
        return Verdict.objects.all()
    mine = consumers.applications_of(viewer)
    watching = _in_role_team(viewer, "architects", "security", "release-managers")
    return Verdict.objects.filter(Q(asked_by=viewer.user) | Q(application__in=mine) | watching)


def records(viewer: Viewer) -> Any:
    """Records of what runs, of the applications of the viewer's teams; all for the role teams that watch releases."""
    if viewer.sees_everything:
        return ApplicationRelease.objects.all()
    mine = consumers.applications_of(viewer)
    watching = _in_role_team(viewer, "architects", "security", "release-managers")
    return ApplicationRelease.objects.filter(Q(application__in=mine) | watching)


def _in_role_team(viewer: Viewer, *keys: str) -> Q:
    """A part of a query: the viewer is in one of these role teams."""
    return Q(Exists(teams.among(viewer, keys)))


def sees(viewer: Viewer, subject_kind: str, identifier: str) -> bool:
    """Whether the viewer may see this thing; a thing of a kind that has no rule is seen by everybody."""
    rule = _rules.get(subject_kind)
    if rule is None or viewer.sees_everything:
        return True
    key = identifier.partition(rule.ends_with)[0] if rule.ends_with else identifier
    return "\x00" not in key and key in set(map(str, rule.keys(viewer)))


def _slugs(viewer: Viewer) -> QuerySet[Any, Any]:
    return catalog_permissions.visible(viewer).values_list("slug", flat=True)


def _numbers(rows: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
    return rows.annotate(number=Cast("pk", CharField())).values_list("number", flat=True)


register("api", _slugs)
register("version", _slugs, ends_with="@")
_DECISIONS: Mapping[str, SightRule] = {
    "waiver": SightRule(lambda viewer: _numbers(waivers(viewer))),
    "break_glass": SightRule(lambda viewer: _numbers(emergencies(viewer))),
    "change": SightRule(lambda viewer: _numbers(of_changes(viewer))),
    "approval": SightRule(lambda viewer: _numbers(approvals(viewer))),
}
