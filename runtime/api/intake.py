"""Intake: a till, a store server or a file pushes messages and gets its answer once they are durable, never before."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import IO, Any

from django.conf import settings
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from kernel import strict_json
from kernel.errors import Conflict, Invalid, finding
from kernel.strict_json import StrictJSONParser
from runtime.api import serializers as shapes
from runtime.api.base import RuntimeView
from runtime.api.integrations import ENVIRONMENT
from runtime.connectors.poslog.connector import documents
from runtime.connectors.poslog.reading import NotPosLog
from runtime.connectors.protocols import RejectedRecord
from runtime.services import intake
from runtime.services.intake import IntakeReceipt

STATUSES = ("accepted", "duplicate", "older", "conflict", "refused")


class PosLogParser(BaseParser):
    """Convert a POSLog document to one item per transaction. Raises Invalid with a finding for anything else in it."""

    media_type = "application/xml"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        limit: int = settings.MAX_REQUEST_BYTES
        data = stream.read(limit + 1)
        if len(data) > limit:
            raise Invalid("request.too_large", f"The body is larger than {limit // 1024 // 1024} MB.")
        items: list[Any] = []
        findings: list[dict[str, Any]] = []
        try:
            for record in documents(io.BytesIO(data)):
                if isinstance(record, RejectedRecord):
                    findings.append(finding(f"/Transaction[{record.origin.rpartition('#')[2]}]", record.reason))
                else:
                    items.append(strict_json.loads(record.payload))
        except NotPosLog as error:
            raise Invalid(
                "poslog.unreadable", f"This is not a POSLog document: {error}.", {"findings": [finding("", str(error))]}
            ) from None
        if findings:
            raise Invalid(
                "poslog.transactions",
                "Some transactions cannot be identified; nothing was stored.",
                {"findings": findings},
            )
        return {"items": items}


class TextXMLParser(PosLogParser):
    media_type = "text/xml"


class Intake(RuntimeView):
    parser_classes = (StrictJSONParser, PosLogParser, TextXMLParser)

    @extend_schema(
        operation_id="intake",
        tags=["runtime"],
        summary="Hand in messages",
        description=(
            "A JSON batch `{items: […]}`, or a POSLog document as application/xml. Answered after the commit: 202 "
            "when every item is held (accepted, "
            "or the same content is there already), 409 when a key is known with other content, 422 when the "
            "contract refuses an item. The other items of the "
            "batch are stored in each case, and the refused ones are kept as dead letters; sending the batch again"
            " changes nothing."
        ),
        parameters=[
            ENVIRONMENT,
            OpenApiParameter("traceparent", str, OpenApiParameter.HEADER, description="W3C trace context"),
        ],
        request={"application/json": shapes.IntakeSerializer, "application/xml": bytes},
        responses={202: shapes.IntakeResultSerializer},
    )
    def post(self, request: Request, key: str) -> Response:
        environment = self.environment
        data = self.validated(shapes.IntakeSerializer)
        self.require_push(key)
        receipts = intake.accept(
            key,
            environment,
            data["items"],
            source=data.get("source"),
            correlations=_per_item(data),
            traceparent=_traceparent(request),
        )
        return _answer(receipts)


def _per_item(data: dict[str, Any]) -> list[str | None] | None:
    given: list[str | None] | None = data.get("correlation_ids")
    if given is not None and len(given) != len(data["items"]):
        said = f"{len(given)} correlation ids for {len(data['items'])} items"
        raise Invalid(
            "intake.correlation",
            f"One correlation id per item: {said}.",
            {"findings": [finding("/correlation_ids", said)]},
        )
    return given


def _traceparent(request: Request) -> str | None:
    """The W3C trace context of the call, where it has one of the right length (Trace Context §3.2.2)."""
    given = request.headers.get("traceparent", "")
    return given if len(given) == 55 and given.isascii() else None


def _answer(receipts: list[IntakeReceipt]) -> Response:
    count = Counter(receipt.status for receipt in receipts)
    body = {status: count.get(status, 0) for status in STATUSES} | {
        "receipts": [asdict(receipt) for receipt in receipts]
    }
    found = [
        finding(f"/items/{r.index}", r.reason, code=r.status, key=r.key)
        for r in receipts
        if r.status in ("conflict", "refused")
    ]
    if count["refused"]:
        said = (
            f"{count['refused']} of {len(receipts)} items do not satisfy the contract; they are kept as dead letters, "
            "the others are stored."
        )
        raise Invalid("intake.refused", said, body | {"findings": found})
    if count["conflict"]:
        said = (
            f"{count['conflict']} of {len(receipts)} keys are known with other content; nothing was overwritten, a "
            "person decides."
        )
        raise Conflict("intake.conflict", said, body | {"findings": found})
    return Response(body, status=202)
