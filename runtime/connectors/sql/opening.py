"""Which database an address is of."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from kernel import authorities
from kernel.errors import Invalid
from runtime.connectors.outcomes import fault
from runtime.connectors.protocols import CallContext
from runtime.connectors.sql.sessions import Horizon, Session, Target
from runtime.connectors.sql.settings import SqlSettings
from runtime.connectors.sql.statements import Dialect, Statement
from runtime.connectors.sql.values import Rows

_SESSIONS = {
    "postgresql": ("postgresql", "PostgresSession"),
    "mariadb": ("mariadb", "MariaSession"),
    "mysql": ("mariadb", "MariaSession"),
}


def session_of(settings: SqlSettings) -> Session:
    """A session for the address of the system; nothing is called yet. The driver is loaded for the database that it is
    for."""
    try:
        target = Target.of(settings.base_url)
    except authorities.NoAuthority as error:
        raise Invalid(
            "egress.base_url", f"The address {settings.base_url[:200]!r} is that of no database: {error}."
        ) from None
    if target.scheme not in _SESSIONS:
        return _NoDatabase(str(target))
    module, name = _SESSIONS[target.scheme]
    made: Any = getattr(import_module(f"runtime.connectors.sql.{module}"), name)
    session: Session = made(target, settings.trusted, settings.statement_timeout)
    return session


class _NoDatabase:
    """The address is of another kind, which is said when it is called."""

    dialect = Dialect()

    def __init__(self, where: str) -> None:
        self.where = where

    def rows(self, statement: Statement, call: CallContext) -> Rows:
        known = ", ".join(f"{one}://" for one in _SESSIONS)
        raise fault("address", f"{self.where} is no database that is read; its address would begin with one of {known}")

    def horizon(self, call: CallContext) -> Horizon:
        self.rows(Statement(""), call)
        raise AssertionError

    def tables(self, call: CallContext) -> Any:
        return self.rows(Statement(""), call)

    def close(self) -> None:
        return


__all__ = ["session_of"]
