"""No answer of the product, of whatever address, holds a word of what its reader may not see."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from catalog.models import Api, ApiVersion, Team
from catalog.selectors import successors, versions
from catalog.services import applications, search_index
from governance.domain.checks import ChangeFacts
from governance.domain.subject import SubjectFacts
from governance.models import Notice, WebhookDelivery
from governance.services import webhook_delivery
from governance.services.catalog import lifecycle_checks
from kernel.viewer import SYSTEM, Viewer
from tests.catalog import make as catalog
from tests.governance import hidden_estate as estate
from tests.governance.gate_estate import beneath, subscribe

pytestmark = pytest.mark.django_db
NOBODYS_TEAM, OTHER_TEAM, RELEASE_MANAGER = "znil", "stan", "rita"


@pytest.fixture(autouse=True)
def _estate() -> None:
    estate.build()


def said(client: Client, path: str, method: str = "GET", body: Any = None) -> str:
    """Status, headers and body, without what differs from call to call."""
    sent = {"data": json.dumps(body), "content_type": "application/json"} if body is not None else {}
    answer = client.generic(method, path, headers={"If-Match": "*"}, **sent)
    assert answer.status_code < 500, path
    headers = sorted(
        f"{k}: {v}" for k, v in answer.headers.items() if k.lower() in ("location", "link", "content-type")
    )
    text = b"".join(answer).decode("utf-8", "replace")  # type: ignore[arg-type]
    return "\n".join([str(answer.status_code), *headers, estate.OF_A_CALL.sub("", text)])


def unlike(one: str, other: str) -> str:
    at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return f"…{one[max(at - 60, 0) : at + 40]!r} for …{other[max(at - 60, 0) : at + 40]!r}"


def leaks(client: Client, listed: Iterable[estate.Address]) -> list[str]:
    found = []
    for address in listed:
        answer = said(client, address.path)
        if address.hidden:
            other = estate.renamed(said(client, address.absent))
            if answer != other:
                found.append(f"{address.path} is told unlike {address.absent}: {unlike(answer, other)}")
        elif estate.WORD in answer.lower():
            at = answer.lower().index(estate.WORD)
            found.append(f"{address.path}: …{answer[max(at - 60, 0) : at + 40]!r}")
    return found


@pytest.mark.thorough
@pytest.mark.parametrize("who", [NOBODYS_TEAM, OTHER_TEAM, RELEASE_MANAGER])
def test_no_address_tells_of_what_is_hidden(who: str):
    if who != RELEASE_MANAGER:
        estate.watched()
    assert not leaks(catalog.client(who), estate.addresses())


def test_no_list_and_no_page_of_an_open_thing_names_what_is_hidden():
    """The everyday part of the walk: one address of each pattern, by the person of whom most is told."""
    estate.watched()
    assert not leaks(catalog.client(OTHER_TEAM), [a for a in estate.addresses(limit=1) if not a.hidden])


ASKED = [
    f"/api/v1/apis?q={estate.WORD}",
    "/api/v1/apis?q=quokkab",
    f"/api/v1/search?q={estate.WORD}",
    "/api/v1/search?q=quokkab",
    "/api/v1/search?q=quokkabamk",
    "/api/v1/search?q=quokkabank+price",
    f"/search/?q={estate.WORD}",
    f"/catalog/?q={estate.WORD}",
    f"/api/v1/deprecations?api={estate.SLUG}",
    f"/api/v1/dependencies?target_api__slug={estate.SLUG}",
    f"/api/v1/changes?subject={estate.REFERENCE}",
    f"/api/v1/approvals?subject_id={estate.REFERENCE}",
    f"/api/v1/subscriptions?version={estate.REFERENCE}",
    f"/ledger/?subject={estate.REFERENCE}",
    f"/catalog/dependencies/?focus={estate.SLUG}",
    f"/changes/new/?kind=version.retire&subject={estate.REFERENCE}",
    f"/catalog/applications/?q={estate.WORD}",
]


@pytest.mark.parametrize("path", ASKED)
def test_asked_for_by_name_it_is_what_nobody_has_heard_of(path: str):
    client = catalog.client(OTHER_TEAM)
    other = said(client, path.replace("quokkabamk", "quokkabamx").replace(estate.WORD, estate.ABSENT))
    answer = said(client, path)
    assert answer == estate.renamed(other.replace("quokkabamx", "quokkabamk")), unlike(answer, estate.renamed(other))


def _bodies() -> list[tuple[str, str, Any]]:
    named, place = estate.REFERENCE, {"environment": "production"}
    row = {"application": "till", "version": named, "calls": 1} | place
    asks = {"application": "till", "version": "9", "as_of": "2026-11-20T12:00:00Z"} | place
    thing = {"kind": "version", "id": named, "digest": "sha256:" + "a" * 64}
    return [
        ("POST", "/api/v1/usage", {"batch_id": f"b-{named}", "rows": [row]}),
        ("POST", "/api/v1/subscriptions", {"application": "till", "version": named, "justification": "Now."} | place),
        ("POST", "/api/v1/gate/deployments", {"application": "till", "version": "9", "consumes": [named]} | place),
        ("POST", "/api/v1/gate/releases", {"application": "till", "version": "9", "provides": [named]} | place),
        ("POST", "/api/v1/break-glass", {"subject": thing, "reason": "Tills are down now."} | place),
        ("POST", "/api/v1/apis/self-checkout/dependencies", {"needs": estate.SLUG}),
        ("PATCH", f"/api/v1/apis/{estate.SLUG}", {"purpose": "Mine."}),
        ("POST", "/api/v1/apis/bulk", {"items": [{"slug": estate.SLUG, "purpose": "Mine."}]}),
        ("PUT", f"/api/v1/apis/{estate.SLUG}/versions/v1/endpoints", {"environment": "test", "url": "https://x.test"}),
        ("GET", f"/api/v1/gate/verdicts?application=till&version=9&environment=production&consumes={named}", None),
        ("POST", "/api/v1/gate/verdicts", asks | {"consumes": [named]}),
        ("POST", "/api/v1/gate/verdicts", asks | {"provides": [named]}),
    ]


@pytest.mark.parametrize("number", range(len(_bodies())))
def test_what_is_written_about_it_is_answered_like_what_is_written_about_nothing(number: int):
    method, path, body = _bodies()[number]
    client = catalog.client(OTHER_TEAM)

    def answered(word: str) -> str:
        sent = json.loads(json.dumps(body).replace(estate.WORD, word)) if body is not None else None
        told = said(client, path.replace(estate.WORD, word), method, sent)
        return re.sub(r"verdicts/\d+|sha256:[0-9a-f]{64}", "", told).replace(word, estate.WORD)

    answer, other = answered(estate.WORD), answered(estate.ABSENT)
    assert answer == other, unlike(answer, other)


def test_a_pin_to_a_contract_of_what_is_hidden_is_compared_like_one_that_nobody_knows():
    def said_of(digest: str) -> str:
        asked = {"application": "till", "version": "9", "environment": "production", "as_of": "2026-11-20T12:00:00Z"}
        pinned = [{"version": "price-api@v2", "contract_digest": digest}]
        answer = said(catalog.client(OTHER_TEAM), "/api/v1/gate/verdicts", "POST", asked | {"consumes": pinned})
        return answer.replace(digest, "…")

    unknown = said_of("sha256:" + "b" * 64)
    assert "contract.uncompared" in unknown
    digest = str(estate.subject().digest)
    assert re.findall(r"contract\.\w+", said_of(digest)) == re.findall(r"contract\.\w+", unknown)


def test_a_misspelt_word_is_corrected_to_what_its_reader_may_see():
    def corrected(who: str, word: str) -> Any:
        return catalog.client(who).get(f"/api/v1/search?q={word}").json()["corrected"]

    assert corrected("lea", "quokkabamk") == {"quokkabamk": ["quokkabank"]}
    assert corrected(OTHER_TEAM, "quokkabamk") == {}
    assert "price" in corrected(OTHER_TEAM, "pricr")["pricr"], "what everybody sees is offered to everybody"


def test_nothing_that_is_counted_counts_what_is_hidden():
    def counted(who: str) -> str:
        page = catalog.client(who).get("/teams/").content.decode()
        row = re.search(r'href="/teams/loyalty/".*?data-label="APIs">\s*(\d+)\s*<', page, re.DOTALL)
        assert row
        return row[1]

    assert (counted(NOBODYS_TEAM), counted("lea")) == ("0", "2")


def test_no_webhook_carries_it_to_somebody_who_may_not_see_it():
    topics = [(row.topic, row.body) for row in WebhookDelivery.objects.all()]
    assert [topic for topic, body in topics if estate.WORD in body.lower()] == []
    assert "catalog.version_deprecated" in [topic for topic, _ in topics], "the open one is told, without its successor"


def test_a_webhook_that_waits_is_not_sent_once_its_receiver_may_not_see_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(webhook_delivery, "_send", lambda *_: pytest.fail("It was sent."))
    WebhookDelivery.objects.exclude(topic="catalog.version_deprecated").delete()
    assert WebhookDelivery.objects.filter(state="open").exists()
    Api.objects.filter(slug=estate.OPEN).update(visibility="restricted")
    search_index.refresh([Api.objects.get(slug=estate.OPEN).pk])
    webhook_delivery.deliver_due()
    states = set(WebhookDelivery.objects.values_list("state", "last_error"))
    assert states == {("failed", webhook_delivery.HIDDEN)}


def test_no_line_and_no_mail_names_it_to_somebody_who_may_not_see_it():
    told = [n.text for n in Notice.objects.filter(person__username=OTHER_TEAM)]
    assert [text for text in told if estate.WORD in text.lower()] == []
    assert any("till uses a restricted API which ends on" in text for text in told), "it still calls it"
    assert [m.body for m in mail.outbox if "stan" in str(m.to) and estate.WORD in m.body.lower()] == []


@pytest.mark.parametrize(("who", "seen"), [("lea", True), ("stan", False), ("znil", False)])
def test_a_successor_is_named_to_those_who_may_see_it(who: str, seen: bool):
    facts = versions.by_reference("price-api@v2")
    assert facts is not None
    told = successors.told(facts, Viewer.of(catalog.person(who)))
    assert (told.successor_reference == estate.REFERENCE) is seen
    assert successors.told(facts, SYSTEM).successor_reference == estate.REFERENCE


def test_a_successor_that_the_author_may_not_see_is_refused_like_one_that_is_not_there():
    def found(successor: str) -> Any:
        facts = versions.by_reference("self-checkout@v1") or versions.by_reference("price-api@v2")
        assert facts is not None
        change = ChangeFacts(
            1,
            "version.deprecate",
            "",
            "",
            "",
            "production",
            None,
            None,
            (),
            {"successor": successor},
            author_id=catalog.person("piet").pk,
        )
        named = lifecycle_checks._without_successor(facts, SubjectFacts("", None), change)
        return json.dumps(named).replace(successor, "…")

    assert found(estate.REFERENCE) == found("quokkabanx-api@v1")
    assert "is not another published version" in found(estate.REFERENCE)


def test_who_sees_a_restricted_api_goes_with_the_team_of_its_subscriber():
    version = ApiVersion.objects.get(api__slug=estate.SLUG, label="v1")
    subscribe("price-service", estate.REFERENCE)
    search_index.refresh([version.api_id])
    path = f"/api/v1/apis/{estate.SLUG}"
    assert [catalog.client(who).get(path).status_code for who in ("piet", "stan")] == [200, 404]
    applications.change(
        "price-service", actor=catalog.person("ada"), values={"team": Team.objects.get(key="store-systems")}
    )
    assert [catalog.client(who).get(path).status_code for who in ("piet", "stan")] == [404, 200]


def test_who_gives_a_restricted_api_away_is_told_that_it_was_done():
    """Who hands it over is in both teams, and leaves the one that has it then."""
    client = catalog.client("lea")
    catalog.person("lea").groups.add(Team.objects.get(key="pricing").group)
    beneath("update catalog_subscription set state = 'ended'")
    answer = client.patch(
        f"/api/v1/apis/{estate.SLUG}", {"owner_team": "pricing"}, "application/json", headers={"If-Match": "*"}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["owner_team"] == "pricing"
    catalog.person("lea").groups.remove(Team.objects.get(key="pricing").group)
    assert client.get(f"/api/v1/apis/{estate.SLUG}").status_code == 404
