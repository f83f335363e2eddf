"""Connectors over the API: what this installation speaks, and the JSON Schema of what a manifest says to it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from runtime.api.base import RuntimeView
from runtime.selectors import connectors, manifest_schema


class DatedFactSerializer(serializers.Serializer[Any]):
    profile = serializers.CharField()
    on = serializers.DateField(help_text="the day from which it counts")
    kind = serializers.ChoiceField(choices=["end", "change"])
    says = serializers.CharField()
    evidence = serializers.CharField(help_text="S specification, D vendor documentation, T third party, M memory")
    days_left = serializers.IntegerField(help_text="of UTC: 0 on the day itself, negative behind it")


class ConnectorSerializer(serializers.Serializer[Any]):
    protocol = serializers.CharField(help_text="`connection.protocol` of a manifest")
    roles = serializers.ListField(child=serializers.CharField(), help_text="source, sink, decision")
    profiles = serializers.ListField(child=serializers.CharField(), help_text="`connection.profile` of a manifest")
    package = serializers.CharField(help_text="the installed package that it comes from; empty: the product itself")
    version = serializers.CharField()
    dated_facts = DatedFactSerializer(many=True, help_text="what vendors of its profiles end or change, by day")


class PlugInSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=["connector", "profiles"])
    name = serializers.CharField()
    package = serializers.CharField(help_text="empty for a folder of PROFILES_FOLDER")
    version = serializers.CharField()
    place = serializers.CharField(help_text="module, folder or file")
    fault = serializers.CharField(help_text="why it is not used; empty where it is")


class PlugIns(RuntimeView):
    @extend_schema(
        operation_id="plug_ins_list",
        tags=["runtime"],
        summary="Connectors and profiles that are installed beside the product, as this process sees them",
        responses=PlugInSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        return Response(PlugInSerializer(connectors.plugged_in(), many=True).data)


class ConnectorList(RuntimeView):
    @extend_schema(
        operation_id="connectors_list",
        tags=["runtime"],
        summary="The protocols that this installation speaks",
        responses=ConnectorSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        return Response(ConnectorSerializer(connectors.listed(), many=True).data)


class ConnectorSchema(RuntimeView):
    @extend_schema(
        operation_id="connectors_schema",
        tags=["runtime"],
        summary="The JSON Schema of the settings of a connection",
        description=(
            "Of `connection.settings` in a manifest. `role`: source, sink or decision. What the endpoint of a system "
            "says (`base_url`, further hosts) is no part of it, and what a profile says is not required."
        ),
        parameters=[OpenApiParameter("profile", str, description="a profile on which the settings go on top")],
        responses={(200, "application/json"): {"type": "object", "additionalProperties": True}},
    )
    def get(self, request: Request, protocol: str, role: str) -> Response:
        profile = str(request.query_params.get("profile", ""))
        return Response(connectors.schema(protocol, role, profile=profile))


class ManifestSchema(RuntimeView):
    @extend_schema(
        operation_id="manifest_schema",
        tags=["runtime"],
        summary="The JSON Schema of a manifest",
        description=(
            "For editors: every member with words, default and example, and the settings of every connector of this "
            "installation. A manifest may name it as `$schema`, which is no part of it."
        ),
        responses={(200, "application/json"): {"type": "object", "additionalProperties": True}},
    )
    def get(self, request: Request) -> Response:
        return Response(manifest_schema.for_editors())
