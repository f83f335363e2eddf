"""Whether anything was written to the tables of the catalog, of governance and of people since a moment.

Triggers stamp each transaction that touches one of them (`kernel/sql/30_write_stamps.sql`), with its number and in its
own commit. A moment is PostgreSQL's snapshot of that moment, which knows which transactions were over: one that was
under way then, and commits a minute later, is not in it however small its number is. So nothing that can be seen now
and could not be seen then is missed, and numbers and clocks are never compared with each other.
"""

from __future__ import annotations

from django.db import connection

from kernel import prepared_queries
from kernel.models import ApiToken
from kernel.tokens import ReadWithToken

KEPT_SECONDS = 3600  # longer than anybody remembers a moment
_NOW = "select pg_current_snapshot()::text where pg_current_xact_id_if_assigned() is null"
_UNCHANGED = """
select pg_snapshot_xmax(%(then)s::pg_snapshot) <= pg_snapshot_xmax(pg_current_snapshot())
       and exists (select from kernel_writestamp)
       and not exists (select from kernel_writestamp w
                        where w.xact >= pg_snapshot_xmin(%(then)s::pg_snapshot)::text::bigint
                          and not pg_visible_in_snapshot(w.xact::text::xid8, %(then)s::pg_snapshot))"""
_ABOUT = "unchanged since"
_FORGET = """
delete from kernel_writestamp
where made_at < clock_timestamp() - make_interval(secs => %s)"""


def moment() -> str | None:
    """This moment, or that of the snapshot of the transaction that is open; asked before anything else is read. None in
    a transaction that has written: what it writes after that has the same number, and could not be told from before."""
    found = prepared_queries.rows(_NOW, [])
    return found[0][0] if found else None


def unchanged_since(then: str) -> bool:
    """Whether nothing was written since that moment that can be seen now. False also where that cannot be known: the
    database has been set back, or holds no stamp at all."""
    return bool(prepared_queries.rows(_UNCHANGED, {"then": then})[0][0])


def asked_with_token(then: str) -> ReadWithToken:
    """`unchanged_since` in the query that reads a token; `told_with` has the answer."""
    return ReadWithToken(_UNCHANGED, {"then": then}, (_ABOUT, then))


def told_with(token: ApiToken) -> str | None:
    """The moment since which nothing was written, as far as that was asked with the token."""
    if token.read_along is None:
        return None
    about, found = token.read_along
    if not (isinstance(about, tuple) and about[0] == _ABOUT and found[0]):
        return None
    return str(about[1])


def forget() -> int:
    """Drop stamps that nobody asks for any more."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, [KEPT_SECONDS])
        return int(cursor.rowcount)
