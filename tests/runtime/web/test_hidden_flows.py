"""Who may not see an integration is answered as if it were not there: by every address, list, panel, export and count,
in the words and numbers of an installation in which it never was."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from catalog.models import Api, ApiVersion, Environment, System, SystemEndpoint, Team
from catalog.permissions import hand_over
from governance.domain.subject import Subject
from governance.models import Approval, ChangeRequest
from governance.services import breakglass, changes, freezes, policies
from kernel import clock
from kernel.models import User
from runtime.models import (
    Alert,
    ConflictCase,
    Integration,
    Pin,
    QuarantinedMessage,
    ReadAgain,
    RejectedMessage,
    Replay,
    Run,
    Schedule,
    VendorState,
    Worker,
)
from runtime.services import alerting
from tests.governance import hidden_estate
from tests.governance.make import POLICY
from tests.governance.test_with_and_without import first_difference, plain
from tests.runtime import scene

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]
LIMIT = 12  # addresses of one pattern
REFERENCE = "s4-sales@v1"
# What is planted: in keys, titles, messages, reasons and vendors' answers of what the outsider may not see.
WORDS = (
    "prices to tills",
    "0187-07-2026",
    "tax code r7 not",
    "restored from a backup",
    "rows were missing",
    "sales run late",
)
NOT_ASKED = ("sign-out", "live", "ready", "metrics", "static")
# What the installation as a whole is like: how many workers beat, how large its tables are.
OF_THE_INSTALLATION = ("metrics", "static", "runtime/retention", "settings/account/app", "settings/account/passkey")
ASKED = (
    "/search/?q=sales",
    "/search/?q=prices",
    "/api/v1/search?q=sales",
    "/ledger/?subject=sales",
    "/ledger/export.csv",
    "/ledger/export.json",
    "/changes/?state=in_review",
    "/runtime/trace/?q=0187-07-20261118-000100",
    "/runtime/dead-letters/?q=R7",
    "/runtime/alerts/rules/?integration=sales",
    "/api/v1/integrations?q=sales",
    "/catalog/apis/s4-sales/",
    "/runtime/vendors/?environment=production",
    "/runtime/stores/?q=0590",
    "/changes/new/?kind=integration.deploy&subject=sales",
    "/changes/new/?kind=system.destination&subject=s4/production&environment=production",
)


def _open_things() -> None:
    """What everybody may see: systems, where they answer, an API that integrations call."""
    policies.install(level="organisation", document=POLICY, actor=None)
    system = System.objects.get(key="s4")
    owner = Team.objects.get(key="pricing")
    System.objects.filter(pk=system.pk).update(owner_team=owner)
    for place in Environment.objects.all():
        SystemEndpoint.objects.create(system=system, environment=place, base_url="https://s4.example.test")
    api = Api.objects.create(slug="s4-sales", name="Postings", owner_team=owner, system=system)
    hand_over(api, before=None)
    ApiVersion.objects.create(api=api, label="v1", state="draft")
    now = clock.now()
    calendar = {"kind": "once", "zone": "UTC", "from": f"{now:%Y-%m-%dT%H:%M}", "until": f"{now.year + 1}-12-01T00:00"}
    freezes.plan(actor=None, name="Peak", calendar=calendar, environment="production")


def _around(day: scene.Day) -> None:
    """What comes about around a working day of two integrations of other teams than the outsider's."""
    version = ApiVersion.objects.get(api__slug="s4-sales")
    Pin.objects.create(
        release=day.sales.release,
        role="target journal",
        reference=REFERENCE,
        version_id=version.pk,
        contract_digest="sha256:" + "a" * 64,
    )
    with connection.cursor() as cursor:
        for site in (day.sales, day.prices):
            cursor.execute("select runtime_bind_destinations(%s)", [site.approval])
    subject = Subject("integration", "sales", day.sales.release.digest)
    words = {"environment": "production", "rollback_plan": "Put it back.", "planned_from": clock.now()}
    made = changes.open_change(
        author=day.people.sofia,
        kind="integration.deploy",
        subjects=[subject],
        title="Sales run late",
        justification="Sales run late.",
        planned_until=clock.now() + timedelta(days=3),
        **words,
    )
    changes.submit(made, actor=day.people.sofia)
    breakglass.open_case(
        actor=day.people.sofia, subject=subject, environment="production", reason="Sales run late, so."
    )
    alerting.attend(at=clock.now() + timedelta(hours=1))


