"""One estate in two worlds: with a restricted API that much has to do with, and without it. What everybody may see is
the same in both, made by the same people in the same order."""

from __future__ import annotations

import shutil
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from django.db import transaction

from catalog.models import (
    Api,
    ApiVersion,
    Application,
    BrownOut,
    Dependency,
    Environment,
    ImportRun,
    Subscription,
    UsageDay,
)
from catalog.services import announcements, audit_snapshots, importing, search_index, sunset_notices
from catalog.services import blueprint as blueprints
from catalog.services.importing.sources import ImportSource
from governance.domain.subject import Subject
from governance.models import FreezeWindow, Policy, WebhookEndpoint
from governance.selectors import sight
from governance.services import (
    acceptances,
    breakglass,
    changes,
    checks,
    freezes,
    policies,
    release_records,
    verdicts,
    waivers,
    webhooks,
)
from kernel import clock, outbox
from kernel.models import User
from kernel.viewer import SYSTEM, Viewer
from tests.catalog import make as catalog
from tests.governance import hidden_estate as estate
from tests.governance import make
from tests.governance.gate_estate import beneath, subscribe
from tests.governance.test_catalog_changes import POLICY

READER = "znil"
OPEN, SLUG, REFERENCE = estate.OPEN, estate.SLUG, estate.REFERENCE


