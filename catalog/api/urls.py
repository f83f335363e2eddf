"""Addresses below /api/v1/."""

from django.urls import path

from catalog.api import (
    agents,
    apis,
    campaigns,
    consumers,
    deprecations,
    drift,
    endpoints,
    imports,
    landscape,
    lint,
    people,
    provision,
    search,
    versions,
)

app_name = "catalog-api"

urlpatterns = [
    path("people", people.People.as_view(), name="people"),
    path("apis", apis.ApiList.as_view(), name="apis"),
    path("apis/bulk", apis.ApiBulk.as_view(), name="apis-bulk"),
    path("apis/enforcement", apis.ApiEnforcement.as_view(), name="apis-enforcement"),
    path("apis/<slug:slug>", apis.ApiDetail.as_view(), name="api"),
    path("apis/<slug:slug>/provision", provision.ApiProvision.as_view(), name="api-provision"),
    path("apis/<slug:slug>/providers/<slug:key>", provision.ApiProvider.as_view(), name="api-provider"),
    path("apis/<slug:slug>/scorecard", landscape.ApiScorecard.as_view(), name="api-scorecard"),
    path("apis/<slug:slug>/dependencies", landscape.ApiDependencies.as_view(), name="api-dependencies"),
    path("apis/<slug:slug>/versions", versions.VersionList.as_view(), name="versions"),
    path("apis/<slug:slug>/versions/<label:label>", versions.VersionDetail.as_view(), name="version"),
    path(
        "apis/<slug:slug>/versions/<label:label>/contract", versions.VersionContract.as_view(), name="version-contract"
    ),
    path(
        "apis/<slug:slug>/versions/<label:label>/withdrawal",
        versions.VersionWithdraw.as_view(),
        name="version-withdrawal",
    ),
    path(
        "apis/<slug:slug>/versions/<label:label>/endpoints",
        versions.VersionEndpoints.as_view(),
        name="version-endpoints",
    ),
    path(
        "apis/<slug:slug>/versions/<label:label>/comparison",
        versions.VersionComparison.as_view(),
        name="version-comparison",
    ),
    path("apis/<slug:slug>/versions/<label:label>/drift", drift.VersionDrift.as_view(), name="version-drift"),
    path("apis/<slug:slug>/versions/<label:label>/lint", lint.VersionLint.as_view(), name="version-lint"),
    path(
        "apis/<slug:slug>/versions/<label:label>/consumers",
        versions.VersionConsumers.as_view(),
        name="version-consumers",
    ),
    path("apis/<slug:slug>/versions/<label:label>/brown-outs", deprecations.BrownOuts.as_view(), name="brown-outs"),
    path(
        "apis/<slug:slug>/versions/<label:label>/brown-outs/<int:brown_out_id>/cancellation",
        deprecations.BrownOutCancellation.as_view(),
        name="brown-out-cancellation",
    ),
    path("deprecations", deprecations.DeprecationList.as_view(), name="deprecations"),
    path("contracts/readings", versions.ContractReading.as_view(), name="contract-readings"),
    path("contracts/<digest:digest>", versions.ContractBytes.as_view(), name="contract"),
    path("applications", consumers.ApplicationList.as_view(), name="applications"),
    path("applications/<slug:key>", consumers.ApplicationDetail.as_view(), name="application"),
    path("applications/<slug:key>/agent", agents.ApplicationAgent.as_view(), name="application-agent"),
    path("subscriptions", consumers.SubscriptionList.as_view(), name="subscriptions"),
    path("subscriptions/<int:subscription_id>", consumers.SubscriptionDetail.as_view(), name="subscription"),
    path(
        "subscriptions/<int:subscription_id>/decision",
        consumers.SubscriptionDecision.as_view(),
        name="subscription-decision",
    ),
    path("subscriptions/<int:subscription_id>/end", consumers.SubscriptionEnd.as_view(), name="subscription-end"),
    path("subscriptions/<int:subscription_id>/move", consumers.SubscriptionMove.as_view(), name="subscription-move"),
    path("campaigns", campaigns.CampaignList.as_view(), name="campaigns"),
    path("campaigns/<slug:key>", campaigns.CampaignDetail.as_view(), name="campaign"),
    path("usage", consumers.UsageReports.as_view(), name="usage"),
    path("search", search.Search.as_view(), name="search"),
    path("systems-of-record", landscape.SystemsOfRecord.as_view(), name="systems-of-record"),
    path("systems", landscape.SystemList.as_view(), name="systems"),
    path("systems/<slug:key>/provision", provision.SystemProvision.as_view(), name="system-provision"),
    path("systems/<slug:key>/endpoints", endpoints.SystemEndpointList.as_view(), name="system-endpoints"),
    path(
        "systems/<slug:key>/endpoints/<slug:environment>",
        endpoints.SystemEndpointDetail.as_view(),
        name="system-endpoint",
    ),
    path("environments", provision.EnvironmentList.as_view(), name="environments"),
    path("environments/<slug:key>/records", provision.EnvironmentRecords.as_view(), name="environment-records"),
    path("teams", landscape.TeamList.as_view(), name="teams"),
    path("dependencies", landscape.DependencyList.as_view(), name="dependencies"),
    path("dependencies/<int:dependency_id>", landscape.DependencyDetail.as_view(), name="dependency"),
    path("imports", imports.Imports.as_view(), name="imports"),
    path("imports/leaving", imports.Leaving.as_view(), name="imports-leaving"),
    path("imports/<int:run_id>", imports.ImportDetail.as_view(), name="import"),
]
