"""Erase what a message said: what would go, what is in the way, and the decision."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from kernel.errors import Conflict, Forbidden, NotFound
from kernel.ui.wording import counted
from kernel.viewer import Viewer
from runtime import permissions
from runtime.selectors import traces
from runtime.selectors.traces import FoundMessage
from runtime.services import erasure as services

ONE, KEY = "one", "key"


class ErasureForm(forms.Form):
    what = forms.ChoiceField(
        choices=[(ONE, "This message alone"), (KEY, "All messages of its key")],
        initial=ONE,
        label="What",
        widget=forms.RadioSelect,
    )
    reason = forms.CharField(
        max_length=2000,
        label="Reason",
        help_text="On whose request, such as its number. The audit ledger keeps it: name no person in it.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def erase(request: HttpRequest) -> HttpResponse:
    """`q` is the correlation id of the message. GET is the dry run."""
    viewer, text = Viewer.of(request.user), request.GET.get("q", "").replace("\0", "").strip()[:300]
    found = traces.search(viewer, text) if text else []
    if not found:
        raise NotFound("message.unknown", "There is no message with this correlation id, or you may not see it.")
    message, allowed = found[0], permissions.may_erase(viewer)
    if not allowed:
        raise Forbidden("erasure.not_allowed", f"{allowed.reason} Nothing was erased.")
    form, status = ErasureForm(), 200
    if request.method == "POST":
        form, status = ErasureForm(request.POST), 422
        if form.is_valid():
            try:
                count = services.erase(
                    message.stream,
                    **_of(message, form.cleaned_data["what"]),
                    actor=viewer.user,
                    reason=form.cleaned_data["reason"],
                )
            except Conflict as error:
                form.add_error(None, error.message)
            else:
                said = (
                    f"The payload of {counted(count, 'message')} is erased." if count else "Nothing was left to erase."
                )
                messages.success(request, said)
                return redirect(f"{reverse('runtime:traces')}?{urlencode({'q': message.correlation})}")
    previews = [
        (label, services.preview(message.stream, **_of(message, what), actor=viewer.user))
        for what, label in form.fields["what"].choices  # type: ignore[attr-defined]
    ]
    context = {"message": message, "form": form, "previews": previews}
    return render(request, "runtime/erase.html", context, status=status)


def _of(message: FoundMessage, what: str) -> dict[str, Any]:
    return {"key": message.key} if what == KEY else {"lane": message.lane, "position": message.position}
