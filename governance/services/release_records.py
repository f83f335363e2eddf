"""Records of what runs where: what pipelines record, who may, and what went live against the gate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from catalog.selectors import gate_asking, gate_facts
from catalog.selectors.gate_asking import GateApplication
from catalog.services import locked_rows
from governance.domain import kinds, typing_errors
from governance.domain import question as questions
from governance.domain.judges.entries import did_you_mean
from governance.domain.subject import Subject
from governance.domain.verdict import decide
from governance.models import ApplicationRelease
from governance.selectors import last_verdict, sight
from governance.selectors.records import NormalForm
from governance.services import gate_evidence, notices
from kernel import audit, clock, outbox
from kernel.errors import Forbidden, Invalid, finding
from kernel.viewer import SYSTEM, Viewer

Ending = ApplicationRelease.Ending
Mode = ApplicationRelease.Mode
NAMED_AT_MOST = 5


def record_deployment(body: Mapping[str, Any], *, viewer: Viewer) -> ApplicationRelease:
    """Record the version that now runs on an instance, and end the record of the version before. Idempotent. One that
    does not say what it consumes consumes what the one before did.

    Raises Invalid `gate.question` with findings for what does not exist, Forbidden `record.not_yours` for people and
    tokens outside the application's team.
    """
    return _record_once(body, Mode.DEPLOYED, viewer)


def record_release(body: Mapping[str, Any], *, viewer: Viewer) -> ApplicationRelease:
    """Record a version that is supported on an instance beside others, until `end_release` or `undeploy`. Idempotent.
    Raises as above."""
    return _record_once(body, Mode.RELEASED, viewer)


def _record_once(body: Mapping[str, Any], mode: str, viewer: Viewer) -> ApplicationRelease:
    """Create a record, and end the live one that it takes the place of: on the same instance, of a release with the
    same version. Returns the live one unchanged when it says the same. Calls about one application are taken one after
    another."""
    asked = questions.normalise(body)
    _require_allowed(asked, viewer)
    _require_known(asked, viewer)
    _require_store(asked)
    with transaction.atomic():
        locked_rows.locked_application(asked["application"])
        live = _on_instance(asked).select_for_update().filter(mode=mode, ended_at=None)
        present = list(live if mode == Mode.DEPLOYED else live.filter(version=asked["version"]))
        if asked["consumes"] is None:
            asked["consumes"] = _as_before(present)
        if len(present) == 1 and _is_same_record(present[0], asked):
            return present[0]
        for row in present:
            row.ended_at, row.ended_by, row.ended_how = clock.now(), viewer.user, Ending.REPLACED
            row.save(update_fields=["ended_at", "ended_by", "ended_how"])
        return _create_record(asked, mode, viewer)


def _as_before(present: Iterable[ApplicationRelease]) -> list[dict[str, str]]:
    """What a record consumes that does not say it: what the records did whose place it takes. Who was a consumer stays
    one until somebody says otherwise."""
    return [{"ref": name, "contract_digest": ""} for name in sorted({one for row in present for one in row.consumes})]


def _in_place(asked: Mapping[str, Any]) -> QuerySet[ApplicationRelease]:
    return ApplicationRelease.objects.filter(application=asked["application"], environment=asked["environment"])


def _on_instance(asked: Mapping[str, Any]) -> QuerySet[ApplicationRelease]:
    """On exactly this instance, whichever Unicode normal form its name was stored in before names were normalised."""
    return _in_place(asked).alias(named=NormalForm("instance")).filter(named=asked["instance"])


def end_release(body: Mapping[str, Any], *, viewer: Viewer) -> list[ApplicationRelease]:
    """End the support of a released version, on one instance or (without `instance`) on all. Returns the ended
    records; none when it had ended before. Raises Invalid `gate.question` where no such release was ever recorded, and
    for keys that are not known: without `instance` it would end everywhere."""
    questions.require_known_keys(body)
    asked = questions.normalise(
        {key: body.get(key) for key in ("application", "version", "environment")} | _there(body)
    )
    _require_allowed(asked, viewer)
    of_place = _on_instance(asked) if asked["instance"] else _in_place(asked)
    rows = of_place.filter(mode=Mode.RELEASED, version=asked["version"])
    with transaction.atomic():
        locked_rows.locked_application(asked["application"])
        _require_released(asked, rows)
        return _end(rows, Ending.SUPPORT, viewer)


def _there(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"instance": "" if body.get("instance") is None else body["instance"]}


def undeploy(body: Mapping[str, Any], *, viewer: Viewer) -> list[ApplicationRelease]:
    """Nothing of the application runs on this instance any more, however it was recorded; without an instance: on no
    single one. Returns the ended records; none when nothing was recorded there. Which of them somebody misses they say
    (`ended_against_gate`). Raises Invalid `gate.question` for an instance that is written like one with a record, and
    for keys that are not known."""
    questions.require_known_keys(body)
    given = {key: body.get(key) for key in ("application", "environment")} | _there(body)
    asked = questions.normalise(given | {"version": "none"})
    _require_allowed(asked, viewer)
    with transaction.atomic():
        locked_rows.locked_application(asked["application"])
        rows = _end(_on_instance(asked), Ending.UNDEPLOYED, viewer)
        if not rows:
            _require_no_error(asked)
    return rows


def still_recorded(body: Mapping[str, Any]) -> int:
    """How many live records there are of the application in the environment."""
    asked = {key: str(body.get(key) or "").strip().replace("\x00", "") for key in ("application", "environment")}
    return _in_place(asked).filter(ended_at=None).count()


def _end(rows: QuerySet[ApplicationRelease], how: str, viewer: Viewer) -> list[ApplicationRelease]:
    verb = "governance.release_ended" if how == Ending.SUPPORT else "governance.application_undeployed"
    ended = list(rows.select_for_update().filter(ended_at=None).order_by("id"))
    for row in ended:
        row.ended_at, row.ended_by, row.ended_how = clock.now(), viewer.user, how
        row.ended_against_gate = bool(row.provides)  # so that the question sees what is taken away
        row.save(update_fields=["ended_at", "ended_by", "ended_how", "ended_against_gate"])
    for row in ended:
        _announce(row, verb, viewer)
    missed = [row for row in ended if row.ended_against_gate and _is_missed(row)]
    for row in ended:
        if row in missed:
            _announce(row, "governance.deployed_against_gate", viewer)
        elif row.ended_against_gate:
            row.ended_against_gate = False
            row.save(update_fields=["ended_against_gate"])
    return ended


def _require_released(asked: Mapping[str, Any], rows: QuerySet[ApplicationRelease]) -> None:
    """Of what nobody recorded as a release, no support ends: a wrong version would go on to count."""
    if rows.exists():
        return
    name, others = f"{asked['application']} {asked['version']}", _in_place(asked).filter(ended_at=None)
    same = others.filter(version=asked["version"])
    told: Iterable[str]
    if same.filter(mode=Mode.RELEASED).exists():
        told = same.filter(mode=Mode.RELEASED).values_list("instance", flat=True)
        said = f"Support of {name} is not recorded on {asked['instance']}, but on {_list(told)}."
    elif same.exists():
        told = same.values_list("instance", flat=True)
        said = f"{name} is deployed on {_list(told)}: record what replaces it, or undeploy it."
    else:
        told = others.filter(mode=Mode.RELEASED).values_list("version", flat=True)
        recorded = f"recorded are {_list(told)}." if told else "and nothing of it is supported there."
        said = f"No support of {name} was recorded in {asked['environment']}; {recorded}"
    raise Invalid("gate.question", said, {"findings": [finding("/version", said, code="release.unknown")]})


def _require_no_error(asked: Mapping[str, Any]) -> None:
    recorded = {one for one in _in_place(asked).filter(ended_at=None).values_list("instance", flat=True) if one}
    alike = sorted(one for one in recorded if typing_errors.is_one(asked["instance"], one))
    if alike and not _on_instance(asked).exists():
        said = f"Nothing of {asked['application']} is recorded on {asked['instance'][:100]}. {did_you_mean(alike[:3])}"
        raise Invalid("gate.question", said, {"findings": [finding("/instance", said, code="instance.unknown")]})


def _list(names: Iterable[str]) -> str:
    found = sorted({name or "no single instance" for name in names})
    return ", ".join(found[:NAMED_AT_MOST]) + (
        f" and {len(found) - NAMED_AT_MOST} more" if len(found) > NAMED_AT_MOST else ""
    )


def _is_missed(row: ApplicationRelease) -> bool:
    """Whether the gate says of what was just ended that somebody uses it there, or cannot say that nobody does."""
    kept = ApplicationRelease.objects.filter(application=row.application, environment=row.environment, ended_at=None)
    provides = sorted({one for other in kept for one in other.provides}) if not row.instance else []
    place = {"application": row.application, "environment": row.environment, "instance": row.instance}
    asked = questions.normalise(place | {"version": row.version, "consumes": [], "provides": provides})
    document = decide(asked, gate_evidence.gather(asked, clock.now(), SYSTEM) | {"hypothetical": False})
    return any(
        reason["waived_by"] is None
        and (
            reason["subject"] in row.provides
            if reason["code"] == "provider.withdrawn"
            else reason["pointer"].startswith(("/withdrawn", "/replaced"))
        )
        for reason in document["reasons"]
    )


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


def _require_store(asked: Mapping[str, Any]) -> None:
    """In a fleet everything runs in stores, or in no single one: under another name nobody would ask for it."""
    _, there = gate_asking.who_asks(asked["application"], [], asked["environment"], clock.now())
    instance = asked["instance"]
    if instance and there.is_fleet and gate_asking.store(instance) is None:
        wrong = _unknown("/instance", "instance", instance)
        raise Invalid("gate.question", wrong["message"], {"findings": [wrong]})


def _is_registered(subject: Subject) -> bool:
    return any(k.facts(subject) is not None for k in kinds.all_kinds() if k.subject_kind == subject.kind)


def _unknown(pointer: str, what: str, word: str) -> dict[str, Any]:
    near = did_you_mean(gate_asking.near(what, word))
    name = {"version": "API version", "instance": "store"}.get(what, what)
    return finding(pointer, f"There is no {name} {word[:100]}. {near}".strip(), code=f"{what}.unknown")


def _is_same_record(row: ApplicationRelease, asked: Mapping[str, Any]) -> bool:
    """A record of before that keeps no contracts is replaced by one that does."""
    said = (row.version, row.instance, row.consumes, row.provides, row.integrations, row.provided_contracts)
    return said == (asked["version"], asked["instance"], *_lists(asked), _contracts(asked))


def _lists(asked: Mapping[str, Any]) -> tuple[list[str], list[str], list[str]]:
    return (
        [entry["ref"] for entry in asked["consumes"] or ()],
        [entry["ref"] for entry in asked["provides"]],
        [f"{entry['ref']}@{entry['digest']}" for entry in asked["integrations"]],
    )


def _contracts(asked: Mapping[str, Any]) -> list[str]:
    """The digest of the contract that each provided version runs with: as the pipeline says, else as the catalog has it
    now."""
    known = gate_facts.versions(entry["ref"] for entry in asked["provides"])
    return [entry["contract_digest"] or known[entry["ref"]].contract_digest or "" for entry in asked["provides"]]


def _create_record(asked: Mapping[str, Any], mode: str, viewer: Viewer) -> ApplicationRelease:
    consumes, provides, integrations = _lists(asked)
    asking, _ = gate_asking.who_asks(asked["application"], [], asked["environment"], clock.now())
    last = last_verdict.about(asked, team=asking.team_id, recorder=viewer.user.pk if viewer.user else None)
    against = last is not None and last.word == "deny"
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
        provided_contracts=_contracts(asked),
        recorded_by=viewer.user,
        verdict_id=last.id if last is not None and (last.same or against) else None,
        against_gate=against,
    )
    _announce(made, f"governance.application_{mode}", viewer)
    if made.against_gate:
        _announce(made, "governance.deployed_against_gate", viewer)
    elif made.verdict_id is None and viewer.user is not None:
        _announce(made, "governance.deployed_unasked", viewer)
    return made


def _announce(row: ApplicationRelease, verb: str, viewer: Viewer) -> None:
    name = f"{row.application}@{row.version}"
    after = {"environment": row.environment, "instance": row.instance, "verdict": row.verdict_id}
    audit.record(actor=viewer.user, verb=verb, subject_kind="application", subject_id=name[:120], after=after)
    payload = {"application": row.application, "version": row.version, "record": row.pk, **after}
    outbox.emit(verb, key=name[:200], payload=payload)


def tell_against_gate(event: Mapping[str, Any]) -> None:
    """Handler of `governance.deployed_against_gate`: the application's team and the role teams that watch releases."""
    row = _recorded(event)
    went = row is not None and row.ended_against_gate
    _tell(event, "against_gate", "Taken away against the gate" if went else "Deployed against the gate")


