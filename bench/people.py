"""People at the size of a large house: 300 teams and 2,000 people by blueprint, by CSV and by SCIM, first and again.

    python -m bench.people [--teams 300] [--people 2000] [--rounds 3]

Each way begins with people of its own. "Again" is the same document, file or call once more, which changes nothing.
Of SCIM it is the services behind the calls, without HTTP. A private PostgreSQL is started where DATABASE_URL is not
set.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from bench.catalog import database, prepare


def blueprint_of(teams: int, people: int, mark: str) -> dict[str, Any]:
    return {
        "blueprint": 1,
        "teams": [{"key": f"{mark}-{n}", "exclusive": n % 2 == 0} for n in range(teams)],
        "people": [
            {"username": _name(n, mark), "email": _name(n, mark), "first_name": "P", "teams": _teams(n, teams, mark)}
            for n in range(people)
        ],
    }


def csv_of(teams: int, people: int, mark: str) -> bytes:
    rows = (f"{_name(n, mark)},P,{_name(n, mark)},{' '.join(_teams(n, teams, mark))}" for n in range(people))
    return "\n".join(["username,first_name,email,teams", *rows]).encode()


def _name(n: int, mark: str) -> str:
    return f"p{n}@{mark}.shop.example"


def _teams(n: int, teams: int, mark: str) -> list[str]:
    return [f"{mark}-{n % teams}", f"{mark}-{(n * 7 + 1) % teams}"]


def timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def measure(teams: int, people: int, round_number: int) -> dict[str, tuple[float, float]]:
    """Seconds for the first time and again, by way."""
    from catalog.services import blueprint
    from catalog.services import people as lines
    from catalog.services.findings import Findings
    from governance.models import GroupPattern
    from governance.services.provisioning import groups
    from governance.services.provisioning import people as scim
    from kernel.models import User

    robot, _ = User.objects.get_or_create(username="directory", defaults={"kind": User.Kind.SERVICE})
    found: dict[str, tuple[float, float]] = {}

    def by_blueprint() -> None:
        blueprint.apply(blueprint_of(teams, people, f"b{round_number}"), actor=None)

    found["blueprint"] = (timed(by_blueprint), timed(by_blueprint))
    mark = f"c{round_number}"
    blueprint.apply({"blueprint": 1, "teams": [{"key": f"{mark}-{n}"} for n in range(teams)]}, actor=None)

    def by_csv() -> None:
        findings = Findings()
        lines.write(lines.from_csv(csv_of(teams, people, mark), findings), findings, actor=None)

    found["CSV"] = (timed(by_csv), timed(by_csv))
    mark = f"s{round_number}"
    blueprint.apply({"blueprint": 1, "teams": [{"key": f"{mark}-{n}"} for n in range(teams)]}, actor=None)
    GroupPattern.objects.get_or_create(claim="tg-*", team="*")
    bodies = [{"userName": _name(n, mark), "emails": [{"value": _name(n, mark)}]} for n in range(people)]
    keys: list[Any] = []
    members: dict[str, list[Any]] = {}

    def made() -> None:
        keys.extend(scim.create(body, actor=robot).pk for body in bodies)
        for n, key in enumerate(keys):
            for team in _teams(n, teams, mark):
                members.setdefault(team, []).append({"value": str(key)})
        for team, several in members.items():
            groups.create({"displayName": f"tg-{team}", "members": several}, actor=robot)

    def again() -> None:
        for key, body in zip(keys, bodies, strict=True):
            scim.replace(key, body, actor=robot)

    found["SCIM"] = (timed(made), timed(again))
    return found


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--teams", type=int, default=300)
    options.add_argument("--people", type=int, default=2000)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    os.environ["TILLGATE_ROLE"] = "unlimited"  # as a command of manage.py
    with database() as url:
        prepare(url)
        rounds = [measure(given.teams, given.people, n) for n in range(given.rounds)]
    print(f"{given.teams} teams, {given.people:,} people, {given.rounds} rounds, load {os.getloadavg()[0]:.1f}")
    for way in rounds[0]:
        first, again = ([one[way][at] for one in rounds] for at in (0, 1))
        print(f"  {way:<10} first {statistics.median(first):6.2f} s, again {statistics.median(again):6.2f} s")


if __name__ == "__main__":
    sys.exit(main())
