"""The Celery application. A message is only a wake-up: it carries ids, and losing or doubling it changes nothing."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("tillgate")
app.config_from_object("portal.settings:CELERY")
app.autodiscover_tasks(["catalog", "governance", "runtime", "portal"])
