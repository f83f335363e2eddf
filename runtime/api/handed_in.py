"""What is done with a batch that was handed in, whichever way the call took through the web server."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any, NamedTuple

from kernel import tracing
from kernel.errors import Conflict, Invalid, Malformed, finding
from kernel.models import ApiToken
from kernel.viewer import Viewer
from runtime.api import serializers as shapes
from runtime.api.base import require_push
from runtime.domain import batches
from runtime.domain.batches import IntakeItem
from runtime.services import intake
from runtime.services.intake import IntakeReceipt

STATUSES = ("accepted", "duplicate", "older", "conflict", "refused")
_FIELDS = tuple(IntakeReceipt.__dataclass_fields__)


class IntakeCall(NamedTuple):
    """Who hands in where. `traceparent` is what the caller sent."""

    integration: str
    environment: str
    viewer: Viewer
    token: ApiToken | None
    traceparent: str | None


def hand_in(call: IntakeCall, batch: Any) -> dict[str, Any]:
    """Store the batch; answers the body of a 202. Raises Conflict and Invalid with the receipts, where an item was not
    taken; NotFound and Forbidden."""
    if not batch:  # no parser makes an empty one: there was nothing to parse
        said = 'Send {"items": [...]} as application/json, or a POSLog document as application/xml.'
        raise Malformed("request.empty", f"The body is empty. {said}")
    items: list[IntakeItem] = batch["items"]
    source = _source_of(batch) if "source" in batch else None
    correlations, unusable = _per_item(batch.get("correlation_ids"), len(items))
    require_push(call.viewer, call.integration, call.environment, token=call.token)
    receipts = intake.accept(
        call.integration,
        call.environment,
        items,
        source=source,
        correlations=correlations,
        traceparent=tracing.current() or tracing.valid(call.traceparent) or None,
    )
    for index, why in unusable.items():
        if receipts[index].status == "accepted":
            said = f"the correlation id that came with it cannot be used ({why}); it has one of its own"
            receipts[index] = replace(receipts[index], reason=said)
    return _body(receipts)


def _source_of(batch: dict[str, Any]) -> str | None:
    made = shapes.IntakeSerializer(data={"source": batch["source"], "items": []})
    made.is_valid(raise_exception=True)
    source: str | None = made.validated_data.get("source")
    return source


def _per_item(given: Any, items: int) -> tuple[list[str | None] | None, dict[int, str]]:
    """The correlation ids, one per item, and why some of them cannot be used; those items get one of their own."""
    if given is None:
        return None, {}
    if isinstance(given, list) and len(given) == items:
        return batches.correlations(given)
    said = f"{len(given)} correlation ids for {items} items" if isinstance(given, list) else "they are not a list"
    raise Invalid(
        "intake.correlation", f"One correlation id per item: {said}.", {"findings": [finding("/correlation_ids", said)]}
    )


def _body(receipts: list[IntakeReceipt]) -> dict[str, Any]:
    count = Counter(receipt.status for receipt in receipts)
    body = {status: count.get(status, 0) for status in STATUSES} | {
        "receipts": [{name: getattr(receipt, name) for name in _FIELDS} for receipt in receipts]
    }
    if not (count["refused"] or count["conflict"]):
        return body
    found = [
        finding(f"/items/{r.index}{r.pointer}", r.reason, code=r.status, key=r.key)
        for r in receipts
        if r.status in ("conflict", "refused")
    ]
    if count["refused"]:
        said = (
            f"{count['refused']} of {len(receipts)} items do not satisfy the contract; they are kept as dead letters, "
            "the others are stored."
        )
        raise Invalid("intake.refused", said, body | {"findings": found})
    said = (
        f"{count['conflict']} of {len(receipts)} keys are known with other content; nothing was overwritten, a "
        "person decides."
    )
    raise Conflict("intake.conflict", said, body | {"findings": found})
