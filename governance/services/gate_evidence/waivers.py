"""Waivers in force here that could set a reason aside, for what their approvers saw (the contract of the version, the
release of the integration): of the application that asks, about what the question names or leaves out (a version that
it no longer provides, one that it calls undeclared, a freeze); and those of the time before applications were named,
about what the question names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from governance.domain.waiver_documents import document
from governance.selectors import sight
from governance.services.gate_evidence.asked import Asked, GrantedWaiver, counted
from kernel import prepared_queries
from kernel.digest import digest_of
from kernel.viewer import Viewer

_WAIVERS = """
select w.id, w.digest, w.rule, w.subject_kind, w.subject_id, w.subject_digest, w.seen_findings, w.pointer,
       w.application, w.environment, w.reason, w.starts_at, w.expires_at
  from governance_waiver w
  left join catalog_api a on w.subject_kind = 'version' and a.slug = split_part(w.subject_id, '@', 1)
  left join catalog_apiversion v on v.api_id = a.id and v.label = split_part(w.subject_id, '@', 2)
  left join lateral (
       select min(s.sealed_at) as at
         from governance_approval s
        where s.subject_kind = 'waiver' and s.subject_id = w.id::text and s.digest = w.digest) seen on true
 where (w.application = %(application)s
        and (w.subject_kind not in ('version', 'integration') or w.subject_id = any(%(about)s))
        or w.application = '' and w.subject_kind in ('version', 'integration') and w.subject_id = any(%(named)s))
   and w.subject_id not like 'a restricted %%' -- the name of one answer: in the next it may be another's
   and w.environment = %(environment)s
   and w.state = 'granted'
   and w.starts_at <= %(as_of)s
   and w.expires_at > %(as_of)s
   and case w.subject_kind
         when 'integration' then w.subject_id || ' ' || w.subject_digest = any(%(releases)s)
         when 'version' then coalesce(v.contract_id, '') = coalesce(w.subject_digest, case
           -- Of before: the contract that stood when it was approved.
           when coalesce(seen.at, w.granted_at) >= coalesce(v.published_at, v.created_at) then coalesce(
             (select c.replaces_id from catalog_contractrevision c
               where c.version_id = v.id and c.adopted_at > coalesce(seen.at, w.granted_at)
               order by c.adopted_at limit 1), v.contract_id, '') end)
         else true
       end
 order by w.id
"""
NOT_TOLD = "not told: it is about something that you may not see"


def granted(
    question: Mapping[str, Any], as_of: datetime, hidden: frozenset[str], beside: Iterable[str]
) -> tuple[GrantedWaiver, ...]:
    """Those in force that could set a reason aside: of the application that asks, about what the question names or
    what records and calls name `beside` it; and old ones of no application. Of those, none comes by what the asker may
    not see, though the question names it. One that does not say what was approved, as after a restore of a part, is
    none."""
    named = {entry["ref"] for key in ("consumes", "provides", "integrations") for entry in question[key] or ()}
    parameters = {
        "application": question["application"],
        "environment": question["environment"],
        "about": sorted(named.union(beside)),
        "named": sorted(named - hidden),
        "releases": [f"{entry['ref']} {entry['digest']}" for entry in question["integrations"]],
        "as_of": as_of,
    }
    rows = [GrantedWaiver(*row) for row in prepared_queries.rows(_WAIVERS, parameters)]
    return tuple(row for row in rows if digest_of(document(row)) == row.digest)


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