def build(*, hidden: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        shutil.copytree(catalog.ESTATE, base, dirs_exist_ok=True)
        text = (base / "loyalty-v1.yaml").read_text()
        (base / "quokkabank.yaml").write_text(text.replace("points", "quokkabank"))
        blueprints.apply(_blueprint(hidden), actor=None, base_dir=base)
    policies.install(level="organisation", document=POLICY, actor=None)
    make.person(READER)
    make.person("lola", "loyalty")
    rita = make.person("rita", "release-managers")
    webhooks.register(actor=rita, name="receiver", url="https://receiver.example.test/in", topics=["catalog.*"])
    named = [REFERENCE] if hidden else []
    for name, application, lists in (
        (release_records.record_deployment, "web-shop", {"consumes": named}),
        (release_records.record_release, "price-service", {"provides": named}),
    ):
        name({"application": application, "version": "7", "environment": "production"} | lists, viewer=SYSTEM)
    if hidden:
        _uses()
    _open_things()
    if hidden:
        _decisions()
    _more_open_things()
    while outbox.dispatch():
        pass
    search_index.refresh_all()


def _blueprint(hidden: bool) -> dict[str, Any]:
    document = catalog.blueprint()
    (price,) = (api for api in document["apis"] if api["slug"] == OPEN)
    price["versions"][1] |= {"state": "deprecated", "deprecated_at": date(2026, 1, 1), "sunset_at": date(2027, 6, 1)}
    if not hidden:
        return document
    (loyalty,) = (api for api in document["apis"] if api["slug"] == "loyalty-api")
    made = loyalty | {"slug": SLUG, "name": "Quokkabank API", "purpose": "Quokkabank keeps all quokkabank."}
    live = loyalty["versions"][0] | {"contract": "quokkabank.yaml"}
    ends = live | {"label": "v0", "contract": "loyalty-v1.yaml", "state": "deprecated"}
    ends |= {"deprecated_at": date(2026, 1, 1), "sunset_at": date(2027, 1, 1), "successor": "v1"}
    document["apis"].insert(1, made | {"versions": [ends, live]})
    used = {"application": "web-shop", "version": REFERENCE, "environment": "production", "from": date(2025, 6, 1)}
    document["subscriptions"].insert(0, used)
    document["dependencies"].insert(0, {"api": SLUG, "needs": OPEN})
    return document


def _uses() -> None:
    """Calls, records, a subscription of before and one asked for, brown-outs, notices."""
    now, production = clock.now(), Environment.objects.get(key="production")
    for label in ("v0", "v1"):
        version = ApiVersion.objects.get(api__slug=SLUG, label=label)
        shop = Application.objects.get(key="web-shop")  # the reader asks about the till, which hears of its own calls
        UsageDay.objects.create(
            application=shop, version=version, environment=production, day=now.date(), calls=5, last_seen_at=now
        )
    subscribe("price-service", REFERENCE, "ended")
    BrownOut.objects.create(
        version=ApiVersion.objects.get(api__slug=SLUG, label="v0"),
        environment=production,
        starts_at=now + timedelta(days=3),
        ends_at=now + timedelta(days=3, hours=2),
        note="Try without quokkabank.",
        planned_by=catalog.person("lea"),
    )
    price = ApiVersion.objects.select_related("api").get(api__slug=OPEN, label="v2")
    before = audit_snapshots.of_version(price)
    price.successor = ApiVersion.objects.select_related("api").get(api__slug=SLUG, label="v1")
    price.save()
    with transaction.atomic():  # the ledger leaves the entry out for who may not see the successor
        announcements.version_changed(price, "version_deprecated", actor=None, before=before, payload={"state": "x"})


def _open_things() -> None:
    """A freeze, an import, a record, a change and a waiver."""
    piet = catalog.person("piet")
    sunset_notices.tell_due()
    freezes.plan(
        actor=None,
        name="Peak",
        domain="loyalty",
        strictness="notice",
        calendar={"kind": "weekly", "zone": "UTC", "days": ["mon"], "from": "00:00", "until": "00:00"},
    )
    sheet = ImportSource("apis.csv", b"slug,name,purpose\nprice-api,Price API,All prices\n")
    importing.run([sheet], actor=catalog.person("ada"), source="sheet")
    release_records.record_deployment(
        {"application": "till", "version": "7", "environment": "production", "consumes": [f"{OPEN}@v2"]}, viewer=SYSTEM
    )
    _deprecation(piet, f"{OPEN}@v1", "End of the oldest prices")
    waivers.propose(
        actor=piet,
        rule="version.past_sunset",
        pointer=f"/consumed/items/{OPEN}@v1",
        subject=_subject(f"{OPEN}@v1"),
        environment="production",
        application="till",
        reason="Kiosks are frozen.",
        expires_at=clock.now() + timedelta(days=5),
    )


def _more_open_things() -> None:
    """After the hidden ones, so that their numbers are others."""
    _deprecation(catalog.person("paula"), f"{OPEN}@v2", "End of the old prices")
    reader = User.objects.get(username=READER)
    asked = {"application": "till", "version": "7", "environment": "production", "consumes": [f"{OPEN}@v2"]}
    verdicts.ask(asked, viewer=Viewer.of(reader))
    breakglass.open_case(
        actor=catalog.person("piet"),
        subject=_subject(f"{OPEN}@v2"),
        environment="production",
        reason="No till shows a price any more.",
    )


def _subject(reference: str) -> Subject:
    slug, _, label = reference.partition("@")
    digest = ApiVersion.objects.get(api__slug=slug, label=label).contract_id
    assert digest
    return Subject("version", reference, digest)


def _deprecation(author: User, reference: str, title: str, **parameters: Any) -> Any:
    made = changes.open_change(
        author=author,
        kind="version.deprecate",
        subjects=[_subject(reference)],
        title=title,
        environment="production",
        justification="It is time.",
        rollback_plan="Put it back.",
        planned_from=clock.now(),
        planned_until=clock.now() + timedelta(days=3),
        parameters={"sunset_at": "2027-12-31T00:00:00Z", "guide": "Go on."} | parameters,
    )
    changes.comment(made, actor=author, text=f"Good bye, {reference}.")
    changes.submit(made, actor=author)
    checks.run_checks(made.pk)
    return made


def _decisions() -> None:
    """Changes about it and one that names it, with an acceptance; a waiver, a break-glass, verdicts, a campaign."""
    lea = catalog.person("lea")
    made = _deprecation(lea, REFERENCE, "End of quokkabank")
    beneath(
        "update governance_checkresult set status = 'failed', findings = "
        '\'[{"rule": "quokkabank.rule", "pointer": "/a", "level": "error", "breaking": true, "consumers": []}]\' '
        f"where id = (select min(id) from governance_checkresult where change_id = {made.pk})"
    )
    acceptances.accept_break(
        made,
        actor=make.person("lola", "loyalty"),
        rule="quokkabank.rule",
        pointer="/a",
        kind="correction",
        reason="quokkabank never did so.",
    )
    _deprecation(catalog.person("piet"), f"{OPEN}@v3", "Quokkabank instead", successor=REFERENCE)
    waivers.propose(
        actor=lea,
        rule="version.past_sunset",
        pointer=f"/consumed/items/{REFERENCE}",
        subject=_subject(REFERENCE),
        environment="production",
        application="web-shop",
        reason="Kiosks with quokkabank are frozen.",
        expires_at=clock.now() + timedelta(days=5),
    )
    breakglass.open_case(
        actor=lea, subject=_subject(REFERENCE), environment="production", reason="No till shows quokkabank any more."
    )
    asked = {"application": "web-shop", "version": "7", "environment": "production", "consumes": [REFERENCE]}
    verdicts.ask(asked, viewer=Viewer.of(lea))


def numbers() -> dict[str, list[str]]:
    """What stands in addresses: what the reader sees, in the same order in both worlds."""
    reader = Viewer.of(User.objects.get(username=READER))
    seen = Api.objects.exclude(slug=SLUG)

    def of(rows: Any) -> list[str]:
        return [str(pk) for pk in rows.order_by("pk").values_list("pk", flat=True)[:6]]

    return {
        "change_id": of(sight.of_changes(reader)),
        "verdict_id": of(sight.verdicts(reader)),
        "waiver_id": of(sight.waivers(reader)),
        "case_id": of(sight.emergencies(reader)),
        "approval_id": of(sight.approvals(reader)),
        "freeze_id": of(FreezeWindow.objects.all()),
        "policy_id": of(Policy.objects.all()),
        "endpoint_id": of(WebhookEndpoint.objects.all()),
        "run_id": of(ImportRun.objects.all()),
        "subscription_id": of(Subscription.objects.filter(version__api__in=seen)),
        "dependency_id": of(Dependency.objects.filter(api__in=seen)),
        "person_id": [str(User.objects.get(username=name).pk) for name in ("ada", "lea", "piet", READER)],
        "slug": [OPEN, "self-checkout", "loyalty-api"],
        "label": ["v1", "v2", "v3"],
        "key": [
            *("till", "web-shop", "price-service", "owners", "production", "test", "loyalty", "pricing"),
            *("store-systems", "architects", "loyalty-engine", "price-engine", "receiver", "price"),
        ],
        "digest": [_subject(f"{OPEN}@v2").digest],
        "form": ["csv", "json"],
        "step": ["confirm"],
        "subject": [f"{OPEN}@v2"],
    }
