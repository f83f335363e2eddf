"""Settings of a connection that asks in a vendor's query language. The query is made of them: nobody writes a condition
of paging, and no value of a row gets into one unquoted."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec

from runtime.connectors.query.dialects import DIALECTS, QueryParts
from runtime.connectors.rest.error_places import Errors
from runtime.connectors.rest.page_rules import PageRule
from runtime.connectors.rest.page_settings import ChangeFeed, Keyset, Paging, RestRead
from runtime.connectors.rest.settings import RestSettings
from runtime.connectors.settings import wrong_setting
from runtime.connectors.stamps import StampRules

_NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,79}(?:\.[A-Za-z_][A-Za-z0-9_]{0,79}){0,5}$"
_FORBIDDEN = re.compile(r"[{};\x00-\x1f]|--|/\*|\b(?:ORDER\s+BY|GROUP\s+BY|LIMIT|OFFSET|UNION|FETCH)\b", re.IGNORECASE)
ColumnName = Annotated[str, msgspec.Meta(pattern=_NAME)]


class QuerySettings(msgspec.Struct, frozen=True):
    """One table (or record, or object), in the order of its change field and its id: each page is a query of its own
    for what lies behind the last row of the one before. No offset is used, and no position that the service forgets.

    dialect   `suiteql` (NetSuite) or `soql` (Salesforce)
    table     what is asked
    fields    its columns; the id and the change field come by themselves
    where     which rows, as a condition of the language: `isinactive = 'F'`
    id        the column that identifies a row; without it `id`, in SOQL `Id`
    changed   the column that moves when a row changes: `lastmodifieddate`, `SystemModstamp`. Without it each run reads
              everything
    initial   where the first run begins; without it, at the beginning
    overlap   seconds that a run reads again
    deleted   also what was deleted (SOQL: `queryAll`; such a row has `IsDeleted`)
    path      of the query; without it that of the vendor
    size      rows of a page; without it 1,000, in SOQL 2,000
    reads     answers that this service is known to give
    """

    base_url: str
    dialect: Literal["suiteql", "soql"]
    table: ColumnName
    fields: list[ColumnName] = msgspec.field(default_factory=list)
    where: str = ""
    id: ColumnName | None = None
    changed: ColumnName | None = None
    initial: str | None = None
    overlap: Annotated[float, msgspec.Meta(ge=0)] = 120.0
    deleted: bool = False
    path: str = ""
    size: Annotated[int, msgspec.Meta(ge=1, le=50_000)] | None = None
    stamps: StampRules = StampRules()
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    check_path: str | None = None
    reads: list[PageRule] = msgspec.field(default_factory=list)
    errors: Errors | None = None
    auth: dict[str, Any] = msgspec.field(default_factory=dict)
    verify: bool | str = True
    further_hosts: list[str] = msgspec.field(default_factory=list)
    token_hosts: list[str] = msgspec.field(default_factory=list)
    max_response: int = 64 * 1024 * 1024
    charset: str | None = None

    def of_reading(self) -> RestSettings:
        """The same as pages by a key. Raises Invalid, with a pointer."""
        dialect = DIALECTS[self.dialect]
        if found := _FORBIDDEN.search(self.where):
            said = f"{found[0]!r} cannot stand in a condition: order, limits and further statements are not yours here."
            raise wrong_setting("/where", said)
        if not _is_closed(self.where):
            raise wrong_setting("/where", "A bracket or a quotation mark has no other half.")
        if self.deleted and not dialect.deleted_field:
            raise wrong_setting("/deleted", f"{self.dialect} cannot be asked for what was deleted.")
        of_key = self.id or dialect.id
        more = [dialect.deleted_field] if self.deleted else []
        parts = QueryParts(
            self.table, tuple(dict.fromkeys([of_key, *self.fields, *more])), of_key, self.changed, self.where, self.size
        )
        changed = dialect.shown(self.changed) if self.changed else None
        changes = None
        if changed is not None:
            changes = ChangeFeed(
                param="q",
                field=changed,
                value=dialect.query(parts, dialect.since(parts)),
                initial=self.initial,
                overlap=self.overlap,
            )
        elif self.initial is not None:
            raise wrong_setting("/initial", "A beginning needs 'changed': the column that it is of.")
        first = dialect.query(parts, "")
        keyset = Keyset(
            fields=[*([changed] if changed else []), of_key],
            param="q",
            value=dialect.query(parts, dialect.behind(parts)),
            joined="",
        )
        posts = dialect.method == "POST"
        names = ("base_url", "auth", "verify", "further_hosts", "token_hosts", "max_response", "charset", "stamps")
        return RestSettings(
            **{name: getattr(self, name) for name in (*names, "reads", "check_path")},
            path=self.path or (dialect.path_of_all if self.deleted else dialect.path),
            headers={**dialect.headers, **self.headers},
            request=RestRead("POST", {"q": first}) if posts else RestRead(),
            parameters={"limit": str(self.size or dialect.size)} if posts else {"q": first},
            items=dialect.rows,
            key_fields=[of_key],
            # A page of SOQL says of itself that it goes on, and the next query asks for just that.
            paging=Paging("keyset", keyset=keyset, more=dialect.more or None, whole=not posts),
            changes=changes,
            errors=self.errors or dialect.errors,
        )


def _is_closed(text: str) -> bool:
    """Whether a condition ends where it began: no bracket closes what it has not opened, no text goes on."""
    depth, inside = 0, False
    for sign in text:
        inside ^= sign == "'"
        depth += 0 if inside else {"(": 1, ")": -1}.get(sign, 0)
        if depth < 0:
            return False
    return depth == 0 and not inside


__all__ = ["QuerySettings"]
