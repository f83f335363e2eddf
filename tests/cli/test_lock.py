"""`tillgate lock` gives contracts the digests of the catalog; `check` asks with them, or says that they are stale."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from catalog.services import contracts
from tests.cli.witness import FaultyGate
from tillgate.main import main

ABOUT = ["--application", "web-shop", "--version", "1", "--environment", "production"]
PRICE = {"openapi": "3.1.0", "info": {"title": "Price", "version": "3"}, "paths": {}}
SCHEMA = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "$ref": "parts/money.json"}
DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64


@pytest.fixture(autouse=True)
def vendored() -> None:
    Path("vendored/parts").mkdir(parents=True)
    Path("vendored/price.yaml").write_text(yaml.safe_dump(PRICE))
    Path("vendored/cart.json").write_text(json.dumps(SCHEMA))
    Path("vendored/parts/money.json").write_text(json.dumps({"type": "object"}))


def lock(*more: str) -> int:
    return main(["lock", *more])


def locked(*more: str) -> None:
    named = ("--consumes", "price@v3=vendored/price.yaml", "--provides", "cart@v1=vendored/cart.json")
    assert lock(*named, "--integration", f"sales={DIGEST}", *more) == 0


def check(gate: FaultyGate, *more: str) -> int:
    return main(["check", *ABOUT, "--url", gate.url, *more])


def test_the_digests_are_those_of_the_catalog_and_the_file_is_yaml():
    locked()
    made = yaml.safe_load(Path("tillgate.lock.yaml").read_text())
    data = Path("vendored/price.yaml").read_bytes()
    assert made["consumes"][0]["contract_digest"] == contracts.read_contract(data, file_name="price.yaml").digest
    whole = contracts.read_contract(
        Path("vendored/cart.json").read_bytes(), file_name="cart.json", base_dir=Path("vendored")
    )
    assert made["provides"][0]["contract_digest"] == whole.digest
    assert set(made["provides"][0]["files"]) == {"vendored/cart.json", "vendored/parts/money.json"}


def test_check_asks_with_what_is_locked(gate: FaultyGate):
    locked()
    assert check(gate) == 0
    asked = gate.journal[0].json
    assert [entry["version"] for entry in asked["consumes"] + asked["provides"]] == ["price@v3", "cart@v1"]
    assert all(len(entry["contract_digest"]) == 71 for entry in asked["consumes"] + asked["provides"])
    assert asked["integrations"] == [{"key": "sales", "digest": DIGEST}]
    assert check(gate, "--consumes", "price@v3") == 0
    assert gate.journal[1].json == asked


@pytest.mark.parametrize("file", ["vendored/price.yaml", "vendored/parts/money.json"])
def test_a_stale_lock_is_3_and_names_the_file(gate: FaultyGate, file: str, capsys: pytest.CaptureFixture[str]):
    locked()
    assert lock("--check") == 0
    Path(file).write_text(Path(file).read_text().replace("object", "string").replace("Price", "Prices"))
    assert check(gate) == 3
    assert file in capsys.readouterr().err
    assert lock("--check") == 3
    assert gate.journal == []
    assert lock() == 0
    assert "(was sha256:" in capsys.readouterr().out
    assert check(gate) == 0


def test_a_locked_file_that_is_gone_is_3(gate: FaultyGate, capsys: pytest.CaptureFixture[str]):
    locked()
    Path("vendored/price.yaml").unlink()
    assert check(gate) == 3
    assert lock() == 3
    assert "vendored/price.yaml" in capsys.readouterr().err


@pytest.mark.parametrize(
    "more",
    [
        ["--consumes", "price@v4"],
        ["--consumes", "price@v3", "--consumes", "stock@v1"],
        ["--consumes", f"price@v3={DIGEST}"],
        ["--consumes-nothing"],
        ["--provides", "cart@v2"],
        ["--integration", "sales=sha256:" + "b" * 64],
        ["--lock", "tillgate.lock.yaml", "--no-lock"],
    ],
)
def test_options_that_contradict_the_lock_are_3(gate: FaultyGate, more: list[str]):
    locked()
    assert check(gate, *more) == 3
    assert gate.journal == []


def test_the_lock_can_be_left_out_and_lie_elsewhere(gate: FaultyGate):
    locked()
    assert check(gate, "--no-lock", "--consumes", "stock@v1") == 0
    assert gate.journal[0].json["consumes"] == ["stock@v1"]
    Path("tillgate.lock.yaml").rename("vendored/other.lock")
    assert check(gate, "--lock", "vendored/other.lock") == 3  # its files are named beside it
    assert lock("--lock", "vendored/x.lock", "--consumes", "price@v3=vendored/price.yaml") == 0
    assert check(gate, "--lock", "vendored/x.lock") == 0


def test_a_lock_that_is_a_link_to_nowhere_is_not_taken_for_none(gate: FaultyGate):
    locked()
    Path("tillgate.lock.yaml").rename("gone")
    Path("tillgate.lock.yaml").symlink_to("gone-too")
    assert check(gate, "--consumes", "price@v3") == 3
    assert gate.journal == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x: 1",
        "{}",
        '{"schema":"tillgate.lock/9","consumes":null,"provides":[],"integrations":[]}',
        '{"schema":"tillgate.lock/1","consumes":null,"provides":[]}',
        '{"schema":"tillgate.lock/1","consumes":[{"version":"a@v1"}],"provides":[],"integrations":[]}',
        '{"schema":"tillgate.lock/1","consumes":["a@v1"],"provides":[],"integrations":[]}',
        '{"schema":"tillgate.lock/1","consumes":{},"provides":[],"integrations":[]}',
        '{"schema":"tillgate.lock/1","consumes":null,"provides":[],"integrations":[{"key":"a","digest":"x"}]}',
        '{"schema":"tillgate.lock/1","schema":"tillgate.lock/1","consumes":null,"provides":[],"integrations":[]}',
    ],
)
def test_a_lock_file_that_lock_did_not_write_is_3(gate: FaultyGate, text: str):
    Path("tillgate.lock.yaml").write_text(text)
    assert check(gate) == 3
    assert gate.journal == []


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["--check"],
        ["--consumes", "price@v3"],
        ["--consumes", "price=vendored/price.yaml"],
        ["--consumes", "price@v3=/no/such/file"],
        ["--consumes", "price@v3=vendored"],
        ["--consumes", "a@v1=vendored/price.yaml", "--consumes", "a@v1=vendored/price.yaml"],
        ["--consumes", "a@v1=vendored/price.yaml", "--consumes-nothing"],
        ["--integration", "sales="],
    ],
)
def test_what_cannot_be_locked_is_3_and_leaves_no_file(wrong: list[str]):
    assert lock(*wrong) == 3
    assert not Path("tillgate.lock.yaml").exists()


def test_consuming_nothing_is_locked_as_that(gate: FaultyGate):
    assert lock("--consumes-nothing") == 0
    assert check(gate) == 0
    assert gate.journal[0].json["consumes"] == []
    assert lock() == 0


def test_a_change_of_spelling_alone_renews_the_files_and_keeps_the_digest(gate: FaultyGate, capsys):
    locked()
    Path("vendored/price.yaml").write_text("# a remark\n" + Path("vendored/price.yaml").read_text())
    assert check(gate) == 3
    assert lock() == 0
    assert "mean the same" in capsys.readouterr().out
    assert check(gate) == 0


def test_without_the_engine_lock_says_what_to_install(monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr("tillgate.locking.ENGINE", "no_such_engine")
    assert lock("--consumes", "price@v3=vendored/price.yaml") == 3
    assert "tillgate[contracts]" in capsys.readouterr().err


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_digest_that_was_put_in_by_hand_is_3(gate: FaultyGate, capsys: pytest.CaptureFixture[str], ends: str):
    locked()
    written = Path("tillgate.lock.yaml").read_text()
    digest = json.loads(written.partition("{")[1] + written.partition("{")[2])["consumes"][0]["contract_digest"]
    Path("tillgate.lock.yaml").write_bytes(written.replace(digest, OTHER).replace("\n", ends).encode())
    assert check(gate) == 3
    assert "changed by hand" in capsys.readouterr().err
    assert gate.journal == []


def test_line_ends_and_blanks_of_another_machine_are_no_change_and_a_lock_of_before_has_no_seal(gate: FaultyGate):
    locked()
    written = Path("tillgate.lock.yaml").read_text()
    Path("tillgate.lock.yaml").write_bytes(written.replace("\n", "\r\n").encode())
    assert check(gate) != 3
    Path("tillgate.lock.yaml").write_text("".join(line for line in written.splitlines(True) if "sha256 of" not in line))
    assert check(gate) != 3
