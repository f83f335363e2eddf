"""A code host: GitHub's side of a deployment protection rule, and GitLab's of an external status check.

    POST /app/installations/<id>/access_tokens           GitHub; signed in by the JWT (RS256) of the app
    POST /repos/<owner>/<name>/actions/runs/<run>/deployment_protection_rule
                                                         GitHub; a token of the installation; 204, 422 once decided
    POST /api/v4/projects/<id>/merge_requests/<iid>/status_check_responses
                                                         GitLab; PRIVATE-TOKEN; 201, 409 for a commit that is not head

What is there is said by orders: `{"app": {"id", "public_key"}}`, `{"run": {"repository", "repository_id", "run",
"environment", "installation"}}`, `{"merge_request": {"project", "iid", "sha", "check"}}`. `{"limit": {"status",
"headers", "times"}}` answers the next calls so; `{"expire": true}` ends every token that was given out. The webhooks
are made by `sandbox.forge_webhooks`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jwt

from sandbox.faults import BadControl
from sandbox.server import Answer, Call, Emulator, Operation, Refusal, answer

LONGEST_COMMENT, MOST_REPORTS = 1024, 10
GITLAB = "/api/v4/projects/"


@dataclass
class WaitingRun:
    """A workflow run whose job waits at an environment with the rule."""

    repository: str
    repository_id: int
    run: int
    environment: str
    installation: int
    state: str = ""
    reports: int = 0

    @property
    def ref(self) -> str:
        return f"{self.repository}/{self.run}/{self.environment}"


@dataclass
class InstallationToken:
    installation: int
    repositories: tuple[int, ...]
    permissions: dict[str, str]
    until: datetime


@dataclass
class MergeRequest:
    project: int
    iid: int
    sha: str
    check: int
    answers: list[str] = field(default_factory=list)


class Forge(Emulator):
    name = "forge"

    def __init__(self, state: Path, *, seed: int = 1, token: str) -> None:
        super().__init__(state, seed=seed)
        self.settings = {"token_seconds": 3600.0}
        self.app: dict[str, str] = {}
        self.runs: dict[str, WaitingRun] = {}
        self.merge_requests: dict[tuple[int, int], MergeRequest] = {}
        self.tokens: dict[str, InstallationToken] = {}
        self.limits: list[tuple[int, list[tuple[str, str]]]] = []
        self.decided: dict[str, str] = {}
        self._accept(token=token)

    def resolve(self, method: str, path: str) -> Operation | None:
        parts = path.strip("/").split("/")
        match method, *parts:
            case "POST", "app", "installations", number, "access_tokens":
                return Operation("github.token", True, self._limited(self._give_token), (number,))
            case "POST", "repos", owner, name, "actions", "runs", run, "deployment_protection_rule":
                return Operation("github.review", True, self._limited(self._review), (f"{owner}/{name}", run))
            case "POST", "api", "v4", "projects", project, "merge_requests", iid, "status_check_responses":
                return Operation("gitlab.status", True, self._limited(self._status), (project, iid))
        return None

    def refusal(self, refused: Refusal) -> Answer:
        return answer({"message": refused.message}, refused.status)

    def _limited(self, handle: Any) -> Any:
        def limited(call: Call) -> Answer:
            if self.limits:
                status, headers = self.limits.pop(0)
                raise Refusal(status, "limited", "API rate limit exceeded", headers=headers)
            made: Answer = handle(call)
            return made

        return limited

    # GitHub

    def _give_token(self, call: Call) -> Answer:
        self._require_app(call)
        body, now = call.json(), self.journal.now()
        installation = int(call.params[0])
        granted = {run.repository_id for run in self.runs.values() if run.installation == installation}
        wanted = tuple(body.get("repository_ids") or sorted(granted))
        if not granted:
            raise Refusal(404, "not_found", "Not Found")
        if not set(wanted) <= granted:
            raise Refusal(
                422, "unprocessable", "There is at least one repository that does not exist or is not accessible"
            )
        text = "ghs_" + secrets.token_hex(18)
        until = now + timedelta(seconds=self.settings["token_seconds"])
        self.tokens[text] = InstallationToken(installation, wanted, dict(body.get("permissions") or {}), until)
        return answer({"token": text, "expires_at": until.isoformat(), "permissions": body.get("permissions")}, 201)

    def _require_app(self, call: Call) -> None:
        text = call.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            claims = jwt.decode(text, self.app.get("public_key", ""), algorithms=["RS256"], issuer=self.app.get("id"))
        except (jwt.PyJWTError, ValueError, TypeError):
            raise Refusal(401, "unauthorized", "A JSON web token could not be decoded") from None
        if claims["exp"] - claims["iat"] > 660 or claims["exp"] - self.journal.now().timestamp() > 600:
            raise Refusal(401, "unauthorized", "'Expiration time' claim ('exp') is too far in the future")

    def _review(self, call: Call) -> Answer:
        repository, number = call.params
        text = call.headers.get("Authorization", "").removeprefix("Bearer ")
        token = self.tokens.get(text)
        if token is None or token.until <= self.journal.now():
            raise Refusal(401, "unauthorized", "Bad credentials")
        body = call.json()
        run = self.runs.get(f"{repository}/{number}/{body.get('environment_name')}")
        if run is None or run.repository_id not in token.repositories:
            raise Refusal(404, "not_found", "Not Found")
        if token.permissions.get("deployments") != "write":
            raise Refusal(403, "forbidden", "Resource not accessible by integration")
        state, comment = body.get("state"), body.get("comment", "")
        if state not in (None, "approved", "rejected") or len(comment) > LONGEST_COMMENT or run.state:
            raise Refusal(422, "unprocessable", "No pending deployment requests to approve or reject")
        if state is None:
            run.reports += 1
            if run.reports > MOST_REPORTS:
                raise Refusal(422, "unprocessable", "Too many status reports")
        else:
            run.state = self.decided[run.ref] = state
        effect = f"deployment.{state or 'reported'}"
        self.journal.record([{"effect": effect, "ref": run.ref, "entity": repository, "data": {"comment": comment}}])
        return Answer(204, b"")

    # GitLab

    def _status(self, call: Call) -> Answer:
        if call.headers.get("PRIVATE-TOKEN") != self.sign_in["token"]:
            raise Refusal(401, "unauthorized", "401 Unauthorized")
        body, found = call.json(), self.merge_requests.get((int(call.params[0]), int(call.params[1])))
        if found is None or body.get("external_status_check_id") != found.check:
            raise Refusal(404, "not_found", "404 Not found")
        if body.get("status") not in ("passed", "failed", "pending"):
            raise Refusal(400, "bad_request", "status does not have a valid value")
        if body.get("sha") != found.sha:
            raise Refusal(409, "conflict", "SHA does not match HEAD of source branch")
        found.answers.append(body["status"])
        ref = f"{found.project}/{found.iid}/{found.sha}"
        self.journal.record([{"effect": f"check.{body['status']}", "ref": ref, "entity": str(found.project)}])
        shown = {
            "id": len(self.journal),
            "merge_request": {"iid": found.iid},
            "external_status_check": {"id": found.check},
        }
        return answer(shown, 201)

    # control

    def control(self, order: str, value: Any) -> Any:
        if order == "app":
            self.app = {"id": str(value["id"]), "public_key": str(value["public_key"])}
        elif order == "run":
            run = WaitingRun(**value)
            run.state = run.state or self.decided.get(run.ref, "")
            self.runs[run.ref] = run
        elif order == "merge_request":
            made = MergeRequest(**value)
            self.merge_requests[made.project, made.iid] = made
        elif order == "limit":
            headers = [(name, str(text)) for name, text in (value.get("headers") or {}).items()]
            self.limits += [(int(value["status"]), headers)] * int(value.get("times", 1))
        elif order == "expire":
            self.tokens.clear()
        elif order == "tokens":
            return list(self.tokens)
        else:
            raise BadControl(f"unknown order {order!r}")
        return None

    def restore(self) -> None:
        """What was decided stays decided; which runs and merge requests there are is ordered anew."""
        for entry in self.journal.entries():
            if entry.effect in ("deployment.approved", "deployment.rejected"):
                self.decided[entry.ref or ""] = entry.effect.removeprefix("deployment.")
