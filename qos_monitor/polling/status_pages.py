"""Looks at providers' status pages from time to time, and stores what they say when it is new."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import aiohttp
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.contract import Collector, Delivery, Unreadable
from collectors.polls import Request
from collectors.statuspage import READER, StatusPage, StatusPages
from collectors.statuspage.reader import asked
from qos_monitor import logs
from qos_monitor.clock import Clock
from qos_monitor.polling import book
from qos_monitor.polling.page_client import Look, PageClient
from qos_monitor.scheduler import Job
from qos_monitor.settings import Settings
from qos_monitor.storage.engine import writing
from qos_monitor.telemetry import Telemetry
from rules.span import HOUR, SECOND, Instant

PAUSE_MAX: int = HOUR
"""Between two looks at a page that is in trouble itself; each time twice as long until then."""

_READER = StatusPages()

Count = Callable[[str, str], None]
"""Counts a look, by provider and by what came of it (one of `metrics.labels.LOOKS`)."""


@dataclass(slots=True)
class _Seen:
    """What is remembered of a page between two looks; after a restart it is looked at once more, and that is all."""

    next_at: Instant = 0
    validators: tuple[tuple[str, str], ...] = ()
    named: str = ""
    result: str = "changed"
    failures: int = 0


class Watch:
    """Looks at each page every ``period`` milliseconds, all that are due at once."""

    def __init__(
        self, engine: AsyncEngine, clock: Clock, client: PageClient, pages: Mapping[StatusPage, int], count: Count
    ) -> None:
        """Watch these pages, each with its period in milliseconds."""
        self._engine = engine
        self._clock = clock
        self._client = client
        self._periods = dict(pages)
        self._seen = {page: _Seen() for page in pages}
        self._count = count

    async def step(self) -> int:
        """Look at the pages that are due; always answers 0, for none is due again at once."""
        now = self._clock.now()
        await asyncio.gather(*(self._look(page) for page, seen in self._seen.items() if self._is_due(page, seen, now)))
        return 0

    def _is_due(self, page: StatusPage, seen: _Seen, now: Instant) -> bool:
        """Say whether a page's time has come; one that is further off than any can be was set before a step back."""
        return not now < seen.next_at <= now + max(PAUSE_MAX, self._periods[page])

    async def _look(self, page: StatusPage) -> None:
        seen = self._seen[page]
        look = await self._client.look(page.fetched, seen.validators)
        now = self._clock.now()
        result = await self._settle(page, seen, look, now)
        is_good = result in {"changed", "unchanged"}
        seen.failures = 0 if is_good else seen.failures + 1
        pause = min(self._periods[page] * 2 ** min(seen.failures, 20), max(PAUSE_MAX, self._periods[page]))
        seen.next_at = now + max(pause, look.retry_after)
        if not is_good and result != seen.result:
            logs.event("status_page_not_read", logging.WARNING, provider=page.provider, result=result)
        seen.result = result
        self._count(page.provider, result)

    async def _settle(self, page: StatusPage, seen: _Seen, look: Look, now: Instant) -> str:
        if look.status == 304:
            return "unchanged"
        if look.status != 200:
            return _failure(look.status)
        delivery = Delivery(READER, look.body, {"asked": asked(page)}, now)
        try:
            _READER.read(delivery)
        except Unreadable:
            return "broken"
        named = _READER.key(delivery).event_id
        seen.validators = look.validators
        if named == seen.named:
            return "unchanged"
        request = Request(page.fetched, {}, named, 0, asked(page))
        async with writing(self._engine) as conn:
            await book.keep(conn, READER, request, look.body, now)
        seen.named = named
        return "changed"


def readers(settings: Settings) -> dict[str, Collector]:
    """Make what reads the pages; nobody but the job stores such a delivery."""
    return {READER: _READER} if settings.status_pages else {}


def jobs(
    settings: Settings, engine: AsyncEngine, clock: Clock, session: aiohttp.ClientSession, telemetry: Telemetry
) -> list[Job]:
    """Make the job that looks at the pages of the settings; none without."""
    pages: Sequence[StatusPage] = settings.status_pages
    if not pages:
        return []
    client = PageClient(session)
    period = settings.status_pages_s * SECOND
    watch = Watch(engine, clock, client, dict.fromkeys(pages, period), telemetry.page_looked_at)
    return [Job("status", watch.step, stop=client.hang_up, alone=True)]


def _failure(status: int) -> str:
    if 300 <= status < 400:
        return "moved"
    return "unavailable" if status >= 500 or status == 429 else "refused"
