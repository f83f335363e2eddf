"""People from an identity provider: one account per subject, groups mapped to teams, rights that end when the claim
ends.

A group that somebody leaves at the provider alone is noticed when the provider is asked again. Pages ask it silently
every few minutes, and a decision needs an answer that is not older than `OIDC["recheck_minutes"]`: that is the
longest time for which a right that ended at the provider can still decide here. Rights that are taken away here end
at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Q

from governance import permissions
from governance.domain.id_tokens import is_verified
from governance.models import ProviderCheck, ProviderIdentity
from governance.selectors import provisioned
from governance.services.group_mappings import Mappings
from kernel import acting, audit, clock, outbox, persons, sessions
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
    """The account of these claims, found (`_account_of`) or made at the first sign-in, with exactly the mapped groups
    that the claims and the provider's own groups name now.

    A mapped group that the claim no longer names is left at once, and with it its rights: every decision, seal and
    deployment reads them again. Groups that no mapping names are managed here and are not touched.
    """
    name = username_of(claims)
    trusted = is_verified(claims) or bool(settings.OIDC.get("trust_email"))
    address = str(claims.get("email") or "")[:254] if trusted else ""
    with acting.by(None, way=acting.PROVIDER, text="identity provider"), transaction.atomic():
        user, made = _account_of(name, address)
        own = user.username == name  # an account that others named keeps what they wrote and the provider leaves out
        names = (
            str(claims.get("given_name") or claims.get("name") or "")[:150],
            str(claims.get("family_name") or "")[:150],
        )
        if own or any(names):
            user.first_name, user.last_name = names
        if own or address:
            user.email = address
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
        persons.prove(user, address, way=persons.PROVIDER)
        sync_groups(user, claims.get(groups_claim))
        ProviderCheck.objects.update_or_create(person=user, defaults={"at": clock.now()})
    return user


def _account_of(name: str, address: str) -> tuple[User, bool]:
    """The account of a subject, and whether it is made now: the one that it is linked to, the one that a sign-in made,
    or one that a blueprint, a file or SCIM named before anybody signed in to it, which is linked now (decision 81).

    Such a one is found by the provider's own name of the person, as SCIM wrote it, or by the address of mail that the
    provider vouches for. It has no password and no rights of an administrator, nobody signs in to it yet, and no other
    account is as good a match: otherwise nothing is guessed, and an account is made."""
    subject = name.removeprefix(PREFIX)
    accounts = User.objects.select_for_update(of=("self",))
    found = accounts.filter(provider_identity__subject=subject).first() or accounts.filter(username=name).first()
    if found is not None:
        return found, False
    free = accounts.filter(
        kind=User.Kind.PERSON,
        provider_identity=None,
        is_superuser=False,
        is_staff=False,
        password__startswith=UNUSABLE_PASSWORD_PREFIX,
    ).exclude(username__startswith=PREFIX)
    rules = [("provider", free.filter(provisioned__external_id=subject))]
    if address:
        rules.append(("mail", free.filter(email__iexact=address)))
    for rule, rows in rules:
        candidates = list(rows.order_by("pk")[:2])
        if len(candidates) == 1:
            ProviderIdentity.objects.create(person=candidates[0], subject=subject, rule=rule)
            return candidates[0], False
    return User.objects.get_or_create(username=name, defaults={"kind": User.Kind.PERSON})


def is_of_provider(user: User) -> bool:
    """Whether somebody of the identity provider signs in to this account."""
    return user.username.startswith(PREFIX) or ProviderIdentity.objects.filter(person=user).exists()


def require_fresh(user: User, deed: str = "a decision") -> dict[str, Any]:
    """`deed` needs a person who proved lately who they are; how and when, for its entry in the ledger. Raises
    Forbidden `decision.sign_in_again`.

    A person who signs in through a provider needs its recent confirmation. Local accounts have no provider to ask; in a
    session of a browser they need a password, passkey or code that was given lately. A program has no keyboard.
    """
    of_provider = is_of_provider(user)
    if settings.OIDC["issuer"] and of_provider:
        return _confirmed_by_provider(user, deed)
    if not of_provider and not sessions.is_fresh():
        raise Forbidden(
            "decision.sign_in_again",
            f"You proved who you are more than {settings.SIGN_IN_FRESH_MINUTES} minutes ago; {deed} needs a fresh "
            "proof. Nothing was done. Confirm that it is you, then go on.",
            {"confirm": True},
        )
    known = sessions.proof()
    return {"proved": known.told()} if known else {}


def _confirmed_by_provider(user: User, deed: str) -> dict[str, Any]:
    minutes = settings.OIDC["recheck_minutes"]
    known = ProviderCheck.objects.filter(person=user).values_list("at", flat=True).first()
    if known is None or clock.now() - known > timedelta(minutes=minutes):
        when = f"{minutes} minutes ago" if known is not None else "this kind of check began"
        raise Forbidden(
            "decision.sign_in_again",
            f"Your identity provider last confirmed your teams before {when}; {deed} needs a recent confirmation. "
            "Nothing was done. Sign in again, then go on.",
        )
    present = sessions.proof()
    return {"proved": sessions.Proof("identity provider", known, present.second if present else "").told()}


def require_proof(user: User, deed: str = "a decision") -> dict[str, Any]:
    """As `require_fresh`, and with the second factor that the installation asks of this person. Raises Forbidden
    `decision.second_factor` as well."""
    proved = require_fresh(user, deed)
    if not (permission := permissions.has_second_factor(user)):
        raise Forbidden("decision.second_factor", f"{permission.reason} Nothing was done.")
    return proved


def signed_out_there(subject: str, *, sid: str, issued: datetime, skew: timedelta) -> int:
    """The provider said at `issued`, by its clock, that it ended a session of this person, or all of them; how many
    ended here. The two clocks may differ by `skew`. Told in the ledger. In a transaction."""
    known = User.objects.filter(Q(username=f"{PREFIX}{subject}") | Q(provider_identity__subject=subject))
    user = known.first() if subject else None
    if subject and user is None:
        return 0
    people = sessions.end_of_provider(user, sid=sid, issued=issued, skew=skew)
    for person, ended in people.items():
        about = {"ended": ended, "by": "identity provider"}
        audit.record("kernel.sessions_ended", "sign_in", person, actor=None, after=about)
    return sum(people.values())


def sync_groups(user: User, claimed: Any) -> tuple[set[str], set[str]]:
    """Names of groups joined and left. A missing or malformed claim names no group: unknown gives no right. Groups that
    the provider keeps by SCIM count beside those of the claim."""
    words = (
        {word for word in claimed if isinstance(word, str)}
        if isinstance(claimed, list | tuple)
        else {claimed}
        if isinstance(claimed, str)
        else set()
    )
    mappings = Mappings.load()
    mapped = mappings.names
    wanted = mappings.of(words | provisioned.words_of([user.pk]).get(user.pk, set()))
    present = set(user.groups.filter(pk__in=mappings.reachable()).values_list("pk", flat=True))
    joins, leaves = wanted - present, present - wanted
    if joins or leaves:
        with acting.by(None, way=acting.PROVIDER, text="identity provider"), transaction.atomic():
            user.groups.add(*Group.objects.filter(pk__in=joins))
            user.groups.remove(*Group.objects.filter(pk__in=leaves))
            after = {"joined": sorted(mapped[g] for g in joins), "left": sorted(mapped[g] for g in leaves)}
            audit.record(
                actor=None, verb="governance.teams_synchronised", subject_kind="user", subject_id=user.pk, after=after
            )
            outbox.emit("governance.teams_synchronised", key=user.pk, payload=after)
    return {mapped[g] for g in joins}, {mapped[g] for g in leaves}
