"""One call of GraphQL: top-level errors by their codes, and the points that calls cost.

An answer without `data` was refused before anything was done (GraphQL, September 2025, §7.1): so says the
specification, but services also answer so when they fail within; only codes that are known count.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from runtime.connectors.answers import Answer, plain
from runtime.connectors.failure_marks import is_empty
from runtime.connectors.graphql.settings import GraphQLCodes
from runtime.connectors.http import Response, retry_after
from runtime.connectors.outcomes import error_for, fault
from runtime.connectors.protocols import CallContext, Retriable
from runtime.connectors.rest.session import RestSession
from runtime.connectors.rest.settings import RestSettings

ErrorWord = Literal["throttled", "credentials", "query", "content", ""]
_LONGEST_WAIT = 600.0
# How servers that give no codes begin (the words are those of the reference implementation, graphql-js and its kin).
_OF_VARIABLES = ("Variable $", 'Variable "$', "Variable '$")
_OF_QUERIES = ("Cannot query field", "Syntax Error", "Unknown argument", "Unknown type", "Unknown operation")


class ThrottleStatus(msgspec.Struct, frozen=True, rename="camel"):
    maximum_available: float = 0.0
    currently_available: float = 0.0
    restore_rate: float = 0.0


class QueryCost(msgspec.Struct, frozen=True, rename="camel"):
    requested_query_cost: float | None = None
    throttle_status: ThrottleStatus | None = None


class _Extensions(msgspec.Struct, frozen=True):
    cost: QueryCost | None = None


class _Envelope(msgspec.Struct, frozen=True):
    """What stands beside `data`, which is passed over."""

    errors: Any = None
    extensions: _Extensions | None = None


_read = msgspec.json.Decoder(_Envelope).decode


class PointBudget:
    """The points that a service says are left. A call that is known to cost more is not made: it would be refused."""

    def __init__(self) -> None:
        self._left, self._rate, self._at = 0.0, 0.0, 0.0
        self._costs: dict[str, float] = {}

    def saw(self, query: str, cost: QueryCost | None) -> None:
        if cost is None:
            return
        if cost.requested_query_cost is not None:
            self._costs[query] = cost.requested_query_cost
        if (status := cost.throttle_status) is not None:
            self._left, self._rate, self._at = status.currently_available, status.restore_rate, time.monotonic()

    def wait(self, query: str) -> float:
        """Seconds until there are points enough for a query; 0 where there are, or nobody knows."""
        cost = self._costs.get(query, 0.0)
        if self._rate <= 0 or not cost:
            return 0.0
        left = self._left + (time.monotonic() - self._at) * self._rate
        return min(max((cost - left) / self._rate, 0.0), _LONGEST_WAIT)


class GraphQLSession(RestSession):
    """`ask` sends a query or a mutation. Reads raise what top-level errors mean."""

    def __init__(self, settings: RestSettings, codes: GraphQLCodes) -> None:
        super().__init__(settings)
        self.codes, self.budget = codes, PointBudget()

    def send(self, method: str, target: str, *, call: CallContext, effect: bool, **more: Any) -> Response:
        query = _query_of(more.get("content"))
        if wait := self.budget.wait(query):
            raise Retriable(f"the service has no points left for this call for {wait:.1f} seconds", after=wait)
        response = super().send(method, target, call=call, effect=effect, **more)
        envelope = envelope_of(response.body)
        if envelope is not None and envelope.extensions is not None:
            self.budget.saw(query, envelope.extensions.cost)
        return response

    def ask(
        self, query: str, variables: Mapping[str, Any], *, call: CallContext, effect: bool = False, **more: Any
    ) -> Response:
        content = msgspec.json.encode({"query": query, "variables": variables})
        return self.send("POST", self.settings.path, call=call, effect=effect, content=content, **more)

    def refuse(self, response: Response, *, call: CallContext, effect: bool) -> None:
        """Raises what a status means, and what errors of a read mean: an answer with errors is never a whole one."""
        envelope = envelope_of(response.body) if response.status in (200, 400) else None
        if not effect and envelope is not None and not is_empty(envelope.errors):
            errors = errors_in(envelope.errors)
            words = call.secrets.redact(told(errors))
            where = call.secrets.redact(response.url)
            word = word_of(errors, self.codes)
            if word == "credentials":
                raise error_for("credentials", response.status, where, words)
            if word in ("query", "content"):
                raise fault("settings", f"{where} does not take the query ({words})", status=response.status)
            after = self.wait_of(response) if word == "throttled" else retry_after(response.headers)
            raise Retriable(f"the answer has errors, so it may hold less than there is: {words}", after=after)
        super().refuse(response, call=call, effect=effect)

    def wait_of(self, response: Response | Answer) -> float:
        """How long a service that has no points left wants nothing: by `Retry-After`, or by what the call costs."""
        given = retry_after(response.headers)
        envelope = envelope_of(response.body)
        cost = envelope.extensions.cost if envelope is not None and envelope.extensions is not None else None
        status = cost.throttle_status if cost is not None else None
        if given is not None or cost is None or status is None or status.restore_rate <= 0:
            return given if given is not None else 1.0
        missing = (cost.requested_query_cost or status.maximum_available) - status.currently_available
        return min(max(missing / status.restore_rate, 1.0), _LONGEST_WAIT)


def envelope_of(body: bytes) -> _Envelope | None:
    """None for what is no answer of GraphQL."""
    if body.lstrip()[:1] != b"{":
        return None
    try:
        return _read(body)
    except (ValueError, RecursionError):
        return None


def errors_in(errors: Any) -> list[dict[str, Any]]:
    """Top-level errors; services that answer with a text or an object (`{"errors": "Not Found"}`) mean one."""
    listed = errors if isinstance(errors, list) else [errors]
    return [one if isinstance(one, dict) else {"message": plain(one) or str(one)[:200]} for one in listed]


def code_of(error: Mapping[str, Any]) -> str:
    extensions = error.get("extensions")
    return plain(extensions.get("code")) if isinstance(extensions, dict) else ""


def told(errors: Sequence[Mapping[str, Any]]) -> str:
    """The words of all errors, with their codes."""
    shown = []
    for error in errors[:5]:
        code, words = code_of(error), plain(error.get("message"))
        shown.append(f"{words} [{code}]" if code else words or "an error without a word")
    return "; ".join(dict.fromkeys(shown))[:500]


def word_of(errors: Sequence[Mapping[str, Any]], codes: GraphQLCodes) -> ErrorWord:
    """What errors mean together: the first kind that one of them has. Empty where no code is known."""
    given = {code_of(error) for error in errors}
    for word in ("throttled", "credentials", "query", "content"):
        if not given.isdisjoint(getattr(codes, word)):
            found: ErrorWord = word  # type: ignore[assignment]
            return found
    words = [plain(error.get("message")) for error in errors]
    if all(one.startswith(_OF_VARIABLES) for one in words):
        return "content"
    return "query" if any(one.startswith(_OF_QUERIES) for one in words) else ""


def _query_of(content: bytes | None) -> str:
    """The text by which calls that cost the same are known: the body up to its variables."""
    return (content or b"").partition(b'"variables"')[0].decode("utf-8", "replace")


__all__ = ["GraphQLSession", "PointBudget", "code_of", "envelope_of", "errors_in", "told", "word_of"]
