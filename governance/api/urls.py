"""Addresses of the governance API."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver

app_name = "governance-api"
urlpatterns: list[URLPattern | URLResolver] = []
