"""What the approval of a waiver binds, by digest: all that the waiver says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol

from kernel.digest import digest_of


class WaiverWords(Protocol):
    """A waiver as its row has it; of a waiver of before, `subject_digest` and `seen_findings` are None."""

    @property
    def rule(self) -> str: ...
    @property
    def pointer(self) -> str: ...
    @property
    def subject_kind(self) -> str: ...
    @property
    def subject_id(self) -> str: ...
    @property
    def subject_digest(self) -> str | None: ...
    @property
    def seen_findings(self) -> Iterable[Mapping[str, Any]] | None: ...
    @property
    def application(self) -> str: ...
    @property
    def environment(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def starts_at(self) -> datetime: ...
    @property
    def expires_at(self) -> datetime: ...


def document(waiver: WaiverWords) -> dict[str, Any]:
    """What is approved: exactly this, and its digest binds all of it."""
    return {
        "rule": waiver.rule,
        "pointer": waiver.pointer,
        "subject": {"kind": waiver.subject_kind, "id": waiver.subject_id}
        | ({} if waiver.subject_digest is None else {"digest": waiver.subject_digest}),
        "environment": waiver.environment,
        "reason": waiver.reason,
        "starts_at": waiver.starts_at.isoformat(),
        "expires_at": waiver.expires_at.isoformat(),
        **({"application": waiver.application} if waiver.application else {}),
        # By digest: who approves a waiver may read it without the right to read all that a check names.
        **({} if waiver.seen_findings is None else {"findings": sorted(map(digest_of, waiver.seen_findings))}),
    }
