"""Waivers in force here for what the question names."""

from __future__ import annotations

from typing import Any

from governance.services.gate_evidence.asked import Asked, counted
from kernel import prepared_queries

_WAIVERS = """
select id, rule, subject_id, pointer, application, environment, reason, starts_at, expires_at from governance_waiver
 where subject_kind in ('version', 'integration') and subject_id = any(%s) and environment = %s and state = 'granted'
   and starts_at <= %s and expires_at > %s order by id
"""


def gather(asked: Asked) -> dict[str, Any]:
    """Each with its five parts: rule, subject, pointer, application, environment. `none` where the waiver names no
    pointer or application."""
    parameters = [asked.subjects, asked.environment, asked.as_of, asked.as_of]
    found = {
        str(pk): {
            "rule": rule,
            "subject": subject,
            "pointer": pointer or "none",
            "application": application or "none",
            "environment": environment,
            "reason": reason,
            "starts_at": starts.isoformat(),
            "expires_at": expires.isoformat(),
        }
        for pk, rule, subject, pointer, application, environment, reason, starts, expires in prepared_queries.rows(
            _WAIVERS, parameters
        )
    }
    return counted(found)
