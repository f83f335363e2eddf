"""Real contracts with small edits of unions, tags, references and inheritance: none of them passes unseen.

The contracts lie outside of the repository; without them the tests are skipped.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.contracts.contract_documents import TODAY
from tests.contracts.polymorphic_mutations import mutations
from tests.contracts.random_mutations import is_sharp, random_edits
from tillgate_contracts.compare import compare
from tillgate_contracts.errors import ContractError
from tillgate_contracts.reading import Document, read_file

#: Edits of each kind in each contract.
LIMIT = int(os.environ.get("TILLGATE_MUTATIONS", "6"))
SUFFIXES = (".json", ".yaml", ".yml")


def _contracts(root: Path) -> list[Path]:
    return sorted(path for path in (root / "specs").rglob("*") if path.suffix in SUFFIXES and path.is_file())


def _unseen(path: Path, limit: int) -> tuple[int, list[str]]:
    """How many edits were made, and those whose verdict is `none`."""
    tree = read_file(path).tree
    base = Document.from_value(tree)
    made, unseen = 0, []
    for mutation in mutations(tree, random.Random(path.name), limit):
        made += 1
        verdict = compare(base, Document.from_value(mutation.tree), as_of=TODAY).verdict
        if verdict == "none":
            unseen.append(f"{path.name} {mutation.kind}: /{'/'.join(map(str, mutation.place))}")
    return made, unseen


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["adyen/transfer-v3.json", "klaviyo/stable-2023-10-15.json"])
def test_some_edits_of_a_real_contract_are_seen(shared_data: Path, name: str) -> None:
    path = shared_data / "specs" / name
    if not path.exists():
        pytest.skip(f"{name} is not there")
    made, unseen = _unseen(path, 2)
    assert made
    assert unseen == []


@pytest.mark.thorough
@pytest.mark.shared_data
def test_no_edit_of_a_union_a_tag_a_reference_or_a_child_passes_unseen(shared_data: Path) -> None:
    total, unseen = 0, []
    for path in _contracts(shared_data):
        try:
            made, found = _unseen(path, LIMIT)
        except ContractError:
            continue  # what is refused is another test's
        total += made
        unseen += found
    assert total >= 500
    assert unseen == []


NEWEST = [
    "adyen/transfer-v4.json",
    "adyen/checkout-v72.json",
    "klaviyo/stable-2023-10-15.json",
    "talon-one/openapi-v25.17.0.yaml",
    "oracle-fusion/erpintegrations.yaml",
    "oracle-fusion/ess-scheduler.yaml",
]


def _passed_over(path: Path, count: int) -> tuple[int, list[str]]:
    """How many random edits were made, and those that nothing was said of (of a type: nothing that hurts)."""
    tree = read_file(path).tree
    base = Document.from_value(tree)
    made, unseen = 0, []
    for edit in random_edits(tree, random.Random(f"test {path.name}"), count):
        made += 1
        verdict = compare(base, Document.from_value(edit.tree), as_of=TODAY).verdict
        if verdict == "none" or (verdict == "compatible" and is_sharp(edit)):
            unseen.append(f"{path.name} {edit.kind}, {verdict}: /{'/'.join(map(str, edit.place))}")
    return made, unseen


@pytest.mark.shared_data
def test_some_random_edits_of_a_real_contract_are_seen(shared_data: Path) -> None:
    path = shared_data / "specs" / "oracle-fusion/ess-scheduler.yaml"
    if not path.exists():
        pytest.skip("the contract is not there")
    made, unseen = _passed_over(path, 60)
    assert made == 60
    assert unseen == []


@pytest.mark.thorough
@pytest.mark.shared_data
@pytest.mark.parametrize("name", NEWEST)
def test_no_random_edit_of_a_real_contract_passes_unseen(shared_data: Path, name: str) -> None:
    path = shared_data / "specs" / name
    if not path.exists():
        pytest.skip(f"{name} is not there")
    made, unseen = _passed_over(path, 100)
    assert made == 100
    assert unseen == []
