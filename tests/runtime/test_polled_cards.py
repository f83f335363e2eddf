"""Cardholder data of sources that are polled."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.order_server import order
from runtime.connectors.protocols import Page, RejectedRecord
from runtime.models import Message, RejectedMessage
from tests.runtime import scripted_source
from tests.runtime.scripted_source import Feed, Scripted, record

pytestmark = pytest.mark.django_db(transaction=True)
feed, script = scripted_source.feed, scripted_source.script


def test_cardholder_data_of_polled_records_does_not_enter(feed: Feed, script: Callable[..., Scripted]) -> None:
    paid, odd = order(1) | {"note": "by 4111111111111111"}, RejectedRecord("7", "no key", b'{"cvv": "123"}')
    script(Page([record(paid)], {"at": 1}, True, rejected=[odd]))
    feed.deploy()
    assert feed.run().warnings == ["cardholder data does not enter: 1 card number masked, 1 code dropped"]
    assert "by 411111******1111" in str(Message.objects.get().payload)
    assert "123" not in RejectedMessage.objects.get().raw
