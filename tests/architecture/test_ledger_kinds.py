"""Whoever writes about a new kind of thing in the ledger says who may read it."""

from __future__ import annotations

import ast
import functools
import re

import pytest

from governance.domain import ledger_kinds
from governance.selectors import sight
from tests.architecture import tree

ROOMS = ("kernel", "catalog", "governance", "runtime", "portal", "sandbox")
PASSED_ON = {"_record": 2, "_say": 1, "upsert": 1, "record": 1}
"""Functions that hand a kind on to the ledger, and the place of the kind among their arguments."""
HANDING_ON = {
    "catalog/services/provision.py",
    "catalog/services/importing/backstage.py",
    "catalog/services/importing/leaving.py",
    "catalog/services/blueprint/writer.py",
    "governance/services/freezes.py",
}
"""Files in which `audit.record` gets a kind that is no word in place: from the functions above, or by keywords."""


def _name(call: ast.Call) -> tuple[str, str]:
    if isinstance(call.func, ast.Attribute):
        return getattr(call.func.value, "id", ""), call.func.attr
    return "", getattr(call.func, "id", "")


@functools.cache
def _written() -> tuple[dict[str, str], set[str]]:
    """(each kind that is written and a file that does, the files that hand on a kind that is no word in place)."""
    kinds: dict[str, str] = {}
    handing = set()
    for path in tree.tracked(*(f"{room}/*.py" for room in ROOMS)):
        if tree.is_migration(path) or not (
            "record(" in (text := tree.text(path)) or "_say(" in text or "upsert(" in text
        ):
            continue
        for call in (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)):
            owner, name = _name(call)
            direct = (owner, name) == ("audit", "record")
            if not direct and (name not in PASSED_ON or not path.startswith("catalog/services/")):
                continue
            place = 1 if direct else PASSED_ON[name]
            given = [k.value for k in call.keywords if k.arg == "subject_kind"] or call.args[place : place + 1]
            if given and isinstance(given[0], ast.Constant) and isinstance(given[0].value, str):
                kinds.setdefault(given[0].value, path)
            elif direct:
                handing.add(path)
    return kinds, handing


def test_every_kind_of_the_ledger_has_a_rule_of_sight_or_a_reason_to_be_open() -> None:
    kinds, _ = _written()
    assert {"subscription", "dependency", "provider_right", "sign_in", "integration", "system"} <= set(kinds)
    known = {*sight.ruled_in_ledger(), *ledger_kinds.OPEN}
    missing = {kind: path for kind, path in kinds.items() if kind not in known}
    assert not missing, (
        "give it a rule in governance/selectors/sight.py, or a reason in governance/domain/ledger_kinds.py"
    )


def test_every_kind_that_a_trigger_writes_has_one_too() -> None:
    texts = [tree.text(path) for path in tree.tracked(*(f"{room}/sql/*.sql" for room in ROOMS))]
    calls = [call for text in texts for call in re.findall(r"perform kernel_tell\((.*?);", text, re.DOTALL)]
    kinds = {kind for call in calls for kind in re.findall(r"'([a-z_]+)'", call)}
    known = {*sight.ruled_in_ledger(), *ledger_kinds.OPEN}
    assert {"user", "token", "group", "group_mapping"} <= kinds & known
    assert all(set(re.findall(r"'([a-z_]+)'", call)) & known for call in calls if "kinds[1]" not in call)
    handed_on = {
        kind
        for text in texts
        for given in re.findall(r"catalog_row_written\(\s*'[a-z_.]+',\s*'([a-z_,]+)'", text)
        + re.findall(r"catalog_row_told\('[a-z_.]+',\s*array\[([^\]]+)\]", text)
        for kind in re.findall(r"[a-z_]+", given)
    }
    assert {"domain", "webhook", "pipeline_connection", "provider_right"} <= handed_on
    assert handed_on <= known


def test_a_kind_is_ruled_or_open_and_not_both() -> None:
    assert not set(sight.ruled_in_ledger()) & set(ledger_kinds.OPEN)
    assert all(len(reason.split()) > 4 for reason in ledger_kinds.OPEN.values())


def test_a_kind_that_is_no_word_in_place_is_written_by_known_files_only() -> None:
    assert _written()[1] <= HANDING_ON


@pytest.mark.parametrize("name", sorted(HANDING_ON))
def test_no_file_stands_there_for_nothing(name: str) -> None:
    assert name in _written()[1]
