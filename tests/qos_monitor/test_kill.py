"""Twenty power cuts under load: nothing that was acknowledged is lost, nothing is doubled, every claim arrives."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import unused_port
from database import Database
from running import Running, start
from service_parts import TOKEN
from under_load import AGORA, LEARNERS_OWED, LIVEKIT, WHSEC, Load, agora, livekit, observations, outages, plant

from qos_monitor import clock
from qos_monitor.claims.receiver import Receiver
from qos_monitor.clock import DrivenClock
from rules.span import DAY, MINUTE, SECOND

KILLS = 20


async def settled(folder: Path, database: Database, now: int) -> None:
    """Let time pass until everything is read and every claim is with the refund system.

    What was in hand when the power went is held until its lease runs out, minutes later by the service's
    clock.
    """
    async with asyncio.timeout(120):
        while await database.rows("SELECT 1 FROM deliveries WHERE state = 0 LIMIT 1") or not await _all_sent(database):
            now += MINUTE
            clock.drive(folder / "clock", now)
            await asyncio.sleep(0.2)


async def _all_sent(database: Database) -> bool:
    states = [state for (state,) in await database.rows("SELECT state FROM claims")]
    return len(states) >= LEARNERS_OWED and set(states) == {"accepted"}


def environ(folder: Path, database: Database, port: int) -> dict[str, str]:
    return {
        "QOS_DATABASE_URL": database.url,
        "QOS_CLOCK_FILE": str(folder / "clock"),
        "QOS_AGORA_SECRETS": AGORA,
        "QOS_LIVEKIT_KEYS": ":".join(LIVEKIT),
        "QOS_OBSERVATIONS_TOKEN": TOKEN,
        "QOS_ROSTER_TOKEN": TOKEN,
        "QOS_CLAIMS_URL": f"http://127.0.0.1:{port}/claims",
        "QOS_CLAIMS_SECRETS": WHSEC,
    }


def seconds() -> Iterator[float]:
    """Give the random moments of the cuts; from a seed, but what they meet is never the same twice."""
    chance = random.Random(2026)  # noqa: S311 - a seed, not a secret
    while True:
        yield chance.uniform(0.05, 0.5)


def drive_on(folder: Path) -> int:
    """Set the driven clock to the machine's: what is signed by the one must not look early or old by the other."""
    now = int(time.time() * 1000)
    clock.drive(folder / "clock", now)
    return now


async def test_twenty_power_cuts_lose_nothing_and_double_nothing(tmp_path: Path, database: Database) -> None:
    began = drive_on(tmp_path)
    # A minute of the driven clock passes in a fifth of a second: a busy machine must not look like an old
    # signature.
    receiver = Receiver([WHSEC], DrivenClock(tmp_path / "clock").now, tolerance_s=DAY // SECOND)
    runner = web.AppRunner(receiver.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    given, port = environ(tmp_path, database, runner.addresses[0][1]), unused_port()
    service: Running = await start(tmp_path, given, port)
    load = Load(service.url)
    makers = [agora, livekit, observations]
    senders = [
        asyncio.create_task(load.send(make, (number * 3 + kind) * 1_000_000))
        for number in range(4)
        for kind, make in enumerate(makers)
    ]

    try:
        for kill, moment in zip(range(KILLS), seconds(), strict=False):
            if kill == 2:
                await plant(service.url, *outages(began))
            await asyncio.sleep(moment)
            await service.kill()
            drive_on(tmp_path)
            service = await start(tmp_path, given, port)
        load.is_over = True
        await asyncio.gather(*senders)
        await settled(tmp_path, database, drive_on(tmp_path))
        assert await service.terminate() == 0
    finally:
        if service.process.returncode is None:
            await service.kill()
        await runner.cleanup()

    await check_deliveries(database, load)
    await check_claims(database, receiver)


async def check_deliveries(database: Database, load: Load) -> None:
    """Compare what was acknowledged with what is stored: none lost, none twice, each read to one observation."""
    kept = Counter(body for (body,) in await database.rows("SELECT body FROM deliveries"))
    lost = [sent.participant for sent in load.acknowledged if sent.body not in kept]
    doubled = [body for body, count in kept.items() if count > 1]
    assert (lost, doubled) == ([], [])
    assert len(load.acknowledged) >= KILLS * 10
    assert load.tries > len(load.acknowledged)
    seen = Counter(who for (who,) in await database.rows("SELECT participant_id FROM observations"))
    assert {sent.participant: seen[sent.participant] for sent in load.acknowledged} == dict.fromkeys(
        (sent.participant for sent in load.acknowledged), 1
    )


async def check_claims(database: Database, receiver: Receiver) -> None:
    """Compare claims received with claims due; a repeat was identical, or the receiver would have refused it."""
    assert receiver.refused == []
    due = await database.rows("SELECT claim_key, body FROM claims ORDER BY claim_key")
    assert [(key, received.body.decode()) for key, received in sorted(receiver.received.items())] == due
    refunded = [received.message["learner_id"] for received in receiver.received.values()]
    assert sorted(map(str, refunded)) == sorted(f"owed-{number}" for number in range(LEARNERS_OWED))
