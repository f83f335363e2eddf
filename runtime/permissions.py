"""Who may see and who may operate an integration. Its owner team may do both; some role teams may for all integrations.

Every answer uses the groups that the viewer is in at this moment; a refusal gives its reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import Exists, Q, QuerySet

from kernel import prepared_queries, tokens
from kernel.errors import Forbidden
from kernel.models import ApiToken, User
from kernel.viewer import Permission, Viewer
from runtime.models import Integration

ALLOWED = Permission(True)
SEE_ALL = ("architects", "release-managers", "security")
OPERATE_ALL = ("architects", "release-managers")

# For selectors in SQL: `i` is runtime_integration. Parameters: `sight(viewer)`.
SEEN = """(%(sees_all)s
        or i.owner_team_id = any(%(teams)s)
        or exists (select
                     from catalog_team seeing
                    where seeing.group_id = any(%(teams)s) and seeing.key = any(%(see_all)s)))"""


def sight(viewer: Viewer) -> dict[str, Any]:
    """The parameters of `SEEN`."""
    return {"sees_all": viewer.sees_everything, "teams": sorted(viewer.team_ids), "see_all": list(SEE_ALL)}


def _holds_role(viewer: Viewer, keys: tuple[str, ...]) -> QuerySet[Group]:
    return Group.objects.filter(pk__in=viewer.team_ids, team__key__in=keys)


def visible(viewer: Viewer) -> QuerySet[Integration]:
    """Integrations that the viewer may see, in one query."""
    if viewer.sees_everything:
        return Integration.objects.all()
    if viewer.user is None:
        return Integration.objects.none()
    return Integration.objects.filter(Q(owner_team__in=viewer.team_ids) | Exists(_holds_role(viewer, SEE_ALL)))


def may_see(viewer: Viewer, integration: Integration) -> bool:
    if viewer.sees_everything or integration.owner_team_id in viewer.team_ids:
        return True
    return _holds_role(viewer, SEE_ALL).exists()


def may_operate(viewer: Viewer, integration: Integration) -> Permission:
    """Start, pause, resume, roll back, deploy approved releases, settle dead letters, edit the schedule."""
    if viewer.user is None:
        return Permission(False, "Sign in to operate this integration.")
    if (
        viewer.sees_everything
        or integration.owner_team_id in viewer.team_ids
        or _holds_role(viewer, OPERATE_ALL).exists()
    ):
        return ALLOWED
    return _only_operators(integration.title, integration.owner_team.name)


def require_operate(who: User | Viewer | None, integration: Integration, *, outcome: str = "") -> None:
    """Raise Forbidden `integration.not_operator` unless `who` may operate the integration; None is the product itself.

    `outcome` is one sentence that the message adds, such as "Nothing was changed."
    """
    if who is not None:
        allow(may_operate(who if isinstance(who, Viewer) else Viewer.of(who), integration), outcome=outcome)


def allow(asked: Permission, *, outcome: str = "") -> None:
    """Raise Forbidden `integration.not_operator` with the reason when the answer of `may_operate` was no."""
    if not asked:
        raise Forbidden("integration.not_operator", f"{asked.reason} {outcome}".strip())


_MAY_PUSH = f"""
select i.title, g.name as team, {SEEN} as seen,
       %(sees_all)s
       or i.owner_team_id = any(%(teams)s)
       or exists (select
                    from catalog_team acting
                   where acting.group_id = any(%(teams)s) and acting.key = any(%(operate_all)s)) as operates,
       exists (select
                 from runtime_intakegrant granted
                where granted.integration_id = i.id
                  and granted.environment = %(environment)s
                  and granted.revoked_at is null
                  and (granted.account_id = %(me)s or granted.team_id = any(%(teams)s))) as granted
  from runtime_integration i
  join auth_group g on g.id = i.owner_team_id
 where i.key = %(key)s"""  # noqa: S608 - column names and constants, never input
_BY_TOKEN = (("%(sees_all)s", "u.is_superuser"), ("%(teams)s", "teams.ids"), ("%(me)s", "u.id"))
_MAY_PUSH_BY_TOKEN = reduce(lambda made, pair: made.replace(*pair), _BY_TOKEN, _MAY_PUSH)


def push_with_token(key: str, environment: str) -> tokens.ReadWithToken:
    """What `may_push` asks, in the query that reads the token."""
    asked = {"see_all": list(SEE_ALL), "operate_all": list(OPERATE_ALL), "key": key, "environment": environment}
    return tokens.ReadWithToken(_MAY_PUSH_BY_TOKEN, asked, ("push", key, environment))


def may_push(viewer: Viewer, key: str, environment: str, *, token: ApiToken | None = None) -> Permission | None:
    """Whether the viewer may hand in messages: by the right to operate, or by a grant of the owner for this
    environment; a token uses each only with its scope. One prepared query, because every pushed sale asks it; none
    where it was read with the token.

    None: unknown, not visible, or not granted. These look the same.
    """
    if viewer.user is None:
        return None
    scopes = ("runtime:write", "intake:write") if token is None else token.scopes
    if token is not None and token.read_along is not None and token.read_along[0] == ("push", key, environment):
        found = [token.read_along[1]]
    else:
        asked = {"operate_all": list(OPERATE_ALL), "key": key, "environment": environment, "me": viewer.id}
        found = prepared_queries.rows(_MAY_PUSH, sight(viewer) | asked)
    if not found or found[0][0] is None:
        return None
    title, team, seen, operates, granted = found[0]
    if granted and "intake:write" in scopes:
        return ALLOWED
    if not (seen and "runtime:write" in scopes):
        return None
    return ALLOWED if operates else _only_operators(title, team)


def may_grant_intake(viewer: Viewer, integration: Integration) -> Permission:
    """The owner team says who hands in messages."""
    if viewer.user is not None and (viewer.sees_everything or integration.owner_team_id in viewer.team_ids):
        return ALLOWED
    return Permission(False, f"Only {integration.owner_team.name}, the owner, grants intake.")


def _only_operators(title: str, team: str) -> Permission:
    return Permission(False, f"Only {team}, architects and release managers operate {title}.")


def operable(viewer: Viewer) -> QuerySet[Integration]:
    """Integrations that the viewer may operate, in one query."""
    if viewer.sees_everything:
        return Integration.objects.all()
    if viewer.user is None:
        return Integration.objects.none()
    return Integration.objects.filter(Q(owner_team__in=viewer.team_ids) | Exists(_holds_role(viewer, OPERATE_ALL)))


def may_register(viewer: Viewer, owner_team_id: int | None) -> Permission:
    """Members register releases for their team; architects and release managers register them for every team."""
    if viewer.user is None:
        return Permission(False, "Sign in to register an integration.")
    if viewer.sees_everything or (owner_team_id is not None and owner_team_id in viewer.team_ids):
        return ALLOWED
    if _holds_role(viewer, OPERATE_ALL).exists():
        return ALLOWED
    return Permission(False, "You are not in the team that owns this integration.")


def may_probe_vendor(viewer: Viewer, integrations: Sequence[str], owner_team_id: int | None) -> Permission:
    """Operators of an integration that calls the vendor, and the team that owns the system: they correct a fault of its
    connection and want to see at once whether it is over."""
    if viewer.user is None:
        return Permission(False, "Sign in to try the connection.")
    owns = owner_team_id is not None and owner_team_id in viewer.team_ids
    if owns or operable(viewer).filter(key__in=integrations).exists():
        return ALLOWED
    return Permission(False, "Only operators of an integration that calls it and the owners of the system try it.")


def may_set_vendor_limits(viewer: Viewer) -> Permission:
    """All integrations that call a vendor share its quotas and circuit breaker, so no single owner team sets them."""
    if viewer.user is not None and (viewer.sees_everything or _holds_role(viewer, OPERATE_ALL).exists()):
        return ALLOWED
    return Permission(False, "Only architects and release managers set the limits of a vendor.")


def may_set_retention(viewer: Viewer) -> Permission:
    """What is gone is gone for every integration's readers, so no single owner team decides it."""
    if viewer.user is not None and (viewer.sees_everything or _holds_role(viewer, OPERATE_ALL).exists()):
        return ALLOWED
    return Permission(False, "Only architects and release managers set how long data is kept.")


