"""A version is plain digits or a time; whatever else `int` takes is none."""

from __future__ import annotations

import pytest

from runtime.domain.versions import version_number


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
