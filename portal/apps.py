from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.core import checks


class PortalConfig(AppConfig):
    name = "portal"
    verbose_name = "Portal"

    def ready(self) -> None:
        from kernel import log_lines, sessions
        from portal import celery, wiring
        from portal.guard.checks import ready_for_production

        checks.register(ready_for_production, "security", deploy=True)
        celery.app.set_default()  # every process wakes workers at our broker, not at the one Celery supposes
        wiring.connect()
        user_logged_in.connect(sessions.signed_in, dispatch_uid="tillgate-session-began")
        user_logged_out.connect(sessions.signed_out, dispatch_uid="tillgate-session-ended")
        if not settings.TESTING:
            log_lines.catch_the_rest()
