from django.apps import AppConfig
from django.conf import settings
from django.db.models.signals import post_migrate

from kernel import egress


class KernelConfig(AppConfig):
    name = "kernel"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Accounts, ledger and outbox"

    def ready(self) -> None:
        from kernel import request_charsets
        from kernel.model_triggers import never_left_out

        request_charsets.install()
        egress.configure(settings.EGRESS_SYSTEMS, settings.EGRESS_RECEIVERS)
        post_migrate.connect(never_left_out, sender=self)
