"""Rows of PostgreSQL, over libpq, to an address that was judged. Values come as the text that the server writes, so
that a value which no type of Python has costs its row alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import errors

from runtime.connectors.outcomes import fault
from runtime.connectors.protocols import CallContext, ConnectionFault, Resource, Retriable
from runtime.connectors.sql.sessions import (
    Horizon,
    Target,
    address_of,
    authorities_file,
    left,
    machine_authorities,
    settings_fault,
    within,
)
from runtime.connectors.sql.statements import Dialect, Statement
from runtime.connectors.sql.values import Column, Kind, Rows

_KINDS: dict[int, Kind] = {
    **dict.fromkeys((20, 21, 23, 26), "whole"),  # int8, int2, int4, oid
    **dict.fromkeys((700, 701, 1700), "number"),  # float4, float8, numeric
    16: "bool",
    17: "binary",
    **dict.fromkeys((114, 3802), "json"),
    1114: "time",
    1184: "moment",
}
_HORIZON = """
select extract(epoch from clock_timestamp())::text, pg_snapshot_xmin(s)::text, pg_snapshot_xmax(s)::text
  from (select pg_current_snapshot() as s) t"""
_TABLES = """
select n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
       coalesce(a.attnum = any (i.indkey::int2[]), false)
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  left join pg_index i on i.indrelid = c.oid and i.indisprimary
 where c.relkind in ('r', 'v', 'm', 'p', 'f')
   and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_'
   and has_table_privilege(c.oid, 'select')
 order by 1, 2, a.attnum
 limit 5000"""
_CREDENTIALS = ("authentication failed", "no pg_hba.conf entry", 'role "', "permission denied for database")


class PostgresSession:
    dialect = Dialect()

    def __init__(self, target: Target, trusted: str, statement_timeout: float) -> None:
        self.target, self.trusted = target, trusted
        self.timeout = statement_timeout
        self._conn: psycopg.Connection[Any] | None = None

    def rows(self, statement: Statement, call: CallContext) -> Rows:
        with self._told(call):
            conn = self._conn or self._opened(call)
            seconds = left(call)
            with within(seconds, conn.fileno()), conn.transaction(), conn.cursor() as cursor:
                # What limits the statement is a value of ours; the text is made of quoted names and bound values.
                cursor.execute("select set_config('statement_timeout', %s, true)", [self._milliseconds(seconds)])
                cursor.execute(statement.text.encode(), statement.values)
                found = cursor.pgresult
                assert found is not None
                columns = [
                    Column((found.fname(one) or b"").decode(), _KINDS.get(found.ftype(one), "text"))
                    for one in range(found.nfields)
                ]
                every = range(found.nfields)
                rows = [[_plain(found, row, one) for one in every] for row in range(found.ntuples)]
                return Rows(columns, rows)

    def horizon(self, call: CallContext) -> Horizon:
        (now, lowest, next_) = self.rows(Statement(_HORIZON), call).rows[0]
        return Horizon(datetime.fromtimestamp(float(now or 0), UTC), int(lowest or 0), int(next_ or 0))

    def tables(self, call: CallContext) -> Sequence[Resource]:
        found: dict[str, tuple[dict[str, str], list[str]]] = {}
        for row in self.rows(Statement(_TABLES), call).rows:
            schema, table, column, kind, is_key = ((one or b"").decode("utf-8", "replace") for one in row)
            fields, keys = found.setdefault(f"{schema}.{table}", ({}, []))
            fields[column] = kind
            if is_key == "t":
                keys.append(column)
        return [
            Resource(name, keys, fields, change_fields=[one for one, kind in fields.items() if "timestamp" in kind])
            for name, (fields, keys) in found.items()
        ]

    def close(self) -> None:
        if self._conn is not None:
            self._conn.close()
        self._conn = None

    def _milliseconds(self, seconds: float) -> str:
        return str(max(int(min(self.timeout, seconds) * 1000), 1))

    def _told(self, call: CallContext) -> _Told:
        return _Told(self, call)

    def _opened(self, call: CallContext) -> psycopg.Connection[Any]:
        seconds = left(call)
        address = address_of(self.target, seconds)
        file = authorities_file(self.trusted)
        tls: dict[str, Any] = {"sslmode": "disable"}
        if self.target.tls:
            tls = {"sslmode": "verify-full", "sslrootcert": file.name if file else machine_authorities()}
        try:
            self._conn = psycopg.connect(
                host=self.target.host,
                hostaddr=address,
                port=self.target.port,
                dbname=self.target.database,
                user=call.secrets["user"],
                password=call.secrets["password"],
                connect_timeout=max(int(seconds), 2),
                application_name="tillgate",
                client_encoding="UTF8",
                options="-c default_transaction_read_only=on -c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=iso_8601"
                " -c extra_float_digits=1 -c bytea_output=hex",
                gssencmode="disable",
                passfile="/dev/null",
                **tls,
            )
        finally:
            if file:
                file.close()
        self._conn.autocommit = True
        if self._conn.info.parameter_status("server_encoding") == "SQL_ASCII":
            self._conn.execute("set client_encoding to 'SQL_ASCII'")  # nothing is known of its bytes: as they are
        return self._conn


class _Told:
    """What goes wrong, as the fault of the connection that it is, as something that passes, or as a refusal."""

    def __init__(self, session: PostgresSession, call: CallContext) -> None:
        self.session, self.call = session, call

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        if error is None:
            return
        session, target = self.session, self.session.target
        if isinstance(error, Retriable | ConnectionFault):
            session.close()
            return
        if not isinstance(error, psycopg.Error):
            return
        said = self.call.secrets.redact(" ".join(str(error).split()))[:400]
        fresh = session._conn is None
        session.close()
        if isinstance(error, errors.QueryCanceled):
            raise Retriable(f"the statement took longer than {session.timeout:g} seconds: {said}") from None
        if isinstance(error, errors.InsufficientPrivilege):
            raise fault("credentials", f"the account may not read what is asked for at {target}: {said}") from None
        if isinstance(error, errors.SyntaxErrorOrAccessRuleViolation | errors.ProgrammingError | errors.DataError):
            raise settings_fault(target, said) from None
        if isinstance(error, errors.ReadOnlySqlTransaction):
            raise settings_fault(target, said) from None
        if fresh and "certificate" in said.lower():
            raise fault("certificate", f"the TLS certificate of {target.host} is not accepted ({said})") from None
        if fresh and "does not support SSL" in said:
            raise fault(
                "certificate",
                f"{target.host} offers no TLS: set it up there, or end the system's address with ?tls=none",
            ) from None
        if fresh and any(one in said for one in _CREDENTIALS) and "does not exist" not in said:
            raise fault("credentials", f"{target} does not let the account in ({said})") from None
        if fresh and 'database "' in said and "does not exist" in said:
            raise fault("address", f"{target.host} has no database {target.database!r}") from None
        raise Retriable(f"{target} is not reached or was cut ({said})") from None


def _plain(found: Any, row: int, column: int) -> bytes | None:
    value = found.get_value(row, column)
    if value is None or found.ftype(column) != 17:
        return None if value is None else bytes(value)
    return bytes.fromhex(bytes(value)[2:].decode("ascii"))


__all__ = ["PostgresSession"]
