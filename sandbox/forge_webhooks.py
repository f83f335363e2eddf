"""Webhooks as GitHub and GitLab send them: bodies of the documented shape, and headers with their signatures.

Sources: docs.github.com, *Webhook events and payloads* (`deployment_protection_rule`), *Validating webhook deliveries*;
docs.gitlab.com, *External status checks API* (example payload), and GitLab's `ExternalStatusChecks::DispatchService`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from typing import Any


def github(
    *,
    api_url: str,
    repository: str,
    repository_id: int,
    run: int,
    environment: str,
    sha: str,
    deployment: int = 1001,
    installation: int = 77,
    ref: str = "v4.12.0",
) -> dict[str, Any]:
    """The body of `deployment_protection_rule`, action `requested`."""
    owner = {"login": repository.partition("/")[0], "id": 9, "type": "Organization", "site_admin": False}
    base = f"{api_url}/repos/{repository}"
    return {
        "action": "requested",
        "environment": environment,
        "event": "push",
        "deployment_callback_url": f"{base}/actions/runs/{run}/deployment_protection_rule",
        "deployment": {
            "url": f"{base}/deployments/{deployment}",
            "id": deployment,
            "node_id": "DE_kwDOA",
            "task": "deploy",
            "original_environment": environment,
            "environment": environment,
            "description": None,
            "created_at": "2026-11-23T12:00:00Z",
            "updated_at": "2026-11-23T12:00:00Z",
            "statuses_url": f"{base}/deployments/{deployment}/statuses",
            "repository_url": base,
            "creator": {"login": "octocat", "id": 5, "type": "User", "site_admin": False},
            "sha": sha,
            "ref": ref,
            "payload": {},
            "transient_environment": False,
            "production_environment": environment == "production",
            "performed_via_github_app": None,
        },
        "pull_requests": [],
        "repository": {
            "id": repository_id,
            "node_id": "R_kgDOA",
            "name": repository.rpartition("/")[2],
            "full_name": repository,
            "private": True,
            "owner": owner,
            "default_branch": "main",
        },
        "organization": {"login": owner["login"], "id": 9},
        "installation": {"id": installation, "node_id": "MDIzOkludGVncmF0aW9u"},
        "sender": {"login": "octocat", "id": 5, "type": "User", "site_admin": False},
    }


def gitlab(
    *, project: int, repository: str, iid: int, sha: str, branch: str = "main", check: int = 1, state: str = "opened"
) -> dict[str, Any]:
    """The body of an external status check."""
    web = f"http://gitlab.example.com/{repository}"
    place = {"id": project, "name": repository.rpartition("/")[2], "path_with_namespace": repository, "web_url": web}
    return {
        "object_kind": "merge_request",
        "event_type": "merge_request",
        "user": {"id": 1, "name": "Administrator", "username": "root", "email": "[REDACTED]"},
        "project": {**place, "default_branch": "main", "visibility_level": 0},
        "object_attributes": {
            "id": 144,
            "iid": iid,
            "author_id": 1,
            "title": "Update README.md",
            "description": "",
            "state": state,
            "state_id": 1,
            "source_branch": "patch-1",
            "source_project_id": project,
            "target_branch": branch,
            "target_project_id": project,
            "merge_status": "can_be_merged",
            "url": f"{web}/-/merge_requests/{iid}",
            "source": place,
            "target": place,
            "last_commit": {
                "id": sha,
                "message": "Update README.md",
                "timestamp": "2026-11-23T12:00:00+00:00",
                "url": f"{web}/-/commit/{sha}",
                "author": {"name": "Administrator", "email": "admin@example.com"},
            },
            "work_in_progress": False,
            "detailed_merge_status": "mergeable",
        },
        "labels": [],
        "changes": {},
        "repository": {"name": place["name"], "url": f"ssh://gitlab.example.com/{repository}.git"},
        "external_approval_rule": {"id": check, "name": "Tillgate", "external_url": "https://tillgate.example.com/"},
    }


def signed(provider: str, secret: str, payload: dict[str, Any] | bytes) -> tuple[bytes, dict[str, str]]:
    """The bytes and the headers. GitHub numbers each delivery; GitLab's dispatch sends a signature alone."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    made = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    if provider == "gitlab":
        return body, {"Content-Type": "application/json", "X-Gitlab-Signature": made}
    return body, {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/044aadd",
        "X-GitHub-Event": "deployment_protection_rule",
        "X-GitHub-Delivery": str(uuid.uuid4()),
        "X-GitHub-Hook-ID": "292430182",
        "X-GitHub-Hook-Installation-Target-Type": "integration",
        "X-Hub-Signature-256": f"sha256={made}",
    }
