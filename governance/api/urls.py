"""Addresses of the governance API, below /api/v1/."""

from __future__ import annotations

from django.urls import path, re_path

from governance.api import changes, gate, pipelines, records, rules, statements

app_name = "governance-api"
urlpatterns = [
    path("changes", changes.ChangeList.as_view(), name="changes"),
    path("changes/<int:change_id>", changes.ChangeDetail.as_view(), name="change"),
    path("changes/<int:change_id>/submit", changes.Submit.as_view(), name="submit"),
    path("changes/<int:change_id>/revise", changes.Revise.as_view(), name="revise"),
    path("changes/<int:change_id>/withdraw", changes.Withdraw.as_view(), name="withdraw"),
    path("changes/<int:change_id>/apply", changes.Apply.as_view(), name="apply"),
    path("changes/<int:change_id>/decisions", changes.Decisions.as_view(), name="decisions"),
    path("changes/<int:change_id>/acceptances", changes.Acceptances.as_view(), name="acceptances"),
    path("changes/<int:change_id>/checks", changes.Checks.as_view(), name="checks"),
    path("changes/<int:change_id>/slots", changes.Slots.as_view(), name="slots"),
    path("changes/<int:change_id>/slots/unfillable", changes.Unfillable.as_view(), name="slots-unfillable"),
    path("changes/<int:change_id>/differences", changes.Differences.as_view(), name="differences"),
    path("changes/<int:change_id>/events", changes.Events.as_view(), name="events"),
    path("approvals", changes.ApprovalList.as_view(), name="approvals"),
    path("approvals/<int:approval_id>/statement", statements.ApprovalStatement.as_view(), name="approval-statement"),
    path("gate/verdicts", gate.Verdicts.as_view(), name="verdicts"),
    path("gate/verdicts/<int:verdict_id>", gate.VerdictDetail.as_view(), name="verdict"),
    path("gate/verdicts/<int:verdict_id>/evidence", gate.VerdictEvidence.as_view(), name="evidence"),
    path("gate/verdicts/<int:verdict_id>/reproduce", gate.Reproduce.as_view(), name="reproduce"),
    path("gate/verdicts/<int:verdict_id>/standing", gate.VerdictStanding.as_view(), name="verdict-standing"),
    path("gate/verdicts/<int:verdict_id>/statement", statements.VerdictStatement.as_view(), name="verdict-statement"),
    path("gate/deployments", records.Deployments.as_view(), name="deployments"),
    path("gate/undeploy", records.Undeploy.as_view(), name="undeploy"),
    path("gate/releases", records.Releases.as_view(), name="releases"),
    path("gate/releases/end", records.EndRelease.as_view(), name="end-release"),
    path("policies", rules.PolicyList.as_view(), name="policies"),
    path("policies/preview", rules.PolicyPreview.as_view(), name="policy-preview"),
    path("policies/explain", rules.PolicyExplain.as_view(), name="policy-explain"),
    path("waivers", rules.WaiverList.as_view(), name="waivers"),
    path("waivers/<int:waiver_id>/revoke", rules.WaiverRevoke.as_view(), name="waiver-revoke"),
    path("freezes", rules.FreezeList.as_view(), name="freezes"),
    path("freezes/<int:freeze_id>/end", rules.FreezeEnd.as_view(), name="freeze-end"),
    path("break-glass", rules.BreakGlassList.as_view(), name="break-glass"),
    re_path(
        r"^break-glass/(?P<case_id>[0-9]{1,18})/(?P<step>confirm|review|end)$",
        rules.BreakGlassStep.as_view(),
        name="break-glass-step",
    ),
    path("delegations", rules.DelegationList.as_view(), name="delegations"),
    path("delegations/<int:delegation_id>/revoke", rules.DelegationRevoke.as_view(), name="delegation-revoke"),
    path("pipelines", pipelines.PipelineList.as_view(), name="pipelines"),
    path("pipelines/<slug:key>", pipelines.PipelineDetail.as_view(), name="pipeline"),
    path("pipelines/<slug:key>/confirm", pipelines.PipelineConfirm.as_view(), name="pipeline-confirm"),
    path("pipelines/<slug:key>/end", pipelines.PipelineEnd.as_view(), name="pipeline-end"),
    path("pipelines/<slug:key>/events", pipelines.PipelineEvents.as_view(), name="pipeline-events"),
    path("pipelines/<slug:key>/mappings", pipelines.MappingList.as_view(), name="pipeline-mappings"),
    path(
        "pipelines/<slug:key>/mappings/<int:mapping_id>/confirm",
        pipelines.MappingConfirm.as_view(),
        name="pipeline-mapping-confirm",
    ),
    path(
        "pipelines/<slug:key>/mappings/<int:mapping_id>/end",
        pipelines.MappingEnd.as_view(),
        name="pipeline-mapping-end",
    ),
    path("pipelines/<slug:key>/reviews", pipelines.ReviewList.as_view(), name="pipeline-reviews"),
    path("pipelines/<slug:key>/reviews/<int:review_id>/ask", pipelines.ReviewAsk.as_view(), name="pipeline-review-ask"),
    path("webhooks", rules.WebhookList.as_view(), name="webhooks"),
    path("webhooks/<int:endpoint_id>/deactivate", rules.WebhookDeactivate.as_view(), name="webhook-deactivate"),
    path("webhooks/deliveries", rules.DeliveryList.as_view(), name="deliveries"),
    path("webhooks/deliveries/<int:delivery_id>/replay", rules.DeliveryReplay.as_view(), name="delivery-replay"),
]