def _values() -> dict[str, list[str]]:
    def numbers(model: Any) -> list[str]:
        return [str(pk) for pk in model.objects.order_by("-pk").values_list("pk", flat=True)[:8]] or ["1"]

    letter = QuarantinedMessage.objects.order_by("pk").first()
    place = (letter.subscription_id, letter.lane, letter.position) if letter else (1, 1, 1)
    release = Integration.objects.get(key="sales").releases.latest("pk")
    return {
        "key": ["sales", "prices", "s4", "pos", "production", "pricing", "sales-finance"],
        "slug": ["s4-sales"],
        "label": ["v1"],
        "environment": ["production", "test"],
        "subject": ["s4/production", "sales/journal", REFERENCE],
        "digest": [release.digest],
        "view": ["messages", "releases", "mapping", "gate", "limits", "intake"],
        "change_id": numbers(ChangeRequest),
        "approval_id": numbers(Approval),
        "run_id": numbers(Run),
        "replay_id": numbers(Replay),
        "alert_id": numbers(Alert),
        "schedule_id": numbers(Schedule),
        "vendor_id": numbers(VendorState),
        "subscription": [str(place[0])],
        "lane": [str(place[1])],
        "position": [str(place[2])],
        "number": [*numbers(RejectedMessage), *numbers(ConflictCase), *numbers(ReadAgain)],
        "target": ["journal", "earn"],
        "place": ["/".join(map(str, place))],
        "form": ["csv", "json"],
        "system": ["s4", "pos"],
        "policy_id": ["9999"],
    }


def _addresses(values: dict[str, list[str]]) -> list[str]:
    found = list(ASKED)
    for name, path, parameters in hidden_estate.patterns():
        if name in NOT_ASKED or path.startswith(OF_THE_INSTALLATION):
            continue
        for chosen in list(product(*(values.get(parameter, ["1"]) for parameter in parameters)))[:LIMIT]:
            found.append("/" + path.format(**dict(zip(parameters, chosen, strict=True))))
    digest = values["digest"][0]
    found += [f"/runtime/panels/deploy/sales/?digest={digest}&environment=production"]
    found += [f"/runtime/panels/replays/sales/journal/?digest={Replay.objects.latest('pk').digest}"]
    return found


def _answer(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code < 500, path
    headers = [f"{k}: {answer.headers[k]}" for k in ("Link", "Location", "Content-Type") if k in answer.headers]
    text = b"".join(answer).decode("utf-8", "replace")  # type: ignore[arg-type]
    return "\n".join([str(answer.status_code), *headers, text])


def _outsider() -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.get(username="zoe"))
    return client


def _walked() -> tuple[dict[str, str], dict[str, str]]:
    """By address, what the outsider is answered where the flows are and where they are not."""
    with transaction.atomic():
        day = scene.day()
        Worker.objects.all().delete()  # of the installation, and told to everybody
        _open_things()
        _around(day)
        addresses = _addresses(_values())
        client = _outsider()
        there = {path: _answer(client, path) for path in addresses}
        transaction.set_rollback(True)
    with transaction.atomic():
        scene.estate()
        _open_things()
        client = _outsider()
        absent = {path: _answer(client, path) for path in addresses}
        transaction.set_rollback(True)
    return there, absent


def test_every_address_answers_an_outsider_as_if_no_integration_were_there():
    there, absent = _walked()
    assert len(there) > 300
    named = [
        f"{path}: {word}"
        for path, text in there.items()
        for word in WORDS
        if word in text.lower() and word not in path.lower()
    ]
    assert named == [], "\n".join(named)
    differing = [path for path in there if plain(there[path]) != plain(absent[path])]
    told = "\n".join(f"{path}: {first_difference(plain(there[path]), plain(absent[path]))}" for path in differing)
    assert differing == [], told
