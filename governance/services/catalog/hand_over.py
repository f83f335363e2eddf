"""Handing an API or an application over to another team: both teams agree in one change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from catalog.selectors import ownership, teams
from catalog.selectors.ownership import OwnedThing
from catalog.services import handing_over
from governance.domain.checks import Check, CheckContext, CheckOutcome, failed, finding, not_run, passed
from governance.domain.kinds import ApprovedSubject, ChangeKind
from governance.domain.subject import Subject, SubjectFacts
from governance.selectors import loosened
from governance.services.catalog import freeze_guard
from kernel.ui.wording import counted

ADDRESSES = {ownership.OF_API: "/catalog/apis/{}/", ownership.OF_APPLICATION: "/catalog/applications/{}/"}
LEAST_CRITICAL = 3


def _thing(kind: str, key: str) -> OwnedThing | None:
    if "\x00" in key:
        return None
    runs = freeze_guard.recorded_apis(key) if kind == ownership.OF_APPLICATION else ()
    return ownership.find(kind, key, runs)


def _facts_of(kind: str) -> Callable[[Subject], SubjectFacts | None]:
    def facts(subject: Subject) -> SubjectFacts | None:
        thing = _thing(kind, subject.id)
        return None if thing is None else _facts(thing)

    return facts


def _facts(thing: OwnedThing) -> SubjectFacts:
    """An application is as critical as the most critical API that it uses or provides."""
    tiers = [place["tier"] for place in thing.places]
    domains = {place["domain"] for place in thing.places}
    stricter = loosened.of(thing.key) if thing.kind == ownership.OF_API else loosened.Loosened()
    return SubjectFacts(
        title=f"Owner of {thing.name}",
        digest=thing.digest,
        tier=stricter.tier(None if None in tiers else min(tiers, default=LEAST_CRITICAL)),
        data_class=stricter.data_class(thing.data_class)
        or ("internal" if thing.kind == ownership.OF_APPLICATION else None),
        owner_team_ids=(thing.team.pk,) if thing.team else (),
        consumers_affected=(),
        domain_key=next(iter(domains)) if len(domains) == 1 else None,
        system_keys=tuple(dict.fromkeys(system for place in thing.places for system in place["systems"])),
        url=ADDRESSES[thing.kind].format(thing.key),
        entities=tuple(dict.fromkeys(one.was.partition(" ")[0] for one in stricter.of("entity"))),
        loosened=stricter.findings(
            data_class=thing.data_class, tier=next(iter(tiers), None), domain=next(iter(domains), None) or ""
        ),
        loosened_ids=stricter.ids,
        more_domain_keys=stricter.domains,
        old=thing.document,
        new=thing.document,
        extras={"thing": thing},
    )


def _propose(subject: Subject, facts: SubjectFacts, parameters: Mapping[str, Any]) -> SubjectFacts:
    """Both teams own the change: the one that gives, and the one that receives."""
    team = teams.by_key(str(parameters.get("team", ""))[:60].replace("\x00", ""))
    owners = facts.owner_team_ids + ((team.id,) if team else ())
    new = {**facts.old, "owner_team": parameters.get("team")}
    return replace(
        facts, new=new, owner_team_ids=tuple(dict.fromkeys(owners)), extras={**facts.extras, "receiving": team}
    )


def _both_teams(parameters: Mapping[str, Any]) -> Mapping[str, int]:
    """One of each of the owner teams, which are both."""
    return {"owner": 1}


def _receiving(context: CheckContext) -> CheckOutcome:
    facts = context.subject_facts
    if facts is None:
        return not_run(f"{context.subject.id} is not in the catalog.", [f"Register {context.subject.id}."])
    thing, team = facts.extras["thing"], facts.extras.get("receiving")
    if thing.team is None:
        said = f"{thing.name} has no owner: an architect names the first one."
        return failed(said, [finding("ownership.receiving", "/owner_team", said)], ["Let an architect name its owner."])
    if team is None:
        said = "There is no such team."
    elif team.id == thing.team.pk:
        said = f"{team.name} owns it already."
    elif not teams.members(team.id):
        said = f"Nobody is in {team.name}."
    else:
        people = counted(len(teams.members(team.id)), "person")
        return passed(f"From {thing.team.name} to {team.name}, in which there are {people}.")
    return failed(
        said, [finding("ownership.receiving", "/parameters/team", said)], ["Name another team that has people."]
    )


def _give_api(approved: ApprovedSubject) -> None:
    handing_over.hand_over_api(approved.subject.id, **_given(approved))


def _give_application(approved: ApprovedSubject) -> None:
    handing_over.hand_over_application(approved.subject.id, **_given(approved))


def _given(approved: ApprovedSubject) -> dict[str, Any]:
    return {
        "team": str(approved.parameters.get("team", "")),
        "digest": approved.subject.digest,
        "approval_id": approved.approval_id,
        "actor": approved.actor,
    }


RECEIVING = Check("ownership.receiving", "Receiving team", _receiving)
HAND_OVER = tuple(
    ChangeKind(
        f"{kind}.hand_over",
        label,
        _facts_of(kind),
        (RECEIVING,),
        apply=apply,
        propose=_propose,
        subject_kind=kind,
        parameters=("team",),
        quorum=_both_teams,
    )
    for kind, label, apply in (
        (ownership.OF_API, "Hand an API over", _give_api),
        (ownership.OF_APPLICATION, "Hand an application over", _give_application),
    )
)
