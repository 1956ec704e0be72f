"""Logs: one JSON line an event, no person, no secret."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
from service_parts import SetClock

from qos_monitor import logs


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Catch what is logged, and leave logging as it was."""
    root, ours = logging.getLogger(), logging.getLogger("qos_monitor")
    before = (root.handlers[:], root.level, ours.level)
    caught = io.StringIO()
    logs.start("info", SetClock(), caught)
    yield caught
    root.handlers[:], root.level, ours.level = before[0], before[1], before[2]


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_line_with_its_facts(stream: io.StringIO) -> None:
    logs.event("listening", port=8080, host="127.0.0.1")

    assert lines(stream) == [
        {"at": "2026-11-02T11:00:00.000Z", "level": "info", "event": "listening", "port": 8080, "host": "127.0.0.1"}
    ]


@pytest.mark.parametrize("now", [2**62, -(2**62)])
def test_a_clock_gone_wrong_does_not_spoil_the_line(now: int) -> None:
    record = logging.LogRecord("qos_monitor", logging.INFO, __file__, 1, "read", None, None)

    line = json.loads(logs.JsonLines(lambda: now).format(record))

    assert line["at"] == now


def test_an_error_is_told_by_class_and_place_never_by_its_text(stream: io.StringIO) -> None:
    try:
        int("learner u1 of row ('u1', 'secret')")
    except ValueError as error:
        logs.failure("job_failed", error, job="read")

    [line] = lines(stream)
    assert line["error"] == "ValueError"
    assert "test_logs" in str(line["where"])
    assert "u1" not in stream.getvalue()


def test_what_a_library_logs_keeps_its_template_and_loses_its_arguments(stream: io.StringIO) -> None:
    try:
        int("u1")
    except ValueError:
        logging.getLogger("sqlalchemy.pool").exception("row %s is gone\nfor ever", "u1")

    [line] = lines(stream)
    assert line["event"] == "library"
    assert line["template"] == "row %s is gone\nfor ever"
    assert line["error"] == "ValueError"
    assert "u1" not in stream.getvalue()
    assert stream.getvalue().count("\n") == 1
