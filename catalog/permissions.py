"""Who may see and do what in the catalog. Each function returns a reason that the page can show."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet
from guardian.shortcuts import assign_perm, remove_perm

from catalog.models import (
    Api,
    ApiGroupObjectPermission,
    ApiSearch,
    ApiUserObjectPermission,
    Application,
    Domain,
    Subscription,
    System,
    Team,
)
from kernel import persons
from kernel.models import User
from kernel.viewer import Permission, Viewer

ALLOWED = Permission(True)
STEWARDS = "architects"


def seen_by(viewer: Viewer) -> Q:
    """The visibility rule on `ApiSearch`: everybody signed in sees an open API; a restricted one, and one that is
    nothing but a draft, is seen by its owner team and the teams of applications whose subscription was granted."""
    if viewer.sees_everything:
        return Q()
    if viewer.user is None:
        return Q(pk__in=[])
    return Q(restricted=False) | Q(team_ids__overlap=sorted(viewer.team_ids))


def visible(viewer: Viewer) -> QuerySet[Api]:
    """APIs that the viewer may see, by one subquery."""
    rows = Api.objects.all()
    if viewer.sees_everything:
        return rows
    return rows.filter(Exists(ApiSearch.objects.filter(seen_by(viewer), api=OuterRef("pk"))))


def hidden(viewer: Viewer) -> QuerySet[Api]:
    """APIs that the viewer may not see."""
    if viewer.sees_everything:
        return Api.objects.none()
    return Api.objects.filter(~Exists(ApiSearch.objects.filter(seen_by(viewer), api=OuterRef("pk"))))


def _stewards(viewer: Viewer) -> bool:
    return bool(viewer.team_ids) and Team.objects.filter(key=STEWARDS, pk__in=viewer.team_ids).exists()


def _has_grant(viewer: Viewer, api: Api) -> bool:
    grant = {"permission__codename": "change_api", "content_object": api}
    return (
        ApiGroupObjectPermission.objects.filter(group_id__in=viewer.team_ids, **grant).exists()
        or ApiUserObjectPermission.objects.filter(user_id=viewer.id or 0, **grant).exists()
    )


def editable(viewer: Viewer) -> QuerySet[Api]:
    """APIs that the viewer may change, by one subquery over the object grants."""
    if viewer.sees_everything:
        return Api.objects.all()
    groups = ApiGroupObjectPermission.objects.filter(
        permission__codename="change_api", group_id__in=viewer.team_ids, content_object=OuterRef("pk")
    )
    people = ApiUserObjectPermission.objects.filter(
        permission__codename="change_api", user_id=viewer.id or 0, content_object=OuterRef("pk")
    )
    return Api.objects.filter(Exists(groups) | Exists(people))


def may_change_api(viewer: Viewer, api: Api) -> Permission:
    """Owners edit their own; an API without an owner is edited by architects until it has one."""
    if viewer.sees_everything or _has_grant(viewer, api):
        return ALLOWED
    if api.owner_team_id is None:
        if _stewards(viewer):
            return ALLOWED
        return Permission(False, f"{api.name} has no owner yet. An architect can name one.")
    return Permission(False, f"Only {api.owner_team} may change {api.name}.")


def may_state_system(viewer: Viewer, system: System) -> Permission:
    """Its owner team says who makes it, or an architect."""
    if viewer.sees_everything or system.owner_team_id in viewer.team_ids or _stewards(viewer):
        return ALLOWED
    return Permission(False, f"Only {system.owner_team or 'an architect'} may say this of {system.name}.")


def systems_stated_by(viewer: Viewer) -> QuerySet[System]:
    """Systems of which the viewer may say what they are and where they answer, by one query."""
    rows = System.objects.filter(retired_at=None)
    if viewer.sees_everything or _stewards(viewer):
        return rows
    return rows.filter(owner_team_id__in=viewer.team_ids)


def may_register_system(viewer: Viewer, team: Team | None) -> Permission:
    """A system is registered for a team that one belongs to; by an architect for any, or for none yet."""
    if viewer.sees_everything or _stewards(viewer):
        return ALLOWED
    if team is None:
        return Permission(
            False, "Choose the team that answers for the system: one of yours. An architect may leave it open."
        )
    if team.pk not in viewer.team_ids:
        return Permission(False, f"You are not in {team.name}. Choose one of your own teams, or ask an architect.")
    return ALLOWED


def may_state_entity(viewer: Viewer, domain: Domain | None) -> Permission:
    """An architect says what a business entity is, or the owner of its domain."""
    if viewer.sees_everything or _stewards(viewer):
        return ALLOWED
    owner = domain.owner_team if domain is not None else None
    if owner is not None and owner.pk in viewer.team_ids:
        return ALLOWED
    if owner is None:
        return Permission(
            False, "An architect does this, or the owner of the entity's domain. Choose a domain of yours."
        )
    return Permission(False, f"Only {owner.name}, which owns {domain}, or an architect may say this.")


def a_team_of(viewer: Viewer) -> Team | None:
    """A team for which the viewer may register something; None where there is none."""
    return Team.objects.filter(pk__in=viewer.team_ids, retired_at=None).first() if viewer.team_ids else None


def a_domain_of(viewer: Viewer) -> Domain | None:
    """A domain that a team of the viewer owns; None where there is none."""
    rows = Domain.objects.select_related("owner_team").filter(owner_team_id__in=viewer.team_ids)
    return rows.first() if viewer.team_ids else None


def may_register(viewer: Viewer, team: Team | None) -> Permission:
    """A draft is registered for a team that one belongs to."""
    if viewer.sees_everything:
        return ALLOWED
    if viewer.user is None:
        return Permission(False, "Sign in to register an API.")
    if team is not None and team.pk not in viewer.team_ids and not _stewards(viewer):
        return Permission(False, f"You are not in {team.name}. Choose one of your own teams.")
    return ALLOWED


def may_apply(viewer: Viewer, application: Application) -> Permission:
    """Only the team of an application may request a subscription for it."""
    if viewer.sees_everything:
        return ALLOWED
    if application.team_id is None:
        return Permission(False, f"{application.name} belongs to no team, so nobody can apply for it.")
    if application.team_id not in viewer.team_ids:
        return Permission(False, f"Only {application.team} may apply for {application.name}.")
    return ALLOWED


def may_decide_subscription(viewer: Viewer, subscription: Subscription) -> Permission:
    """The owner of the API decides, except on requests of one's own."""
    if viewer.user is None:
        return Permission(False, "Sign in to decide.")
    if viewer.user.kind != User.Kind.PERSON:
        return Permission(False, "Decisions are for people, not for service accounts.")
    if subscription.state != Subscription.State.REQUESTED:
        return Permission(False, "This application has been decided already.")
    if persons.are_one(viewer.id, subscription.requested_by_id):
        return Permission(False, "You asked for this yourself. Somebody else of the owner team decides.")
    api = subscription.version.api
    if viewer.sees_everything or (api.owner_team_id is not None and api.owner_team_id in viewer.team_ids):
        return ALLOWED
    return Permission(False, f"{api.owner_team or 'The owner of the API'} decides about this.")


