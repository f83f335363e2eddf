"""People by SCIM: made, changed, closed, opened again, taken out."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import Q

from governance.domain.scim import patches
from governance.domain.scim.errors import ScimError, invalid_value
from governance.domain.scim.schema import PEOPLE, read, required, uuid_of
from governance.models import ProviderIdentity, ProvisionedPerson
from governance.selectors import provisioned
from governance.services import group_mappings
from kernel import acting, audit, clock, leaving, persons, user_names
from kernel.models import User

WAY = acting.PROVISIONING
_TRIES = 3
NOT_THERE = "There is no such person, or it was taken out."


def create(body: Any, *, actor: User) -> ProvisionedPerson:
    """A new person, or an account that somebody has named before and that nobody can sign in to by a password: then the
    two are one (decision 77). Raises ScimError, `uniqueness` where the name is taken."""
    said = read(PEOPLE, body)
    required(PEOPLE, said)
    active = said.pop("active", True)
    _require_sense(said)
    for left in reversed(range(_TRIES)):
        try:
            with acting.by(actor, way=WAY), transaction.atomic():
                account, rule = _account_for(said)
                row = ProvisionedPerson(account=account, changed_at=clock.now())
                _save(row, said, active, actor=actor)
                after = {"user_name": row.user_name, "account": account.username, "active": active, "found": rule}
                audit.record("governance.person_provisioned", "user", account.pk, actor=actor, after=after)
            return row
        except IntegrityError as error:  # an account that was made at the same moment is found now
            if not left or not persons.name_is_taken(error):
                raise _taken(said["userName"]) from None
    raise AssertionError("unreachable")


def replace(key: Any, body: Any, *, actor: User, if_match: str = "") -> ProvisionedPerson:
    """RFC 7644 §3.5.1: what is not said is empty from now on; of `active` nothing said is no change."""
    said = read(PEOPLE, body)
    required(PEOPLE, said)
    return _change(key, lambda old: {"active": old["active"], **said}, actor=actor, if_match=if_match)


def patch(key: Any, body: Any, *, actor: User, if_match: str = "") -> ProvisionedPerson:
    """RFC 7644 §3.5.2: all operations, or none."""

    def patched(old: dict[str, Any]) -> dict[str, Any]:
        made = patches.apply(PEOPLE, old, body)
        return {"active": old["active"]} | made

    return _change(key, patched, actor=actor, if_match=if_match)


def take_out(key: Any, *, actor: User, if_match: str = "") -> None:
    """DELETE: the account is closed, and the provider's word on it forgotten. Accounts are never deleted, since the
    ledger refers to them; the name that it has now, given again, opens it."""
    with acting.by(actor, way=WAY), transaction.atomic():
        row = _locked(key, if_match)
        _require_no_administrator(row.account)
        words = provisioned.words_of([row.account_id])
        leaving.close(row.account, actor=actor)
        row.groups.clear()
        group_mappings.follow(words, {row.account_id: ()})
        after = {"user_name": row.user_name, "account": row.account.username}
        audit.record("governance.person_taken_out", "user", row.account_id, actor=actor, after=after)
        row.delete()


def _change(key: Any, how: Any, *, actor: User, if_match: str) -> ProvisionedPerson:
    wanted = "this"
    try:
        with acting.by(actor, way=WAY), transaction.atomic():
            row = _locked(key, if_match)
            old = provisioned.said_of(row)
            new = how(old)
            required(PEOPLE, new)
            wanted = new["userName"]
            if new != old:
                _require_no_administrator(row.account)
                _require_own_name(row, wanted)
                active = new.pop("active")
                _require_sense(new)
                row.changed_at = clock.now()
                _save(row, new, active, actor=actor)
                changed = sorted(name for name in {*old, *new} - {"active"} if old.get(name) != new.get(name))
                after = {"user_name": row.user_name, "changed": changed, "active": active}
                audit.record("governance.person_reprovisioned", "user", row.account_id, actor=actor, after=after)
    except IntegrityError:
        raise _taken(wanted) from None
    return row


def _locked(key: Any, if_match: str) -> ProvisionedPerson:
    number = uuid_of(key)
    row = provisioned.people().select_for_update(of=("self", "account")).filter(pk=number).first() if number else None
    if row is None:
        raise ScimError(404, NOT_THERE)
    require_version(provisioned.version(row), if_match)
    return row


def require_version(present: str, if_match: str) -> None:
    """RFC 7644 §3.14: raises ScimError 412 where If-Match names other versions than the present one."""
    wanted = [one.strip().removeprefix("W/") for one in if_match.split(",") if one.strip()]
    if wanted and "*" not in wanted and present.removeprefix("W/") not in wanted:
        raise ScimError(412, "It has changed since you read it. Read it again and repeat your change.")


def _require_no_administrator(account: User) -> None:
    """Raises ScimError 403: a provider's fault must not lock everybody out, nor its token take an administrator's mail
    (decision 77)."""
    if account.is_superuser or account.is_staff:
        raise ScimError(
            403,
            f"The account {account.username!r} has rights of an administrator: nobody changes or closes it by SCIM. "
            "Nothing was done. An administrator closes it here, or takes these rights away from it.",
        )


def _taken(name: str) -> ScimError:
    return ScimError(409, f"The userName {name!r} belongs to another person here.", "uniqueness")


def _require_own_name(row: ProvisionedPerson, name: str) -> None:
    """Raises ScimError 409 where a person is renamed to what another one is called, here or by the provider: a file
    that names the one would reach the other."""
    if user_names.folded(name) == user_names.folded(row.user_name):
        return
    others = User.objects.filter(persons.called(name)).exclude(pk__in=persons.accounts_of(row.account_id))
    if others.exists() or ProvisionedPerson.objects.filter(persons.has_name("user_name", name)).exclude(pk=row.pk):
        raise _taken(name)


def _require_sense(said: dict[str, Any]) -> None:
    """Raises ScimError for an address that is none."""
    for one in said.get("emails", ()):
        try:
            validate_email(one.get("value", ""))
        except ValidationError:
            raise invalid_value(f"emails.value: {one.get('value', '')[:80]!r} is no address of mail.") from None


def _address(said: dict[str, Any]) -> str:
    """The primary address, or the first one that is for work, or the first."""
    found = sorted(
        said.get("emails", ()), key=lambda one: (not one.get("primary"), str(one.get("type", "")).lower() != "work")
    )
    return str(found[0]["value"]) if found else ""


def _account_for(said: dict[str, Any]) -> tuple[User, str]:
    """The account of a person that comes in, and by which rule it is this one: the provider's own name of who signed
    in, its user name, its address of mail, or made. One that may be signed in to by a password, or has more rights, is
    nobody's to take: then ScimError."""
    name = said["userName"]
    free = User.objects.select_for_update(no_key=True, of=("self",)).filter(
        kind=User.Kind.PERSON, provisioned=None, is_superuser=False, is_staff=False
    )
    own = said.get("externalId", "")
    named = list(User.objects.filter(persons.called(name)).values_list("pk", flat=True))
    if ProvisionedPerson.objects.filter(persons.has_name("user_name", name)).exists():
        raise _taken(name)
    signed_in = [
        *User.objects.filter(username=f"oidc:{own}").values_list("pk", flat=True),
        *ProviderIdentity.objects.filter(subject=own).values_list("person_id", flat=True),
    ]
    rules = (
        ("provider", Q(pk__in=signed_in if own else [])),
        ("user_name", Q(pk__in=named)),
        ("mail", Q(email__iexact=_address(said)) & ~Q(email="")),
    )
    for rule, about in rules:
        found = [one for one in free.filter(about).order_by("pk")[:2] if not one.has_usable_password()]
        if len(found) == 1:
            return found[0], rule
    if User.objects.filter(pk__in=named, provisioned=None).exists():
        raise ScimError(
            409,
            f"An account called {name!r} is there already, with a password or rights of its own, so nobody else takes "
            "it. An administrator takes these away from it, or renames it.",
            "uniqueness",
        )
    taken = bool(named)
    account = User(username=name if not taken else f"scim:{clock.now():%Y%m%d%H%M%S%f}", kind=User.Kind.PERSON)
    account.set_unusable_password()
    account.email = _address(said)
    account.first_name, account.last_name = _names(said)
    account.save()
    return account, "made"


