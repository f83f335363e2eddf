"""Addresses of the governance pages."""

from __future__ import annotations

from django.urls import path, re_path

from governance.web import (
    absences,
    change_pages,
    decisions,
    deployment_pages,
    edit_change,
    freeze_pages,
    freeze_year,
    gate_pages,
    inbox,
    new_change,
    oidc,
    rule_pages,
    webhook_pages,
)

app_name = "governance"
urlpatterns = [
    path("sign-in/provider/", oidc.Start.as_view(), name="oidc-start"),
    path("sign-in/provider/callback/", oidc.Callback.as_view(), name="oidc-callback"),
    path("deployments/", deployment_pages.deployments, name="deployments"),
    path("inbox/", inbox.inbox, name="inbox"),
    path("inbox/read/", inbox.read_notices, name="read-notices"),
    path("changes/", inbox.all_changes, name="changes"),
    path("changes/new/", new_change.new_change, name="new-change"),
    path("changes/<int:change_id>/", change_pages.conversation, name="change"),
    path("changes/<int:change_id>/edit/", edit_change.edit_change, name="edit-change"),
    path("changes/<int:change_id>/differences/", change_pages.differences, name="differences"),
    path("changes/<int:change_id>/checks/", change_pages.checks, name="checks"),
    path("changes/<int:change_id>/checks/list/", change_pages.checks_fragment, name="checks-fragment"),
    path("changes/<int:change_id>/impact/", change_pages.impact, name="impact"),
    path("changes/<int:change_id>/evidence/", change_pages.evidence, name="evidence"),
    path("changes/<int:change_id>/decide/", decisions.decide, name="decide"),
    path("changes/<int:change_id>/retract/", decisions.retract, name="retract"),
    path("changes/<int:change_id>/take-back/", decisions.retract),  # the address in pages of older releases
    path("changes/<int:change_id>/comment/", decisions.comment, name="comment"),
    path("changes/<int:change_id>/submit/", decisions.submit, name="submit"),
    path("changes/<int:change_id>/withdraw/", decisions.withdraw, name="withdraw"),
    path("changes/<int:change_id>/link/", decisions.link, name="link"),
    path("changes/<int:change_id>/apply/", decisions.apply, name="apply"),
    path("changes/<int:change_id>/checks/run/", decisions.run_checks, name="run-checks"),
    path("changes/<int:change_id>/accept/", decisions.accept, name="accept"),
    path("away/", absences.away, name="away"),
    path("away/<int:delegation_id>/end/", absences.end_delegation, name="end-delegation"),
    path("policies/", rule_pages.policy_list, name="policies"),
    path("policies/new/", rule_pages.new_policy, name="new-policy"),
    path("policies/<int:policy_id>/", rule_pages.policy_detail, name="policy"),
    path("waivers/", rule_pages.waiver_list, name="waivers"),
    path("waivers/<int:waiver_id>/revoke/", rule_pages.revoke_waiver, name="revoke-waiver"),
    path("gate/", gate_pages.matrix, name="gate"),
    path("gate/applications/<slug:key>/", gate_pages.application, name="gate-application"),
    path("gate/verdicts/<int:verdict_id>/", gate_pages.verdict, name="verdict"),
    path("freezes/", freeze_pages.freeze_calendar, name="freezes"),
    path("freezes/year/", freeze_year.year, name="freeze-year"),
    path("freezes/agenda/", freeze_year.agenda, name="freeze-agenda"),
    path("freezes/<int:freeze_id>/end/", freeze_pages.end_freeze, name="end-freeze"),
    path("break-glass/", rule_pages.break_glass, name="break-glass"),
    path("webhooks/", webhook_pages.webhook_list, name="webhooks"),
    path("webhooks/<int:endpoint_id>/", webhook_pages.webhook_detail, name="webhook"),
    re_path(
        r"^webhooks/(?P<endpoint_id>[0-9]{1,18})/(?P<step>stop|start)/$",
        webhook_pages.switch_webhook,
        name="webhook-switch",
    ),
    path("webhooks/deliveries/<int:delivery_id>/replay/", webhook_pages.replay_delivery, name="replay-delivery"),
    re_path(
        r"^break-glass/(?P<case_id>[0-9]{1,18})/(?P<step>confirm|review|end)/$",
        rule_pages.break_glass_step,
        name="break-glass-step",
    ),
]
