"""People and groups of a provider as SCIM shows them (RFC 7643 §3, §4)."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet

from governance.domain.scim.schema import GROUPS, PEOPLE, ResourceType
from governance.models import ProvisionedGroup, ProvisionedPerson
from kernel import persons

Members = ProvisionedGroup.members.through


def words_of(accounts: Iterable[int]) -> dict[int, set[str]]:
    """By account, the names that its groups have at the provider: the shown one and the provider's own."""
    found: dict[int, set[str]] = {}
    rows = Members._default_manager.filter(provisionedperson__account_id__in=list(accounts)).values_list(
        "provisionedperson__account_id", "provisionedgroup__name", "provisionedgroup__external_id"
    )
    for account, *names in rows:
        found.setdefault(account, set()).update(name for name in names if name)
    return found


def people() -> QuerySet[ProvisionedPerson]:
    return ProvisionedPerson.objects.select_related("account").order_by("made_at", "id")


def groups() -> QuerySet[ProvisionedGroup]:
    return ProvisionedGroup.objects.order_by("made_at", "id")


def every(kind: ResourceType) -> QuerySet[Any]:
    return people() if kind is PEOPLE else groups()


def said_of(row: ProvisionedPerson) -> dict[str, Any]:
    """What a provider may write of a person."""
    return {**row.said, "active": row.account.is_active}


def said_of_group(row: ProvisionedGroup) -> dict[str, Any]:
    """What a provider may write of a group; a member is its id."""
    said: dict[str, Any] = {"displayName": row.name}
    if row.external_id:
        said["externalId"] = row.external_id
    if members := [{"value": str(key)} for key in row.members.order_by("made_at", "id").values_list("pk", flat=True)]:
        said["members"] = members
    return said


def version(row: ProvisionedPerson | ProvisionedGroup) -> str:
    """The weak entity tag: another one after each change, and after anybody closed or opened the account."""
    active = row.account.is_active if isinstance(row, ProvisionedPerson) else True
    text = f"{row.pk} {row.changed_at.isoformat()} {active}"
    return f'W/"{hashlib.sha256(text.encode()).hexdigest()[:24]}"'


def shown_people(rows: Sequence[ProvisionedPerson], base: str, *, with_groups: bool = True) -> list[dict[str, Any]]:
    """Whole resources; `base` is the address of the service, without a slash at its end. Without their groups where
    nobody asks for them."""
    memberships: dict[UUID, list[dict[str, Any]]] = {}
    asked = [row.pk for row in rows] if with_groups else []
    found = Members._default_manager.filter(provisionedperson__in=asked).order_by("pk")
    for person, group, name in found.values_list(
        "provisionedperson_id", "provisionedgroup_id", "provisionedgroup__name"
    ):
        told = {"value": str(group), "$ref": f"{base}/Groups/{group}", "display": name, "type": "direct"}
        memberships.setdefault(person, []).append(told)
    made = []
    for row in rows:
        said = {"schemas": [PEOPLE.urn], "id": str(row.pk), **said_of(row)}
        if row.pk in memberships:
            said["groups"] = memberships[row.pk]
        made.append(_with_meta(said, PEOPLE, base, row))
    return made


def shown_groups(rows: Sequence[ProvisionedGroup], base: str, *, with_members: bool = True) -> list[dict[str, Any]]:
    """Whole resources; without members where nobody asks for them, so that a list of large groups stays small."""
    members: dict[UUID, list[dict[str, Any]]] = {}
    if with_members:
        found = Members._default_manager.filter(provisionedgroup__in=[row.pk for row in rows]).order_by("pk")
        for group, person in found.values_list("provisionedgroup_id", "provisionedperson_id"):
            told = {"value": str(person), "$ref": f"{base}/Users/{person}", "type": "User"}
            members.setdefault(group, []).append(told)
    made = []
    for row in rows:
        said: dict[str, Any] = {"schemas": [GROUPS.urn], "id": str(row.pk), "displayName": row.name}
        if row.external_id:
            said["externalId"] = row.external_id
        if row.pk in members:
            said["members"] = members[row.pk]
        made.append(_with_meta(said, GROUPS, base, row))
    return made


def _with_meta(
    said: dict[str, Any], kind: ResourceType, base: str, row: ProvisionedPerson | ProvisionedGroup
) -> dict[str, Any]:
    meta = {
        "resourceType": kind.name,
        "created": row.made_at,
        "lastModified": row.changed_at,
        "location": f"{base}{kind.endpoint}/{row.pk}",
        "version": version(row),
    }
    return said | {"meta": meta}


def named(keys: Collection[str]) -> list[tuple[str, int]]:
    """The key and the account of those whom a provider calls by one of these names, in whatever spelling."""
    rows = ProvisionedPerson.objects.annotate(key=persons.key_of(F("user_name"))).filter(key__in=keys)
    return list(rows.values_list("key", "account_id"))
