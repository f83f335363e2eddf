"""Pipeline connections and what their repositories are mapped to: proposed by one person, confirmed by another, ended,
and never rewritten.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.db import IntegrityError, transaction

from catalog.selectors import gate_asking, teams
from governance import permissions
from governance.domain.judges.entries import did_you_mean
from governance.domain.pipelines import addresses
from governance.domain.pipelines.asked_review import PayloadReader
from governance.models import PipelineConnection, PipelineMapping
from governance.selectors import pipelines
from governance.services import changes
from kernel import audit, clock
from kernel.errors import Conflict, DomainError, Invalid, NotFound, finding
from kernel.models import User
from kernel.viewer import Viewer

LONGEST_WAIT = 30 * 24 * 60  # minutes: GitHub ends a job that waited for 30 days
_KEY = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,58}[a-z0-9])?")
_APP = re.compile(r"[A-Za-z0-9.]{1,60}")
T = TypeVar("T")


def propose(values: Mapping[str, Any], *, actor: User) -> PipelineConnection:
    """A connection that counts once another person has confirmed it. Raises Invalid `pipeline.connection` with
    findings, Conflict `pipeline.key_taken`, Forbidden."""
    given = _connection_values(values)
    owner = given["owner_team_id"]
    _require(permissions.may_propose_pipeline(Viewer.of(actor), owner))
    with transaction.atomic():
        try:
            with transaction.atomic():
                made = PipelineConnection.objects.create(**given, proposed_by=actor)
        except IntegrityError as error:
            raise Conflict("pipeline.key_taken", f"There is a connection {given['key']!r} already.") from error
        _note("proposed", made, actor, after=given)
    return made


def confirm(key: str, *, actor: User) -> PipelineConnection:
    """From now on its webhooks are taken. Idempotent. Raises Forbidden for the person who proposed it."""
    with transaction.atomic():
        row = _locked(key, actor)
        _require(permissions.may_confirm_pipeline(Viewer.of(actor), row.proposed_by_id))
        if row.ended_at is not None:
            raise Conflict("pipeline.ended", "This connection has ended; propose another one.")
        if row.confirmed_at is None:
            row.confirmed_by, row.confirmed_at = actor, clock.now()
            row.save(update_fields=["confirmed_by", "confirmed_at"])
            _note("confirmed", row, actor)
    return row


def end(key: str, *, actor: User) -> PipelineConnection:
    """Its webhooks are refused, and nothing is answered any more. Idempotent."""
    with transaction.atomic():
        row = _locked(key, actor)
        _require(permissions.may_end_pipeline(Viewer.of(actor), row))
        if row.ended_at is None:
            row.ended_by, row.ended_at = actor, clock.now()
            row.save(update_fields=["ended_by", "ended_at"])
            _note("ended", row, actor)
    return row


def propose_mapping(key: str, values: Mapping[str, Any], *, actor: User) -> PipelineMapping:
    """What a repository and one of its places stand for. Raises as `propose`."""
    with transaction.atomic():
        connection = _locked(key, actor)
        _require(permissions.may_propose_pipeline(Viewer.of(actor), connection.owner_team_id))
        if connection.ended_at is not None:
            raise Conflict("pipeline.ended", "This connection has ended; propose another one.")
        given = _mapping_values(values)
        try:
            with transaction.atomic():
                made = PipelineMapping.objects.create(connection=connection, **given, proposed_by=actor)
        except IntegrityError as error:
            raise Conflict("pipeline.mapped", "That is mapped already; end the mapping that is there first.") from error
        _note("mapping_proposed", connection, actor, after={"mapping": made.pk, **given})
    return made


def confirm_mapping(key: str, mapping_id: int, *, actor: User) -> PipelineMapping:
    """From now on it counts. Idempotent. Raises Forbidden for the person who proposed it."""
    with transaction.atomic():
        connection = _locked(key, actor)
        row = _mapping(connection, mapping_id)
        _require(permissions.may_confirm_pipeline(Viewer.of(actor), row.proposed_by_id))
        if row.ended_at is not None:
            raise Conflict("pipeline.ended", "This mapping has ended; propose another one.")
        if row.confirmed_at is None:
            row.confirmed_by, row.confirmed_at = actor, clock.now()
            row.save(update_fields=["confirmed_by", "confirmed_at"])
            _note("mapping_confirmed", connection, actor, after={"mapping": row.pk})
    return row


def end_mapping(key: str, mapping_id: int, *, actor: User) -> PipelineMapping:
    """The repository and place stand for nothing any more: what comes from there is rejected. Idempotent."""
    with transaction.atomic():
        connection = _locked(key, actor)
        row = _mapping(connection, mapping_id)
        _require(permissions.may_end_pipeline(Viewer.of(actor), connection))
        if row.ended_at is None:
            row.ended_by, row.ended_at = actor, clock.now()
            row.save(update_fields=["ended_by", "ended_at"])
            _note("mapping_ended", connection, actor, after={"mapping": row.pk})
    return row


def _require(permission: permissions.Permission) -> None:
    changes.require_allowed(permission, "pipeline.not_allowed")


def _locked(key: str, actor: User) -> PipelineConnection:
    seen = pipelines.connection(Viewer.of(actor), key)
    return PipelineConnection.objects.select_for_update().get(pk=seen.pk)


def _mapping(connection: PipelineConnection, mapping_id: int) -> PipelineMapping:
    found = PipelineMapping.objects.select_for_update().filter(connection=connection, pk=mapping_id).first()
    if found is None:
        raise NotFound("pipeline.unknown_mapping", f"There is no mapping {mapping_id} of this connection.")
    return found


def _note(what: str, row: PipelineConnection, actor: User, after: Any = None) -> None:
    audit.record(
        actor=actor,
        verb=f"governance.pipeline_{what}",
        subject_kind="pipeline_connection",
        subject_id=row.key,
        after=after,
    )


class _Values:
    """Takes values one by one and keeps every finding, so that one refusal names all of them."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given, self.findings = given, list[dict[str, Any]]()

    def take(self, name: str, judge: Callable[[Any], T], default: T) -> T:
        try:
            return judge(self.given.get(name))
        except DomainError as error:
            self.findings += getattr(error, "findings", []) or [finding(f"/{name}", error.message)]
            return default

    def refuse(self) -> None:
        if self.findings:
            said = self.findings[0]["message"]
            raise Invalid("pipeline.connection", said, {"findings": self.findings})


