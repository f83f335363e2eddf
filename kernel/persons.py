"""Which accounts are one person: those that have proved the same address of mail, and those that an administrator has
put together. Code that counts people asks here or, in SQL, `kernel_person` and `kernel_accounts_of`.

An address that is only written beside an account proves nothing. It touches that account alone (`is_unsettled`), and
only where another account has proved it.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence

from django.db import connection
from django.db.models import CharField, F, Func, Value
from django.db.models.functions import Lower, Upper
from django.db.models.lookups import Exact

from kernel import acting, user_names
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


def stored_name(column: str) -> Func:
    """A stored name in form KC; one of before this rule may be in another form."""
    return Func(F(column), template="normalize(%(expressions)s, NFKC)", output_field=CharField())


def has_name(column: str, name: str) -> Exact:
    """A condition: the stored name is this one, whatever its form and case."""
    return Exact(Upper(stored_name(column)), Upper(Value(user_names.prepared(name))))


class Finder:
    """The accounts of people whom somebody names by user name and address of mail: the account of that name, or one
    that has proved the address. Read once for all of them, and locked until the transaction ends."""

    def __init__(self, named: Sequence[tuple[str, str]]) -> None:
        names = {user_names.prepared(name).lower() for name, _ in named}
        rows = User.objects.annotate(low=Lower(stored_name("username"))).filter(low__in=names)
        proofs = ProvedMail.objects.filter(digest__in={digest_of(mail) for _, mail in named if mail})
        self._proved: dict[str, list[int]] = {}
        for digest, person in proofs.values_list("digest", "user_id"):
            self._proved.setdefault(digest, []).append(person)
        wanted = {row.pk for row in rows} | {person for several in self._proved.values() for person in several}
        self._rows = {row.pk: row for row in User.objects.select_for_update(no_key=True).filter(pk__in=wanted)}
        self._exact = {row.username: row for row in self._rows.values()}
        self._folded: dict[str, list[User]] = {}
        for row in self._rows.values():
            self._folded.setdefault(user_names.folded(row.username), []).append(row)

    def ids(self) -> list[int]:
        return sorted(self._rows)

    def of(self, name: str, mail: str) -> tuple[User | None, str]:
        """The account, or None for somebody new; or why it cannot be said. Of several that have proved the address,
        which are one person, the open one of the identity provider, then the oldest."""
        if (exact := self._exact.get(name)) is not None:
            return exact, ""
        if len(folded := self._folded.get(user_names.folded(name), [])) > 1:
            return None, f"{len(folded)} accounts are called {name[:60]!r} but for capitals. Write the name exactly."
        if folded:
            return folded[0], ""
        proved = [self._rows[pk] for pk in self._proved.get(digest_of(mail), [])] if mail else []
        people = [row for row in proved if row.kind == User.Kind.PERSON]
        people.sort(key=lambda row: (not row.is_active, not row.username.startswith("oidc:"), row.pk))
        return (people[0] if people else None), ""
