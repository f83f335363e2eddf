"""Whether a transaction is a sale is read wherever a till writes it; what cannot be read is never a sale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from runtime.mapping import compile_mapping, decode, parse
from runtime.services.mappers import filter_mapping
from tests.runtime.connectors.receipts import goods, held, read, receipt, tender, total

DEMO = Path(__file__).resolve().parents[3] / "deploy" / "demo" / "integrations" / "sales.yaml"
RUNG = (goods(1, "10.00"), tender(9, "10.00"), total("10.00"))
LOYAL = "<LineItem><LoyaltyReward/><v:Loyalty><v:LoyaltyID>M-1</v:LoyaltyID></v:Loyalty></LineItem>"


def is_for(document: Any) -> dict[str, bool]:
    """Which targets of the demo take the document."""
    targets = yaml.safe_load(DEMO.read_text())["targets"]
    keeps = {one["name"]: compile_mapping(parse(filter_mapping(one["when"]))) for one in targets}
    return {name: keep(document, "c-1").get("keep") is True for name, keep in keeps.items()}


NO_SALES = {
    "suspended": ({"on": 'SuspendFlag="true"'}, "suspended"),
    "suspended, by the other name": ({"on": 'SuspendedFlag="true"'}, "suspended"),
    "suspended, said by the body": ({"inside": 'SuspendFlag="1"'}, "suspended"),
    "voided": ({"on": 'VoidedFlag="true"'}, "voided"),
    "cancelled with white space": ({"on": 'CancelFlag=" true "'}, "cancelled"),
    "cancelled, said by an element": ({"head": "<CancelFlag>true</CancelFlag>"}, "cancelled"),
    "training in capitals": ({"on": 'TrainingModeFlag="TRUE"'}, "training"),
    "training, said by the body": ({"inside": 'TrainingModeFlag="true"'}, "training"),
    **{
        f"status {status} of the {place}": ({where: f'TransactionStatus="{status}"'}, flag)
        for place, where in (("transaction", "on"), ("body", "inside"))
        for status, flag in (
            ("Suspended", "suspended"),
            ("SuspendedDeleted", "suspended"),
            ("SuspendedRetrieved", "suspended"),
            ("Canceled", "cancelled"),
            ("Failed", "cancelled"),
            ("PostVoided", "voided"),
            (" voided ", "voided"),
            ("acs:Voided", "voided"),
        )
    },
    "status as an element": ({"head": "<TransactionStatus>Canceled</TransactionStatus>"}, "cancelled"),
}


@pytest.mark.parametrize("what", NO_SALES)
def test_what_is_no_sale_is_marked_and_goes_to_no_target(what: str) -> None:
    given, flag = NO_SALES[what]
    made = read(receipt(*RUNG, LOYAL, **given))
    assert made[flag] is True
    assert made["sale"] is False
    assert is_for(made) == {"erp-sales": False, "loyalty-earn": False}


@pytest.mark.parametrize("status", ["Delivered", "Finished", "Tendered", "Totaled", "acs:Completed"])
def test_a_status_of_a_sale_leaves_it_one(status: str) -> None:
    for where in ("on", "inside"):
        made = read(receipt(*RUNG, LOYAL, **{where: f'TransactionStatus="{status}" TrainingModeFlag=" 0 "'}))
        assert (made["sale"], made["status"]) == (True, status)
        assert is_for(made) == {"erp-sales": True, "loyalty-earn": True}


@pytest.mark.parametrize("name", ["TrainingModeFlag", "CancelFlag", "SuspendFlag", "VoidedFlag", "OfflineFlag"])
@pytest.mark.parametrize("value", ["yes", "", "2", "truee"])
def test_a_flag_that_cannot_be_read_rejects_the_transaction(name: str, value: str) -> None:
    for where in ("on", "inside"):
        assert name in held(receipt(*RUNG, **{where: f'{name}="{value}"'}))
    assert "VoidFlag" in held(receipt(goods(1, "10.00", void="perhaps"), tender(9, "10.00"), total("10.00")))


def test_a_status_that_nobody_knows_rejects_the_transaction() -> None:
    for where in ("on", "inside"):
        assert "'Odd'" in held(receipt(*RUNG, **{where: 'TransactionStatus="Odd"'}))


def test_a_post_void_takes_a_sale_back_with_the_opposite_sign_or_waits() -> None:
    back = (goods(1, "-10.00", quantity="-1"), tender(9, "-10.00"), total("-10.00"))
    link = "<TransactionLink><SequenceNumber>1</SequenceNumber></TransactionLink>"
    made = read(receipt(*back, link, inside='TypeCode="PostVoid"', number=2))
    assert (made["postVoid"], made["sale"], made["typeCode"]) == (True, True, "PostVoid")
    assert [line["kind"] for line in made["lines"]] == ["return"]
    assert made["links"] == [{"SequenceNumber": "1"}]
    assert "takes another transaction back" in held(receipt(*RUNG, link, inside='TypeCode="PostVoid"'))


def test_a_post_void_of_the_control_is_said() -> None:
    content = receipt().replace("<RetailTransaction >", "<ControlTransaction><PostVoid/>")
    made = read(content.replace("</RetailTransaction>", "</ControlTransaction>"))
    assert (made["kind"], made["control_kind"]) == ("control", "post_void")


def test_both_targets_of_the_demo_share_one_filter() -> None:
    conditions = [one["when"] for one in yaml.safe_load(DEMO.read_text())["targets"]]
    shared = {one[: one.index(" and count(")] for one in conditions}
    assert len(shared) == 1
    assert "sale" in shared.pop()


def test_a_message_that_was_stored_before_it_said_so_is_judged_by_its_flags() -> None:
    stored = decode(b'{"kind": "retail", "lines": [{}], "loyalty": ["M"], "total": 5, "suspended": true}')
    assert is_for(stored) == {"erp-sales": False, "loyalty-earn": False}
    assert is_for(stored | {"suspended": False}) == {"erp-sales": True, "loyalty-earn": True}


VOIDED = (
    '<PostVoidTransaction><TransactionLink ReasonCode="Void"><RetailStoreID>7</RetailStoreID>'
    "<WorkstationID>1</WorkstationID><SequenceNumber>12</SequenceNumber></TransactionLink></PostVoidTransaction>"
)


def test_a_post_void_without_amounts_waits_for_a_person_who_takes_the_sale_out_of_the_books() -> None:
    content = receipt().replace("<RetailTransaction ></RetailTransaction>", VOIDED)
    reason = held(content)
    assert "7/1/12" in reason
    assert "reverse" in reason
    assert read(content, post_voids="kept")["kind"] == "other:PostVoidTransaction"
    assert read(content.replace("<Transaction ", '<Transaction TrainingModeFlag="true" '))["training"] is True