def holds_seeing_role(viewer: Viewer) -> Exists:
    """For queries about the whole installation: the viewer is in a team that sees every integration."""
    return Exists(_holds_role(viewer, SEE_ALL))


def may_set_alert_rules(viewer: Viewer, integration: Integration | None) -> Permission:
    """Rules and silences of one integration are its operators'; those of more than one concern everybody."""
    if integration is not None:
        return may_operate(viewer, integration)
    if viewer.user is not None and (viewer.sees_everything or _holds_role(viewer, OPERATE_ALL).exists()):
        return ALLOWED
    return Permission(False, "Only architects and release managers set rules and silences of more than one flow.")


def may_set_objectives(viewer: Viewer) -> Permission:
    """What is promised to others is not the promise of one owner team alone."""
    if viewer.user is not None and (viewer.sees_everything or _holds_role(viewer, OPERATE_ALL).exists()):
        return ALLOWED
    return Permission(False, "Only architects and release managers set objectives.")


def may_erase(viewer: Viewer) -> Permission:
    """An erasure cannot be undone, and is owed to somebody outside: no owner team decides it for itself."""
    if viewer.user is not None and (viewer.sees_everything or _holds_role(viewer, OPERATE_ALL).exists()):
        return ALLOWED
    return Permission(False, "Only architects and release managers erase payloads.")
