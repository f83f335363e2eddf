"""What second factors a person has, and how they go."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction

from kernel import acting, clock, sign_in_limits
from kernel.errors import Conflict, NotFound
from kernel.models import RecoveryCode, SecondFactor, UsedChallenge, User

KEPT = timedelta(days=1)  # of answered questions; each is open for minutes only


def of(user: User) -> list[SecondFactor]:
    return list(SecondFactor.objects.filter(user=user))


def has_one(user: User) -> bool:
    return SecondFactor.objects.filter(user=user).exists()


def lock(user: User, *, first: bool) -> None:
    """One change at a time of what a person has. `first`: who only gave the password adds to nothing that is there.
    Raises Conflict `factor.not_first`."""
    User.objects.select_for_update().get(pk=user.pk)
    if first and has_one(user):
        raise Conflict("factor.not_first", "Your account has a second factor by now. Sign in with it.")


def rename(user: User, number: int, name: str) -> None:
    """Raises NotFound `factor.unknown`, also for one of somebody else."""
    with acting.by(user), transaction.atomic():
        row = _one(user, number)
        row.name = name
        row.save(update_fields=["name"])


def remove(user: User, number: int) -> SecondFactor:
    """One of the person's own. With the last one the recovery codes go. Raises NotFound `factor.unknown`."""
    with acting.by(user), transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        row = _one(user, number)
        row.delete()
        if not has_one(user):
            RecoveryCode.objects.filter(user=user).delete()
    return row


def reset(user: User, *, actor: User | None) -> int:
    """Somebody else removes all that the person has; how many that were. The rights of the account then rest."""
    with acting.by(actor), transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        RecoveryCode.objects.filter(user=user).delete()
        gone, _ = SecondFactor.objects.filter(user=user).delete()
        sign_in_limits.forget_codes(user)
    return int(gone)


def forget_challenges() -> int:
    return int(UsedChallenge.objects.filter(at__lt=clock.now() - KEPT).delete()[0])


def _one(user: User, number: int) -> SecondFactor:
    row = SecondFactor.objects.select_for_update().filter(user=user, pk=number).first()
    if row is None:
        raise NotFound("factor.unknown", "You have no such second factor. Nothing was changed.")
    return row
