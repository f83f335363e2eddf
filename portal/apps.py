from django.apps import AppConfig
from django.conf import settings


class PortalConfig(AppConfig):
    name = "portal"
    verbose_name = "Portal"

    def ready(self) -> None:
        from kernel import log_lines
        from portal import wiring

        wiring.connect()
        if not settings.TESTING:
            log_lines.catch_the_rest()
