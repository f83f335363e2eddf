"""What the contract rules say of a version."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api.base import CatalogView, conditional
from catalog.api.versions import find
from catalog.selectors import lint_reports
from kernel.errors import NotFound


class LintPlaceSerializer(serializers.Serializer[Any]):
    pointer = serializers.CharField()
    line = serializers.IntegerField(allow_null=True)
    message = serializers.CharField()
    operation = serializers.CharField()


class LintFindingSerializer(LintPlaceSerializer):
    rule = serializers.CharField()
    level = serializers.ChoiceField(choices=["error", "warning", "info"])
    hint = serializers.CharField()
    fingerprint = serializers.CharField()
    count = serializers.IntegerField(help_text="Places that this finding is about")
    places = LintPlaceSerializer(many=True, help_text="The first of them where it is about many")


class LintRuleOutcomeSerializer(serializers.Serializer[Any]):
    rule = serializers.CharField()
    title = serializers.CharField()
    status = serializers.ChoiceField(choices=["passed", "failed", "not_applicable", "not_run"])
    reason = serializers.CharField()
    total = serializers.IntegerField(help_text="All findings of the rule")
    listed = serializers.IntegerField(help_text="Those that `?rule=` lists")


class LintReportSerializer(serializers.Serializer[Any]):
    """What the contract rules say. A rule that fails nearly everywhere is one finding; `?rule=` lists every place."""

    verdict = serializers.ChoiceField(choices=["error", "warning", "info", "passed"])
    rule_pack = serializers.CharField()
    digest = serializers.CharField(source="context.digest")
    tier = serializers.IntegerField(source="context.tier", allow_null=True)
    layer = serializers.CharField(source="context.layer", allow_null=True)
    data_class = serializers.CharField(source="context.data_class", allow_null=True)
    profile = serializers.ChoiceField(source="context.profile", choices=["own", "third-party"])
    findings = LintFindingSerializer(many=True)
    rules = LintRuleOutcomeSerializer(source="outcomes", many=True)


class VersionLint(CatalogView):
    @extend_schema(
        operation_id="versions_lint",
        tags=["catalog"],
        summary="What the contract rules say of a version",
        responses=LintReportSerializer,
        parameters=[
            OpenApiParameter("rule", str, description="Every place of this rule, one finding each"),
            OpenApiParameter("contract", str, enum=["proposed"], description="The contract that waits for approval"),
        ],
    )
    def get(self, request: Request, slug: str, label: str) -> Response:
        facts = find(slug, label, viewer=self.viewer)
        proposed = request.query_params.get("contract") == "proposed"
        digest = lint_reports.digest_of(facts, proposed=proposed, viewer=self.viewer)
        if digest is None:
            raise NotFound("contract.none", f"{facts.reference} has no contract yet.")
        report = lint_reports.of_version(facts, digest)
        rule = request.query_params.get("rule", "")
        if rule:
            outcome = lint_reports.outcome_of(report, rule)
            found = tuple(finding for finding in report.findings if finding.rule == rule)
            report = replace(report, findings=found, outcomes=(outcome,))
        else:
            report = replace(report, findings=lint_reports.for_people(report))
        return conditional(request, dict(LintReportSerializer(report).data))
