"""Lint reports of contracts: as strict as tier, layer and class of data ask, and as whose contract it is."""

from __future__ import annotations

from functools import lru_cache

from catalog.domain import contract_engine
from catalog.domain.contract_engine import LintFinding, LintReport, RuleOutcome
from catalog.domain.facts import VersionFacts
from catalog.selectors import apis, contracts
from kernel.errors import NotFound
from kernel.viewer import Viewer


@lru_cache(maxsize=32)
def _report(digest: str, tier: int | None, layer: str | None, data_class: str | None, profile: str) -> LintReport:
    document = contracts.document(digest)
    return contract_engine.lint(document, tier=tier, layer=layer, data_class=data_class, profile=profile)


def of_version(version: VersionFacts, digest: str) -> LintReport:
    """What the rules say of a contract of this version. A contract never changes, so the last 32 reports are kept.
    Raises NotFound `contract.unknown`.
    """
    profile = "third-party" if version.third_party else "own"
    return _report(digest, version.tier, version.layer or None, version.data_class or None, profile)


def for_people(report: LintReport) -> tuple[LintFinding, ...]:
    """The findings, with those of a rule that fails nearly everywhere as one."""
    return contract_engine.lint_groups(report)


def outcome_of(report: LintReport, rule: str) -> RuleOutcome:
    """What became of one rule. Raises NotFound `lint.rule_unknown`."""
    found = next((outcome for outcome in report.outcomes if outcome.rule == rule), None)
    if found is None:
        raise NotFound("lint.rule_unknown", f"There is no contract rule {rule[:80]!r}. The report lists all of them.")
    return found


def digest_of(version: VersionFacts, *, proposed: bool, viewer: Viewer) -> str | None:
    """The contract that is looked at: the present one, None where there is none; or the one that waits for approval.
    Raises NotFound `contract.unknown` where none waits, or the viewer may not see it.
    """
    if not proposed:
        return version.contract_digest
    digest = version.proposed_digest
    if digest is None or not apis.may_see_contract(digest, viewer=viewer):
        message = f"No other contract of {version.reference} waits for approval, or you may not see it."
        raise NotFound("contract.unknown", message)
    return digest
