"""What judging costs per (learner, class) pair as a school grows, and folding as a share of its learners changes.

`python tests/bench/judging.py 1000 10000 100000 1000000`; run by `make bench`. Each size is a process of its own on a
SQLite file, so that its peak of memory can be read; processor time is counted, for the ratio must hold on a machine
that does other things too. What counts is how the cost of one pair changes with the size, and the memory above what
the program takes before it judges anything.
"""

import argparse
import asyncio
import json
import logging
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uvloop
from lessons import PAIRS_A_WINDOW, Lessons
from plotted import Line, plot
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import filing, judging
from qos_monitor.claims.breaker import BreakerLimits
from qos_monitor.claims.calendar import is_working_day_in_china
from qos_monitor.claims.desk import FilingOptions
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import learners
from rules import policy as policies

SIZES: tuple[int, ...] = (1_000, 10_000, 100_000)
DIRTY: tuple[float, ...] = (0.01, 0.1, 1.0)

Numbers = dict[str, float]


async def _judge_all(engine: AsyncEngine, now: int) -> float:
    """Judge until nothing is due; answer the processor seconds."""
    policy = policies.default()
    limits = BreakerLimits(25, {})
    settle = filing.settler(policy, FilingOptions(is_working_day_in_china, "https://qos.school.example", limits))
    began = time.process_time()
    while await judging.judge_due(engine, policy, is_working_day_in_china, now, settle):
        pass
    return time.process_time() - began


async def _dirty(engine: AsyncEngine, share: float, now: int) -> int:
    """Have this share of the learners looked at again; answer how many that are."""
    step = round(1 / share)
    statement = update(learners).where(learners.c.id.like("%0" if step == 10 else "%00" if step == 100 else "%"))
    async with storage.writing(engine) as conn:
        return int((await conn.execute(statement.values(look_again_at=now))).rowcount)


async def one(pairs: int) -> Numbers:
    """Judge a school of so many pairs, and then fold a hundredth, a tenth and all of its learners again."""
    lessons = Lessons(pairs)
    with tempfile.TemporaryDirectory() as folder:
        engine = storage.create(f"sqlite+aiosqlite:///{Path(folder) / 'school.sqlite3'}")
        await storage.migrate(engine)
        await lessons.fill(engine)
        await lessons.due_all(engine)
        before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        spent = await _judge_all(engine, lessons.over_at)
        found: Numbers = {"pairs": pairs, "learners": lessons.learner_count, "pair_us": spent / pairs * 1e6}
        found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        found["grown_mib"] = found["peak_mib"] - before_kib / 1024
        for share in DIRTY:
            count = await _dirty(engine, share, lessons.over_at)
            spent = await _judge_all(engine, lessons.over_at)
            found[f"refold_{share:g}_us"] = spent / max(count, 1) * 1e6
        await engine.dispose()
    return found


def _in_a_process(pairs: int) -> Numbers:
    told = subprocess.run([sys.executable, __file__, "--one", str(pairs)], stdout=subprocess.PIPE, check=True)
    found: Numbers = json.loads(told.stdout)
    return found


HEAD = "| pairs | learners | CPU a pair | x | peak memory | grown by | a refolded learner: 1 % | 10 % | all |\n"
HEAD += "|" + "---|" * 9


def _row(found: Numbers, smallest: Numbers) -> str:
    """Write a row for people; x is the cost of a pair beside that of the smallest school."""
    times = found["pair_us"] / smallest["pair_us"]
    folds = " | ".join(f"{found[f'refold_{share:g}_us']:,.0f} µs" for share in DIRTY)
    return (
        f"| {found['pairs']:,} | {found['learners']:,} | {found['pair_us']:,.0f} µs | {times:.2f} | "
        f"{found['peak_mib']:,.0f} MiB | {found['grown_mib']:,.0f} MiB | {folds} |"
    )


def main() -> None:
    """Measure every size, print each row as it is known, keep the numbers and the picture where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", type=int, nargs="*", default=SIZES, help=f"in whole {PAIRS_A_WINDOW}s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw cost against size there, as SVG")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        logging.disable()  # the breaker stops most claims of such a day, and says so of each
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            print(json.dumps(runner.run(one(options.one))))
        return
    print(HEAD, flush=True)
    rows: list[Numbers] = []
    for pairs in options.pairs or SIZES:
        rows.append(_in_a_process(pairs))
        print(_row(rows[-1], rows[0]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    if options.plot:
        judged = Line("judging a pair", [(row["pairs"], row["pair_us"]) for row in rows])
        folded = Line("refolding a learner, 1 % dirty", [(row["pairs"], row["refold_0.01_us"]) for row in rows])
        options.plot.write_text(plot("Cost against size", "pairs", "CPU, µs", [judged, folded]), encoding="utf-8")


if __name__ == "__main__":
    main()
