"""Which accounts are one person: those that have proved the same address of mail, and those that an administrator has
put together. Code that counts people asks here or, in SQL, `kernel_person` and `kernel_accounts_of`.

An address that is only written beside an account proves nothing. It touches that account alone (`is_unsettled`), and
only where another account has proved it.
"""

from __future__ import annotations

import hashlib
import unicodedata

from django.db import connection

from kernel import acting
from kernel.models import ProvedMail, User

LINK, PROVIDER = "link", "provider"
UNSETTLED = (
    "Your account names an address of mail that another account has proved to be its own. Confirm it under My account, "
    "and the two count as one person; or let an administrator give your account its own address."
)


def digest_of(address: str) -> str:
    """SHA-256, in hex, of the address without regard to upper and lower case or to how letters are composed (NFC)."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", address.strip()).casefold())
    return hashlib.sha256(folded.encode()).hexdigest()


def prove(user: User, address: str, *, way: str) -> None:
    """The address is this person's, by a link that was opened or by the identity provider. In a transaction."""
    if address:
        ProvedMail.objects.get_or_create(user=user, digest=digest_of(address), defaults={"way": way})


def has_proved(user: User) -> bool:
    """Whether the present address is proved; also where there is none."""
    return not user.email or ProvedMail.objects.filter(user=user, digest=digest_of(user.email)).exists()


def forget(user: User, *, actor: User | None) -> int:
    """An administrator forgets what the account has proved; how many addresses that were. Its rights then rest."""
    with acting.by(actor):
        return int(ProvedMail.objects.filter(user=user).delete()[0])


def accounts_of(person_id: int) -> tuple[int, ...]:
    """All accounts of this account's person, itself among them."""
    with connection.cursor() as cursor:
        cursor.execute("select kernel_accounts_of(%s)", [person_id])
        return tuple(cursor.fetchone()[0])


def are_one(one: int | None, other: int | None) -> bool:
    """Whether two accounts belong to one person."""
    if one is None or other is None:
        return False
    return one == other or other in accounts_of(one)


def is_unsettled(person_id: int) -> bool:
    """Whether the address of this account is not proved, and is proved by an account that is not known to be the same
    person's: it fills no slot, and what it proposes is not sealed."""
    with connection.cursor() as cursor:
        cursor.execute("select kernel_unsettled(%s)", [person_id])
        return bool(cursor.fetchone()[0])
