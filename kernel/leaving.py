"""Who left: the account is closed, and with it its sessions, tokens and every approval that is not in effect yet."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q

from kernel import acting, audit, persons
from kernel.models import AuditEntry, User


def close(account: User, *, actor: User | None) -> list[User]:
    """Close the account and the person's other ones, except those of administrators, which an administrator closes;
    those that stay open. In a transaction. Idempotent.

    Triggers end sessions and revoke tokens; who is closed fills no slot from this moment."""
    others = User.objects.select_for_update(no_key=True).filter(
        pk__in=[pk for pk in persons.accounts_of(account.pk) if pk != account.pk], is_active=True, kind=User.Kind.PERSON
    )
    stay = list(others.filter(Q(is_superuser=True) | Q(is_staff=True)).order_by("pk"))
    closed = list(others.filter(is_superuser=False, is_staff=False).order_by("pk"))
    if not account.is_active and not closed:
        return stay
    User.objects.filter(pk__in=[account.pk, *(one.pk for one in closed)], is_active=True).update(is_active=False)
    account.is_active = False
    after = {"accounts": [account.username, *(one.username for one in closed)]}
    if stay:
        after["still_open"] = [one.username for one in stay]
    audit.record("kernel.person_left", "user", account.pk, actor=actor, after=after)
    return stay


KEPT_CLOSED = "kernel.account_kept_closed"


def keep_closed(account: User, *, actor: User | None) -> None:
    """Somebody here says of an account which a provider has closed that it is closed: the provider opens it no more.
    In a transaction."""
    audit.record(KEPT_CLOSED, "user", account.pk, actor=actor, after={"account": account.username})


def closed_by_provisioning(accounts: Iterable[int]) -> set[int]:
    """Of these closed accounts, those whose newest closing was written by provisioning, or by a service account that is
    no administrator: what a provider closed it may open, and what anybody else closed it may not. Of an account that
    came in closed, who made it counts."""
    wanted = {str(pk): pk for pk in accounts}
    rows = (
        AuditEntry.objects.filter(
            subject_kind="user",
            subject_id__in=list(wanted),
            verb__in=("kernel.account_closed", "kernel.account_created", KEPT_CLOSED),
        )
        .order_by("subject_id", "-id")
        .distinct("subject_id")
        .values_list("subject_id", "after__way", "actor__kind", "actor__is_superuser")
    )
    return {
        wanted[key]
        for key, way, kind, boss in rows
        if way == acting.PROVISIONING or (kind == User.Kind.SERVICE and not boss)
    }
