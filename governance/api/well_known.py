"""Addresses of governance for machines outside /api/v1/; included at the root."""

from django.urls import path

from governance.api import statements

app_name = "governance-standards"
urlpatterns = [path(".well-known/tillgate-keys.json", statements.public_keys, name="statement-keys")]
