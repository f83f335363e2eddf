"""Who may do what with a change; pages show why not. Triggers keep authors from approving their changes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from catalog.selectors import teams
from governance.domain.matching import ExercisedRight
from governance.models import BreakGlass, ChangeRequest, Delegation, PipelineConnection, Waiver
from kernel import clock, persons, sessions
from kernel.factors import held
from kernel.factors.required import ADMINISTRATORS, DECIDERS, second_factor_required
from kernel.models import User
from kernel.viewer import Permission, Viewer

State = ChangeRequest.State


@dataclass(frozen=True, slots=True)
class Person:
    """Who may fill a slot. `exercised` are the rights by which: the person's own alone, or those of the delegators.

    `for_whom` names the first delegator when the person may act only by delegation.
    """

    id: int
    name: str
    absent: bool = False
    for_whom: str = ""
    exercised: tuple[ExercisedRight, ...] = ()


_ELIGIBLE = """
with candidates as (
  select s.id as slot_id, s.group_ids, m.user_id, m.user_id as right_of
    from governance_slot s join kernel_user_groups m on m.group_id = any(s.group_ids)
   where s.change_id = %(change)s and s.revision = %(revision)s
  union
  select s.id, s.group_ids, d.delegate_id, d.delegator_id
    from governance_slot s join governance_delegation d on d.group_id = any(s.group_ids)
   where s.change_id = %(change)s and s.revision = %(revision)s
     and d.revoked_at is null and d.starts_at <= %(at)s and %(at)s < d.ends_at
)
select c.slot_id, u.id, coalesce(nullif(trim(u.first_name || ' ' || u.last_name), ''), u.username),
       exists (select from governance_absence a
                where a.person_id = u.id and a.starts_at <= %(at)s and %(at)s < a.ends_at),
       array_agg(c.right_of order by c.right_of),
       array_agg(coalesce(nullif(trim(f.first_name || ' ' || f.last_name), ''), f.username) order by c.right_of),
       kernel_person(u.id), array_agg(kernel_person(c.right_of) order by c.right_of)
  from candidates c join kernel_user u on u.id = c.user_id join kernel_user f on f.id = c.right_of
  left join governance_decision d on d.change_id = %(change)s and d.revision = %(revision)s and d.person_id = c.user_id
                                 and d.voided_at is null
 where governance_may_fill_as(c.group_ids, %(change)s, c.user_id, c.right_of, coalesce(d.at, %(at)s))
 group by c.slot_id, u.id
 order by c.slot_id, u.id
"""


def eligible(change_id: int, revision: int, at: datetime) -> dict[int, list[Person]]:
    """For each slot id of the revision, who may fill it now, or could when they decided; never the author, submitter or
    a contributor."""
    found: dict[int, list[Person]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_ELIGIBLE, {"change": change_id, "revision": revision, "at": at})
        for slot, person, name, absent, rights, names, who, whose in cursor.fetchall():
            own = person in rights
            exercised = tuple(
                ExercisedRight(person, right, frozenset({who, by}))
                for right, by in zip(rights, whose, strict=True)
                if not own or right == person
            )
            made = Person(person, name, absent, "" if own else names[0], exercised)
            found.setdefault(slot, []).append(made)
    return found


_EXERCISED = """
with asked as (
  select s.key, array(select jsonb_array_elements_text(s.value)::int) as group_ids from jsonb_each(%(asked)s::jsonb) s
), candidates as (
  select a.key, a.group_ids, m.user_id, m.user_id as right_of
    from asked a join kernel_user_groups m on m.group_id = any(a.group_ids)
  union
  select a.key, a.group_ids, d.delegate_id, d.delegator_id
    from asked a join governance_delegation d on d.group_id = any(a.group_ids)
   where d.revoked_at is null and d.starts_at <= %(at)s and %(at)s < d.ends_at
)
select c.key, c.user_id, c.right_of, kernel_person(c.user_id), kernel_person(c.right_of) from candidates c
 where governance_may_fill_as(c.group_ids, %(change)s, c.user_id, c.right_of, %(at)s)
 order by c.key, c.user_id, c.right_of
