"""What people set on a vendor's shared state: limits, and the breaker by hand."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models.functions import Now

from kernel import audit, clock
from kernel.errors import Forbidden, Invalid, NotFound, finding
from kernel.models import User
from kernel.viewer import Viewer
from runtime import permissions
from runtime.models import VendorState
from runtime.models.subscriptions import LONG_AGO


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
    """Calls a second with burst, live leases, messages per UTC day; None is no limit. Holds for every integration that calls this
    vendor, until the next deployment of a manifest that states limits of its own. Raises Invalid `vendor.limits`, Forbidden."""
    found = [
        finding(f"/{name}", "a limit is more than zero")
        for name, value in (("rate", rate), ("burst", burst), ("concurrency", concurrency), ("budget", budget))
        if value is not None and value <= 0
    ]
    if (rate is None) != (burst is None):
        found.append(finding("/burst", "a rate goes with a burst"))
    if not reason.strip():
        found.append(finding("/reason", "say why"))
    if found:
        raise Invalid("vendor.limits", f"The limits cannot be set: {found[0]['message']}.", {"findings": found})
    with transaction.atomic():
        vendor = _locked(vendor_id, actor)
        before = {
            "rate": vendor.rate,
            "burst": vendor.burst,
            "concurrency": vendor.concurrency,
            "budget": vendor.budget,
        }
        after = {"rate": rate, "burst": burst, "concurrency": concurrency, "budget": budget}
        VendorState.objects.filter(pk=vendor_id).update(**after, allowance=burst or 0, refilled_at=Now())
        audit.record(
            actor=actor,
            verb="runtime.vendor_limits_set",
            subject_kind="vendor",
            subject_id=str(vendor),
            before=before,
            after=after,
            reason=reason,
        )
        vendor.refresh_from_db()
        return vendor


def open_breaker(vendor_id: int, *, until: datetime, actor: User | None, reason: str) -> VendorState:
    """Call this vendor no more until then; after that one claim probes. Open questions about earlier calls wait as well."""
    if until <= clock.now() or not reason.strip():
        raise Invalid("vendor.breaker", "Name a time in the future and a reason.")
    with transaction.atomic():
        vendor = _locked(vendor_id, actor)
        VendorState.objects.filter(pk=vendor_id).update(
            breaker="open", open_until=until, probe_until=LONG_AGO, probe_subscription=None, probe_lane=None
        )
        audit.record(
            actor=actor,
            verb="runtime.breaker_opened",
            subject_kind="vendor",
            subject_id=str(vendor),
            after={"until": until.isoformat()},
            reason=reason,
        )
        vendor.refresh_from_db()
        return vendor


def close_breaker(vendor_id: int, *, actor: User | None, reason: str) -> VendorState:
    """Call this vendor again at once, its failures forgotten and a Retry-After set aside."""
    if not reason.strip():
        raise Invalid("vendor.breaker", "Say why the breaker is closed by hand.")
    with transaction.atomic():
        vendor = _locked(vendor_id, actor)
        VendorState.objects.filter(pk=vendor_id).update(
            breaker="closed",
            failures=0,
            openings=0,
            open_until=LONG_AGO,
            not_before=LONG_AGO,
            probe_until=LONG_AGO,
            probe_subscription=None,
            probe_lane=None,
        )
        audit.record(
            actor=actor, verb="runtime.breaker_closed", subject_kind="vendor", subject_id=str(vendor), reason=reason
        )
        vendor.refresh_from_db()
        return vendor
