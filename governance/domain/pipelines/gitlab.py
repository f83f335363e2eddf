"""GitLab's external status checks of merge requests.

Sources: docs.gitlab.com, *External status checks API* (payload, `status_check_responses`), *External status checks*
(409 for a commit that is not the head, two minutes of `pending`); GitLab's `API::StatusChecks`.
"""

from __future__ import annotations

from typing import Any

from governance.domain.pipelines.asked_review import AskedReview, NothingAsked, PayloadReader, refused


def read(payload: Any) -> AskedReview | NothingAsked:
    """What the webhook asks for. Raises Invalid `pipeline.payload` for one that is not of the documented form."""
    given = PayloadReader(payload)
    if (kind := given.text("/object_kind", 40)) != "merge_request":
        return NothingAsked(f"an object of kind {kind!r} asks for no decision")
    if given.find("/external_approval_rule") is None:
        return NothingAsked("a merge request without external_approval_rule is no external status check")
    project, iid = given.number("/object_attributes/target_project_id"), given.number("/object_attributes/iid")
    if given.number("/project/id") != project:
        raise refused("/project/id", "the project that is merged into")
    if (state := given.text("/object_attributes/state", 40)) != "opened":
        return NothingAsked(f"the merge request is {state}", over=f"{project}:{iid}:")
    check, sha = given.number("/external_approval_rule/id"), given.sha("/object_attributes/last_commit/id")
    return AskedReview(
        key=f"{project}:{iid}:{check}:{sha}",
        repository_id=project,
        repository=given.repository("/project/path_with_namespace"),
        place=given.text("/object_attributes/target_branch"),
        sha=sha,
        ref=given.text("/object_attributes/source_branch"),
        facts={"merge_request": iid, "check": check},
    )


def answer_path(project: int, facts: dict[str, int]) -> str:
    return f"/projects/{project}/merge_requests/{facts['merge_request']}/status_check_responses"


def answer_body(sha: str, facts: dict[str, int], word: str) -> dict[str, Any]:
    """`word` is passed, failed or pending, as GitLab says it."""
    return {"sha": sha, "external_status_check_id": facts["check"], "status": word}
