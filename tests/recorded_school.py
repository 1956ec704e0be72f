"""The simulated school with its metrics recorded as Prometheus would have scraped them, day by day."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import aiohttp
from school_surroundings import SEED, Surroundings, surroundings

from qos_monitor import clock
from qos_monitor.simulation import plan as plans
from qos_monitor.simulation.driver import Driver, Step
from qos_monitor.simulation.expectations import dues
from qos_monitor.simulation.people import Morning
from qos_monitor.simulation.plan import TICK
from qos_monitor.simulation.post import Post
from qos_monitor.simulation.school import DAYS, MIDNIGHT
from qos_monitor.simulation.stage import CLOCK, KEYS, ROSTER_TOKEN, Stage, stage
from rules.span import DAY, HOUR, MINUTE, SECOND, Instant

RULES = Path(__file__).parents[1] / "rules" / "prometheus"
ENDS_AT: Instant = MIDNIGHT + DAYS * DAY + 9 * HOUR + SECOND
EVENING = (16 * HOUR, 21 * HOUR)
"""When there are classes, and a sample every tick."""
NIGHT_STEP = 2 * HOUR
HOLD = 2 * MINUTE
_PATIENCE_S = 60
_TRIES = 20
_OUTBOX = 'qos_outbox_claims{instance="qos-monitor",job="qos-monitor"}'
Relay = Callable[[str], Awaitable[None]]
"""Waits until a run of this background job has ended."""
ASKED_BY_RULES = frozenset(
    name
    for file in ("recording.yml", "alerts.yml")
    for name in re.findall(r"(?<![:\w])(?:up|qos_\w+)(?![:\w])", (RULES / file).read_text(encoding="utf-8"))
)


class Recording:
    """Samples of every target, one file of OpenMetrics text for each day of the play.

    The play leaps and the text has no word for "gone", so what was told is held: told again between two samples, as it
    would be to whoever scraped more often, and told once as 0 when it is told no more. Of histograms only what rules
    ask for.
    """

    def __init__(self, folder: Path, targets: Mapping[str, str]) -> None:
        """Record these (job to address of its metrics)."""
        self._folder = folder
        self._targets = targets
        self._files: dict[int, list[str]] = {}
        self._last: Instant = 0
        self._held: dict[str, str] = {}

    async def take(self, session: aiohttp.ClientSession, now: Instant, relay: Relay | None = None) -> None:
        """Scrape every target at this instant of the play, once for each instant.

        With ``relay`` what is in the outbox is sent before: however slow the machine, the play's nights are long.
        """
        if now <= self._last:
            return
        self._hold_until(now)
        self._last = now
        told = await self._scraped(session)
        for _ in range(_TRIES):
            if relay is None or float(told[_OUTBOX]) == 0:
                break
            await relay("relay")
            told = await self._scraped(session)
        gone = dict.fromkeys(self._held.keys() - told.keys(), "0")
        self._held = {series: value for series, value in told.items() if _is_held(series)}
        self._write(told | gone, now)

    async def _scraped(self, session: aiohttp.ClientSession) -> dict[str, str]:
        told: dict[str, str] = {}
        for job, url in self._targets.items():
            mark = f'instance="{job}",job="{job}"'
            text = await _fresh(session, url)
            told[f"up{{{mark}}}"] = "1"
            samples = (line for line in text.splitlines() if line and not line.startswith("#"))
            told |= dict(_sample(line, mark) for line in samples)
        return told

    def _hold_until(self, now: Instant) -> None:
        if not self._last:
            return
        step = HOLD if now - self._last <= TICK else TICK
        for at in range(self._last + step, now, step):
            self._write(self._held, at)

    def _write(self, told: Mapping[str, str], at: Instant) -> None:
        lines = self._files.setdefault((at - MIDNIGHT) // DAY, [])
        lines += [f"{series} {value} {at / SECOND:.3f}" for series, value in told.items()]

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

    def __init__(self, set_up: Stage, tape: Recording, around: Surroundings) -> None:
        """Play as the driver does, and record on the tape."""
        super().__init__(set_up.session, set_up.service, set_up.folder / CLOCK)
        self._file, self._set_up, self._tape, self._around = set_up.folder / CLOCK, set_up, tape, around
        self._at = self._due = MIDNIGHT

    def _set(self, now: Instant) -> None:
        self._due = now

    async def _send(self, posts: Sequence[Post]) -> None:
        await self.catch_up()
        await super()._send(posts)
        for post in self._around.forged(self._at):
            url = f"{self._set_up.service.url}{post.path}"
            async with self._set_up.session.post(url, data=post.body, headers=post.headers) as answer:
                assert answer.status in (401, 404)
        await self.settle("read")
        await self._tape.take(self._set_up.session, self._at)

    async def _settle(self, *jobs: str) -> None:
        await self.catch_up()
        await super()._settle(*jobs)
        await self._tape.take(self._set_up.session, self._at, self.settle)

    async def catch_up(self) -> None:
        """Let the time until the play's next instant pass, in steps."""
        while (at := self._at + (TICK if _is_evening(self._at) else NIGHT_STEP)) < self._due:
            self._go(at)
            await self.settle("judge")
            if not _is_evening(at):
                await self.settle("relay")  # a claim on its way would be two hours old, and not believed
            await self._tape.take(self._set_up.session, at, None if _is_evening(at) else self.settle)
        self._go(self._due)

    def _go(self, at: Instant) -> None:
        clock.drive(self._file, at)
        self._around.go(at)
        self._at = at


