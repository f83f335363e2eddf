"""Workers that are gone leave the list of workers: at once where they stop cleanly; where they were killed, as soon as
somebody on their machine sees that the process is not there any more, else ten minutes after their last sign of life.
"""

from __future__ import annotations

import re
import socket
from typing import Any

from kernel import life_signs

SILENT_SECONDS = 30.0
GONE_SECONDS = 600.0

_SILENT_HERE = """
select name
  from runtime_worker
 where name like %s
   and beat_at < clock_timestamp() - make_interval(secs => %s)"""
_FORGET = """
delete from runtime_worker
 where (name = any(%s) and beat_at < clock_timestamp() - make_interval(secs => %s))
    or beat_at < clock_timestamp() - make_interval(secs => %s)"""


def forget(cursor: Any) -> int:
    """Returns how many rows went."""
    host = socket.gethostname()
    cursor.execute(_SILENT_HERE, (_prefix(host), SILENT_SECONDS))
    gone = [name for (name,) in cursor.fetchall() if _is_gone(name, host)]
    cursor.execute(_FORGET, (gone, SILENT_SECONDS, GONE_SECONDS))
    return int(cursor.rowcount)


def _prefix(host: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", host) + "-%"


def _is_gone(name: str, host: str) -> bool:
    number = name[len(host) + 1 :]
    return number.isdecimal() and not life_signs.exists(int(number))
