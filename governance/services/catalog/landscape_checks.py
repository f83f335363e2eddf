"""Checks across the landscape: systems of record, SLA tiers along dependencies, and integration styles.

Each finding names its rule, its place and the evidence; each outcome says what would fix it.
"""

from __future__ import annotations

from catalog.domain.facts import VersionFacts
from catalog.selectors import boundaries, dependencies, systems
from governance.domain.checks import Check, CheckContext, CheckOutcome, failed, finding, not_applicable, not_run, passed
from governance.domain.subject import SubjectFacts
from governance.services.catalog.proposals import moment_or_none
from governance.services.catalog.subject_facts import boundary_place, on_version
from kernel.ui.wording import counted


@on_version
def _record_direction(context: CheckContext, facts: SubjectFacts, version: VersionFacts) -> CheckOutcome:
    """Only the system of record offers authoritative reads and commands; a copy must not claim to be the record."""
    touched = [use for use in version.entities if use.access in ("authoritative_read", "command")]
    if not version.entities:
        return not_run(
            f"{version.api_name} does not say which entities it exposes and how.",
            ["Name its entities and how it exposes each."],
        )
    if not touched:
        return not_applicable("It exposes only copies and events; neither claims to be the record.")
    if not version.system_key:
        return not_run(f"{version.api_name} does not say which system it belongs to.", ["Name the system of the API."])
    wrong, unknown = [], []
    for use in touched:
        place = use.entity if use.attribute_group is None else f"{use.entity}/{use.attribute_group}"
        record = boundaries.record_of(use.entity, use.attribute_group, {}, context.as_of)
        if record is None:
            unknown.append(place)
        elif record.key != version.system_key and version.layer == "system":
            wrong.append(
                finding(
                    "sor.violation",
                    "",
                    f"{version.system_key} offers {place} as {use.access.replace('_', ' ')}, "
                    f"but its system of record is {record.key}.",
                )
            )
    if wrong:
        return failed(
            f"{counted(len(wrong), 'entity use')} against a system-of-record boundary.",
            wrong,
            ["Offer it as a copy, or move the boundary first."],
        )
    if unknown:
        return not_run(f"No single system of record for {', '.join(unknown)}.", ["Name its system of record."])
    return passed(f"{counted(len(touched), 'entity use')} in line with the systems of record.")


@on_version
def _tier(context: CheckContext, facts: SubjectFacts, version: VersionFacts) -> CheckOutcome:
    if version.tier is None:
        return not_run(f"{version.api_name} has no SLA tier.", ["Choose a tier."])
    weaker = dependencies.weaker_dependencies(version.id)
    if weaker:
        listed = [
            finding(
                "tier.dependency_weaker",
                "",
                f"It needs {d.target_name} ({f'tier {d.target_tier}' if d.target_tier is not None else 'no tier'}).",
                target=d.target_key,
            )
            for d in weaker
        ]
        return failed(
            f"Tier {version.tier} depends on {counted(len(weaker), 'weaker promise')}.",
            listed,
            [f"Raise {d.target_name} to tier {version.tier}, or make the dependency soft." for d in weaker],
        )
    return passed(f"Nothing that it depends on is weaker than tier {version.tier}.")


@on_version
def _integration_style(context: CheckContext, facts: SubjectFacts, version: VersionFacts) -> CheckOutcome:
    """A system that runs in its vendor's cloud gives no access to its database, so only its APIs and files are
    supported.
    """
    if not version.system_key:
        return not_run(f"{version.api_name} does not say which system it belongs to.", ["Name the system of the API."])
    system = systems.by_key(version.system_key)
    if system is None:
        return not_run(f"The system {version.system_key} is not known.", ["Register the system."])
    style = version.style.lower()
    if style in ("sql", "database", "db", "jdbc", "odbc"):
        if system.deployment == "cloud":
            found = [
                finding(
                    "style.unsupported",
                    "",
                    f"{system.name} runs in the vendor's cloud; its database is not an interface.",
                )
            ]
            return failed(
                "Direct database access to a cloud system is not supported.",
                found,
                [f"Use an API that {system.name} offers: OData, REST, SOAP or files."],
            )
        found = [
            finding("style.discouraged", "", f"Reading {system.name} by SQL depends on its tables.", level="warning")
        ]
        return passed("Direct database access to a system on premises is allowed but discouraged.", found)
    where = f" ({system.deployment})" if system.deployment else ""
    return passed(f"{version.style} to {system.name}{where}.")


