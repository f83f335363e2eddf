"""Addresses of the catalog's pages."""

from django.urls import path

from catalog.web import (
    api_pages,
    applications,
    brown_outs,
    browse,
    campaigns,
    compare,
    dependencies,
    deprecations,
    imports,
    register,
    scorecards,
    subscriptions,
    systems_of_record,
    teams,
)

app_name = "catalog"

urlpatterns = [
    path("catalog/", browse.apis, name="apis"),
    path("catalog/searches/", browse.save_search, name="save-search"),
    path("catalog/register/", register.register, name="register"),
    path("catalog/apis/<slug:slug>/", api_pages.overview, name="api"),
    path("catalog/apis/<slug:slug>/definition/", api_pages.definition, name="definition"),
    path("catalog/apis/<slug:slug>/versions/", api_pages.versions, name="versions"),
    path("catalog/apis/<slug:slug>/versions/add/", register.add_version, name="add-version"),
    path("catalog/apis/<slug:slug>/versions/<label:label>/", api_pages.version, name="version"),
    path("catalog/apis/<slug:slug>/versions/<label:label>/brown-outs/", brown_outs.planned, name="brown-outs"),
    path(
        "catalog/apis/<slug:slug>/versions/<label:label>/brown-outs/<int:brown_out_id>/cancel/",
        brown_outs.cancel,
        name="cancel-brown-out",
    ),
    path("catalog/apis/<slug:slug>/compare/", compare.compare, name="compare"),
    path("catalog/apis/<slug:slug>/consumers/", api_pages.consumers_tab, name="consumers"),
    path("catalog/apis/<slug:slug>/changes/", api_pages.changes, name="changes"),
    path("catalog/apis/<slug:slug>/integrations/", api_pages.integrations, name="integrations"),
    path("catalog/apis/<slug:slug>/edit/", register.edit, name="edit"),
    path("catalog/apis/<slug:slug>/subscribe/", subscriptions.subscribe, name="subscribe"),
    path("catalog/subscriptions/", subscriptions.subscriptions_list, name="subscriptions"),
    path("catalog/subscriptions/<int:subscription_id>/", subscriptions.decide, name="subscription"),
    path("catalog/subscriptions/<int:subscription_id>/move/", subscriptions.move, name="move-subscription"),
    path("catalog/dependencies/", dependencies.dependencies, name="dependencies"),
    path("catalog/deprecations/", deprecations.board, name="deprecations"),
    path("catalog/scorecards/", scorecards.scorecards_page, name="scorecards"),
    path("catalog/campaigns/", campaigns.listed, name="campaigns"),
    path("catalog/campaigns/begin/", campaigns.begin, name="begin-campaign"),
    path("catalog/campaigns/<slug:key>/", campaigns.campaign, name="campaign"),
    path("catalog/campaigns/<slug:key>/edit/", campaigns.edit, name="edit-campaign"),
    path("catalog/applications/", applications.listed, name="applications"),
    path("catalog/applications/add/", applications.add, name="add-application"),
    path("catalog/applications/<slug:key>/", applications.application, name="application"),
    path("catalog/applications/<slug:key>/edit/", applications.edit, name="edit-application"),
    path("catalog/imports/", imports.imports, name="imports"),
    path("catalog/imports/<int:run_id>/", imports.import_run, name="import"),
    path("systems-of-record/", systems_of_record.systems_of_record, name="systems-of-record"),
    path("teams/", teams.teams, name="teams"),
    path("teams/<slug:key>/", teams.team, name="team"),
]
