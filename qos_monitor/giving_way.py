"""Lets what shares a process with the intake rest while webhooks come in a rush: they are answered first."""

import asyncio
from collections.abc import Callable

from qos_monitor import clock

RUSH_PER_S: float = 500.0
"""From so many webhooks a second on, reading rests: more than a large school sends, less than one process takes."""

REST: float = 3.0
"""So many times as long as the last run took."""

REST_BUSY: float = 10.0
"""So many times where the intake alone keeps the processor busy for half of that rest."""

REST_S_MAX: float = 1.0
"""However great the rush: what was received is read in the end, and judging waits for it."""


def rest_s(rows: int, elapsed_s: float, worked_s: float) -> float:
    """Say how long to rest after ``worked_s`` of work, when so many rows came in the ``elapsed_s`` since it began."""
    is_rush = elapsed_s > 0 and rows / elapsed_s >= RUSH_PER_S
    return min(REST * worked_s, REST_S_MAX) if is_rush else 0.0


def more_s(worked_s: float, rested_s: float, used_s: float) -> float:
    """Say how much longer to rest, when the process used so much processor time while it rested."""
    return min(REST_BUSY * worked_s, REST_S_MAX) - rested_s if used_s >= rested_s / 2 else 0.0


class GivingWay:
    """Remembers one job's last run; ``rows`` tells how many the intake has taken so far."""

    def __init__(self, rows: Callable[[], int]) -> None:
        self._rows = rows
        self._rows_before = rows()
        self._began_s = self._ended_s = clock.stopwatch_s()

    async def begin(self) -> None:
        """Rest where that is due, then begin a run."""
        worked_s = self._ended_s - self._began_s
        pause_s = rest_s(self._rows() - self._rows_before, clock.stopwatch_s() - self._began_s, worked_s)
        if pause_s:
            used_s = clock.processor_s()
            await asyncio.sleep(pause_s)
            await asyncio.sleep(more_s(worked_s, pause_s, clock.processor_s() - used_s))
        self._rows_before, self._began_s = self._rows(), clock.stopwatch_s()
        self._ended_s = self._began_s

    def end(self) -> None:
        """End the run."""
        self._ended_s = clock.stopwatch_s()
