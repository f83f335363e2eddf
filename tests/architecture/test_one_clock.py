"""Ages, dates and months of what is stored are told by the database's clock (`kernel.clock`), not by that of whoever
looks at them."""

from __future__ import annotations

import re

from tests.architecture.tree import is_migration, text, tracked

ROOMS = ("kernel/", "catalog/", "governance/", "runtime/", "portal/")
OTHER_CLOCKS = re.compile(
    r"\b(timezone\.now\(|timezone\.local(?:date|time)\(\)|datetime\.(?:now|utcnow|today)\(|"
    r"date\.today\(|time\.time\(\))"
)
OF_THE_HOST = (
    "kernel/clock.py",
    "portal/healthcheck.py",  # stamps of files, on one machine
    "runtime/connectors/",  # files, and answers of vendors, which have clocks of their own
)


def test_nobody_tells_an_age_by_a_clock_of_his_own() -> None:
    found = [
        f"{path}:{number} {line.strip()}"
        for path in tracked()
        if path.startswith(ROOMS)
        and path.endswith(".py")
        and not is_migration(path)
        and not path.startswith(OF_THE_HOST)
        for number, line in enumerate(text(path).splitlines(), 1)
        if OTHER_CLOCKS.search(line)
    ]
    assert found == [], "ask kernel.clock.now(): it follows the database's clock"
