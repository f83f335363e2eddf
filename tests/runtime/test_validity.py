"""When a state is in force: dates as systems write them, local midnights, zone changes, and which of several counts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from runtime.domain import manifest as manifests
from runtime.domain import validity
from runtime.domain.correlation import STATE_MARK, lane_of, lanes_of
from runtime.domain.manifest import ManifestTarget
from runtime.domain.validity import BadValidity, DatedVersion, KnownState, Period, Valid
from runtime.ledger.dated_states import AtHand
from runtime.ledger.log_reader import LoggedMessage
from runtime.ledger.mappers import Skipped
from runtime.worker.dated_mapper import TargetDating
from tests.runtime import scene

VALID = Valid(zone="Europe/Berlin", begins="/from", until="/until", zone_from="/zone", withdrawn="/gone")


def period(**document: Any) -> Period:
    return validity.read(VALID, document)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "begins"),
    [
        ("2027-01-01", "2026-12-31T23:00"),
        ("20270101", "2026-12-31T23:00"),
        ("/Date(1798761600000)/", "2026-12-31T23:00"),
        ("/Date(1798761600000+0000)/", "2027-01-01T00:00"),
        ("2027-01-01T06:00:00", "2027-01-01T05:00"),
        ("2027-01-01T06:00:00-05:00", "2027-01-01T11:00"),
        ("2027-01-01T06:00:00Z", "2027-01-01T06:00"),
        ("2027-07-01", "2027-06-30T22:00"),
        ("0001-01-01", None),
        ("00000000", None),
        ("0000-00-00", None),
        ("", None),
        (None, None),
    ],
)
def test_a_beginning_is_read_as_systems_write_it(given: Any, begins: str | None) -> None:
    found = validity.begins_at(period(**{"from": given}), "Europe/Berlin")
    assert found == (None if begins is None else at(begins))


@pytest.mark.parametrize(
    ("given", "ends"),
    [
        ("2027-01-31", "2027-01-31T23:00"),
        ("/Date(1801353600000)/", "2027-01-31T23:00"),
        ("2027-01-31T00:00:00", "2027-01-30T23:00"),
        ("9999-12-31", None),
        ("99991231", None),
        ("/Date(253402214400000)/", None),
    ],
)
def test_a_bare_date_as_end_holds_through_that_day(given: str, ends: str | None) -> None:
    found = validity.ends_at(period(until=given), "Europe/Berlin")
    assert found == (None if ends is None else at(ends))


@pytest.mark.parametrize(
    "document",
    [
        {"from": "next week"},
        {"from": 20270101},
        {"from": "2027-02-30"},
        {"from": ["2027-01-01"]},
        {"from": "9999-01-01"},
        {"until": "1700-01-01"},
        {"from": "2027-01-02", "until": "2027-01-01"},
        {"from": "2027-01-01", "zone": "Mars/Olympus"},
        {"from": "/Date(99999999999999999999)/"},
    ],
)
def test_dates_that_cannot_be_used_are_said_never_guessed(document: dict[str, Any]) -> None:
    with pytest.raises(BadValidity, match=r"date|begins|ended|zone"):
        period(**document)


def test_a_midnight_that_a_zone_change_skips_is_the_first_moment_after_it() -> None:
    """Beirut 2022: from 26 March 24:00 straight to 01:00."""
    found = validity.begins_at(period(**{"from": "2022-03-27"}), "Asia/Beirut")
    assert found == at("2022-03-26T22:00")
    assert validity.ends_at(period(until="2022-03-26"), "Asia/Beirut") == found, "periods that touch leave no gap"


def test_a_wall_time_that_comes_twice_is_the_first_or_the_second_one() -> None:
    twice = period(**{"from": "2026-10-25T02:30:00"})
    assert validity.begins_at(twice, "Europe/Berlin", "first") == at("2026-10-25T00:30")
    assert validity.begins_at(twice, "Europe/Berlin", "second") == at("2026-10-25T01:30")


def test_of_several_states_in_force_the_one_counts_that_began_last() -> None:
    base = KnownState("base", period(**{"from": "2026-01-01"}), version=90, position=9)
    weekend = KnownState("weekend", period(**{"from": "2026-12-05", "until": "2026-12-06"}), version=10, position=1)
    later = KnownState("later", period(**{"from": "2027-01-01"}), version=99, position=12)

    def counts(moment: str) -> str | None:
        best = validity.counting([base, weekend, later], at(moment), lambda one: "Europe/Berlin")
        return best and best.record

    assert counts("2025-12-31T12:00") is None
    assert counts("2026-12-04T22:59") == "base"
    assert counts("2026-12-04T23:00") == "weekend", "a base price that was corrected later does not end a promotion"
    assert counts("2026-12-06T23:00") == "base", "what ended gives way to what counts again"
    assert counts("2027-01-01T12:00") == "later"
    gone = KnownState("weekend", period(**{"from": "2026-12-05", "gone": True}), version=11, position=2)
    best = validity.counting([base, gone], at("2026-12-05T12:00"), lambda one: "Europe/Berlin")
    assert best is base


def test_all_states_of_a_subject_share_its_lane() -> None:
    dated = [f"price:1000001{STATE_MARK}{n}" for n in range(50)]
    assert {lane_of(key, 64) for key in dated} == {lane_of("price:1000001", 64)}
    for keys in ([*dated, "price:7"], ["price:7", "größe", ""]):
        assert lanes_of(keys, 64) == [lane_of(key, 64) for key in keys]


def test_a_state_that_counts_again_is_no_older_at_its_target_than_the_one_that_ended() -> None:
    version = DatedVersion("version", "ms")
    assert version.at_least(5, at("2026-12-06T23:00")) == 1796598000000
    assert version.at_least(1796598000001, at("2026-12-06T23:00")) == 1796598000001


def test_a_state_whose_moment_has_not_been_acted_on_yet_is_sent_once() -> None:
    """It came before its date; its turn at the target comes after the date and before the scheduler's: the copy that
    the scheduler puts into the log brings it."""
    target = msgspec.convert({**scene.PRICES["targets"][0]}, ManifestTarget)
    dating = TargetDating(VALID, target, "0101")
    state = KnownState("2027-01-01", period(**{"from": "2027-01-01"}), version=1, position=5)
    message = LoggedMessage(5, f"P1{STATE_MARK}2027-01-01", {"from": "2027-01-01"}, "")
    zone = dating.zone(state.period)
    known = AtHand(at("2027-01-01T00:00:01"), {"P1": [state]}, {}, {"P1": {(zone, "2027-01-01")}})
    with pytest.raises(Skipped):
        dating.moment(message, known)
    known.to_come.clear()
    known.copies["P1"] = [(zone, at("2026-12-31T23:00"), 9, 5)]
    with pytest.raises(Skipped):
        dating.moment(message, known)
    assert dating.moment(message._replace(position=9), known) == at("2026-12-31T23:00")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"event": {"name": "p", "meaning": "state", "valid": {"from": "/a", "zone": "Mars/Olympus"}}}, "/valid/zone"),
        ({"event": {"name": "p", "meaning": "state", "valid": {"from": "a", "zone": "UTC"}}}, "/valid/from"),
        ({"event": {"name": "p", "meaning": "state", "valid": {"zone": "UTC"}}}, "/event/valid"),
        ({"event": {"name": "p", "meaning": "fact", "valid": {"from": "/a", "zone": "UTC"}}}, "/event/valid"),
        ({"targets": [{**scene.PRICES["targets"][0], "holds_dates": True}]}, "/targets/0"),
        ({"targets": [{**scene.PRICES["targets"][0], "zones": {"9999": "UTC"}}]}, "/zones/9999"),
    ],
)
def test_a_manifest_whose_dates_cannot_work_is_refused_with_the_place(change: dict[str, Any], pointer: str) -> None:
    with pytest.raises(manifests.Invalid) as refused:
        manifests.parse({**scene.PRICES, **change})
    assert any(one["pointer"].endswith(pointer) for one in refused.value.data["findings"]), refused.value.data
