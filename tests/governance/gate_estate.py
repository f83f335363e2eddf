"""An estate in which the gate says yes, and for each of its codes the one thing that makes it say no.

Two teams run a till and a price service; an integration carries orders, registered and approved by people.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from bench.installation import CONTRACT, blueprint
from bench.installation import manifest as order_feed
from catalog.models import (
    Api,
    ApiVersion,
    Application,
    Boundary,
    Dependency,
    Environment,
    SlaTier,
    Subscription,
    System,
    SystemEndpoint,
    Team,
    UsageDay,
)
from catalog.services import blueprint as blueprints
from governance.domain.subject import Subject
from governance.models import Approval, FreezeWindow
from governance.services import approvals, freezes, policies, release_records
from kernel import clock, tokens
from kernel.models import User
from kernel.viewer import SYSTEM
from runtime.models import Release
from runtime.services import change_kinds, deployments, integrations
from tests import kept_rows
from tests.catalog import make as catalog
from tests.governance import make

OLD, NEXT, FEED = "price-api@v2", "price-api@v3", "order-feed"


def beneath(statement: str, *parameters: Any) -> None:
    """SQL beneath the triggers, as in a restore of a part."""
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        cursor.execute(statement, parameters or None)
        cursor.execute("set local session_replication_role = origin")


@kept_rows.once
def build() -> None:
    catalog.build()
    policies.install(level="organisation", document=make.POLICY, actor=None)
    _versions()
    Api.objects.filter(slug="price-api").update(third_party=False)
    Api.objects.filter(slug="loyalty-api").update(third_party=True)
    Dependency.objects.create(api=Api.objects.get(slug="price-api"), target_api=Api.objects.get(slug="loyalty-api"))
    for application in ("web-shop", "price-service"):
        subscribe(application, "loyalty-api@v1")
    for one in (
        {"application": "price-service", "provides": [OLD], "consumes": ["loyalty-api@v1"]},
        {"application": "till", "consumes": [OLD]},
        {"application": "web-shop", "consumes": ["loyalty-api@v1"]},
        {"application": "till", "environment": "test"},
    ):
        record(**one)
    _integration()


def _versions() -> None:
    beneath("update catalog_apiversion set state = 'published', origin = 'declared' where label = 'v3'")
    price = Api.objects.get(slug="price-api")
    ApiVersion.objects.create(api=price, label="v4", state="draft")


def _integration() -> None:
    """Registered, and approved by its owner and an architect."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "order.json").write_text(json.dumps(CONTRACT))
        blueprints.apply(blueprint("http://127.0.0.1:9"), actor=None, base_dir=Path(folder))
    Application.objects.create(key="order-hub", name="Order hub", team=Team.objects.get(key="order-team"))
    record(application="order-hub")
    record(application="order-hub", environment="test")
    author, owner = make.person("otto", "order-team"), make.person("olga", "order-team")
    made = integrations.register(integrations.pinned(order_feed(source=False, lanes=2, batch=50)), actor=None)
    change = make.in_review(author, Subject("integration", FEED, made.digest), kind="integration.deploy")
    make.approve(change, owner, User.objects.get(username="ada"))


def client(*more: str) -> Client:
    """A pipeline that may see everything."""
    boss, _ = User.objects.get_or_create(username="boss", defaults={"is_superuser": True})
    _, secret = tokens.issue(actor=None, user=boss, name="ci", scopes=["gate:ask", *more])
    return Client(headers={"Authorization": f"Bearer {secret}"}, raise_request_exception=False)


def version(reference: str) -> ApiVersion:
    slug, _, label = reference.partition("@")
    return ApiVersion.objects.get(api__slug=slug, label=label)


def subscribe(application: str, reference: str, state: str = "active", **more: Any) -> None:
    Subscription.objects.create(
        application=Application.objects.get(key=application),
        version=version(reference),
        environment=Environment.objects.get(key=more.pop("environment", "production")),
        state=state,
        **{"valid_from": clock.now() - timedelta(days=9)} | more,
    )


