"""How often a password may be tried. A try takes its place before the password is looked at, in one statement of the
database, so that tries at the same time are counted one after the other.

Strangers share the tries of an account. A browser, or an address, in which this account has signed in before has tries
of its own, which strangers cannot use up. See docs/reference/sign-in.md.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from django.conf import settings
from django.db import connection, transaction

from kernel import clock
from kernel.models import KnownPlace, SignInLimit, User
from kernel.retry import PAUSE_SQL, RetryPolicy

SIGN_IN_PAUSE = RetryPolicy(base=60.0, ceiling=900.0)  # counts from 0 at the fifth failure in a row
CODE_PAUSE = RetryPolicy(base=60.0, ceiling=3600.0)  # counts from 0 at the fifth wrong code in a row
ADDRESS_PAUSE = RetryPolicy(base=10.0, factor=1.0)
FORGETS = timedelta(days=1)  # rows without a try in so long are dropped; they stopped to count long before
KNOWN_BROWSER, KNOWN_ADDRESS = timedelta(days=90), timedelta(days=30)


@dataclass(frozen=True, slots=True)
class SignInTries:
    """So many failures are free; from then on each is followed by a pause. Every `forgets` seconds in which one could
    have tried and did not, one failure is forgotten."""

    free: int
    pauses: RetryPolicy
    forgets: float


OF_ACCOUNT = SignInTries(free=5, pauses=SIGN_IN_PAUSE, forgets=720.0)
OF_CODES = SignInTries(free=5, pauses=CODE_PAUSE, forgets=86_400.0)  # of a million; who tries has the password
OF_ADDRESS = SignInTries(free=30, pauses=ADDRESS_PAUSE, forgets=10.0)


@dataclass(frozen=True, slots=True)
class SignInTry:
    """A place that was taken, or how many seconds are left until there is one."""

    taken: tuple[str, ...] = ()
    wait: int = 0
    failures: int = 0  # in a row, when this one is one as well

    @property
    def open(self) -> bool:
        return bool(self.taken)

    def was_right(self) -> None:
        """Nothing of it was a failure: the account's begin anew, the address has one less."""
        own, shared = self.taken[0], self.taken[1:]
        SignInLimit.objects.filter(key=own).delete()
        with connection.cursor() as cursor:
            for key in shared:
                cursor.execute(_GIVE_BACK, {"key": key, "forgets": OF_ADDRESS.forgets})


_LEFT = "greatest(0, l.failures - greatest(0, extract(epoch from clock_timestamp() - l.open_at)) / %(forgets)s)"
# A clock that was set back does not make a pause longer than the longest.
_TAKE = f"""
insert into kernel_signinlimit as l (key, failures, open_at)
values (%(key)s, 1, clock_timestamp())
on conflict (key) do update set
  failures = {_LEFT} + 1,
  open_at = clock_timestamp()
            + case when round({_LEFT}) + 1 < %(free)s then interval '0'
                   else make_interval(secs => {PAUSE_SQL.format(count=f"round({_LEFT}) + 1 - %(free)s")}) end
 where l.open_at <= clock_timestamp() or l.open_at > clock_timestamp() + make_interval(secs => %(ceiling)s)
returning round(failures)::int
"""  # noqa: S608 - constants
_GIVE_BACK = f"""
update kernel_signinlimit l
   set failures = greatest(0, {_LEFT} - 1), open_at = clock_timestamp()
 where key = %(key)s
"""  # noqa: S608
_WAIT = """
select max(extract(epoch from open_at - clock_timestamp())) from kernel_signinlimit where key = any(%s)
"""


def begin(*, name: str, address: str, browser: str) -> SignInTry:
    """Before a password is looked at. `name` as the account is looked up by it; without one the address alone counts.
    `browser`: what its cookie says."""
    if not name:
        return _take([(OF_ADDRESS, _digest("address", network_of(address)))])
    for place in _known(name, address, browser):
        return _take([(OF_ACCOUNT, _digest("known", name, place))])
    own = (OF_ACCOUNT, _digest("name", name))
    return _take([own, (OF_ADDRESS, _digest("address", network_of(address)))])


def begin_own(user: User) -> SignInTry:
    """Before the password of who is signed in already is looked at once more: only that person's sessions get here."""
    return _take([(OF_ACCOUNT, _digest("own", str(user.pk)))])


def begin_code(user: User) -> SignInTry:
    """Before a code of an authenticator app, or a recovery code, is looked at."""
    return _take([(OF_CODES, _digest("code", str(user.pk)))])


def forget_codes(user: User) -> None:
    """The wrong codes of this person count no more: there is another secret."""
    SignInLimit.objects.filter(key=_digest("code", str(user.pk))).delete()


def _take(wanted: list[tuple[SignInTries, str]]) -> SignInTry:
    """All of these places or none."""
    keys, failures = tuple(key for _, key in wanted), 0
    with transaction.atomic(), connection.cursor() as cursor:
        for tries, key in sorted(wanted, key=lambda one: one[1]):  # in one order, so that two never wait for each other
            cursor.execute(_TAKE, {"key": key, **_numbers(tries)})
            row = cursor.fetchone()
            if row is None:
                transaction.set_rollback(True)
                break
            failures = max(failures, row[0])
        else:
            return SignInTry(taken=keys, failures=failures)
    with connection.cursor() as cursor:
        cursor.execute(_WAIT, [list(keys)])
        left = cursor.fetchone()[0]
    return SignInTry(wait=max(1, ceil(left or 0)))


def _numbers(tries: SignInTries) -> dict[str, float]:
    given = tries.pauses.parameters()
    longest = min(given["ceiling"], 3600.0)
    return given | {"ceiling": longest, "free": tries.free, "forgets": tries.forgets}


# -- where an account has signed in before -----------------------------------------------------------------------------
def _known(name: str, address: str, browser: str) -> Iterable[str]:
    """The places of these at which the account has signed in before; its browser first. The same query for any name."""
    now = clock.now()
    asked = {_place("browser", browser): now - KNOWN_BROWSER, _place("address", address): now - KNOWN_ADDRESS}
    rows = KnownPlace.objects.filter(user__username=name, place__in=list(asked))
    seen = {place: at for place, at in rows.values_list("place", "seen_at") if at > asked[place]}
    return [place for place in asked if place in seen]


def know(user: User, *, address: str, browser: str) -> None:
    """This account has signed in there."""
    for place in (_place("browser", browser), _place("address", address)):
        KnownPlace.objects.update_or_create(user=user, place=place, defaults={"seen_at": clock.now()})


def _place(kind: str, what: str) -> str:
    return _digest(kind, network_of(what) if kind == "address" else what)


def network_of(address: str) -> str:
    """Whose an address is: of IPv6 a subscriber has a /64."""
    try:
        given = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(given, ipaddress.IPv6Address):
        mapped = given.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((given, 64), strict=False))
    return str(given)


def _digest(*about: str) -> str:
    """What was typed for a name may be a password: it is kept as nothing that tells it."""
    key = hashlib.sha256(b"tillgate.sign-in-limits" + settings.SECRET_KEY.encode()).digest()
    said = "\0".join(about).encode("utf-8", "surrogatepass")
    return hmac.new(key, said, hashlib.sha256).hexdigest()


def forget() -> int:
    """Drop what does not count any more."""
    now = clock.now()
    old = SignInLimit.objects.filter(open_at__lt=now - FORGETS).delete()[0]
    return int(old) + int(KnownPlace.objects.filter(seen_at__lt=now - KNOWN_BROWSER).delete()[0])
