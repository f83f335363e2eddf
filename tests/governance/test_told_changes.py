"""The change of an integration tells its readers nothing of an API that it calls and that they may not see: no
consumer, no finding about its contract; how many uses there are is said to those who decide by it."""

from __future__ import annotations

import json
import re

import pytest

from catalog.models import Team
from governance.domain.subject import Subject
from governance.models import ChangeRequest, CheckResult
from governance.selectors import told_changes, told_slots
from governance.services import policies
from kernel.models import OutboxEvent, User
from kernel.viewer import Viewer
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


OWNERS = ("Consumer: ", "team:loyalty", "team:pricing", "Pricing", "Piet")
ASKED = {
    "rights_rest_hours": 0,
    "rules": [
        {"id": "owner", "why": "The owner agrees.", "slots": {"owner": 1}},
        {"id": "uses", "why": "Users agree.", "when": {"consumers_at_least": 1}, "slots": {"consumer_owner": 1}},
    ],
}


@pytest.fixture
def change() -> ChangeRequest:
    """Registered by somebody who sees the API, proposed by somebody of the same team who does not."""
    estate.build()
    return proposed()


@pytest.fixture
def agreed() -> ChangeRequest:
    """The same under a policy that asks the owners of consumers, all of which use an API that few may see."""
    estate.build()
    policies.install(level="team:store-systems", document=ASKED, actor=None)
    return proposed()


def proposed() -> ChangeRequest:
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


def rail(text: str) -> str:
    """What a page says of who must decide, and of whom nobody can ask."""
    return " ".join(re.findall(r"<section class=\"rail-block\".*?</section>", text, re.DOTALL))


def of_slots(change: ChangeRequest, who: str) -> dict[str, str]:
    pages = {name: rail(text) for name, text in told(change, who).items() if not name.startswith("api")}
    for name in ("slots", "slots/unfillable"):
        answer = catalog.client(who).get(f"/api/v1/changes/{change.pk}/{name}")
        assert answer.status_code == 200, answer.text
        pages[name] = answer.text
    return pages


def test_who_may_not_see_a_consumer_is_told_of_no_team_that_decides_for_it(agreed: ChangeRequest) -> None:
    asked = {slot.label for slot in agreed.slots.all()}
    assert {"Consumer: Loyalty team", "Consumer: Pricing team"} <= asked, "the slots are there"
    pages = of_slots(agreed, "stan")
    leaks = [(name, word) for name, text in pages.items() for word in OWNERS if word in text]
    assert leaks == []
    (hidden,) = (one for one in json.loads(pages["slots"]) if one["key"] == "consumer_owner")
    assert hidden == {
        "key": "consumer_owner",
        "label": told_slots.HIDDEN,
        "needed": 2,
        "filled": 0,
        "by": [],
        "could": [],
        "why": ["Users agree."],
    }
    assert told_slots.HIDDEN in pages["checks/"], "who wants it decided knows that somebody else has to"


def test_who_sees_the_consumer_or_decides_for_it_is_told_of_its_team(agreed: ChangeRequest) -> None:
    for who in ("lea", "piet"):
        asked = {one["key"]: one["label"] for one in json.loads(of_slots(agreed, who)["slots"])}
        assert asked["team:loyalty" if who == "lea" else "team:pricing"].startswith("Consumer: "), who


def test_a_reader_without_a_part_in_it_is_told_of_no_slot_of_hidden_consumers(agreed: ChangeRequest) -> None:
    make.person("rita", "release-managers")
    make.team("release-managers", kind="role")
    pages = of_slots(agreed, "rita")
    assert "Store systems" in pages["slots"], "she sees who decides besides"
    assert [
        (n, w) for n, text in pages.items() for w in (*OWNERS, told_slots.KEY, told_slots.HIDDEN) if w in text
    ] == []
    evidence = told(agreed, "rita")["evidence/"]
    assert "told to those who take part" in evidence, "whether there are uses shows by the rule that asks for them"


def test_of_a_slot_that_nobody_fills_neither_notice_nor_event_nor_way_out_names_a_consumer() -> None:
    estate.build()
    policies.install(level="team:store-systems", document=ASKED, actor=None)
    User.objects.filter(groups=Team.objects.get(key="pricing").group).update(is_active=False)
    agreed = proposed()
    events = OutboxEvent.objects.filter(topic="governance.slots_unfillable", payload__change=agreed.pk)
    assert {"Owner of a consumer"} <= set(events.latest("id").payload["slots"])
    assert [one for event in events for one in event.payload["slots"] if "Pricing" in one] == []
    pages = of_slots(agreed, "stan")
    assert [(n, w) for n, text in pages.items() for w in OWNERS if w in text] == []
    nobody = {one["key"]: one["missing"] for one in json.loads(pages["slots/unfillable"])}
    assert nobody[told_slots.KEY] == 1
    assert told_slots.UNFILLABLE in pages["checks/"]


def test_a_preview_of_a_policy_names_no_team_of_a_hidden_consumer(change: ChangeRequest) -> None:
    stan, lea = (Viewer.of(catalog.person(name)) for name in ("stan", "lea"))
    flips = {who: policies.preview("organisation", ASKED, viewer=who) for who in (stan, lea)}
    words = {who: [w for f in found for w in f.added_slots if f.change == change] for who, found in flips.items()}
    assert "Consumer: Loyalty team 1" in words[lea]
    assert [one for one in words[stan] if one.startswith("Consumer")] == []
    assert f"{told_slots.HIDDEN} 2" in words[stan]


def test_what_a_policy_does_to_a_change_is_told_to_those_who_see_the_change(change: ChangeRequest) -> None:
    other = ChangeRequest.objects.get(title="End of quokkabank")
    about = {"rule": "policy.flips", "level": "info", "pointer": "", "change": other.pk}
    found = [about | {"message": f"Change {other.pk} would need Owner: Loyalty team 1."}]
    for who, said in (("stan", told_changes.HIDDEN_CHANGE), ("lea", found[0]["message"])):
        (row,) = told_changes.checks(change, [CheckResult(findings=found)], Viewer.of(catalog.person(who)))
        assert [one["message"] for one in row.findings] == [said], who


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