def may_end_subscription(viewer: Viewer, subscription: Subscription) -> Permission:
    """The consumer's own team ends its use; the owner ends it through a retirement."""
    if viewer.sees_everything or subscription.application.team_id in viewer.team_ids:
        return ALLOWED
    return Permission(False, f"Only {subscription.application.team or 'the consumer'} may end this subscription.")


def may_plan_move(viewer: Viewer, subscription: Subscription) -> Permission:
    """Where a consumer goes is said by its own team or by the owner of the API, who has asked them."""
    owner = subscription.version.api.owner_team_id
    if may_end_subscription(viewer, subscription) or (owner is not None and owner in viewer.team_ids):
        return ALLOWED
    consumer = subscription.application.team or "the consumer"
    return Permission(
        False, f"{consumer} or {subscription.version.api.owner_team or 'the owner of the API'} says where it goes."
    )


def may_steward(viewer: Viewer) -> Permission:
    """Teams, systems, campaigns and bulk imports are the architects' work."""
    if viewer.sees_everything or _stewards(viewer):
        return ALLOWED
    return Permission(False, "Architects do this.")


def hand_over(api: Api, *, before: Team | None) -> None:
    """Move the object grant with the owner: the owner team's group holds `catalog.change_api` on its API."""
    if before is not None and before.pk != api.owner_team_id:
        remove_perm("catalog.change_api", before.group, api)
    if api.owner_team is not None:
        assign_perm("catalog.change_api", api.owner_team.group, api)
