"""The people of a blueprint: accounts, their teams, teams that are `exclusive`, and who is no longer named."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.hashers import make_password
from django.db.models import Q

from catalog.models import Team
from catalog.services.blueprint.writer import BlueprintWriter
from kernel import leaving, persons
from kernel.models import AuditEntry, User

_NAMED = Q(verb__in=("catalog.person_declared", "catalog.person_changed"), subject_kind="person") | Q(
    verb="catalog.membership_changed", subject_kind="membership", after__has_key="joined"
)
_memberships = User.groups.through


@dataclass(slots=True)
class _Known:
    """What is read once for all people of a document."""

    accounts: persons.Finder
    teams: dict[str, Team]
    present: dict[int, set[int]]
    named: dict[int, set[int]] = field(default_factory=dict)
    """By account, the teams in which the document names it."""

    @classmethod
    def of(cls, document: dict[str, Any]) -> _Known:
        people = [one for one in document["people"] if isinstance(one, dict)]
        accounts = persons.Finder([(str(one.get("username") or ""), str(one.get("email") or "")) for one in people])
        present: dict[int, set[int]] = {}
        for person, group in _memberships._default_manager.filter(user_id__in=accounts.ids()).values_list(
            "user_id", "group_id"
        ):
            present.setdefault(person, set()).add(group)
        return cls(accounts, {team.key: team for team in Team.objects.all()}, present)


def _known(writer: BlueprintWriter) -> _Known:
    if writer.people is None:
        writer.people = _Known.of(writer.document)
    known: _Known = writer.people
    return known


def people(writer: BlueprintWriter, item: dict[str, Any], pointer: str) -> None:
    """A person or a service account with its teams: the account of that user name, or the one that has proved the
    address of mail."""
    username = writer.text(item, "username", pointer, 150, "Every person has a user name.")
    if not username:
        return
    known = _known(writer)
    kind = writer.found.choice(item.get("kind") or "person", User.Kind.choices, f"{pointer}/kind", noun="kind of user")
    values: dict[str, Any] = {n: writer.text(item, n, pointer, 150) for n in ("first_name", "last_name", "email")} | {
        "kind": kind
    }
    said = writer.said(item, "kind")
    if writer.flag(item, "superuser", pointer):
        values |= {"is_superuser": True, "is_staff": True}
        said |= {"is_superuser", "is_staff"}
    row, why_not = known.accounts.of(username, values["email"])
    if why_not:
        writer.found.add(f"{pointer}/username", why_not)
        return
    password = {"password": make_password(writer.passwords.get(username))} if row is None else None
    user = writer.upsert(User, "person", {"username": username}, values, username, said=said, row=row, untold=password)
    if not user.password:
        user.set_password(writer.passwords.get(username))
        user.save(update_fields=["password"])
    teams = [_team(known, key, f"{pointer}/teams", writer) for key in item.get("teams") or []]
    wanted = {team.pk: team for team in teams if team is not None}
    known.named.setdefault(user.pk, set()).update(wanted)
    new = [pk for pk in wanted if pk not in known.present.get(user.pk, set())]
    if new:
        user.groups.add(*new)
        known.present.setdefault(user.pk, set()).update(new)
        writer.record("changed", "membership", username, None, {"joined": [wanted[pk].key for pk in new]})


def _team(known: _Known, key: Any, pointer: str, writer: BlueprintWriter) -> Team | None:
    found = known.teams.get(key) if isinstance(key, str) else None
    return found or writer.found.row_by_key(Team, key, pointer, noun="team")


def after_all(writer: BlueprintWriter) -> None:
    """Once all people are written: who is in an exclusive team without being named there leaves it, and who is no
    longer named at all is told of, or closed."""
    known = _known(writer)
    for key in sorted(writer.exclusive):
        team = known.teams.get(key)
        if team is not None:
            _only_named(writer, known, team)
    for account in _missing(writer, known):
        _tell_or_close(writer, account)


def _only_named(writer: BlueprintWriter, known: _Known, team: Team) -> None:
    named = {person for person, groups in known.named.items() if team.pk in groups}
    for account in User.objects.filter(groups=team.pk).exclude(pk__in=named).order_by("username"):
        account.groups.remove(team.pk)
        known.present.get(account.pk, set()).discard(team.pk)
        note = f"leaves {team.key}, which is exclusive"
        writer.record("changed", "membership", account.username, None, {"left": [team.key]}, note=note)


def _missing(writer: BlueprintWriter, known: _Known) -> list[User]:
    """Open accounts of people that a blueprint has named before, by the ledger, and that this one does not name."""
    names = set(AuditEntry.objects.filter(_NAMED).values_list("subject_id", flat=True).distinct())
    rows = User.objects.filter(username__in=names, is_active=True, kind=User.Kind.PERSON)
    return [row for row in rows.order_by("username") if row.pk not in known.named]


def _tell_or_close(writer: BlueprintWriter, account: User) -> None:
    if not writer.prune:
        writer.report.add("missing", "person", account.username, "no longer named; --prune closes the account")
    elif account.is_superuser or account.is_staff or (writer.actor is not None and account.pk == writer.actor.pk):
        writer.report.add(
            "kept", "person", account.username, "an administrator's account, or your own: not closed here"
        )
    else:
        stay = leaving.close(account, actor=writer.actor)
        note = f"still open: {', '.join(one.username for one in stay)}" if stay else "no longer named"
        writer.report.add("closed", "person", account.username, note)
