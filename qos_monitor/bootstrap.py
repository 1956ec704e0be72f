"""Wires the service together, starts it, and stops it; nothing happens at import."""

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Callable
from functools import partial

import aiohttp
from aiohttp import web

from collectors.polls import POLLED
from qos_monitor import backend, feeds, from_settings, joins, logs, observation_lines, reading, release, remapping
from qos_monitor import clock as clocks
from qos_monitor.access.addresses import Addresses
from qos_monitor.access.buckets import Buckets
from qos_monitor.access.doorkeeper import Doorkeeper
from qos_monitor.access.scopes import static_keys
from qos_monitor.claims.breaker import BreakerLimits
from qos_monitor.gauges import Gauges, Watched
from qos_monitor.giving_way import GivingWay
from qos_monitor.in_force import InForce, Source
from qos_monitor.intake import COLUMNS, Intake
from qos_monitor.leases import Leases
from qos_monitor.place import Place
from qos_monitor.polling import jobs as polling
from qos_monitor.polling import status_pages
from qos_monitor.rereading import Rereading
from qos_monitor.retention import Periods, Retention
from qos_monitor.scheduler import Job, Scheduler
from qos_monitor.settings import Settings
from qos_monitor.storage import engine as storage
from qos_monitor.storage import statistics
from qos_monitor.storage.tables import deliveries
from qos_monitor.storage.writer import Writer
from qos_monitor.telemetry import Telemetry
from qos_monitor.web import app as web_app
from qos_monitor.web.evidence import OwnEvidence
from qos_monitor.web.feeds import Feeds
from qos_monitor.web.gate import Gate
from qos_monitor.web.health import LAG_S_MAX, Health
from qos_monitor.web.hooks import Hooks
from qos_monitor.web.incidents import Incidents
from qos_monitor.web.names import NamesDoor
from qos_monitor.web.observations import Observations
from qos_monitor.web.roster import Roster
from qos_monitor.web.runbooks import Runbooks
from qos_monitor.web.trail import Trail
from qos_monitor.web.turnstile import Turnstile
from qos_monitor.wiring import ALWAYS_FULL, ClaimsWiring, every
from rules.span import MINUTE

READ_BATCH = 500
CARE_S: float = 1.0
_SHUTDOWN_S = 4.0  # a container is killed 10 s after it was told to stop; who sends longer comes again