async def record(folder: Path) -> Sequence[Path]:
    """Play the whole school in ``folder / "play"``, recorded in the play's own time. Answers the files."""
    plan = plans.make(SEED, KEYS)
    file = folder / "play" / CLOCK
    file.parent.mkdir()
    clock.drive(file, MIDNIGHT - DAY)
    async with (
        surroundings(plan, clock.DrivenClock(file)) as around,
        stage(file.parent, 0, around.settings) as set_up,
    ):
        targets = {
            "qos-monitor": f"{set_up.service.url}/metrics",
            "qos-simulation": set_up.receiver_url.replace("/claims", "/metrics"),
        }
        tape = Recording(folder, targets)
        driver = RecordingDriver(set_up, tape, around)
        set_up.score.expect(dues(plan))
        await driver.put_roster(plan.school.roster(), ROSTER_TOKEN)
        people = Morning(replace(set_up, driver=driver))

        async def morning() -> None:
            await driver.catch_up()
            await people()

        await driver.play(plan, _quiet, morning)
        set_up.score.end()
        await tape.take(set_up.session, ENDS_AT)
    return tape.written()


def _quiet(_: Step) -> None:
    """Tell nobody."""


def _is_evening(at: Instant) -> bool:
    return EVENING[0] <= (at - MIDNIGHT) % DAY < EVENING[1]


async def _fresh(session: aiohttp.ClientSession, url: str) -> str:
    """Scrape until what is in the database was read after this call."""
    began_s = clock.stopwatch_s()
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            async with session.get(url) as answer:
                text = await answer.text()
            age = re.search(r"^qos_reading_age_seconds (.+)$", text, re.MULTILINE)
            if age is None or float(age[1]) < clock.stopwatch_s() - began_s:
                return text


def _sample(line: str, mark: str) -> tuple[str, str]:
    name, _, value = line.rpartition(" ")
    bare, brace, rest = name.partition("{")
    rest = rest.replace('job="', 'exported_job="')  # as Prometheus keeps a metric's own label `job`
    return f"{bare}{{{mark}{',' + rest if brace else '}'}", value


def _is_held(series: str) -> bool:
    name = series.partition("{")[0]
    return name in ASKED_BY_RULES or not name.endswith("_bucket")
