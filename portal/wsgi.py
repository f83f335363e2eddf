"""The WSGI entry point for granian or any other server."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
application = get_wsgi_application()

from portal import process_reports  # noqa: E402 - needs the settings
from portal.guard.start import end_if_refused  # noqa: E402

end_if_refused()
process_reports.start("web")
