"""Bearer tokens for pipelines and scripts: shown once, stored as SHA-256, scoped, expiring, revocable."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any, LiteralString, NamedTuple

from django.db import transaction
from django.db.models import Model

from kernel import acting, agents, clock, prepared_queries
from kernel.errors import Invalid
from kernel.models import ApiToken, User

SCOPES = {
    "catalog:read": "Read the catalog",
    "catalog:write": "Register and edit APIs of my teams",
    "governance:read": "Read changes and decisions",
    "governance:write": "Open and submit changes (decisions are for people)",
    "gate:ask": "Ask the gate, and read what is recorded",
    "record:write": "Record what runs of the applications of my teams",
    "runtime:read": "Read runs, messages and dead letters",
    "runtime:write": "Start runs, redrive and replay",
    "intake:write": "Hand in messages to integrations that have granted it",
    "usage:write": "Report usage",
    "drift:write": "Hand in what was observed of APIs of my teams",
    "metrics:read": "Read the metrics (for Prometheus)",
    "people:provision": "Keep people and groups of an identity provider by SCIM (given by administrators)",
}
PROVISION = "people:provision"
MAX_DAYS = 366


def issue(*, actor: User | None, user: User, name: str, scopes: Sequence[str], days: int = 90) -> tuple[ApiToken, str]:
    """Make a token; returns it with its secret text, which is stored only as a hash.

    Raises Invalid for no or unknown scopes, for a deciding scope of an agent, for one that keeps people unless an
    administrator or a command makes it for a service account or an administrator, and for a lifetime outside 1 to 366
    days.
    """
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise Invalid(
            "token.scope", f"Unknown or no scopes: {', '.join(unknown) or 'none given'}. Known: {', '.join(SCOPES)}."
        )
    deciding = sorted(set(scopes) & set(agents.DECIDING))
    if deciding and user.kind == User.Kind.AGENT:
        raise Invalid("token.agent_scope", f"{user} is an agent; its tokens never hold {', '.join(deciding)}.")
    if PROVISION in scopes:
        _require_provisioning(actor, user)
    if not 1 <= days <= MAX_DAYS:
        raise Invalid("token.lifetime", f"A token must expire after 1 to {MAX_DAYS} days, not {days}.")
    secret = "tg_" + secrets.token_urlsafe(32)
    with acting.by(actor), transaction.atomic():
        token = ApiToken.objects.create(
            user=user,
            name=name[:80],
            prefix=secret[:10],
            token_hash=hash_of(secret),
            scopes=sorted(scopes),
            expires_at=clock.now() + timedelta(days=days),
        )
    return token, secret


def _require_provisioning(actor: User | None, user: User) -> None:
    if actor is not None and not actor.is_superuser:
        raise Invalid("token.provision", f"A token of the scope {PROVISION} is made by an administrator.")
    if user.kind != User.Kind.SERVICE and not user.is_superuser:
        raise Invalid("token.provision", f"{user} is no service account: its tokens never hold {PROVISION}.")


def revoke(*, actor: User, token: ApiToken) -> None:
    """Make a token invalid at once. Idempotent."""
    with acting.by(actor), transaction.atomic():
        ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=clock.now())


def revoke_all(*, actor: User, user: User) -> int:
    """Make every live token of an account invalid at once; how many that were."""
    with transaction.atomic():
        live = list(ApiToken.objects.select_for_update().filter(user=user, revoked_at=None))
        for token in live:
            revoke(actor=actor, token=token)
    return len(live)


_COLUMNS = {model: [field.column for field in model._meta.concrete_fields] for model in (ApiToken, User)}
_FIND = f"""
select {", ".join(f"t.{name}" for name in _COLUMNS[ApiToken])}, {", ".join(f"u.{name}" for name in _COLUMNS[User])},
       teams.ids
  from kernel_apitoken t join kernel_user u on u.id = t.user_id
 cross join lateral (select array(select m.group_id from kernel_user_groups m where m.user_id = u.id)) teams(ids)
 where t.token_hash = %(hash)s and t.revoked_at is null and t.expires_at > %(now)s and u.is_active
   and (u.kind <> 'agent' or not t.scopes ?| array[{", ".join(f"'{scope}'" for scope in agents.DECIDING)}])
"""  # noqa: S608 - column names and constants, never input


class ReadWithToken(NamedTuple):
    """What is read in the same query as a token: a select that may name the user `u` and the array `teams.ids`, with
    parameters by name. Its first row is in `ApiToken.read_along`, with `about`, which says what was asked."""

    select: LiteralString
    parameters: Mapping[str, Any]
    about: object


def find(secret: str, along: ReadWithToken | None = None) -> ApiToken | None:
    """The valid token with this secret text, with its user and the user's present groups, in one prepared query; or
    None.

    The text is hashed before the query, so the time it takes reveals nothing about stored tokens.
    """
    now = clock.now()
    asked: dict[str, Any] = {"hash": hash_of(secret), "now": now}
    if along is None:
        found = prepared_queries.rows(_FIND, asked)
    else:
        found = prepared_queries.rows(_with(along.select), {**along.parameters, **asked})
    if not found:
        return None
    width, whole = len(_COLUMNS[ApiToken]), len(_COLUMNS[ApiToken]) + len(_COLUMNS[User])
    token: ApiToken = ApiToken.from_db("default", _names(ApiToken), found[0][:width])
    user: User = User.from_db("default", _names(User), found[0][width:whole])
    token.scopes = json.loads(token.scopes)
    token.user = user
    user.team_ids_read = frozenset(found[0][whole])
    if along is not None:
        token.read_along = (along.about, found[0][whole + 1 :])
    if token.last_used_at is None or now - token.last_used_at > timedelta(minutes=5):
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


@lru_cache(maxsize=8)
def _with(select: LiteralString) -> LiteralString:
    ids, where = "       teams.ids\n", " where t.token_hash"
    joined = f" left join lateral ({select}) along on true\n{where}"
    return _FIND.replace(ids, "       teams.ids, along.*\n").replace(where, joined)


@lru_cache(maxsize=2)
def _names(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


def hash_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
