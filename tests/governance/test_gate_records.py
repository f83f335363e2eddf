"""The gate over HTTP: a harmless word comes only from a row that says it. Who provides, what is replaced, and by whom
it was recorded."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from catalog.models import (
    Api,
    ApiVersion,
    Application,
    Dependency,
    Environment,
    ProviderRight,
    SlaTier,
    Subscription,
    UsageDay,
)
from governance.models import ApplicationRelease, Verdict
from governance.services import policies, release_records, verdicts
from kernel import clock, outbox, tokens
from kernel.viewer import SYSTEM
from tests.catalog import make as catalog
from tests.governance import make

pytestmark = pytest.mark.django_db
PRICE_2 = "price-api@v2"


@pytest.fixture(autouse=True)
def estate() -> None:
    """Nobody has said anything of third parties or of complete records yet."""
    catalog.estate()
    policies.install(level="organisation", document=make.POLICY, actor=None)
    Environment.objects.update(records_complete_since=None, records_enforced_from=None)
    Api.objects.filter(slug="price-api").update(third_party=False)
    beneath("update catalog_apiversion set state = 'published', origin = 'declared' where label = 'v3'")


def beneath(statement: str) -> None:
    """SQL beneath the triggers, as in a restore of a part."""
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        cursor.execute(statement)
        cursor.execute("set local session_replication_role = origin")


def robot(user: str = "robot", *scopes: str) -> Client:
    _, secret = tokens.issue(actor=None, user=catalog.person(user), name="ci", scopes=scopes or ["gate:ask"])
    return Client(headers={"Authorization": f"Bearer {secret}"})


def post(path: str, body: dict[str, Any], client: Client | None = None) -> Any:
    return (client or robot()).post(f"/api/v1/gate/{path}", json.dumps(body), content_type="application/json")


def place(**more: Any) -> dict[str, Any]:
    return {"application": "till", "version": "7", "environment": "production", "consumes": []} | more


def ask(*, user: str = "robot", **more: Any) -> dict[str, Any]:
    answer = post("verdicts", place(**more), robot(user))
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def record(**more: Any) -> ApplicationRelease:
    return release_records.record_deployment(place(**more), viewer=SYSTEM)


def provider(version: str, **more: Any) -> dict[str, Any]:
    return {"application": "price-service", "version": version, "provides": [f"price-api@{version}"]} | more


def codes(answer: dict[str, Any]) -> list[str]:
    return [reason["code"] for reason in answer["reasons"]]


def told(answer: dict[str, Any], code: str) -> dict[str, Any]:
    return next(reason for reason in answer["reasons"] if reason["code"] == code)


def subscribe(application: str, version: str) -> None:
    wanted = {"application": application, "version": version, "environment": "production", "from": "2025-01-01"}
    catalog.build({"blueprint": 1, "subscriptions": [wanted]})


# -- who provides ------------------------------------------------------------------------------------------------------


def test_a_version_that_no_record_provides_is_unknown_and_a_third_partys_is_not():
    record(consumes=[PRICE_2])
    answer = ask(consumes=[PRICE_2])
    assert (answer["verdict"], codes(answer)) == ("unknown", ["provider.unrecorded"])
    assert told(answer, "provider.unrecorded")["who"] == "team pricing"
    Api.objects.filter(slug="price-api").update(third_party=True)
    assert ask(consumes=[PRICE_2])["verdict"] == "allow"


def test_a_provider_in_another_environment_says_nothing_about_this_one():
    record(consumes=[PRICE_2])
    record(environment="test", **provider("v2"))
    assert codes(ask(consumes=[PRICE_2])) == ["provider.unrecorded"]
    record(**provider("v2"))
    assert ask(consumes=[PRICE_2])["verdict"] == "allow"


def test_nothing_runs_is_said_only_by_an_environment_whose_record_is_complete():
    record(consumes=[PRICE_2])
    Environment.objects.update(records_complete_since=clock.now())
    answer = ask(consumes=[PRICE_2])
    assert (answer["verdict"], codes(answer)) == ("unknown", ["provider.missing"])


def test_a_missing_record_is_only_reported_until_the_dated_switch():
    record(consumes=[PRICE_2])
    Environment.objects.update(records_enforced_from=clock.now() + timedelta(days=1))
    answer = ask(consumes=[PRICE_2])
    assert (answer["verdict"], answer["enforcing"]) == ("unknown", False)


def test_a_store_is_served_by_its_own_provider_not_by_a_newer_one_elsewhere():
    record(consumes=[PRICE_2])
    subscribe("till", "price-api@v3")
    record(instance="s1", **provider("v3"))
    record(instance="s2", **provider("v2"))
    assert (
        ask(instance="s1", consumes=["price-api@v3"])["verdict"] == "unknown"
    )  # of s1 nothing of the till is recorded
    record(instance="s1")
    record(instance="s2")
    assert ask(instance="s1", consumes=["price-api@v3"])["verdict"] == "allow"
    answer = ask(instance="s2", consumes=["price-api@v3"])
    assert (answer["verdict"], codes(answer)) == ("deny", ["order.producer_first"])
    assert codes(ask(consumes=["price-api@v3"])) == ["order.producer_first"]
    Api.objects.filter(slug="price-api").update(per_instance=False)
    assert ask(instance="s2", consumes=["price-api@v3"])["verdict"] == "allow"


# -- what is replaced and taken away -----------------------------------------------------------------------------------


def test_what_a_provider_replaces_has_to_be_recorded():
    question = provider("v3", consumes=[])
    answer = ask(user="piet", **question)
    assert "provider.unrecorded" in codes(answer)
    record(**provider("v2"))
    answer = ask(user="piet", **question)
    assert answer["verdict"] == "deny"
    assert "contract.breaking_for_consumer" in codes(answer)


def test_what_a_release_leaves_out_is_taken_away_from_its_consumers():
    record(**provider("v2"))
    answer = ask(user="piet", application="price-service", provides=[], consumes=[], integrations=[])
    withdrawn = told(answer, "provider.withdrawn")
    assert (answer["verdict"], withdrawn["subject"]) == ("deny", PRICE_2)
    assert withdrawn["pointer"] == f"/withdrawn/items/{PRICE_2}/consumers/items/till"
    Application.objects.create(key="second", name="Second", team=Application.objects.get(key="price-service").team)
    record(application="second", version="1", provides=[PRICE_2])
    answer = ask(user="piet", application="price-service", provides=[], consumes=[])
    assert "provider.withdrawn" not in codes(answer)


def test_an_application_provides_only_what_its_team_owns_or_was_granted():
    record(application="web-shop")
    question = {"application": "web-shop", "provides": [PRICE_2]}
    answer = ask(user="lea", **question)
    assert (answer["verdict"], codes(answer)) == ("deny", ["provider.not_allowed"])
    ProviderRight.objects.create(
        application=Application.objects.get(key="web-shop"),
        api=Api.objects.get(slug="price-api"),
        reason="It hosts it.",
    )
    assert ask(user="lea", **question)["verdict"] == "allow"


def test_a_record_that_vanished_is_unknown():
    record(**provider("v2"))
    Environment.objects.update(records_complete_since=clock.now())
    question = {"application": "price-service", "provides": [], "consumes": [PRICE_2]}
    assert "provider.withdrawn" in codes(ask(user="piet", **question))
    beneath("delete from governance_applicationrelease")
    answer = ask(user="piet", **question)
    assert answer["verdict"] != "allow"
    assert "/replaced/known" in [r["pointer"] for r in answer["reasons"] if r["code"] == "evidence.missing"]


@pytest.mark.parametrize("table", ["catalog_subscription", "catalog_usageday", "catalog_dependency"])
def test_a_consumer_or_a_dependency_whose_row_vanished_is_unknown(table: str):
    """Nobody is left who would break, was seen, or promises less: that is no yes."""
    price, loyalty = Api.objects.get(slug="price-api"), Api.objects.get(slug="loyalty-api")
    production, now = Environment.objects.get(key="production"), clock.now()
    if table == "catalog_dependency":
        Api.objects.filter(pk=loyalty.pk).update(tier=SlaTier.objects.get(level=2))
        Dependency.objects.create(api=price, target_api=loyalty)
    else:
        beneath("delete from catalog_subscription")
        beneath("delete from catalog_evidencetally where kind = 'subscription'")
        shop, version = Application.objects.get(key="web-shop"), ApiVersion.objects.get(api=price, label="v2")
        asked = {"application": shop, "version": version, "environment": production}
        if table == "catalog_subscription":
            Subscription.objects.create(**asked, state="active", valid_from=now)
        else:
            UsageDay.objects.create(**asked, day=now.date(), calls=7, last_seen_at=now)
    record(**provider("v2"))
    question = provider("v2") if table == "catalog_dependency" else provider("v3")
    assert ask(user="piet", **question)["verdict"] == "deny"
    beneath(f"delete from {table}")
    assert ask(user="piet", **question)["verdict"] == "unknown"


def test_a_call_whose_row_vanished_is_unknown():
    shop, production, now = (
        Application.objects.get(key="web-shop"),
        Environment.objects.get(key="production"),
        clock.now(),
    )
    version = ApiVersion.objects.get(api__slug="price-api", label="v1")
    UsageDay.objects.create(
        application=shop, version=version, environment=production, day=now.date(), calls=7, last_seen_at=now
    )
    question = {"user": "lea", "application": "web-shop", "provides": ["nothing@v1"]}
    assert "usage.undeclared" in codes(ask(**question))
    beneath("delete from catalog_usageday")
    assert "/undeclared_use" in [reason["pointer"] for reason in ask(**question)["reasons"]]


# -- tiers, pins, usage ------------------------------------------------------------------------------------------------


def test_what_the_question_consumes_must_promise_as_much_as_what_it_provides():
    record(**provider("v2"))
    Api.objects.filter(slug="loyalty-api").update(tier=SlaTier.objects.get(level=2))
    question = place(**provider("v2", consumes=["loyalty-api@v1"]))

    def codes_for_everybody() -> list[str]:
        document = verdicts.ask(question, viewer=SYSTEM).document
        return [reason["code"] for reason in document["reasons"] if reason["code"].startswith("tier.")]

    assert codes_for_everybody() == ["tier.dependency_weaker"]
    Api.objects.filter(slug="loyalty-api").update(tier=None)
    assert codes_for_everybody() == ["tier.dependency_weaker"]
    Api.objects.filter(slug="price-api").update(tier=None)
    assert codes_for_everybody() == ["tier.unstated"]


def test_an_unpinned_consumer_is_warned_and_unknown_where_the_tier_asks_for_pins():
    record(consumes=[PRICE_2])
    record(**provider("v2"))
    answer = ask(consumes=[PRICE_2])
    assert answer["verdict"] == "allow"
    assert [warning["code"] for warning in answer["warnings"]] == ["contract.unpinned"]
    SlaTier.objects.filter(level=0).update(rules={"pins": "required"})
    answer = ask(consumes=[PRICE_2])
    assert (answer["verdict"], codes(answer)) == ("unknown", ["contract.unpinned"])
    digest = ApiVersion.objects.get(api__slug="price-api", label="v2").contract_id
    assert ask(consumes=[{"version": PRICE_2, "contract_digest": digest}])["verdict"] == "allow"


def test_a_provided_contract_that_is_not_the_versions_own_is_unknown():
    record(**provider("v2"))
    found = {v.label: v.contract_id for v in ApiVersion.objects.filter(api__slug="price-api")}
    for label, digest in found.items():
        answer = ask(**provider("v2") | {"provides": [{"version": PRICE_2, "contract_digest": digest}]})
        same = digest == found["v2"]
        assert (label, codes(answer)) == (label, [] if same else ["contract.uncompared"])
    answer = ask(**provider("v2") | {"provides": [{"version": PRICE_2, "contract_digest": "sha256:" + "f" * 64}]})
    assert (answer["verdict"], codes(answer)) == ("unknown", ["contract.uncompared"])
    assert told(answer, "contract.uncompared")["pointer"] == "/provided/items/price-api@v2/contract"
    assert ask(**provider("v2"))["verdict"] == "allow"


def test_an_empty_digest_is_refused_and_not_taken_for_unpinned():
    answer = post("verdicts", place(consumes=[{"version": PRICE_2, "contract_digest": ""}]))
    assert (answer.status_code, answer.json()["findings"][0]["pointer"]) == (422, "/consumes/0/contract_digest")


def test_calls_that_nothing_explains_are_warned_of_and_denied_past_the_sunset():
    record(application="web-shop")
    version = ApiVersion.objects.get(api__slug="price-api", label="v2")
    UsageDay.objects.create(
        application=Application.objects.get(key="web-shop"),
        version=version,
        environment=Environment.objects.get(key="production"),
        day=clock.now().date(),
        calls=700,
        last_seen_at=clock.now(),
    )
    answer = ask(user="lea", application="web-shop", provides=["nothing@v1"])
    assert [warning["code"] for warning in answer["warnings"]] == ["usage.undeclared"]
    ApiVersion.objects.filter(pk=version.pk).update(
        deprecated_at=clock.now() - timedelta(days=90), sunset_at=clock.now() - timedelta(days=1)
    )
    assert told(ask(user="lea", application="web-shop", provides=["nothing@v1"]), "usage.undeclared")["word"] == "deny"
    record(application="web-shop", version="6", consumes=[PRICE_2])
    assert "usage.undeclared" not in codes(ask(user="lea", application="web-shop", provides=["nothing@v1"]))


# -- typing, time, advice ----------------------------------------------------------------------------------------------


def test_a_typing_error_is_answered_with_what_is_near():
    assert told(ask(application="tiil"), "application.unknown")["fix"].startswith("Did you mean till")
    assert told(ask(environment="prodution"), "environment.unknown")["fix"].startswith("Did you mean production")
    assert told(ask(consumes=["price-apl@v2"]), "version.unknown")["fix"].startswith("Did you mean price-api@v2")
    answer = ask(application="tiil", consumes=[PRICE_2])
    assert "subscription.missing" not in codes(answer)
    assert answer["verdict"] == "unknown"


def test_of_many_versions_that_nobody_has_the_first_few_are_told_with_what_is_near():
    wrong = [f"price-ap{n}@v2" for n in range(1, 9)]
    answer = ask(consumes=wrong[:4], provides=wrong[4:])
    fixes = {reason["subject"]: reason["fix"] for reason in answer["reasons"] if reason["code"] == "version.unknown"}
    assert set(fixes) == set(wrong)
    assert all(fixes[reference].startswith("Did you mean price-api@v2") for reference in wrong)
    many = [f"price-ap{n}@v2" for n in range(1, 60)]
    answer = ask(consumes=many)
    fixes = {reason["subject"]: reason["fix"] for reason in answer["reasons"] if reason["code"] == "version.unknown"}
    assert sorted(fixes) == sorted(many)
    assert sum(fix.startswith("Did you mean") for fix in fixes.values()) == 5
    assert sum(fix.startswith("Register price-ap") for fix in fixes.values()) == 54


def test_an_answer_for_another_time_is_a_what_if():
    assert ask()["hypothetical"] is False
    assert ask(as_of=(clock.now() - timedelta(minutes=6)).isoformat())["hypothetical"] is True


def test_the_advice_is_possible_and_settles_what_it_says():
    """The version is past its sunset and not subscribed to: there is one thing to do, and it works."""
    ApiVersion.objects.filter(api__slug="price-api", label="v2").update(
        state="deprecated",
        deprecated_at=clock.now() - timedelta(days=90),
        sunset_at=clock.now() - timedelta(days=1),
        successor=ApiVersion.objects.get(api__slug="price-api", label="v3"),
    )
    record(application="web-shop")
    record(**provider("v3"))
    answer = ask(user="lea", application="web-shop", consumes=[PRICE_2])
    assert answer["flip"] == ["Move to price-api@v3."]
    answer = ask(user="lea", application="web-shop", consumes=["price-api@v3"])
    assert answer["flip"] == ["Subscribe to price-api@v3."]
    subscribe("web-shop", "price-api@v3")
    assert ask(user="lea", application="web-shop", consumes=["price-api@v3"])["verdict"] == "allow"


def test_every_unknown_says_who_can_settle_it():
    for answer in (ask(consumes=[PRICE_2]), ask(application="x"), ask(consumes=["y@z"])):
        assert all(reason["who"] for reason in answer["reasons"]), answer


def test_the_policies_that_took_part_count_for_the_digest():
    before = ask(consumes=[PRICE_2])["policy_digest"]
    policies.install(level="domain:price", document=make.POLICY, actor=None)
    assert ask(consumes=[PRICE_2])["policy_digest"] != before


# -- recording ---------------------------------------------------------------------------------------------------------


def test_recording_needs_its_own_scope_the_applications_team_and_things_that_exist():
    body = place(consumes=[PRICE_2])
    assert post("deployments", body).status_code == 403
    client = robot("robot", "record:write", "gate:ask")
    assert post("deployments", body, client).status_code == 201
    refused = post("deployments", provider("v2") | {"environment": "production"}, client)
    assert (refused.status_code, refused.json()["code"]) == (403, "record.not_yours")
    for wrong, pointer in (
        ({"application": "ghost"}, "/application"),
        ({"environment": "moon"}, "/environment"),
        ({"provides": ["nope@v4"]}, "/provides/0"),
        ({"integrations": [{"key": "x", "digest": "sha256:" + "a" * 64}]}, "/integrations/0"),
    ):
        answer = post("deployments", body | wrong, client)
        assert (answer.status_code, answer.json()["findings"][0]["pointer"]) == (422, pointer)


def test_what_goes_live_against_the_gate_is_marked_told_and_shown(monkeypatch: pytest.MonkeyPatch):
    emitted: list[str] = []
    monkeypatch.setattr(outbox, "emit", lambda topic, **more: emitted.append(topic))
    client = robot("robot", "record:write", "gate:ask")
    body = place(consumes=["price-api@v1"])
    assert post("verdicts", body, client).json()["verdict"] == "deny"
    made = post("deployments", body, client).json()
    assert made["against_gate"] is True
    assert "governance.deployed_against_gate" in emitted
    shown = catalog.shown(catalog.client("stan").get("/deployments/"))
    assert "Against the gate" in shown
    release_records.tell_against_gate({"topic": "x", "id": 1, "payload": {"record": made["id"]}})
    assert "Deployed against the gate: till 7" in catalog.shown(catalog.client("stan").get("/inbox/"))


def test_records_are_read_ended_and_never_rewritten():
    client = robot("robot", "record:write", "gate:ask")
    post("deployments", place(instance="s1", consumes=[PRICE_2]), client)
    rows = client.get("/api/v1/gate/deployments?application=till&live=true").json()["results"]
    assert [(row["instance"], row["consumes"]) for row in rows] == [("s1", [PRICE_2])]
    gone = {"application": "till", "environment": "production", "instance": "s1"}
    assert post("undeploy", gone, client).json() == {"ended": 1, "against_gate": False, "still_recorded": 0}
    assert post("undeploy", gone, client).json() == {"ended": 0, "against_gate": False, "still_recorded": 0}
    assert client.get("/api/v1/gate/deployments?live=true").json()["results"] == []


def test_one_question_in_the_address():
    record(consumes=[PRICE_2])
    record(**provider("v2"))
    answer = robot().get(f"/api/v1/gate/verdicts?application=till&version=7&environment=production&consumes={PRICE_2}")
    assert (answer.status_code, answer.json()["verdict"]) == (200, "allow")
    assert Verdict.objects.filter(pk=answer["Verdict-Id"]).exists()


def test_an_address_that_a_page_leads_to_in_a_session_counts_for_nothing():
    record(version="6", consumes=[PRICE_2])
    record(**provider("v2"))
    assert ask(consumes=["price-api@v3"])["verdict"] == "deny"
    stan = catalog.client("stan")
    led = stan.get(f"/api/v1/gate/verdicts?application=till&version=7&environment=production&consumes={PRICE_2}")
    assert (led.status_code, led.json()["verdict"], led.json()["hypothetical"]) == (200, "allow", True)
    made = post("deployments", place(consumes=[PRICE_2]), robot("robot", "record:write")).json()
    assert made["against_gate"] is True, "the pipeline was told no, and the address that was opened is no yes"


def test_a_question_that_leaves_out_what_was_denied_takes_the_no_not_away():
    record(version="6")
    assert ask(consumes=["price-api@v3"])["verdict"] == "deny"
    assert ask(consumes=None)["verdict"] == "unknown"
    body = {"application": "till", "version": "7", "environment": "production"}
    assert post("deployments", body, robot("robot", "record:write")).json()["against_gate"] is True
