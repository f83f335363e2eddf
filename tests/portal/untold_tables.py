"""The tables whose rows no trigger tells in the ledger, each with the reason why none is needed."""

from __future__ import annotations

_OWN = "the ledger itself, and what orders it"
_SEEN = "what was seen, counted or worked out; it gives nobody a right"
_WORK = "work on its way and its outcomes; what may run is decided by approvals and deployments"
_CASE = "a part of a change; the decisions about it bind its digests, and they are on record"
_LAND = "a name or fact of the landscape that gives nobody a right; written by services with an entry"
_KNOB = "how somebody is told or how work is paced; it gives nobody a right and lets nothing run"
_READ_ONLY = "no role but the owner of the tables writes it"
_LIBRARY = "a table of Django or guardian that nothing of the product asks"

REASONS: dict[str, str] = {
    **dict.fromkeys(("kernel_auditentry", "kernel_auditlink", "kernel_ledgerturn", "kernel_writestamp"), _OWN),
    **dict.fromkeys(("auth_permission", "django_content_type", "django_migrations"), _READ_ONLY),
    **dict.fromkeys(
        (
            *("catalog_destination", "catalog_evidencetally", "governance_loosenedfact", "governance_releasetally"),
            "runtime_approveddestination",
        ),
        _READ_ONLY,
    ),
    **dict.fromkeys(
        ("django_admin_log", "django_session", "guardian_groupobjectpermission", "guardian_userobjectpermission"),
        _LIBRARY,
    ),
    "kernel_usersession": "a sign-in is told by the page that lets somebody in, with where from; by SQL it is not",
    "kernel_usedchallenge": "a challenge that was answered; without its row it could be answered again for minutes",
    "kernel_knownplace": "from where an account has signed in; it spares somebody a wait, and no password",
    "kernel_demomark": "admitted in an empty database alone, ends once; its end takes the demo's accounts away",
    **dict.fromkeys(("kernel_signinfailures", "kernel_signinlimit"), _SEEN),
    **dict.fromkeys(("kernel_outboxevent", "kernel_processmetrics", "kernel_replacedprocess"), _SEEN),
    **dict.fromkeys(
        (
            *("catalog_apifacets", "catalog_apisearch", "catalog_searchword", "catalog_savedsearch"),
            *("catalog_contract", "catalog_contractcomparison", "catalog_contractupload", "catalog_dailyjob"),
            *("catalog_importfile", "catalog_importrow", "catalog_importrun", "catalog_sunsetnotice"),
            "catalog_importedthing",
            "catalog_importschedule",
            *("catalog_operationuse", "catalog_usageday"),
        ),
        _SEEN,
    ),
    **dict.fromkeys(
        (
            *("catalog_apientity", "catalog_attributegroup", "catalog_businessentity", "catalog_brownout"),
            *("catalog_campaign", "catalog_dependency", "catalog_retailstore", "catalog_scopevalue"),
            "catalog_versionendpoint",
        ),
        _LAND,
    ),
    "catalog_apiversion": "its state moves by the steps of the lifecycle alone, and forward (triggers of the model)",
    "catalog_boundary": "written and ended under an approval alone (triggers of the model)",
    "catalog_contractrevision": "a proposal; a version takes another contract under an approval",
    **dict.fromkeys(
        (
            *(
                "governance_changeevent",
                "governance_changelink",
                "governance_changerequest",
                "governance_changesubject",
            ),
            *("governance_contributor", "governance_slot"),
        ),
        _CASE,
    ),
    **dict.fromkeys(
        (
            *("governance_notice", "governance_pipelinedelivery", "governance_pipelinereview"),
            *("governance_providercheck", "governance_verdict", "governance_webhookdelivery"),
        ),
        _SEEN,
    ),
    **dict.fromkeys(
        ("governance_provisionedperson", "governance_provisionedgroup", "governance_provisionedgroup_members"),
        "what a provider says of people and groups; it gives nobody a right, and each place in a team that a declared "
        "mapping then gives is told",
    ),
    "governance_absence": "somebody is away: a note that gives nobody a right",
    **dict.fromkeys(
        (
            *("runtime_alert", "runtime_alertentry", "runtime_alertsignal", "runtime_comparison", "runtime_database"),
            *("runtime_daysum", "runtime_daysumcursor", "runtime_dayspan", "runtime_dropped", "runtime_entitywrite"),
            *("runtime_indicator", "runtime_indicatorday", "runtime_indicatorperiod", "runtime_objective"),
            "runtime_sharedtoken",
            *("runtime_hookevent", "runtime_hooknotice", "runtime_hooksequence"),
            *("runtime_pin", "runtime_refusedcalls", "runtime_release", "runtime_rewind", "runtime_run"),
            *("runtime_runspan", "runtime_sourcealarm", "runtime_tillnumbers", "runtime_unkept", "runtime_worker"),
        ),
        _SEEN,
    ),
    **dict.fromkeys(
        (
            *("runtime_attempt", "runtime_conflict", "runtime_datedstate", "runtime_delivery", "runtime_erasure"),
            *("runtime_firing", "runtime_head", "runtime_key_epoch", "runtime_lane", "runtime_lane_sleep"),
            *("runtime_lanechange", "runtime_lanemark", "runtime_message", "runtime_progress", "runtime_quarantine"),
            *("runtime_readagain", "runtime_rejected", "runtime_replay", "runtime_source", "runtime_stream"),
            *("runtime_subscription", "runtime_validitymoment", "runtime_vendorstate"),
        ),
        _WORK,
    ),
    **dict.fromkeys(
        ("runtime_alertrule", "runtime_alertsilence", "runtime_objectivepolicy", "runtime_schedule"), _KNOB
    ),
}
