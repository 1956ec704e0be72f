"""`qos-monitor demo`: ten days of a school with planted faults, played against the real service."""

import argparse
import asyncio
import hashlib
import json
import re
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from qos_monitor import clock
from qos_monitor.claims import bundle
from qos_monitor.errors import QosError
from qos_monitor.simulation import plan as plans
from qos_monitor.simulation.driver import Step
from qos_monitor.simulation.expectations import dues
from qos_monitor.simulation.faults import PLANTED, Cause
from qos_monitor.simulation.people import HEADERS, Morning
from qos_monitor.simulation.plan import Plan
from qos_monitor.simulation.report import Outcome, day_name, lines
from qos_monitor.simulation.school import MIDNIGHT
from qos_monitor.simulation.stage import CLOCK, KEYS, ROSTER_TOKEN, TOKEN, Stage, stage
from rules.span import DAY, HOUR, MINUTE

FOLDER = Path("var") / "demo"
_LOOK_S = 0.5
_VERDICT = re.compile(r'qos_verdicts\{.*verdict="(\w+)"')


async def run(argv: Sequence[str]) -> int:
    """Play, report, and keep serving until Ctrl-C; with ``--once`` end after the report.

    Answers 0 where every claim that was expected arrived and no other, else 1.
    """
    options = _parser().parse_args(argv)
    _stop_on(signal.SIGTERM, signal.SIGHUP)
    try:
        return await _play(_emptied(options.folder), options)
    except asyncio.CancelledError:
        _say("", "Stopped before the end.")
        return 1
    except QosError as error:
        print(error, file=sys.stderr)
        return 1


