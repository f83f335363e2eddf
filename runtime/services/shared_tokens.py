"""Tokens of systems in the database, so that every worker uses one and the one that finds it old renews it for all.

A refresh token that a vendor replaces is stored, sealed, before the access token that came with it is used: a worker
that is killed then costs nobody the access. What cannot be opened any more (another SECRET_KEY) is as if it were not
there.
"""

from __future__ import annotations

import time
from contextlib import suppress

import msgspec
import psycopg

from kernel.errors import Invalid
from kernel.factors import sealing
from runtime.connectors.held_tokens import Fetch, HeldToken
from runtime.connectors.protocols import Retriable
from runtime.ledger.connections import Connection, connected

CLAIM = (
    "60 seconds"  # longer than any call; a worker that is killed while it renews keeps the others waiting for no more
)
WAIT = 5.0  # seconds that a worker waits for another one, where no token serves
TRIES = 5  # to store what a vendor has given
_PAUSE = 0.2
_KEPT = "400 days"  # after which a token that nobody has renewed goes


class _Sealed(msgspec.Struct):
    access: str
    renew_at: float
    ends_at: float
    refresh: str = ""


class SharedTokens:
    """A `held_tokens.TokenStore`."""

    def held(self, name: str) -> HeldToken | None:
        try:
            with connected(name="tillgate-tokens") as conn:
                return _read(conn, name)
        except psycopg.Error as error:
            raise Retriable(f"the shared tokens cannot be read ({type(error).__name__})") from None

    def renewed(self, name: str, refused: str, fetch: Fetch) -> HeldToken:
        try:
            held, claimed = self._claimed(name, refused)
        except psycopg.Error as error:
            raise Retriable(f"the shared tokens cannot be read ({type(error).__name__})") from None
        if not claimed:
            assert held is not None
            return held
        try:
            made = fetch(held)
        except BaseException:
            with suppress(psycopg.Error), connected(name="tillgate-tokens") as conn:
                _release(conn, name)
            raise
        _store(name, made)
        return made

    def _claimed(self, name: str, refused: str) -> tuple[HeldToken | None, bool]:
        """The token that is there, and whether it is ours to renew; where it is not, the token can be used."""
        until = time.monotonic() + WAIT
        while True:
            with connected(name="tillgate-tokens") as conn:
                held = _read(conn, name)
                if held and held.is_fresh(refused):
                    return held, False
                if _claim(conn, name):
                    held = _read(conn, name)  # another worker may have renewed it between the look and the claim
                    if held is None or not held.is_fresh(refused):
                        return held, True
                    _release(conn, name)
                    return held, False
            if held and held.serves(refused):
                return held, False
            if time.monotonic() > until:
                raise Retriable("another worker is renewing the token of this connection")
            time.sleep(_PAUSE)


def _claim(conn: Connection, name: str) -> bool:
    row = conn.execute(
        "insert into runtime_sharedtoken as held (name, claimed_until)"
        " values (%(name)s, now() + %(claim)s::interval)"
        " on conflict (name) do update set claimed_until = excluded.claimed_until"
        " where held.claimed_until is null or held.claimed_until < now()"
        " returning name",
        {"name": name, "claim": CLAIM},
    ).fetchone()
    return row is not None


def _release(conn: Connection, name: str) -> None:
    conn.execute("update runtime_sharedtoken set claimed_until = null where name = %s", [name])


def _read(conn: Connection, name: str) -> HeldToken | None:
    row = conn.execute("select sealed from runtime_sharedtoken where name = %s", [name]).fetchone()
    if row is None or not row[0]:
        return None
    try:
        found = msgspec.json.decode(sealing.open_sealed(row[0], about=_about(name)), type=_Sealed)
    except (Invalid, ValueError):
        return None
    return HeldToken(found.access, found.renew_at, found.ends_at, found.refresh)


def _store(name: str, made: HeldToken) -> None:
    """Raises Retriable where it cannot be kept: then it is not used either."""
    content = msgspec.json.encode(_Sealed(made.access, made.renew_at, made.ends_at, made.refresh))
    sealed = sealing.seal(content, about=_about(name))
    for left in range(TRIES - 1, -1, -1):
        try:
            with connected(name="tillgate-tokens") as conn:
                conn.execute(
                    "insert into runtime_sharedtoken (name, sealed)"
                    " values (%(name)s, %(sealed)s)"
                    " on conflict (name) do update"
                    " set sealed = excluded.sealed, claimed_until = null, updated_at = now()",
                    {"name": name, "sealed": sealed},
                )
                conn.execute("delete from runtime_sharedtoken where updated_at < now() - %s::interval", [_KEPT])
            return
        except psycopg.Error as error:
            if not left:
                raise Retriable(f"the token that the system gave cannot be kept ({type(error).__name__})") from None
            time.sleep(_PAUSE)


def _about(name: str) -> str:
    return f"token {name}"


__all__ = ["SharedTokens"]