class Service:
    """Everything that runs, from `start` to `stop`."""

    def __init__(self, settings: Settings, source: Source | None = None, place: Place | None = None) -> None:
        """Make the parts; touches neither the database nor the network.

        With a source, secrets are read again from it when a file of its changes, or on SIGHUP.
        """
        self._settings = settings
        self._in_force = InForce(settings, source, self._adopt)
        self._place = Place(settings.role) if place is None else place
        self.clock = clocks.from_setting(settings.clock_file)
        self.policy = from_settings.served_policy(settings.policy_file)
        self.engine = storage.create(settings.database_url)
        self._front = from_settings.collectors_of(settings)
        self._readers = from_settings.readers_of(settings, self._front)
        self.telemetry = Telemetry(sorted(self._readers))
        self.telemetry.built(release.version(), self.policy.rule_version)
        self._writer = Writer(self.engine, deliveries, COLUMNS, settings.intake_queue_max)
        self._way = GivingWay(lambda: self._writer.taken)
        self.intake = Intake(self._front, self._writer, self.clock)
        announced = sorted({page.provider for page in settings.status_pages})
        sources = (pair.partition(":")[0].strip() for pair in settings.generic_secrets)
        doors = {*self._front, observation_lines.PROVIDER}
        if settings.evidence_token is not None:
            doors.add(backend.PROVIDER)
        self._doors = feeds.doors_of(doors, sources)
        self.telemetry.queue(lambda: self._writer.depth, settings.intake_queue_max)
        limits = BreakerLimits(settings.breaker_claims_min, settings.breaker_sum_minor)
        watched = Watched(
            self.policy, limits, announced=announced, doors=self._doors, bytes_max=settings.database_bytes_max
        )
        self._gauges = Gauges(self.engine, self.intake.last_received, watched)
        # Webhooks are taken however far behind judging is: who takes them does not judge.
        lag_s_max = LAG_S_MAX if self._place.role.works else float("inf")
        self._health = Health(self.telemetry, self._gauges, self.clock, self._troubles(), lag_s_max)
        self._claims = ClaimsWiring(
            self.engine, self.clock, self.policy, self._now_in_force, self.telemetry, tuple(self._readers)
        )
        self._door = Doorkeeper(
            self.engine,
            self.clock,
            lambda: static_keys(self._in_force.settings),
            _buckets(settings.key_rate, 10),
            _buckets(settings.refused_rate, 10),
        )
        self._caretaker: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._session: aiohttp.ClientSession | None = None
        self._scheduler: Scheduler | None = None
        self._runners: list[web.AppRunner] = []

    async def start(self) -> int:
        """Migrate, listen, and begin to work; answer the port."""
        await storage.migrate(self.engine)
        await self._map()
        await self._remember()
        self._writer.start()
        self._session = aiohttp.ClientSession()
        settings, place = self._settings, self._place
        hooks = self._hooks()
        port = await self._listen(self._app(hooks), settings.port if place.port is None else place.port, hooks)
        own = place.metrics_port(settings.metrics_port)
        metrics_port = None if own is None else await self._listen(web_app.create([self._health], [], 0), own)
        if place.role.works:
            leases = Leases(self.engine, self.clock)
            self._scheduler = Scheduler(self._jobs(self._session), settings.tick_s, self.telemetry, leases)
            self._scheduler.start()
        self._caretaker = asyncio.create_task(self._take_care(), name="caretaker")
        facts: dict[str, logs.Value] = {"role": place.role.value, "number": place.number, "metrics_port": metrics_port}
        facts |= {"rule_version": self.policy.rule_version}
        logs.event("listening", logging.INFO, host=settings.host, port=port, **facts)
        return port

    async def _listen(self, app: web.Application, port: int, hooks: Hooks | None = None) -> int:
        """Serve an application, the way to its hooks cut short; answer the port."""
        runner = web_app.runner(app, _SHUTDOWN_S)
        self._runners.append(runner)
        await runner.setup()
        if hooks is not None and self._place.role.takes:
            web_app.open_ahead(runner, hooks.doors())
        is_shared = True if self._place.is_sibling else None
        await web.TCPSite(runner, self._settings.host, port, backlog=1024, reuse_port=is_shared).start()
        return int(runner.addresses[0][1])

    async def stop(self) -> None:
        """Accept nothing new, answer what was accepted, let running jobs end, close."""
        self._is_stopping = True
        logs.event("stopping")
        for runner in self._runners:
            await runner.cleanup()  # waits for handlers, and they for the writer
        if self._caretaker is not None:
            self._caretaker.cancel()
        if self._scheduler is not None:
            await self._scheduler.stop()
        await self._writer.stop()
        await self._gauges.stop()
        if self._session is not None:
            await self._session.close()
        await self.engine.dispose()
        logs.event("stopped")

    def _hooks(self) -> Hooks:
        settings = self._settings
        turnstile = Turnstile(
            _buckets(settings.provider_rate, 2),
            _buckets(settings.beacon_rate, 60),
            _buckets(settings.refused_rate, 10),
            Addresses(settings.trusted_proxies),
            self.telemetry.limited,
        )
        return Hooks(self.intake, self.telemetry, settings.body_bytes_max, settings.beacon_origins, turnstile)

    def _app(self, hooks: Hooks) -> web.Application:
        settings = self._settings
        if not self._place.role.takes:
            return web_app.create([self._health, Runbooks()], [], 0)
        gate = Gate(self._door, Addresses(settings.trusted_proxies), self.telemetry.limited)
        groups: list[web_app.Handlers] = [
            hooks,
            Observations(self.engine, self.intake, self.telemetry, self.clock, gate),
            OwnEvidence(self.engine, self.intake, self.telemetry, self.clock, gate),
            Roster(self.engine, self.clock, gate),
            Incidents(self.engine, self.clock, gate),
            NamesDoor(self.engine, self.clock, gate),
            Feeds(self.engine, self.clock, self._doors, gate),
            Trail(self.engine, gate),
            self._health,
            Runbooks(),
        ]
        bytes_max = max(settings.upload_bytes_max, settings.body_bytes_max)
        return web_app.create(groups, self._claims.routes(gate), bytes_max)

    def _troubles(self) -> dict[str, Callable[[], bool]]:
        return {
            "stopping": lambda: self._is_stopping,
            "jobs": lambda: self._scheduler is not None and self._scheduler.is_failing(),
            "writing": self._writer.has_trouble,
        }

    def _jobs(self, session: aiohttp.ClientSession) -> list[Job]:
        read = Job("read", self._read, READ_BATCH, alone=True)
        given = (self.engine, self.clock, session, self.telemetry)
        polls = [*polling.jobs(self._now_in_force, *given), *status_pages.jobs(self._settings, *given)]
        measure = Job("measure", self._measure, joins.BATCH, alone=True)
        retained = Job("retain", self._retention().run, ALWAYS_FULL, alone=True)  # one piece a tick: others come first
        again = every(MINUTE, self.clock, Rereading(self.engine, self._readers).run)
        remap = Job("remap", self._remap, alone=True)
        reread = Job("reread", again, ALWAYS_FULL, alone=True)
        analyze = Job("analyze", partial(statistics.follow, self.engine), ALWAYS_FULL, alone=True)
        return [read, reread, remap, analyze, measure, retained, *self._claims.jobs(session), *polls]

    def _retention(self) -> Retention:
        settings = self._settings
        days = (settings.keep_deliveries_days, settings.keep_evidence_days, settings.keep_superseded_days)
        return Retention(self.engine, self.clock, Periods(*days), POLLED, self.telemetry.retained)

    def _now_in_force(self) -> Settings:
        return self._in_force.settings

    def reload(self) -> None:
        """Read the secrets again."""
        self._in_force.look(is_told=True)

    def _adopt(self, settings: Settings) -> None:
        """Believe with other secrets. Raises SettingsError, and changes nothing, where these cannot be used."""
        made = from_settings.collectors_of(settings)
        self._readers |= made
        self.intake.rotate(made)

    async def _take_care(self) -> None:
        """See to what each process has to see to by itself, whatever jobs it runs."""
        while True:
            await asyncio.sleep(CARE_S)
            try:
                self._in_force.look()
                await self._door.note_used()
            except storage.TROUBLE as trouble:
                logs.failure("care_failed", trouble)

    async def _read(self) -> int:
        await self._way.begin()
        report = await reading.read_batch(
            self.engine, self._readers, self.clock.now(), READ_BATCH, self.policy.impaired
        )
        self._way.end()
        self.telemetry.read(report)
        return report.count

    async def _measure(self) -> int:
        return await joins.measure(self.engine, self.clock.now())

    async def _map(self) -> None:
        """Put the templates of the settings in force; where they are new, the job remaps what was seen before."""
        settings = self._settings
        if await remapping.adopt(self.engine, (*settings.room_templates, *settings.participant_templates)):
            logs.event("templates_changed")

    async def _remap(self) -> int:
        return await remapping.remap(self.engine, self.clock.now())

    async def _remember(self) -> None:
        """Look up when each provider was last heard, so that a restart does not hide a silence.

        One that never was is silent since the first process that listened for it began.
        """
        async with storage.writing(self.engine) as conn:
            known = await feeds.heard(conn, self._doors)
            since = await feeds.listening_since(conn, self._doors, self.clock.now())
        for provider, at in known.at.items():
            self.intake.heard(provider, since[provider] if at is None else at)


