"""A fragment for pages about a change or a comparison of contracts: which integrations use the fields that differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from catalog.domain.facts import VersionFacts
from catalog.selectors import apis, contracts, versions
from governance.domain.subject import Subject
from governance.selectors import sight
from kernel import clock
from kernel.errors import Invalid, NotFound
from kernel.ui.tones import Tone, stop, wait
from kernel.viewer import Viewer
from runtime.services import field_readers, reader_effects
from runtime.services.field_readers import FlowUse, TouchedFlow

_SHOWN = 50
_TONES = {"breaking": stop("Breaking", "alert"), "warning": wait("Review")}


@dataclass(frozen=True, slots=True)
class ToldField:
    """One difference, and the integrations whose fields it touches."""

    tone: Tone
    message: str
    anchor: str
    flows: tuple[TouchedFlow, ...]


@never_cache
@require_safe
def panel(request: HttpRequest, subject: str) -> HttpResponse:
    """`<api>@<version>/?digest=` of a change's contract, or `?to=` the label of another version of the API.

    Shown to who sees the version, and to who reads a change about exactly this. Integrations that the viewer may not
    see are counted for who may change the API, and told to nobody else.
    """
    viewer = Viewer.of(request.user)
    digest = request.GET.get("digest", "").replace("\0", "")[:71]
    version = _version(viewer, subject, digest)
    of, base, revision = _pair(request, viewer, version, digest)
    flows = field_readers.of_version(viewer, of)
    seen = [flow for flow in flows if flow.release.seen]
    hidden = {flow.release.key for flow in flows} - {flow.release.key for flow in seen}
    context: dict[str, Any] = {
        "version": of,
        "flows": seen,
        "hidden": len(hidden) if apis.may_change_by_slug(of.api_slug, viewer=viewer) else 0,
        "compared": base is not None,
    }
    if base is not None and revision is not None:
        try:
            compared = contracts.compare(base, revision, as_of=clock.now().date())
        except Invalid as error:
            return render(request, "runtime/_readers_panel.html", context | {"problem": error.message})
        told = _told(seen, base, compared.findings)
        context |= {"told": told[:_SHOWN], "more": max(0, len(told) - _SHOWN)}
        before = field_readers.contract_of(base)
        reasons = ((flow, reader_effects.unreadable(flow, before)) for flow in seen)
        context["unknown"] = [(flow, reason) for flow, reason in reasons if reason]
    return render(request, "runtime/_readers_panel.html", context)


def _version(viewer: Viewer, subject: str, digest: str) -> VersionFacts:
    """Raises NotFound, in the same words for a version that is hidden."""
    found = None if "\0" in subject else versions.by_reference(subject)
    if found is not None and (
        apis.sees_version(subject, viewer=viewer)
        or (digest and sight.reads_of(viewer, Subject("version", subject, digest)))
    ):
        return found
    raise NotFound("version.unknown", f"There is no API version {subject[:120]!r}, or you may not see it.")


def _pair(
    request: HttpRequest, viewer: Viewer, version: VersionFacts, digest: str
) -> tuple[VersionFacts, str | None, str | None]:
    """The version whose users are meant, and the digests of the two contracts; None twice where nothing differs."""
    if label := request.GET.get("to", "").replace("\0", "")[:80]:
        other = _version(viewer, f"{version.api_slug}@{label}", "")
        return version, version.contract_digest, other.contract_digest
    if version.state in ("draft", "in_review"):
        before = versions.neighbour_before(version.id)
        if before is None or digest != version.contract_digest:
            return version, None, None
        return before, before.contract_digest, version.contract_digest
    if digest and digest == version.proposed_digest and digest != version.contract_digest:
        return version, version.contract_digest, digest
    return version, None, None


def _told(flows: list[FlowUse], base: str, findings: list[Any]) -> list[ToldField]:
    """Equal differences once, what breaks first."""
    made: dict[str, ToldField] = {}
    for finding, touched in field_readers.touched(flows, base, findings):
        one = ToldField(_TONES[finding.level], finding.message, f"f-{finding.fingerprint}", tuple(touched))
        made.setdefault(finding.message, one)
    return sorted(made.values(), key=lambda one: one.tone.tone != "stop")
