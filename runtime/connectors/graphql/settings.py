"""Settings of a GraphQL connection. Paths into an answer begin below `data`; they are member names joined by dots."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from kernel.errors import Invalid
from runtime.connectors.answer_rules import AnswerRule
from runtime.connectors.graphql.documents import GraphQLText
from runtime.connectors.rest.keyset import check
from runtime.connectors.rest.page_settings import ChangeFeed, Keyset, Paging, RestRead, Select
from runtime.connectors.rest.settings import RestSettings
from runtime.connectors.settings import wrong_setting
from runtime.connectors.stamps import StampRules
from runtime.domain.json_paths import JsonPath
from runtime.domain.templates import names_in, problem_of


class GraphQLChanges(msgspec.Struct, frozen=True):
    """Incremental reading: `variable` takes the highest value of `field` seen so far, less `overlap`.

    variable  the variable that takes it, a dotted path where it is inside of one: `filter`, `where.updatedAt.gte`
    field     the field of a node that moves when it changes
    value     the template of what the variable takes: `updated_at:>='{since}'`
    initial   where the first run begins; without it the variable is left out, and everything is read
    operator  what the service makes of it: `ge`, or `gt`, which leaves out nodes of the very moment
    overlap   how far a new run goes back, in seconds, or units of a counter
    """

    variable: str
    field: JsonPath
    value: str = "{since}"
    initial: str | None = None
    operator: Literal["ge", "gt"] = "ge"
    overlap: float = 120.0


class GraphQLKeyset(msgspec.Struct, frozen=True):
    """Paging by a filter, for services whose connections give no cursor, or end after so many nodes: each page is what
    lies behind the last node of the one before.

    variable  the variable that takes the condition, a dotted path where it is inside of one. Where `changes` has the
              same one, this stands in its place
    fields    of a node, by which the query sorts; the last one is unique
    value     the condition, with the fields in braces: `id > {id}`
    quote     how a text is written in it: `single`, `double`, or bare where only letters, digits and `-_.:+` may stand
    """

    variable: str
    fields: list[JsonPath]
    value: str
    quote: Literal["", "single", "double"] = ""


class GraphQLLookup(msgspec.Struct, frozen=True):
    """How the service is asked what it has, by one query for each key.

    query      the query, with one variable
    variable   its name
    value      what it takes: `{key}`, or an expression of the service's search: `reference:'{key}'`
    found      where the answer stands: an object or null, or a list of them (`orders.nodes`, `orders.edges`)
    match      the field of what is found that holds the key. A search may find others, too
    reference  the field with the service's own name of it
    holds      `{field of what is found: field of what is sent}`: where one differs, it is not this message's
    """

    query: str
    variable: str
    found: JsonPath
    match: JsonPath
    value: str = "{key}"
    reference: JsonPath = "id"
    holds: dict[str, str] = msgspec.field(default_factory=dict)


class GraphQLCodes(msgspec.Struct, frozen=True):
    """Codes (`extensions.code`) of top-level errors, and what they mean. Any other one: a read is tried again and fails
    at last, a write is unknown.

    throttled    nothing was done; the lane waits for as long as `extensions.cost` says
    credentials  the caller may not do that: a fault of the connection
    query        the query does not fit the schema of the service, or costs too much: a fault of the connection
    content      the variables do not fit: this message is refused
    """

    throttled: list[str] = msgspec.field(default_factory=lambda: ["THROTTLED", "RATE_LIMITED", "TOO_MANY_REQUESTS"])
    credentials: list[str] = msgspec.field(
        default_factory=lambda: ["ACCESS_DENIED", "UNAUTHENTICATED", "UNAUTHORIZED", "FORBIDDEN"]
    )
    query: list[str] = msgspec.field(
        default_factory=lambda: [
            *("GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "OPERATION_RESOLUTION_FAILURE", "MAX_COST_EXCEEDED"),
            *("PERSISTED_QUERY_NOT_FOUND", "undefinedField", "undefinedType", "argumentNotAccepted"),
            *("missingRequiredArguments", "selectionMismatch", "variableMismatch", "argumentLiteralsIncompatible"),
        ]
    )
    content: list[str] = msgspec.field(default_factory=lambda: ["BAD_USER_INPUT", "INVALID_VARIABLE"])


class GraphQLSettings(msgspec.Struct, frozen=True):
    """path is below the base URL of the endpoint, or from the root of its host with a slash in front.

    query        a query with one connection, whose size and cursor are variables
    variables    of every call
    connection   where that connection stands: `products`, `shop.products`
    rows         how the connection gives its nodes: `edges` (`edges { node }`), `nodes` or `results`
    first, after  the variables of its size and of its cursor
    keyset       paging by a filter, in the place of the cursor
    size         how many nodes a page is to have
    key_fields   what identifies a node
    mutation     a mutation with one field
    input        the variable that takes the document; empty: the document is the variables
    key_variable  the variable that takes our key: `key`, or inside of the input `input.clientKey`
    user_errors  the lists of errors in what the mutation gives; where one holds something, the message is refused
    reference    the field of what the mutation gives that names what was made: `order.id`
    answers      answers to a mutation that this service is known to give, before everything else
    codes        what codes of top-level errors mean
    lookup       how it is asked about a message of unknown outcome
    """

    OF_ROLE: ClassVar[dict[str, frozenset[str]]] = {
        "source": frozenset(
            [
                *("query", "connection", "rows", "first", "after", "size", "keyset", "key_fields", "version_field"),
                *("changes", "stamps"),
            ]
        ),
        "sink": frozenset(
            [
                *("mutation", "input", "key_variable", "user_errors", "reference", "answers", "nothing_done"),
                *("lookup", "idempotency", "max_batch", "not_sent"),
            ]
        ),
    }

    base_url: str
    path: str = "/graphql"
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    variables: dict[str, Any] = msgspec.field(default_factory=dict)
    query: str = ""
    connection: JsonPath = ""
    rows: Literal["edges", "nodes", "results"] = "edges"
    first: str = "first"
    after: str = "after"
    size: int = 100
    keyset: GraphQLKeyset | None = None
    key_fields: list[JsonPath] = msgspec.field(default_factory=list)
    version_field: JsonPath | None = None
    changes: GraphQLChanges | None = None
    stamps: StampRules = StampRules()
    mutation: str = ""
    input: str = "input"
    key_variable: str = ""
    user_errors: list[str] = msgspec.field(default_factory=lambda: ["userErrors"])
    reference: JsonPath = ""
    answers: list[AnswerRule] = msgspec.field(default_factory=list)
    nothing_done: list[int] = msgspec.field(default_factory=list)
    lookup: GraphQLLookup | None = None
    idempotency: Literal["K", "N", "L", "U"] = "U"
    max_batch: int = 100
    not_sent: list[str] = msgspec.field(default_factory=list)
    codes: GraphQLCodes = GraphQLCodes()
    auth: dict[str, Any] = msgspec.field(default_factory=dict)
    verify: bool | str = True
    further_hosts: list[str] = msgspec.field(default_factory=list)
    token_hosts: list[str] = msgspec.field(default_factory=list)
    max_response: int = 64 * 1024 * 1024
    charset: str | None = None

    def of_reading(self) -> RestSettings:
        """The same as pages of a POST. Raises Invalid, with a pointer."""
        text = GraphQLText(self.query, "/query", "query")
        if not self.connection:
            raise wrong_setting("/connection", "Reading needs 'connection': where the query has what is paged through.")
        text.needs_variable(self.first, "/query")
        text.needs_field(f"{self.connection}.{'edges.node' if self.rows == 'edges' else self.rows}", "/query")
        if self.keyset is None:
            text.needs_variable(self.after, "/query")
            for name in ("pageInfo.hasNextPage", "pageInfo.endCursor"):  # without it, reading would end after one page
                text.needs_field(f"{self.connection}.{name}", "/query")
        else:
            text.needs_variable(self.keyset.variable.partition(".")[0], "/keyset/variable")
        at, changes = f"data.{self.connection}", None
        if self.changes is not None:
            given = self.changes
            text.needs_variable(given.variable.partition(".")[0], "/changes/variable")
            changes = ChangeFeed(
                param=f"variables.{given.variable}",
                field=given.field,
                value=given.value,
                initial=given.initial,
                operator=given.operator,
                overlap=given.overlap,
            )
        rows = f"{at}.edges[].node" if self.rows == "edges" else f"{at}.{self.rows}[]"
        # What stays of the list behind its nodes are those that were kept back.
        null = f"{at}.edges[?contains(keys(@), 'node')]" if self.rows == "edges" else f"length({at}.{self.rows})"
        return self._common(
            request=RestRead("POST", {"query": self.query, "variables": self.variables}),
            select=Select(rows=rows, error=null),
            key_fields=self.key_fields,
            version_field=self.version_field,
            paging=self._paging(at),
            changes=changes,
            stamps=self.stamps,
        )

    def _paging(self, at: str) -> Paging:
        sized: dict[str, Any] = {"size": self.size, "size_param": f"variables.{self.first}"}
        if (given := self.keyset) is not None:
            keyset = Keyset(given.fields, f"variables.{given.variable}", given.value, given.quote, joined="")
            try:
                check(keyset)
            except Invalid as error:
                pointer = str(error.findings[0]["pointer"]).removeprefix("/paging")
                raise wrong_setting(pointer, error.message) from None
            return Paging("keyset", keyset=keyset, whole=True, **sized)
        return Paging(
            "cursor",
            next=f"{at}.pageInfo.endCursor",
            more=f"{at}.pageInfo.hasNextPage",
            cursor_param=f"variables.{self.after}",
            **sized,
        )

    def of_writing(self) -> RestSettings:
        """The same as single documents by POST. Raises Invalid, with a pointer."""
        if self.idempotency == "K" and not self.key_variable:
            raise wrong_setting("/idempotency", "Class K needs 'key_variable': the variable that takes our key.")
        if self.idempotency == "L" and self.lookup is None:
            raise wrong_setting("/lookup", "Class L needs 'lookup': how the service is asked.")
        if lookup := self.lookup:
            asked = GraphQLText(lookup.query, "/lookup/query", "query")
            asked.needs_variable(lookup.variable, "/lookup/variable")
            asked.needs_field(lookup.found, "/lookup/found")
            problem = problem_of(lookup.value) or (
                "" if names_in(lookup.value) == ["key"] else f"{lookup.value!r} has to name {{key}} alone"
            )
            if problem:
                raise wrong_setting("/lookup/value", problem)
        return self._common(
            answers=self.answers,
            nothing_done=self.nothing_done,
            reference=None,
            max_batch=self.max_batch,
            not_sent=self.not_sent,
            connections="new" if self.idempotency == "U" else "kept",
        )

    def _common(self, **more: Any) -> RestSettings:
        names = ("base_url", "path", "headers", "auth", "verify", "further_hosts", "token_hosts", "max_response")
        return RestSettings(**{name: getattr(self, name) for name in (*names, "charset")}, **more)


__all__ = ["GraphQLChanges", "GraphQLCodes", "GraphQLKeyset", "GraphQLLookup", "GraphQLSettings"]
