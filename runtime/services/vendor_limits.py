"""Settings of a vendor's shared state: limits, and the circuit breaker opened or closed by hand."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from kernel import audit, clock
from kernel.errors import Forbidden, Invalid, NotFound, finding
from kernel.models import User
from kernel.viewer import Viewer
from runtime import permissions
from runtime.models import VendorState
from runtime.models.subscriptions import LONG_AGO
from runtime.services.recovery import calls_of_before_under_way


def _locked(vendor_id: int, actor: User | None) -> VendorState:
    if actor is not None and not (allowed := permissions.may_set_vendor_limits(Viewer.of(actor))):
        raise Forbidden("vendor.not_allowed", allowed.reason)
    found = VendorState.objects.select_for_update().filter(pk=vendor_id).first()
    if found is None:
        raise NotFound("vendor.unknown", f"There is no vendor state {vendor_id}.")
    return found


def set_limits(
    vendor_id: int,
    *,
    rate: float | None,
    burst: float | None,
    concurrency: int | None,
    budget: int | None,
    actor: User | None,
    reason: str,
) -> VendorState:
    """Set calls per second with burst, concurrent leases, and messages per UTC day; None is no limit.

    Applies to every integration that calls this vendor, until the next deployment of a manifest that states limits.
    Raises Invalid `vendor.limits`, Forbidden.
    """
    after = {"rate": rate, "burst": burst, "concurrency": concurrency, "budget": budget}
    if found := _problems(after, reason):
        raise Invalid("vendor.limits", f"The limits cannot be set: {found[0]['message']}.", {"findings": found})
    with transaction.atomic():
        vendor = _locked(vendor_id, actor)
        before = {name: getattr(vendor, name) for name in after}
        VendorState.objects.filter(pk=vendor_id).update(**after, allowance=burst or 0, refilled_at=Now())
        audit.record(
            "runtime.vendor_limits_set", "vendor", str(vendor), actor=actor, before=before, after=after, reason=reason
        )
        vendor.refresh_from_db()
        return vendor


def _problems(limits: dict[str, Any], reason: str) -> list[dict[str, Any]]:
    found = [
        finding(f"/{name}", "a limit is more than zero")
        for name, value in limits.items()
        if value is not None and value <= 0
    ]
    if (limits["rate"] is None) != (limits["burst"] is None):
        found.append(finding("/burst", "a rate goes with a burst"))
    if not reason.strip():
        found.append(finding("/reason", "give a reason"))
    return found


def open_breaker(vendor_id: int, *, until: datetime, actor: User | None, reason: str) -> VendorState:
    """Stop calls to this vendor until then; afterwards one claim probes. Queries about earlier calls wait, too."""
    if until <= clock.now() or not reason.strip():
        raise Invalid("vendor.breaker", "Name a time in the future and a reason.")
    with transaction.atomic():
        vendor = _locked(vendor_id, actor)
        VendorState.objects.filter(pk=vendor_id).update(
            breaker="open", open_until=until, probe_until=LONG_AGO, probe_subscription=None, probe_lane=None
        )
        audit.record(
            "runtime.breaker_opened",
            "vendor",
            str(vendor),
            actor=actor,
            after={"until": until.isoformat()},
            reason=reason,
        )
        vendor.refresh_from_db()
        return vendor


def close_breaker(vendor_id: int, *, actor: User | None, reason: str) -> VendorState:
    """Resume calls to this vendor now; its failures and a Retry-After are forgotten. Calls that may be under way since
    before the database went back are not: nobody calls it until they are over."""
    if not reason.strip():
        raise Invalid("vendor.breaker", "Give a reason for closing the circuit breaker.")
    with transaction.atomic():
        vendor = _locked(vendor_id, actor)
        left_alone_until = vendor.not_before if calls_of_before_under_way(vendor_id) else LONG_AGO
        VendorState.objects.filter(pk=vendor_id).update(
            breaker="closed",
            failures=0,
            openings=0,
            open_until=LONG_AGO,
            not_before=left_alone_until,
            probe_until=LONG_AGO,
            probe_subscription=None,
            probe_lane=None,
        )
        audit.record("runtime.breaker_closed", "vendor", str(vendor), actor=actor, reason=reason)
        vendor.refresh_from_db()
        return vendor
