"""Writing by a mutation, one document a call, and asking by a query what has arrived."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from runtime.connectors.answer_rules import AnswerMeaning, AnswerReader, SuccessRule
from runtime.connectors.answers import Answer, at, every, first, kept, named, plain, said
from runtime.connectors.failure_marks import is_empty
from runtime.connectors.graphql.documents import GraphQLText
from runtime.connectors.graphql.session import GraphQLSession, code_of, errors_in, told, word_of
from runtime.connectors.graphql.settings import GraphQLLookup, GraphQLSettings
from runtime.connectors.http import Response
from runtime.connectors.outcomes import CallKind
from runtime.connectors.protocols import (
    AskBy,
    Asked,
    CallContext,
    CallError,
    Health,
    OutboundMessage,
    Refused,
    Retriable,
    WriteResult,
    health_of,
)
from runtime.connectors.rest.sink import RestSink
from runtime.connectors.settings import wrong_setting

_CANNOT = "This connection has no lookup; an unknown outcome has to be decided by a person."
_MEANINGS = {"throttled": "not_now", "credentials": "credentials", "query": "settings", "content": "message"}


class MutationReader(AnswerReader):
    """What an answer to a mutation proves: rules of the service, its top-level errors, the errors in what the mutation
    gives, then a success as everywhere."""

    def __init__(self, settings: GraphQLSettings, root: str, session: GraphQLSession) -> None:
        success = SuccessRule()
        self.payload, self.lists = f"data.{root}", settings.user_errors
        absent = [*success.absent, *(f"{self.payload}.{name}" for name in settings.user_errors)]
        super().__init__(
            success=msgspec.structs.replace(success, required=[self.payload], absent=absent),
            answers=settings.answers,
            nothing_done=settings.nothing_done,
            codes=[],
            messages=[],
            reference=f"{self.payload}.{settings.reference}" if settings.reference else None,
        )
        self.root, self.session = root, session

    def error(self, answer: Answer) -> tuple[str, str]:
        document = answer.document
        if not isinstance(document, dict):
            return "", ""
        if not is_empty(document.get("errors")):
            errors = errors_in(document["errors"])
            return next((code for one in errors if (code := code_of(one))), ""), told(errors)
        refused = self._refusals(document)
        words = [_words(one) for one in refused[:5]]
        return first(refused[0], ["code"]) if refused else "", "; ".join(filter(None, words))[:500]

    def read(self, answer: Answer, kind: CallKind, *, error: tuple[str, str] | None = None) -> AnswerMeaning:
        code, words = error or self.error(answer)
        document = answer.document
        ruled = any(rule.fits(answer.status, code, document, answer) for rule in self.rules)
        if not ruled and isinstance(document, dict) and answer.status in (200, 400):
            if not is_empty(document.get("errors")):
                found = self._of_errors(answer, document, code, words)
                return found or super().read(answer, kind, error=(code, words))
            if self._refusals(document):
                return AnswerMeaning("refused", None, code or "user_errors", words)
        return super().read(answer, kind, error=(code, words))

    def _of_errors(self, answer: Answer, document: dict[str, Any], code: str, words: str) -> AnswerMeaning | None:
        """An error deeper than the field of the mutation came when that had been done already. None where the status
        says more."""
        errors = errors_in(document["errors"])
        word = word_of(errors, self.session.codes)
        before = at(document, self.payload) is None and all(_is_before(one, self.root) for one in errors)
        if not word and answer.status != 200:
            return None
        if not word or not before:
            return AnswerMeaning("unknown", None, code, f"the answer has errors: {words}")
        wait = self.session.wait_of(answer) if word == "throttled" else None
        return AnswerMeaning(cast("Any", _MEANINGS[word]), None, code, words, wait)

    def _refusals(self, document: Any) -> list[Any]:
        found = [one for name in self.lists for one in every(document, f"{self.payload}.{name}")]
        return [error for one in found for error in (one if isinstance(one, list) else [one]) if not is_empty(error)]


class GraphQLSink(RestSink):
    def __init__(self, settings: GraphQLSettings) -> None:
        self.text = GraphQLText(settings.mutation, "/mutation", "mutation")
        self.given, made = settings, settings.of_writing()
        for pointer, path in (("/input", settings.input), ("/key_variable", settings.key_variable)):
            name = path.partition(".")[0]
            if name:
                self.text.needs_variable(name, pointer)
        if settings.reference:
            self.text.needs_field(f"{self.text.root}.{settings.reference}", "/reference")
        if "." in settings.key_variable and not settings.key_variable.startswith(f"{settings.input}."):
            raise wrong_setting("/key_variable", f"Inside of a variable it is one of {settings.input!r}.")
        session = GraphQLSession(made, settings.codes)
        super().__init__(made, session)
        self.graphql = session
        self.rules = MutationReader(settings, self.text.root, session)
        self.idempotency = type(self.idempotency)(settings.idempotency)
        self.holds = settings.lookup.holds if settings.lookup else {}

    def check(self, *, call: CallContext) -> Health:
        """Signs in with the smallest query that there is. Writes nothing."""
        try:
            response = self.graphql.ask("{ __typename }", {}, call=call)
            self.graphql.refuse(response, call=call, effect=False)
        except CallError as error:
            return health_of(error)
        return Health(True, "signed in, writes are possible")

    def _body(self, item: OutboundMessage) -> bytes:
        given, document = self.given, msgspec.Raw(item.body)
        name, _, inner = given.key_variable.partition(".")
        if inner:
            document = msgspec.Raw(_with_member(item.body, inner, item.sent_key))
        variables: Any = {**given.variables, given.input: document} if given.input else document
        if name and not inner:
            if given.input:
                variables[name] = item.sent_key
            else:
                variables = msgspec.Raw(_with_member(item.body, name, item.sent_key))
        return msgspec.json.encode({"query": given.mutation, "variables": variables})

    # -- asking ----------------------------------------------------------------------------------------------------

    def ask(
        self, keys: Sequence[str], *, call: CallContext, address: Mapping[str, str] | None = None, by: AskBy = "key"
    ) -> dict[str, Asked]:
        lookup = self.given.lookup
        if lookup is None or by == "reference":
            raise Refused("sink.cannot_ask", _CANNOT)
        until, found = time.monotonic() + call.deadline, dict[str, Asked]()
        for key in dict.fromkeys(keys):
            variables = {lookup.variable: lookup.value.replace("{key}", key)}
            response = self.graphql.ask(lookup.query, variables, call=call, until=until)
            self.graphql.refuse(response, call=call, effect=False)
            answered = self._answered(key, response, lookup, call)
            if answered is not ...:
                found[key] = answered
        return found

    def _answered(self, key: str, response: Response, lookup: GraphQLLookup, call: CallContext) -> Any:
        """The reference, None where it is not there, `...` where the answer does not say."""
        answer = Answer(response.status, response.headers, response.body)
        document = answer.document
        if not isinstance(document, dict) or not isinstance(document.get("data"), dict) or answer.named_twice():
            raise Retriable("the answer to the lookup cannot be read")
        above, _, last = f"data.{lookup.found}".rpartition(".")
        holder = at(document, above)
        if not isinstance(holder, dict) or last not in holder:
            if holder is None and above != "data":
                return None
            raise Retriable(f"the answer to the lookup has nothing at {lookup.found!r}")
        listed = holder[last] if isinstance(holder[last], list) else [holder[last]]
        entries = [one.get("node", one) if isinstance(one, dict) else None for one in listed]
        those = [one for one in entries if isinstance(one, dict) and said(at(one, lookup.match)) == key]
        if not those:
            info = holder.get("pageInfo")
            return ... if isinstance(info, dict) and info.get("hasNextPage") else None
        names = [name for one in those if (name := named(at(one, lookup.reference)))]
        if len(names) < len(those):
            return ...
        documents = [shown for one in those if (shown := _held(one, lookup))]
        shown_of, reference = kept(those[0], call.secrets.redact), ",".join(dict.fromkeys(names))
        return WriteResult(key, "confirmed", reference, answer=shown_of, documents=documents)

    def documents(self, keys: Sequence[str], **more: Any) -> None:
        """The lookup asks about one document, and lists none."""
        return None

    def follow(self, accepted: Sequence[str], *, call: CallContext) -> dict[str, Asked]:
        raise Refused("sink.cannot_ask", _CANNOT)


def _is_before(error: Mapping[str, Any], root: str) -> bool:
    """Whether an error is of the call or of the mutation's own field: nothing of it was done."""
    path = error.get("path")
    return not isinstance(path, list) or path == [root] or path[:1] != [root]


def _held(entry: Any, lookup: GraphQLLookup) -> dict[str, str]:
    """What a document says of what is compared, by the field of what is sent."""
    return {sent: said(value) for path, sent in lookup.holds.items() if (value := at(entry, path)) is not None}


def _words(error: Any) -> str:
    if not isinstance(error, dict):
        return plain(error)
    field = error.get("field")
    place = ".".join(map(said, field)) if isinstance(field, list) else plain(field)
    words = plain(error.get("message"))
    return f"{place}: {words}" if place else words


def _with_member(body: bytes, name: str, value: str) -> bytes:
    """A document with one more member. Raises Refused where it is no object."""
    try:
        document = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except ValueError:
        raise Refused("graphql.body", "The document is not a JSON object, so the key cannot be put into it.") from None
    return msgspec.json.encode({**document, name: value})


__all__ = ["GraphQLSink", "MutationReader"]