def record(**more: Any) -> None:
    release_records.record_deployment({"version": "1", "environment": "production"} | more, viewer=SYSTEM)


def running(reference: str) -> None:
    """The price service supports this version as well, beside what it runs."""
    body = {"application": "price-service", "version": "old", "environment": "production", "provides": [reference]}
    release_records.record_release(body, viewer=SYSTEM)


def digest() -> str:
    return str(Release.objects.filter(integration__key=FEED).order_by("id")[0].digest)


def newest() -> str:
    return str(Release.objects.filter(integration__key=FEED).latest("id").digest)


def brings(of: str = "") -> dict[str, Any]:
    return {"application": "order-hub", "integrations": [{"key": FEED, "digest": of or digest()}]}


@dataclass(frozen=True)
class No:
    """One way to be refused: what happens first, the question, and codes that come with it."""

    code: str
    word: str
    question: Callable[[], dict[str, Any]]
    first: Callable[[pytest.MonkeyPatch], object] = lambda monkeypatch: None
    beside: frozenset[str] = field(default=frozenset())


def asks(application: str, **more: Any) -> Callable[[], dict[str, Any]]:
    return lambda: {"application": application, **more}


# -- what happens first ------------------------------------------------------------------------------------------------


def _use(reference: str) -> Callable[[pytest.MonkeyPatch], None]:
    def happens(_: pytest.MonkeyPatch) -> None:
        subscribe("till", reference)
        running(reference)

    return happens


def _imported(_: pytest.MonkeyPatch) -> None:
    beneath("update catalog_apiversion set origin = 'imported' where label = 'v3'")
    _use(NEXT)(_)


def _sunset(_: pytest.MonkeyPatch) -> None:
    now = clock.now()
    ended = {"deprecated_at": now - timedelta(days=90), "sunset_at": now - timedelta(days=1)}
    ApiVersion.objects.filter(pk=version(OLD).pk).update(state="deprecated", **ended)


def _pins(_: pytest.MonkeyPatch) -> None:
    SlaTier.objects.filter(level=0).update(rules={"pins": "required"})


def _elsewhere(_: pytest.MonkeyPatch) -> None:
    Environment.objects.filter(key="test").update(records_complete_since=None, records_enforced_from=None)
    subscribe("till", OLD, environment="test")


def _nobody_provides(_: pytest.MonkeyPatch) -> None:
    gone = {"application": "price-service", "environment": "production", "instance": ""}
    release_records.undeploy(gone, viewer=SYSTEM)


def _calls(_: pytest.MonkeyPatch) -> None:
    shop, production, now = (
        Application.objects.get(key="web-shop"),
        Environment.objects.get(key="production"),
        clock.now(),
    )
    asked = {"application": shop, "version": version("price-api@v1"), "environment": production}
    UsageDay.objects.create(**asked, day=now.date(), calls=7, last_seen_at=now)


