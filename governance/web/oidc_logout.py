"""The identity provider says that somebody signed out there: OpenID Connect Back-Channel Logout 1.0."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from redis.exceptions import RedisError

from governance.domain.id_tokens import OLDEST_SECONDS, RefusedToken, judge_logout_token
from governance.services import identity, provider_tokens
from kernel.errors import DomainError, NotFound

log = logging.getLogger(__name__)


@csrf_exempt
@login_not_required
@never_cache
@require_POST
def back_channel(request: HttpRequest) -> HttpResponse:
    """§2.5 to §2.8. The token alone says who is meant, and its signature that the provider says so. It ends nothing
    that began after it was issued, and sent again nothing at all."""
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
    once = f"logout-token:{sha256(claims['jti'].encode('utf-8', 'surrogatepass')).hexdigest()}"
    if not _known(once):
        issued = datetime.fromtimestamp(claims["iat"], UTC)
        with transaction.atomic():
            identity.signed_out_there(
                str(claims.get("sub", "")),
                sid=str(claims.get("sid", "")),
                issued=issued,
                skew=timedelta(seconds=rules.skew),
            )
        _keep(once, rules.skew)
    return HttpResponse(status=200)


def _known(once: str) -> bool:
    """Whether this token has been obeyed. Where nobody knows, its time alone says what it ends."""
    try:
        return bool(cache.get(once))
    except RedisError as away:
        log.warning("whether a logout token came before is not known: %s", away)
        return False


def _keep(once: str, skew: float) -> None:
    """For as long as it could be believed."""
    try:
        cache.set(once, True, timeout=int(OLDEST_SECONDS + 2 * skew) + 60)
    except RedisError as away:
        log.warning("a logout token is not kept as one that came: %s", away)


def _refused(said: str, status: int) -> HttpResponse:
    return JsonResponse({"error": "invalid_request", "error_description": said}, status=status)
