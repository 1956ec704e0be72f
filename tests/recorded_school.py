"""The simulated school with its metrics recorded as Prometheus would have scraped them, day by day."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import aiohttp

from qos_monitor import clock
from qos_monitor.simulation import plan as plans
from qos_monitor.simulation.driver import Driver, Step
from qos_monitor.simulation.expectations import dues
from qos_monitor.simulation.people import Morning
from qos_monitor.simulation.plan import TICK
from qos_monitor.simulation.post import Post
from qos_monitor.simulation.school import DAYS, MIDNIGHT
from qos_monitor.simulation.service import RunningService
from qos_monitor.simulation.stage import CLOCK, KEYS, ROSTER_TOKEN, stage
from rules.span import DAY, HOUR, Instant

PLAYED_MS = DAYS * DAY + 9 * HOUR


class Recording:
    """Samples of every target, one file of OpenMetrics text for each day of the play."""

    def __init__(self, folder: Path, targets: dict[str, str], shift_s: float) -> None:
        """Record these (job to address of its metrics); ``shift_s`` is added to the play's time."""
        self._folder = folder
        self._targets = targets
        self._shift_s = shift_s
        self._files: dict[int, list[str]] = {}
        self._last: Instant = 0

    async def take(self, session: aiohttp.ClientSession, now: Instant) -> None:
        """Scrape every target at this instant of the play, once for each instant."""
        if now <= self._last:
            return
        self._last = now
        lines = self._files.setdefault((now - MIDNIGHT) // DAY, [])
        at = f"{now / 1000 + self._shift_s:.3f}"
        for job, url in self._targets.items():
            mark = f'instance="{job}",job="{job}"'
            async with session.get(url) as answer:
                text = await answer.text()
            lines.append(f"up{{{mark}}} 1 {at}")
            lines += [_sample(line, mark, at) for line in text.splitlines() if line and not line.startswith("#")]

    def written(self) -> Sequence[Path]:
        """Write the files, and name them."""
        paths = []
        for number, lines in sorted(self._files.items()):
            path = self._folder / f"day-{number:+d}.txt"
            path.write_text("\n".join([*lines, "# EOF", ""]), encoding="utf-8")
            paths.append(path)
        return paths


class RecordingDriver(Driver):
    """Goes from one instant of the play to the next in steps no longer than a tick, and records at each."""

    def __init__(self, session: aiohttp.ClientSession, service: RunningService, file: Path, tape: Recording) -> None:
        """Play as the driver does, and record on the tape."""
        super().__init__(session, service, file)
        self._file, self._client, self._tape = file, session, tape
        self._at: Instant = MIDNIGHT

    async def _send(self, posts: Sequence[Post]) -> None:
        now = posts[0].sent_at
        await self._pass(now)
        await super()._send(posts)
        await self.settle("read")
        await self._tape.take(self._client, now)

    async def _settle(self, *jobs: str) -> None:
        now = clock.DrivenClock(self._file).now()
        await self._pass(now)
        await super()._settle(*jobs)
        await self._tape.take(self._client, now)

    async def _pass(self, now: Instant) -> None:
        """Let the time until then pass in steps; the clock may have leapt there already."""
        for at in range(self._at + TICK, now, TICK):
            clock.drive(self._file, at)
            await self._tape.take(self._client, at)
        clock.drive(self._file, now)
        self._at = max(self._at, now)


async def record(folder: Path, end_s: float) -> Sequence[Path]:
    """Play the whole school in ``folder / "play"``; the recording ends at ``end_s``. Answers its files."""
    plan = plans.make(1, KEYS)
    (folder / "play").mkdir()
    async with stage(folder / "play", 0) as set_up:
        targets = {
            "qos-monitor": f"{set_up.service.url}/metrics",
            "qos-simulation": set_up.receiver_url.replace("/claims", "/metrics"),
        }
        tape = Recording(folder, targets, end_s - (MIDNIGHT + PLAYED_MS + 1000) / 1000)
        driver = RecordingDriver(set_up.session, set_up.service, folder / "play" / CLOCK, tape)
        set_up.score.expect(dues(plan))
        await driver.put_roster(plan.school.roster(), ROSTER_TOKEN)
        await driver.play(plan, _quiet, Morning(replace(set_up, driver=driver)))
        set_up.score.end()
        await tape.take(set_up.session, MIDNIGHT + PLAYED_MS + 1000)
    return tape.written()


def _quiet(_: Step) -> None:
    """Tell nobody."""


def _sample(line: str, mark: str, at: str) -> str:
    name, _, value = line.rpartition(" ")
    bare, brace, rest = name.partition("{")
    rest = rest.replace('job="', 'exported_job="')  # as Prometheus keeps a metric's own label `job`
    return f"{bare}{{{mark}{',' + rest if brace else '}'} {value} {at}"
