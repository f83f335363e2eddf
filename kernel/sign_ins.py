"""Sign-ins, failed ones and sign-outs in the ledger. They change no row that a trigger could watch, so the pages that
sign people in and out say so here. Only the person and administrators read these entries."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Sum
from django.http import HttpRequest

from kernel import audit, browsers, clock, outbox, sessions
from kernel.models import AuditEntry, SignInFailures, User

KIND = "sign_in"
SIGNED_IN = "kernel.signed_in"
PLACE_KNOWN_FOR = timedelta(days=90)
PLACES_LOOKED_AT = 400  # sign-ins of one person
NOBODY = 0  # stands for every name that no account has: what was typed may be a password and is not kept
KEPT = timedelta(days=1)
SETTLED = timedelta(minutes=2)  # a minute that is over for all clocks
TELLS_OWNER = 5  # failures of one account within KEPT of which its person is told, once within KEPT

_COUNT = """
insert into kernel_signinfailures as f (account, minute, failures)
values (%s, date_trunc('minute', clock_timestamp()), 1)
on conflict (account, minute) do update set failures = f.failures + 1
returning f.id, f.failures, f.told, f.minute
"""


def signed_in(request: HttpRequest, user: User, *, way: str) -> None:
    """`way`: `password` or `provider`. The entry says so where this person has not signed in from this place before."""
    address, browser = _address(request), browsers.family(str(request.META.get("HTTP_USER_AGENT", "")))
    with transaction.atomic():
        about: dict[str, Any] = {"way": way, "address": address, "session": session_of(request), "browser": browser}
        if _is_new_place(user, address, browser):
            about["new_place"] = True
        audit.record(SIGNED_IN, "sign_in", user.pk, actor=user, after=about)


@dataclass(frozen=True, slots=True)
class ToldSignIn:
    """One sign-in as the ledger has it; `browser` is empty where the entry is older than that."""

    at: datetime
    address: str
    browser: str

    @property
    def words(self) -> str:
        """When, from where and with what."""
        by = f" with {self.browser}" if self.browser else ""
        return f"{self.at:%d %b %Y, %H:%M} UTC from {self.address or 'an unknown address'}{by}"


def of_entry(entry: AuditEntry) -> ToldSignIn:
    after = entry.after or {}
    return ToldSignIn(entry.at, str(after.get("address") or "")[:60], str(after.get("browser") or "")[:60])


def latest(user: User, most: int) -> list[ToldSignIn]:
    """The last ones of this person, the newest first."""
    rows = AuditEntry.objects.filter(subject_kind=KIND, subject_id=str(user.pk), verb=SIGNED_IN)
    return [of_entry(entry) for entry in rows.order_by("-id")[:most]]


def _is_new_place(user: User, address: str, browser: str) -> bool:
    """Whether the sign-ins of the last `PLACE_KNOWN_FOR` were all from other networks or with other browsers. Before
    the first one there is no usual place. An entry that names no browser is from before they were told apart."""
    before, since = latest(user, PLACES_LOOKED_AT), clock.now() - PLACE_KNOWN_FOR
    here = network_of(address)
    known = (one for one in before if one.at > since and network_of(one.address) == here)
    return bool(before) and not any(one.browser in ("", browser) for one in known)


def network_of(address: str) -> str:
    """The network in which an address changes by itself: 256 addresses of IPv4, one customer's of IPv6."""
    try:
        given = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(given, ipaddress.IPv6Address) and given.ipv4_mapped:
        given = given.ipv4_mapped
    return str(ipaddress.ip_network((given, 24 if given.version == 4 else 48), strict=False))


def signed_out(request: HttpRequest) -> None:
    user = request.user
    if isinstance(user, User):
        with transaction.atomic():
            about = {"address": _address(request), "session": session_of(request)}
            audit.record("kernel.signed_out", "sign_in", user.pk, actor=user, after=about)


def failed(request: HttpRequest, name: str) -> None:
    """Counts, and writes an entry at the first failure of a minute, the tenth, the hundredth and so on: a flood of
    failures is a handful of entries. `tell_settled` adds the sum of a minute when it is over."""
    account = User.objects.filter(username=name.strip()[:150]).first() if "\x00" not in name else None
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_COUNT, [account.pk if account else NOBODY])
        row, failures, told, minute = cursor.fetchone()
        if failures >= max(1, told * 10):
            _tell(account.pk if account else NOBODY, minute, failures, {"address": _address(request)})
            SignInFailures.objects.filter(pk=row).update(told=failures)


def tell_settled() -> int:
    """Entries with the sum of each minute that is over and had more failures than were told; old counts go."""
    now = clock.now()
    with transaction.atomic():
        open_rows = SignInFailures.objects.select_for_update(skip_locked=True).filter(minute__lt=now - SETTLED)
        rows = [row for row in open_rows if row.failures > row.told]
        for row in rows:
            _tell(row.account, row.minute, row.failures, {"minute_is_over": True})
            row.told = row.failures
            row.save(update_fields=["told"])
        _tell_owners(now)
        SignInFailures.objects.filter(minute__lt=now - KEPT).delete()
    return len(rows)


def _tell_owners(now: datetime) -> None:
    """An event for each account with many failures; from here and not from the sign-in itself, which would take longer
    for names that somebody has."""
    kept = SignInFailures.objects.filter(minute__range=(now - KEPT, now - SETTLED)).exclude(account=NOBODY)
    told = set(kept.filter(owner_told=True).values_list("account", flat=True))
    counted = kept.values("account").annotate(failed=Sum("failures")).filter(failed__gte=TELLS_OWNER)
    for row in counted.exclude(account__in=told):
        kept.filter(account=row["account"]).update(owner_told=True)
        outbox.emit(
            "kernel.sign_ins_failed", key=row["account"], payload={"failures": row["failed"], "webhooks": False}
        )


def failures_since(user: User, since: datetime | None) -> int:
    """Failed sign-ins with this name since then, within a day."""
    rows = SignInFailures.objects.filter(account=user.pk, minute__gt=max(filter(None, (since, clock.now() - KEPT))))
    return int(rows.aggregate(failed=Sum("failures"))["failed"] or 0)


def _tell(account: int, minute: Any, failures: int, more: dict[str, Any]) -> None:
    about = {"failures": failures, "minute": minute.isoformat(timespec="minutes"), **more}
    audit.record("kernel.sign_in_failed", "sign_in", account or "unknown name", actor=None, after=about)


def session_of(request: HttpRequest) -> str:
    """A short name of the session, from which nobody can tell its key."""
    return sessions.kept_as(request.session.session_key)[:12]


def _address(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))[:60]