def _stop_on(*signals: signal.Signals) -> None:
    """End as on Ctrl-C, which asyncio sees to itself: the service must not be left behind."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine that runs is in a task
    for each in signals:
        asyncio.get_running_loop().add_signal_handler(each, task.cancel)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="qos-monitor demo", description="A school with planted faults.")
    parser.add_argument("--once", action="store_true", help="end after the report instead of serving on")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another school (1)")
    parser.add_argument("--port", type=int, default=8080, help="of the service; a free one if it is taken (8080)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="emptied first (var/demo)")
    return parser


def _emptied(folder: Path) -> Path:
    """Make the folder new: what a play before left would be judged again. Refuses one that is not a play's."""
    folder = folder.resolve()
    if folder.exists() and any(folder.iterdir()) and not (folder / CLOCK).exists():
        raise QosError(f"{folder} holds something else than a demo; give an empty folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


async def _play(folder: Path, options: argparse.Namespace) -> int:
    started = clock.stopwatch_s()
    plan = plans.make(options.seed, KEYS)
    async with stage(folder, options.port) as set_up:
        _introduce(plan, set_up)
        set_up.score.expect(dues(plan))
        await set_up.driver.put_roster(plan.school.roster(), ROSTER_TOKEN)
        morning = Morning(set_up)
        await set_up.driver.play(plan, Progress(set_up, morning, len(plan.posts)).tell, morning)
        set_up.score.end()
        outcome = await _outcome(plan, set_up, morning)
        _say(*lines(outcome), f"  ten days in {clock.stopwatch_s() - started:.0f} seconds")
        if not options.once:
            await _serve_on(set_up, outcome)
    return 0 if outcome.is_right else 1


def _introduce(plan: Plan, set_up: Stage) -> None:
    school = plan.school
    _say(
        f"A school of {len(school.learners)} learners and {len(school.lessons)} classes, half over Agora, half over "
        "LiveKit, lives through ten days.",
        f"{len(plan.posts):,} signed webhooks and beacons are sent over HTTP to the real service; some come late, "
        "some twice, none in order.",
        "",
        f"  the service        {set_up.service.url}  (its own process; SQLite and log in {_short(set_up.folder)}/)",
        f"  the refund system  {set_up.receiver_url}  (verifies every signature, then accepts and pays)",
        "",
    )


class Progress:
    """One line a day, counted up while the day lasts where the output is a terminal."""

    def __init__(self, set_up: Stage, morning: Morning, total: int) -> None:
        """Count the claims at the receiver, and the requests towards this total."""
        self._receiver = set_up.receiver
        self._morning = morning
        self._total = total
        self._is_live = sys.stdout.isatty()

    def tell(self, step: Step) -> None:
        """Show where the play stands; a day is over when the people have been in."""
        is_over = len(self._morning.released) > step.day
        local = (step.now - MIDNIGHT) % DAY
        hour = f"{local // HOUR:02d}:{local % HOUR // MINUTE:02d}"
        share = f"{step.sent:>6,} of {self._total:,} requests"
        held = self._morning.released[step.day] if is_over else 0
        note = f"  ({held} waited for a person)" if held else ""
        line = f"  {day_name(step.day)}  {share}  {len(self._receiver.received):>4} claims{note}"
        if is_over:
            _say(f"\r{line:<90}" if self._is_live else line)
        elif self._is_live:
            print(f"\r{line}  {hour}", end="", flush=True)


async def _outcome(plan: Plan, set_up: Stage, morning: Morning) -> Outcome:
    received = [one.message for one in set_up.receiver.received.values()]
    (set_up.folder / "claims.json").write_text(json.dumps(received, indent=1, ensure_ascii=False), "utf-8")
    why_not = {planted.cause: await _why_not(plan, set_up, planted.cause) for planted in PLANTED if not planted.is_owed}
    name, differences = await _evidence(set_up, received)
    return Outcome(
        plan=plan,
        dues=dues(plan),
        received=received,
        refused=set_up.receiver.refused,
        why_not=why_not,
        released=morning.released,
        verdicts=await _verdicts(set_up),
        bundle=name,
        bundle_is_equal=not differences,
    )


async def _why_not(plan: Plan, set_up: Stage, cause: Cause) -> str:
    """Ask the service about one learner whom this befell, in the last class it befell them."""
    learner, class_id = [seat for seat, fate in plan.fates.items() if fate.cause is cause][-1]
    url = f"{set_up.service.url}/v1/learners/{learner}/timeline"
    async with set_up.session.get(url, headers=HEADERS) as answer:
        listed = (await answer.json())["classes"]
    verdict = next(entry["verdict"] for entry in listed if entry["class_id"] == class_id)
    return f"{verdict['verdict']}: {verdict['why']}"


async def _verdicts(set_up: Stage) -> Mapping[str, int]:
    counts: Counter[str] = Counter()
    for name, value in (await set_up.driver.meter.read()).items():
        found = _VERDICT.match(name)
        if found:
            counts[found[1]] += int(value)
    return counts


async def _evidence(set_up: Stage, received: Sequence[Mapping[str, object]]) -> tuple[str, Sequence[str]]:
    """Fetch the evidence of one refund, keep it, hold its hash against the claim, and judge it again."""
    refund = next((one for one in received if one["kind"] == "refund"), None)
    evidence = refund and refund["evidence"]
    if not isinstance(evidence, dict):
        return "no evidence", ["no refund came"]
    async with set_up.session.get(str(evidence["url"]), headers=HEADERS) as answer:
        body = await answer.read()
    file = set_up.folder / "bundle.json"
    file.write_bytes(body)
    is_same = hashlib.sha256(body).hexdigest() == evidence["sha256"]
    return _short(file), bundle.verify(body) if is_same else ["another hash than the claim says"]


async def _serve_on(set_up: Stage, outcome: Outcome) -> None:
    url = set_up.service.url
    _say(
        "",
        "The service keeps running, its clock standing at the last morning. Look around, then press Ctrl-C:",
        f"  curl {url}/metrics",
        f"  curl {set_up.receiver_url.removesuffix('/claims')}/metrics     (false and missed refunds)",
        f"  curl -H 'Authorization: Bearer {TOKEN}' '{url}/v1/cases?kind=refund'",
        f"  curl -H 'Authorization: Bearer {TOKEN}' {url}/v1/learners/{outcome.dues[0].learner_id}/timeline",
        f"  {_program()} verify {outcome.bundle}",
        f"Every claim, as it was received: {_short(set_up.folder / 'claims.json')}",
    )
    try:
        while True:
            set_up.service.check()
            await asyncio.sleep(_LOOK_S)
    except asyncio.CancelledError:
        _say("", "Stopping.")


def _program() -> str:
    """Write this program as one would type it here."""
    called = Path(sys.argv[0])
    return "python -m qos_monitor" if called.name == "__main__.py" else _short(called)


def _short(path: Path) -> str:
    """Write a path as one would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _say(*words: str) -> None:
    print("\n".join(words), flush=True)