def _buckets(rate: float, seconds: float) -> Buckets:
    """Make buckets that hold what comes in so many seconds, and at least one."""
    return Buckets(rate, max(rate * seconds, 1.0))


async def serve(settings: Settings, source: Source | None = None, place: Place | None = None) -> int:
    """Run the service until SIGTERM or SIGINT, or until its parent ends; answer 1 where it could not start.

    SIGHUP: read the secrets again.

    Raises SettingsError where a file or a secret named in the settings cannot be used.
    """
    service = Service(settings, source, place)
    logs.start(settings.log_level, service.clock)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_unforeseen)
    ended = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, ended.set)
    loop.add_signal_handler(signal.SIGHUP, service.reload)
    if place is not None and place.is_sibling:
        _end_with_parent(loop, ended)
    try:
        await service.start()
        gc.collect()
        gc.freeze()  # what lives as long as the process need not be looked at again: 5 % of a request
        gc.set_threshold(50_000, 20, 20)
        await ended.wait()
    except storage.TROUBLE as trouble:  # the port is taken, the database is not there
        logs.failure("start_failed", trouble)
        return 1
    finally:
        await service.stop()
    return 0


def _end_with_parent(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    """Stop where standard input ends: the parent holds the other end, and never writes."""
    stream = sys.stdin.fileno()

    def is_over() -> None:
        loop.remove_reader(stream)
        ended.set()

    loop.add_reader(stream, is_over)


def _unforeseen(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    error = context.get("exception")
    if isinstance(error, BaseException):
        logs.failure("unforeseen", error)
    else:
        logs.event("unforeseen", what=str(context.get("message", "?"))[:200])
