"""What a change tells its reader of things beside its subjects: the consumers that it reaches and what checks have
found there. More people read an integration's change than may see the APIs that it calls; of those it tells nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from governance.domain import kinds
from governance.domain.kinds import ChangeKind
from governance.domain.subject import AffectedConsumer, Subject
from governance.models import ChangeRequest, CheckResult
from governance.selectors import sight
from kernel.errors import DomainError
from kernel.viewer import Viewer

HIDDEN = "This is about a restricted API that you may not see."
HIDDEN_CHANGE = "This is about a change that you may not see."
HIDDEN_FLOW = "This is about an integration that you may not see."
UNCOUNTED = "How many uses it affects is told to those who take part in the change."
_REFERENCE = re.compile(r"\b([a-z0-9][a-z0-9-]*)@[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class ToldImpact:
    """The uses that a change reaches: those that the viewer may see, and how many there are besides. `partial`: a
    reader who has no part in the change is told of those that they see alone, whether there are others or not."""

    rows: tuple[Mapping[str, Any], ...]
    consumers: Mapping[tuple[str, str], AffectedConsumer]
    hidden: int = 0
    partial: bool = False

    @property
    def number(self) -> int:
        """Of uses that the viewer is told of."""
        return len(self.rows) + self.hidden


def impact(change: ChangeRequest, viewer: Viewer) -> ToldImpact | None:
    """None where the affected consumers are unknown. What is known of each consumer now is there for the kinds that
    reach further than their subjects, and for the others by `known_consumers`."""
    if change.impact is None:
        return None
    rows = tuple(change.impact)
    kind = _reaching_further(change)
    if kind is None:
        return ToldImpact(rows, {})
    reads_alone = not sight.takes_part(viewer, change.pk)
    if not rows:
        return ToldImpact(rows, {}, partial=reads_alone)
    known = known_consumers(change)
    unseen = sight.unseen(viewer, "api", {slug for one in known.values() for slug in one.apis})
    if not unseen:
        return ToldImpact(rows, known, partial=reads_alone)

    def told(row: Mapping[str, Any]) -> bool:
        """A use is told by an API that the viewer sees; one that is gone meanwhile, by none."""
        consumer = known.get((row["application"], row["environment"]))
        return consumer is not None and not unseen.issuperset(consumer.apis)

    shown = tuple(row for row in rows if told(row))
    return ToldImpact(shown, known, 0 if reads_alone else len(rows) - len(shown), reads_alone)


def known_consumers(change: ChangeRequest) -> dict[tuple[str, str], AffectedConsumer]:
    """By application and environment, what the owning room knows of the affected consumers now."""
    known = {}
    kind = kinds.kind(change.kind)
    for row in change.subjects.all():
        facts = kind.facts(Subject(row.kind, row.subject_id, row.digest))
        for consumer in (facts.consumers_affected or ()) if facts else ():
            known[consumer.application, consumer.environment] = consumer
    return known


def checks(change: ChangeRequest, results: Iterable[CheckResult], viewer: Viewer) -> list[CheckResult]:
    """The results as the viewer is told them, in memory alone: what is about an API that they may not see says only
    that."""
    rows = list(results)
    _without_flows(rows, viewer)
    _without_changes(rows, viewer)
    if _reaching_further(change) is None:
        return rows
    if not sight.takes_part(viewer, change.pk):
        for row in rows:
            row.why = UNCOUNTED if row.check_id == "impact.known" and row.status == "passed" else row.why
    named = {row.pk: [_apis(found) for found in row.findings] for row in rows}
    whys = {row.pk: _named(row.why) for row in rows}
    slugs = {slug for several in named.values() for one in several for slug in one}.union(*whys.values())
    if not (unseen := sight.unseen(viewer, "api", slugs)):
        return rows
    for row in rows:
        silent = {str(f.get("message")) for f, apis in zip(row.findings, named[row.pk], strict=True) if unseen & apis}
        row.findings = [
            {**_place(found), "message": HIDDEN} if unseen & apis else found
            for found, apis in zip(row.findings, named[row.pk], strict=True)
        ]
        if row.why in silent or unseen & whys[row.pk]:
            row.why = HIDDEN
    return rows


def _without_flows(rows: Iterable[CheckResult], viewer: Viewer) -> None:
    """Findings name the integrations that they are about in `flows`; of one that the viewer may not see, they tell the
    place alone, once."""
    named = {key for row in rows for found in row.findings for key in found.get("flows", ())}
    if not (unseen := sight.unseen(viewer, "integration", named)):
        return
    for row in rows:
        told = [
            {**_place(found), "message": HIDDEN_FLOW} if unseen.intersection(found.get("flows", ())) else found
            for found in row.findings
        ]
        row.findings = [found for number, found in enumerate(told) if found not in told[:number]]


def _without_changes(rows: Iterable[CheckResult], viewer: Viewer) -> None:
    """Findings about another change name it in `change`; of one that the viewer may not see, they tell nothing else."""
    named = {int(found["change"]) for row in rows for found in row.findings if found.get("change") is not None}
    if not named or viewer.sees_everything:
        return
    seen = set(sight.of_changes(viewer).filter(pk__in=named).values_list("pk", flat=True))
    for row in rows:
        row.findings = [
            {**_place(found), "message": HIDDEN_CHANGE} if found.get("change") in named - seen else found
            for found in row.findings
        ]


def _place(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found.get(name) for name in ("rule", "level", "pointer")}


def messages(findings: Iterable[Mapping[str, Any]], viewer: Viewer) -> list[str]:
    """The words of findings that stand apart from their change; of those about an API that the viewer may not see,
    only that."""
    rows = [(str(found.get("message", "")), _apis(found), set(found.get("flows", ()))) for found in findings]
    unseen = sight.unseen(viewer, "api", set().union(*(apis for _, apis, _ in rows)))
    hidden = sight.unseen(viewer, "integration", set().union(*(flows for *_, flows in rows)))
    told = (HIDDEN if unseen & apis else HIDDEN_FLOW if hidden & flows else message for message, apis, flows in rows)
    return list(dict.fromkeys(told))


def _apis(found: Mapping[str, Any]) -> set[str]:
    return {*found.get("apis", ()), *_named(str(found.get("message", "")))}


def _named(text: str) -> set[str]:
    return set(_REFERENCE.findall(text))


def reaches_further(change: ChangeRequest) -> bool:
    """Whether consumers and checks of the change tell of APIs that are no subject of it."""
    return _reaching_further(change) is not None


def _reaching_further(change: ChangeRequest) -> ChangeKind | None:
    try:
        kind = kinds.kind(change.kind)
    except DomainError:
        return None
    return kind if kind.reaches_further else None
