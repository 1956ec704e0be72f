"""Lets what shares a process with the intake rest while webhooks come in a rush: they are answered first."""

import asyncio
from collections.abc import Callable

from qos_monitor import clock

RUSH_PER_S: float = 500.0
"""From so many webhooks a second on, reading rests as long as it worked: more than a large school sends."""

FLOOD_PER_S: float = 6_000.0
"""Where so many come over work and rest, it goes on resting: one process cannot read all that anyway, only take it."""

REST, REST_IN_FLOOD = 1.0, 10.0
"""So many times as long as the last run took."""

REST_S_MAX: float = 1.0
"""However many come: what was received is read in the end, and judging waits for it."""


def rest_s(rows: int, elapsed_s: float, worked_s: float, rested_s: float = 0.0) -> float:
    """Say how long to rest (on) after ``worked_s`` of work, when so many rows came in ``elapsed_s``, since it began."""
    per_s = rows / elapsed_s if elapsed_s > 0 else 0.0
    if per_s < (FLOOD_PER_S if rested_s else RUSH_PER_S):
        return 0.0
    times = REST_IN_FLOOD if rested_s else REST
    return max(min(times * worked_s, REST_S_MAX) - rested_s, 0.0)


class GivingWay:
    """Remembers one job's last run; ``rows`` tells how many the intake has taken so far."""

    def __init__(self, rows: Callable[[], int]) -> None:
        self._rows = rows
        self._rows_before = rows()
        self._began_s = self._ended_s = clock.stopwatch_s()

    async def begin(self) -> None:
        """Rest where that is due, then begin a run."""
        worked_s = self._ended_s - self._began_s
        rested_s = 0.0
        while pause_s := rest_s(
            self._rows() - self._rows_before, clock.stopwatch_s() - self._began_s, worked_s, rested_s
        ):
            await asyncio.sleep(pause_s)
            rested_s += pause_s
        self._rows_before, self._began_s = self._rows(), clock.stopwatch_s()
        self._ended_s = self._began_s

    def end(self) -> None:
        """End the run."""
        self._ended_s = clock.stopwatch_s()
