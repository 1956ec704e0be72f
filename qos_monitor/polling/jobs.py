"""Makes the readers and the jobs of the polls that the settings ask for."""

import aiohttp
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.agora import analytics
from collectors.agora.stats import AgoraStats
from collectors.contract import Collector
from qos_monitor import logs
from qos_monitor.clock import Clock
from qos_monitor.polling.client import StatisticsClient
from qos_monitor.polling.poller import Counts, Poller
from qos_monitor.scheduler import Job
from qos_monitor.settings import Settings
from qos_monitor.telemetry import Telemetry


def readers(settings: Settings) -> dict[str, Collector]:
    """Make what reads the answers; none of them is a door: nobody but a poll stores such a delivery."""
    return {} if settings.agora_rest_key is None else {analytics.READER: AgoraStats()}


def jobs(
    settings: Settings, engine: AsyncEngine, clock: Clock, session: aiohttp.ClientSession, telemetry: Telemetry
) -> list[Job]:
    """Make the job that polls Agora; none without a key, and none on a plan that has no statistics."""
    key = settings.agora_rest_key
    if key is None or settings.agora_app_id is None:
        return []
    statistics = analytics.statistics(settings.agora_app_id, settings.agora_plan)
    if statistics is None:
        logs.event("statistics_not_in_plan", provider="agora", plan=settings.agora_plan)
        return []
    client = StatisticsClient(session, settings.agora_rest_url, key)
    counts = Counts(telemetry.poll_asked, telemetry.poll_lost, telemetry.poll_compared)
    return [Job("poll", Poller(engine, clock, statistics, client, counts).step, stop=client.hang_up)]
