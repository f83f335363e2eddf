"""`/metrics` for Prometheus: what all processes have counted, and readings from the database.

For a token with the scope `metrics:read`, or a signed-in person; both see the integrations and vendors that their
account may see, and everything about the installation. See docs/reference/metrics.md.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric

from governance.services import pipeline_intake, pipeline_reviews, verdicts, webhooks
from kernel import card_measures, measures, outbox, periodic_jobs, process_measures, tokens
from kernel.errors import DomainError, Forbidden, Unauthenticated
from kernel.measures import Found, reading
from kernel.models import ApiToken
from kernel.viewer import Viewer
from portal import metric_groups, observing, problem
from portal.front import application
from portal.witness import senders
from runtime.ledger import measures as ledger_measures
from runtime.ledger import pool
from runtime.selectors import metric_sight
from runtime.selectors.metric_sight import MetricSight
from runtime.services import hook_intake

SCOPE = "metrics:read"
RECORD = "0024-metrics.md"  # in docs/decisions
DECLARING = (
    *(application, card_measures, ledger_measures, observing, outbox, periodic_jobs, pool, process_measures),
    *(hook_intake, pipeline_intake, pipeline_reviews, senders, verdicts, webhooks),
)
"""Where processes count: what workers count must be known to the process that is scraped. Readings come with groups."""
TOKEN_ENDS = reading("scrape_token_expiry_timestamp_seconds", "When the token of this scrape ends.")


@login_not_required
@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    try:
        viewer, token = _who(request)
    except DomainError as error:
        refused = problem.respond(error)
        if isinstance(error, Unauthenticated):
            refused.headers["WWW-Authenticate"] = 'Bearer realm="tillgate"'
        return refused
    readings = list(metric_groups.values())
    if token is not None:
        readings.append(Found(TOKEN_ENDS, (), token.expires_at.timestamp()))
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    page = encode(_Visible(readings, metric_sight.of(viewer)))
    return HttpResponse(page, content_type=content_type)


def _who(request: HttpRequest) -> tuple[Viewer, ApiToken | None]:
    """Raises Unauthenticated and Forbidden."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if not scheme:
        if request.user.is_authenticated:
            return Viewer.of(request.user), None
        raise Unauthenticated("metrics.token", f"Send a token with the scope {SCOPE}: Authorization: Bearer tg_…")
    token = tokens.find(secret.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        raise Unauthenticated("metrics.token", "This token is unknown, expired or revoked.")
    if SCOPE not in token.scopes:
        raise Forbidden("metrics.scope", f"This token does not have the scope {SCOPE}.")
    return Viewer.of(token.user), token


class _Visible:
    """What an encoder of prometheus_client takes for a registry."""

    def __init__(self, readings: list[Found], sight: MetricSight) -> None:
        self.readings, self.sight = readings, sight

    def collect(self) -> Iterator[Metric]:
        for family in measures.families(process_measures.total(), self.readings):
            family.samples = [sample for sample in family.samples if self.sight.allows(sample.labels)]
            if family.samples:
                yield family