def _backward(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("governance.services.upgrade_order.relation", lambda old, new: "backward")


def _weaker(_: pytest.MonkeyPatch) -> None:
    Api.objects.filter(slug="loyalty-api").update(tier=SlaTier.objects.get(level=2))


def _no_tier(_: pytest.MonkeyPatch) -> None:
    Api.objects.filter(slug="price-api").update(tier=None)


def _newer_release(_: pytest.MonkeyPatch) -> None:
    other = order_feed(source=False, lanes=2, batch=50) | {"title": "Orders, anew"}
    integrations.register(integrations.pinned(other), actor=None)


def _void(_: pytest.MonkeyPatch) -> None:
    approvals.void(Approval.objects.get().pk, actor=None, reason="It was a mistake.")


def _expired(_: pytest.MonkeyPatch) -> None:
    beneath("update governance_approval set valid_until = clock_timestamp() - interval '1 minute'")


def _planned_later(_: pytest.MonkeyPatch) -> None:
    beneath(
        "update governance_approval set apply_from = clock_timestamp() + interval '1 day',"
        " apply_until = clock_timestamp() + interval '2 days'"
    )


def _left(_: pytest.MonkeyPatch) -> None:
    User.objects.get(username="olga").groups.clear()


def _blocks_again(_: pytest.MonkeyPatch) -> None:
    wrong = json.dumps([{"rule": "x", "pointer": "/x", "level": "error", "message": "It breaks."}])
    beneath(
        "update governance_checkresult set status = 'failed', findings = %s where check_id = 'integration.safety'",
        wrong,
    )


def _unmet(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [{"code": "approval.invented_later", "message": "Not now.", "fix": "Wait."}]
    monkeypatch.setattr(approvals, "standing", lambda *_, **__: (None, found))


def calling_feed() -> str:
    """A release of the feed that calls the shop, approved by people and live; its digest."""
    made = integrations.register(integrations.pinned(order_feed(lanes=2, batch=50)), actor=None)
    author, owner = User.objects.get(username="otto"), User.objects.get(username="olga")
    change = make.in_review(author, Subject("integration", FEED, made.digest), kind="integration.deploy")
    make.approve(change, owner, User.objects.get(username="ada"))
    approval = approvals.require(Subject("integration", FEED, made.digest), made.digest, "production")
    deployments.deploy(FEED, approval=approval, actor=None)
    return str(made.digest)


def _redirected(_: pytest.MonkeyPatch) -> None:
    calling_feed()
    SystemEndpoint.objects.filter(system__key="shop").update(base_url="http://127.0.0.1:9999")


def _moved_record(_: pytest.MonkeyPatch) -> None:
    now, former = clock.now(), Boundary.objects.get(entity__key="order")
    Boundary.objects.filter(pk=former.pk).update(valid=(former.valid.lower, now))
    Boundary.objects.create(entity=former.entity, system=System.objects.get(key="tillgate"), valid=(now, None))


def _not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_kinds, "_manifest_of", lambda context: None)


def freeze(**scope: Any) -> int:
    now = clock.now()
    calendar = {
        "kind": "once",
        "zone": "UTC",
        "from": f"{now:%Y-%m-%dT%H:%M}",
        "until": f"{now + timedelta(days=2):%Y-%m-%dT%H:%M}",
    }
    freezes.plan(actor=None, name="Peak", calendar=calendar, environment="production", **scope)
    return int(FreezeWindow.objects.get().pk)


def _of_a_system(_: pytest.MonkeyPatch) -> None:
    freeze(system="erp")
    Api.objects.filter(slug="price-api").update(system=None)


def _unreadable(_: pytest.MonkeyPatch) -> None:
    freeze()
    beneath("delete from governance_freezeinterval")
    beneath('update governance_freezewindow set calendar = \'{"kind": "moon"}\'')


def _lost(_: pytest.MonkeyPatch) -> None:
    freeze()
    beneath("delete from governance_freezeinterval")
    beneath("delete from governance_freezewindow")


def _ownerless(_: pytest.MonkeyPatch) -> None:
    Application.objects.filter(key="till").update(team=None)


def _unresolved(_: pytest.MonkeyPatch) -> None:
    freeze()
    beneath('update governance_freezewindow set unresolved = \'{"domain": "no-such"}\'')


def _fleet(_: pytest.MonkeyPatch) -> None:
    Environment.objects.filter(key="production").update(is_fleet=True)


STALE = "sha256:" + "d" * 64
NOS = (
    No("version.retired", "deny", asks("till", consumes=["price-api@v1"]), _use("price-api@v1")),
    No("version.past_sunset", "deny", asks("till", consumes=[OLD]), _sunset),
    No("version.not_published", "deny", asks("till", consumes=["price-api@v4"]), _use("price-api@v4")),
    No("version.unknown", "unknown", asks("till", consumes=["nobody@v9"])),
    No("version.unjudged", "unknown", asks("till", consumes=[NEXT]), _imported),
    No("subscription.missing", "deny", asks("web-shop", consumes=[OLD])),
    No(
        "subscription.pending",
        "deny",
        asks("web-shop", consumes=[OLD]),
        lambda _: subscribe("web-shop", OLD, "requested", valid_from=None),
    ),
    No(
        "subscription.expired",
        "deny",
        asks("web-shop", consumes=[OLD]),
        lambda _: subscribe("web-shop", OLD, valid_until=clock.now() - timedelta(days=1)),
    ),
    No("contract.breaking_for_consumer", "deny", asks("price-service", provides=[NEXT], consumes=["loyalty-api@v1"])),
    No(
        "contract.uncompared",
        "unknown",
        asks("till", consumes=[{"version": OLD, "contract_digest": "sha256:" + "b" * 64}]),
    ),
    No("contract.unpinned", "unknown", asks("till", consumes=[OLD]), _pins),
    No("provider.unrecorded", "unknown", asks("till", environment="test", consumes=[OLD]), _elsewhere),
    No("provider.missing", "unknown", asks("till", consumes=[OLD]), _nobody_provides),
    No("provider.not_allowed", "deny", asks("web-shop", provides=[OLD], consumes=["loyalty-api@v1"])),
    No("provider.withdrawn", "deny", asks("price-service", consumes=["loyalty-api@v1"])),
    No("usage.undeclared", "deny", asks("web-shop", consumes=["loyalty-api@v1"]), _calls),
    No("order.producer_first", "deny", asks("till", consumes=[NEXT]), lambda _: subscribe("till", NEXT)),
    No("order.consumers_first", "deny", asks("price-service", provides=[NEXT], consumes=["loyalty-api@v1"]), _backward),
    No("tier.dependency_weaker", "deny", asks("price-service", provides=[OLD]), _weaker),
    No("tier.unstated", "unknown", asks("price-service", provides=[OLD]), _no_tier),
    No("integration.unregistered", "deny", lambda: brings(STALE), beside=frozenset({"approval.stale_digest"})),
    No("approval.missing", "deny", lambda: brings() | {"environment": "test"}),
    No("integration.not_allowed", "deny", lambda: brings() | {"application": "web-shop"}),
    No("approval.stale_digest", "deny", lambda: brings(newest()), _newer_release),
    No("approval.void", "deny", brings, _void),
    No("approval.expired", "deny", brings, _expired),
    No("approval.outside_window", "deny", brings, _planned_later),
    No("approval.lost_right", "deny", brings, _left),
    No("approval.check_blocking", "deny", brings, _blocks_again),
    No("approval.destination_moved", "deny", lambda: brings(newest()), _redirected),
    No("approval.unmet", "unknown", brings, _unmet),
    No("sor.violation", "deny", brings, _moved_record),
    No("sor.not_run", "unknown", brings, _not_run),
    No("freeze.active", "deny", asks("till", consumes=[OLD]), lambda _: freeze(domain="price")),
    No("freeze.scope_unknown", "unknown", asks("till", consumes=[OLD]), _of_a_system),
    No("freeze.scope_unresolved", "unknown", asks("till", consumes=[OLD]), _unresolved),
    No("freeze.not_compiled", "unknown", asks("till", consumes=[OLD]), _unreadable),
    No("freeze.rows_missing", "unknown", asks("till", consumes=[OLD]), _lost),
    No("application.unknown", "unknown", asks("tiil", consumes=[OLD])),
    No("environment.unknown", "unknown", asks("till", environment="moon", consumes=[OLD])),
    No("instance.unknown", "unknown", asks("till", instance="S1", consumes=[OLD]), _fleet),
    No("evidence.missing", "unknown", asks("till", consumes=[OLD]), _ownerless),
    No("evidence.no_consumes", "unknown", asks("price-service", provides=[OLD], consumes=None)),
    No("evidence.nothing_declared", "unknown", asks("till")),
)
YES = (asks("till", consumes=[OLD]), asks("price-service", provides=[OLD], consumes=["loyalty-api@v1"]), brings)
