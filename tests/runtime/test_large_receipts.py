"""A receipt that is too large to be stored costs itself, and holds up nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.connectors import xml_sizes
from runtime.connectors.poslog import connector
from runtime.models import Message, RejectedMessage
from tests.runtime.connectors.receipts import goods, poslog, receipt, tender, total
from tests.runtime.test_source_polling import Feed, feed
from tests.runtime.test_wrong_stamps import deploy

__all__ = ["feed"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def tills(feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Feed:
    monkeypatch.setenv("TILLGATE_PLACE_DROP", str(tmp_path))
    deploy(feed, {"protocol": "poslog", "settings": {"root": "${TILLGATE_PLACE_DROP}", "quiet": 0}})
    (tmp_path / "incoming").mkdir()
    return feed


def lines(count: int, number: int) -> str:
    paid = f"{count / 100:.2f}"
    rung = (goods(n, "0.01") for n in range(1, count + 1))
    return receipt(*rung, tender(count + 1, paid), total(paid), number=number)


def test_receipts_over_the_bounds_are_refused_before_they_are_judged_and_are_one_dead_letter_each(
    tills: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = list[str]()
    judge = connector.sale_document

    def counted(element, rules):  # type: ignore[no-untyped-def]
        made = judge(element, rules)
        judged.append(made["id"])
        return made

    monkeypatch.setattr(connector, "sale_document", counted)
    monkeypatch.setattr(xml_sizes, "MOST_PARTS", 1_000)
    monkeypatch.setattr(xml_sizes, "SHOWN", 200)
    for name in ("a.xml", "b.xml"):
        (tmp_path / "incoming" / name).write_bytes(poslog(lines(500, 1), lines(1, ord(name[0]))))
    assert tills.run().state == "succeeded"
    assert judged == ["7/1/2026-03-02/97", "7/1/2026-03-02/98"]
    assert Message.objects.count() == 2
    found = [(one.seen, one.reason, one.raw[:12]) for one in RejectedMessage.objects.all()]
    said = "transaction 1: at line 1 begins more than 1000 parts or 4194304 characters"
    assert found == [(1, said, "<Transaction"), (1, said, "<Transaction")]
