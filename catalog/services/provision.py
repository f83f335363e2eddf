"""Who provides APIs: third parties, one provider for each instance, rights of applications; and from when on a missing
record blocks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import available_timezones

from django.db import transaction

from catalog import permissions
from catalog.models import Api, Application, Environment, ProviderRight, System
from catalog.services.findings import Findings
from catalog.services.locked_rows import locked_api
from kernel import audit, clock
from kernel.errors import Forbidden, Invalid, NotFound, finding
from kernel.models import User
from kernel.viewer import Viewer

REPORT_ONLY = timedelta(days=90)
"""How long the gate only reports about what was imported, and about what has no record in a new environment."""
LONGEST = timedelta(days=366)
"""For how long a missing record may be reported only."""
OWN = frozenset({"own", "in-house", "inhouse", "self", "internal", "none"})


def is_vendors(vendor: str) -> bool:
    """Whether a vendor's name says that a third party makes the system."""
    return vendor.strip().lower() not in OWN


def zone(name: str, found: Findings, pointer: str) -> str:
    """An IANA time zone, or empty."""
    if name and name not in available_timezones():
        found.add(pointer, f"{name!r} is not a time zone. Write for example Europe/Berlin.")
        return ""
    return name


Check = Callable[[Any], None]
"""Looks at the locked row and may refuse it: the condition of a conditional write."""


def _own_api(slug: str, actor: User, check: Check | None) -> Api:
    """The locked row of an API that the actor may change."""
    api = locked_api(slug)
    allowed = permissions.may_change_api(Viewer.of(actor), api)
    if not allowed:
        raise Forbidden("api.not_yours", allowed.reason)
    if check:
        check(api)
    return api


def state_api(
    slug: str, *, third_party: bool | None, per_instance: bool | None, actor: User, check: Check | None = None
) -> Api:
    """Say whether a vendor provides the API, and whether each instance has a provider of its own. None: not said."""
    with transaction.atomic():
        api = _own_api(slug, actor, check)
        before = {"third_party": api.third_party, "per_instance": api.per_instance}
        api.third_party, api.per_instance = third_party, per_instance
        api.save(update_fields=["third_party", "per_instance"])
        _record(actor, "catalog.provision_stated", "api", slug, before, _said(third_party, per_instance))
    return api


def _said(third_party: bool | None, per_instance: bool | None) -> dict[str, bool | None]:
    return {"third_party": third_party, "per_instance": per_instance}


def state_system(key: str, *, third_party: bool | None, actor: User, check: Check | None = None) -> System:
    """Say whether a vendor runs or ships the system. Its owner team says so, or an architect."""
    with transaction.atomic():
        rows = System.objects.select_for_update(of=("self",)).select_related("owner_team")
        system = rows.filter(key=key, retired_at=None).first() if "\x00" not in key else None
        if system is None:
            raise NotFound("system.unknown", f"There is no system {key[:80]!r}.")
        allowed = permissions.may_state_system(Viewer.of(actor), system)
        if not allowed:
            raise Forbidden("system.not_yours", allowed.reason)
        if check:
            check(system)
        before = {"third_party": system.third_party}
        system.third_party = third_party
        system.save(update_fields=["third_party"])
        _record(actor, "catalog.provision_stated", "system", key, before, {"third_party": third_party})
    return system


def grant(slug: str, application_key: str, *, reason: str, actor: User, check: Check | None = None) -> ProviderRight:
    """The owner of an API lets an application of another team provide it. Idempotent. A person who owns both may."""
    with transaction.atomic():
        api = _own_api(slug, actor, check)
        known = Application.objects.filter(key=application_key, retired_at=None)
        application = known.first() if "\x00" not in application_key else None
        if application is None:
            message = f"There is no application {application_key[:100]!r}."
            raise Invalid("application.unknown", message, {"findings": [finding("/application", message)]})
        if len(reason.split()) < 3:
            message = "Say in a sentence why this application provides the API."
            raise Invalid("provider_right.reason", message, {"findings": [finding("/reason", message)]})
        present = ProviderRight.objects.filter(application=application, api=api, ended_at=None).first()
        if present is not None:
            return present
        made = ProviderRight.objects.create(application=application, api=api, reason=reason.strip(), granted_by=actor)
        after = {"application": application_key, "reason": reason.strip()}
        _record(actor, "catalog.provider_right_granted", "api", slug, None, after)
    return made


def end_right(slug: str, application_key: str, *, actor: User, check: Check | None = None) -> None:
    """End the right. What runs goes on; the next release is refused. Idempotent."""
    with transaction.atomic():
        api = _own_api(slug, actor, check)
        rows = ProviderRight.objects.filter(api=api, application__key=application_key, ended_at=None)
        if rows.update(ended_at=clock.now(), ended_by=actor):
            before = {"application": application_key}
            _record(actor, "catalog.provider_right_ended", "api", slug, before, None)


def counts_as(api: Api) -> str:
    """What the gate takes: the API's own word, else its system's; `third_party`, `own` or `unstated`."""
    word = api.third_party if api.third_party is not None else api.system.third_party if api.system else None
    return "unstated" if word is None else "third_party" if word else "own"


def rights_of(api: Api) -> list[ProviderRight]:
    return list(ProviderRight.objects.select_related("application", "granted_by").filter(api=api, ended_at=None))


def enforce_from(key: str, *, enforced_from: datetime | None, actor: User, check: Check | None = None) -> Environment:
    """From then on a missing record blocks (None: at once); until then the gate reports it only. An architect says so,
    at most a year ahead."""
    with transaction.atomic():
        row = Environment.objects.select_for_update().filter(key=key).first() if "\x00" not in key else None
        if row is None:
            raise NotFound("environment.unknown", f"There is no environment {key[:60]!r}.")
        if not permissions.may_steward(Viewer.of(actor)):
            raise Forbidden("environment.not_yours", "An architect says from when on a missing record blocks.")
        if check:
            check(row)
        if enforced_from is not None and enforced_from > clock.now() + LONGEST:
            message = "A missing record is reported only for at most a year; choose an earlier day."
            raise Invalid("environment.enforced_from", message, {"findings": [finding("/enforced_from", message)]})
        before = {"records_enforced_from": _iso(row.records_enforced_from)}
        row.records_enforced_from = enforced_from
        row.save(update_fields=["records_enforced_from"])
        after = {"records_enforced_from": _iso(enforced_from)}
        _record(actor, "catalog.records_enforced", "environment", key, before, after)
    return row


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _record(actor: User | None, verb: str, kind: str, key: str, before: Any, after: Any) -> None:
    audit.record(actor=actor, verb=verb, subject_kind=kind, subject_id=key, before=before, after=after)
