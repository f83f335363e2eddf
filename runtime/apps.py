"""The runtime room. Its change kinds are registered when Django is ready; governance knows them only as data."""

from django.apps import AppConfig


class RuntimeConfig(AppConfig):
    name = "runtime"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from runtime.services.change_kinds import register_all

        register_all()