"""


def rights_for(asked: Mapping[str, Sequence[int]], change_id: int, at: datetime) -> dict[str, list[ExercisedRight]]:
    """For each of these sets of groups, the rights by which somebody could decide on the change now."""
    found: dict[str, list[ExercisedRight]] = {key: [] for key in asked}
    with connection.cursor() as cursor:
        text = json.dumps({key: list(groups) for key, groups in asked.items()})
        cursor.execute(_EXERCISED, {"asked": text, "change": change_id, "at": at})
        for key, person, right_of, *people in cursor.fetchall():
            found[key].append(ExercisedRight(person, right_of, frozenset(people)))
    return found


@dataclass(frozen=True, slots=True)
class RestingRight:
    """A right that fills no slot yet, because somebody gave it, or the password of its holder, too lately."""

    person: str
    verb: str
    given_by: str
    given_at: datetime
    counts_from: datetime

    def sentence(self, *, you: bool = False, deed: str = "fills no approval") -> str:
        """Who did what when, and from when on the right counts; `deed` is what it does not do before."""
        what = _GIVEN.get(self.verb, "the right was given").format("your" if you else f"{self.person}’s")
        return (
            f"{what[0].upper()}{what[1:]} by {self.given_by} on {self.given_at:%d %b %H:%M}; "
            f"it {deed} before {self.counts_from:%d %b %H:%M} UTC"
        )


_GIVEN = {
    "kernel.account_created": "{} account was made",
    "kernel.account_changed": "{} account was changed",
    "kernel.account_reopened": "{} account was opened again",
    "kernel.password_reset": "{} password was set",
    "kernel.factor_reset": "{} second factor was removed",
    "kernel.factor_given": "{} second factor was made",
    "kernel.accounts_parted": "{} account was parted from another one",
    "kernel.mail_proof_forgotten": "what {} account had proved of its address was forgotten",
    "kernel.role_given": "{} place in the team was given",
    "catalog.group_became_team": "{} team was given its role",
    "governance.account_linked": "{} account was found to be the one of somebody at the identity provider",
    "governance.group_pattern_added": "the pattern that gave {} place in the team was made",
    "governance.group_pattern_changed": "the pattern that gave {} place in the team was changed",
    "governance.group_mapping_added": "the mapping that gave {} place in the team was made",
    "governance.group_mapping_changed": "the mapping that gave {} place in the team was changed",
}
_RESTING = """
with hours as (select governance_rest_hours(%(change)s) as n),
members as (
  select s.id as slot_id, m.user_id, m.group_id, m.user_id as right_of
    from governance_slot s join kernel_user_groups m on m.group_id = any(s.group_ids)
   where s.change_id = %(change)s and s.revision = %(revision)s
  union
  select s.id, d.delegate_id, d.group_id, d.delegator_id
    from governance_slot s
    join governance_delegation d on d.group_id = any(s.group_ids)
    join kernel_user_groups m on m.user_id = d.delegator_id and m.group_id = d.group_id
   where s.change_id = %(change)s and s.revision = %(revision)s
     and d.revoked_at is null and d.starts_at <= %(at)s and %(at)s < d.ends_at
)
select distinct on (m.slot_id, m.user_id)
       m.slot_id, u.id, coalesce(nullif(trim(u.first_name || ' ' || u.last_name), ''), u.username),
       r.verb, r.given_by, r.given_at, r.given_at + make_interval(hours => h.n)
  from members m
  join kernel_user u on u.id = m.user_id and u.is_active and u.kind = 'person'
 cross join hours h
 cross join lateral (
       select * from governance_resting(m.right_of, m.group_id, %(at)s, h.n)
        union
       select * from governance_resting(m.user_id, null, %(at)s, h.n)) r
 where not governance_is_party(%(change)s, m.user_id)
 order by m.slot_id, m.user_id, r.given_at desc
