"""Applications that are agents: who owns them, what for, within which limits; and the account whose tokens they use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.db import transaction

from catalog import permissions
from catalog.models import Application
from kernel import audit, tokens
from kernel.errors import Forbidden, Invalid, NotFound, finding
from kernel.models import ApiToken, User
from kernel.viewer import Viewer

Check = Callable[[Application], None]
ACCOUNT: Final = "agent-"
"""How the name of an account begins that was made for an agent; the key of the application follows."""


def declare(
    key: str, *, purpose: str, limits: str, account: str = "", actor: User, check: Check | None = None
) -> Application:
    """The application is an agent from now on. `account` is a service account of its team that it acts as, and whose
    deciding tokens end at once; without one an account of its own is made. Said again, purpose and limits change.

    Raises Invalid with findings, Forbidden, NotFound.
    """
    with transaction.atomic():
        row = _own(key, actor, check)
        _described(purpose, limits)
        before, lost = _said(row), 0
        if row.agent_account is None:
            row.agent_account = _account_of(row, account, actor)
            lost = _becomes_agent(row.agent_account)
        row.agent_purpose, row.agent_limits = purpose.strip(), limits.strip()
        row.save(update_fields=["agent_account", "agent_purpose", "agent_limits"])
        audit.record(
            actor=actor,
            verb="catalog.agent_declared",
            subject_kind="application",
            subject_id=key,
            before=before,
            after={**_said(row), "ended": lost},
        )
    return row


def end(key: str, *, actor: User, check: Check | None = None) -> Application:
    """It is no agent any more: its account is switched off, and its tokens end for good. Idempotent."""
    with transaction.atomic():
        row = _own(key, actor, check)
        if row.agent_account is None:
            return row
        before = _said(row)
        ended = tokens.revoke_all(actor=actor, user=row.agent_account)
        User.objects.filter(pk=row.agent_account.pk).update(is_active=False)
        row.agent_account, row.agent_purpose, row.agent_limits = None, "", ""
        row.save(update_fields=["agent_account", "agent_purpose", "agent_limits"])
        audit.record(
            actor=actor,
            verb="catalog.agent_ended",
            subject_kind="application",
            subject_id=key,
            before=before,
            after={**_said(row), "ended": ended},
        )
    return row


def _own(key: str, actor: User, check: Check | None) -> Application:
    rows = Application.objects.select_for_update(of=("self",)).select_related("team", "agent_account")
    row = rows.filter(key=key, retired_at=None).first() if "\x00" not in key else None
    if row is None:
        raise NotFound("application.unknown", f"There is no application {key[:100]!r}.")
    allowed = permissions.may_apply(Viewer.of(actor), row)
    if not allowed or actor.kind != User.Kind.PERSON:
        said = allowed.reason or "People say what is an agent, no service account and no agent."
        raise Forbidden("application.not_yours", said)
    if check:
        check(row)
    return row


def _described(purpose: str, limits: str) -> None:
    said = {
        "/purpose": (purpose, "Say in a sentence what the agent is for."),
        "/limits": (limits, "Say in a sentence what it may do at most."),
    }
    found = [finding(pointer, message) for pointer, (text, message) in said.items() if len(text.split()) < 3]
    if found:
        raise Invalid("agent.described", found[0]["message"], {"findings": found})


def _account_of(row: Application, account: str, actor: User) -> User:
    if not account:
        made, _ = User.objects.get_or_create(
            username=f"{ACCOUNT}{row.key}", defaults={"kind": User.Kind.AGENT, "first_name": row.name[:150]}
        )
        if made.kind == User.Kind.AGENT:
            if not made.is_active:  # it comes back, what was handed out before does not
                tokens.revoke_all(actor=actor, user=made)
            made.is_active = True
            made.set_unusable_password()
            made.save(update_fields=["is_active", "password"])
            made.groups.set([row.team_id] if row.team_id else [])
            return made
        account = made.username
    service = User.objects.filter(username=account, kind=User.Kind.SERVICE, is_active=True, is_superuser=False)
    found = service.first() if "\x00" not in account else None
    theirs = set(found.groups.values_list("id", flat=True)) if found else set()
    if found is None or theirs != {row.team_id}:
        message = f"{account[:100]!r} is no service account of this team alone."
        raise Invalid("agent.account", message, {"findings": [finding("/account", message)]})
    if Application.objects.filter(agent_account=found).exists():
        message = f"Another agent acts as {account[:100]}."
        raise Invalid("agent.account", message, {"findings": [finding("/account", message)]})
    return found


def _becomes_agent(account: User) -> int:
    """How many tokens end with it: the database ends those with a deciding scope."""
    live = ApiToken.objects.filter(user=account, revoked_at=None)
    before = live.count()
    account.kind, account.is_staff = User.Kind.AGENT, False
    account.save(update_fields=["kind", "is_staff"])
    return before - live.count()


def _said(row: Application) -> dict[str, str | None]:
    return {
        "account": row.agent_account.username if row.agent_account else None,
        "purpose": row.agent_purpose,
        "limits": row.agent_limits,
    }
