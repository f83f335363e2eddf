"""A file over the limit of rejected records waits, and the files beside it are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.order_server import order
from runtime.models import Message
from runtime.services import runs
from tests.runtime.test_services import FEED
from tests.runtime.test_source_polling import Feed, feed
from tests.runtime.test_wrong_stamps import deploy

__all__ = ["feed"]


def drop(root: Path, name: str, rows: list[dict[str, Any]]) -> None:
    (root / "incoming").mkdir(exist_ok=True)
    (root / "incoming" / name).write_text("\n".join(map(json.dumps, rows)) + "\n")


def bad(number: int) -> dict[str, Any]:
    return {"total": number}


def names(root: Path, folder: str) -> set[str]:
    return {path.name[: path.name.index(".jsonl")] for path in (root / folder).rglob("*.jsonl*")}


@pytest.fixture
def shop(feed: Feed, tmp_path: Path) -> Feed:
    settings = {"root": str(tmp_path), "format": "jsonl", "quiet": 0, "key_fields": ["number"], "page_size": 10}
    deploy(feed, {"protocol": "file_drop", "settings": settings})
    return feed


@pytest.mark.django_db(transaction=True)
def test_one_bad_file_waits_and_every_other_one_is_read(shop: Feed, tmp_path: Path) -> None:
    drop(tmp_path, "a-bad.jsonl", [bad(number) for number in range(100, 130)])
    drop(tmp_path, "b.jsonl", [order(number) for number in range(1, 21)])
    drop(tmp_path, "c.jsonl", [order(number) for number in range(21, 41)])
    run = shop.run()
    assert run.state == "failed"
    assert "30 of 30 records of a-bad.jsonl" in run.error
    assert "waiting" in run.error
    assert Message.objects.count() == 40
    assert names(tmp_path, "archive") == {"b", "c"}
    assert names(tmp_path, "waiting") == {"a-bad"}
    assert shop.source.read_at is None

    drop(tmp_path, "d.jsonl", [order(41)])
    run = shop.run()
    assert (run.state, Message.objects.count()) == ("failed", 41)
    assert names(tmp_path, "waiting") == {"a-bad"}


@pytest.mark.django_db(transaction=True)
def test_what_waits_is_archived_once_the_limit_is_waived(shop: Feed, tmp_path: Path) -> None:
    drop(tmp_path, "a-bad.jsonl", [bad(number) for number in range(100, 130)] + [order(7)])
    assert shop.run().state == "failed"
    runs.start(FEED, "production", trigger="manual", waive_limit=True)
    assert shop.collect().state == "succeeded"
    assert names(tmp_path, "archive") == {"a-bad"}
    assert names(tmp_path, "waiting") == set()
