"""Where vendors send their webhooks."""

from __future__ import annotations

from django.urls import path

from runtime.api import hooks

urlpatterns = [path("hooks/<slug:key>", hooks.ReceivedHook.as_view(), name="hook")]
