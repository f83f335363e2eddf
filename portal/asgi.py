"""The ASGI entry point, for granian or any other server: Django behind a front that no client can occupy."""

from __future__ import annotations

import multiprocessing
import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()

from django.conf import settings  # noqa: E402 - needs the settings
from django.urls import get_resolver  # noqa: E402

from kernel.garbage_collection import collect_rarely  # noqa: E402
from kernel.processes import end_with_parent  # noqa: E402
from portal import healthcheck, process_reports, role_checks  # noqa: E402
from portal.front.application import Front  # noqa: E402
from portal.front.callers import Callers  # noqa: E402
from portal.front.connections import Connections, per_address_of  # noqa: E402
from portal.front.identification import identify  # noqa: E402
from portal.front.proxies import proxies_of  # noqa: E402
from portal.front.short_way import TwoWays  # noqa: E402
from portal.front.warming import Warming, call_all  # noqa: E402
from portal.guard import telling  # noqa: E402
from portal.guard.start import end_if_refused  # noqa: E402
from portal.readiness import Look, Readiness  # noqa: E402
from runtime.services import warming  # noqa: E402

if multiprocessing.parent_process() is not None:  # a worker of a web server: none outlives its supervisor
    end_with_parent()
end_if_refused()
get_resolver().url_patterns  # noqa: B018 - the first caller does not wait for all the views to be imported


def warm() -> None:
    role_checks.say()
    telling.tell()
    warming.warm()
    call_all(application.django, application.places, healthcheck.served_host(",".join(settings.ALLOWED_HOSTS)))


proxies = proxies_of(os.environ)
application = Front(
    TwoWays(),
    Readiness(Look(Warming(warm).done)),
    settings.MAX_REQUEST_BYTES,
    connections=Connections(per_address_of(os.environ.get("WEB_CONNECTIONS_PER_ADDRESS", ""), proxies=proxies)),
    callers=Callers(proxies, settings.SESSION_COOKIE_NAME),
    identify=identify,
)
process_reports.start("web")
collect_rarely(5_000)  # requests of DRF are cycles, each with its body
