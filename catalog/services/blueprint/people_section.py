"""The people of a blueprint: accounts, their teams, teams that are `exclusive`, and who is no longer named."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import Q

from catalog.models import Team
from catalog.services.blueprint.writer import BlueprintWriter
from kernel import leaving, persons
from kernel.constraints import violated
from kernel.models import AuditEntry, User
from kernel.user_names import prepared

FIELDS: Final = ("username", "first_name", "last_name", "email", "kind", "superuser", "teams")
_NAMED = Q(verb__in=("catalog.person_declared", "catalog.person_changed"), subject_kind="person") | Q(
    verb="catalog.membership_changed", subject_kind="membership", after__has_key="joined"
)
_memberships = User.groups.through


@dataclass(slots=True)
class _PlannedPerson:
    """A person of a document, with the account of before where there is one."""

    pointer: str
    username: str
    values: dict[str, Any]
    said: set[str]
    row: User | None
    key: str
    teams: dict[int, Team]
    joins: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Known:
    """What is read once for all people of a document, and what is planned for them."""

    accounts: persons.Finder
    teams: dict[str, Team]
    present: dict[int, set[int]]
    named: dict[int, set[int]] = field(default_factory=dict)
    """By account, the teams in which the document names it."""
    planned: list[_PlannedPerson] = field(default_factory=list)
    seen: dict[int | str, str] = field(default_factory=dict)
    """By account, or by name of a new one, where the document names it."""

    @classmethod
    def of(cls, document: dict[str, Any]) -> _Known:
        people = [one for one in document["people"] if isinstance(one, dict)]
        accounts = persons.Finder([(_name(one), str(one.get("email") or "").strip()) for one in people])
        present: dict[int, set[int]] = {}
        for person, group in _memberships._default_manager.filter(user_id__in=accounts.ids()).values_list(
            "user_id", "group_id"
        ):
            present.setdefault(person, set()).add(group)
        return cls(accounts, {team.key: team for team in Team.objects.all()}, present)


def _name(item: dict[str, Any]) -> str:
    name = item.get("username")
    return prepared(str(name))[:150] if isinstance(name, str | int | float) else ""


def _known(writer: BlueprintWriter) -> _Known:
    if writer.people is None:
        writer.people = _Known.of(writer.document)
    known: _Known = writer.people
    return known


def people(writer: BlueprintWriter, item: dict[str, Any], pointer: str) -> None:
    """A person or a service account with its teams: the account of that user name, or the one that has proved the
    address of mail. Read as strictly as a line of a list, and written with all others (`after_all`)."""
    for name in item:
        if name not in FIELDS and not str(name).startswith("x-"):
            writer.found.add(f"{pointer}/{str(name)[:60]}", f"Not read. Fields: {', '.join(FIELDS)}.")
    if not writer.text(item, "username", pointer, 150, "Every person has a user name."):
        return
    username, known = _name(item), _known(writer)
    kind = writer.found.choice(item.get("kind") or "person", User.Kind.choices, f"{pointer}/kind", noun="kind of user")
    values: dict[str, Any] = {n: writer.text(item, n, pointer, 150) for n in ("first_name", "last_name")} | {
        "email": writer.text(item, "email", pointer, 254),
        "kind": kind,
    }
    if values["email"]:
        try:
            validate_email(values["email"])
        except ValidationError:
            writer.found.add(f"{pointer}/email", f"{values['email'][:80]!r} is no address of mail.")
    said = writer.said(item, "kind")
    if writer.flag(item, "superuser", pointer):
        values |= {"is_superuser": True, "is_staff": True}
        said |= {"is_superuser", "is_staff"}
    row, why_not = known.accounts.of(username, values["email"])
    if why_not:
        writer.found.add(f"{pointer}/username", why_not)
        return
    key = known.accounts.key(username)
    before = known.seen.setdefault(row.pk if row is not None else key, pointer)
    if before != pointer:
        writer.found.add(f"{pointer}/username", f"{before} is about the same person.")
        return
    if row is not None and row.kind != User.Kind.PERSON and "kind" not in said and item.get("teams"):
        writer.found.add(
            f"{pointer}/username",
            f"{username[:60]!r} is no account of a person. To put it into teams, say kind: {row.kind}.",
        )
        return
    teams = [_team(known, word, f"{pointer}/teams", writer) for word in _keys(item.get("teams"), pointer, writer)]
    wanted = {team.pk: team for team in teams if team is not None}
    known.planned.append(_PlannedPerson(pointer, username, values, said, row, key, wanted))


def _keys(value: Any, pointer: str, writer: BlueprintWriter) -> list[str]:
    """Keys of teams: a list, or a text with commas between."""
    several = re.split(r"[,;|\s]+", value) if isinstance(value, str) else value if value is not None else []
    if not isinstance(several, list) or not all(isinstance(one, str) for one in several):
        writer.found.add(f"{pointer}/teams", "Give keys of teams, as a list or with commas between.")
        return []
    return list(dict.fromkeys(one.strip() for one in several if one.strip()))


def _write(writer: BlueprintWriter, known: _Known) -> None:
    """New accounts and places in teams at once; what differs of an account that is there, by itself."""
    new = sorted((one for one in known.planned if one.row is None), key=lambda one: one.key)
    for one in new:
        one.row = User(username=one.username, password=make_password(writer.passwords.get(one.username)), **one.values)
    User.objects.bulk_create([one.row for one in new if one.row is not None], batch_size=500)
    made = {id(one) for one in new}
    for one in known.planned:
        assert one.row is not None
        if id(one) in made:
            writer.record_later("created", "person", one.username, None, one.values)
        else:
            writer.upsert(User, "person", {}, one.values, one.username, said=one.said, row=one.row)
            if not one.row.password:
                one.row.set_password(writer.passwords.get(one.username))
                one.row.save(update_fields=["password"])
        known.named.setdefault(one.row.pk, set()).update(one.teams)
        there = known.present.setdefault(one.row.pk, set())
        one.joins = [pk for pk in one.teams if pk not in there]
        there.update(one.joins)
        if one.joins:
            joined = {"joined": [one.teams[pk].key for pk in one.joins]}
            writer.record_later("changed", "membership", one.username, None, joined)
    _memberships._default_manager.bulk_create(
        [_memberships(user_id=one.row.pk, group_id=pk) for one in known.planned if one.row for pk in one.joins],
        batch_size=1000,
        ignore_conflicts=True,
    )
    writer.record_now()


def _team(known: _Known, key: Any, pointer: str, writer: BlueprintWriter) -> Team | None:
    found = known.teams.get(key) if isinstance(key, str) else None
    return found or writer.found.row_by_key(Team, key, pointer, noun="team")


def after_all(writer: BlueprintWriter) -> None:
    """Once all people are read they are written. Then who is in an exclusive team without being named there leaves it,
    and who is no longer named at all is told of, or closed."""
    known = _known(writer)
    if writer.found.items:
        return
    try:
        with transaction.atomic():
            _write(writer, known)
    except IntegrityError as error:
        name = violated(error)
        writer.found.add("/people", f"The database refuses this: {name or error}.", code=name or "database.refused")
        return
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