def tell_unasked(event: Mapping[str, Any]) -> None:
    """Handler of `governance.deployed_unasked`: the same people, without an e-mail."""
    _tell(event, "gate_not_asked", "Deployed, and the gate was not asked about this", email=False)


def _recorded(event: Mapping[str, Any]) -> ApplicationRelease | None:
    return ApplicationRelease.objects.filter(pk=int(event["payload"].get("record") or 0)).first()


def _tell(event: Mapping[str, Any], kind: str, said: str, *, email: bool = True) -> None:
    row = _recorded(event)
    if row is None:
        return
    asking, _ = gate_asking.who_asks(row.application, [], row.environment, clock.now())
    teams = [asking.team_id] if asking.team_id is not None else []
    place = f"{row.environment} {row.instance}".strip()
    text = f"{said}: {row.application} {row.version} in {place}"
    people = notices.members(*teams, "architects", "release-managers")
    notices.write(event, people, kind, text, notices.address("governance:deployments"), email=email)


RESTRICTED_API, RESTRICTED_INTEGRATION = "a restricted API", "a restricted integration"


def told(rows: Iterable[ApplicationRelease], viewer: Viewer) -> list[ApplicationRelease]:
    """The records as the viewer is told of them: an API or an integration that they may not see counts, without its
    name. Who watches over releases need not see each of them, and one's own application may use what was restricted
    later."""
    listed = list(rows)
    apis = gate_facts.hidden_apis({_slug(n) for row in listed for n in (*row.consumes, *row.provides)}, viewer)
    flows = sight.unseen(viewer, "integration", {_key(n) for row in listed for n in row.integrations})
    for row in listed:
        for name in ("consumes", "provides"):
            setattr(row, name, [RESTRICTED_API if _slug(one) in apis else one for one in getattr(row, name)])
        row.integrations = [RESTRICTED_INTEGRATION if _key(one) in flows else one for one in row.integrations]
    return listed


def _slug(reference: str) -> str:
    return reference.partition("@")[0]


def _key(integration: str) -> str:
    return integration.rpartition("@")[0]


def listed(viewer: Viewer, **limits: str) -> QuerySet[ApplicationRelease]:
    """Records that the viewer may see, newest first; `limits` name application, environment, instance, and `live`
    (`true` or `false`)."""
    rows: QuerySet[ApplicationRelease] = sight.records(viewer).order_by("-id")
    for name in ("application", "environment"):
        if limits.get(name):
            rows = rows.filter(**{name: limits[name].replace("\x00", "")})
    if limits.get("instance"):
        instance = questions.one_spelling(limits["instance"].replace("\x00", ""))
        rows = rows.alias(named=NormalForm("instance")).filter(named=instance)
    if limits.get("live"):
        rows = rows.filter(ended_at__isnull=limits["live"] == "true")
    return rows.select_related("verdict")
