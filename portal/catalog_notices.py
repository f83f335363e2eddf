"""Notices to people about the catalog: a version that their application uses ends, or is refused for some hours.

Idempotent outbox handlers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.urls import reverse

from catalog.selectors import apis
from governance.services import notices

Event = Mapping[str, Any]
RESTRICTED = "a restricted API"


def on_sunset_notice(event: Event) -> None:
    """`catalog.sunset_notice` → the team of the application. Where it has nobody, the owner of the API and the
    architects: somebody has to find out whose application it is."""
    payload = event["payload"]
    version, url = str(event["key"]), _page(payload["application"])
    notices.close("sunset", url, f" {version} ")
    people = notices.members(payload["team"]) if payload["team"] else set()
    if people:
        write = _sunset_text
    else:
        people = notices.members(*([payload["owner_team"]] if payload["owner_team"] else []), "architects")
        write = _nobody_text
    for readers, seen in _by_sight(people, version, payload["successor"]):
        named = version if version in seen else RESTRICTED
        told = {**payload, "successor": payload["successor"] if payload["successor"] in seen else None}
        notices.write(event, readers, "sunset", write(named, told), url)


def _by_sight(people: set[int], *references: str | None) -> list[tuple[set[int], frozenset[str]]]:
    """These people by which of the versions they may see: a call counts without the name of what is restricted."""
    seeing = {named: apis.who_sees(named.partition("@")[0], people) for named in references if named}
    groups: dict[frozenset[str], set[int]] = defaultdict(set)
    for person in people:
        groups[frozenset(named for named, readers in seeing.items() if person in readers)].add(person)
    return [(readers, seen) for seen, readers in groups.items()]


def _nobody_text(version: str, payload: Mapping[str, Any]) -> str:
    application = payload["application"]
    return f"Nobody to tell: {application} has no team with people, and {version} ends on {_day(payload['sunset_at'])}"


def _sunset_text(version: str, payload: Mapping[str, Any]) -> str:
    application, day, left = payload["application"], _day(payload["sunset_at"]), payload["days_left"]
    to = f" to {payload['successor']}" if payload["successor"] else ""
    if payload["step"].startswith("past-"):
        return f"Past its sunset of {day}: {version} is still used by {application}. Move{to} now"
    when = "in a day" if left <= 1 else f"in {left} days"
    said = f"it goes by {_day(payload['moves_on'])}" if payload["answered"] else f"say by when it moves{to}"
    return f"{application} uses {version} which ends on {day}, {when}: {said}"


def on_move_planned(event: Event) -> None:
    """`catalog.subscription_move_planned`, `catalog.subscription_ended` → what asked for the answer is read."""
    notices.close("sunset", _page(event["payload"]["application"]), f" {event['key']} ")


def on_brown_out(event: Event) -> None:
    """`catalog.brown_out_planned`, `catalog.brown_out_cancelled` → the teams of those who would notice it."""
    payload, version = event["payload"], str(event["key"])
    begins = datetime.fromisoformat(payload["starts_at"])
    ends = datetime.fromisoformat(payload["ends_at"])
    span = f"{begins:%d %b %Y %H:%M} to {ends:%d %b %H:%M} UTC in {payload['environment']}"
    text = (
        f"Brown-out cancelled: {version}, {span}"
        if event["topic"] == "catalog.brown_out_cancelled"
        else f"Brown-out: {version} will be refused from {span}"
    )
    slug, _, label = version.partition("@")
    people = apis.who_sees(slug, notices.members(*payload["teams"]))
    notices.write(event, people, "brown_out", text, reverse("catalog:version", args=[slug, label]))


def on_import_needs_person(event: Event) -> None:
    """`catalog.import_needs_person` → the team that the source names, else the architects."""
    payload = event["payload"]
    people = notices.members(payload["team"]) if payload["team"] else set()
    run = payload["run_id"]
    url = reverse("catalog:import", args=[run]) if run else reverse("catalog:imports")
    if run and payload["outcome"]:
        url = f"{url}?outcome={payload['outcome']}"
    notices.write(event, people or notices.members("architects"), "import", payload["text"], url)


def _page(application: str) -> str:
    return reverse("catalog:application", args=[application])


def _day(text: str) -> str:
    return f"{datetime.fromisoformat(text):%d %b %Y}"