def _wrong(name: str, wanted: str) -> Invalid:
    return Invalid(
        "pipeline.connection", f"{name} is {wanted}.", {"findings": [finding(f"/{name}", f"{name} is {wanted}.")]}
    )


def _text(name: str, most: int) -> Callable[[Any], str]:
    def judge(value: Any) -> str:
        if not isinstance(value, str) or not value.strip() or len(value) > most or not value.isprintable():
            raise _wrong(name, f"a text of 1 to {most} characters")
        return value.strip()

    return judge


def _connection_values(values: Mapping[str, Any]) -> dict[str, Any]:
    given = _Values(values)
    provider = given.take("provider", _provider, "github")
    made = {
        "key": given.take("key", _key, ""),
        "name": given.take("name", _text("name", 80), ""),
        "provider": provider,
        "api_url": given.take("api_url", lambda v: addresses.api_url(str(v or ""), provider), ""),
        "app_id": given.take("app_id", lambda v: _app(v, provider), ""),
        "owner_team_id": given.take("owner_team", _team, 0),
        "wait_minutes": given.take("wait_minutes", _minutes, 60),
        "at_the_end": given.take("at_the_end", _at_the_end, "reject"),
        "tells_reasons": given.take("tells_reasons", lambda v: v is not False, True),
    }
    for name, needed in (("webhook_secret_ref", True), ("old_webhook_secret_ref", False), ("credential_ref", True)):
        made[name] = given.take(name, _secret(name, needed), "")
    given.refuse()
    return made


def _provider(value: Any) -> str:
    if value not in PipelineConnection.Provider.values:
        raise _wrong("provider", "github or gitlab")
    return str(value)


def _key(value: Any) -> str:
    if not isinstance(value, str) or _KEY.fullmatch(value) is None:
        raise _wrong("key", "up to 60 small letters, digits and hyphens, such as github-retail")
    return value


def _app(value: Any, provider: str) -> str:
    if provider != "github":
        return ""
    if not isinstance(value, str) or _APP.fullmatch(value) is None:
        raise _wrong("app_id", "the client ID or the number of the GitHub App")
    return value


def _team(value: Any) -> int:
    found = teams.by_key(value) if isinstance(value, str) and "\x00" not in value else None
    if found is None:
        raise _wrong("owner_team", "the key of a team")
    return found.id


def _minutes(value: Any) -> int:
    if value is None:
        return 60
    if type(value) is not int or not 1 <= value <= LONGEST_WAIT:
        raise _wrong("wait_minutes", f"a number from 1 to {LONGEST_WAIT}")
    return value


def _at_the_end(value: Any) -> str:
    if value is None:
        return "reject"
    if value not in PipelineConnection.AtTheEnd.values:
        raise _wrong("at_the_end", "reject or leave")
    return str(value)


def _secret(name: str, needed: bool) -> Callable[[Any], str]:
    def judge(value: Any) -> str:
        return addresses.secret_reference(str(value or ""), f"/{name}") if value or needed else ""

    return judge


def _mapping_values(values: Mapping[str, Any]) -> dict[str, Any]:
    given, reader = _Values(values), PayloadReader(values)
    made: dict[str, Any] = {
        "repository_id": given.take("repository_id", lambda _: reader.number("/repository_id"), 0),
        "repository": given.take("repository", lambda _: reader.repository("/repository"), ""),
        "place": given.take("place", _text("place", 255), ""),
        "application": given.take("application", _text("application", 200), ""),
        "environment": given.take("environment", _text("environment", 60), ""),
    }
    given.refuse()
    asking, there = gate_asking.who_asks(made["application"], [], made["environment"], clock.now())
    for name, known in (("application", asking.known), ("environment", there.known)):
        if not known:
            near = did_you_mean(gate_asking.near(name, made[name]))
            given.findings.append(finding(f"/{name}", f"There is no {name} {made[name]}. {near}".strip()))
    given.refuse()
    return made
