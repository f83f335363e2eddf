"""Records of what runs where: what pipelines record, who may, and what went live against the gate."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from catalog.selectors import gate_asking, gate_facts
from catalog.selectors.gate_asking import GateApplication
from governance.domain import kinds
from governance.domain import question as questions
from governance.domain.judges.entries import did_you_mean
from governance.domain.subject import Subject
from governance.models import ApplicationRelease, Verdict
from governance.selectors import sight
from governance.services import notices
from kernel import audit, clock, outbox
from kernel.errors import Forbidden, Invalid, finding
from kernel.viewer import Viewer

Ending = ApplicationRelease.Ending
Mode = ApplicationRelease.Mode
NEAR_NOW = timedelta(minutes=5)


def record_deployment(body: Mapping[str, Any], *, viewer: Viewer) -> ApplicationRelease:
    """Record the version that now runs on an instance, and end the record of the version before. Idempotent.

    Raises Invalid `gate.question` with findings for what does not exist, Forbidden `record.not_yours` for people and
    tokens outside the application's team.
    """
    return _record_once(body, Mode.DEPLOYED, "instance", viewer)


def record_release(body: Mapping[str, Any], *, viewer: Viewer) -> ApplicationRelease:
    """Record a version that is supported beside others until `end_release`. Idempotent. Raises as above."""
    return _record_once(body, Mode.RELEASED, "version", viewer)


def _record_once(body: Mapping[str, Any], mode: str, replaces_same: str, viewer: Viewer) -> ApplicationRelease:
    """Create a record, and end the live one with the same application, environment, mode and value of
    `replaces_same`. Returns the live one unchanged when it says the same."""
    asked = questions.normalise(body)
    _require_allowed(asked, viewer)
    _require_known(asked, viewer)
    same = {key: asked[key] for key in ("application", "environment", replaces_same)}
    with transaction.atomic():
        live = ApplicationRelease.objects.select_for_update().filter(**same, mode=mode, ended_at=None)
        present = live.first()
        if present is not None and _is_same_record(present, asked):
            return present
        live.update(ended_at=clock.now(), ended_by=viewer.user, ended_how=Ending.REPLACED)
        return _create_record(asked, mode, viewer)


def end_release(body: Mapping[str, Any], *, viewer: Viewer) -> int:
    """End the support of a released version. Returns the number of ended records; 0 when it had ended before."""
    asked = questions.normalise({key: body.get(key) for key in ("application", "version", "environment")})
    same = {key: asked[key] for key in ("application", "version", "environment")}
    return _end(asked, same, Mode.RELEASED, Ending.SUPPORT, viewer)


def undeploy(body: Mapping[str, Any], *, viewer: Viewer) -> int:
    """Nothing of the application is deployed on this instance any more. Returns the number of ended records; 0 when
    nothing was recorded there."""
    given = {key: body.get(key, "") for key in ("application", "environment", "instance")}
    asked = questions.normalise(given | {"version": "none"})
    same = {key: asked[key] for key in ("application", "environment", "instance")}
    return _end(asked, same, Mode.DEPLOYED, Ending.UNDEPLOYED, viewer)


def _end(asked: Mapping[str, Any], same: dict[str, str], mode: str, how: str, viewer: Viewer) -> int:
    _require_allowed(asked, viewer)
    verb = "governance.release_ended" if how == Ending.SUPPORT else "governance.application_undeployed"
    with transaction.atomic():
        rows = list(ApplicationRelease.objects.select_for_update().filter(**same, mode=mode, ended_at=None))
        for row in rows:
            row.ended_at, row.ended_by, row.ended_how = clock.now(), viewer.user, how
            row.save(update_fields=["ended_at", "ended_by", "ended_how"])
            _announce(row, verb, viewer)
    return len(rows)


def _require_allowed(asked: Mapping[str, Any], viewer: Viewer) -> None:
    """The team of an application records what runs of it; the system itself may."""
    asking, there = gate_asking.who_asks(asked["application"], [], asked["environment"], clock.now())
    _require_place(asked, asking, environment_known=there.known)
    if viewer.sees_everything or (asking.team_id is not None and asking.team_id in viewer.team_ids):
        return
    raise Forbidden(
        "record.not_yours",
        f"Only {f'team {asking.team_key}' if asking.team_key else 'an administrator'} records what runs of "
        f"{asked['application']}.",
    )


def _require_place(asked: Mapping[str, Any], asking: GateApplication, *, environment_known: bool) -> None:
    found = []
    for what, known in (("application", asking.known), ("environment", environment_known)):
        if not known:
            found.append(_unknown(f"/{what}", what, asked[what]))
    if found:
        raise Invalid("gate.question", found[0]["message"], {"findings": found})


def _require_known(asked: Mapping[str, Any], viewer: Viewer) -> None:
    """Every version is in the catalog, and every integration is registered at its digest."""
    found = []
    named = {entry["ref"] for key in ("consumes", "provides") for entry in asked[key] or ()}
    known = gate_facts.versions(named)
    hidden = gate_facts.hidden_apis([reference.partition("@")[0] for reference in named], viewer)
    for key in ("consumes", "provides"):
        for index, entry in enumerate(asked[key] or ()):
            if entry["ref"] not in known or entry["ref"].partition("@")[0] in hidden:
                found.append(_unknown(f"/{key}/{index}", "version", entry["ref"]))
    for index, entry in enumerate(asked["integrations"]):
        if not _is_registered(Subject("integration", entry["ref"], entry["digest"])):
            message = f"Nobody registered {entry['ref']} at this digest."
            found.append(finding(f"/integrations/{index}", message, code="integration.unregistered"))
    if found:
        raise Invalid("gate.question", found[0]["message"], {"findings": found})


def _is_registered(subject: Subject) -> bool:
    return any(k.facts(subject) is not None for k in kinds.all_kinds() if k.subject_kind == subject.kind)


def _unknown(pointer: str, what: str, word: str) -> dict[str, Any]:
    near = did_you_mean(gate_asking.near(what, word))
    name = "API version" if what == "version" else what
    return finding(pointer, f"There is no {name} {word[:100]}. {near}".strip(), code=f"{what}.unknown")


def _is_same_record(row: ApplicationRelease, asked: Mapping[str, Any]) -> bool:
    return (row.version, row.consumes, row.provides, row.integrations) == (asked["version"], *_lists(asked))


def _lists(asked: Mapping[str, Any]) -> tuple[list[str], list[str], list[str]]:
    return (
        [entry["ref"] for entry in asked["consumes"] or ()],
        [entry["ref"] for entry in asked["provides"]],
        [f"{entry['ref']}@{entry['digest']}" for entry in asked["integrations"]],
    )


def _create_record(asked: Mapping[str, Any], mode: str, viewer: Viewer) -> ApplicationRelease:
    consumes, provides, integrations = _lists(asked)
    last = _last_verdict(asked, clock.now())
    made = ApplicationRelease.objects.create(
        application=asked["application"],
        version=asked["version"],
        environment=asked["environment"],
        instance=asked["instance"],
        mode=mode,
        consumes=consumes,
        provides=provides,
        provided_apis=sorted({reference.partition("@")[0] for reference in provides}),
        integrations=integrations,
        recorded_by=viewer.user,
        verdict=last,
        against_gate=last is not None and last.word == "deny",
    )
    _announce(made, f"governance.application_{mode}", viewer)
    if made.against_gate:
        _announce(made, "governance.deployed_against_gate", viewer)
    return made


def _last_verdict(asked: Mapping[str, Any], now: datetime) -> Verdict | None:
    """The last answer about this version there, what-ifs left out."""
    rows = Verdict.objects.filter(
        application=asked["application"], version=asked["version"], environment=asked["environment"], at__lte=now
    ).order_by("-id")
    return next((row for row in rows[:50] if abs(row.at - row.as_of) <= NEAR_NOW), None)


def _announce(row: ApplicationRelease, verb: str, viewer: Viewer) -> None:
    name = f"{row.application}@{row.version}"
    after = {"environment": row.environment, "instance": row.instance, "verdict": row.verdict_id}
    audit.record(actor=viewer.user, verb=verb, subject_kind="application", subject_id=name[:120], after=after)
    payload = {"application": row.application, "version": row.version, "record": row.pk, **after}
    outbox.emit(verb, key=name[:200], payload=payload)


def tell_against_gate(event: Mapping[str, Any]) -> None:
    """Handler of `governance.deployed_against_gate`: the application's team and the role teams that watch releases."""
    row = ApplicationRelease.objects.filter(pk=int(event["payload"].get("record") or 0)).first()
    if row is None:
        return
    asking, _ = gate_asking.who_asks(row.application, [], row.environment, clock.now())
    teams = [asking.team_id] if asking.team_id is not None else []
    place = f"{row.environment} {row.instance}".strip()
    text = f"Deployed against the gate: {row.application} {row.version} in {place}"
    people = notices.members(*teams, "architects", "release-managers")
    notices.write(event, people, "against_gate", text, notices.address("governance:deployments"))


def listed(viewer: Viewer, **limits: str) -> QuerySet[ApplicationRelease]:
    """Records that the viewer may see, newest first; `limits` name application, environment, instance, and `live`
    (`true` or `false`)."""
    rows: QuerySet[ApplicationRelease] = sight.records(viewer).order_by("-id")
    for name in ("application", "environment", "instance"):
        if limits.get(name):
            rows = rows.filter(**{name: limits[name].replace("\x00", "")})
    if limits.get("live"):
        rows = rows.filter(ended_at__isnull=limits["live"] == "true")
    return rows.select_related("verdict")
