"""How long a scrape and the pages people open take on a database of a year: `python tests/bench/year.py 10000000`.

The number is that of verdicts; there is an enrolment's learner for each hundred, an outage for every fiftieth of these
learners and a case for every twentieth. The real service runs on the file, as a process of its own, with nothing to
do; each path is asked for a few times over HTTP, and the median told. Run by `make bench` with a hundredth of it.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
from judged_world import START, of_one_group_hit
from lessons import insert
from running import running
from service_parts import TOKEN, row

from qos_monitor.claims.calendar import is_working_day_in_china
from qos_monitor.storage import engine as storage
from qos_monitor.storage.rows import canonical, window_of
from qos_monitor.storage.tables import cases, claims, class_learners, classes, learners, outages, verdicts
from rules import policy as policies
from rules.judge import judge
from rules.span import DAY, HOUR, Instant
from rules.world import read_world

if TYPE_CHECKING:
    from sqlalchemy import Table

VERDICTS_EACH, ROOM, TIMES = 100, 20, 7
PATHS = (
    "/metrics",
    "/console/",
    "/console/outages",
    "/console/cases",
    "/console/cases?kind=refund&state=filed",
    "/console/claims",
    "/console/learners/u7",
    "/console/classes/c7",
    "/v1/cases?limit=100",
    "/v1/learners/u7/timeline",
)


def _classes(count: int, now: Instant) -> Iterator[dict[str, object]]:
    for number in range(count // ROOM):
        starts_at = now - 365 * DAY + number * 365 * DAY // max(1, count // ROOM)
        told = {"starts_at": starts_at, "ends_at": starts_at + HOUR, "window": window_of(starts_at)}
        yield row(classes, id=f"c{number}", course_id="math", provider="agora", teacher_id="t", **told)


def _pairs(count: int) -> Iterator[tuple[str, str]]:
    """Give each class its learners: a learner's hundred classes are spread over the year."""
    people = max(ROOM, count // VERDICTS_EACH)
    return ((f"u{number % people}", f"c{number // ROOM}") for number in range(count // ROOM * ROOM))


def _verdicts(count: int, body: str, now: Instant) -> Iterator[dict[str, object]]:
    for number, (learner_id, class_id) in enumerate(_pairs(count)):
        at = now - 365 * DAY + number * 365 * DAY // count
        told = {"verdict": "ATTENDED", "firm": True, "current": True, "body": body, "window": window_of(at)}
        yield row(verdicts, learner_id=learner_id, class_id=class_id, surroundings="{}", recorded_at=at, **told)


def _cases(people: int, body: str, now: Instant) -> Iterator[dict[str, object]]:
    for number in range(0, people, 20):
        at = now - number * 365 * DAY // people
        told = {"kind": "refund", "state": "filed" if number % 400 == 0 else "paid", "created_at": at, "updated_at": at}
        told |= {"amount_minor": 100_00, "currency": "CNY", "due_limit": "2026-12-01"}
        yield row(cases, case_key=f"k{number}", learner_id=f"u{number}", body=body, **told)


def _claims(people: int, now: Instant) -> Iterator[dict[str, object]]:
    for number in range(0, people, 20):
        told = {"kind": "refund", "state": "accepted" if number % 400 == 0 else "paid", "amount_minor": 100_00}
        told |= {"currency": "CNY", "ready_at": now - number * 365 * DAY // people, "version": 1}
        yield row(claims, claim_key=f"k{number}", case_key=f"k{number}", body="{}", terms="{}", **told)


async def fill(file: Path, count: int, now: Instant) -> None:
    """Make the database of a year."""
    engine = storage.create(f"sqlite+aiosqlite:///{file}")
    await storage.migrate(engine)
    people = max(ROOM, count // VERDICTS_EACH)
    told = judge(read_world(of_one_group_hit()), START + 11 * DAY, policies.default(), is_working_day_in_china)
    out = {"answer": "not_yet", "projected_minor": 100_00, "projected_currency": "CNY"}
    out["body"] = canonical(told.outages[0].as_json())
    record = canonical(told.records[0].as_json())
    tables: tuple[tuple[Table, Iterator[dict[str, object]]], ...] = (
        (classes, _classes(count, now)),
        (class_learners, ({"class_id": c, "learner_id": who} for who, c in _pairs(count))),
        (learners, ({"id": f"u{n}", "look_again_at": None} for n in range(people))),
        (verdicts, _verdicts(count, record, now)),
        (outages, (row(outages, learner_id=f"u{n}", starts_at=now - 9 * HOUR, **out) for n in range(11, people, 50))),
        (cases, _cases(people, canonical(told.cases[0].as_json()), now)),
        (claims, _claims(people, now)),
    )
    for table, rows in tables:
        while batch := list(islice(rows, 50_000)):
            async with storage.writing(engine) as conn:
                await insert(conn, table, iter(batch))
    await engine.dispose()


async def measure(count: int) -> dict[str, float]:
    """Fill, run the service, ask; gives milliseconds by path."""
    now = int(time.time() * 1000)
    with tempfile.TemporaryDirectory() as folder:
        await fill(Path(folder) / "qos.sqlite3", count, now)
        environ = {"QOS_CASES_TOKEN": TOKEN, "QOS_TICK_S": "1"}
        found: dict[str, float] = {"size_mib": (Path(folder) / "qos.sqlite3").stat().st_size / 2**20}
        async with running(Path(folder), environ) as service:
            given = {"Authorization": f"Bearer {TOKEN}"}
            async with aiohttp.ClientSession(service.url, headers=given) as client:
                form = {"name": "bench", "token": TOKEN, "to": "/console/"}
                async with client.post("/console/sign-in", data=form, allow_redirects=False) as answer:
                    cookies = {name: morsel.value for name, morsel in answer.cookies.items()}
                for path in PATHS:
                    found[path] = await _asked(client, path, cookies)
        return found


async def _asked(client: aiohttp.ClientSession, path: str, cookies: dict[str, str]) -> float:
    """Ask a few times; the first is not counted. Raises RuntimeError where the answer is not 200."""
    times = []
    for _ in range(TIMES + 1):
        began = time.perf_counter()
        async with client.get(path, cookies=cookies, allow_redirects=False) as answer:
            await answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{path} is answered {answer.status}")
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times[1:])


def table(rows: Sequence[tuple[int, dict[str, float]]]) -> str:
    """Write milliseconds by path, a column for each size."""
    head = " | ".join(f"{count:,} verdicts, {found['size_mib']:,.0f} MiB" for count, found in rows)
    lines = [f"| path | {head} |", "|---|" + "---|" * len(rows)]
    lines += [f"| `{path}` | " + " | ".join(f"{found[path]:,.1f} ms" for _, found in rows) + " |" for path in PATHS]
    return "\n".join(lines)


def main() -> None:
    """Measure every size, print the table, keep the numbers where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verdicts", type=int, nargs="*", default=[100_000])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    options = parser.parse_args()
    rows = [(count, asyncio.run(measure(count))) for count in options.verdicts]
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps(dict(rows), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
