"""Addresses for machines outside /api/v1/; included at the root."""

from django.urls import path

from catalog.api import standards

app_name = "catalog-standards"
urlpatterns = [
    path(".well-known/api-catalog", standards.api_catalog, name="api-catalog"),
    path("catalog/changes.atom", standards.changes_feed, name="changes-feed"),
]
