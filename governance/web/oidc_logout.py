"""The identity provider says that somebody signed out there: OpenID Connect Back-Channel Logout 1.0."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from governance.domain.id_tokens import RefusedToken, judge_logout_token
from governance.services import identity, provider_tokens
from kernel.errors import DomainError, NotFound

log = logging.getLogger(__name__)


@csrf_exempt
@login_not_required
@never_cache
@require_POST
def back_channel(request: HttpRequest) -> HttpResponse:
    """§2.5 to §2.8. The token alone says who is meant, and its signature that the provider says so. Sent again it ends
    nothing that began after it."""
    if not settings.OIDC["issuer"]:
        raise NotFound("sign_in.no_provider", "No identity provider is configured here.")
    try:
        claims = provider_tokens.verified(request.POST.get("logout_token"))
        rules = provider_tokens.rules()
        judge_logout_token(claims, rules)
    except RefusedToken as refused:
        log.warning("a logout token of the identity provider was not believed: %s", refused)
        return _refused(str(refused), 400)
    except DomainError as away:
        return _refused(away.message, 503)
    before = datetime.fromtimestamp(claims["iat"] + rules.skew, UTC)
    with transaction.atomic():
        identity.signed_out_there(str(claims.get("sub", "")), sid=str(claims.get("sid", "")), before=before)
    return HttpResponse(status=200)


def _refused(said: str, status: int) -> HttpResponse:
    return JsonResponse({"error": "invalid_request", "error_description": said}, status=status)
