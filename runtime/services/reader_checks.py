"""The check of a change of an API version that the deployed and approved integrations pose: no field that one of them
uses is removed, or changes so that its mapping does not fit it any more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from catalog.domain.facts import VersionFacts
from catalog.selectors import contracts
from governance.domain import checks, kinds
from governance.domain.checks import Check, CheckContext, CheckOutcome
from governance.domain.subject import SubjectFacts
from governance.services.catalog.subject_facts import on_version
from kernel.errors import Invalid
from kernel.ui.wording import counted
from kernel.viewer import SYSTEM
from runtime.services import field_readers, reader_effects
from runtime.services.field_readers import ContractPlaces, FlowUse
from runtime.services.reader_effects import Effect

_NOTHING = "No field that a deployed or approved integration uses is removed or stops fitting its mapping."
_FIX = (
    "Deploy releases that do without what changes, publish the contract as a new version beside the present one, or "
    "ask for a waiver."
)
_UNCOMPARED = "Upload a contract of a comparable kind."


@on_version
def _readers(context: CheckContext, facts: SubjectFacts, version: VersionFacts) -> CheckOutcome:
    """Flows that pin the version, or the one that it follows. Beside a version that lives on, effects only warn: they
    come when a flow moves."""
    if context.change.kind == "version.retire":
        return _retired(version)
    before = facts.extras.get("before")
    if facts.base_digest is None or not isinstance(before, VersionFacts):
        return checks.not_applicable("It is the first version: nothing that somebody uses is removed.")
    if facts.digest is None:
        return checks.not_run("There is no contract to compare.", ["Upload a contract."])
    flows = field_readers.of_version(SYSTEM, before)
    if not flows:
        return checks.passed(_NOTHING)
    try:
        compared = contracts.compare(facts.base_digest, facts.digest, as_of=context.as_of.date())
    except Invalid as error:
        return checks.not_run(f"The two contracts cannot be compared: {error.message}", [_UNCOMPARED])
    if not (compared.breaking or compared.warnings):
        return checks.passed(_NOTHING)
    lives_on = context.change.kind != "contract.change" and before.state == "published" and before.sunset_at is None
    contracts_of = field_readers.contract_of(facts.base_digest), field_readers.contract_of(facts.digest)
    found = [_told(flow, effect, blocking=not lives_on) for flow in flows for effect in _effects(flow, *contracts_of)]
    if any(one["level"] == "error" for one in found):
        return checks.failed("Integrations that are deployed or approved use what changes.", found, [_FIX])
    if found and lives_on:
        return checks.passed(f"Integrations use what changes; {before.reference} stays as it is for them.", found)
    return checks.passed(_NOTHING, found)


def _effects(flow: FlowUse, before: ContractPlaces | None, after: ContractPlaces | None) -> Iterable[Effect]:
    if problem := reader_effects.unreadable(flow, before):
        said = f"Which fields {flow.name} {flow.use.verb} is not known: {problem}."
        return [Effect("flow.unreadable", "error", "", said)]
    if before is None or after is None:
        said = f"Whether {flow.name} still has its fields is not known: the newer contract cannot be read."
        return [Effect("flow.unreadable", "error", "", said)]
    return reader_effects.effects(flow, before, after)


def _told(flow: FlowUse, effect: Effect, *, blocking: bool) -> dict[str, Any]:
    release = flow.release
    return checks.finding(
        effect.rule,
        effect.pointer,
        effect.message,
        level=effect.level if blocking else "warning",
        flows=[release.key],
        release=release.digest,
        side=f"{flow.use.role} {flow.use.name}",
        fields=list(effect.fields),
    )


def _retired(version: VersionFacts) -> CheckOutcome:
    found = [
        checks.finding(
            "flow.version_retired",
            "",
            f"{flow.name} {flow.use.verb} {counted(len(flow.use.paths), 'field')} of {version.reference}; it stops "
            "when the version is retired.",
            flows=[flow.release.key],
            release=flow.release.digest,
            side=f"{flow.use.role} {flow.use.name}",
        )
        for flow in field_readers.of_version(SYSTEM, version)
    ]
    if found:
        fix = "Deploy releases that pin another version, or end those deployments, before it is retired."
        return checks.failed("Integrations that are deployed or approved use the version.", found, [fix])
    return checks.passed("No deployed or approved integration uses it.")


READERS = Check("flow.readers", "Fields that deployed integrations use", _readers)
PANEL = "runtime:readers-panel"
_JUDGED = ("version.publish", "contract.change", "version.retire")


def register() -> None:
    """Give the kinds of change of the catalog their check of deployed integrations, and its panel."""
    for key in _JUDGED:
        kind = kinds.kind(key)
        others = tuple(check for check in kind.checks if check.id != READERS.id)
        kinds.register(replace(kind, checks=(*others, READERS), panel=PANEL))
