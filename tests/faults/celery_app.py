"""Plain Celery over Redis with every setting that its documentation calls safe; the subject that the campaign must
report."""

from __future__ import annotations

import functools
import os
import time

from celery import Celery
from kombu.transport.redis import QoS

app = Celery("plain", broker=os.environ.get("PLAIN_BROKER", "redis://127.0.0.1:1/0"))
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    task_ignore_result=True,
    task_default_queue="plain",
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={"visibility_timeout": 4, "socket_keepalive": True, "health_check_interval": 25},
)
# The sweep that gives back what was not acknowledged comes at every tenth poll of ten seconds; here at every poll,
# which only helps.
QoS.restore_visible = functools.partialmethod(QoS.restore_visible, interval=1)  # type: ignore[method-assign]


@app.task(name="plain.effect")
def effect(number: int) -> None:
    """The effect is a line in a file outside the broker; work before and after it takes a few milliseconds."""
    time.sleep(0.003)
    with open(os.environ["PLAIN_EFFECTS"], "a") as lines:
        lines.write(f"{number}\n")
    time.sleep(0.002)
