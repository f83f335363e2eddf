from django.apps import AppConfig
from django.conf import settings

from kernel import egress


class KernelConfig(AppConfig):
    name = "kernel"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Accounts, ledger and outbox"

    def ready(self) -> None:
        egress.configure(settings.EGRESS_SYSTEMS, settings.EGRESS_RECEIVERS)
