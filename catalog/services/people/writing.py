"""Writes lines about people: each account found by its user name or its proved address of mail, changed only where the
line says something else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction

from catalog.models import Team
from catalog.services.findings import Findings
from catalog.services.people.lines import PersonLine
from kernel import acting, audit, leaving, persons
from kernel.models import User
from kernel.ui.wording import counted

_TRIES = 3
_ONLY_ADMINISTRATORS = (
    "by an administrator who is signed in, or by a declared mapping of the identity provider's groups"
)


@dataclass(slots=True)
class PeopleReport:
    """What was done, or would be: (line, user name, outcome, note). Outcomes are created, changed, closed, reopened,
    unchanged."""

    dry_run: bool
    lines: list[tuple[int, str, str, str]] = field(default_factory=list)

    def number(self, outcome: str) -> int:
        return sum(1 for line in self.lines if line[2] == outcome)

    def summary(self) -> str:
        words = ("created", "changed", "closed", "reopened", "unchanged")
        counts = ", ".join(f"{self.number(word)} {word}" for word in words if self.number(word)) or "nothing"
        return f"{'Would be: ' if self.dry_run else ''}{counts}"


class _Undo(Exception):
    """Ends a dry run: the transaction is rolled back."""


@dataclass(slots=True)
class _PlannedLine:
    """A line with its account, and what of it is new."""

    line: PersonLine
    account: User
    key: str
    made: bool = False
    of_provider: bool = False  # found by what the identity provider calls the person
    closes_here: bool = False  # it is closed, by a provider, which may not open it any more
    stays_closed: bool = False
    changed: dict[str, str] = field(default_factory=dict)
    joins: list[Team] = field(default_factory=list)


def write(
    lines: Sequence[PersonLine],
    found: Findings,
    *,
    actor: User | None,
    by_token: bool = False,
    dry_run: bool = False,
    into: frozenset[str] = frozenset(),
) -> PeopleReport:
    """All lines in one transaction, or none. Nobody is taken out of a team, and who is not named stays as it is: SCIM,
    a blueprint with `exclusive` teams, and `active: no` take away. `by_token`: a program writes, which puts nobody into
    a team but those of `into`, touches no account with a password or with rights of an administrator, and opens none
    that others closed.

    Raises Invalid `people.invalid` with every finding by line, those that `found` has already among them. A dry run
    does the same work and undoes it."""
    before = list(found.items)
    for left in reversed(range(_TRIES)):
        try:
            return _written(lines, found, actor=actor, by_token=by_token, dry_run=dry_run, into=into)
        except IntegrityError as error:  # who was made at the same moment is found now
            if not left or not persons.name_is_taken(error):
                raise
            found.items[:] = before
    raise AssertionError("unreachable")


def _written(
    lines: Sequence[PersonLine],
    found: Findings,
    *,
    actor: User | None,
    by_token: bool,
    dry_run: bool,
    into: frozenset[str],
) -> PeopleReport:
    report = PeopleReport(dry_run)
    try:
        with transaction.atomic(), acting.by(actor, way=acting.PROVISIONING if by_token else ""):
            planned = _judged(lines, found, actor=actor, by_token=by_token, into=into)
            found.items.sort(key=lambda one: one.get("line", 0))
            found.require_none(
                "people.invalid",
                f"The people cannot be written: {counted(len(found.items), 'finding')}. Nothing was changed.",
            )
            _write(planned, report, actor)
            if dry_run:
                raise _Undo
    except _Undo:
        pass
    return report


def _judged(
    lines: Sequence[PersonLine], found: Findings, *, actor: User | None, by_token: bool, into: frozenset[str]
) -> list[_PlannedLine]:
    accounts = persons.Finder([(line.username, line.email or "") for line in lines if line.username])
    teams = {team.key: team for team in Team.objects.filter(retired_at=None)}
    present: dict[int, set[int]] = {}
    for person, group in User.groups.through._default_manager.filter(user_id__in=accounts.ids()).values_list(
        "user_id", "group_id"
    ):
        present.setdefault(person, set()).add(group)
    seen: dict[str | int, int] = {}
    planned = []
    for line in lines:
        if not line.username:
            continue
        account, why_not = accounts.of(line.username, line.email or "")
        if why_not:
            found.add(f"{line.pointer}/username", why_not, line=line.number)
            continue
        same = account.pk if account is not None else accounts.key(line.username)
        if (before := seen.setdefault(same, line.number)) != line.number:
            found.add(f"{line.pointer}/username", f"Line {before} is about the same person.", line=line.number)
            continue
        new = account or User(username=line.username, kind=User.Kind.PERSON)
        one = _PlannedLine(line, new, accounts.key(line.username), made=account is None)
        one.of_provider = accounts.is_of_provider(line.username)
        for word in line.teams:
            if word not in teams:
                found.add(f"{line.pointer}/teams", f"There is no team {word[:60]!r}.", line=line.number)
            elif teams[word].pk not in present.get(one.account.pk, set()):
                one.joins.append(teams[word])
        _judge(one, found, actor=actor, by_token=by_token, into=into)
        planned.append(one)
    if by_token:
        opened = [one for one in planned if one.line.active and not one.made and not one.account.is_active]
        its_own = leaving.closed_by_provisioning(one.account.pk for one in opened)
        for one in opened:
            one.stays_closed = one.account.pk not in its_own
    else:
        shut = [one for one in planned if one.line.active is False and not one.made and not one.account.is_active]
        its_own = leaving.closed_by_provisioning(one.account.pk for one in shut)
        for one in shut:
            one.closes_here = one.account.pk in its_own
    return planned


def _judge(one: _PlannedLine, found: Findings, *, actor: User | None, by_token: bool, into: frozenset[str]) -> None:
    line, account = one.line, one.account
    for name in ("first_name", "last_name", "email"):
        value = getattr(line, name)
        if value is not None and value != getattr(account, name):
            one.changed[name] = value
    if account.kind != User.Kind.PERSON:
        found.add(f"{line.pointer}/username", f"{line.username[:60]!r} is no account of a person.", line=line.number)
    if actor is not None and account.pk == actor.pk and line.active is False:
        found.add(f"{line.pointer}/active", "Nobody closes their own account.", line=line.number)
    if not by_token:
        return
    if beyond := [team for team in one.joins if team.key not in into]:
        said = f"A token puts nobody into a team. Into {beyond[0].key!r} people come {_ONLY_ADMINISTRATORS}."
        found.add(f"{line.pointer}/teams", said, line=line.number)
    touched = one.changed or line.active not in (None, account.is_active)
    own = account.is_superuser or account.is_staff or (not one.made and account.has_usable_password())
    if touched and own:
        said = "The account has a password or rights of its own: a token does not change it."
        found.add(f"{line.pointer}/username", said, line=line.number)


def _write(planned: list[_PlannedLine], report: PeopleReport, actor: User | None) -> None:
    new = [one for one in planned if one.made]
    for one in new:
        one.account.password = make_password(None)
        one.account.is_active = one.line.active is not False
        for name, value in one.changed.items():
            setattr(one.account, name, value)
    new.sort(key=lambda one: one.key)  # two who write the same names wait for each other, and not in a circle
    User.objects.bulk_create([one.account for one in new], batch_size=500)
    for one in planned:
        report.lines.append((one.line.number, one.account.username, *_write_one(one, actor)))
    memberships = User.groups.through
    memberships._default_manager.bulk_create(
        [memberships(user_id=one.account.pk, group_id=team.pk) for one in planned for team in one.joins],
        batch_size=1000,
        ignore_conflicts=True,
    )
    done = {word: report.number(word) for word in ("created", "changed", "closed", "reopened")}
    if any(done.values()):
        audit.record("catalog.people_written", "estate", "people", actor=actor, after=done)


def _write_one(one: _PlannedLine, actor: User | None) -> tuple[str, str]:
    """The outcome, and what is to say of it."""
    account, active = one.account, one.line.active
    joins = f"joins {', '.join(team.key for team in one.joins)}" if one.joins else ""
    if one.made:
        return "created", joins
    note = "; ".join(filter(None, [", ".join(one.changed), joins]))
    if one.line.username != account.username:
        how = "called so by the identity provider:" if one.of_provider else "known by the address of mail of"
        note = "; ".join(filter(None, [f"{how} {one.line.username}", note]))
    for name, value in one.changed.items():
        setattr(account, name, value)
    fields = list(one.changed)
    reopened = active is True and not account.is_active and not one.stays_closed
    if one.stays_closed:
        note = "; ".join(filter(None, [note, "stays closed: it was closed here, and is opened by an administrator"]))
    if reopened:
        account.is_active = True
        fields.append("is_active")
    if fields:
        account.save(update_fields=fields)
    if one.closes_here:
        leaving.keep_closed(account, actor=actor)
        return "changed", "; ".join(filter(None, [note, "stays closed, also where the identity provider opens it"]))
    if active is False and account.is_active:
        stay = leaving.close(account, actor=actor)
        still = f"still open: {', '.join(other.username for other in stay)}, of an administrator" if stay else ""
        return "closed", "; ".join(filter(None, [note, still]))
    if reopened:
        return "reopened", note
    return ("changed" if one.changed or one.joins else "unchanged"), note
