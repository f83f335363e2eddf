"""The product's web application as a campaign serves it: its processes end with the one that started them, and a
planted bug is put in where `CAMPAIGN_PLANT` names one."""

from __future__ import annotations

import multiprocessing
import os
import threading

from kernel.processes import kill_with_parent
from portal.asgi import application

parent = multiprocessing.parent_process()
if parent is not None and parent.pid is not None and threading.current_thread() is threading.main_thread():
    kill_with_parent(parent.pid)
if plant := os.environ.get("CAMPAIGN_PLANT"):
    from tests.faults import plants

    plants.put_in(plant)

__all__ = ["application"]
