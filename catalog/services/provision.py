"""Who provides APIs: third parties, one provider for each instance, rights of applications."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import available_timezones

from django.db import transaction

from catalog import permissions
from catalog.models import Api, Application, ProviderRight, System
from catalog.services.findings import Findings
from catalog.services.locked_rows import locked_api
from kernel import audit, clock
from kernel.errors import Forbidden, Invalid, NotFound, finding
from kernel.models import User
from kernel.viewer import Viewer

REPORT_ONLY = timedelta(days=90)
"""How long the gate only reports about what was imported, and about what has no record in a new environment."""
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


def state_api(slug: str, *, third_party: bool | None, per_instance: bool | None, actor: User) -> Api:
    """Say whether a vendor provides the API, and whether each instance has a provider of its own. None: not said."""
    with transaction.atomic():
        api = locked_api(slug)
        allowed = permissions.may_change_api(Viewer.of(actor), api)
        if not allowed:
            raise Forbidden("api.not_yours", allowed.reason)
        before = {"third_party": api.third_party, "per_instance": api.per_instance}
        api.third_party, api.per_instance = third_party, per_instance
        api.save(update_fields=["third_party", "per_instance"])
        _record(actor, "catalog.provision_stated", "api", slug, before, _said(third_party, per_instance))
    return api


def _said(third_party: bool | None, per_instance: bool | None) -> dict[str, bool | None]:
    return {"third_party": third_party, "per_instance": per_instance}


def state_system(key: str, *, third_party: bool | None, actor: User) -> System:
    """Say whether a vendor runs or ships the system. Its owner team says so, or an architect."""
    with transaction.atomic():
        system = System.objects.select_for_update(of=("self",)).filter(key=key).first()
        if system is None:
            raise NotFound("system.unknown", f"There is no system {key[:80]!r}.")
        viewer = Viewer.of(actor)
        if system.owner_team_id not in viewer.team_ids and not permissions.may_steward(viewer):
            raise Forbidden("system.not_yours", f"Only {system.owner_team or 'an architect'} may say this.")
        before = {"third_party": system.third_party}
        system.third_party = third_party
        system.save(update_fields=["third_party"])
        _record(actor, "catalog.provision_stated", "system", key, before, {"third_party": third_party})
    return system


def grant(slug: str, application_key: str, *, reason: str, actor: User) -> ProviderRight:
    """The owner of an API lets an application of another team provide it. Idempotent. A person who owns both may."""
    with transaction.atomic():
        api = locked_api(slug)
        allowed = permissions.may_change_api(Viewer.of(actor), api)
        if not allowed:
            raise Forbidden("api.not_yours", allowed.reason)
        application = Application.objects.filter(key=application_key, retired_at=None).first()
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


def end_right(slug: str, application_key: str, *, actor: User) -> None:
    """End the right. What runs goes on; the next release is refused. Idempotent."""
    with transaction.atomic():
        api = locked_api(slug)
        allowed = permissions.may_change_api(Viewer.of(actor), api)
        if not allowed:
            raise Forbidden("api.not_yours", allowed.reason)
        rows = ProviderRight.objects.filter(api=api, application__key=application_key, ended_at=None)
        if rows.update(ended_at=clock.now(), ended_by=actor):
            before = {"application": application_key}
            _record(actor, "catalog.provider_right_ended", "api", slug, before, None)


def rights_of(api: Api) -> list[ProviderRight]:
    return list(ProviderRight.objects.select_related("application", "granted_by").filter(api=api, ended_at=None))


def _record(actor: User | None, verb: str, kind: str, key: str, before: Any, after: Any) -> None:
    audit.record(actor=actor, verb=verb, subject_kind=kind, subject_id=key, before=before, after=after)
