"""People that a source of Backstage names (User, and the members of a Group), where the import was asked to:
accounts of new people, and places in the teams that the same source has brought. Nobody is changed, closed or taken out
of a team, and no team that decides across domains is reached."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from catalog.models import ImportedThing, Team
from catalog.services import people
from catalog.services.findings import Findings
from catalog.services.importing import identity
from catalog.services.importing.identity import Ref
from catalog.services.importing.target import ImportOutcome, ImportTarget
from catalog.services.importing.values import mapping, nested, plain, texts
from catalog.services.people import PersonLine
from kernel import persons
from kernel.errors import Invalid
from kernel.models import User
from kernel.user_names import prepared


def take(ref: Ref, value: dict[str, Any], target: ImportTarget) -> ImportOutcome:
    """One User: the account of the address, else of the name. Raises Invalid for what is no address."""
    spec = mapping(value, "spec")
    email = plain(nested(spec, "profile", "email"), 254)
    username = prepared(email or ref.name)[:150]
    if not username:
        raise Invalid("import.backstage_name", "This User has neither an address of mail nor a name.")
    notes: list[str] = []
    teams = _teams(ref, texts(spec.get("memberOf"), notes, "memberOf"), target, notes)
    if email:
        try:
            validate_email(email)
        except ValidationError:
            raise Invalid("import.person", f"{email[:80]!r} is no address of mail.") from None
    if isinstance(nested(spec, "profile", "email"), dict | list):
        raise Invalid("import.person", "profile.email is a list or an object. Write one address as a text.")
    account, why_not = persons.Finder([(username, email)]).of(username, email)
    if why_not:
        raise Invalid("import.person", why_not)
    if account is not None and (not account.is_active or account.is_superuser or account.is_staff):
        what = "is closed" if not account.is_active else "has rights of an administrator"
        return ImportOutcome("unchanged", account.username, "import.noticed", f"The account {what}: it stays as it is.")
    if account is not None and account.kind != User.Kind.PERSON:
        raise Invalid("import.person", f"{account.username} is no account of a person.")
    new = account is None
    first = target.kept.setdefault("people", {}).setdefault(account.username if account is not None else username, ref)
    if first != ref:
        notes.append(f"{first} is the same person: the address of mail, or the name, is one")
    said = PersonLine(
        pointer="",
        number=1,
        username=account.username if account is not None else username,
        first_name=plain(nested(spec, "profile", "displayName"), 150) if new else None,
        email=email if new else None,
        teams=tuple(teams),
    )
    report = people.write([said], Findings(), actor=target.actor, by_token=True, into=frozenset(teams))
    [(_, name, outcome, note)] = report.lines
    notes += [note] if note else []
    code = "import.noticed" if notes else ""
    return ImportOutcome(outcome, name, code, "; ".join(notes[:8]))  # type: ignore[arg-type]  # nobody is closed here


def _teams(ref: Ref, member_of: list[str], target: ImportTarget, notes: list[str]) -> list[str]:
    """Keys of the teams that this person is in, as the person or the groups say: those of the same source alone."""
    known: SourceGroups = target.kept.get("groups") or target.kept.setdefault("groups", SourceGroups(target.source))
    wanted = dict.fromkeys(known.members.get(str(ref), ()))
    for word in member_of:
        group = identity.parsed(word, kind="group", namespace=ref.namespace)
        if group is not None:
            wanted.setdefault(str(group))
    keys = []
    for name in wanted:
        team = known.teams.get(name)
        if team is None:
            notes.append(f"{name} is no team of this source")
        elif team.kind == Team.Kind.ROLE:
            notes.append(f"the team {team.key} decides across domains: people come into it here alone")
        else:
            keys.append(team.key)
    return keys


class SourceGroups:
    """The groups that a source has brought, which come before its people: their teams by name, and the groups that name
    a person as a member."""

    def __init__(self, source: str) -> None:
        things = list(ImportedThing.objects.filter(source=source, table="team")) if source else []
        rows = {team.key: team for team in Team.objects.filter(key__in=[t.key for t in things], retired_at=None)}
        self.teams = {thing.ref: rows[thing.key] for thing in things if thing.key in rows}
        self.members: dict[str, list[str]] = {}
        for thing in things:
            place = thing.ref.partition(":")[2].partition("/")[0]
            for word in texts(thing.facts.get("members"), [], "members"):
                person = identity.parsed(word, kind="user", namespace=place)
                if person is not None:
                    self.members.setdefault(str(person), []).append(thing.ref)
