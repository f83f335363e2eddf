"""What a profile says about days on which a vendor's API ends or behaves otherwise."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from kernel.errors import Invalid
from runtime import profiles
from runtime.selectors import connectors

PROFILE = """
title = "Example"
vendor = "Example"
protocol = "rest"
base_url = "https://<tenant>.example.com"
checked_on = 2026-12-01
evidence = "D"
settings = { path = "/orders" }
"""
ENDS = '[[dated_facts]]\non = 2027-03-01\nkind = "end"\nsays = "Version 2 ends."\nevidence = "D"\n'


def _read(folder: Path, text: str) -> profiles.VendorProfile:
    place = folder / "example.toml"
    place.write_text(PROFILE + text, encoding="utf-8")
    return profiles.read(place)


def test_a_profile_says_on_which_day_an_api_ends(tmp_path: Path) -> None:
    [fact] = _read(tmp_path, ENDS).dated_facts
    assert (fact.on, fact.kind, fact.says, fact.evidence) == (date(2027, 3, 1), "end", "Version 2 ends.", "D")


def test_days_left_are_counted_to_the_day_itself_and_are_negative_behind_it(tmp_path: Path) -> None:
    [fact] = _read(tmp_path, ENDS).dated_facts
    assert [fact.days_left(date(2027, 2, 27)), fact.days_left(date(2027, 3, 1)), fact.days_left(date(2027, 3, 2))] == [
        2,
        0,
        -1,
    ]


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        (ENDS.replace("2027-03-01", '"2027-03-01"'), "/dated_facts/0/on"),
        (ENDS.replace("2027-03-01", "2027-03-01T10:00:00Z"), "/dated_facts/0/on"),
        (ENDS.replace('"end"', '"gone"'), "/dated_facts/0/kind"),
        (ENDS.replace("Version 2 ends.", " "), "/dated_facts/0/says"),
        (ENDS.replace('"D"', '"Z"'), "/dated_facts/0/evidence"),
        (ENDS + 'until = "x"\n', "/dated_facts/0/until"),
        ('dated_facts = ["x"]\n', "/dated_facts/0"),
    ],
)
def test_a_dated_fact_that_cannot_be_read_is_refused_with_its_place(tmp_path: Path, text: str, pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        _read(tmp_path, text)
    assert [one["pointer"] for one in refused.value.data["findings"]] == [pointer]


def test_the_list_of_connectors_shows_dated_facts_in_the_order_of_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _read(tmp_path, ENDS + ENDS.replace("2027-03-01", "2027-01-15").replace('"end"', '"change"'))
    monkeypatch.setenv(profiles.SETTING, str(tmp_path))
    profiles.forget()
    try:
        [rest] = [one for one in connectors.listed() if one.protocol == "rest"]
        mine = [(one.on, one.kind) for one in rest.dated_facts if one.profile == "example"]
    finally:
        profiles.forget()
    assert mine == [(date(2027, 1, 15), "change"), (date(2027, 3, 1), "end")]
