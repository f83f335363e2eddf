"""Groups by SCIM, and the teams that declared mappings make of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from governance.domain.scim import patches
from governance.domain.scim.errors import ScimError, invalid_value
from governance.domain.scim.schema import GROUPS, read, required, uuid_of
from governance.models import ProvisionedGroup, ProvisionedPerson
from governance.selectors import provisioned
from governance.services import group_mappings
from governance.services.provisioning.people import WAY, require_version
from kernel import acting, audit, clock
from kernel.models import User

NOT_THERE = "There is no such group, or it was taken out."
TOLD = 50
"""So many names stand in an entry of the ledger; the triggers tell of every one who joined or left a team."""


def create(body: Any, *, actor: User) -> ProvisionedGroup:
    """Raises ScimError: `uniqueness` where a group has the name, `invalidValue` for a member that is nobody."""
    said = read(GROUPS, body)
    required(GROUPS, said)
    with _NameOnce(said), acting.by(actor, way=WAY), transaction.atomic():
        row = ProvisionedGroup(changed_at=clock.now())
        _save(row, {}, said, actor=actor, verb="governance.provider_group_made")
    return row


def replace(key: Any, body: Any, *, actor: User, if_match: str = "") -> ProvisionedGroup:
    """RFC 7644 §3.5.1: who is not named is no member from now on."""
    said = read(GROUPS, body)
    required(GROUPS, said)
    return _change(key, lambda old: said, actor=actor, if_match=if_match)


def patch(key: Any, body: Any, *, actor: User, if_match: str = "") -> ProvisionedGroup:
    """RFC 7644 §3.5.2: all operations, or none."""
    return _change(key, lambda old: patches.apply(GROUPS, old, body), actor=actor, if_match=if_match)


def take_out(key: Any, *, actor: User, if_match: str = "") -> None:
    """DELETE: its members leave the teams that no other group of theirs means."""
    with acting.by(actor, way=WAY), transaction.atomic():
        row = _locked(key, if_match)
        accounts = list(row.members.values_list("account_id", flat=True))
        before = provisioned.words_of(accounts)
        row.members.clear()
        _follow(before, accounts)
        after = {"name": row.name, "members": len(accounts)}
        audit.record("governance.provider_group_taken_out", "provider_group", str(row.pk), actor=actor, after=after)
        row.delete()


def join_declared(*, actor: User | None) -> int:
    """After a mapping was declared: members of the provider's groups join the teams that it means; how many places
    that were. In a transaction."""
    accounts = list(ProvisionedPerson.objects.exclude(groups=None).values_list("account_id", flat=True).distinct())
    with acting.by(actor, way=WAY):
        return _follow({}, accounts)


class _NameOnce:
    """What the database says of a name that is taken, as SCIM says it."""

    def __init__(self, said: dict[str, Any]) -> None:
        self.name = said.get("displayName", "")

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, IntegrityError):
            raise ScimError(409, f"Another group has the displayName {self.name!r}.", "uniqueness") from None


def _change(
    key: Any, how: Callable[[dict[str, Any]], dict[str, Any]], *, actor: User, if_match: str
) -> ProvisionedGroup:
    new: dict[str, Any] = {}
    with _NameOnce(new), acting.by(actor, way=WAY), transaction.atomic():
        row = _locked(key, if_match)
        old = provisioned.said_of_group(row)
        new |= how(old)
        required(GROUPS, new)
        row.changed_at = clock.now()
        _save(row, old, new, actor=actor, verb="governance.provider_group_changed")
    return row


def _locked(key: Any, if_match: str) -> ProvisionedGroup:
    number = uuid_of(key)
    row = provisioned.groups().select_for_update().filter(pk=number).first() if number else None
    if row is None:
        raise ScimError(404, NOT_THERE)
    require_version(provisioned.version(row), if_match)
    return row


def _members(said: dict[str, Any]) -> set[UUID]:
    """Raises ScimError for a member that is no id, or a group: groups in groups are not kept."""
    found = set()
    for one in said.get("members", ()):
        key = uuid_of(one.get("value"))
        if str(one.get("type") or "User").lower() != "user":
            raise invalid_value("members: people alone. Name the people of a group that is in this one.")
        if key is None:
            raise invalid_value(f"members: there is no person {str(one.get('value'))[:60]!r}.")
        found.add(key)
    return found


def _save(row: ProvisionedGroup, old: dict[str, Any], new: dict[str, Any], *, actor: User, verb: str) -> None:
    had, has = _members(old), _members(new)
    joined, left = has - had, had - has
    fields = {"displayName": "name", "externalId": "external_id"}
    named = {name: new.get(name, "") for name in fields}
    renamed = {name: value for name, value in named.items() if old.get(name, "") != value}
    if old and not renamed and not joined and not left:
        return
    people = {p.pk: p for p in ProvisionedPerson.objects.filter(pk__in=joined | left)}
    if missing := joined - people.keys():
        raise invalid_value(f"members: there is no person {sorted(map(str, missing))[0]!r}.")
    touched = {person.account_id for person in people.values()}
    if renamed and old:
        touched |= set(row.members.values_list("account_id", flat=True))
    before = provisioned.words_of(touched)
    row.name, row.external_id = named["displayName"], named["externalId"]
    row.save()
    row.members.remove(*(people[key] for key in left if key in people))
    row.members.add(*(people[key] for key in joined))
    _follow(before, touched)
    after: dict[str, Any] = {"name": row.name, "joined": len(joined), "left": len(left)}
    for word, keys in (("who_joined", joined), ("who_left", left)):
        if keys:
            after[word] = sorted(people[key].user_name for key in keys if key in people)[:TOLD]
    audit.record(
        verb,
        "provider_group",
        str(row.pk),
        actor=actor,
        before={"name": old["displayName"]} if old else None,
        after=after,
    )


def _follow(before: dict[int, set[str]], accounts: Any) -> int:
    after = provisioned.words_of(accounts)
    return group_mappings.follow(before, {account: after.get(account, set()) for account in accounts})
