"""Dead letters: which messages failed, why, and the decisions of a person. They stay until a person decides."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from kernel import clock, strict_json
from kernel.errors import Conflict, DomainError, Invalid, NotFound
from kernel.ui.wording import number
from kernel.viewer import Permission, Viewer
from runtime import permissions
from runtime.models import Integration
from runtime.selectors import dead_letter_detail, unkept, why_waits
from runtime.selectors import dead_letters as selectors
from runtime.selectors.dead_letter_detail import DeadLetterDetail
from runtime.selectors.dead_letters import DeadLetterGroup
from runtime.services import cases, confirming, seen_content
from runtime.services import dead_letters as services
from runtime.services.dead_letters import APPROVAL_ABOVE, DeadLetterFilter, RedriveDryRun
from runtime.services.resubmitting import resubmit_rejected
from runtime.web import environment

SHOWN = 50
MAX_RATE = 1_000
NEED_REASON = ("edit", "resend", "arrived", "discard", "resubmit_newer", "dismiss", "keep", "replace")
BUSY = "Nothing was changed: a worker is trying this message at this moment. Look again in a few seconds."


class GroupDecisionForm(forms.Form):
    """A decision about a whole group. Discarding needs a reason; a rate spreads a redrive over time."""

    act = forms.ChoiceField(
        required=False, choices=[(act, act) for act in ("try", "redrive", "resend", "arrived", "discard")]
    )
    rate = forms.FloatField(
        required=False, min_value=0.01, max_value=MAX_RATE, label="Rate", help_text="Messages per second."
    )
    reason = forms.CharField(required=False, max_length=2000, label="Reason", widget=forms.Textarea(attrs={"rows": 2}))
    standing = forms.CharField(required=False, max_length=150)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not cleaned.get("act"):
            raise forms.ValidationError("Choose one: dry run, replay or discard.")
        if cleaned.get("act") == "resend" and not cleaned.get("reason"):
            self.add_error("reason", "Say how you know that these messages did not arrive.")
        if cleaned.get("act") == "arrived" and not cleaned.get("reason"):
            self.add_error("reason", "Say how you know that these messages arrived.")
        if cleaned.get("act") == "discard" and not cleaned.get("reason"):
            self.add_error("reason", "Give a reason for discarding these messages.")
        return cleaned


class DeadLetterForm(forms.Form):
    """A decision about one dead letter."""

    act = forms.ChoiceField(required=False, choices=[(key, key) for key in (*NEED_REASON, "redrive", "resubmit")])
    payload = forms.CharField(
        required=False,
        max_length=1_000_000,
        strip=False,
        label="Content",
        widget=forms.Textarea(attrs={"rows": 14, "class": "mono", "spellcheck": "false"}),
    )
    reason = forms.CharField(required=False, max_length=2000, label="Reason", widget=forms.Textarea(attrs={"rows": 2}))
    seen = forms.CharField(required=False, max_length=100)
    standing = forms.CharField(required=False, max_length=150)
    reference = forms.CharField(required=False, max_length=200, label="Reference at the target")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not cleaned.get("act"):
            raise forms.ValidationError("Choose what to do with this message.")
        if cleaned.get("act") in NEED_REASON and not cleaned.get("reason"):
            self.add_error("reason", "Give a reason; the ledger keeps it with the decision.")
        if cleaned.get("act") in ("edit", "resubmit", "resubmit_newer"):
            text = cleaned.get("payload") or ""
            if cleaned["act"] != "edit" and text.lstrip().startswith("<"):
                cleaned["document"] = text  # a record in its source's own format: its reader judges it
                return cleaned
            try:
                cleaned["document"] = strict_json.loads(text.encode())
            except Invalid as error:
                self.add_error("payload", error.message)
        return cleaned


# -- groups ------------------------------------------------------------------------------------------------------------
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def dead_letters(request: HttpRequest) -> HttpResponse:
    """The groups and the chosen one; a POST dry-runs, redrives or discards all messages of the chosen group."""
    viewer, place = Viewer.of(request.user), environment.chosen(request)
    integration = request.GET.get("integration", "").replace("\0", "")[:80]
    groups = selectors.groups(viewer, place, integration=integration)
    asked = selectors.asked_groups(viewer, place, integration=integration)
    wanted = (request.POST.get("group") or request.GET.get("group", "")).replace("\0", "")
    chosen = selectors.group_of([*groups, *asked], wanted) if wanted else next(iter([*groups, *asked]), None)
    context: dict[str, Any] = {
        "environment": place,
        "environments": environment.segments(request, place),
        "integration": integration,
        "groups": groups,
        "asked": asked,
        "group": chosen,
        "gone": bool(wanted) and chosen is None,
        "open": sum(group.count for group in groups),
        "settled": selectors.settled_today(viewer, place),
        "unkept": unkept.of_late(viewer, place, integration=integration),
        "form": GroupDecisionForm(),
        "limit_words": number(APPROVAL_ABOVE),
    }
    status = 200
    if chosen is not None:
        context |= {
            "dead_letters": selectors.of_group(chosen, limit=SHOWN),
            "operate": _may_operate(viewer, chosen.integration),
            "standing": _standing(chosen),
        }
        if request.method == "POST":
            answer = _settle(request, viewer, chosen, context)
            if answer is not None:
                return answer
            status = 422 if context["form"].errors else 200
            for one in context["dead_letters"][:1]:
                context["sample"] = _detail(viewer, chosen.kind, one.place)
        elif context["dead_letters"]:
            context["sample"] = _detail(viewer, chosen.kind, context["dead_letters"][0].place)
    elif request.method == "POST":
        raise NotFound(
            "letters.gone", "These messages were settled in the meantime, or you may not see them. Nothing was changed."
        )
    return render(request, "runtime/dead_letters.html", context, status=status)


def _may_operate(viewer: Viewer, key: str) -> Permission:
    return permissions.may_operate(viewer, Integration.objects.select_related("owner_team").get(key=key))


def _settle(
    request: HttpRequest, viewer: Viewer, group: DeadLetterGroup, context: dict[str, Any]
) -> HttpResponse | None:
    """Carry the decision out; None shows the page again, with findings or with the result of a dry run."""
    permissions.allow(context["operate"], outcome="Nothing was changed.")
    if group.kind not in selectors.QUARANTINED_KINDS:
        raise Invalid("letters.one_by_one", "These messages are decided one by one. Nothing was changed.")
    form = context["form"] = GroupDecisionForm(request.POST)
    if not form.is_valid():
        return None
    chosen = _of_group(group)
    act, actor, seen = form.cleaned_data["act"], viewer.user, form.cleaned_data["standing"]
    if seen:
        chosen = [replace(one, until=seen_content.until_of(seen)) for one in chosen]
    if act == "try":
        context["trial"] = _sum(services.dry_run(one, actor=actor) for one in chosen)
        return None
    if act == "arrived":
        try:
            with transaction.atomic():
                _as_seen(chosen, seen)
                count = sum(confirming.confirm(one, actor=actor, reason=form.cleaned_data["reason"]) for one in chosen)
        except Conflict as error:
            form.add_error(None, error.message)
            return None
        messages.success(request, _confirmed(count))
    elif act in ("redrive", "resend"):
        rate = form.cleaned_data["rate"]
        share = rate / len(chosen) if rate and chosen else None
        given = {"rate": share, "reason": form.cleaned_data["reason"], "not_arrived": act == "resend"}
        try:
            with transaction.atomic():
                _as_seen(chosen, seen)
                count = services.demand_some(sum(services.redrive(one, actor=actor, **given) for one in chosen))
        except Conflict as error:
            form.add_error(None, error.message)
            return None
        asking = group.kind == "asked" and act == "redrive"
        messages.success(request, _going(count, [one.subscription for one in chosen], asking=asking))
    else:
        try:
            with transaction.atomic():
                _as_seen(chosen, seen)
                given = {"actor": actor, "reason": form.cleaned_data["reason"]}
                count = services.demand_some(sum(services.discard(one, **given) for one in chosen))
        except Conflict as error:
            form.add_error(None, error.message)
            return None
        done = f"Discarded {number(count)} message{'s' if count != 1 else ''} without delivery."
        messages.success(request, f"{done} The ledger keeps the reason.")
    return redirect(_address(context["environment"], context["integration"]))


def _as_seen(chosen: Sequence[DeadLetterFilter], seen: str) -> None:
    """In the transaction of a decision: what is decided on stands as it was shown."""
    if seen:
        seen_content.demand_standing(chosen, seen)


def _of_group(group: DeadLetterGroup) -> list[DeadLetterFilter]:
    return [
        DeadLetterFilter(subscription, fingerprint=group.fingerprint, asked=group.kind == "asked")
        for subscription in selectors.subscriptions(group)
    ]


def _standing(group: DeadLetterGroup) -> str:
    """How the messages of a group stand, to be given back with a decision."""
    if group.kind not in selectors.QUARANTINED_KINDS:
        return ""
    until = clock.now()
    return seen_content.standing([replace(one, until=until) for one in _of_group(group)], until=until)


def _going(count: int, subscriptions: Sequence[int], *, asking: bool) -> str:
    """What goes now, and what it waits for."""
    word = "Asking about" if asking else "Retrying"
    waits = why_waits.said(subscriptions, asking=asking)
    return f"{word} {number(count)} message{'s' if count != 1 else ''}.{f' {waits}' if waits else ''}"


def _confirmed(count: int) -> str:
    return f"Confirmed {number(count)} message{'s' if count != 1 else ''} by your word. The ledger keeps the reason."


def _sum(trials: Any) -> RedriveDryRun:
    """One result for all targets of a group: the stores of a fleet fail for the same reason."""
    trials = list(trials)
    refused: dict[str, int] = {}
    for one in trials:
        for reason, count in one.still_refused:
            refused[reason] = refused.get(reason, 0) + count
    return RedriveDryRun(
        total=sum(one.total for one in trials),
        would_map=sum(one.would_map for one in trials),
        still_refused=sorted(refused.items(), key=lambda pair: -pair[1]),
        behind=sum(one.behind for one in trials),
        unknown=sum(one.unknown for one in trials),
        fresh_keys=sum(one.fresh_keys for one in trials),
        not_askable=sum(one.not_askable for one in trials),
        key_forgotten=sum(one.key_forgotten for one in trials),
        unproven=sum(one.unproven for one in trials),
    )


def _address(place: str, integration: str = "") -> str:
    query = {"environment": place if place != environment.DEFAULT else "", "integration": integration}
    kept = urlencode({key: value for key, value in query.items() if value})
    return reverse("runtime:dead-letters") + (f"?{kept}" if kept else "")


# -- one dead letter ---------------------------------------------------------------------------------------------------
def _detail(viewer: Viewer, kind: str, place: str) -> DeadLetterDetail | None:
    numbers = [int(part) for part in place.split("/")]
    if any(one >= 2**63 for one in numbers):
        return None
    if kind in selectors.QUARANTINED_KINDS:
        return dead_letter_detail.quarantined(viewer, *numbers)
    return (
        dead_letter_detail.rejected(viewer, numbers[0])
        if kind == "rejected"
        else dead_letter_detail.conflict(viewer, numbers[0])
    )


@never_cache
@require_safe
def quarantined(request: HttpRequest, subscription: int, lane: int, position: int) -> HttpResponse:
    return _page(request, "parked", f"{subscription}/{lane}/{position}")


@never_cache
@require_safe
def rejected(request: HttpRequest, number: int) -> HttpResponse:
    return _page(request, "rejected", str(number))


@never_cache
@require_safe
def conflict(request: HttpRequest, number: int) -> HttpResponse:
    return _page(request, "conflict", str(number))


def _found(viewer: Viewer, kind: str, place: str) -> DeadLetterDetail:
    detail = _detail(viewer, kind, place)
    if detail is None:
        raise NotFound("letter.unknown", "There is no such message: it was settled, or you may not see it.")
    return detail


def _page(
    request: HttpRequest, kind: str, place: str, form: DeadLetterForm | None = None, refusal: DomainError | None = None
) -> HttpResponse:
    viewer = Viewer.of(request.user)
    detail = _found(viewer, kind, place)
    context = {
        "detail": detail,
        "dead_letter": detail.dead_letter,
        "operate": _may_operate(viewer, detail.integration),
        "form": form or DeadLetterForm(initial={"payload": detail.payload}),
        "refusal": refusal,
        "act": reverse("runtime:dead-letter-settle", args=[kind, place]),
        "standing": seen_content.standing([_one(place)]) if kind == "parked" else "",
        "open": kind == "parked" or detail.dead_letter.state == "open",
    }
    return render(
        request, "runtime/dead_letter.html", context, status=refusal.status if refusal else 422 if form else 200
    )


@never_cache
@require_POST
def settle(request: HttpRequest, kind: str, place: str) -> HttpResponse:
    """One decision about one dead letter. A refusal shows the page again with what was typed."""
    if kind not in selectors.KINDS or place.count("/") != (2 if kind == "parked" else 0):
        raise NotFound("letter.unknown", "There is no such message.")
    if not all(part.isascii() and part.isdecimal() and len(part) < 19 for part in place.split("/")):
        raise NotFound("letter.unknown", "There is no such message.")
    viewer = Viewer.of(request.user)
    detail = _found(viewer, kind, place)
    permissions.allow(_may_operate(viewer, detail.integration), outcome="Nothing was changed.")
    form = DeadLetterForm(request.POST)
    if not form.is_valid():
        return _page(request, kind, place, form)
    try:
        with transaction.atomic() if kind == "parked" else nullcontext():
            done = _DECIDE[kind](viewer, place, form.cleaned_data | {"asked": detail.dead_letter.state == "sending"})
    except (Invalid, Conflict) as error:
        return _page(request, kind, place, form, error)
    messages.success(request, done)
    if form.cleaned_data["act"] == "edit":
        return redirect(reverse("runtime:dead-letter", args=[int(part) for part in place.split("/")]))
    return redirect("runtime:dead-letters")


def _one(place: str) -> DeadLetterFilter:
    subscription, lane, position = (int(part) for part in place.split("/"))
    return DeadLetterFilter(subscription, addresses=((lane, position),))


def _decide_quarantined(viewer: Viewer, place: str, chosen: dict[str, Any]) -> str:
    subscription, lane, position = (int(part) for part in place.split("/"))
    reason, one = chosen["reason"], _one(place)
    if chosen["act"] != "edit":
        _as_seen([one], chosen["standing"])
    if chosen["act"] == "edit":
        given = {"payload": chosen["document"], "reason": reason, "seen": chosen["seen"] or None}
        services.edit_payload(subscription, lane, position, actor=viewer.user, **given)
        return "The edited payload is saved beside the stored one. Replay the message to send it."
    if chosen["act"] in ("redrive", "resend"):
        count = services.redrive(one, actor=viewer.user, reason=reason, not_arrived=chosen["act"] == "resend")
        asking = chosen["act"] == "redrive" and chosen["asked"]
        return _going(count, [subscription], asking=asking) if count else BUSY
    if chosen["act"] == "arrived":
        count = confirming.confirm(one, actor=viewer.user, reason=reason, reference=chosen["reference"])
        return _confirmed(count) if count else BUSY
    if chosen["act"] == "discard":
        if not services.discard(one, actor=viewer.user, reason=reason):
            return BUSY
        return "Discarded 1 message without delivery. The ledger keeps the reason."
    raise Invalid("letter.act", "Choose one: edit, replay or discard.")


def _decide_rejected(viewer: Viewer, place: str, chosen: dict[str, Any]) -> str:
    if chosen["act"] in ("resubmit", "resubmit_newer"):
        receipt = resubmit_rejected(
            int(place),
            payload=chosen["document"],
            actor=viewer.user,
            note=chosen["reason"],
            although_newer=chosen["act"] == "resubmit_newer",
        )
        older = " A newer version of this key is stored, so this one changes nothing."
        return f"Resubmitted: {receipt.status}.{older if receipt.status == 'older' else ''}"
    if chosen["act"] == "dismiss":
        cases.dismiss_rejected(int(place), actor=viewer.user, note=chosen["reason"])
        return "Dismissed 1 message. The ledger keeps the reason."
    raise Invalid("letter.act", "A rejected message can only be resubmitted or dismissed.")


def _decide_conflict(viewer: Viewer, place: str, chosen: dict[str, Any]) -> str:
    if chosen["act"] not in ("keep", "replace"):
        raise Invalid("letter.act", "Keep the stored version, or apply the later one as a correction.")
    keep = chosen["act"] == "keep"
    cases.settle_conflict(int(place), keep=keep, actor=viewer.user, note=chosen["reason"])
    return "The stored version is kept." if keep else "The later version was stored as a correction."


_DECIDE = {"parked": _decide_quarantined, "rejected": _decide_rejected, "conflict": _decide_conflict}
