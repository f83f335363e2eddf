"""Lines of the log, as text or as JSON (`LOG_FORMAT`), both without what must not leave (`kernel.redaction`).

A line says which request, message, run and trace it is about, where that is known: by `about`, in this thread.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import orjson

from kernel import tracing
from kernel.redaction import redact
from kernel.request import request_id

_about: ContextVar[dict[str, str | int] | None] = ContextVar("tillgate_log_about", default=None)
log = logging.getLogger(__name__)
LONGEST = 16_000  # characters of a message or a traceback
# What a terminal obeys, or what some reader takes for the end of a line or turns the direction of the text with.
_ENDS_A_LINE = "\x85\u2028\u2029"
_NO_TEXT = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f{_ENDS_A_LINE}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_IN_JSON = re.compile(rf"[\x7f-\x9f{_ENDS_A_LINE}]")  # what JSON itself does not escape


def _safe(text: str) -> str:
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"
    return redact(text)


@contextmanager
def about(**names: str | int) -> Iterator[None]:
    """Within the block every line carries these: `run_id`, `correlation_id`, `integration`."""
    token = _about.set({**(_about.get() or {}), **names})
    try:
        yield
    finally:
        _about.reset(token)


class TextLines(logging.Formatter):
    """`2026-11-29 16:01:02,345 WARNING runtime.worker.loop the database is not reachable`. Further lines of a message
    or a traceback are set in, so that none looks like a record of its own; control characters are shown as `\\x1b`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if not text.isprintable():
            text = _NO_TEXT.sub(_escaped, text.replace("\r\n", "\n").replace("\n", "\n  "))
        return _safe(text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


class JsonLines(logging.Formatter):
    """One JSON object a line. `fields` of the record, a dictionary of plain values, become members."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _safe(record.getMessage()),
            "process": record.process,
        }
        line |= _of_this_thread()
        for name, value in (getattr(record, "fields", None) or {}).items():
            line[name] = redact(value) if isinstance(value, str) else value
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
            line["traceback"] = _safe(self.formatException(record.exc_info))
        made = orjson.dumps(line, default=str).decode()
        return made if made.isascii() else _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", made)


def _of_this_thread() -> dict[str, str | int]:
    found: dict[str, str | int] = {}
    if request := request_id():
        found["request_id"] = redact(request)
    for name, value in (_about.get() or {}).items():
        found[name] = redact(value) if isinstance(value, str) else value
    if trace := tracing.current():
        found["trace_id"], found["span_id"] = trace[3:35], trace[36:52]
    return found


def catch_the_rest() -> None:
    """What nobody has caught is a line of the log, too, not a bare traceback."""
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    log.critical("this process ends with an error that nobody has caught", exc_info=(kind, error, trace))


def _uncaught_in_thread(what: threading.ExceptHookArgs) -> None:
    if what.exc_value is None or what.exc_type is SystemExit:
        return
    name = what.thread.name if what.thread is not None else "a thread"
    log.critical("%s ends with an error", name, exc_info=(what.exc_type, what.exc_value, what.exc_traceback))
