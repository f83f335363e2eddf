"""The kinds of change. Each room registers its own in `AppConfig.ready()`; governance imports none of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from governance.domain.checks import Check, CheckContext, CheckOutcome
from governance.domain.subject import AffectedConsumer, Subject, SubjectFacts
from kernel.errors import Invalid

__all__ = [
    "AffectedConsumer",
    "ApprovedSubject",
    "ChangeKind",
    "Check",
    "CheckContext",
    "CheckOutcome",
    "Subject",
    "SubjectComparison",
    "SubjectFacts",
    "all_kinds",
    "kind",
    "register",
]


@dataclass(frozen=True, slots=True)
class ApprovedSubject:
    """What `apply` gets. `actor` None is the system."""

    subject: Subject
    approval_id: int
    environment: str
    parameters: Mapping[str, Any]
    actor: Any
    at: datetime


@dataclass(frozen=True, slots=True)
class SubjectComparison:
    """The differences between `facts.old` and `facts.new` as a kind sees them, better than a plain JSON difference.

    `findings`: `{"id", "rule", "level": breaking|attention|compatible, "pointer", "message", "operations"?,
    "component"?}`.
    """

    findings: tuple[Mapping[str, Any], ...]
    how: str


@dataclass(frozen=True, slots=True)
class ChangeKind:
    """One kind of change and the functions that the owning room gives for it (docs/how-to/add-a-change-kind.md).

    - `facts(subject)` returns None when the subject is unknown.
    - `checks` run beside the built-in ones.
    - `offered` are checks that run only where a policy asks for them by their id.
    - `panel` is the name of a URL that takes the subject id and returns an htmx fragment.
    - `apply` applies an approved change in the caller's transaction; None where another room pulls its approval
      (deployments).
    - `compare` returns findings for the differences page; without it the page shows the plain JSON difference.
    - `propose` puts the parameters of the change (a sunset date, another tier) into the facts, so that difference and
      impact show them.
    - `subject_kind` limits what the change may be about.
    - `follows` False: open changes of this kind keep their digest when the subject has a new one (a rollback names a
      release).
    - `parameters` names what the author may choose beside the subject; None admits anything.
    - `quorum(parameters)` gives the slots that the kind itself asks for, whatever the policies say.
    - `passes_freezes` True: a freeze window does not stop it, because it is about the freeze, or puts nothing live by
      itself.
    - `around(facts, environment)` puts into the facts what of the environment the approval binds beside the digest.
    - `digest_of(subject, parameters)` is the digest of what is proposed, where the change is about a thing as it would
      be: other parameters are another subject.
    - `reaches_further` True: consumers and checks tell of APIs that are no subject of it, so its readers are told only
      of those that they see (`selectors.told_changes`). Such consumers and findings name them in `apis`.
    - `submitted(subject, actor)` and `closed(subject, "rejected" | "withdrawn", actor)` run in the transaction of
      that step.
    """

    key: str
    label: str
    facts: Callable[[Subject], SubjectFacts | None] = field(compare=False)
    checks: tuple[Check, ...] = field(default=(), compare=False)
    panel: str = ""
    apply: Callable[[ApprovedSubject], None] | None = field(default=None, compare=False)
    compare: Callable[[Subject, SubjectFacts, datetime], SubjectComparison | None] | None = field(
        default=None, compare=False
    )
    propose: Callable[[Subject, SubjectFacts, Mapping[str, Any]], SubjectFacts] | None = field(
        default=None, compare=False
    )
    subject_kind: str = ""
    follows: bool = True
    parameters: tuple[str, ...] | None = field(default=None, compare=False)
    quorum: Callable[[Mapping[str, Any]], Mapping[str, int]] | None = field(default=None, compare=False)
    passes_freezes: bool = False
    around: Callable[[SubjectFacts, str], SubjectFacts] | None = field(default=None, compare=False)
    digest_of: Callable[[Subject, Mapping[str, Any]], str | None] | None = field(default=None, compare=False)
    reaches_further: bool = False
    submitted: Callable[[Subject, Any], None] | None = field(default=None, compare=False)
    closed: Callable[[Subject, str, Any], None] | None = field(default=None, compare=False)
    offered: tuple[Check, ...] = field(default=(), compare=False)

    def proposed(self, subject: Subject, parameters: Mapping[str, Any], environment: str) -> SubjectFacts | None:
        """What the owning room knows of a subject of a change, with what the change proposes there."""
        found = self.facts(subject)
        if found is not None and self.propose is not None:
            found = self.propose(subject, found, parameters)
        return self.around(found, environment) if found is not None and self.around is not None else found

    def named(self, subject: Subject, parameters: Mapping[str, Any]) -> Subject:
        """The subject with the digest of what is proposed."""
        digest = self.digest_of(subject, parameters) if self.digest_of is not None else None
        return replace(subject, digest=digest) if digest else subject


_kinds: dict[str, ChangeKind] = {}


def register(entry: ChangeKind) -> None:
    """Make a kind known. Registering the same key again replaces it."""
    _kinds[entry.key] = entry


def kind(key: str) -> ChangeKind:
    """The kind, or Invalid `change.unknown_kind`."""
    if key not in _kinds:
        raise Invalid("change.unknown_kind", f"There is no change kind {key!r}. Known: {', '.join(sorted(_kinds))}.")
    return _kinds[key]


def all_kinds() -> list[ChangeKind]:
    return [_kinds[key] for key in sorted(_kinds)]
