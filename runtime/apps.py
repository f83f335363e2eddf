"""The runtime room. Its change kinds and inbox items are registered when Django is ready; governance knows them only as
data."""

from django.apps import AppConfig


class RuntimeConfig(AppConfig):
    name = "runtime"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from runtime.selectors import inbox
        from runtime.services import change_kinds, reading_kind

        change_kinds.register_all()
        reading_kind.register()
        inbox.register_all()
