"""What retention would take now, on its page: in words, with none of its parts left out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from kernel import clock
from kernel.models import OutboxEvent
from runtime.ledger import retained_rows
from runtime.models import RetentionPolicy
from runtime.web.retention import PARTS, part_name
from tests.runtime import scene

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_retention_would_take_is_called_by_words_and_no_table_is_without_one(client: Any):
    client.force_login(scene.estate().rita)
    OutboxEvent.objects.create(topic="t", key="k", payload={}, done_at=clock.now() - timedelta(days=500))
    RetentionPolicy.objects.create(data_class="events", days=60, since=clock.now() - timedelta(days=1))
    text = client.get(reverse("runtime:retention"), {"show": "due"}).text
    assert ">Events<" in " ".join(text.split()).replace("> ", ">").replace(" <", "<")
    assert "outboxevent" not in text
    tables = {part.table.partition("_")[2] for part in retained_rows.PARTS}
    assert tables <= PARTS.keys()


def test_a_month_of_messages_is_called_by_its_month_and_several_by_their_table():
    assert part_name("runtime_message_201903") == "March 2019"
    assert part_name("runtime_message_201903_201907") == "runtime_message_201903_201907"
    assert part_name("deliveries") == "Deliveries"
