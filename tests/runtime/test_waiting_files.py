"""A file over the limit of rejected records waits, and the files beside it are read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from bench.order_server import order
from runtime.connectors.protocols import Refused
from runtime.ledger import connections
from runtime.models import Message, Run
from runtime.services import runs
from runtime.worker import source_polling
from tests.runtime.scripted_source import Feed, feed
from tests.runtime.test_services import FEED
from tests.runtime.test_wrong_stamps import deploy

__all__ = ["feed"]


def drop(root: Path, name: str, rows: list[dict[str, Any]]) -> None:
    (root / "incoming").mkdir(exist_ok=True)
    (root / "incoming" / name).write_text("\n".join(map(json.dumps, rows)) + "\n")


def bad(number: int) -> dict[str, Any]:
    return {"total": number}


def names(root: Path, folder: str) -> set[str]:
    return {path.name[: path.name.index(".jsonl")] for path in (root / folder).rglob("*.jsonl*")}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILLGATE_PLACE_DROP", str(tmp_path))


@pytest.fixture
def shop(feed: Feed) -> Feed:
    settings = {
        "root": "${TILLGATE_PLACE_DROP}",
        "format": "jsonl",
        "quiet": 0,
        "key_fields": ["number"],
        "page_size": 10,
    }
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


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> list[source_polling.PollClaim | None]:
    """What another collector gets of a source at the moment before and after a run over it is ended."""
    taken: list[source_polling.PollClaim | None] = []
    finish = runs.finish

    def claimed() -> None:
        with connections.connected() as other:
            taken.append(source_polling.claim(other, owner="other"))

    def finished(run: int, **how: str) -> None:
        claimed()
        finish(run, **how)
        claimed()

    monkeypatch.setattr(runs, "finish", finished)
    return taken


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("state", ["failed", "succeeded"])
def test_a_run_that_ends_is_not_taken_up_by_another_collector(
    shop: Feed, tmp_path: Path, others: list[source_polling.PollClaim | None], state: str
) -> None:
    drop(tmp_path, "a.jsonl", [order(1)] if state == "succeeded" else [bad(number) for number in range(30)])
    assert shop.run().state == state
    assert others == [None, None]


@pytest.mark.django_db(transaction=True)
def test_a_file_over_the_limit_is_set_aside_even_where_its_collector_is_told_to_stop(
    shop: Feed, tmp_path: Path
) -> None:
    drop(tmp_path, "a-bad.jsonl", [bad(number) for number in range(5)])
    drop(tmp_path, "b-bad.jsonl", [bad(number) for number in range(100, 130)])
    shop.start()
    pages = iter(range(1, 99))
    run = shop.collect(stop=lambda: next(pages) == 5)  # behind the last of the second file
    assert run.state == "running"
    assert (names(tmp_path, "waiting"), names(tmp_path, "work")) == ({"b-bad"}, set())
    assert len(list((tmp_path / "waiting").glob("*.reason.txt"))) == 1


@pytest.mark.django_db(transaction=True)
def test_a_collector_that_has_lost_its_source_does_not_end_the_run_of_the_one_that_has_it(
    shop: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.start()
    taken = shop.claim()
    shop.time_passes(60)
    assert shop.claim("second").token > taken.token
    monkeypatch.setattr(source_polling.system_connections, "open_source_or_fault", _refused)
    assert shop.collect(taken).state == "running"


def _refused(*_: Any, **__: Any) -> None:
    raise Refused("source.closed", "It is closed.")


@pytest.mark.django_db(transaction=True)
def test_a_file_that_cannot_be_read_fails_the_run_and_every_other_one_is_read(
    shop: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "M\udcfcnchen", "c" * 240):
        drop(tmp_path, f"{name}.jsonl", [order(ord(name[-1]) % 100)])
    plain = os.open

    def opened(path: Any, *given: Any, **more: Any) -> int:
        if str(path).endswith("b.jsonl"):
            raise PermissionError(13, "Permission denied", str(path))
        return plain(path, *given, **more)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", opened)
        run = shop.run()
    assert (run.state, Message.objects.count(), shop.source.read_at) == ("failed", 3, None)
    assert run.error.startswith("b.jsonl cannot be read (Permission denied) and stays in the folder 'incoming'. The ")
    assert ["ccc" in said for said in Run.objects.get().warnings] == [True]
    run = shop.run()
    assert (run.state, run.error, Message.objects.count()) == ("succeeded", "", 4)
    assert {name[:9] for name in names(tmp_path, "archive")} == {"a", "b", "M%FCnchen", "c" * 9}
