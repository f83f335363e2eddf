"""People from an identity provider: one account per subject, groups mapped to teams, rights that end when the claim
ends.

A group that somebody leaves at the provider alone is noticed when the provider is asked again. Pages ask it silently
every few minutes, and a decision needs an answer that is not older than `OIDC["recheck_minutes"]`: that is the
longest time for which a right that ended at the provider can still decide here. Rights that are taken away here end
at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction

from governance.models import GroupMapping, ProviderCheck
from kernel import audit, clock, outbox
from kernel.errors import Forbidden
from kernel.models import User

PREFIX = "oidc:"


def username_of(claims: Mapping[str, Any]) -> str:
    """The account of an OpenID Connect subject: `sub` never changes and is never given to another person (OIDC Core
    1.0 §2, §5.7); names and addresses are. Raises Forbidden `sign_in.no_subject`.
    """
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject or len(subject) > 140:
        raise Forbidden("sign_in.no_subject", "The identity provider did not say who you are.")
    return f"{PREFIX}{subject}"


def person_of(claims: Mapping[str, Any], *, groups_claim: str) -> User:
    """The account of these claims, made at the first sign-in, with exactly the mapped groups that the claims name now.

    A mapped group that the claim no longer names is left at once, and with it its rights: every decision, seal and
    deployment reads them again. Groups that no mapping names are managed here and are not touched.
    """
    name = username_of(claims)
    with transaction.atomic():
        user, made = User.objects.select_for_update().get_or_create(username=name, defaults={"kind": User.Kind.PERSON})
        user.first_name, user.last_name = (
            str(claims.get("given_name") or claims.get("name") or "")[:150],
            str(claims.get("family_name") or "")[:150],
        )
        user.email = str(claims.get("email") or "")[:254] if claims.get("email_verified", True) else ""
        if made:
            user.set_unusable_password()
            audit.record(
                actor=None,
                verb="governance.person_joined",
                subject_kind="user",
                subject_id=user.pk,
                after={"username": name},
            )
        user.save()
        sync_groups(user, claims.get(groups_claim))
        ProviderCheck.objects.update_or_create(person=user, defaults={"at": clock.now()})
    return user


def require_fresh(user: User) -> None:
    """A person who signs in through a provider may decide only after a recent confirmation. Raises Forbidden
    `decision.sign_in_again`.

    Local accounts have no provider to ask; their groups are those of this database.
    """
    minutes = settings.OIDC["recheck_minutes"]
    if not settings.OIDC["issuer"] or not user.username.startswith(PREFIX):
        return
    known = ProviderCheck.objects.filter(person=user).values_list("at", flat=True).first()
    if known is None or clock.now() - known > timedelta(minutes=minutes):
        when = f"{minutes} minutes ago" if known is not None else "this kind of check began"
        raise Forbidden(
            "decision.sign_in_again",
            f"Your identity provider last confirmed your teams before {when}; a decision needs a recent confirmation. "
            "Nothing was decided. "
            "Sign in again, then decide.",
        )


def sync_groups(user: User, claimed: Any) -> tuple[set[str], set[str]]:
    """Names of groups joined and left. A missing or malformed claim names no group: unknown gives no right."""
    words = (
        {word for word in claimed if isinstance(word, str)}
        if isinstance(claimed, list | tuple)
        else {claimed}
        if isinstance(claimed, str)
        else set()
    )
    mapped = dict(GroupMapping.objects.values_list("group_id", "group__name").distinct())
    wanted = set(GroupMapping.objects.filter(claim__in=words).values_list("group_id", flat=True))
    present = set(user.groups.filter(pk__in=mapped).values_list("pk", flat=True))
    joins, leaves = wanted - present, present - wanted
    if joins or leaves:
        with transaction.atomic():
            user.groups.add(*Group.objects.filter(pk__in=joins))
            user.groups.remove(*Group.objects.filter(pk__in=leaves))
            after = {"joined": sorted(mapped[g] for g in joins), "left": sorted(mapped[g] for g in leaves)}
            audit.record(
                actor=None, verb="governance.teams_synchronised", subject_kind="user", subject_id=user.pk, after=after
            )
            outbox.emit("governance.teams_synchronised", key=user.pk, payload=after)
    return {mapped[g] for g in joins}, {mapped[g] for g in leaves}
