"""Sessions of browsers (`SESSION_ENGINE`), each with whose it is, and how long one lasts.

The cookie holds the key of a session; the database holds a digest of it, as with tokens: nobody who reads the database
has a key.

A session ends when nothing was asked for in SESSION_IDLE_MINUTES, and SESSION_HOURS after the sign-in at the latest.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.http import HttpRequest

from kernel import clock
from kernel.models import User, UserSession

BEGAN, SEEN, PROVED, ABOUT = "began", "seen", "proved", "about"
PROVED_BY, SECOND = "proved_by", "second"
PROVIDER = "identity provider"  # as the second factor of a session: the provider said that it had asked for one
PROVIDER_SESSION = "oidc_sid"
"""The identity provider's own name of the session in which it signed somebody in."""
PROVIDER_TIME = "oidc_iat"
"""When it signed them in, by its clock: seconds since 1970."""
SEEN_EVERY = timedelta(minutes=1)  # at most so often a session is written only because it was used
KEPT_DIGITS = 40  # 160 bits of SHA-256, as many as fit into Django's column


def kept_as(key: str | None) -> str:
    """What the database keeps of the key of a session (`UserSession.session_key`); empty for no key."""
    return hashlib.sha256(key.encode()).hexdigest()[:KEPT_DIGITS] if key else ""


class SessionStore(DatabaseStore):
    """Django's sessions in the database, in a table that knows whose each is, and none of their keys."""

    @classmethod
    def get_model_class(cls) -> type[UserSession]:
        return UserSession

    def _get_session_from_db(self) -> UserSession | None:
        known = UserSession.objects.filter(session_key=kept_as(self.session_key), expire_date__gt=clock.now())
        found = known.first()
        if found is None:
            self._session_key = None
        return found

    def exists(self, session_key: str) -> bool:
        return bool(self.model.objects.filter(session_key=kept_as(session_key)).exists())

    def delete(self, session_key: str | None = None) -> None:
        self.model.objects.filter(session_key=kept_as(session_key or self.session_key)).delete()

    async def aload(self) -> dict[str, Any]:
        return await sync_to_async(self.load)()

    async def aexists(self, session_key: str) -> bool:
        return await sync_to_async(self.exists)(session_key)

    async def asave(self, must_create: bool = False) -> None:
        await sync_to_async(self.save)(must_create)

    async def adelete(self, session_key: str | None = None) -> None:
        await sync_to_async(self.delete)(session_key)

    def create_model_instance(self, data: dict[str, Any]) -> UserSession:
        made = super().create_model_instance(data)
        assert isinstance(made, UserSession)
        made.session_key = kept_as(made.session_key)
        about = data.get(ABOUT) or {}
        made.user_id = int(data[SESSION_KEY]) if str(data.get(SESSION_KEY, "")).isdecimal() else None
        made.began_at, made.seen_at = _moment(data.get(BEGAN)), _moment(data.get(SEEN))
        made.provider_session = str(data.get(PROVIDER_SESSION) or "")[:255]
        made.way, made.address, made.agent = (str(about.get(name, "")) for name in ("way", "address", "agent"))
        return made


