"""Does all the looks, one after the other; one that fails is told, and the others go on."""

from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from collectors.polls import POLLED
from qos_monitor import checking, from_settings
from qos_monitor.claims.breaker import BreakerLimits
from qos_monitor.claims.calendar import is_working_day_in_china
from qos_monitor.doctor import ground, work
from qos_monitor.doctor.finding import Finding, Level
from qos_monitor.gauging.owing import Terms
from qos_monitor.settings import Settings
from qos_monitor.storage import engine as storage
from rules.deadline import WorkingDay
from rules.span import Instant

_Look = Callable[[AsyncConnection], Awaitable[list[Finding]]]


async def findings(
    settings: Settings, now: Instant, is_working_day: WorkingDay = is_working_day_in_china
) -> list[Finding]:
    """Look at everything; nothing is made and nothing is changed."""
    found = [Finding("settings", Level.OK, "every setting can be used")]
    problems = [one for one in await checking.findings(settings) if one.is_needed and not one.is_ready]
    if problems:
        found = [
            Finding(f"settings, {one.part}", Level.FAIL, one.words, "qos-monitor check tells more") for one in problems
        ]
    policy = from_settings.policy_of(settings.policy_file)
    found += ground.calendar(Terms(policy, is_working_day, BreakerLimits()), now)
    engine = storage.create(settings.database_url)
    try:
        file = storage.file_of(engine)
        if file is not None and not file.exists():
            return [*found, Finding("database", Level.FAIL, "there is none yet", "Start the service once; it makes it")]
        return found + await _looked(engine, _looks(engine, settings, now))
    finally:
        await engine.dispose()


def _looks(engine: AsyncEngine, settings: Settings, now: Instant) -> Sequence[tuple[str, _Look]]:
    providers = set(from_settings.readers_of(settings, from_settings.collectors_of(settings)))
    return (
        ("schema", ground.schema),
        ("size", lambda conn: ground.size(conn, engine, settings.database_bytes_max)),
        ("clock", lambda conn: ground.clock(conn, now)),
        ("deliveries", lambda conn: work.unread(conn, providers, now)),
        ("judging", lambda conn: work.judging(conn, now)),
        ("leases", lambda conn: work.held(conn, now)),
        ("outbox", lambda conn: work.outbox(conn, now)),
        ("polls", lambda conn: work.lost_polls(conn, POLLED, now)),
        ("evidence chain", ground.proofs),
        ("audit trail", ground.trail),
    )


async def _looked(engine: AsyncEngine, looks: Sequence[tuple[str, _Look]]) -> list[Finding]:
    found: list[Finding] = []
    for part, look in looks:
        try:
            async with storage.reading(engine) as conn:
                found += await look(conn)
        except storage.TROUBLE as trouble:
            words = f"could not be looked at ({type(trouble).__name__})"
            found.append(Finding(part, Level.FAIL, words, "Look at QOS_DATABASE_URL, and at the server's log"))
    return found
