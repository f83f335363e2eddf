"""Every address of the product. Rooms bring their own paths; the front door adds sign-in, health, documentation."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerView

from portal import (
    account,
    accounts,
    api_document,
    confirm,
    factor_pages,
    health,
    home,
    installation,
    ledger,
    mail_change,
    metrics,
    people,
    search,
    second_step,
    styleguide,
    tokens,
)

urlpatterns = [
    # First what is asked most often, by tills and pipelines: an address is found by trying one pattern after the other.
    path("api/v1/", include("runtime.api.urls")),
    path("api/v1/", include("governance.api.urls")),
    path("api/v1/", include("catalog.api.urls")),
    path("", include("runtime.api.hook_urls")),
    path("scim/v2/", include("governance.api.scim.urls")),
    path("", home.home, name="home"),
    path("sign-in/", accounts.SignIn.as_view(), name="sign-in"),
    path("sign-in/second/", second_step.step, name="second-step"),
    path("sign-in/second/add/", second_step.add, name="second-step-add"),
    path("sign-in/second/cancel/", second_step.cancel, name="second-step-cancel"),
    path("sign-out/", accounts.sign_out, name="sign-out"),
    path("styleguide/", styleguide.styleguide, name="styleguide"),
    path("search/", search.search, name="search"),
    path("ledger/", ledger.ledger, name="ledger"),
    re_path(r"^ledger/export\.(?P<form>csv|json)$", ledger.export, name="ledger-export"),
    path("settings/account/", account.account, name="account"),
    path("settings/account/details/", account.details, name="account-details"),
    path("settings/account/mail/<str:told>/", mail_change.arrived, name="account-mail"),
    path("settings/account/password/", account.password, name="account-password"),
    path("settings/account/sessions/end/", account.sign_out_elsewhere, name="account-sessions-end"),
    path("settings/account/confirm/", confirm.confirm, name="account-confirm"),
    path("settings/account/app/", factor_pages.add_app, name="account-app"),
    path("settings/account/passkey/", factor_pages.add_passkey, name="account-passkey"),
    path("settings/account/factors/<int:number>/rename/", factor_pages.rename, name="account-factor-rename"),
    path("settings/account/factors/<int:number>/remove/", factor_pages.remove, name="account-factor-remove"),
    path("settings/account/recovery-codes/", factor_pages.new_codes, name="account-recovery-codes"),
    path("people/<int:person_id>/", people.person, name="person"),
    path("settings/installation/", installation.installation, name="installation"),
    path("settings/tokens/", tokens.settings, name="tokens"),
    path("settings/tokens/<int:token_id>/revoke/", tokens.revoke, name="token-revoke"),
    path("health/live", health.live, name="live"),
    path("health/ready", health.ready, name="ready"),
    path("metrics", metrics.metrics, name="metrics"),
    path("", include("catalog.api.well_known")),
    path("", include("governance.api.well_known")),
    path("", include("catalog.web.urls")),
    path("", include("governance.web.urls")),
    path("", include("runtime.web.urls")),
    path("api/schema/", api_document.ApiDocument.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="api-docs"),
    path("api/redoc/", SpectacularRedocView.as_view(url_name="schema"), name="api-redoc"),
    path("admin/login/", accounts.administration_door),
    path("admin/", admin.site.urls),
]

handler400 = "portal.errors.bad_request"
handler403 = "portal.errors.forbidden"
handler404 = "portal.errors.not_found"
handler500 = "portal.errors.server_error"
