"""The runtime room. Its change kinds and inbox items are registered when Django is ready; governance knows them only as
data."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class RuntimeConfig(AppConfig):
    name = "runtime"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from kernel import acting
        from runtime.selectors import inbox
        from runtime.services import change_kinds, destination_kind, event_sight_rules, reader_checks, reading_kind

        acting.watch("runtime_integration", "runtime_retention")
        change_kinds.register_all()
        reading_kind.register()
        destination_kind.register()
        reader_checks.register()
        event_sight_rules.register_all()
        inbox.register_all()
        post_migrate.connect(_make_partitions, sender=self)


def _make_partitions(using: str, **_: Any) -> None:
    """The log has its months before the first message, whether or not a scheduler runs yet."""
    from runtime.services import log_partitions

    log_partitions.after_migrate(using)
