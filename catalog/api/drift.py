"""What was observed of a version, handed in and read."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api.base import CatalogView
from catalog.api.serializers import PlainText
from catalog.api.versions import find
from catalog.models import DriftReport
from catalog.selectors import drift as reports
from catalog.services import drift


class DriftFindingSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    message = serializers.CharField(help_text="One sentence")
    operation = serializers.CharField(allow_blank=True)
    side = serializers.CharField(allow_blank=True)
    place = serializers.CharField(allow_blank=True)
    what = serializers.ListField(child=serializers.CharField())
    declared = serializers.CharField(allow_blank=True)
    count = serializers.IntegerField()
    seen = serializers.IntegerField()
    refused = serializers.IntegerField(help_text="How many of them their receiver refused")
    unnamed = serializers.IntegerField(help_text="How often it was something that may be data about somebody")


class DriftReportSerializer(serializers.Serializer[Any]):
    """The newest report of one environment."""

    environment = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    observed_from = serializers.DateTimeField()
    observed_until = serializers.DateTimeField()
    exchanges = serializers.IntegerField()
    skipped = serializers.IntegerField()
    bodies = serializers.IntegerField(allow_null=True, help_text="Compared; null where the observer did not count")
    unread_bodies = serializers.IntegerField(allow_null=True, help_text="Described, and not readable or not recorded")
    operations_known = serializers.IntegerField()
    operations_seen = serializers.IntegerField()
    differences = DriftFindingSerializer(many=True, help_text="Where traffic and contract contradict each other")
    unseen = DriftFindingSerializer(many=True, help_text="What the contract lists and was not seen")
    left_out = serializers.IntegerField()
    recorded_by = serializers.CharField()
    recorded_at = serializers.DateTimeField()
    present = serializers.BooleanField(help_text="It is about the present contract of the version")


class DriftInputSerializer(serializers.Serializer[Any]):
    report_id = PlainText(max_length=100, help_text="New for every report; the same one sent twice counts once")
    environment = PlainText(max_length=30)
    report = serializers.DictField(help_text="What `tillgate contracts observe --format json` wrote")


class DriftReceiptSerializer(serializers.Serializer[Any]):
    report_id = serializers.CharField(source="report.report_id")
    repeated = serializers.BooleanField()
    differences = serializers.SerializerMethodField()
    dropped = serializers.IntegerField(help_text="Names and values that may be data about somebody, and were not kept")

    def get_differences(self, receipt: drift.DriftReceipt) -> int:
        kept: DriftReport = receipt.report
        return len(kept.differences)


class VersionDrift(CatalogView):
    scopes = {"POST": "drift:write"}

    @extend_schema(
        operation_id="versions_drift",
        tags=["catalog"],
        summary="Where observed traffic and the contract differ",
        responses=DriftReportSerializer(many=True),
    )
    def get(self, request: Request, slug: str, label: str) -> Response:
        facts = find(slug, label, viewer=self.viewer)
        return Response(DriftReportSerializer(reports.newest([facts.id]), many=True).data)

    @extend_schema(
        operation_id="versions_drift_report",
        tags=["catalog"],
        summary="Hand in what was observed",
        request=DriftInputSerializer,
        responses={201: DriftReceiptSerializer},
    )
    def post(self, request: Request, slug: str, label: str) -> Response:
        facts = find(slug, label, viewer=self.viewer)
        data = self.validated(DriftInputSerializer)
        receipt = drift.record(
            actor=self.person,
            version_id=facts.id,
            environment=data["environment"],
            report_id=data["report_id"],
            report=data["report"],
        )
        return Response(DriftReceiptSerializer(receipt).data, status=200 if receipt.repeated else 201)
