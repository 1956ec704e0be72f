"""From evidence to a claim delivered, while webhooks come at half of what the intake can take.

`python tests/bench/claim_latency.py`; run by `make bench`. The real service on SQLite, the demonstration's refund
system, a roster of learners of whom one after the other turns out to be owed a refund: the clock runs from the moment
in which the evidence is sent until the claim has arrived. The intake's ceiling is measured first, with the same
senders, and what came in meanwhile is read before the clock first runs.
"""

import argparse
import asyncio
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import aiohttp
from aiohttp import web
from database import Database
from running import running
from service_parts import TOKEN
from under_load import AGORA, WHSEC, agora, enrol, outages, tell

from qos_monitor.claims.receiver import Receiver
from rules.span import HOUR

SENDERS, CEILING_S, CLAIMS = 16, 3.0, 60
OTHERS = 9
_WAIT_S_MAX = 60.0


class Stopwatch(Receiver):
    """Takes claims, and remembers when each learner's refund came."""

    came_at: dict[str, float]

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Take one."""
        answer = await super().take(request)
        told = json.loads(await request.read())
        if told["kind"] == "refund":  # what the first class alone is owed came before
            self.came_at.setdefault(str(told["learner_id"]), time.perf_counter())
        return answer


async def _load(url: str, per_second: float, first: int, ends_at: float) -> int:
    """Send until the time, all senders together at so many a second (0: as fast as it goes); gives how many."""
    count = 0
    began = time.perf_counter()

    async def sender(number: int, client: aiohttp.ClientSession) -> None:
        nonlocal count
        while (now := time.perf_counter()) < ends_at:
            if per_second and count > (now - began) * per_second:
                await asyncio.sleep(0.005)
                continue
            count += 1
            sent = agora(first + number * 10_000_000 + count)
            async with client.post(url + sent.path, data=sent.body, headers=sent.headers) as answer:
                await answer.read()

    async with aiohttp.ClientSession() as client:
        await asyncio.gather(*(sender(number, client) for number in range(SENDERS)))
    return count


def _others(roster: dict[str, object]) -> list[bytes]:
    """Have others attend each class: of one that too few reach, those who are not there are owed without more."""
    lines = []
    lessons = cast("list[dict[str, Any]]", roster["classes"])
    for lesson, number in itertools.product(lessons, range(OTHERS)):
        who = f"attends-{number}"
        lesson["learner_ids"].append(who)
        told = {"source": "school", "class_id": lesson["id"], "participant_id": who, "role": "learner"}
        told |= {"vantage": "server", "session": f"{lesson['id']}-{number}"}
        for kind, at in (("joined", lesson["starts_at"]), ("left", lesson["ends_at"])):
            lines.append(json.dumps(told | {"id": f"{kind}-{told['session']}", "kind": kind, "at": at}).encode())
    return lines


async def _all_read(folder: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{folder}/qos.sqlite3")
    while True:
        if not await database.rows("SELECT 1 FROM deliveries WHERE state = 0 LIMIT 1"):
            return
        await asyncio.sleep(0.1)


async def measure(claims: int) -> dict[str, float]:
    """Give claims a second, the load in events a second, and the quantiles of the time in seconds."""
    receiver = Stopwatch([WHSEC])
    receiver.came_at = {}
    runner = web.AppRunner(receiver.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    environ = {
        "QOS_AGORA_SECRETS": AGORA,
        "QOS_OBSERVATIONS_TOKEN": TOKEN,
        "QOS_ROSTER_TOKEN": TOKEN,
        "QOS_CLAIMS_URL": f"http://127.0.0.1:{runner.addresses[0][1]}/claims",
        "QOS_CLAIMS_SECRETS": WHSEC,
        "QOS_BREAKER_CLAIMS_MIN": "100000",
        "QOS_TICK_S": "0.2",
    }
    now = int(time.time() * 1000)
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder), environ) as service:
            ceiling = await _load(service.url, 0, 0, time.perf_counter() + CEILING_S) / CEILING_S
            await _all_read(Path(folder))  # what came in that moment would be read first
            ends_at = time.perf_counter() + claims * 0.5 + _WAIT_S_MAX
            load = asyncio.create_task(_load(service.url, ceiling / 2, 1_000_000_000, ends_at))
            sent_at = {}
            for number in range(claims):
                roster, lines = outages(now - number * HOUR, f"owed{number}", 1)  # none in another one's window
                others = _others(roster)
                await enrol(service.url, roster)
                await tell(service.url, others)
                await asyncio.sleep(0.4)
                sent_at[f"owed{number}-0"] = time.perf_counter()
                await tell(service.url, lines)
            async with asyncio.timeout(_WAIT_S_MAX):
                while sent_at.keys() - receiver.came_at.keys():  # noqa: ASYNC110 - it is another process we wait for
                    await asyncio.sleep(0.05)
            load.cancel()
    await runner.cleanup()
    too_early = [who for who, at in sent_at.items() if receiver.came_at[who] < at]
    if too_early:
        raise RuntimeError(f"claims came before what decides them; the numbers would mean nothing: {too_early}")
    took = sorted(receiver.came_at[who] - at for who, at in sent_at.items())
    cuts = statistics.quantiles(took, n=100)
    return {"ceiling_per_s": ceiling, "claims": claims, "p50_s": cuts[49], "p99_s": cuts[98], "most_s": took[-1]}


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print, keep the numbers where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", type=int, default=CLAIMS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    options = parser.parse_args(words)
    found = asyncio.run(measure(options.claims))
    print(
        f"{found['claims']:.0f} claims at {found['ceiling_per_s'] / 2:,.0f} webhooks/s, half of the ceiling: "
        f"from evidence to claim p50 {found['p50_s']:.2f} s, p99 {found['p99_s']:.2f} s, most {found['most_s']:.2f} s"
    )
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
