"""What is around the recorded school: Agora's statistics and status page, and somebody who forges webhooks."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from agora_analytics import APP_ID, KEY, FakeAnalytics, Row, session
from aiohttp.test_utils import TestServer
from status_pages import FakePage, incident, listing

from qos_monitor.clock import Clock
from qos_monitor.simulation import agora_sender
from qos_monitor.simulation.plan import Plan
from qos_monitor.simulation.post import Post, number_of
from qos_monitor.simulation.school import day
from qos_monitor.simulation.script import Event, What, events
from rules.span import DAY, HOUR, MINUTE, SECOND, Instant, Span

SEED = 1
DECLARED = Span(day(1, 17 * HOUR), day(3, 21 * HOUR))
"""When Agora's status page says that node bj-7 is out: half an hour late, as such pages are."""
FORGED = Span(day(7, 19 * HOUR + 30 * MINUTE), day(7, 20 * HOUR + 30 * MINUTE))
"""When somebody sends webhooks signed with a secret of their own, and some to a door that is not there."""
_FORGED_AT_ONCE = 15
_PLAN: Mapping[str, Any] = {
    "per_second": 10,
    "per_day": 10_000,
    "kept_ms": 15 * DAY,
    "delay_ms": 100 * SECOND,
    "spans_ms": (24 * HOUR, 6 * HOUR),
}
"""What Agora's largest plan allows: the play's clock stands still for as long as its requests are sent."""


@dataclass
class Surroundings:
    """Everybody who is not the school, the service or its refund system."""

    plan: Plan
    page: FakePage
    settings: Mapping[str, str]

    def go(self, now: Instant) -> None:
        """Say on the status page what it says at this instant."""
        since = (DECLARED.start, "investigating")
        if now < DECLARED.start:
            self.page.body, tag = listing(), "quiet"
        elif now < DECLARED.end:
            self.page.body, tag = listing(incident("i1", DECLARED.start, since)), "out"
        else:
            over = (DECLARED.end, "resolved")
            told = incident("i1", DECLARED.start, since, over, resolved=DECLARED.end)
            self.page.body, tag = listing(told), "over"
        self.page.headers = {"ETag": f'"{tag}"'}

    def forged(self, now: Instant) -> Sequence[Post]:
        """Give what the forger sends at this instant."""
        if not FORGED.holds(now):
            return ()
        lessons = [lesson for lesson in self.plan.school.lessons if lesson.group.provider == "agora"]
        guessed = [
            agora_sender.channel(lesson, is_open=True, secret="guessed", sent_at=now)
            for lesson in lessons[:_FORGED_AT_ONCE]
        ]
        return [*guessed, Post(now, "/webhooks/nobody", {}, b"{}")]


@asynccontextmanager
async def surroundings(plan: Plan, clock: Clock) -> AsyncIterator[Surroundings]:
    """Serve the statistics and the status page, with the settings by which the service finds them."""
    analytics = FakeAnalytics(clock, list(_stays(plan)), **_PLAN)
    page = FakePage()
    async with TestServer(analytics.app()) as statistics, TestServer(page.app()) as pages:
        yield Surroundings(
            plan,
            page,
            {
                "QOS_AGORA_REST_KEY": ":".join(KEY),
                "QOS_AGORA_APP_ID": APP_ID,
                "QOS_AGORA_PLAN": "enterprise",
                "QOS_AGORA_REST_URL": str(statistics.make_url("/")),
                "QOS_STATUS_PAGES": f"agora:{pages.make_url('/api/v2/incidents.json')}",
            },
        )


def _stays(plan: Plan) -> Sequence[Row]:
    """Pair joins with leaves, as Agora's servers saw them."""
    open_: dict[tuple[str, str], Event] = {}
    rows = []
    happened = [event for event in events(plan.school, plan.fates, SEED) if event.lesson.group.provider == "agora"]
    for event in sorted(happened, key=lambda event: event.at):
        who = (event.lesson.id, event.person)
        if event.what is What.JOIN:
            open_[who] = event
        elif event.what is What.LEAVE:
            joined = open_.pop(who)
            sid = f"{event.lesson.id}-{event.person}-{joined.stay}"
            uid = number_of(event.person)
            rows.append(session(sid, joined.at, event.at, uid, event.person, cname=event.lesson.room))
    return rows
