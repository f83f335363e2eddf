"""Teams and tokens: what I belong to, and the keys of my scripts and of my teams' pipelines. A secret is shown once."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from catalog.selectors import teams as team_selectors
from governance.services import identity
from kernel import clock, tokens
from kernel.errors import Invalid, NotFound
from kernel.models import ApiToken, User
from kernel.ui.tones import Tone, ok, quiet, wait
from kernel.viewer import Permission, Viewer

LIFETIMES = ((7, "7 days"), (30, "30 days"), (90, "90 days"), (180, "180 days"), (365, "365 days"))
# A GET that answers with a token of this scope, for the example beside a new token.
EXAMPLES = {
    "catalog:read": "/api/v1/apis",
    "governance:read": "/api/v1/changes",
    "runtime:read": "/api/v1/runs",
    "metrics:read": "/metrics",
}
KINDS = {"role": "Decides across domains", "domain": "Owns a domain", "consumer": "Consumes APIs"}


class IssueForm(forms.Form):
    """Who the token acts as is among the accounts that the viewer may act for."""

    name = forms.CharField(
        max_length=80, label="Name", help_text="Where it will be used: “price pipeline, deploy step”."
    )
    owner = forms.ChoiceField(label="Acts as")
    days = forms.TypedChoiceField(label="Ends after", choices=LIFETIMES, coerce=int, initial=90)
    scopes = forms.MultipleChoiceField(
        label="Permissions",
        choices=[(scope, f"{text} ({scope})") for scope, text in tokens.SCOPES.items()],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one permission."},
    )

    def __init__(self, *args: Any, accounts: list[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.accounts = {str(account.pk): account for account in accounts}
        owner = cast(forms.ChoiceField, self.fields["owner"])
        owner.choices = [
            (key, _account_name(account, index == 0)) for index, (key, account) in enumerate(self.accounts.items())
        ]


def _account_name(account: User, me: bool) -> str:
    return f"Me, {account}" if me else f"{account} ({account.get_kind_display().lower()})"


def may_act_for(viewer: Viewer, account: User) -> Permission:
    """Allowed: the viewer's account, and a service account or agent that is only in teams of the viewer's; no token
    widens rights.
    """
    if viewer.id == account.pk:
        return Permission(True)
    if account.kind not in (User.Kind.SERVICE, User.Kind.AGENT) or account.is_superuser:
        return Permission(False, "A person's tokens are issued by that person alone.")
    theirs = set(account.groups.values_list("id", flat=True))
    if viewer.sees_everything or (theirs and theirs <= viewer.team_ids):
        return Permission(True)
    return Permission(False, "This service account belongs to a team that you are not in.")


def accounts_for(viewer: Viewer) -> list[User]:
    """The viewer first, then the service accounts and agents that the viewer may act for, by name."""
    services = (
        User.objects.filter(kind__in=(User.Kind.SERVICE, User.Kind.AGENT), is_active=True)
        .exclude(pk=viewer.user.pk)
        .order_by("username")
        .prefetch_related("groups")
    )
    if not viewer.sees_everything:
        services = services.filter(groups__in=viewer.team_ids).distinct()
    return [viewer.user, *(account for account in services if may_act_for(viewer, account))]


def tokens_for(viewer: Viewer) -> QuerySet[ApiToken]:
    """Live ones first, each group newest first; ended ones stay visible for the record."""
    mine = [account.pk for account in accounts_for(viewer)]
    ended = ExpressionWrapper(Q(revoked_at__isnull=False) | Q(expires_at__lte=clock.now()), output_field=BooleanField())
    return ApiToken.objects.filter(user__in=mine).select_related("user").order_by(ended, "-created_at")


@never_cache
@require_http_methods(["GET", "POST"])
def settings(request: HttpRequest) -> HttpResponse:
    """The page; a POST issues a token and answers 201 with its secret, which no later page can show."""
    viewer = Viewer.of(request.user)
    accounts = accounts_for(viewer)
    if request.method != "POST":
        return render(request, "portal/tokens.html", _context(viewer, IssueForm(accounts=accounts)))
    form = IssueForm(request.POST, accounts=accounts)
    if not form.is_valid():
        return render(request, "portal/tokens.html", _context(viewer, form), status=422)
    identity.require_fresh(viewer.user, "a new token")
    owner = form.accounts[form.cleaned_data["owner"]]
    try:
        token, secret = tokens.issue(
            actor=viewer.user,
            user=owner,
            name=form.cleaned_data["name"],
            scopes=form.cleaned_data["scopes"],
            days=form.cleaned_data["days"],
        )
    except Invalid as error:
        form.add_error("scopes", error.message)
        return render(request, "portal/tokens.html", _context(viewer, form), status=422)
    return render(
        request,
        "portal/tokens.html",
        _context(viewer, IssueForm(accounts=accounts))
        | {"issued": token, "secret": secret, "example": _example(request, token)},
        status=201,
    )


def _example(request: HttpRequest, token: ApiToken) -> str:
    """The full address of a list that this token may read; empty where none of its scopes reads one."""
    path = next((path for scope, path in EXAMPLES.items() if scope in token.scopes), "")
    return request.build_absolute_uri(path) if path else ""


@require_POST
def revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    viewer = Viewer.of(request.user)
    token = ApiToken.objects.select_related("user").filter(pk=token_id).first()
    if token is None or not (viewer.sees_everything or may_act_for(viewer, token.user)):
        raise NotFound("token.unknown", "There is no such token, or it belongs to somebody else. Nothing was revoked.")
    tokens.revoke(actor=viewer.user, token=token)
    return redirect("tokens")


def _context(viewer: Viewer, form: IssueForm) -> dict[str, Any]:
    mine = team_selectors.of_user(viewer.user)
    names = {
        user.pk: str(user)
        for user in User.objects.filter(
            groups__in=[team.id for team in mine], kind=User.Kind.PERSON, is_active=True
        ).distinct()
    }
    return {
        "form": form,
        "teams": [
            {
                "team": team,
                "does": KINDS.get(team.kind, ""),
                "members": [names[pk] for pk in team_selectors.members(team.id) if pk in names],
            }
            for team in mine
        ],
        "tokens": [
            {"token": token, "tone": tone_of(token), "live": tone_of(token).tone in ("ok", "wait")}
            for token in tokens_for(viewer)
        ],
    }


def tone_of(token: ApiToken) -> Tone:
    """Valid, ends soon (within a week), ended, revoked."""
    now = clock.now()
    if token.revoked_at:
        return quiet("Revoked")
    if token.expires_at <= now:
        return quiet("Ended")
    if (token.expires_at - now).days < 7:
        return wait("Ends soon")
    return ok("Valid")
