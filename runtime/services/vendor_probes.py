"""Try a connection now: somebody has corrected it and does not want to wait for the next probe."""

from __future__ import annotations

from django.db import connection, transaction
from django.db.models.functions import Least, Now

from catalog.selectors import systems
from kernel import audit
from kernel.errors import Conflict, Forbidden, NotFound
from kernel.models import User
from kernel.viewer import Permission, Viewer
from runtime import permissions
from runtime.models import TargetSubscription, VendorState
from runtime.models.subscriptions import LONG_AGO


def may_probe(viewer: Viewer, vendor: VendorState) -> Permission:
    """Operators of an integration that calls it, and the team that owns the system."""
    callers = vendor.subscriptions.values_list("stream__integration__key", flat=True).distinct()
    system = systems.by_key(vendor.system_key)
    return permissions.may_probe_vendor(viewer, list(callers), system.owner_team_id if system else None)


def probe_now(vendor_id: int, *, actor: User) -> VendorState:
    """Let one message try the open circuit breaker now, and each target whose connection is at fault by itself. Whether
    it was over shows within a moment; if not, the pauses begin anew.

    Raises NotFound, Forbidden, Conflict `vendor.nothing_to_try`.
    """
    with transaction.atomic():
        vendor = VendorState.objects.select_for_update().filter(pk=vendor_id).first()
        if vendor is None:
            raise NotFound("vendor.unknown", f"There is no vendor state {vendor_id}.")
        if not (allowed := may_probe(Viewer.of(actor), vendor)):
            raise Forbidden("vendor.not_operator", f"{allowed.reason} Nothing was changed.")
        held = TargetSubscription.objects.filter(vendor=vendor).exclude(fault="")
        targets = held.update(held_until=LONG_AGO)
        if vendor.breaker == "closed" and not targets:
            raise Conflict("vendor.nothing_to_try", "Its circuit breaker is closed: calls go out already.")
        now = Least("open_until", Now())
        VendorState.objects.filter(pk=vendor_id, breaker="open").update(open_until=now, openings=0)
        audit.record("runtime.vendor_probed", "vendor", str(vendor), actor=actor, after={"fault": vendor.fault})
        transaction.on_commit(_wake)
        vendor.refresh_from_db()
        return vendor


def _wake() -> None:
    """Worker loops look at once; without this they would within a second."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_notify('tillgate_work', '')")
