"""Quotas and circuit breakers: limits of each vendor, whether it answers, and what people set by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from kernel import clock
from kernel.errors import Forbidden, Invalid, NotFound
from kernel.models import User
from kernel.viewer import Viewer
from runtime import permissions
from runtime.models import VendorState
from runtime.selectors import connection_faults
from runtime.selectors import vendors as selectors
from runtime.selectors.vendors import VendorRow
from runtime.services import vendor_limits as services
from runtime.services import vendor_probes
from runtime.web import environment

PAGE = 50
HOLD = [(5, "5 minutes"), (15, "15 minutes"), (60, "1 hour"), (240, "4 hours"), (1440, "1 day")]


class ReasonForm(forms.Form):
    """Every action needs a reason and a confirmation: the state of a vendor is shared by every integration that calls
    it.
    """

    reason = forms.CharField(max_length=2000, label="Reason", widget=forms.Textarea(attrs={"rows": 2}))
    confirm = forms.BooleanField(
        label="Applies to every integration that uses it",
        error_messages={"required": "Confirm that this applies to every integration that uses it."},
    )


class LimitsForm(ReasonForm):
    """Empty: no limit."""

    rate = forms.FloatField(
        required=False, min_value=0.001, label="Rate", help_text="Messages per second. Empty: no limit."
    )
    burst = forms.FloatField(
        required=False, min_value=1, label="Burst", help_text="Messages at once after a pause; goes with a rate."
    )
    concurrency = forms.IntegerField(
        required=False, min_value=1, max_value=32_767, label="At once", help_text="Batches under way."
    )
    budget = forms.IntegerField(
        required=False, min_value=1, max_value=2**62, label="Budget", help_text="Messages per UTC day."
    )
    field_order = ("rate", "burst", "concurrency", "budget", "reason", "confirm")


class OpenForm(ReasonForm):
    minutes = forms.TypedChoiceField(coerce=int, choices=HOLD, initial=15, label="Stop calls for")
    field_order = ("minutes", "reason", "confirm")


FORMS: dict[str, type[ReasonForm]] = {"limits": LimitsForm, "open": OpenForm, "close": ReasonForm}
DONE = {"limits": "The limits apply now.", "open": "Calls are stopped.", "close": "Calls have resumed."}


@never_cache
@require_safe
def vendors(request: HttpRequest) -> HttpResponse:
    viewer, place = Viewer.of(request.user), environment.chosen(request)
    found = selectors.listed(viewer, place)
    context = {
        "environment": place,
        "environments": environment.segments(request, place),
        "tone": selectors.state_of(found),
        "sources": connection_faults.of_sources(viewer, place),
        "page": Paginator(found, PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "runtime/vendors.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def vendor(request: HttpRequest, vendor_id: int) -> HttpResponse:
    """One vendor: its state, its limits, and its circuit breaker. `act` of a POST: limits, open, close or probe."""
    viewer = Viewer.of(request.user)
    found = selectors.one(viewer, vendor_id)
    if found is None:
        raise NotFound(
            "vendor.unknown", f"There is no vendor {vendor_id}, or no integration that you may see calls it."
        )
    allowed = permissions.may_set_vendor_limits(viewer)
    if request.method == "POST" and request.POST.get("act") == "probe":
        return _probe(request, vendor_id)
    made: dict[str, ReasonForm] = {
        act: form(initial=_limits(found) if act == "limits" else None, prefix=act) for act, form in FORMS.items()
    }
    status = 200
    if request.method == "POST":
        if not allowed:
            raise Forbidden("vendor.not_allowed", f"{allowed.reason} Nothing was changed.")
        act = request.POST.get("act", "")
        if act not in FORMS:
            raise Invalid("vendor.act", "Choose one: limits, open or close. Nothing was changed.")
        form = made[act] = FORMS[act](request.POST, prefix=act)
        if form.is_valid() and _act(act, form, found, viewer):
            messages.success(request, DONE[act])
            return redirect("runtime:vendor", vendor_id)
        status = 422
    context = {
        "vendor": found,
        "environment": found.environment,
        "forms": made,
        "allowed": allowed,
        "may_probe": vendor_probes.may_probe(viewer, VendorState.objects.get(pk=vendor_id)),
    }
    return render(request, "runtime/vendor.html", context, status=status)


def _probe(request: HttpRequest, vendor_id: int) -> HttpResponse:
    """Try its connection now. `next` is the page of an integration to go back to."""
    vendor_probes.probe_now(vendor_id, actor=_person(request))
    messages.success(request, "One message tries the connection now. This page shows the answer in a moment.")
    back = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        return redirect(back)
    return redirect("runtime:vendor", vendor_id)


def _person(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise Forbidden("vendor.not_operator", "Sign in to try the connection. Nothing was changed.")
    return request.user


def _limits(found: VendorRow) -> dict[str, Any]:
    return {"rate": found.rate, "burst": found.burst, "concurrency": found.concurrency, "budget": found.budget}


def _act(act: str, form: ReasonForm, found: VendorRow, viewer: Viewer) -> bool:
    """False when the service found an error that the form did not; the page then shows it beside its field."""
    values, more = form.cleaned_data, {"actor": viewer.user, "reason": form.cleaned_data["reason"]}
    try:
        if act == "limits":
            limits = {name: values[name] for name in ("rate", "burst", "concurrency", "budget")}
            services.set_limits(found.id, **limits, **more)
        elif act == "open":
            services.open_breaker(found.id, until=clock.now() + timedelta(minutes=values["minutes"]), **more)
        else:
            services.close_breaker(found.id, **more)
    except Invalid as error:
        for one in error.findings or [{"pointer": "", "message": error.message.rstrip(".")}]:
            name = str(one["pointer"]).strip("/")
            form.add_error(name if name in form.fields else None, one["message"][:1].upper() + one["message"][1:] + ".")
        return False
    return True
