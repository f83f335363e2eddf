"""The runtime room. Change kinds are registered when Django is ready; governance knows them only as data."""

from django.apps import AppConfig


class RuntimeConfig(AppConfig):
    name = "runtime"
    default_auto_field = "django.db.models.BigAutoField"
