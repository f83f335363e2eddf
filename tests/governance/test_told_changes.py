"""The change of an integration tells its readers nothing of an API that it calls and that they may not see: no
consumer, no finding about its contract; how many uses there are is said to those who decide by it."""

from __future__ import annotations

import json
import re

import pytest

from catalog.models import Team
from governance.domain.subject import Subject
from governance.models import ChangeRequest
from governance.selectors import told_changes
from runtime.domain.manifest import parse
from runtime.models import Integration, Release
from tests.catalog import make as catalog
from tests.governance import hidden_estate as estate
from tests.governance import make
from tests.governance.raw_sql import beneath_guards
from tests.governance.test_hidden_writes import BODY

pytestmark = pytest.mark.django_db
DEPLOY = "integration.deploy"
TOLD = ("requires quokkabank", "belongs to loyalty-engine", "has the contract", "does not exist in the target")
_TIME = re.compile(r'datetime="[^"]*"|\d\d:\d\d(:\d\d)?')
USERS = ("web-shop", "price-service", "Web shop", "Price service")


@pytest.fixture
def change() -> ChangeRequest:
    """Registered by somebody who sees the API, proposed by somebody of the same team who does not."""
    estate.build()
    catalog.person("lea").groups.add(Team.objects.get(key="store-systems").group)
    group = Team.objects.get(key="store-systems").group
    made = Integration.objects.create(key="stores-out", title="Stores out", domain_key="loyalty", owner_team=group)
    reading = parse(estate.manifest(contract=str(estate.subject().digest), schema=BODY))
    Release.objects.create(integration=made, digest=reading.digest, manifest=reading.data, tier=2)
    subject = Subject("integration", "stores-out", reading.digest)
    return make.in_review(catalog.person("stan"), subject, kind=DEPLOY)


def told(change: ChangeRequest, who: str) -> dict[str, str]:
    client = catalog.client(who)
    pages = {
        tab: f"/changes/{change.pk}/{tab}" for tab in ("", "checks/", "checks/list/", "impact/", "evidence/", "decide/")
    }
    pages |= {f"api{name}": f"/api/v1/changes/{change.pk}{name}" for name in ("", "/checks")}
    found = {}
    for name, path in pages.items():
        answer = client.get(path)
        if answer.status_code == 200:
            found[name] = answer.content.decode() if path.startswith("/api/") else catalog.shown(answer)
    return found


def test_who_may_not_see_the_api_is_told_of_no_consumer_and_no_finding(change: ChangeRequest) -> None:
    pages = told(change, "stan")
    assert len(pages) > 5
    leaks = [(name, word) for name, text in pages.items() for word in (*TOLD, *USERS) if word in text]
    assert leaks == []
    assert "of a restricted API that you may not see" in pages["impact/"]
    assert "that you may not see" in pages[""], "whom it reaches is counted for those who decide"
    checks = json.loads(pages["api/checks"])
    (mapping,) = (one for one in checks if one["check_id"] == "integration.mapping")
    assert mapping["status"] == "failed"
    assert {one["message"] for one in mapping["findings"]} == {"This is about a restricted API that you may not see."}
    assert mapping["why"] == "This is about a restricted API that you may not see."


def test_who_sees_the_api_is_told_all_of_it(change: ChangeRequest) -> None:
    pages = told(change, "lea")
    assert "Web shop" in pages["impact/"]
    assert "may not see" not in "".join(pages.values())
    assert "requires quokkabank" in pages["checks/"]
    assert "belongs to loyalty-engine" in pages["api/checks"]


def test_a_reader_without_a_part_in_it_is_told_the_same_whether_there_are_hidden_uses_or_none(
    change: ChangeRequest,
) -> None:
    make.person("rita", "release-managers")
    make.team("release-managers", kind="role")
    assert len(change.impact) > 0
    with_uses = told(change, "rita")
    assert len(with_uses) > 5, "she reads the change"
    with beneath_guards():
        ChangeRequest.objects.filter(pk=change.pk).update(impact=[])
        change.check_results.filter(check_id="impact.known").update(why="It affects no consumer.")
    without = told(change, "rita")
    timeless = {name: [_TIME.sub("", text) for text in (with_uses[name], without[name])] for name in with_uses}
    differ = {name: set(before.split()) ^ set(after.split()) for name, (before, after) in timeless.items()}
    assert {name: words for name, words in differ.items() if words} == {}
    assert "Uses of restricted APIs are told to those who take part in the change." in without["impact/"]
    (known,) = (one for one in json.loads(without["api/checks"]) if one["check_id"] == "impact.known")
    assert known["why"] == told_changes.UNCOUNTED


def test_a_result_that_was_stored_before_findings_named_their_apis_is_told_by_its_words(change: ChangeRequest) -> None:
    for row in change.check_results.all():
        row.findings = [{name: one for name, one in found.items() if name != "apis"} for found in row.findings]
        row.save(update_fields=["findings"])
    assert "belongs to loyalty-engine" not in "".join(told(change, "stan").values())


def test_a_link_to_a_change_that_is_not_there_is_refused_with_its_number() -> None:
    estate.build()
    digest = estate.ApiVersion.objects.get(api__slug=estate.OPEN, label="v2").contract_id
    thing = {"kind": "version", "id": f"{estate.OPEN}@v2", "digest": digest}
    words = {"title": "The end", "justification": "It is time.", "environment": "production", "links": [999_999]}
    body = {"kind": "version.retire", "subjects": [thing], **words}
    answer = catalog.client("piet").post("/api/v1/changes", body, "application/json")
    assert answer.status_code == 422, answer.text
    assert [(one["pointer"], one["message"]) for one in answer.json()["findings"]] == [
        ("/links", "There is no change 999999.")
    ]
