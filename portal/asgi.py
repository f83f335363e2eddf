"""The ASGI entry point, for granian or any other server: Django behind a front that no client can occupy."""

from __future__ import annotations

import multiprocessing
import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()

from django.conf import settings  # noqa: E402 - needs the settings
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.urls import get_resolver  # noqa: E402

from kernel.garbage_collection import collect_rarely  # noqa: E402
from kernel.processes import end_with_parent  # noqa: E402
from portal import process_reports  # noqa: E402
from portal.front.application import Front  # noqa: E402
from portal.readiness import Readiness  # noqa: E402

if multiprocessing.parent_process() is not None:  # a worker of a web server: none outlives its supervisor
    end_with_parent()
application = Front(WSGIHandler(), Readiness(), settings.MAX_REQUEST_BYTES)
process_reports.start("web")
get_resolver().url_patterns  # noqa: B018 - the first caller does not wait for all the views to be imported
collect_rarely(5_000)  # requests of DRF are cycles, each with its body