def _names(said: dict[str, Any]) -> tuple[str, str]:
    name = said.get("name", {})
    if not name.get("givenName") and not name.get("familyName"):
        return str(said.get("displayName") or name.get("formatted") or "")[:150], ""
    return str(name.get("givenName", "")), str(name.get("familyName", ""))


def _save(row: ProvisionedPerson, said: dict[str, Any], active: bool, *, actor: User) -> None:
    """Raises IntegrityError where another person has the user name. An account that is called as the provider called
    the person takes the new name as well, so that who gets the old one later is somebody else (decision 100). One that
    was closed here, while the provider called it active, or by anybody but a provider, is opened here alone."""
    account, name = row.account, said["userName"]
    follows = user_names.folded(account.username) == user_names.folded(row.user_name) and account.username != name
    closed_here = not account.is_active and (
        row.said.get("active", False) or not leaving.closed_by_provisioning([account.pk])
    )
    row.user_name, row.external_id, row.said = said["userName"], said.get("externalId", ""), {**said, "active": active}
    row.save()
    first, last = _names(said)
    new = {"first_name": first, "last_name": last, "email": _address(said)}
    changed: dict[str, Any] = {name: value for name, value in new.items() if getattr(account, name) != value}
    if follows and not user_names.is_of_provider(name):
        changed["username"] = name
    if active and not account.is_active and not closed_here:
        changed["is_active"] = True
    for name, value in changed.items():
        setattr(account, name, value)
    if changed:
        account.save(update_fields=list(changed))
    if not active:
        leaving.close(account, actor=actor)
