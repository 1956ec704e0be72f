"""A school of any size in a database, for tests of what a scrape costs: 3 providers, 20 nodes, a class for some now."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from service_parts import MONDAY, row
from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qos_monitor import tallying
from qos_monitor.metrics import tallied
from qos_monitor.metrics.labels import CLOSED, FAULTS, MEDIA, OUTCOMES, VERDICTS
from qos_monitor.storage import engine as storage
from qos_monitor.storage.rows import canonical, window_of
from qos_monitor.storage.tables import cases, claims, class_learners, classes, learners, observations, outages, verdicts
from qos_monitor.tallying import Counts
from rules.span import DAY, HOUR, MINUTE, SECOND

PROVIDERS = ("agora", "livekit", "zoom")
NODES = tuple(f"node-{number:02}" for number in range(20))
NOW = MONDAY + 30 * MINUTE
_ROOM = 20
_BATCH = 5_000


@dataclass(frozen=True, slots=True)
class BigSchool:
    """So many learners with a class each; of these ``in_class`` have it now."""

    learners: int
    in_class: int

    async def fill(self, engine: AsyncEngine) -> None:
        """Put the school, and everything that was ever counted of it, into an empty database."""
        async with storage.writing(engine) as conn:
            for table, rows in self._tables():
                await _insert(conn, table, rows)
            await tallying.add(conn, _everything_counted(), NOW)

    def _tables(self) -> Iterator[tuple[Table, Iterator[dict[str, object]]]]:
        yield classes, self._classes()
        yield class_learners, ({"class_id": f"c{n // _ROOM}", "learner_id": f"u{n}"} for n in range(self.learners))
        yield learners, ({"id": f"u{n}", "look_again_at": None} for n in range(self.learners))
        yield observations, self._observations()
        yield verdicts, self._verdicts()
        yield outages, self._outages()
        yield cases, self._cases()
        yield claims, self._claims()

    def _classes(self) -> Iterator[dict[str, object]]:
        for number in range(-(-self.learners // _ROOM)):
            starts_at = MONDAY if number * _ROOM < self.in_class else MONDAY - DAY - number % 300 * HOUR
            times = {"starts_at": starts_at, "ends_at": starts_at + HOUR, "window": window_of(starts_at)}
            yield row(classes, id=f"c{number}", provider=PROVIDERS[number % 3], **times)

    def _observations(self) -> Iterator[dict[str, object]]:
        """Everybody tries and comes in; one in ten is put out again, one in seven freezes."""
        for n in range(self.in_class):
            node = canonical({"node": NODES[n % len(NODES)]})
            of: dict[str, object] = {
                "class_id": f"c{n // _ROOM}",
                "participant_id": f"u{n}",
                "role": "learner",
                "domains": node,
            }
            of |= {"source": PROVIDERS[n // _ROOM % 3], "fault": "platform", "metrics": "{}"}
            of |= {"until": None, "session": f"s{n}"}
            yield row(observations, id=f"{n}a", kind="attempted", at=MONDAY, **of)
            yield row(observations, id=f"{n}j", kind="joined", at=MONDAY + 2 * SECOND, **of)
            if n % 10 == 0:
                yield row(observations, id=f"{n}l", kind="left", at=MONDAY + 9 * MINUTE, **of)
            of["metrics"] = canonical({"audio_frozen": 0.3 if n % 7 == 0 else 0.0})
            for minute in range(30):
                at = MONDAY + minute * MINUTE
                yield row(observations, id=f"{n}q{minute}", kind="quality", at=at, **(of | {"until": at + MINUTE}))

    def _verdicts(self) -> Iterator[dict[str, object]]:
        for n in range(self.in_class, self.learners):
            told = {"verdict": "ATTENDED", "firm": True, "current": True, "body": "{}"}
            yield row(verdicts, learner_id=f"u{n}", class_id=f"c{n // _ROOM}", **told)

    def _outages(self) -> Iterator[dict[str, object]]:
        for n in range(0, self.learners, 50):
            told = {"answer": "not_yet", "projected_minor": 100_00, "projected_currency": ("CNY", "JPY")[n % 100 // 50]}
            yield row(outages, learner_id=f"u{n}", starts_at=NOW - n % 50 * HOUR - n % 48 * HOUR, **told)

    def _cases(self) -> Iterator[dict[str, object]]:
        for n in range(0, self.learners, 20):
            told = {"kind": "refund", "state": "filed" if n % 40 else "paid", "due_limit": f"2026-11-{n % 28 + 1:02}"}
            yield row(cases, case_key=f"k{n}", learner_id=f"u{n}", body="x" * 1000, **told)

    def _claims(self) -> Iterator[dict[str, object]]:
        for n in range(0, self.learners, 20):
            told = {"kind": "refund", "state": "accepted" if n % 40 else "paid", "amount_minor": 100_00}
            told |= {"currency": "CNY", "ready_at": NOW - n * MINUTE}
            yield row(claims, claim_key=f"k{n}", case_key=f"k{n}", body="x" * 2000, terms="x" * 500, **told)


async def _insert(conn: AsyncConnection, table: Table, rows: Iterator[dict[str, object]]) -> None:
    while batch := list(islice(rows, _BATCH)):
        await conn.execute(table.insert(), batch)


def _everything_counted() -> Counts:
    """Count something under every label there can be, and under more nodes, releases and networks than have room."""
    counts = Counts()
    for provider in (*PROVIDERS, "a-fourth"):
        for fault in FAULTS:
            counts.add(tallied.JOIN_FAILURES, provider, fault)
            counts.add(tallied.LOST, provider, fault)
        for medium in MEDIA:
            counts.observe(tallied.FREEZE, 0.02, provider, medium)
        for verdict in VERDICTS:
            counts.add(tallied.FIRM_VERDICTS, provider, verdict)
        for of in CLOSED["of"]:
            counts.add(tallied.CORRECTED, provider, of, "up")
        counts.add(tallied.JOINS, provider, "joined")
        counts.observe(tallied.JOIN_SECONDS, 2, provider)
        counts.observe(tallied.AV_OFFSET, 0.02, provider)
        for node in (*NODES, "none"):
            _at_node(counts, provider, node)
    _by_release_and_network(counts)
    return counts


def _by_release_and_network(counts: Counts) -> None:
    for number in range(100):
        for owed, delivered, by_outcome in (
            (tallied.RELEASE_OWED, tallied.RELEASE_DELIVERED, tallied.RELEASE_CLASSES),
            (tallied.NETWORK_OWED, tallied.NETWORK_DELIVERED, tallied.NETWORK_CLASSES),
        ):
            counts.add(owed, f"name-{number}", count=60_000)
            counts.add(delivered, f"name-{number}", count=59_000)
            counts.add(by_outcome, f"name-{number}", "served")


def _at_node(counts: Counts, provider: str, node: str) -> None:
    for metric in (tallied.OWED, tallied.DELIVERED, tallied.AV_MEASURED, tallied.AV_DESYNC):
        counts.add(metric, provider, node, count=60_000)
    for medium in MEDIA:
        counts.add(tallied.WATCHED, provider, node, medium, count=60_000)
        counts.add(tallied.FROZEN, provider, node, medium, count=600)
    for outcome in OUTCOMES:
        counts.add(tallied.LEARNER_CLASSES, provider, node, outcome)
