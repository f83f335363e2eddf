"""G5: every wrong-direction job of a 500-case corpus is denied, no right one is.

The corpus is generated from the ways in which jobs meet systems of record, and each case carries its label from its
construction, not from the code under test.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from governance.domain.direction import Write, job_verdict, judge, judge_all

SYSTEMS = ("s4", "pos", "loyalty", "shop", "pim", "wms")
RECORDS: dict[tuple[str, str | None], str] = {
    ("product", "base"): "pim",
    ("product", "tax"): "s4",
    ("price", None): "s4",
    ("inventory", None): "wms",
    ("sale", None): "pos",
    ("loyalty account", "points"): "loyalty",
    ("loyalty account", "contact"): "shop",
    ("journal entry", None): "s4",
    ("order", None): "shop",
}
COMMAND_ENTITIES = {key: ((key[0], None, "command"),) for key in RECORDS}


def record_of(entity: str, group: str | None, scope: Mapping[str, str]) -> list[str]:
    if scope.get("banner") == "sister":
        return ["pim"] if entity == "price" else []
    if (entity, None) in RECORDS:
        return [RECORDS[entity, None]]
    if group is not None:
        return [RECORDS[entity, group]] if (entity, group) in RECORDS else []
    return [system for (name, _), system in RECORDS.items() if name == entity]


@dataclass(frozen=True)
class Case:
    label: str
    writes: tuple[Write, ...]
    right: bool


def corpus() -> list[Case]:
    chance = random.Random(500)
    made: list[Case] = []

    def other(*than: str) -> str:
        return chance.choice([s for s in SYSTEMS if s not in than])

    def away(entity: str, group: str | None) -> Write:
        record = RECORDS[entity, group]
        return Write(entity, group, "replica", record, other(record), None)

    def command(entity: str, group: str | None) -> Write:
        record = RECORDS[entity, group]
        return Write(entity, group, "command", other(record), record, record, COMMAND_ENTITIES[entity, group])

    keys = list(RECORDS)
    while len(made) < 500:
        entity, group = chance.choice(keys)
        record = RECORDS[entity, group]
        target = other(record)
        good = away(entity, group)
        bad_writes = {
            "replica into the record": Write(entity, group, "replica", other(record), record, record),
            "replica of a replica": Write(entity, group, "replica", other(record, target), target, None),
            "record onto itself": Write(entity, group, "replica", record, record, record),
            "command to a replica": Write(entity, group, "command", record, target, target),
            "command through another system's API": Write(entity, group, "command", target, record, target),
            "command without a registered API": Write(entity, group, "command", target, record, None),
            "command to an API that only reads": Write(
                entity, group, "command", target, record, record, ((entity, None, "authoritative_read"),)
            ),
            "command to an API that states nothing": Write(entity, group, "command", target, record, record),
            "copy through an API that moved to another system": Write(
                entity, group, "replica", record, target, other(target)
            ),
            "copy through an API of which nobody says whose it is": Write(entity, group, "replica", record, target, ""),
            "all groups of a divided entity": Write("product", None, "replica", "pim", "pos", None),
            "entity without a record": Write("weather", None, "replica", "shop", "pos", None),
            "scope without a record": Write("sale", None, "replica", "pos", "s4", None, (), {"banner": "sister"}),
            "right for all banners, wrong for this one": Write(
                "price", None, "replica", "s4", "pos", None, (), {"banner": "sister"}
            ),
        }
        kind = len(made) % 4
        if kind == 0:
            made.append(
                Case(
                    "away from the record", tuple(away(*chance.choice(keys)) for _ in range(chance.randint(1, 4))), True
                )
            )
        elif kind == 1:
            mixed = [command(entity, group)] + ([good] if chance.random() < 0.5 else [])
            made.append(Case("command to the record", tuple(mixed), True))
        elif kind == 2:
            label = chance.choice(sorted(bad_writes))
            made.append(Case(label, (bad_writes[label],), False))
        else:
            label = chance.choice(sorted(bad_writes))
            writes = [away(*chance.choice(keys)) for _ in range(chance.randint(1, 3))] + [bad_writes[label]]
            chance.shuffle(writes)
            made.append(Case(f"{label}, among right ones", tuple(writes), False))
    return made


CORPUS = corpus()


def test_every_wrong_direction_job_is_denied_and_no_right_one_is():
    assert len(CORPUS) == 500
    wrong = [
        case.label for case in CORPUS if (job_verdict(judge_all(case.writes, record_of)) == "allowed") != case.right
    ]
    assert wrong == []
    assert sum(case.right for case in CORPUS) == 250
    assert len({case.label for case in CORPUS if not case.right}) == 28


def test_a_job_that_declares_no_write_is_not_allowed():
    assert job_verdict([]) == "unknown"


@pytest.mark.parametrize(
    ("write", "code"),
    [
        (Write("price", None, "replica", "pos", "s4", "s4"), "sor.violation"),
        (Write("price", None, "command", "pos", "shop", "shop"), "sor.command_elsewhere"),
        (
            Write(
                "loyalty account",
                "points",
                "command",
                "pos",
                "loyalty",
                "loyalty",
                (("loyalty account", "points", "authoritative_read"),),
            ),
            "sor.not_a_command_api",
        ),
        (Write("weather", None, "replica", "pos", "s4", "s4"), "sor.no_record"),
        (Write("price", None, "command", "pos", "s4", "s4"), "sor.commands_unstated"),
        (Write("price", None, "replica", "s4", "pos", "s4"), "sor.api_moved"),
        (Write("price", None, "replica", "s4", "pos", ""), "sor.api_unstated"),
        (Write("price", None, "replica", "s4", "pos", None, source_api_system="shop"), "sor.api_moved"),
        (Write("price", None, "replica", "s4", "pos", None, source_api_system=""), "sor.api_unstated"),
    ],
)
def test_the_refusal_says_which_rule_it_is_and_names_the_system_of_record(write: Write, code: str):
    judgement = judge(write, record_of)
    assert judgement.code == code
    assert judgement.verdict != "allowed"
    assert judgement.message.endswith(".")


@pytest.mark.parametrize(
    "write",
    [
        Write("price", None, "command", "pos", "s4", "s4"),
        Write("price", None, "replica", "s4", "pos", ""),
        Write("weather", None, "replica", "pos", "s4", "s4"),
    ],
)
def test_what_nobody_states_is_unknown_and_never_a_yes(write: Write):
    assert judge(write, record_of).verdict == "unknown"
    assert job_verdict(judge_all([write], record_of)) == "unknown"


def test_redeeming_points_is_a_command_to_the_loyalty_engine():
    write = Write(
        "loyalty account", "points", "command", "pos", "loyalty", "loyalty", (("loyalty account", "points", "command"),)
    )
    assert judge(write, record_of).verdict == "allowed"
