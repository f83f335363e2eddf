"""Every address of the product. Rooms bring their own paths; the front door adds sign-in, health, documentation."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerView

from portal import accounts, api_document, health, home, ledger, metrics, search, styleguide, tokens

urlpatterns = [
    # First what is asked most often, by tills and pipelines: an address is found by trying one pattern after the other.
    path("api/v1/", include("runtime.api.urls")),
    path("api/v1/", include("governance.api.urls")),
    path("api/v1/", include("catalog.api.urls")),
    path("", home.home, name="home"),
    path("sign-in/", accounts.SignIn.as_view(), name="sign-in"),
    path("sign-out/", accounts.sign_out, name="sign-out"),
    path("styleguide/", styleguide.styleguide, name="styleguide"),
    path("search/", search.search, name="search"),
    path("ledger/", ledger.ledger, name="ledger"),
    re_path(r"^ledger/export\.(?P<form>csv|json)$", ledger.export, name="ledger-export"),
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
