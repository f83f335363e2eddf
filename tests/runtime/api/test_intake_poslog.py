"""POSLog that is handed in is read by the rules of its source: of its connection, or those that it declares itself."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db.models.functions import Now
from django.urls import reverse

from kernel import tokens
from kernel.errors import Invalid
from runtime.domain import manifest as manifests
from runtime.models import Deployment, Message, RejectedMessage
from runtime.services import manifest_checks, rejudging, resubmitting
from tests.runtime import scene
from tests.runtime.connectors.receipts import goods, poslog, receipt, tender, total

pytestmark = pytest.mark.django_db(transaction=True)
KEY = {"name": "sale", "meaning": "fact", "key": "/id", "schema": {"type": "object", "required": ["id"]}}
RUNG = (goods(1, "10.00"), tender(9, "10.00"), total("10.00"))
NO_MONEY = poslog(receipt(*RUNG, currency=""))
CARD = "4111111111111111"
TILLS = Path(__file__).parents[1] / "connectors" / "tills"


def with_source(**members: Any) -> dict[str, Any]:
    source = {name: value for name, value in scene.SALES["sources"][0].items() if name != "connection"}
    targets = [{**one, "source": source["name"]} for one in scene.SALES["targets"]]
    return {
        **{name: value for name, value in scene.SALES.items() if name != "schedule"},
        "sources": [{**source, **members}],
        "targets": targets,
        "event": KEY,
    }


@pytest.fixture
def hand_in(client: Any) -> Any:
    """`hand_in(manifest, body)` deploys and sends the XML of a till."""
    people = scene.estate()
    secret = tokens.issue(actor=people.sofia, user=people.sofia, name="till", scopes=["runtime:write"])[1]
    client.raise_request_exception = False
    address = reverse("runtime-api:intake", args=["sales"])
    made: list[scene.Site] = []

    def send(manifest: dict[str, Any] | None, body: bytes, query: str = "") -> Any:
        if manifest is not None:
            made.append(scene.Site(manifest, people.groups["sales-finance"]))
        return client.generic(
            "POST", address + query, body, content_type="application/xml", headers={"Authorization": f"Bearer {secret}"}
        )

    send.sites = made  # type: ignore[attr-defined]
    return send


def redeploy(site: scene.Site, manifest: dict[str, Any]) -> None:
    release = site.register(manifest)
    Deployment.objects.filter(active=True).update(active=False, ended_at=Now())
    held = scene.approve(site.integration.key, release.digest)
    Deployment.objects.create(
        integration=site.integration, release=release, environment=site.environment, approval_id=held
    )


def test_the_settings_of_a_source_that_reads_files_count_for_what_is_handed_in(hand_in) -> None:
    connection = {
        "protocol": "poslog",
        "profile": "poslog-drop",
        "settings": {"root": "${TILLGATE_PLACE_POSLOG}", "currency": "EUR", "zone": "Europe/Berlin"},
    }
    answer = hand_in(with_source(connection=connection), NO_MONEY)
    assert answer.status_code == 202, answer.content
    assert Message.objects.get().payload["currency"] == "EUR"


def test_a_source_that_is_fed_by_intake_declares_its_rules(hand_in) -> None:
    declared = {"profile": "poslog-drop", "settings": {"stores": {"7": {"currency": "CHF"}}, "till": "0"}}
    body = NO_MONEY.replace(b"<WorkstationID>1</WorkstationID>", b"")
    answer = hand_in(with_source(poslog=declared), body)
    assert answer.status_code == 202, answer.content
    assert (Message.objects.get().payload["currency"], Message.objects.get().key) == ("CHF", "7/0/2026-03-02/1")


def test_without_rules_nothing_is_taken_for_granted(hand_in) -> None:
    answer = hand_in(with_source(), NO_MONEY)
    assert answer.status_code == 422
    assert "currency" in answer.json()["findings"][0]["message"]


@pytest.mark.parametrize("levels", [300, 20_000])
def test_a_transaction_that_is_nested_without_end_is_one_refused_item(hand_in, levels: int) -> None:
    deep = "<v:a>" * levels + "</v:a>" * levels
    body = poslog(*(receipt(*RUNG, deep if number == 2 else "", number=number) for number in (1, 2, 3)))
    answer = hand_in(with_source(), body)
    assert answer.status_code == 422, answer.content
    assert [one["status"] for one in answer.json()["receipts"]] == ["accepted", "refused", "accepted"]
    assert "Transaction[2]: it is nested deeper than" in answer.json()["receipts"][1]["reason"]
    assert Message.objects.count() == 2


def test_of_several_sources_the_address_names_the_one_that_counts(hand_in) -> None:
    manifest = with_source(poslog={"settings": {"currency": "EUR"}})
    second = {**manifest["sources"][0], "name": "abroad", "poslog": {"settings": {"currency": "SEK"}}}
    manifest["sources"] = [*manifest["sources"], second]
    assert hand_in(manifest, NO_MONEY, "?source=abroad").status_code == 202
    assert Message.objects.get().payload["currency"] == "SEK"
    assert Message.objects.get().key.startswith("abroad:")
    answer = hand_in(None, NO_MONEY, "?source=nowhere")
    assert (answer.status_code, answer.json()["code"]) == (404, "intake.source")


def test_a_journal_of_another_form_is_handed_in_as_well(hand_in) -> None:
    """NAXML by the profile of its source: one item an event."""
    content = (TILLS / "naxml.xml").read_bytes()
    declared = {"profile": "naxml-journal", "settings": {"currency": "USD"}}
    answer = hand_in(with_source(poslog=declared), content)
    assert answer.status_code == 202, answer.content
    assert [one["key"] for one in answer.json()["receipts"]] == [f"14/1/2026-03-02/{n}" for n in range(1472, 1477)]
    assert Message.objects.get(key__endswith="1472").payload["total"] == Decimal("36.48")


def test_what_was_refused_is_judged_again_and_corrected_as_the_xml_that_came(hand_in) -> None:
    wrong = NO_MONEY.replace(b"<WorkstationID>1</WorkstationID>", b"<WorkstationID/>")
    declared = {"settings": {"currency": "EUR"}}
    assert hand_in(with_source(poslog=declared), wrong).status_code == 422
    rejected = RejectedMessage.objects.get()
    again = rejudging.judge_again("sales", "production", dry_run=True, actor=None, reason="")
    assert (again.passed, [*again.still]) == (
        0,
        ["a sale is identified by store, workstation, business date and sequence; missing: workstation"],
    )
    with pytest.raises(Invalid, match="workstation"):
        resubmitting.resubmit_rejected(rejected.pk, payload=rejected.raw, actor=None, note="again")
    corrected = rejected.raw.replace("<WorkstationID/>", "<WorkstationID>4</WorkstationID>")
    made = resubmitting.resubmit_rejected(rejected.pk, payload=corrected, actor=None, note="corrected")
    assert (made.status, made.key) == ("accepted", "7/4/2026-03-02/1")
    assert Message.objects.get().payload["currency"] == "EUR"


UNPAID = poslog(receipt(RUNG[0], tender(9, "9.00"), RUNG[2]))
AS_DOCUMENT: dict[str, Any] = {
    "id": "7/1/2026-03-02/1",
    "kind": "retail",
    "sale": True,
    "currency": "EUR",
    "total": 10.0,
    "lines": [{"item": "A", "kind": "sale", "quantity": 1, "amount": 10.0}],
    "tenders": [{"type": "Cash", "amount": 10.0}],
}
FILES = {"protocol": "poslog", "profile": "poslog-drop", "settings": {"root": "${TILLGATE_PLACE_POSLOG}"}}


@pytest.mark.parametrize("members", [{"poslog": {}}, {"connection": FILES}], ids=["handed in", "of files"])
def test_a_receipt_that_is_corrected_as_a_document_is_held_to_the_sums_of_its_xml(hand_in, members) -> None:
    assert hand_in(with_source(**members), UNPAID).status_code == 422
    rejected = RejectedMessage.objects.get()
    for wrong in ({"total": 99}, {"tenders": []}, {"lines": []}, {"currency": "euro"}, {"training": True}):
        with pytest.raises(Invalid, match="corrected XML") as refused:
            resubmitting.resubmit_rejected(rejected.pk, payload=AS_DOCUMENT | wrong, actor=None, note="corrected")
        assert refused.value.code == "rejected.again"
    assert Message.objects.count() == 0
    assert RejectedMessage.objects.get().state == "open"
    made = resubmitting.resubmit_rejected(rejected.pk, payload=AS_DOCUMENT, actor=None, note="corrected")
    assert (made.status, made.key) == ("accepted", "7/1/2026-03-02/1")
    assert Message.objects.get().payload["total"] == 10


@pytest.mark.parametrize("members", [{"poslog": {}}, {"connection": FILES}], ids=["handed in", "of files"])
def test_corrected_xml_with_a_document_type_is_refused_as_on_every_other_way(hand_in, members) -> None:
    assert hand_in(with_source(**members), UNPAID).status_code == 422
    rejected = RejectedMessage.objects.get()
    right = rejected.raw.replace(">9.00<", ">10.00<")
    payload = '<!DOCTYPE a [<!ENTITY e "10.00">]>' + right
    with pytest.raises(Invalid, match="document type"):
        resubmitting.resubmit_rejected(rejected.pk, payload=payload, actor=None, note="corrected")
    assert Message.objects.count() == 0
    assert resubmitting.resubmit_rejected(rejected.pk, payload=right, actor=None, note="").status == "accepted"


def test_what_was_refused_passes_once_the_release_has_its_rules(hand_in) -> None:
    assert hand_in(with_source(), NO_MONEY).status_code == 422
    redeploy(hand_in.sites[0], with_source(poslog={"settings": {"currency": "EUR"}}))
    again = rejudging.judge_again("sales", "production", dry_run=False, actor=None, reason="rules are there")
    assert (again.passed, dict(again.still)) == (1, {})
    assert Message.objects.get().payload["currency"] == "EUR"


@pytest.mark.parametrize("form", ["xml", "document"])
def test_a_correction_keeps_no_card_number(hand_in, form) -> None:
    wrong = NO_MONEY.replace(b"<WorkstationID>1</WorkstationID>", b"<WorkstationID/>")
    hand_in(with_source(poslog={"settings": {"currency": "EUR"}}), wrong)
    rejected = RejectedMessage.objects.get()
    payload: Any = {"id": "7/4/2026-03-02/1", "note": CARD, "cvv": "737"}
    if form == "xml":
        payload = rejected.raw.replace("<WorkstationID/>", f"<WorkstationID>4</WorkstationID><X>{CARD}</X>")
    resubmitting.resubmit_rejected(rejected.pk, payload=payload, actor=None, note="corrected")
    stored = repr(Message.objects.get().payload)
    assert CARD not in stored
    assert "737" not in stored
    assert "411111******1111" in stored


@pytest.mark.parametrize(
    ("declared", "pointer", "said"),
    [
        ({"settings": {"curency": "EUR"}}, "/sources/0/poslog/settings/curency", "currency"),
        ({"settings": {"root": "/tmp"}}, "/sources/0/poslog/settings/root", "root"),
        ({"settings": {"currency": "euro"}}, "/sources/0/poslog/settings", "three capitals"),
        ({"profile": "no-such"}, "/sources/0/poslog", "no-such"),
        ({"profile": "shopify"}, "/sources/0/poslog", "poslog"),
    ],
)
def test_rules_that_cannot_be_meant_are_found_where_they_stand(db, declared, pointer, said) -> None:
    made = manifests.load(with_source(poslog=declared))
    found = [one for one in manifest_checks.links(made) if one["pointer"].startswith("/sources")]
    assert [one["pointer"] for one in found] == [pointer]
    assert said in found[0]["message"]


def test_a_source_with_a_connection_says_its_rules_there() -> None:
    connection = {"protocol": "poslog", "settings": {"root": "${TILLGATE_PLACE_POSLOG}"}}
    with pytest.raises(Invalid) as refused:
        manifests.parse(with_source(connection=connection, poslog={}))
    assert [one["pointer"] for one in refused.value.data["findings"]] == ["/sources/0/poslog"]
