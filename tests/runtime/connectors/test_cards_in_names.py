"""A card number in the name of a file is in no message, reject or warning, and not in the folders of what was read."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from kernel.errors import Invalid
from runtime.connectors.drop import DropFolder
from runtime.connectors.incoming_files import IncomingRules
from runtime.connectors.registry import open_source
from tests.runtime.connectors.conformance import call, read_all
from tests.runtime.connectors.receipts import goods, poslog, receipt, tender, total

CARD, SHOWN = "4111111111111111", "411111xxxxxx1111"
NAMES = [f"b {CARD}.txt", f"b_{CARD}_2.txt", "b 4111 1111 1111 1111.txt", f"{CARD}.txt", f"\uff14{CARD[1:]}.txt"]


def opened(root: Path, protocol: str = "file_drop", **settings: Any) -> Any:
    return open_source(protocol, {"root": str(root), "quiet": 0.0, "patience": 0.0, "patterns": ["*"], **settings})


def read(source: Any) -> str:
    """What is made of the files, as one text."""
    pages = read_all(source, circumstances=call())
    source.close()
    found = [
        *(f"{one.payload.decode()} {one.key} {one.origin}" for page in pages for one in page.records),
        *(f"{one.payload.decode()} {one.reason} {one.origin}" for page in pages for one in page.rejected),
        *(said for page in pages for said in (*page.warnings, page.trouble, json.dumps(page.cursor))),
    ]
    return "\n".join(found)


def names_below(root: Path) -> str:
    return "\n".join(
        f"{one.relative_to(root)} {one.read_text(errors='replace') if one.suffix == '.txt' else ''}"
        for one in root.rglob("*")
        if "incoming" not in one.parts
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layout", [{"format": "whole"}, {"format": "jsonl", "key_fields": ["id"]}])
def test_a_card_number_in_a_name_is_kept_nowhere(tmp_path: Path, layout: dict[str, Any], name: str) -> None:
    (tmp_path / "incoming" / CARD).mkdir(parents=True)
    for folder in (tmp_path / "incoming", tmp_path / "incoming" / CARD):
        (folder / name).write_text('{"id": 1}\n{"id": \n')
    made = read(opened(tmp_path, **layout))
    for kept in (made, names_below(tmp_path)):
        assert CARD not in kept
        assert "1111 1111" not in kept
        assert CARD[1:] not in kept
        assert SHOWN in kept


def test_files_that_cannot_be_read_are_told_without_it(tmp_path: Path) -> None:
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / f"a {CARD}.csv").write_text(f"{CARD};b\n1;2\n")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(f"in {CARD}.csv", "x\n1\n")
    (tmp_path / "incoming" / f"z {CARD}.zip").write_bytes(packed.getvalue())
    made = read(opened(tmp_path, format="delimited", key_fields=["id"]))
    assert CARD not in made + names_below(tmp_path)
    assert "no column id" in made


def test_two_files_of_different_numbers_are_two(tmp_path: Path) -> None:
    (tmp_path / "incoming").mkdir()
    for number in ("4000100616592556", "4000100258862556"):
        (tmp_path / "incoming" / f"{number}.txt").write_text(number[6:12])
    made = read(opened(tmp_path, format="whole", text=True))
    assert made.count("400010xxxxxx2556.txt") >= 2
    assert {"061659", "025886"} <= {one["content"] for one in map(json.loads, _documents(made))}
    assert len(list((tmp_path / "archive").rglob("*.txt.*"))) == 2


def _documents(made: str) -> list[str]:
    return [line[: line.index("}") + 1] for line in made.splitlines() if line.startswith('{"name"')]


def test_a_file_that_was_claimed_under_such_a_name_before_loses_it(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / f"{CARD}.txt.9f86d081884c").write_text("test")
    claimed = DropFolder(str(tmp_path), IncomingRules(("*",), 0.0)).claim()
    assert claimed is not None
    assert claimed.name == f"{SHOWN}.txt.9f86d081884c"


def test_a_name_of_store_day_and_number_stays(tmp_path: Path) -> None:
    (tmp_path / "incoming").mkdir()
    names = [f"4711_{number:04}_2026_1130.txt" for number in range(20)] + [
        f"4711-20261130-{number:04}.txt" for number in range(20)
    ]
    for name in names:
        (tmp_path / "incoming" / name).write_text(name)
    made = read(opened(tmp_path, format="whole", text=True))
    assert all(name in made for name in names)


@pytest.mark.parametrize(("protocol", "settings"), [("file_drop", {"format": "whole"}), ("poslog", {})])
def test_an_archive_of_none_deletes_what_was_read_and_keeps_what_was_not(
    tmp_path: Path, protocol: str, settings: dict[str, Any]
) -> None:
    (tmp_path / "incoming").mkdir()
    good, bad = tmp_path / "incoming" / "good.xml", tmp_path / "incoming" / "bad.xml"
    good.write_bytes(poslog(receipt(goods(1, "10.00"), tender(9, "10.00"), total("10.00"))))
    bad.write_text("<POSLog><Transaction>")
    source = opened(tmp_path, protocol, archive="none", **settings)
    pages = read_all(source, circumstances=call())
    source.close()
    assert sum(len(page.records) for page in pages) >= 1
    left = [one.name for one in tmp_path.rglob("*") if one.is_file() and not one.name.endswith(".reason.txt")]
    assert [name.partition(".")[0] for name in left] == ([] if protocol == "file_drop" else ["bad"])


def test_an_archive_is_kept_or_none(tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        opened(tmp_path, archive="masked")
