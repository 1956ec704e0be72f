"""One JSON line per event on standard error; closed words and counts, never a person and never a secret."""

import json
import logging
import sys
from collections.abc import Callable
from typing import TextIO

from qos_monitor.clock import Clock
from rules.span import format_instant

_log = logging.getLogger("qos_monitor")

Value = str | int | float | bool | None


def event(name: str, level: int = logging.INFO, **facts: Value) -> None:
    """Log one event under a fixed name with its facts.

    Facts are counts, closed words and class names of errors. An error's own text is not a fact: a driver
    quotes rows in it.
    """
    _log.log(level, name, extra={"facts": facts})


def failure(name: str, error: BaseException, **facts: Value) -> None:
    """Log an error by its class and by where in our code it happened."""
    event(name, logging.ERROR, error=type(error).__name__, where=_where(error), **facts)


def _where(error: BaseException) -> str | None:
    frames = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}")
        trace = trace.tb_next
    ours = [frame for frame in frames if frame.startswith(("qos_monitor", "collectors", "rules"))]
    return " < ".join(reversed(ours[-3:])) or (frames[-1] if frames else None)


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON: at, level, event, and its facts.

    Of a record that is not ours only the logger and the template are written, never the arguments: a
    library's arguments may hold rows or addresses.
    """

    def __init__(self, now: Callable[[], int]) -> None:
        super().__init__()
        self._now = now

    def format(self, record: logging.LogRecord) -> str:
        """Write one line, without a line break at its end."""
        facts = getattr(record, "facts", None)
        line: dict[str, Value] = {"at": _written(self._now()), "level": record.levelname.lower()}
        if facts is None:
            line |= {"event": "library", "logger": record.name, "template": str(record.msg)[:200]}
        else:
            line |= {"event": record.getMessage(), **facts}
        if record.exc_info and record.exc_info[1] is not None:
            line |= {"error": type(record.exc_info[1]).__name__, "where": _where(record.exc_info[1])}
        return json.dumps(line, ensure_ascii=False, separators=(",", ":"))


def _written(now: int) -> Value:
    """Write the instant, or its number where a clock tells what no calendar has: a line is written in any case."""
    try:
        return format_instant(now)
    except OverflowError:
        return now


def start(level: str, clock: Clock, stream: TextIO | None = None) -> None:
    """Send every logger's records to the stream (standard error) as JSON lines. May be called again."""
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(JsonLines(clock.now))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    _log.setLevel(level.upper())
    # APScheduler warns each second that a job is still running; that is what max_instances=1 is for.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
