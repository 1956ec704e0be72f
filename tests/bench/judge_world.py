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
from collections.abc import Iterator, Sequence
from pathlib import Path

from rules.span import DAY, HOUR, MINUTE, SECOND, Instant, format_instant, parse_instant

START: Instant = parse_instant("2026-11-02T01:00:00Z")
DAYS, ROOM, HOURS, HIT = 10, 10, 10, 100  # one group in so many is kept out from the third day to the fifth
OBSERVATIONS_A_PAIR = 6

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


def world(observations: int) -> Iterator[str]:
    """Write a world of about so many observations as pieces of JSON; every learner has one class of 40 min a day."""
    groups = max(1, observations // (DAYS * ROOM * OBSERVATIONS_A_PAIR))
    yield '{"courses": [{"id": "math", "title": "Math", "visual_essential": false}], "enrolments": ['
    yield ",".join(json.dumps(_bought(n)) for n in range(groups * ROOM))
    yield '], "classes": ['
    yield ",".join(json.dumps(_class(group, day)) for group in range(groups) for day in range(DAYS))
    yield '], "observations": ['
    first = True
    for group in range(groups):
        for day in range(DAYS):
            for one in _seen(group, day):
                yield ("" if first else ",") + json.dumps(one)
                first = False
    yield "]}"


def _bought(number: int) -> dict[str, object]:
    of: dict[str, object] = {"id": f"e{number}", "learner_id": f"u{number}", "course_id": "math"}
    of |= {"starts_at": "2026-09-01T00:00:00Z", "price_minor": 480_000, "paid_minor": 480_000, "currency": "CNY"}
    rest = {"lessons_paid": 48, "lessons_gift": 0, "lessons_used_before": 4, "price_refunded_minor": 0}
    return of | rest | {"contract_refund_minor": None}


def _starts_at(group: int, day: int) -> Instant:
    return START + day * DAY + group % HOURS * HOUR


def _class(group: int, day: int) -> dict[str, object]:
    starts_at = _starts_at(group, day)
    of: dict[str, object] = {"id": f"c{group}-{day}", "course_id": "math", "provider": "agora", "teacher_id": "t1"}
    of |= {"starts_at": format_instant(starts_at), "ends_at": format_instant(starts_at + 40 * MINUTE)}
    return of | {"learner_ids": [f"u{group * ROOM + seat}" for seat in range(ROOM)]}


def _seen(group: int, day: int) -> Iterator[dict[str, object]]:
    start, is_out = _starts_at(group, day), group % HIT == HIT - 1 and 2 <= day <= 4
    for seat in range(ROOM):
        learner = f"u{group * ROOM + seat}"
        of: dict[str, object] = {"source": "agora", "class_id": f"c{group}-{day}", "participant_id": learner}
        of |= {"role": "learner", "vantage": "server", "session": f"s-{learner}-{day}"}
        of |= {"domains": {"node": f"node-{group % HIT}"}}

        def told(kind: str, at: Instant, of: dict[str, object] = of, **more: object) -> dict[str, object]:
            return of | {"id": f"{of['session']}-{kind}-{at}", "kind": kind, "at": format_instant(at), **more}

        if is_out:
            for attempt in range(OBSERVATIONS_A_PAIR):
                yield told("join_failed", start + attempt * 6 * MINUTE, fault="platform")
            continue
        yield told("attempted", start - MINUTE)
        yield told("joined", start - MINUTE + 2 * SECOND)
        for part in range(3):
            at = start + part * 13 * MINUTE
            until = format_instant(at + 13 * MINUTE)
            yield told("quality", at, until=until, metrics={"audio_frozen": 0.01})
        yield told("left", start + 40 * MINUTE)


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
