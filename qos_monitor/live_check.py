"""Tries one provider's credentials with one harmless question, and says in words what works and what does not."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import aiohttp
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from collectors.polls import Said
from qos_monitor.clock import Clock
from qos_monitor.errors import SettingsError
from qos_monitor.polling.client import NO_ANSWER, TIMEOUT_S, Answer
from qos_monitor.polling.jobs import client_of
from qos_monitor.polling.sources import SOURCES, Source
from qos_monitor.provider_words import PROVIDERS, Provider, ago
from qos_monitor.settings import Settings, shown
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import deliveries
from rules.document import Invalid, Problem
from rules.span import Instant

AGAIN_S = 1.1
"""Agora allows one question a second, and a service that runs may have asked in this one."""

_UNDERSTOOD = frozenset({Said.GOOD, Said.NOT_READY, Said.GONE, Said.STALE})
"""The key was believed and the question allowed, whatever there is to answer."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing found; ``works`` is None where it neither works nor fails: it is not set up, or only told."""

    mark: str
    words: str
    works: bool | None = None

    def __str__(self) -> str:
        return f"{self.mark:<7} {self.words}"


async def lines(settings: Settings, name: str, clock: Clock) -> list[Line]:
    """Look at one provider: its secrets, its API with one question, its last events.

    Raises Invalid for a name nobody knows.
    """
    provider = PROVIDERS.get(name)
    if provider is None:
        raise Invalid([Problem("--live", f"no provider is named {name!r}; there are {', '.join(sorted(PROVIDERS))}")])
    source = next((one for one in SOURCES if one.provider == name), None)
    found = [_door(settings, name, provider)]
    found += [line async for line in _api(settings, provider, source, clock)]
    return [*found, *await _last(settings, name, source, clock)]


def is_working(found: Sequence[Line]) -> bool:
    """Say whether something of this provider is set up, and all of that works."""
    told = [line.works for line in found if line.works is not None]
    return bool(told) and all(told)


def _door(settings: Settings, name: str, provider: Provider) -> Line:
    if shown(settings)[provider.secrets] == "set":
        return Line("ok", f"{name} {provider.events}: {provider.secrets} is set", works=True)
    return Line("off", f"{name} {provider.events}: set {provider.secrets} to take them")


async def _api(settings: Settings, provider: Provider, source: Source | None, clock: Clock) -> AsyncIterator[Line]:
    if source is None:
        yield Line("none", f"{provider.no_api}: nothing to try from here")
        return
    part = f"{source.provider} {provider.asked}"
    if lacking := provider.lacking(settings):
        yield Line("off", f"{part}: set {' and '.join(lacking)} to poll")
        return
    words = provider.plan(settings)
    if source.statistics(settings) is None:
        yield Line("off", f"{part}: {words}")
        return
    answer, said = await _asked(settings, source, clock)
    if said in _UNDERSTOOD:
        yield Line("ok", f"{part}: the key is believed; {words}", works=True)
    else:
        yield Line("FAILS", f"{part}: {_trouble(answer, said, provider)}", works=False)


async def _asked(settings: Settings, source: Source, clock: Clock) -> tuple[Answer, Said]:
    statistics = source.statistics(settings)
    assert statistics is not None  # noqa: S101 - who calls has looked
    async with aiohttp.ClientSession() as session:
        client = client_of(source, lambda: settings, session)
        for pause_s in (AGAIN_S, 0.0):
            now = clock.now()
            answer = await client.ask(statistics.probe(now), now)
            said = statistics.said(answer.status, answer.body)
            if said is not Said.TOO_FAST:
                break
            await asyncio.sleep(pause_s)
    return answer, said


def _trouble(answer: Answer, said: Said, provider: Provider) -> str:
    """Say what is wrong in our own words: what they wrote may hold a key."""
    if answer.status == NO_ANSWER:
        return f"no answer within {TIMEOUT_S:.0f} s, or none that ends; look at {provider.url} and the way out of here"
    code = f"HTTP {answer.status}"
    match said:
        case Said.REFUSED:
            return f"refused ({code}); {provider.refused}"
        case Said.TOO_FAST:
            return f"too many questions ({code}); whoever else uses the key must ask less, or try again later"
        case Said.SPENT:
            return f"the requests of today are spent ({code}); nothing more can be asked until midnight UTC"
        case Said.UNAVAILABLE:
            return f"the provider is in trouble ({code}); try again later"
    return f"an answer that is not documented ({code}); look at {provider.url}"


async def _last(settings: Settings, name: str, source: Source | None, clock: Clock) -> list[Line]:
    try:
        engine = storage.create(settings.database_url)
    except SettingsError as error:
        return [Line("?", f"{name} last event: {'; '.join(error.problems)}")]
    try:
        file = storage.file_of(engine)
        if file is not None and not file.exists():
            return [Line("never", f"{name} last event: there is no database yet")]
        async with storage.reading(engine) as conn:
            event = await _newest(conn, name)
            poll = await _newest(conn, source.reader.provider) if source is not None else None
    except storage.TROUBLE as trouble:
        return [Line("?", f"{name} last event: the database cannot be read ({type(trouble).__name__})")]
    finally:
        await engine.dispose()
    told = [_when(f"{name} last event", event, clock.now())]
    return told if source is None else [*told, _when(f"{name} last answered poll", poll, clock.now())]


async def _newest(conn: AsyncConnection, provider: str) -> Instant | None:
    statement = select(deliveries.c.received_at).where(deliveries.c.provider == provider)
    at: Instant | None = (await conn.execute(statement.order_by(deliveries.c.seq.desc()).limit(1))).scalar()
    return at


def _when(what: str, at: Instant | None, now: Instant) -> Line:
    return Line("never", f"{what}: none yet") if at is None else Line("last", f"{what}: {ago(now - at)}")
