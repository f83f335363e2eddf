"""REST API of the runtime (`api/v1/…`)."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path, re_path

from runtime.api import (
    confirmations,
    dead_letters,
    intake,
    intake_grants,
    integrations,
    operation,
    readings,
    reconciliation,
    recovery,
    replays,
    retention,
    runs,
    stores,
    vendors,
)

app_name = "runtime-api"
_PLACE = "dead-letters/parked/<int:subscription>/<int:lane>/<int:position>"
urlpatterns: list[URLPattern | URLResolver] = [
    path("intake/<slug:key>/", intake.Intake.as_view(), name="intake"),
    path("integrations/<slug:key>/intake-grants", intake_grants.IntakeGrantList.as_view(), name="intake-grants"),
    path(
        "integrations/<slug:key>/intake-grants/<int:grant_id>",
        intake_grants.IntakeGrantDetail.as_view(),
        name="intake-grant",
    ),
    path("integrations", integrations.IntegrationList.as_view(), name="integrations"),
    path("integrations/<slug:key>", integrations.IntegrationDetail.as_view(), name="integration"),
    path("integrations/<slug:key>/releases", integrations.ReleaseList.as_view(), name="releases"),
    re_path(
        r"^integrations/(?P<key>[-a-zA-Z0-9_]+)/releases/(?P<digest>sha256:[0-9a-f]{64})$",
        integrations.ReleaseDetail.as_view(),
        name="release",
    ),
    path("integrations/<slug:key>/deployments", integrations.DeploymentList.as_view(), name="deployments"),
    path("integrations/<slug:key>/pause", integrations.Pause.as_view(), name="pause"),
    path("integrations/<slug:key>/gate", integrations.Gates.as_view(), name="gate"),
    path("integrations/<slug:key>/runs", runs.RunStart.as_view(), name="start"),
    path("integrations/<slug:key>/readings", readings.ReadingPlan.as_view(), name="reading-plan"),
    path("integrations/<slug:key>/rejected/judge", readings.JudgeRejected.as_view(), name="judge-rejected"),
    path("readings/<int:number>", readings.ReadingDetail.as_view(), name="reading"),
    path("readings/<int:number>/start", readings.ReadingStart.as_view(), name="reading-start"),
    path("readings/<int:number>/cancel", readings.ReadingCancel.as_view(), name="reading-cancel"),
    path("runs", runs.RunList.as_view(), name="runs"),
    path("runs/<int:run_id>", runs.RunDetail.as_view(), name="run"),
    path("runs/<int:run_id>/cancel", runs.RunCancel.as_view(), name="run-cancel"),
    path("messages", runs.Messages.as_view(), name="messages"),
    path("messages/<str:correlation>/trace", runs.MessageTrace.as_view(), name="trace"),
    path("messages/<str:correlation>/erase", retention.MessageErasure.as_view(), name="erase"),
    path("dead-letters", dead_letters.Groups.as_view(), name="dead-letters"),
    path("dead-letters/redrive", dead_letters.Redrive.as_view(), name="redrive"),
    path("dead-letters/give-up", dead_letters.GiveUp.as_view(), name="give-up"),
    path("dead-letters/confirm", confirmations.Confirm.as_view(), name="confirm"),
    path("dead-letters/groups/<str:group>", dead_letters.Letters.as_view(), name="letters"),
    path(_PLACE, dead_letters.ParkedLetter.as_view(), name="letter"),
    path("dead-letters/rejected/<int:number>", dead_letters.RejectedLetter.as_view(), name="rejected"),
    path(
        "dead-letters/rejected/<int:number>/dismiss", dead_letters.RejectedDismissal.as_view(), name="rejected-dismiss"
    ),
    path("dead-letters/conflicts/<int:number>", dead_letters.ConflictLetter.as_view(), name="conflict"),
    path("integrations/<slug:key>/reconciliation", reconciliation.FlowAccount.as_view(), name="reconciliation-flow"),
    path(
        "integrations/<slug:key>/reconciliation/compare",
        reconciliation.Compare.as_view(),
        name="reconciliation-compare",
    ),
    path("reconciliation", reconciliation.Overview.as_view(), name="reconciliation"),
    path("recovery", recovery.RecoveryState.as_view(), name="recovery"),
    path("retention", retention.Retention.as_view(), name="retention"),
    path("retention/due", retention.RetentionDue.as_view(), name="retention-due"),
    path("replays", replays.ReplayList.as_view(), name="replays"),
    path("replays/<int:replay_id>", replays.ReplayDetail.as_view(), name="replay"),
    path("replays/<int:replay_id>/dry-run", replays.ReplayTrial.as_view(), name="replay-trial"),
    path("replays/<int:replay_id>/start", replays.ReplayStart.as_view(), name="replay-start"),
    path("replays/<int:replay_id>/cancel", replays.ReplayCancel.as_view(), name="replay-cancel"),
    path("stores", stores.StoreList.as_view(), name="stores"),
    path("stores/<str:name>", stores.StoreDetail.as_view(), name="store"),
    path("vendors", vendors.VendorList.as_view(), name="vendors"),
    path("vendors/<int:vendor_id>", vendors.VendorDetail.as_view(), name="vendor"),
    path("vendors/<int:vendor_id>/limits", vendors.VendorLimits.as_view(), name="vendor-limits"),
    path("vendors/<int:vendor_id>/breaker/open", vendors.VendorBreakerOpen.as_view(), name="vendor-breaker-open"),
    path("vendors/<int:vendor_id>/breaker/close", vendors.VendorBreakerClose.as_view(), name="vendor-breaker-close"),
    path("vendors/<int:vendor_id>/breaker/probe", vendors.VendorBreakerProbe.as_view(), name="vendor-breaker-probe"),
    path("schedules", operation.Schedules.as_view(), name="schedules"),
    path("schedules/<int:schedule_id>", operation.ScheduleDetail.as_view(), name="schedule"),
]
