"""Makes the readers and the jobs of the polls that the settings ask for."""

from collections.abc import Callable

import aiohttp
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.contract import Collector
from qos_monitor import logs
from qos_monitor.clock import Clock
from qos_monitor.polling.authorizing import Rotated
from qos_monitor.polling.client import StatisticsClient
from qos_monitor.polling.poller import Counts, Poller
from qos_monitor.polling.sources import SOURCES, Source
from qos_monitor.scheduler import Job
from qos_monitor.settings import Settings
from qos_monitor.telemetry import Telemetry


def readers(settings: Settings) -> dict[str, Collector]:
    """Make what reads the answers; none of them is a door: nobody but a poll stores such a delivery."""
    made = [source.reader for source in SOURCES if source.is_set(settings)]
    return {reader.provider: reader for reader in made}


def jobs(
    in_force: Callable[[], Settings],
    engine: AsyncEngine,
    clock: Clock,
    session: aiohttp.ClientSession,
    telemetry: Telemetry,
) -> list[Job]:
    """Make one job for each provider that is polled; none without a key, and none on a plan without statistics.

    Each has its own pace and breaker: one in trouble is waited for by itself alone.
    """
    settings = in_force()
    counts = Counts(telemetry.poll_asked, telemetry.poll_lost, telemetry.poll_compared)
    made = []
    for source in SOURCES:
        if not source.is_set(settings):
            continue
        statistics = source.statistics(settings)
        if statistics is None:
            logs.event("statistics_not_in_plan", provider=source.provider)
            continue
        client = client_of(source, in_force, session)
        poller = Poller(engine, clock, statistics, client, counts)
        made.append(Job("poll", poller.step, stop=client.hang_up, of=source.provider, alone=True))
    return made


def client_of(source: Source, in_force: Callable[[], Settings], session: aiohttp.ClientSession) -> StatisticsClient:
    """Make what asks this provider with the keys of the settings in force."""
    authorizer = Rotated(lambda settings: source.authorizer(settings, session), in_force)
    return StatisticsClient(session, source.url(in_force()), authorizer)
