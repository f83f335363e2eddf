"""The calls that answer a pipeline. They go below the registered address alone, follow no redirect, and hold their
credentials in memory for as long as they take.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import httpx
import jwt

from governance.domain.pipelines import github, gitlab
from governance.models import PipelineConnection, PipelineReview
from governance.services import pipeline_secrets
from kernel import clock, egress
from kernel.errors import Unavailable

TIMEOUT = httpx.Timeout(5.0)
LONGEST_CALL = 20.0  # seconds for reading one answer
LARGEST_ANSWER = 256 * 1024
LONGEST_PAUSE = 3600.0
NOT_REACHED = "The provider did not answer, or lies in a network that is not called (EGRESS_SYSTEMS)."
"""For whatever keeps an answer from coming; the server's log says what it was."""
log = logging.getLogger(__name__)
Kind = Literal["taken", "overtaken", "later", "fault"]


@dataclass(frozen=True, slots=True)
class AnswerOutcome:
    """What became of an answer. `later`: again by itself, after `pause` seconds where the provider named a time;
    `fault`: again, and the owner has something to do; `overtaken`: the provider has decided without us."""

    kind: Kind
    status: int | None = None
    error: str = ""
    pause: float | None = None


class _Failed(Exception):
    """Carries the outcome out of a call that cannot go on."""

    def __init__(self, outcome: AnswerOutcome) -> None:
        super().__init__(outcome.error)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class PipelineCall:
    """Everything that a call needs, read from the database before: it runs in a thread of its own without one."""

    provider: str
    api_url: str
    app_id: str
    credential: str
    repository_id: int
    repository: str
    place: str
    sha: str
    facts: Mapping[str, int]

    @classmethod
    def of(cls, row: PipelineConnection, review: PipelineReview) -> PipelineCall:
        """Raises Unavailable `pipeline.secret`."""
        return cls(
            provider=row.provider,
            api_url=row.api_url,
            app_id=row.app_id,
            credential=pipeline_secrets.read(row.credential_ref),
            repository_id=review.repository_id,
            repository=review.repository,
            place=review.place,
            sha=review.sha,
            facts=review.facts,
        )

    def __repr__(self) -> str:
        return f"PipelineCall({self.provider}, {self.repository}, {self.place})"

    def answer(self, word: str, comment: str) -> AnswerOutcome:
        """Tell the provider. Never raises for what the provider does."""
        try:
            with egress.client(egress.systems(), TIMEOUT) as http:
                return self._github(http, word, comment) if self.provider == "github" else self._gitlab(http, word)
        except _Failed as failed:
            return failed.outcome
        except (httpx.HTTPError, httpx.InvalidURL) as problem:
            log.warning("the pipeline's provider was not reached: %r", problem)
            return AnswerOutcome("later", None, NOT_REACHED)

    def _github(self, http: httpx.Client, word: str, comment: str) -> AnswerOutcome:
        headers = {"accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28"}
        token = self._installation_token(http, headers)
        path = github.answer_path(self.repository, dict(self.facts))
        body = github.answer_body(self.place, word, comment)
        status, given, _ = self._post(http, path, body, {**headers, "authorization": f"Bearer {token}"})
        if status == 204:
            return AnswerOutcome("taken", status)
        if status == 422:
            return AnswerOutcome("overtaken", status, "GitHub says that there is nothing left to decide (422).")
        return _refused(status, given, "the answer")

    def _installation_token(self, http: httpx.Client, headers: dict[str, str]) -> str:
        """A token for this repository and for deployments alone."""
        body = {"repository_ids": [self.repository_id], "permissions": {"deployments": "write"}}
        sent = {**headers, "authorization": f"Bearer {self._signed_in()}"}
        status, given, raw = self._post(http, github.token_path(dict(self.facts)), body, sent)
        if status != 201:
            raise _Failed(_refused(status, given, "the sign-in of the GitHub App"))
        token = _member(raw, "token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not 1 <= len(token) <= 4000:
            raise _Failed(AnswerOutcome("later", status, "GitHub's answer to the sign-in has no usable token."))
        return token

    def _signed_in(self) -> str:
        """The JSON Web Token of the GitHub App: RS256, from a minute ago for clocks that differ, for nine minutes."""
        now = int(clock.now().timestamp())
        try:
            return jwt.encode({"iat": now - 60, "exp": now + 540, "iss": self.app_id}, self.credential, "RS256")
        except (jwt.PyJWTError, ValueError, TypeError):
            said = "The secret of the GitHub App is no private RSA key in PEM."
            raise _Failed(AnswerOutcome("fault", None, said)) from None

    def _gitlab(self, http: httpx.Client, word: str) -> AnswerOutcome:
        body = gitlab.answer_body(self.sha, dict(self.facts), word)
        headers = {"accept": "application/json", "private-token": self.credential}
        if not (self.credential.isascii() and self.credential.isprintable()):
            return AnswerOutcome("fault", None, "The access token of GitLab holds characters that no header can carry.")
        status, given, raw = self._post(http, gitlab.answer_path(self.repository_id, dict(self.facts)), body, headers)
        if status == 201:
            if _member(raw, "id") is None:
                return AnswerOutcome("later", status, "GitLab's answer is not the documented one.")
            return AnswerOutcome("taken", status)
        if status == 409:
            return AnswerOutcome("overtaken", status, "The commit is not the head of the merge request any more (409).")
        return _refused(status, given, "the answer")

    def _post(
        self, http: httpx.Client, path: str, body: Mapping[str, Any], headers: dict[str, str]
    ) -> tuple[int, httpx.Headers, bytes]:
        more = {"content-type": "application/json", "accept-encoding": "identity", "user-agent": "tillgate-pipelines/1"}
        sent = {**headers, **more}
        read, end = bytearray(), time.monotonic() + LONGEST_CALL
        content = json.dumps(body).encode()
        with http.stream("POST", self.api_url + path, content=content, headers=sent) as answer:
            for part in answer.iter_raw(16_384):
                read += part
                if len(read) > LARGEST_ANSWER or time.monotonic() > end:
                    raise _Failed(AnswerOutcome("later", answer.status_code, "The answer is too large or too slow."))
            return answer.status_code, answer.headers, bytes(read)


def _refused(status: int, headers: httpx.Headers, what: str) -> AnswerOutcome:
    """An answer that is not the documented success."""
    if status in (403, 429) and (pause := _limited(status, headers)) is not None:
        return AnswerOutcome("later", status, f"The provider limits calls ({status}).", pause)
    said = {
        401: f"The provider does not accept the credentials of {what} (401).",
        403: f"The provider does not permit {what} (403): look at the permissions of the app or token.",
        404: f"The provider does not find what {what} is about (404): is the app installed, has the token access?",
    }.get(status)
    if said is None and 300 <= status < 400:
        said = f"The provider answered {what} by a redirect ({status}), which is not followed: look at the address."
    if said is None and 400 <= status < 500 and status not in (408, 425, 429):
        said = f"The provider refused {what} ({status})."
    return (
        AnswerOutcome("fault", status, said)
        if said
        else AnswerOutcome("later", status, f"{what} was answered {status}.")
    )


def _limited(status: int, headers: httpx.Headers) -> float | None:
    """Seconds that the provider asks to wait for; None where it names no limit."""
    if (after := _number(headers.get("retry-after"))) is not None:
        return min(LONGEST_PAUSE, max(1.0, after))
    if headers.get("x-ratelimit-remaining") == "0" or headers.get("ratelimit-remaining") == "0":
        reset = _number(headers.get("x-ratelimit-reset") or headers.get("ratelimit-reset"))
        left = 60.0 if reset is None else reset - clock.now().timestamp()
        return min(LONGEST_PAUSE, max(1.0, left))
    return 60.0 if status == 429 else None


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 16 else None


def _member(raw: bytes, name: str) -> Any:
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return document.get(name) if isinstance(document, dict) else None


def call_of(row: PipelineConnection, review: PipelineReview) -> PipelineCall | AnswerOutcome:
    """The call, or why none can be made."""
    try:
        return PipelineCall.of(row, review)
    except Unavailable as error:
        return AnswerOutcome("fault", None, error.message)
