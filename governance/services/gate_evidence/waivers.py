"""Waivers in force here that could set a reason aside: of the application that asks, about what the question names or
leaves out (a version that it no longer provides, one that it calls undeclared, a freeze); and those of the time before
applications were named, about what the question names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from governance.selectors import sight
from governance.services.gate_evidence.asked import Asked, GrantedWaiver, counted
from kernel import prepared_queries
from kernel.viewer import Viewer

_WAIVERS = """
select id, rule, subject_kind, subject_id, pointer, application, environment, reason, starts_at, expires_at
  from governance_waiver
 where (application = %s and (subject_kind not in ('version', 'integration') or subject_id = any(%s))
        or application = '' and subject_kind in ('version', 'integration') and subject_id = any(%s))
   and subject_id not like 'a restricted %%' -- the name of one answer: in the next it may be another's
   and environment = %s and state = 'granted' and starts_at <= %s and expires_at > %s order by id
"""
NOT_TOLD = "not told: it is about something that you may not see"


def granted(
    question: Mapping[str, Any], as_of: datetime, hidden: frozenset[str], beside: Iterable[str]
) -> tuple[GrantedWaiver, ...]:
    """Those in force that could set a reason aside: of the application that asks, about what the question names or
    what records and calls name `beside` it; and old ones of no application. Of those, none comes by what the asker may
    not see, though the question names it."""
    named = {entry["ref"] for key in ("consumes", "provides", "integrations") for entry in question[key] or ()}
    about = [sorted(named.union(beside)), sorted(named - hidden)]
    parameters = [question["application"], *about, question["environment"], as_of, as_of]
    return tuple(GrantedWaiver(*row) for row in prepared_queries.rows(_WAIVERS, parameters))


def about_hidden_integrations(waivers: Iterable[GrantedWaiver], brought: set[str], viewer: Viewer) -> frozenset[int]:
    """Who knows the digest of an integration has seen its release."""
    listed = [one for one in waivers if one.subject_kind == "integration" and one.subject_id not in brought]
    return frozenset(one.id for one in listed if not sight.sees(viewer, "integration", one.subject_id))


def gather(asked: Asked) -> dict[str, Any]:
    """Each with its five parts: rule, subject, pointer, application, environment. `none` where the waiver names no
    pointer or application. What the asker may not see is told by its name of this answer, in the pointer as well."""
    return counted({str(one.id): _words(asked, one) for one in asked.waivers})


def _words(asked: Asked, one: GrantedWaiver) -> dict[str, Any]:
    kept_back = one.id in asked.kept_back
    subject = f"a restricted integration ({one.id})" if kept_back else asked.told(one.subject_id)
    return {
        "rule": one.rule,
        "subject": subject,
        "pointer": _place(asked, one, subject) or "none",
        "application": one.application or "none",
        "environment": one.environment,
        "reason": one.reason if subject == one.subject_id else NOT_TOLD,
        "starts_at": one.starts_at.isoformat(),
        "expires_at": one.expires_at.isoformat(),
    }


def _place(asked: Asked, one: GrantedWaiver, subject: str) -> str:
    """The pointer as the asker is told of it, which may end with a consumer."""
    place, at, consumer = one.pointer.replace(one.subject_id, subject).rpartition("/consumers/items/")
    return f"{place}{at}{asked.told_consumer(consumer, one.subject_id) if at else consumer}"
