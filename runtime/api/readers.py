"""Readers of a version's fields over the API: which integrations read and write which field, derived from manifests."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.selectors import apis, versions
from kernel.errors import NotFound
from runtime.api.base import RuntimeView
from runtime.services import field_readers, reader_effects
from runtime.services.field_readers import FlowUse


class ReadFieldSerializer(serializers.Serializer[Any]):
    path = serializers.CharField(help_text="from the message on, such as `lines[].sku`; `.` is the whole message")
    pointers = serializers.ListField(
        child=serializers.CharField(), help_text="where the version's contract declares it; none: nowhere"
    )
    used_for = serializers.ListField(child=serializers.CharField(), help_text="such as `store-products: description`")
    manifest = serializers.ListField(child=serializers.CharField(), help_text="JSON Pointers into the manifest")


class FieldReaderSerializer(serializers.Serializer[Any]):
    integration = serializers.CharField()
    title = serializers.CharField()
    team = serializers.CharField()
    release = serializers.CharField(help_text="digest")
    runs_in = serializers.ListField(child=serializers.CharField())
    approved_in = serializers.ListField(child=serializers.CharField(), help_text="where it may be deployed next")
    role = serializers.ChoiceField(["source", "target"], help_text="a source is read, a target is written")
    name = serializers.CharField(help_text="of the source or target in the manifest")
    contract = serializers.CharField(help_text="the digest that the release pins")
    unreadable = serializers.CharField(help_text="why its fields are not known; empty where they are")
    fields_used = ReadFieldSerializer(many=True)


class VersionReadersSerializer(serializers.Serializer[Any]):
    version = serializers.CharField()
    readers = FieldReaderSerializer(many=True)
    hidden = serializers.IntegerField(
        allow_null=True, help_text="how many integrations the caller may not see; null for who may not change the API"
    )


class VersionReaders(RuntimeView):
    @extend_schema(
        operation_id="versions_readers",
        tags=["runtime"],
        summary="Which integrations use which fields of a version",
        description=(
            "Releases that are deployed, or approved to be deployed next, with the fields that their mappings, "
            "conditions, events and connections use. `field` limits the answer to those that use that field, "
            "something in it, or what is around it."
        ),
        parameters=[
            OpenApiParameter("field", str, description="a path (`lines[].sku`) or a JSON Pointer into the contract")
        ],
        responses=VersionReadersSerializer,
    )
    def get(self, request: Request, slug: str, label: str) -> Response:
        reference = f"{slug}@{label}"
        found = versions.by_reference(reference) if apis.sees_version(reference, viewer=self.viewer) else None
        if found is None:
            raise NotFound("version.unknown", f"{slug} has no version {label[:100]!r}, or you may not see it.")
        flows = field_readers.of_version(self.viewer, found)
        before = field_readers.contract_of(found.contract_digest) if found.contract_digest else None
        wanted = request.query_params.get("field", "")
        told = [_told(flow, before, wanted) for flow in flows if flow.release.seen]
        seen = {flow.release.key for flow in flows if flow.release.seen}
        hidden = len({flow.release.key for flow in flows} - seen)
        body = {
            "version": reference,
            "readers": [one for one in told if not wanted or one["fields_used"] or one["unreadable"]],
            "hidden": hidden if apis.may_change_by_slug(slug, viewer=self.viewer) else None,
        }
        return Response(VersionReadersSerializer(body).data)


def _told(flow: FlowUse, before: field_readers.ContractPlaces | None, wanted: str) -> dict[str, Any]:
    release, use = flow.release, flow.use
    schema = before.at(use.schema) if before is not None else None
    fields: dict[str, dict[str, Any]] = {}
    for field in use.fields:
        places = schema.find(field.steps, whole=field.whole) if schema is not None else None
        if wanted and not _matches(wanted, field.path, places):
            continue
        pointers = list(places.leaves) if places is not None else []
        one = fields.setdefault(field.path, {"path": field.path, "pointers": pointers, "used_for": [], "manifest": []})
        one["used_for"] += [field.why] if field.why not in one["used_for"] else []
        one["manifest"] += [field.pointer] if field.pointer not in one["manifest"] else []
    return {
        "integration": release.key,
        "title": release.title,
        "team": release.team,
        "release": release.digest,
        "runs_in": release.runs_in,
        "approved_in": release.approved_in,
        "role": use.role,
        "name": use.name,
        "contract": use.contract,
        "unreadable": reader_effects.unreadable(flow, before),
        "fields_used": list(fields.values()),
    }


def _matches(wanted: str, path: str, places: Any) -> bool:
    if wanted.startswith("/"):
        return places is not None and places.touched_by(wanted)
    return any(a == b or a.startswith((f"{b}.", f"{b}[]")) for a, b in ((path, wanted), (wanted, path)))
