"""Policies in force."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from governance.models import Policy
from kernel import prepared_queries

ORGANISATION = "organisation"


def levels_for(*, domain_keys: Iterable[str | None], team_keys: Iterable[str]) -> list[str]:
    """The levels that bear on a change, highest first: the organisation, its domains, its owner teams."""
    domains = sorted({f"domain:{key}" for key in domain_keys if key})
    teams = sorted({f"team:{key}" for key in team_keys if key})
    return [ORGANISATION, *domains, *teams]


def active(levels: Sequence[str]) -> list[Policy]:
    """The active policies of these levels, highest first. Levels without a policy are left out."""
    found = {policy.level: policy for policy in Policy.objects.filter(level__in=levels, state=Policy.State.ACTIVE)}
    return [found[level] for level in levels if level in found]


def present(level: str = ORGANISATION) -> Policy | None:
    return Policy.objects.filter(level=level, state=Policy.State.ACTIVE).first()


def present_digest(level: str = ORGANISATION) -> str | None:
    """Only its digest: the document need not be read for it."""
    rows = prepared_queries.rows("select digest from governance_policy where level = %s and state = 'active'", [level])
    return rows[0][0] if rows else None


def present_digests(levels: Sequence[str]) -> dict[str, str]:
    """The digest of the active policy of each of these levels that has one."""
    statement = "select level, digest from governance_policy where level = any(%s) and state = 'active' order by level"
    found: dict[str, str] = {}
    for level, digest in prepared_queries.rows(statement, [list(levels)]):
        found[level] = digest
    return found


def by_digest(level: str, digest: str) -> Policy | None:
    """The version of a level with this digest, newest first."""
    return Policy.objects.filter(level=level, digest=digest).order_by("-version").first()


def all_versions() -> list[Policy]:
    return list(Policy.objects.select_related("author").order_by("level", "-version"))


def above(level: str) -> dict[str, Any] | None:
    """The document that a policy of this level may only tighten."""
    if level == ORGANISATION:
        return None
    policy = present()
    return dict(policy.document) if policy else None