"""


def resting(change_id: int, revision: int, at: datetime) -> dict[int, dict[int, RestingRight]]:
    """For each slot id of the revision, the people whose right does not count yet, by their id."""
    found: dict[int, dict[int, RestingRight]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_RESTING, {"change": change_id, "revision": revision, "at": at})
        for slot, person, *told in cursor.fetchall():
            found.setdefault(slot, {})[person] = RestingRight(*told)
    return found


def is_party(change_id: int, person_id: int) -> bool:
    """Author, submitter or contributor of the change."""
    with connection.cursor() as cursor:
        cursor.execute("select governance_is_party(%s, %s)", [change_id, person_id])
        return bool(cursor.fetchone()[0])


def unsettled_parties(change_id: int) -> str:
    """The names of the accounts behind the change whose address another account has proved; empty where there are
    none."""
    with connection.cursor() as cursor:
        cursor.execute("select coalesce(governance_unsettled_parties(%s), '')", [change_id])
        return str(cursor.fetchone()[0])


def may_fill(group_ids: Sequence[int], change_id: int, person_id: int, at: datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select governance_may_fill(%s::int[], %s, %s, %s)", [list(group_ids), change_id, person_id, at])
        return bool(cursor.fetchone()[0])


def may_author(viewer: Viewer, change: ChangeRequest) -> Permission:
    """Submit, revise, amend, withdraw: the author, the submitter, or a member of an owner team."""
    if viewer.user is None:
        return Permission(False, "Sign in first.")
    if viewer.id in (change.author_id, change.submitter_id) or viewer.team_ids & set(change.owner_team_ids):
        return Permission(True)
    return Permission(False, "Only the author or a member of the owner team may edit, submit or withdraw this change.")


def may_submit(viewer: Viewer, change: ChangeRequest) -> Permission:
    if change.state != State.DRAFT:
        return Permission(False, f"It is {change.get_state_display().lower()}, not a draft.")
    allowed = may_author(viewer, change)
    if allowed and _is_unsettled(viewer):
        return Permission(False, persons.UNSETTLED)
    return allowed


def may_revise(viewer: Viewer, change: ChangeRequest) -> Permission:
    if change.state not in (State.DRAFT, State.IN_REVIEW, State.APPROVED):
        return Permission(False, f"It is {change.get_state_display().lower()}; open a new change.")
    return may_author(viewer, change)


def second_factor_asked_of(user: User) -> bool:
    """Whether the installation asks this account for a second factor: as an administrator, or as a person whose groups
    or delegations may fill a slot."""
    asked = second_factor_required()
    if not asked or user.kind != User.Kind.PERSON:
        return False
    if ADMINISTRATORS in asked and (user.is_superuser or user.is_staff):
        return True
    now = clock.now()
    delegated = Delegation.objects.filter(delegate_id=user.pk, revoked_at=None, starts_at__lte=now, ends_at__gt=now)
    return DECIDERS in asked and (user.groups.exists() or delegated.exists())


def has_second_factor(user: User) -> Permission:
    """Allowed where none is asked of this person, or where the person has one and has proved it in this session. What
    an identity provider says of its own second factor counts where the installation takes it."""
    if not second_factor_asked_of(user):
        return Permission(True)
    known, has_one = sessions.proof(), held.has_one(user)
    second = known.second if known else ""
    if second == sessions.PROVIDER or (has_one and (second or not sessions.in_session())):
        return Permission(True)
    if has_one:
        return Permission(False, "You signed in without your second factor. Sign in again, with it.")
    return Permission(False, "Your account needs a second factor for this. Add one under My account.")


def without_second_factor(people: Iterable[int]) -> set[int]:
    """Those of these deciders with a local account who cannot decide yet, since they have no second factor."""
    if DECIDERS not in second_factor_required():
        return set()
    rows = User.objects.filter(pk__in=set(people), second_factors=None)
    rows = rows.exclude(password__startswith="!")  # noqa: S106 - no password of ours
    return set(rows.values_list("pk", flat=True))


def may_decide(viewer: Viewer, change: ChangeRequest, at: datetime) -> Permission:
    """Whether this person can fill any slot of the present revision, and has not decided already."""
    if viewer.user is None:
        return Permission(False, "Sign in first.")
    if change.state != State.IN_REVIEW:
        return Permission(False, f"This change is {change.get_state_display().lower()}; there is nothing to decide.")
    if viewer.user.kind != User.Kind.PERSON:
        return Permission(False, "Decisions are for people, not for service accounts.")
    if is_party(change.pk, viewer.user.pk):
        return Permission(False, "You contributed to this change; somebody else decides.")
    if _is_unsettled(viewer):
        return Permission(False, persons.UNSETTLED)
    if change.decisions.filter(person=viewer.user, voided_at=None).exists():
        return Permission(False, "You have decided on this revision. Retract your decision to decide again.")
    if change.decisions.filter(person__in=persons.accounts_of(viewer.user.pk), voided_at=None).exists():
        return Permission(False, "You have decided on this revision by another account of yours; you count once.")
    if unsettled := unsettled_parties(change.pk):
        return Permission(
            False,
            f"Another account has proved the address of {unsettled}, who had a hand in this change. Nothing can be "
            "decided before that address is proved or replaced, or an administrator says whether they are one person.",
        )
    if not any(p.id == viewer.user.pk for people in eligible(change.pk, change.revision, at).values() for p in people):
        held = [
            people[viewer.user.pk] for people in resting(change.pk, change.revision, at).values() if viewer.id in people
        ]
        if held:
            return Permission(False, f"{held[0].sentence(you=True)}. Somebody else decides, or you do then.")
        return Permission(False, "None of the missing approvals is yours to give.")
    return has_second_factor(viewer.user)


_RESTING_MEMBER = """
with hours as (select governance_rest_hours_anywhere() as n)
select coalesce(nullif(trim(u.first_name || ' ' || u.last_name), ''), u.username),
       r.verb, r.given_by, r.given_at, r.given_at + make_interval(hours => h.n)
  from kernel_user u
  join kernel_user_groups m on m.user_id = u.id
  left join catalog_team t on t.group_id = m.group_id
 cross join hours h
 cross join lateral governance_resting(u.id, m.group_id, %(at)s, h.n) r
 where u.id = %(person)s
   and (m.group_id = any(%(groups)s::int[]) or t.key = any(%(teams)s::text[]))
   and not governance_counts_as_member(u.id, %(groups)s::int[], %(teams)s::text[], %(at)s)
 order by r.given_at desc
 limit 1
