"""The 4-5-4 calendar of the National Retail Federation: weeks run Sunday to Saturday, a year of 52 or 53 weeks ends
on the Saturday nearest to 31 January, quarters have months of 4, 5 and 4 weeks, a 53rd week belongs to the last
month. Source: NRF 4-5-4 calendar (nrf.com/resources/4-5-4-calendar); checked against its published years in the
tests.
"""

from __future__ import annotations

from datetime import date, timedelta

MONTH_WEEKS = (4, 5, 4) * 4


def year_start(year: int) -> date:
    """The Sunday on which the retail year begins: the day after the Saturday nearest to 31 January."""
    last = date(year, 1, 31)
    to_saturday = (5 - last.weekday()) % 7
    saturday = last + timedelta(days=to_saturday if to_saturday <= 3 else to_saturday - 7)
    return saturday + timedelta(days=1)


def weeks_in(year: int) -> int:
    """52 or 53."""
    return (year_start(year + 1) - year_start(year)).days // 7


def week_start(year: int, week: int) -> date:
    """The Sunday of week 1 to 52 or 53. Raises ValueError for a week that the year has not."""
    if not 1 <= week <= weeks_in(year):
        raise ValueError(f"retail year {year} has weeks 1 to {weeks_in(year)}, not {week}")
    return year_start(year) + timedelta(weeks=week - 1)


def month_span(year: int, month: int) -> tuple[date, date]:
    """First day and day after the last of retail month 1 (February) to 12 (January)."""
    if not 1 <= month <= 12:
        raise ValueError(f"a retail month is 1 to 12, not {month}")
    first = sum(MONTH_WEEKS[: month - 1]) + 1
    last = weeks_in(year) if month == 12 else first + MONTH_WEEKS[month - 1] - 1
    return week_start(year, first), week_start(year, last) + timedelta(days=7)