def _boundary_known(context: CheckContext) -> CheckOutcome:
    facts = context.subject_facts
    if facts is None:
        return not_run("The boundary is not known.")
    if unknown := facts.extras.get("unknown"):
        listed = [finding("boundary.place", "/subjects/0/id", said) for _, said in unknown]
        return failed("It is about something that the catalog does not know.", listed, ["Register it, or correct it."])
    if facts.extras.get("to") is None:
        found = finding("boundary.system", "/parameters/system", "There is no such system.")
        return failed("The new system of record is unknown.", [found], ["Name a registered system."])
    start = moment_or_none(context.change.parameters.get("valid_from"))
    if start is None:
        return failed(
            "The start is unknown.",
            [finding("boundary.from", "/parameters/valid_from", "Add the time zone, e.g. 2026-11-23T12:00:00Z.")],
            ["Say from when it holds."],
        )
    present = {b.system.key for b in facts.extras.get("in_force", [])}
    if present == {facts.extras["to"].key}:
        found = finding("boundary.same", "/parameters/system", "It is already the system of record.")
        return failed("Nothing would change.", [found], ["Withdraw the change."])
    in_the_way = boundaries.later(*boundary_place(context.subject.id), start)
    if in_the_way:
        listed = [
            finding(
                "boundary.overlap",
                "/parameters/valid_from",
                f"{one.system.key} is the record from {one.valid_from:%Y-%m-%d %H:%M} UTC on.",
            )
            for one in in_the_way
        ]
        return failed("A record that begins later stands in the way.", listed, ["Move that one, or begin after it."])
    return passed(
        f"From {', '.join(sorted(present)) or 'no system'} to {facts.extras['to'].key}, "
        f"from {start:%d %b %Y %H:%M} UTC."
    )


def _tier_proposed(context: CheckContext) -> CheckOutcome:
    facts = context.subject_facts
    if facts is None:
        return not_run("The API is not known.")
    wanted = facts.extras.get("wanted")
    if wanted is None:
        found = finding("tier.unknown", "/parameters/tier", "There is no such tier.")
        return failed("The tier is not known.", [found], ["Choose tier 0, 1, 2 or 3."])
    needs = [
        d
        for d in dependencies.of_api(context.subject.id)
        if d.target_kind == "api" and d.criticality == "hard" and (d.target_tier is None or d.target_tier > wanted)
    ]
    relied = [
        d
        for d in dependencies.dependents_of_api(context.subject.id)
        if d.criticality == "hard" and d.api_tier is not None and d.api_tier < wanted
    ]
    listed = [
        finding("tier.dependency_weaker", "", f"It needs {d.target_name}, which promises less.", target=d.target_key)
        for d in needs
    ]
    listed += [
        finding("tier.dependency_weaker", "", f"{d.api_name} (tier {d.api_tier}) relies on it.", dependent=d.api_slug)
        for d in relied
    ]
    if listed:
        return failed(
            "A more critical API would depend on a weaker promise.",
            listed,
            ["Change those tiers first, or make the dependencies soft."],
        )
    return passed(f"No dependency is weaker than tier {wanted}, and no dependent API is more critical.")


RECORD_DIRECTION = Check("sor.direction", "Systems of record", _record_direction)
TIER = Check("tier.coherence", "Tier of dependencies", _tier)
INTEGRATION_STYLE = Check("style.supported", "Supported integration style", _integration_style)
BOUNDARY_KNOWN = Check("boundary.move", "New system of record and start", _boundary_known)
TIER_PROPOSED = Check("tier.coherence", "Tier fits dependencies and dependents", _tier_proposed)
