"""Answers to reads that a vendor is known to give, and what they mean: before the table of statuses."""

from __future__ import annotations

from typing import Literal

from runtime.connectors.answer_rules import AnswerConditions, excerpt
from runtime.connectors.answers import Answer, first
from runtime.connectors.http import Response, retry_after
from runtime.connectors.outcomes import error_for
from runtime.connectors.protocols import CallContext, Refused, Retriable
from runtime.connectors.rest.error_places import Errors


class PageRule(AnswerConditions, frozen=True, kw_only=True):
    """One answer to a read, and what it means.

    says  `retry`: the page is asked for again, after `wait` or what the vendor says; `connection`: a person has to
          correct it; `refused`: the run fails with the vendor's words; `nothing`: there are no rows, which is the end
    wait  seconds, for `retry`
    """

    says: Literal["retry", "connection", "refused", "nothing"]
    wait: float | None = None


def is_nothing(rules: list[PageRule], errors: Errors, response: Response, call: CallContext) -> bool:
    """Whether a rule says that there are no rows. Raises what another one says: Retriable, ConnectionFault, Refused."""
    if not rules:
        return False
    answer = Answer(response.status, response.headers, response.body)
    code = first(answer.document, errors.code)
    rule = next((one for one in rules if one.fits(answer.status, code, answer.document, answer)), None)
    if rule is None:
        return False
    words = call.secrets.redact(first(answer.document, errors.message) or excerpt(answer))
    where = call.secrets.redact(response.url)
    if rule.says == "retry":
        after = rule.wait if rule.wait is not None else retry_after(response.headers)
        raise Retriable(f"{where} answered {answer.status}: {words}", after=after)
    if rule.says == "connection":
        raise error_for("credentials", answer.status, where, words, code=code)
    if rule.says == "refused":
        raise Refused(code or f"http.{answer.status}", words or f"the answer was {answer.status}", status=answer.status)
    return True


__all__ = ["PageRule", "is_nothing"]
