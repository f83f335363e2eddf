"""What the runtime took in and refused is compared with the contracts that its sources pin."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from catalog.models import ApiVersion, DriftReport
from kernel import clock
from kernel.digest import digest_of
from kernel.errors import NotFound
from runtime.models import Integration, Lane, Message, RejectedMessage, Release, Stream
from runtime.services import observing
from tests.catalog import make as catalog

pytestmark = pytest.mark.django_db


def manifest(digest: str) -> dict[str, Any]:
    return {
        "integration": "prices",
        "title": "Prices",
        "domain": "price",
        "owner": "pricing",
        "tier": 2,
        "lanes": 1,
        "sources": [
            {
                "name": "prices",
                "system": "erp",
                "api": "price-api@v2",
                "contract": digest,
                "schema": "/components/schemas/Price",
            }
        ],
        "event": {"name": "price", "meaning": "fact", "key": "/sku"},
        "targets": [
            {
                "name": "tills",
                "system": "pos",
                "idempotency": "N",
                "api": "price-api@v2",
                "contract": digest,
                "connection": {"protocol": "rest", "profile": "store-server"},
                "writes": [{"entity": "price", "attribute_group": "base-price", "kind": "replica"}],
                "mapping": {
                    "mapping": "price",
                    "version": "1",
                    "fields": [{"to": "sku", "from": "sku", "type": "string"}],
                },
            }
        ],
    }


def release(integration: Integration, data: dict[str, Any]) -> None:
    Release.objects.create(integration=integration, digest=digest_of(data), manifest=data, tier=2)


@pytest.fixture
def stream(db: None) -> Stream:
    catalog.estate()
    version = ApiVersion.objects.select_related("api").get(api__slug="price-api", label="v2")
    integration = Integration.objects.create(
        key="prices", title="Prices", domain_key="price", owner_team_id=version.api.owner_team_id
    )
    release(integration, manifest(version.contract_id or ""))
    made = Stream.objects.create(integration=integration, environment="production", lanes=1, immutable=True, salt=1)
    Lane.objects.create(stream=made, lane=0)
    return made


def held(stream: Stream, *payloads: dict[str, Any]) -> None:
    for position, payload in enumerate(payloads, start=1):
        Message.objects.create(
            stream=stream, lane=0, position=position, received_at=clock.now(), key=str(position), payload=payload
        )


def refused(stream: Stream, payload: dict[str, Any]) -> None:
    RejectedMessage.objects.create(
        stream=stream,
        source="prices",
        key="x",
        digest="d" * 32,
        reason_class="contract",
        fingerprint="f" * 16,
        reason="wrong",
        raw=json.dumps(payload),
    )


def test_accepted_and_refused_messages_are_compared_with_the_pinned_contract(stream: Stream):
    held(
        stream,
        {"sku": "1", "amount": "1.00", "currency": "EUR", "region": "north"},
        {"sku": "2", "amount": "2.00", "currency": "EUR"},
    )
    refused(stream, {"sku": 4711, "amount": "1", "currency": "EUR", "region": "x"})
    (one,) = observing.observe(stream, since=clock.now() - timedelta(days=1))
    told = {difference["kind"]: difference for difference in one.report["differences"]}
    assert (told["undeclared-member"]["what"], told["undeclared-member"]["count"]) == (["region"], 2)
    assert told["undeclared-member"]["refused"] == 1
    assert (told["wrong-type"]["place"], told["wrong-type"]["refused"]) == ("sku", 1)
    assert "operation-uncalled" not in told, "one source says nothing of the other operations"
    assert "4711" not in json.dumps(one.report)


def test_the_command_hands_the_reports_in_once(stream: Stream):
    held(stream, {"sku": "1", "amount": "1.00", "currency": "EUR", "region": "north"})
    for _ in range(2):
        call_command("observe_messages", "prices", "production", "--as", "piet", stdout=io.StringIO())
    kept = DriftReport.objects.get()
    assert (kept.source, kept.exchanges, len(kept.differences)) == ("runtime", 1, 1)
    assert kept.recorded_by.username == "piet"


def test_the_command_prints_without_handing_in(stream: Stream):
    held(stream, {"sku": "1", "amount": "1.00", "currency": "EUR"})
    out = io.StringIO()
    call_command("observe_messages", "prices", "production", "--dry-run", stdout=out)
    assert json.loads(out.getvalue())["source"] == "runtime"
    assert not DriftReport.objects.exists()


@pytest.mark.parametrize("options", [["--days", "0", "--dry-run"], [], ["--as", "nobody"], ["--as", "stan"]])
def test_the_command_says_what_is_missing(stream: Stream, options: list[str]):
    held(stream, {"sku": "1"})
    with pytest.raises(CommandError):
        call_command("observe_messages", "prices", "production", *options, stdout=io.StringIO())
    assert not DriftReport.objects.exists()


def test_a_source_whose_contract_is_another_one_by_now_is_left_out(stream: Stream):
    held(stream, {"sku": "1"})
    release(stream.integration, manifest("sha256:" + "0" * 64))
    assert observing.observe(stream, since=clock.now() - timedelta(days=1)) == []


def test_an_unknown_stream_is_said():
    with pytest.raises(NotFound):
        observing.stream_of("nothing", "production")
