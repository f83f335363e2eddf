"""Pages of the runtime (`runtime/…`)."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path, re_path
from django.views.generic import RedirectView

from runtime.web import (
    dead_letters,
    intake_grants,
    integrations,
    panels,
    readings,
    reconciliation,
    recovery,
    registration,
    replays,
    retention,
    runs,
    schedules,
    stores,
    today,
    traces,
    vendors,
)

app_name = "runtime"
urlpatterns: list[URLPattern | URLResolver] = [
    path("runtime/", today.today, name="today"),
    path("runtime/integrations/", integrations.integrations, name="integrations"),
    path("runtime/integrations/register/", registration.register, name="register"),
    path("runtime/integrations/<slug:key>/", integrations.integration, name="integration"),
    path("runtime/integrations/<slug:key>/deploy/", integrations.deploy, name="deploy"),
    path("runtime/integrations/<slug:key>/pause/", integrations.pause, name="pause"),
    path("runtime/integrations/<slug:key>/resume/", integrations.resume, name="resume"),
    path("runtime/integrations/<slug:key>/start/", integrations.start, name="start"),
    path("runtime/integrations/<slug:key>/intake/grant/", intake_grants.grant, name="intake-grant"),
    path("runtime/integrations/<slug:key>/intake/revoke/<int:grant_id>/", intake_grants.revoke, name="intake-revoke"),
    path("runtime/integrations/<slug:key>/read-again/", readings.read_again, name="read-again"),
    path("runtime/integrations/<slug:key>/judge-rejected/", readings.judge, name="judge-rejected"),
    path("runtime/integrations/<slug:key>/<slug:view>/", integrations.integration, name="integration-view"),
    path("runtime/readings/<int:number>/", readings.reading, name="reading"),
    path("runtime/readings/<int:number>/act/", readings.act, name="reading-act"),
    path("runtime/runs/", runs.runs, name="runs"),
    path("runtime/runs/<int:run_id>/", runs.run, name="run"),
    path("runtime/runs/<int:run_id>/cancel/", runs.cancel, name="run-cancel"),
    path("runtime/dead-letters/", dead_letters.dead_letters, name="dead-letters"),
    path(
        "runtime/dead-letters/quarantined/<int:subscription>/<int:lane>/<int:position>/",
        dead_letters.quarantined,
        name="dead-letter",
    ),
    path(
        "runtime/dead-letters/parked/<int:subscription>/<int:lane>/<int:position>/",
        RedirectView.as_view(pattern_name="runtime:dead-letter", query_string=True),
        name="old-dead-letter",
    ),
    path("runtime/dead-letters/rejected/<int:number>/", dead_letters.rejected, name="rejected"),
    path("runtime/dead-letters/conflicts/<int:number>/", dead_letters.conflict, name="conflict"),
    re_path(
        r"^runtime/dead-letters/settle/(?P<kind>[a-z]+)/(?P<place>[0-9/]{1,60})/$",
        dead_letters.settle,
        name="dead-letter-settle",
    ),
    path("runtime/reconciliation/", reconciliation.reconciliation, name="reconciliation"),
    path("runtime/reconciliation/<slug:key>/", reconciliation.flow, name="reconciliation-flow"),
    path("runtime/reconciliation/<slug:key>/compare/", reconciliation.compare, name="reconciliation-compare"),
    path("runtime/recovery/", recovery.recovery, name="recovery"),
    path("runtime/retention/", retention.retention, name="retention"),
    path("runtime/replays/", replays.replays, name="replays"),
    path("runtime/replays/<int:replay_id>/", replays.replay, name="replay"),
    path("runtime/replays/<int:replay_id>/act/", replays.act, name="replay-act"),
    path("runtime/panels/replays/<path:subject>/", replays.panel, name="replay-panel"),
    path("runtime/trace/", traces.traces, name="traces"),
    path("runtime/stores/", stores.stores, name="stores"),
    path("runtime/vendors/", vendors.vendors, name="vendors"),
    path("runtime/vendors/<int:vendor_id>/", vendors.vendor, name="vendor"),
    path("runtime/schedules/", schedules.schedules, name="schedules"),
    path("runtime/schedules/<int:schedule_id>/", schedules.schedule, name="schedule"),
    path("runtime/panels/integrations/<slug:key>/", panels.deploy, name="integration-panel"),
    path("runtime/panels/deploy/<slug:key>/", panels.deploy, name="deploy-panel"),
    path("runtime/panels/apis/<slug:slug>/", panels.of_api, name="integrations-of-api"),
]
