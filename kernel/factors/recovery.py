"""Recovery codes: ten, each good once, for the day on which phone and keys are gone. Shown once, stored as SHA-256:
with 120 random bits there is nothing to guess."""

from __future__ import annotations

import base64
import hashlib
import secrets

from django.db import transaction

from kernel import acting, clock
from kernel.models import RecoveryCode, User

HOW_MANY = 10


def make(user: User) -> list[str]:
    """New codes, in place of all that there were."""
    codes = [_new() for _ in range(HOW_MANY)]
    with acting.by(user), transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        RecoveryCode.objects.filter(user=user).delete()
        RecoveryCode.objects.bulk_create([RecoveryCode(user=user, code_hash=_hash(code)) for code in codes])
    return codes


def prove(user: User, code: str) -> bool:
    """Whether this is one of the person's codes that was not used; it is used now."""
    unused = RecoveryCode.objects.filter(user=user, code_hash=_hash(code), used_at=None)
    with acting.by(user), transaction.atomic():
        return bool(unused.update(used_at=clock.now()))


def left(user: User) -> int:
    return RecoveryCode.objects.filter(user=user, used_at=None).count()


def _new() -> str:
    text = base64.b32encode(secrets.token_bytes(15)).decode().lower()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def _hash(code: str) -> str:
    plain = "".join(character for character in code.lower() if character.isalnum())
    return hashlib.sha256(plain.encode()).hexdigest()
