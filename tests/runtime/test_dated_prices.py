"""The demo's prices with dates: next month's price waits, each store gets it at its own midnight, and what ended gives
way to what counts again. The stores' journal is the witness."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kernel.errors import Invalid
from kernel.models import User
from kernel.viewer import Viewer
from runtime.models import QuarantinedMessage, RejectedMessage
from runtime.selectors import flows, traces
from runtime.services import dating, integrations, runs
from sandbox.client import Sandbox
from tests.runtime.test_demo_integrations import deploy, manifest, retailer, work

pytestmark = pytest.mark.django_db(transaction=True)
TODAY = datetime.now(UTC).date()
SERVICE, SET = "API_SLSPRICINGCONDITIONRECORD_SRV", "A_SlsPrcgConditionRecord"
assert retailer is not None


@pytest.fixture
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(state=tmp_path_factory.mktemp("sandbox"), seed=11) as running:
        yield running


def wire(day: date) -> str:
    moment = datetime.combine(day, datetime.min.time(), UTC)
    return f"/Date({int(moment.timestamp()) * 1000})/"


def put(sandbox: Sandbox, record: str, material: str, price: str, begins: date, ends: date, **more: Any) -> None:
    """A condition record as a person enters it in the ERP."""
    row = {
        "ConditionRecord": record,
        "ConditionSequentialNumber": "001",
        "ConditionTable": "304",
        "ConditionApplication": "V",
        "ConditionType": "PPR0",
        "Material": material,
        "SalesOrganization": "1010",
        "DistributionChannel": "10",
        "ConditionValidityStartDate": wire(begins),
        "ConditionValidityEndDate": wire(ends),
        "ConditionRateValue": price,
        "ConditionRateValueUnit": "EUR",
        "ConditionQuantity": "1",
        "ConditionQuantityUnit": "EA",
        "ConditionIsDeleted": False,
        **more,
    }
    sandbox.erp.control(put=[{"service": SERVICE, "set": SET, "row": row}])


def read() -> None:
    run = runs.start("products-and-prices", "production", trigger="manual")
    work()
    run.refresh_from_db()
    assert (run.state, run.error) == ("succeeded", ""), list(RejectedMessage.objects.values_list("reason", flat=True))
    assert not QuarantinedMessage.objects.exists(), list(QuarantinedMessage.objects.values_list("reason", flat=True))


def shelf(sandbox: Sandbox, material: str) -> dict[str, str]:
    """The price of an article by store, as the stores took it last."""
    entity = f"price/{material.lstrip('0')}"
    return {
        e.entity.split("/")[0]: str(e.data["price"])
        for e in sandbox.stores.journal()
        if e.effect == "price.applied" and e.entity and e.data and e.entity.split("/", 1)[1] == entity
    }


def one_material(sandbox: Sandbox) -> str:
    """An article that has a price everywhere."""
    entity = next(e.entity for e in sandbox.stores.journal() if e.effect == "price.applied" and e.entity)
    return entity.split("/")[2].zfill(18)


@pytest.mark.thorough
def test_the_price_of_next_month_does_not_replace_todays(retailer: Path, sandbox: Sandbox) -> None:
    deploy("products-and-prices")
    read()
    material = one_material(sandbox)
    today = shelf(sandbox, material)
    assert len(today) == 6
    put(sandbox, "0000990001", material, "1.11", TODAY + timedelta(days=32), date(9999, 12, 31))
    read()
    assert shelf(sandbox, material) == today


def test_each_store_gets_it_at_its_own_midnight_and_the_old_price_is_back_when_it_ends(
    retailer: Path, sandbox: Sandbox
) -> None:
    targets = manifest("products-and-prices")["targets"]
    targets[1]["zones"] = {"1": "Asia/Tokyo", "6": "America/New_York"}
    deploy("products-and-prices", targets=targets)
    read()
    material = one_material(sandbox)
    base = shelf(sandbox, material)["2"]
    first = TODAY + timedelta(days=32)
    put(sandbox, "0000990001", material, "1.11", first, first + timedelta(days=2))
    read()

    def stands_at(day: date, hour: int) -> dict[str, set[str]]:
        """Prices at a moment of UTC, with the stores that have them."""
        dating.fire_due(at=datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=hour))
        work()
        found: dict[str, set[str]] = {}
        for store, price in shelf(sandbox, material).items():
            found.setdefault(price, set()).add(store)
        return found

    everybody = {"1", "2", "3", "4", "5", "6"}
    before = first - timedelta(days=1)
    assert stands_at(before, 14) == {base: everybody}
    assert stands_at(before, 15) == {"1.11": {"1"}, base: everybody - {"1"}}, "midnight in Tokyo"
    assert stands_at(before, 23) == {"1.11": everybody - {"6"}, base: {"6"}}, "midnight in Berlin, winter or summer"
    assert stands_at(first, 5) == {"1.11": everybody}, "midnight in New York"
    last = first + timedelta(days=2)
    assert stands_at(last, 15) == {base: {"1"}, "1.11": everybody - {"1"}}, "through the last day, in Tokyo"
    assert stands_at(last + timedelta(days=1), 6) == {base: everybody}
    applied = [
        e for e in sandbox.stores.journal() if e.effect == "price.applied" and e.entity.endswith(material.lstrip("0"))
    ]
    assert len(applied) == 18, "each store took the base price, the new one and the base price again, once each"
    assert not QuarantinedMessage.objects.exists()


@pytest.mark.thorough
def test_a_correction_replaces_what_waits_and_a_withdrawn_price_never_comes(retailer: Path, sandbox: Sandbox) -> None:
    deploy("products-and-prices")
    read()
    material = one_material(sandbox)
    base = shelf(sandbox, material)["1"]
    first = TODAY + timedelta(days=32)
    put(sandbox, "0000990001", material, "1.11", first, date(9999, 12, 31))
    read()
    put(sandbox, "0000990001", material, "1.22", first + timedelta(days=10), date(9999, 12, 31))
    put(sandbox, "0000990002", material, "0.01", first + timedelta(days=1), date(9999, 12, 31))
    read()
    put(sandbox, "0000990002", material, "0.01", first + timedelta(days=1), date(9999, 12, 31), ConditionIsDeleted=True)
    put(sandbox, "0000000000", material, "9.99", TODAY - timedelta(days=400), TODAY - timedelta(days=300))
    read()
    for days, price in ((0, base), (2, base), (9, base), (11, "1.22")):
        dating.fire_due(
            at=datetime.combine(first + timedelta(days=days), datetime.min.time(), UTC) + timedelta(hours=12)
        )
        work()
        assert set(shelf(sandbox, material).values()) == {price}, f"after {days} days"


@pytest.mark.thorough
def test_a_promotion_that_is_withdrawn_ends_at_once_and_a_correction_of_what_it_hid_waits_for_its_end(
    retailer: Path, sandbox: Sandbox
) -> None:
    deploy("products-and-prices")
    read()
    material = one_material(sandbox)
    base = shelf(sandbox, material)["1"]
    put(sandbox, "0000990001", material, "1.11", TODAY - timedelta(days=1), TODAY + timedelta(days=5))
    read()
    assert set(shelf(sandbox, material).values()) == {"1.11"}, "in force already: it goes at once"
    put(sandbox, "0000990003", material, "7.77", TODAY - timedelta(days=40), date(9999, 12, 31))
    read()
    assert set(shelf(sandbox, material).values()) == {"1.11"}, "changed last, but it did not begin last"
    put(
        sandbox,
        "0000990001",
        material,
        "1.11",
        TODAY - timedelta(days=1),
        TODAY + timedelta(days=5),
        ConditionIsDeleted=True,
    )
    read()
    dating.fire_due()
    work()
    assert set(shelf(sandbox, material).values()) == {"7.77"}, base


@pytest.mark.thorough
def test_the_trace_says_from_when_a_held_price_is_in_force_and_by_which_message_it_came(
    retailer: Path, sandbox: Sandbox
) -> None:
    targets = manifest("products-and-prices")["targets"]
    targets[1]["zones"] = {"6": "Europe/Lisbon"}
    deploy("products-and-prices", targets=targets)
    read()
    material = one_material(sandbox)
    put(sandbox, "0000990001", material, "1.11", date(2099, 1, 1), date(9999, 12, 31))
    read()
    viewer = Viewer.of(User.objects.create(username="root", is_superuser=True))
    message = next(m for m in traces.search(viewer, f"price:PPR0/{material}") if m.key.endswith("0000990001"))
    steps = {step.who.split(", ")[0]: step for step in traces.trace(message).steps if step.tone.tone == "wait"}
    assert len(steps) == 6
    notes = [step.note for step in steps.values()]
    assert notes.count("In force from 1 Jan 2099, 00:00 (Europe/Berlin)") == 5
    assert notes.count("In force from 1 Jan 2099, 00:00 (Europe/Lisbon)") == 1
    flow = next(one for one in flows.today(viewer, "production") if one.target == "store-prices")
    assert "1 state is held until a date, next 31 Dec 2098" in flow.details
    assert not flow.backlog.waiting, "what is held is late for nobody"

    dating.fire_due(at=datetime(2098, 12, 31, 23, 30, tzinfo=UTC))
    work()
    came = traces.trace(message)
    assert sum("sent then as position" in step.note for step in came.steps) == 5
    copy = traces.search(viewer, f"price:PPR0/{material}")[0]
    assert any("put into the log once more" in step.note for step in traces.trace(copy).steps)


@pytest.mark.thorough
def test_a_target_that_holds_dates_gets_every_state_at_once_and_none_again(retailer: Path, sandbox: Sandbox) -> None:
    targets = manifest("products-and-prices")["targets"]
    targets[1]["holds_dates"] = True
    fields = targets[1]["mapping"]["fields"]
    fields[0] = {"to": "id", "from": "ConditionRecord", "type": "string", "required": True}
    deploy("products-and-prices", targets=targets)
    put(sandbox, "0000990001", "1".zfill(18), "1.11", TODAY + timedelta(days=32), date(9999, 12, 31))
    read()
    applied = [e.entity for e in sandbox.stores.journal() if e.effect == "price.applied"]
    assert applied.count("1/price/0000990001") == 1
    dating.fire_due(at=datetime.now(UTC) + timedelta(days=60))
    work()
    assert [e.entity for e in sandbox.stores.journal() if e.effect == "price.applied"] == applied


def test_dates_that_no_document_of_the_contract_has_are_refused_at_registration(retailer: Path) -> None:
    given = manifest("products-and-prices")
    given["sources"][1]["valid"]["from"] = "/ConditionValidityStart"
    given["targets"][1]["dated_version"]["field"] = "revision"
    with pytest.raises(Invalid) as refused:
        integrations.register(given, actor=None)
    found = {one["pointer"]: one["message"] for one in refused.value.data["findings"]}
    assert "ConditionValidityStartDate" in found["/sources/1/valid/from"], "the nearest name is offered"
    assert found["/targets/1/dated_version/field"] == "the mapping makes no field 'revision'"
