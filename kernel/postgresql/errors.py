"""What an error of the database means to who asked: whether the same may succeed a moment later, and why not now."""

from __future__ import annotations

import django.db
import psycopg

_UNAVAILABLE_CLASSES = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    django.db.OperationalError,
    django.db.InterfaceError,
)
# These are InternalErrors to psycopg and Django: a read-only session, a transaction that the server ended.
_UNAVAILABLE_STATES = frozenset({"25006", "25P03", "25P04"})

# (code, sentence) by the state that PostgreSQL gives; of the class where the five characters are not listed.
_LOST = ("database.unavailable", "The database does not answer right now.")
_READ_ONLY = ("database.read_only", "The database takes no writes right now.")
_BUSY = ("database.busy", "Somebody else is holding what this needs.")
_SLOW = ("database.slow", "The database took longer than this may take, so it was ended.")
_FULL = ("database.full", "The database has no room left.")
_CROWDED = ("database.crowded", "The database has no free connection.")
_BY_STATE = {
    "25006": _READ_ONLY,
    "25P03": _SLOW,
    "25P04": _SLOW,
    "55P03": _BUSY,
    "40P01": _BUSY,
    "40001": _BUSY,
    "57014": _SLOW,
    "53100": _FULL,
    "53300": _CROWDED,
}
# While a session is opened the driver gives no state.
_NO_SESSION_LEFT = ("too many clients", "too many connections", "connection slots are reserved", "no more connections")
# The session lives on and nothing of it is lost: the transaction alone was ended.
_IN_THE_WAY = frozenset({"55P03", "40P01", "40001", "57014"})


def cause(error: BaseException) -> psycopg.Error | None:
    """The error of psycopg behind one of Django's, or the error itself."""
    while not isinstance(error, psycopg.Error):
        if error.__cause__ is None:
            return None
        error = error.__cause__
    return error


def unavailable(error: BaseException) -> bool:
    """Whether the database cannot do now what it could do before and after: it is away, read-only, full or crowded, or
    it ended what took too long. The same may succeed later; nothing is wrong with what was asked."""
    if isinstance(error, _UNAVAILABLE_CLASSES):
        return True
    if isinstance(error, psycopg.Error | django.db.Error):
        found = cause(error)
        return found is not None and found.sqlstate in _UNAVAILABLE_STATES
    return False


def in_the_way(error: BaseException) -> bool:
    """Whether only this transaction was ended, because of others: a lock or a time limit. The session is good."""
    found = cause(error)
    return found is not None and found.sqlstate in _IN_THE_WAY


def busy(error: BaseException) -> bool:
    """Whether others hold what this needs, for longer than it may wait."""
    return unavailable(error) and reason(error) == _BUSY


def crowded(error: BaseException) -> bool:
    """Whether the server, or a pooler, had no room for another session: those that are open work."""
    found = cause(error)
    if not isinstance(found, psycopg.OperationalError):
        return False
    return found.sqlstate == "53300" or (found.sqlstate is None and any(one in str(found) for one in _NO_SESSION_LEFT))


def lost(error: BaseException) -> bool:
    """Whether the session itself has ended: a new one may do the same at once."""
    if isinstance(error, psycopg.InterfaceError | django.db.InterfaceError):
        return True
    found = cause(error)
    return (
        isinstance(found, psycopg.OperationalError | psycopg.InternalError)
        and (found.sqlstate is None or found.sqlstate[:2] in ("08", "57") or found.sqlstate in ("25P03", "25P04"))
        and not in_the_way(error)
    )


def read_only(error: BaseException) -> bool:
    """Whether the session takes no writes, which may be so for as long as it lives."""
    found = cause(error)
    return found is not None and found.sqlstate == "25006"


def reason(error: BaseException) -> tuple[str, str]:
    """A stable code and a sentence for an error that is `unavailable`."""
    found = cause(error)
    if crowded(error):
        return _CROWDED
    return _BY_STATE.get(found.sqlstate or "", _LOST) if found is not None else _LOST


def first_line(error: BaseException) -> str:
    """What the server or the driver said, for a log."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def close_connections() -> None:
    """Close Django's connections of this thread, but for one inside a transaction: the next use opens a new one."""
    for wrapper in django.db.connections.all(initialized_only=True):
        if not wrapper.in_atomic_block:
            wrapper.close()
