"""GitHub's custom deployment protection rules.

Sources: docs.github.com, *Webhook events and payloads* (`deployment_protection_rule`), *Creating custom deployment
protection rules*, *Review custom deployment protection rules for a workflow run*; the schema
`webhook-deployment-protection-rule-requested` of github/rest-api-description.
"""

from __future__ import annotations

import re
from typing import Any

from governance.domain.pipelines.asked_review import LARGEST_NUMBER, AskedReview, NothingAsked, PayloadReader, refused

LONGEST_COMMENT = 1024  # characters of a status report
MOST_REPORTS = 10  # status reports on one deployment


def read(payload: Any, api_url: str) -> AskedReview | NothingAsked:
    """What the webhook asks for. Raises Invalid `pipeline.payload` for one that is not of the documented form, or that
    names another address for the answer than the registered one. The body alone says which event it is: the header that
    names it is not signed."""
    given = PayloadReader(payload)
    if isinstance(payload, dict) and not _asks(given):
        return NothingAsked("a body without deployment_callback_url asks for no decision")
    if (action := given.text("/action", 40)) != "requested":
        return NothingAsked(f"the action {action!r} asks for no decision")
    place = given.text("/environment")
    if given.find("/deployment/environment") not in (None, place):
        raise refused("/deployment/environment", "the environment of the webhook")
    repository_id, repository = given.number("/repository/id"), given.repository("/repository/full_name")
    run, deployment = _run(given, api_url, repository), given.number("/deployment/id")
    return AskedReview(
        key=f"{repository_id}:{run}:{deployment}:{place}",
        repository_id=repository_id,
        repository=repository,
        place=place,
        sha=given.sha("/deployment/sha"),
        ref=given.text("/deployment/ref"),
        facts={"run": run, "deployment": deployment, "installation": given.number("/installation/id")},
    )


def _asks(given: PayloadReader) -> bool:
    """No other event has a callback, or an environment beside its deployment."""
    found = [given.find(f"/{name}") is not None for name in ("deployment_callback_url", "environment", "deployment")]
    return found[0] or (found[1] and found[2])


def _run(given: PayloadReader, api_url: str, repository: str) -> int:
    """The number of the workflow run. It stands in the callback's address alone, which must be the one that would be
    built from the registered address; the address itself is never called."""
    pointer = "/deployment_callback_url"
    begin = f"{api_url}/repos/{repository}/actions/runs/"
    found = re.fullmatch(re.escape(begin) + r"([1-9][0-9]{0,18})/deployment_protection_rule", given.text(pointer, 1000))
    if found is None or int(found[1]) > LARGEST_NUMBER:
        raise refused(pointer, f"{begin}<run>/deployment_protection_rule, which follows from the registered address")
    return int(found[1])


def token_path(facts: dict[str, int]) -> str:
    return f"/app/installations/{facts['installation']}/access_tokens"


def answer_path(repository: str, facts: dict[str, int]) -> str:
    return f"/repos/{repository}/actions/runs/{facts['run']}/deployment_protection_rule"


def answer_body(place: str, word: str, comment: str) -> dict[str, str]:
    """Without a `state` it is a status report, and nothing is decided."""
    states = {"passed": "approved", "failed": "rejected"}
    body = {"environment_name": place, "comment": comment[:LONGEST_COMMENT]}
    return body | ({"state": states[word]} if word in states else {})
