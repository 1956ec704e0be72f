"""`qos-monitor judge` on a world file, beside DuckDB asked for outages of 48 hours in SQL on the same file.

`python tests/bench/judge_world.py 100000 1000000` (observations); run by `make bench`. The SQL is the textbook's gaps
and islands: who was inside for less than half of each class, dead classes in a row, 48 hours from the first start to
the last end. It knows nothing of whose fault it was, of domains, grades, checks, feeds, cases or money; that it finds
the same learners is because the world is built so, with no fault but the platform's. Seconds and peak memory are of
processes of their own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from judged_world import DAYS, START, world

from rules.span import DAY, format_instant

SQL = """
with seen as (select unnest(observations) as o from read_json($file, maximum_object_size = 4000000000)),
planned as (select unnest(classes) as c from read_json($file, maximum_object_size = 4000000000)),
inside as (
  select o.class_id as class_id, o.participant_id as learner,
    epoch(max(case when o.kind = 'left' then o.at end)::timestamptz)
    - epoch(min(case when o.kind = 'joined' then o.at end)::timestamptz) as inside_s
  from seen group by all),
expected as (
  select c.id as class_id, unnest(c.learner_ids) as learner, epoch(c.starts_at::timestamptz) as starts_s,
    epoch(c.ends_at::timestamptz) as ends_s
  from planned),
told as (
  select learner, starts_s, ends_s, coalesce(inside_s, 0) < (ends_s - starts_s) / 2 as is_dead
  from expected left join inside using (class_id, learner)),
numbered as (
  select *, row_number() over (partition by learner order by starts_s)
    - row_number() over (partition by learner, is_dead order by starts_s) as island
  from told),
islands as (
  select learner, max(ends_s) - min(starts_s) as length_s from numbered where is_dead group by learner, island)
select count(distinct learner) from islands where length_s >= 48 * 3600
"""


def measured(words: Sequence[str]) -> tuple[str, float, float]:
    """Run a command; answer what it printed, its seconds of processor time, and the peak of its memory in MiB."""
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(words, stdout=out)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{words[0]} ended with {process.returncode}")
        out.seek(0)
        return out.read(), used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def one(observations: int) -> dict[str, object]:
    """Ask both about a world of this size. Raises RuntimeError where they do not find the same number of learners."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "world.json"
        with file.open("w", encoding="utf-8") as out:
            out.writelines(world(observations))
        as_of = format_instant(START + (DAYS + 1) * DAY)
        began = time.perf_counter()
        told, judge_s, judge_mib = measured([sys.executable, "-m", "qos_monitor", "judge", str(file), "--as-of", as_of])
        wall_s = time.perf_counter() - began
        owed = {case["learner_id"] for case in json.loads(told)["cases"] if case["kind"] == "refund"}
        counted, duck_s, duck_mib = measured([sys.executable, __file__, "--sql", str(file)])
        if int(counted) != len(owed) or not owed:
            raise RuntimeError(f"{len(owed)} learners are owed a refund by the rules, {counted.strip()} by SQL")
        return {
            "observations": observations,
            "file_mib": file.stat().st_size / 2**20,
            "owed": len(owed),
            "judge_s": judge_s,
            "judge_wall_s": wall_s,
            "judge_mib": judge_mib,
            "duckdb_s": duck_s,
            "duckdb_mib": duck_mib,
        }


def _ask(file: str) -> None:
    import duckdb  # noqa: PLC0415 - only this process needs it, and its memory is measured

    found = duckdb.execute(SQL, {"file": file}).fetchone()
    print(found[0] if found else 0)


def table(rows: Sequence[dict[str, object]]) -> str:
    """Write the rows for people."""
    lines = [
        "| observations | file | owed | judge | memory | DuckDB | memory | judge ÷ DuckDB, CPU |",
        "|" + "---|" * 8,
    ]
    lines += [
        f"| {row['observations']:,} | {row['file_mib']:,.0f} MiB | {row['owed']:,} | {row['judge_s']:.1f} s | "
        f"{row['judge_mib']:,.0f} MiB | {row['duckdb_s']:.1f} s | {row['duckdb_mib']:,.0f} MiB | "
        f"{float(str(row['judge_s'])) / float(str(row['duckdb_s'])):.1f} |"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure every size, print the table, keep the numbers where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("observations", type=int, nargs="*", default=[100_000])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    parser.add_argument("--sql", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.sql:
        _ask(options.sql)
        return
    rows = [one(count) for count in options.observations]
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
