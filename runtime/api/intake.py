"""Intake: a till, a store server or a file pushes messages and gets its answer once they are durable, never before."""

from __future__ import annotations

import io
from collections.abc import Mapping
from types import MappingProxyType
from typing import IO, Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from kernel import strict_json
from kernel.access import BrowserSession, TokenAuthentication
from kernel.card_data import MaskedCards
from kernel.errors import Invalid, Malformed, UnsupportedBody, finding
from kernel.models import ApiToken
from kernel.request_bodies import body_of, charset_of
from kernel.strict_json import Flaw
from kernel.tokens import ReadWithToken
from runtime import permissions
from runtime.api import serializers as shapes
from runtime.api.base import DEFAULT, RuntimeView
from runtime.api.handed_in import IntakeCall, hand_in
from runtime.api.integrations import ENVIRONMENT
from runtime.api.problems import IntakeProblemSerializer, ProblemSerializer
from runtime.connectors.charsets import is_charset
from runtime.connectors.poslog.connector import documents
from runtime.connectors.poslog.reading import NotPosLog, NotXml
from runtime.connectors.poslog.rules import PosLogRules
from runtime.connectors.protocols import Record, RejectedRecord
from runtime.domain import batches
from runtime.domain.batches import IntakeItem
from runtime.services import handed_poslog


class BatchParser(BaseParser):
    """A JSON batch, its items each with what is wrong inside it (`domain.batches`)."""

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        return batch_of(body_of(stream, media_type, parser_context))


def batch_of(body: bytes) -> Any:
    """Raises Malformed, Invalid, and the serializer's error for JSON that is no batch."""
    batch = batches.read(body)
    if batch is None:
        made = shapes.IntakeSerializer(data=strict_json.loads(body))
        made.is_valid(raise_exception=True)
    return batch


class PosLogParser(BaseParser):
    """Convert a POSLog document to one item per transaction; one that cannot be identified is an item with a flaw."""

    media_type = "application/xml"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        data, charset = body_of(stream, None, parser_context), charset_of(media_type)
        if charset and not is_charset(charset):
            raise UnsupportedBody("request.charset", f"The charset {charset[:40]!r} is not known.")
        context = parser_context or {}
        source, rules = _rules(context["request"], context["kwargs"]["key"])
        named = {} if source is None else {"source": source}
        try:
            found = documents(io.BytesIO(data), charset=charset, rules=rules, again=lambda: io.BytesIO(data))
            return {"items": [_transaction(record) for record in found], **named}
        except NotXml as error:
            raise Malformed("xml.syntax", f"This is not XML that can be read: {error}.") from None
        except NotPosLog as error:
            raise Invalid(
                "poslog.unreadable", f"This is not a POSLog document: {error}.", {"findings": [finding("", str(error))]}
            ) from None


def _rules(request: Request, key: str) -> tuple[str | None, PosLogRules]:
    """The source that the address names, and how it reads POSLog."""
    source = request.query_params.get("source")
    environment = (request.query_params.get("environment") or DEFAULT).replace("\0", "")
    return source, handed_poslog.rules_at(key, environment, source)


def _transaction(record: Record | RejectedRecord) -> IntakeItem:
    """It is looked through for cardholder data where it is read, for its elements say what is none."""
    if isinstance(record, RejectedRecord):
        place = f"Transaction[{record.origin.rpartition('#')[2]}]"
        item = IntakeItem(record.payload, None, Flaw("poslog.transaction", "", f"{place}: {record.reason}"))
    else:
        item = batches.read_item(record.payload)
    return item._replace(taken=MaskedCards())


class TextXMLParser(PosLogParser):
    media_type = "text/xml"


_PROBLEMS = {(status, "application/problem+json"): ProblemSerializer for status in (400, 401, 403, 404, 413, 415)}
_PROBLEMS |= {(status, "application/problem+json"): IntakeProblemSerializer for status in (409, 422)}
_PROBLEMS[503, "application/problem+json"] = ProblemSerializer


_TOKEN_OR_SESSION: Any = [{"token": []}, {"cookieAuth": []}]
"""To a caller `PushToken` is the same scheme as every token."""


class PushToken(TokenAuthentication):
    """The right to hand in is read with the token."""

    def along(self, request: Request) -> ReadWithToken:
        named = (request.query_params.get("environment") or DEFAULT).replace("\0", "")
        return permissions.push_with_token(request.parser_context["kwargs"]["key"], named)


class Intake(RuntimeView):
    authentication_classes = (PushToken, BrowserSession)
    scopes = MappingProxyType({"POST": ("intake:write", "runtime:write")})
    parser_classes = (BatchParser, PosLogParser, TextXMLParser)

    @extend_schema(
        operation_id="intake",
        tags=["runtime"],
        auth=_TOKEN_OR_SESSION,
        summary="Hand in messages",
        description=(
            "A JSON batch `{items: […]}`, or a POSLog document as application/xml. Answered after the commit: 202 "
            "when every item is held (accepted, "
            "or the same content or a newer state is there already), 409 when a key is known with other content, 422 "
            "when an item is refused: by the contract, or for something in it that cannot be stored. The other items "
            "of the batch are stored in each case, and the refused ones are kept as dead letters; sending the batch "
            "again changes nothing. A body that is refused as a whole stores nothing: 400 is empty, not JSON, not XML "
            "or not UTF-8, 413 too large, 415 of another media type, charset or content coding, 422 without receipts "
            "is no batch and no POSLog; 503 with Retry-After: send it again."
        ),
        parameters=[
            ENVIRONMENT,
            OpenApiParameter("source", str, description="Of POSLog, where the integration has several sources"),
            OpenApiParameter("traceparent", str, OpenApiParameter.HEADER, description="W3C trace context"),
        ],
        request={"application/json": shapes.IntakeSerializer, "application/xml": bytes, "text/xml": bytes},
        responses={202: shapes.IntakeResultSerializer} | _PROBLEMS,
    )
    def post(self, request: Request, key: str) -> Response:
        batch: Any = request.data
        token = request.auth if isinstance(request.auth, ApiToken) else None
        called = IntakeCall(key, self.environment, self.viewer, token, request.headers.get("traceparent"))
        return Response(hand_in(called, batch), status=202)


@extend_schema(exclude=True)
class IntakeWithoutSlash(Intake):
    """The same under an address without its last slash: a redirect would cost a till its body."""
