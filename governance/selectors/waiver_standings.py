"""What each waiver is for, and whether that is still there: one in force may have lost what it was granted for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from django.db import connection

from catalog.selectors import gate_facts
from governance.domain import gate_rules, kinds
from governance.domain.subject import Subject, SubjectFacts
from governance.domain.waiver_documents import document
from governance.models import Waiver
from governance.selectors import told_changes
from kernel.digest import digest_of, short
from kernel.viewer import Viewer

Binds = Literal["contract", "release", "content", ""]

# `bound`: what the gate compares for a version (as `gate_evidence.waivers` does). `contents`: those of open changes
# about the subject. `unsettled`: findings at its place that open changes with its content have, and that it does not
# cover.
_FACTS = """
select w.id,
       coalesce(w.subject_digest, case
         when w.subject_kind = 'version' and seen.at >= coalesce(v.published_at, v.created_at) then coalesce(
           (select c.replaces_id
              from catalog_contractrevision c
             where c.version_id = v.id
               and c.adopted_at > seen.at
             order by c.adopted_at
             limit 1), v.contract_id, '') end) as bound,
       coalesce(v.contract_id, '') as contract,
       open.contents,
       open.unsettled
  from governance_waiver w
  left join catalog_api a on w.subject_kind = 'version' and a.slug = split_part(w.subject_id, '@', 1)
  left join catalog_apiversion v on v.api_id = a.id and v.label = split_part(w.subject_id, '@', 2)
 cross join lateral (
       select coalesce(min(s.sealed_at), w.granted_at) as at
         from governance_approval s
        where s.subject_kind = 'waiver' and s.subject_id = w.id::text and s.digest = w.digest) seen
 cross join lateral (
       select coalesce(array_agg(distinct s.digest) filter (where s.digest is not null), '{}') as contents,
              count(*) filter (where said.finding is not null
                                 and not governance_waiver_saw(w.id, c.id, s.digest, said.finding)) as unsettled
         from governance_changesubject s
         join governance_changerequest c
           on c.id = s.change_id
          and c.environment = w.environment
          and c.state in ('draft', 'in_review', 'approved')
         left join lateral (
              select f as finding
                from governance_checkresult r
               cross join jsonb_array_elements(r.findings) f
               where r.change_id = c.id
                 and r.revision = c.revision
                 and r.status = 'failed'
                 and s.digest = coalesce(w.subject_digest, s.digest)
                 and f ->> 'level' = 'error'
                 and f ->> 'rule' = w.rule
                 and coalesce(f ->> 'pointer', '') = w.pointer
                 and coalesce(f ->> 'subject', s.kind || ' ' || s.subject_id) = s.kind || ' ' || s.subject_id) said
           on true
        where s.kind = w.subject_kind
          and s.subject_id = w.subject_id) open
 where w.id = any(%s)
"""


@dataclass(frozen=True, slots=True)
class WaiverStanding:
    """`binds` says what `digest` is of; both are empty where the waiver is for no content of its own. `said` are the
    words of the check that it covers. `lapsed` says why it does not hold any more for what there is now, if so."""

    binds: Binds
    digest: str
    said: tuple[str, ...]
    lapsed: str


def standings(waivers: Sequence[Waiver], viewer: Viewer) -> dict[int, WaiverStanding]:
    """By id, in a fixed number of queries and one more for each integration, boundary or other thing."""
    by_id = {waiver.pk: waiver for waiver in waivers}
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, [list(by_id)])
        facts = {row[0]: row[1:] for row in cursor.fetchall()}
    made: dict[int, WaiverStanding] = {}
    known: dict[tuple[str, str], str] = {}
    for key, (bound, contract, contents, unsettled) in facts.items():
        waiver = by_id[key]
        at_gate = waiver.rule in gate_rules.DENIALS
        binds = _KINDS.get(waiver.subject_kind, "" if at_gate else "content")
        thing = waiver.subject_kind, waiver.subject_id
        if binds and thing not in known:
            known[thing] = contract if binds == "contract" else present_digest(*thing) or ""
        now, digest = known.get(thing, ""), bound if at_gate else waiver.subject_digest
        lapsed = _of_gate(waiver, binds, digest, now)
        if not at_gate:
            lapsed = _of_finding(waiver, binds, now, contents, unsettled)
        made[key] = WaiverStanding(binds, digest or "", _said(waiver, viewer), lapsed)
    return made


def present_facts(subject_kind: str, subject_id: str) -> SubjectFacts | None:
    """What the owning room says of the thing as it is now."""
    thing = Subject(subject_kind, subject_id, "")
    for kind in kinds.all_kinds():
        if kind.subject_kind == subject_kind != "waiver" and (found := kind.facts(thing)) is not None:
            return found
    return None


def moved(subject_kind: str, subject_id: str, digest: str) -> str:
    """Why nothing that there is now has this digest any more, or empty where something has: the thing itself, a
    contract that is proposed for it, a release that is registered."""
    known = [
        facts
        for kind in kinds.all_kinds()
        if kind.subject_kind == subject_kind
        for given in (digest, "")
        if (facts := kind.facts(Subject(subject_kind, subject_id, given))) is not None
    ]
    if any(facts.digest == digest for facts in known):
        return ""
    return f"{_now(subject_id, present_digest(subject_kind, subject_id) or '')}, which this does not cover."


def bound_kind(subject_kind: str) -> Binds:
    """What the digest of such a thing is of."""
    return _KINDS.get(subject_kind, "content")


def present_digest(subject_kind: str, subject_id: str) -> str | None:
    """What the thing is at now: a version at its contract, not at one that is proposed for it. "" where it has no
    document, None for a thing that nobody knows."""
    if subject_kind == "version":
        version = gate_facts.versions([subject_id]).get(subject_id)
        return None if version is None else version.contract_digest or ""
    facts = present_facts(subject_kind, subject_id)
    return None if facts is None else facts.digest or ""


def _of_gate(waiver: Waiver, binds: Binds, digest: str | None, now: str) -> str:
    if digest_of(document(waiver)) != waiver.digest:
        return "It does not say what was approved any more, so it opens nothing. Ask for a new one."
    if not binds or digest == now:
        return ""
    if digest is None:
        return f"It does not say which {binds} its approvers saw, so it opens nothing. Ask for a new one."
    if binds == "release":
        return f"It is for this release alone. {_now(waiver.subject_id, now)}."
    return f"{_now(waiver.subject_id, now)}, so it opens nothing. Ask for a new one."


def _of_finding(waiver: Waiver, binds: Binds, now: str, contents: Iterable[str], unsettled: int) -> str:
    digest = waiver.subject_digest
    if digest is None:
        said = "What was checked when it was approved has changed since, which it does not cover. Ask for a new one."
        return said if unsettled else ""
    if digest != now and digest not in contents:
        return f"{_now(waiver.subject_id, now)}, so it settles nothing of that. Ask for a new one."
    if unsettled:
        return "The check says something else at this place now, which it does not cover. Ask for a new one."
    return ""


def _now(subject_id: str, digest: str) -> str:
    return f"{subject_id} is at {short(digest)} now" if digest else f"{subject_id} has no document now"


def _said(waiver: Waiver, viewer: Viewer) -> tuple[str, ...]:
    return tuple(told_changes.messages(waiver.seen_findings or (), viewer))


_KINDS: Mapping[str, Binds] = {"version": "contract", "integration": "release"}
