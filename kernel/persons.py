"""Which accounts are one person: those that have proved the same address of mail, and those that an administrator has
put together. Code that counts people asks here or, in SQL, `kernel_person` and `kernel_accounts_of`.

An address that is only written beside an account proves nothing. It touches that account alone (`is_unsettled`), and
only where another account has proved it.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence

from django.db import IntegrityError, connection
from django.db.models import CharField, F, Func, Q, Value
from django.db.models.lookups import Exact

from kernel import acting, user_names
from kernel.constraints import violated
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


def key_of(expression: F | Value) -> Func:
    """What all spellings of a name have in common, as the database says it."""
    return Func(expression, template=user_names.key_sql("%(expressions)s"), output_field=CharField())


def has_name(column: str, name: str) -> Exact:
    """A condition: the stored name is this one, in whatever spelling."""
    return Exact(key_of(F(column)), key_of(Value(name)))


def called(name: str) -> Q:
    """A condition on accounts: those of this name, in whatever spelling. There are two only where there were two before
    the database held them apart."""
    if user_names.is_of_provider(name):
        return Q(name_key=name)
    return Q(name_key=key_of(Value(name))) | Q(name_key=None) & Q(has_name("username", name))


def name_is_taken(error: IntegrityError) -> bool:
    """Whether the database refused an account because another one has its name: one that was made at the same moment
    is found at a second look."""
    return violated(error) in user_names.TAKEN


_KEYS = f"""
select given, case when starts_with(given, %s) then given else {user_names.key_sql("given")} end
  from unnest(%s::text[]) given
"""  # noqa: S608 - constants, never input


NAMED_BY_PROVIDER: list[Callable[[Collection[str]], Iterable[tuple[str, int]]]] = []
"""What rooms above know of names: each gets keys of names, and gives the key and the account of those that a provider
calls so, whatever the account is called here."""


class Finder:
    """The accounts of people whom somebody names by user name and address of mail: the account of that name, here or
    at the identity provider, or one that has proved the address. Read once for all of them, and locked until the
    transaction ends."""

    def __init__(self, named: Sequence[tuple[str, str]]) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_KEYS, [user_names.OF_PROVIDER, sorted({name for name, _ in named})])
            self._keys: dict[str, str] = dict(cursor.fetchall())
        keys = set(self._keys.values())
        rows = User.objects.annotate(key=key_of(F("username"))).filter(
            Q(name_key__in=keys) | Q(name_key=None, key__in=keys)
        )
        proofs = ProvedMail.objects.filter(digest__in={digest_of(mail) for _, mail in named if mail})
        self._proved: dict[str, list[int]] = {}
        for digest, person in proofs.values_list("digest", "user_id"):
            self._proved.setdefault(digest, []).append(person)
        provided = [(key, person) for known in NAMED_BY_PROVIDER for key, person in known(keys)]
        wanted = {row.pk for row in rows} | {person for several in self._proved.values() for person in several}
        wanted |= {person for _, person in provided}
        self._rows = {row.pk: row for row in User.objects.select_for_update(no_key=True).filter(pk__in=wanted)}
        self._exact = {row.username: row for row in self._rows.values()}
        called = dict(rows.values_list("pk", "key"))
        self._called: dict[str, list[User]] = {}
        for row in self._rows.values():
            self._called.setdefault(row.name_key or called.get(row.pk, ""), []).append(row)
        self._provided: dict[str, list[User]] = {}
        for key, person in provided:
            if person in self._rows and self._rows[person] not in self._called.get(key, []):
                self._provided.setdefault(key, []).append(self._rows[person])

    def ids(self) -> list[int]:
        return sorted(self._rows)

    def key(self, name: str) -> str:
        """What all spellings of a name have in common, of the names that were given."""
        return self._keys[name]

    def is_of_provider(self, name: str) -> bool:
        """Whether a provider alone calls an account so, of the names that were given."""
        return self._keys[name] in self._provided

    def of(self, name: str, mail: str) -> tuple[User | None, str]:
        """The account, or None for somebody new; or why it cannot be said. Of several that have proved the address,
        which are one person, the open one of the identity provider, then the oldest."""
        key = self._keys[name]
        called, provided = self._called.get(key, []), self._provided.get(key, [])
        if called and provided:
            return None, (
                f"{name[:60]!r} is the account {called[0].username!r} here, and {provided[0].username!r} is called so "
                "by the identity provider. An administrator renames one of them."
            )
        if (exact := self._exact.get(name)) is not None:
            return exact, ""
        if len(called := called or provided) > 1:
            return None, f"{len(called)} accounts are called {name[:60]!r} but for capitals. Write the name exactly."
        if called:
            return called[0], ""
        proved = [self._rows[pk] for pk in self._proved.get(digest_of(mail), [])] if mail else []
        people = [row for row in proved if row.kind == User.Kind.PERSON]
        people.sort(key=lambda row: (not row.is_active, not row.username.startswith("oidc:"), row.pk))
        return (people[0] if people else None), ""
