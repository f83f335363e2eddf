"""Register a manifest: findings with their places in it, or a release that people can approve."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from catalog.domain import contract_engine
from kernel.errors import Conflict, Forbidden, Invalid
from kernel.viewer import Viewer
from runtime.domain.manifest import MAX_BYTES
from runtime.services import integrations


class ManifestForm(forms.Form):
    """A file or pasted text; if both are given, the file is used."""

    file = forms.FileField(required=False, label="File", allow_empty_file=True)
    text = forms.CharField(
        required=False,
        max_length=MAX_BYTES,
        strip=False,
        label="or paste it",
        widget=forms.Textarea(attrs={"rows": 18, "class": "mono", "spellcheck": "false"}),
        help_text="YAML or JSON. “contract: current” pins what the catalog holds now.",
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        given = cleaned.get("file")
        if given is not None and given.size > MAX_BYTES:
            self.add_error("file", f"The file has {given.size:,} bytes; at most {MAX_BYTES:,} are read.")
            return cleaned
        data = given.read() if given is not None else (cleaned.get("text") or "").encode()
        if not data.strip():
            self.add_error("file", "Choose a file, or paste the manifest below.")
        cleaned["data"] = data
        if given is not None:
            kept = QueryDict(mutable=True)
            kept.update(self.data)
            kept["text"] = data.decode("utf-8", "replace").replace("\0", "")
            self.data = kept
        return cleaned


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def register(request: HttpRequest) -> HttpResponse:
    viewer = Viewer.of(request.user)
    if request.method != "POST":
        return render(request, "runtime/register.html", {"form": ManifestForm()})
    form = ManifestForm(request.POST, request.FILES)
    if not form.is_valid():
        return render(request, "runtime/register.html", {"form": form}, status=422)
    try:
        manifest = integrations.pinned(plain(form.cleaned_data["data"]), actor=viewer.user)
        release = integrations.register(manifest, actor=viewer.user)
    except (Invalid, Conflict, Forbidden) as error:
        return render(request, "runtime/register.html", {"form": form, "refusal": error}, status=error.status)
    address = reverse("runtime:integration", args=[release.integration.key])
    return redirect(f"{address}?{urlencode({'release': release.digest})}")


def plain(data: bytes) -> Any:
    """YAML or JSON as plain data, read as strictly as contracts: bounded, no duplicate keys, no expanding aliases.

    Raises Invalid.
    """
    return contract_engine.parse_text(
        data, "manifest.yaml" if data.lstrip()[:1] not in (b"{", b"[") else "manifest.json"
    )
