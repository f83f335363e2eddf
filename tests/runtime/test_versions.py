"""A version is plain digits or a time; whatever else `int` takes is none."""

from __future__ import annotations

import pytest

from runtime.domain.versions import finer_digits, is_older, version_number


@pytest.mark.parametrize("text", ["1_000", " 7 ", "٧", "/Date(٧)/", "２０２６-03-01", "seven"])
def test_what_is_no_plain_number_and_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"neither|isoformat"):
        version_number(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ("-7", -7), ("+7", 7), ("20260302", 20260302), ("/Date(7)/", 7000), ("1970-01-01T00:00:00.000007Z", 7)],
)
def test_versions_mean_what_they_meant(text: str, number: int) -> None:
    assert version_number(text) == number


def test_digits_behind_the_microsecond_are_kept_apart() -> None:
    given = ["2026-03-02T10:00:00.1234567Z", "2026-03-02T10:00:00.123456700+01:00", "2026-03-02T10:00:00.123456Z", "12"]
    assert [finer_digits(text) for text in given] == ["7", "7", "", ""]


@pytest.mark.parametrize(
    ("one", "other", "older"),
    [
        ("3", "4", True),
        ("4", "4", False),
        ("2026-03-02T10:00:00.1234567Z", "2026-03-02T10:00:00.1234569Z", True),
        ("2026-03-02T10:00:00+02:00", "2026-03-02T09:00:00Z", True),
        ("20260302", "2026-03-02T10:00:00Z", None),
        ("", "4", None),
        ("three", "4", None),
    ],
)
def test_versions_that_do_not_compare_say_nothing(one: str, other: str, older: bool | None) -> None:
    assert is_older(one, other) is older