def _moment(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None


def begin(request: HttpRequest, *, way: str = "") -> None:
    """Somebody has just signed in in this session."""
    now = clock.now().isoformat()
    request.session.setdefault(BEGAN, now)  # the provider's word, asked for again, begins no new one
    request.session[SEEN] = request.session[PROVED] = now
    request.session[PROVED_BY] = way
    address, agent = request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_USER_AGENT", "")
    request.session[ABOUT] = {
        "way": way if len(way) <= 20 else "two steps",
        "address": str(address)[:60],
        "agent": str(agent)[:200],
    }


def began_at(request: HttpRequest) -> datetime | None:
    """When somebody signed in in this session."""
    return _moment(request.session.get(BEGAN))


def signed_in(sender: object, request: HttpRequest, **_: object) -> None:
    """What Django calls at each sign-in, whichever way."""
    begin(request)


def signed_out(sender: object, request: HttpRequest | None, user: Any = None, **_: object) -> None:
    """Django's `user_logged_out`: somebody asked for it, or the session had lasted too long."""
    if request is not None and user is not None:
        request.session_ended = True  # type: ignore[attr-defined]


def has_ended(request: HttpRequest) -> bool:
    """Whether somebody's session ended with this request."""
    return bool(getattr(request, "session_ended", False))


def over(request: HttpRequest) -> bool:
    """Whether the session has lasted too long, or nothing was asked for too long. Notes that it is used now."""
    now = clock.now()
    began, seen = _moment(request.session.get(BEGAN)), _moment(request.session.get(SEEN))
    if began is None or seen is None:  # it began before sessions had limits
        request.session[BEGAN] = request.session[SEEN] = now.isoformat()
        return False
    if now - began >= timedelta(hours=settings.SESSION_HOURS):
        return True
    if now - seen >= timedelta(minutes=settings.SESSION_IDLE_MINUTES):
        return True
    if now - seen >= SEEN_EVERY:
        request.session[SEEN] = now.isoformat()
    return False


def live(user: User) -> list[UserSession]:
    """Those that still count, the last used first."""
    now = clock.now()
    rows = UserSession.objects.filter(
        user=user,
        expire_date__gt=now,
        began_at__gt=now - timedelta(hours=settings.SESSION_HOURS),
        seen_at__gt=now - timedelta(minutes=settings.SESSION_IDLE_MINUTES),
    )
    return list(rows.order_by("-seen_at"))


def end_others(user: User, *, but: str | None) -> int:
    """End every session of this person but the one with the key `but`; how many that were."""
    ended, _ = UserSession.objects.filter(user=user).exclude(session_key=kept_as(but)).delete()
    return ended


def end_of_provider(user: User | None, *, sid: str, issued: datetime, skew: timedelta) -> dict[int, int]:
    """End what the provider ended before it said so: its session `sid`, or all of this person where it names none. A
    session that does not know its name at the provider counts as the one. Whose ended, and how many.

    `issued` is of the provider's clock, and so is when it signed somebody in, where the session knows that; of another
    one the clock here says so, which may differ by `skew`. A token knows whole seconds."""
    rows = UserSession.objects.filter(began_at__lt=issued + skew + timedelta(seconds=1), user__isnull=False)
    if user is not None:
        rows = rows.filter(user=user)
    if sid:
        rows = rows.filter(provider_session__in=[sid] if user is None else [sid, ""])
    elif user is None:
        return {}
    ended = [row for row in rows if _began_there(row, issued) <= issued]
    UserSession.objects.filter(pk__in=[row.pk for row in ended]).delete()
    return dict(Counter(row.user_id for row in ended if row.user_id is not None))


def _began_there(row: UserSession, otherwise: datetime) -> datetime:
    said = SessionStore().decode(row.session_data).get(PROVIDER_TIME)
    return datetime.fromtimestamp(said, UTC) if isinstance(said, int | float) else otherwise


def forget() -> int:
    """Drop those that are over."""
    return int(UserSession.objects.filter(expire_date__lt=clock.now()).delete()[0])


# -- when the person at the keyboard last proved who they are, and how ------------------------------------------------
@dataclass(frozen=True, slots=True)
class Proof:
    """How the person in a session last proved who they are, when, and by which second factor in this session."""

    way: str
    at: datetime
    second: str = ""

    def told(self) -> dict[str, str]:
        """For the ledger."""
        said = {"way": self.way or "sign-in", "at": self.at.isoformat(timespec="seconds")}
        return said | ({"second_factor": self.second} if self.second else {})


_proved: ContextVar[Callable[[], Proof | None] | None] = ContextVar("tillgate_proved", default=None)


@contextmanager
def of_request(request: HttpRequest) -> Iterator[None]:
    token = _proved.set(lambda: _proof(request))
    try:
        yield
    finally:
        _proved.reset(token)


def _proof(request: HttpRequest) -> Proof | None:
    at = _moment(request.session.get(PROVED))
    way, second = (str(request.session.get(name, "")) for name in (PROVED_BY, SECOND))
    return Proof(way, at, second) if at is not None else None


def prove(request: HttpRequest, *, way: str = "password") -> None:
    """The person in this session has just proved who they are once more."""
    request.session[PROVED] = clock.now().isoformat()
    request.session[PROVED_BY] = way


def prove_second(request: HttpRequest, *, way: str) -> None:
    """The person in this session has just proved a second factor, which is a fresh proof as well."""
    request.session[SECOND] = way
    prove(request, way=way)


def second_of(request: HttpRequest) -> str:
    """By which second factor the person in this session is known; empty: by none."""
    return str(request.session.get(SECOND, ""))


def vouched(request: HttpRequest) -> bool:
    """Whether the identity provider said that it had asked for a second factor."""
    return second_of(request) == PROVIDER


def proof() -> Proof | None:
    """Of the person in the present session; None outside of one."""
    asked = _proved.get()
    return asked() if asked else None


def in_session() -> bool:
    """Whether what runs now was asked for by somebody in a session of a browser."""
    return _proved.get() is not None


def is_fresh() -> bool:
    """Whether the person in the present session proved who they are lately. True outside of one: a program of the
    installation has no keyboard."""
    if not in_session():
        return True
    known = proof()
    return known is not None and clock.now() - known.at < timedelta(minutes=settings.SIGN_IN_FRESH_MINUTES)
