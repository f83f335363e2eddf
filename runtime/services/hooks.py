"""Addresses of webhooks: made, given another secret and ended by the owner of the integration, each in the ledger."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from catalog.selectors import systems
from kernel import audit, clock
from kernel.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable, finding
from kernel.models import User
from kernel.named_secrets import SecretNames
from kernel.signed_bodies import SHORTEST_SECRET
from kernel.viewer import Viewer
from runtime import permissions
from runtime.connectors.webhook_settings import SignatureSettings
from runtime.connectors.webhook_signatures import key_of
from runtime.domain import manifest as manifests
from runtime.domain.manifest import ManifestSource
from runtime.models import Deployment, Hook, Integration
from runtime.services import hook_settings

SECRETS = SecretNames("TILLGATE_WEBHOOK_", "WEBHOOK_SECRETS", "hook.secret")
LONGEST_URL = 500


def address_of(hook: Hook) -> str:
    """Where the vendor sends to."""
    return hook.public_url or f"{settings.PUBLIC_URL}/hooks/{hook.key}"


def keys_of(hook: Hook, signature: SignatureSettings) -> list[bytes]:
    """The secrets by which calls may be known: the present one, and the one before. Raises Unavailable `hook.secret`,
    which says the name and never the secret."""
    return [_key(reference, signature) for reference in (hook.secret_ref, hook.old_secret_ref) if reference]


def _key(reference: str, signature: SignatureSettings) -> bytes:
    secret = SECRETS.read(reference)
    if len(secret) < SHORTEST_SECRET:
        raise SECRETS.unusable(reference, f"is shorter than {SHORTEST_SECRET} characters")
    try:
        return key_of(secret, signature.key_form)
    except ValueError:
        raise SECRETS.unusable(reference, f"is not written as {signature.key_form}") from None


def hooks_of(integration: Integration, environment: str = "") -> QuerySet[Hook]:
    """Those that take calls now; the caller has checked what the viewer may see."""
    found = Hook.objects.filter(integration=integration, ended_at=None).select_related("created_by")
    return found.filter(environment=environment) if environment else found


def make(
    integration: Integration,
    environment: str,
    *,
    source: str,
    secret_ref: str,
    public_url: str = "",
    actor: User | None,
) -> Hook:
    """An address for the webhooks of a source in one environment. Raises Forbidden for everybody but the owner, Invalid
    with the field, Conflict where there is one already."""
    _require_owner(integration, actor)
    if environment not in {known for known, _, _ in systems.environments()}:
        raise _wrong("environment", f"There is no environment {environment[:40]!r}.")
    _source(integration, environment, source)
    values = {"secret_ref": _name(secret_ref, "secret_ref"), "public_url": _url(public_url)}
    key = f"{integration.key[:30].strip('-')}-{secrets.token_hex(12)}"
    with transaction.atomic():
        try:
            with transaction.atomic():
                made = Hook.objects.create(
                    integration=integration, environment=environment, source=source, key=key, created_by=actor, **values
                )
        except IntegrityError:
            said = f"The source {source!r} has an address for webhooks in {environment} already; end that one first."
            raise Conflict("hook.exists", said) from None
        _record("runtime.hook_made", made, actor, **values)
    return made


def change_secret(
    hook_id: int, integration: Integration, *, secret_ref: str, old_secret_ref: str = "", actor: User | None
) -> Hook:
    """Another secret, beside which the one before is believed as long as it is named. Raises as `make`."""
    _require_owner(integration, actor)
    new = _name(secret_ref, "secret_ref")
    old = _name(old_secret_ref, "old_secret_ref") if old_secret_ref.strip() else ""
    with transaction.atomic():
        hook = _open(hook_id, integration)
        hook.secret_ref, hook.old_secret_ref = new, old
        hook.save(update_fields=["secret_ref", "old_secret_ref"])
        _record("runtime.hook_secret_changed", hook, actor, secret_ref=new, old_secret_ref=old)
    return hook


def end(hook_id: int, integration: Integration, *, actor: User | None) -> None:
    """From the next call on nothing is taken at its address. Raises Forbidden, NotFound."""
    _require_owner(integration, actor)
    with transaction.atomic():
        hook = _open(hook_id, integration)
        hook.ended_at, hook.ended_by = clock.now(), actor
        hook.save(update_fields=["ended_at", "ended_by"])
        _record("runtime.hook_ended", hook, actor)


def problems(hook: Hook, sources: Sequence[ManifestSource]) -> str:
    """Why nothing can be taken at an address now, for its owner; empty where it can."""
    source = next((one for one in sources if one.name == hook.source), None)
    if source is None or source.webhook is None:
        return f"the deployed release has no source {hook.source!r} that takes webhooks"
    try:
        keys_of(hook, hook_settings.of_source(source).signature)
    except (Unavailable, Invalid) as error:
        return error.message
    return ""


def _source(integration: Integration, environment: str, name: str) -> None:
    running = Deployment.objects.filter(integration=integration, environment=environment, active=True)
    deployment = running.select_related("release").first()
    if deployment is None:
        raise _wrong("source", f"{integration.key} is not deployed in {environment}, so nothing would take its calls.")
    takes = [one.name for one in manifests.load(deployment.release.manifest).sources if one.webhook is not None]
    if name not in takes:
        there = f"Those that do: {', '.join(takes)}." if takes else "None of its sources says `webhook`."
        raise _wrong("source", f"There is no source {name[:80]!r} that takes webhooks. {there}")


def _open(hook_id: int, integration: Integration) -> Hook:
    found = Hook.objects.select_for_update().filter(pk=hook_id, integration=integration, ended_at=None).first()
    if found is None:
        raise NotFound("hook.unknown", f"{integration.key} has no such address of webhooks. Nothing was changed.")
    return found


def _require_owner(integration: Integration, actor: User | None) -> None:
    if actor is not None and not (allowed := permissions.may_grant_intake(Viewer.of(actor), integration)):
        raise Forbidden("integration.not_owner", f"{allowed.reason} Nothing was changed.")


def _name(reference: str, field: str) -> str:
    if not SECRETS.is_name(reference.strip()):
        raise _wrong(field, f"This is no name of a secret: {SECRETS.said}. Write its name, never the secret itself.")
    return reference.strip()


def _url(text: str) -> str:
    text = text.strip()
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("https", "http") and bool(parts.hostname) and not parts.username and not parts.fragment
    except ValueError:
        good = False
    if not good or len(text) > LONGEST_URL or not text.isascii() or not text.isprintable():
        raise _wrong("public_url", "The address as the vendor has it: a whole https address without user and fragment.")
    return text


def _wrong(field: str, said: str) -> Invalid:
    return Invalid("hook.invalid", said, {"findings": [finding(f"/{field}", said)]})


def _record(verb: str, hook: Hook, actor: User | None, **more: str) -> None:
    after = {"environment": hook.environment, "source": hook.source, "address": hook.key, **more}
    audit.record(verb, "integration", hook.integration.key, actor=actor, after=after)
