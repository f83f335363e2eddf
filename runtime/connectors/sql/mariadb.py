"""Rows of MariaDB and MySQL, by PyMySQL over a socket of ours. Values come as the text that the server writes."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pymysql
from pymysql import converters
from pymysql.constants import ER, FIELD_TYPE

from kernel import egress
from runtime.connectors.outcomes import fault
from runtime.connectors.protocols import CallContext, ConnectionFault, Resource, Retriable
from runtime.connectors.sockets import tls_context
from runtime.connectors.sql.sessions import Horizon, Target, connecting, left, settings_fault, within
from runtime.connectors.sql.statements import Dialect, Statement
from runtime.connectors.sql.values import Column, Kind, Rows

_BINARY = 63  # the character set of bytes
_KINDS: dict[int, Kind] = {
    **dict.fromkeys(
        (FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG, FIELD_TYPE.INT24, FIELD_TYPE.YEAR),
        "whole",
    ),
    **dict.fromkeys((FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL, FIELD_TYPE.FLOAT, FIELD_TYPE.DOUBLE), "number"),
    FIELD_TYPE.BIT: "bits",
    FIELD_TYPE.JSON: "json",
    FIELD_TYPE.TIMESTAMP: "moment",  # the session is at UTC
    FIELD_TYPE.DATETIME: "time",
}
_TEXTS = frozenset(
    {
        *(FIELD_TYPE.TINY_BLOB, FIELD_TYPE.MEDIUM_BLOB, FIELD_TYPE.LONG_BLOB, FIELD_TYPE.BLOB, FIELD_TYPE.VAR_STRING),
        *(FIELD_TYPE.STRING, FIELD_TYPE.VARCHAR, FIELD_TYPE.GEOMETRY),
    }
)
_CREDENTIALS = frozenset(
    {
        *(ER.ACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR, ER.TABLEACCESS_DENIED_ERROR),
        *(ER.COLUMNACCESS_DENIED_ERROR, ER.HOST_NOT_PRIVILEGED, 1698, 1862),
    }
)
_STATEMENT = frozenset(
    {
        *(ER.NO_SUCH_TABLE, ER.BAD_FIELD_ERROR, ER.PARSE_ERROR, ER.BAD_TABLE_ERROR, 1052, 1060, 1792),
        *(1222, 1242, 1300, 1305, 1525),
    }
)
_TOO_LONG = frozenset({1969, 3024, 1317})
_TABLES = """
select table_schema, table_name, column_name, column_type, column_key = 'PRI'
  from information_schema.columns
 where table_schema not in ('information_schema', 'mysql', 'performance_schema', 'sys')
 order by table_schema, table_name, ordinal_position
 limit 5000"""


class MariaSession:
    dialect = Dialect(quote="`", offsets=False)

    def __init__(self, target: Target, trusted: str, statement_timeout: float) -> None:
        self.target, self.trusted = target, trusted
        self.timeout = statement_timeout
        self._conn: Any = None

    def rows(self, statement: Statement, call: CallContext) -> Rows:
        with self._told(call):
            conn = self._conn or self._opened(call)
            seconds = left(call)
            with within(seconds, conn._sock.fileno()), conn.cursor() as cursor:
                self._limit(cursor, seconds)
                cursor.execute("start transaction read only")
                cursor.execute(statement.text, [_bound(one) for one in statement.values])
                fields = cursor._result.fields or []
                columns = [Column(_text(field.name), _kind(field)) for field in fields]
                rows = [list(row) for row in cursor.fetchall()]
                cursor.execute("rollback")
                return Rows(columns, rows)

    def horizon(self, call: CallContext) -> Horizon:
        now = self.rows(Statement("select utc_timestamp(6)"), call).rows[0][0]
        assert now is not None
        return Horizon(datetime.fromisoformat(now.decode()).replace(tzinfo=UTC))

    def tables(self, call: CallContext) -> Sequence[Resource]:
        found: dict[str, tuple[dict[str, str], list[str]]] = {}
        for row in self.rows(Statement(_TABLES), call).rows:
            schema, table, column, kind, is_key = (_text(one or b"") for one in row)
            fields, keys = found.setdefault(f"{schema}.{table}", ({}, []))
            fields[column] = kind
            if is_key == "1":
                keys.append(column)
        times = ("timestamp", "datetime")
        return [
            Resource(name, keys, fields, change_fields=[one for one, kind in fields.items() if kind.startswith(times)])
            for name, (fields, keys) in found.items()
        ]

    def close(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            conn._force_close()

    def _limit(self, cursor: Any, seconds: float) -> None:
        """MariaDB has another variable than MySQL, in another unit."""
        most = min(self.timeout, seconds)
        if "MariaDB" in str(self._conn.server_version):
            cursor.execute("set session max_statement_time = %s", [round(most, 3)])
        else:
            cursor.execute("set session max_execution_time = %s", [max(int(most * 1000), 1)])

    def _opened(self, call: CallContext) -> Any:
        seconds, target = left(call), self.target
        context: ssl.SSLContext | None = tls_context(self.trusted) if self.target.tls else None
        conn: Any = pymysql.connections.Connection(
            host=target.host,
            port=target.port,
            user=call.secrets["user"],
            password=call.secrets["password"],
            database=target.database or None,
            charset="utf8mb4",
            use_unicode=False,
            conv={kind: one for kind, one in converters.conversions.items() if not isinstance(kind, int)},
            ssl=context,
            connect_timeout=max(seconds, 1),
            read_timeout=max(seconds, 1),
            write_timeout=max(seconds, 1),
            defer_connect=True,
            local_infile=False,
        )
        with connecting(target):
            sock = egress.connected(target.host, target.port, seconds, egress.systems())
        with within(seconds, sock.fileno()):
            conn.connect(sock)
            with conn.cursor() as cursor:
                cursor.execute("set session time_zone = '+00:00'")
                cursor.execute("set session transaction read only")
        self._conn = conn
        return conn

    @contextmanager
    def _told(self, call: CallContext) -> Iterator[None]:
        target = self.target
        try:
            yield
        except (Retriable, ConnectionFault):
            self.close()
            raise
        except ssl.SSLError as error:
            self.close()
            raise fault("certificate", f"the TLS certificate of {target.host} is not accepted ({error})") from None
        except pymysql.MySQLError as error:
            self.close()
            number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
            said = call.secrets.redact(" ".join(str(one) for one in error.args))[:400]
            if isinstance(error.__cause__, ssl.SSLError) or "certificate" in said.lower():
                raise fault("certificate", f"the TLS certificate of {target.host} is not accepted ({said})") from None
            if "SSL" in said and "support" in said:
                raise fault(
                    "certificate",
                    f"{target.host} offers no TLS: set it up there, or end the system's address with ?tls=none",
                ) from None
            if number in _CREDENTIALS:
                raise fault("credentials", f"{target} does not let the account in or read ({said})") from None
            if number == ER.BAD_DB_ERROR:
                raise fault("address", f"{target.host} has no database {target.database!r}") from None
            if number in _TOO_LONG:
                raise Retriable(f"the statement took longer than {self.timeout:g} seconds: {said}") from None
            if number in _STATEMENT or isinstance(error, pymysql.err.ProgrammingError | pymysql.err.DataError):
                raise settings_fault(target, said) from None
            raise Retriable(f"{target} is not reached or was cut ({said})") from None
        except (OSError, EOFError) as error:
            self.close()
            raise Retriable(f"{target} was cut ({error})") from None


def _kind(field: Any) -> Kind:
    if field.type_code in _TEXTS:
        return "binary" if field.charsetnr == _BINARY else "text"
    return _KINDS.get(field.type_code, "text")


def _bound(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


__all__ = ["MariaSession"]