"""


def counts_as_member(viewer: Viewer, groups: Iterable[int], teams_: Sequence[str], deed: str) -> Permission:
    """Of a member of one of these groups, or of a team with one of these keys: whether that right counts already.
    `deed` is what it does not do before, such as "breaks no glass"."""
    values = {"person": viewer.id, "groups": list(groups), "teams": list(teams_), "at": clock.now()}
    with connection.cursor() as cursor:
        cursor.execute(_RESTING_MEMBER, values)
        row = cursor.fetchone()
    if row is None:
        return Permission(True)
    return Permission(False, f"{RestingRight(*row).sentence(you=True, deed=deed)}. Somebody else does it, or you then.")


def in_team(viewer: Viewer, *keys: str) -> bool:
    """Whether the viewer is, right now, a member of one of these role teams."""
    return bool(viewer.user) and any(
        (team := teams.by_key(key)) is not None and team.id in viewer.team_ids for key in keys
    )


def may_plan_freezes(viewer: Viewer) -> Permission:
    allowed = in_team(viewer, "release-managers", "architects")
    return Permission(allowed, "" if allowed else "Only release managers and architects may plan freezes.")


def may_end_freezes(viewer: Viewer) -> Permission:
    """End a window that has not begun: that is less protection than was planned, so the right has to count."""
    allowed = may_plan_freezes(viewer)
    return counts_as_member(viewer, (), ("release-managers", "architects"), "ends no freeze") if allowed else allowed


def may_propose_policy(viewer: Viewer) -> Permission:
    allowed = bool(viewer.user) and viewer.user.kind == User.Kind.PERSON and bool(viewer.team_ids)
    return Permission(
        allowed,
        "" if allowed else "Only a member of a team may propose a policy; an approved change puts it into effect.",
    )


def may_break_glass(viewer: Viewer, owner_team_ids: list[int]) -> Permission:
    allowed = (
        bool(viewer.user)
        and viewer.user.kind == User.Kind.PERSON
        and (bool(viewer.team_ids & set(owner_team_ids)) or in_team(viewer, "release-managers"))
    )
    if not allowed:
        return Permission(False, "Only a member of the owner team or a release manager may break the glass.")
    if _is_unsettled(viewer):
        return Permission(False, persons.UNSETTLED)
    return counts_as_member(viewer, owner_team_ids, ("release-managers",), "breaks no glass")


def may_confirm_break_glass(viewer: Viewer) -> Permission:
    """Confirm it, and review it afterwards."""
    if not (_is_person(viewer) and in_team(viewer, "release-managers", "architects")):
        return Permission(False, "Only a release manager or an architect may confirm.")
    if _is_unsettled(viewer):
        return Permission(False, persons.UNSETTLED)
    return counts_as_member(viewer, (), ("release-managers", "architects"), "confirms and reviews no break-glass")


def may_end_break_glass(viewer: Viewer, case: BreakGlass) -> Permission:
    allowed = bool(viewer.user) and (
        viewer.id in (case.opened_by_id, case.confirmed_by_id)
        or bool(viewer.team_ids & set(case.owner_team_ids))
        or in_team(viewer, "release-managers", "architects")
    )
    return Permission(
        allowed,
        ""
        if allowed
        else "Only the two people who opened it, the owner team, a release manager or an architect may end it.",
    )


def may_revoke_waiver(viewer: Viewer, waiver: Waiver, owner_team_ids: Sequence[int]) -> Permission:
    """The person who asked for it, the owner team of the thing, and the teams whose rules it sets aside."""
    allowed = bool(viewer.user) and (
        viewer.id == waiver.requested_by_id
        or bool(viewer.team_ids & set(owner_team_ids))
        or in_team(viewer, "architects", "security", "release-managers")
    )
    words = (
        "Only the person who asked for it, the owner team, an architect, security or a release manager "
        "may revoke a waiver."
    )
    return Permission(allowed, "" if allowed else words)


def may_run_webhooks(viewer: Viewer) -> Permission:
    allowed = bool(viewer.user) and (viewer.user.is_superuser or in_team(viewer, "release-managers"))
    return Permission(allowed, "" if allowed else "Only release managers may register webhook receivers.")


def may_propose_pipeline(viewer: Viewer, owner_team_id: int) -> Permission:
    """A person of the team that would own the connection, or a release manager."""
    allowed = _is_person(viewer) and (owner_team_id in viewer.team_ids or in_team(viewer, "release-managers"))
    words = "Only a member of the owner team or a release manager may propose this."
    return Permission(allowed, "" if allowed else words)


def may_confirm_pipeline(viewer: Viewer, proposed_by: int) -> Permission:
    """A release manager who has not proposed it: who maps a repository decides which gate it passes."""
    if not (_is_person(viewer) and in_team(viewer, "release-managers")):
        return Permission(False, "Only a release manager may confirm this.")
    if persons.are_one(viewer.id, proposed_by):
        return Permission(False, "You proposed it; another release manager confirms.")
    return counts_as_member(viewer, (), ("release-managers",), "confirms no connection")


def may_end_pipeline(viewer: Viewer, connection: PipelineConnection) -> Permission:
    """Ending, and asking again, loosens nothing: the owner team and release managers."""
    allowed = _is_person(viewer) and (
        connection.owner_team_id in viewer.team_ids or in_team(viewer, "release-managers")
    )
    return Permission(allowed, "" if allowed else "Only a member of the owner team or a release manager may do this.")


def _is_unsettled(viewer: Viewer) -> bool:
    return viewer.user is not None and persons.is_unsettled(viewer.user.pk)


def _is_person(viewer: Viewer) -> bool:
    return bool(viewer.user) and viewer.user.kind == User.Kind.PERSON
