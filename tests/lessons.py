"""A school of any number of (learner, class) pairs with its evidence, put straight into a database for benchmarks.

Every half hour of a ten-hour day has a hundred classes of ten learners, on two providers with four nodes each. Now and
then a node fails for half an hour, one learner in two hundred has a bad line of their own, and one in fifty does not
come.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from service_parts import MONDAY, row
from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qos_monitor.storage import engine as storage
from qos_monitor.storage.rows import WINDOW, canonical, window_of
from qos_monitor.storage.tables import class_learners, classes, courses, enrolments, learners, observations, windows
from rules.span import DAY, HOUR, MINUTE, SECOND, Instant

PAIRS_A_WINDOW = 1_000
_ROOM = 10
_WINDOWS_A_DAY = 20
_LESSONS_EACH = 5
_BATCH = 2_000
_FAILING = 40  # every so many windows one node is down


@dataclass(frozen=True, slots=True)
class Lessons:
    """So many pairs, in whole windows of a thousand, or in one smaller window."""

    pairs: int

    @property
    def window_count(self) -> int:
        """How many half hours have classes."""
        return -(-self.pairs // PAIRS_A_WINDOW)

    @property
    def learner_count(self) -> int:
        """How many learners there are."""
        return max(self.pairs // _LESSONS_EACH, min(self.pairs, PAIRS_A_WINDOW))

    @property
    def starts(self) -> list[Instant]:
        """When each window begins: ten hours a day, from a Monday on."""
        return [
            MONDAY + number // _WINDOWS_A_DAY * DAY + number % _WINDOWS_A_DAY * WINDOW
            for number in range(self.window_count)
        ]

    @property
    def over_at(self) -> Instant:
        """When every verdict is firm."""
        return self.starts[-1] + WINDOW + 7 * HOUR

    async def fill(self, engine: AsyncEngine) -> None:
        """Put it into an empty database; nothing is due to be judged yet, for `due_all` says so."""
        for table, rows in self._tables():
            async with storage.writing(engine) as conn:
                await insert(conn, table, rows)

    async def due_all(self, engine: AsyncEngine) -> None:
        """Have every window judged."""
        rows: list[dict[str, object]] = [
            {"window": window_of(at), "due_at": at, "lease_until": 0, "lease_token": 0} for at in self.starts
        ]
        async with storage.writing(engine) as conn:
            await insert(conn, windows, iter(rows))

    def _tables(self) -> Iterator[tuple[Table, Iterator[dict[str, object]]]]:
        yield courses, iter([{"id": "math", "title": "Math", "visual_essential": False}])
        yield learners, ({"id": f"u{n}", "look_again_at": None} for n in range(self.learner_count))
        yield enrolments, (row(enrolments, **_bought(n)) for n in range(self.learner_count))
        yield classes, (self._class(number) for number in range(-(-self.pairs // _ROOM)))
        yield (
            class_learners,
            ({"class_id": f"c{n // _ROOM}", "learner_id": self._learner(n)} for n in range(self.pairs)),
        )
        yield observations, self._observations()

    def _learner(self, pair: int) -> str:
        return f"u{pair % self.learner_count}"

    def _start(self, pair: int) -> Instant:
        number = pair // PAIRS_A_WINDOW
        return MONDAY + number // _WINDOWS_A_DAY * DAY + number % _WINDOWS_A_DAY * WINDOW

    def _class(self, number: int) -> dict[str, object]:
        starts_at = self._start(number * _ROOM)
        told = {"starts_at": starts_at, "ends_at": starts_at + WINDOW, "window": window_of(starts_at)}
        return row(classes, id=f"c{number}", course_id="math", provider=_provider(number), teacher_id="t1", **told)

    def _observations(self) -> Iterator[dict[str, object]]:
        for pair in range(self.pairs):
            if pair % 50 == 7:
                continue  # a no-show
            number = pair // _ROOM
            node = f"node-{number % 4}"
            is_down = pair // PAIRS_A_WINDOW % _FAILING == _FAILING - 1 and node == "node-3"
            of: dict[str, object] = {"class_id": f"c{number}", "participant_id": self._learner(pair), "role": "learner"}
            of |= {"source": _provider(number), "domains": canonical({"node": node}), "vantage": "server"}
            of |= {"fault": "unknown", "metrics": "{}", "session": f"s{pair}", "until": None}
            yield from _seen(pair, self._start(pair), of, is_down=is_down)


def _provider(number: int) -> str:
    return ("agora", "livekit")[number // 4 % 2]


def _bought(number: int) -> dict[str, object]:
    of = {"id": f"e{number}", "learner_id": f"u{number}", "course_id": "math", "starts_at": MONDAY - 30 * DAY}
    money = {"price_minor": 480_000, "paid_minor": 480_000, "currency": "CNY", "lessons_paid": 48}
    return of | money | {"lessons_used_before": "4"}


def _seen(pair: int, start: Instant, of: dict[str, object], *, is_down: bool) -> Iterator[dict[str, object]]:
    """Tell what a provider tells of one learner: the attempt, the way in, three spans of quality, the way out."""
    yield row(observations, id=f"{pair}a", kind="attempted", at=start - MINUTE, **of)
    if is_down:
        yield row(observations, id=f"{pair}f", kind="join_failed", at=start, **(of | {"fault": "platform"}))
        return
    yield row(observations, id=f"{pair}j", kind="joined", at=start - MINUTE + 2 * SECOND, **of)
    frozen = 0.4 if pair % 200 == 11 else 0.0
    for part in range(3):
        at = start + part * 10 * MINUTE
        told: dict[str, object] = {
            "metrics": canonical({"audio_frozen": frozen}),
            "fault": "learner" if frozen else "unknown",
        }
        told["until"] = at + 10 * MINUTE
        yield row(observations, id=f"{pair}q{part}", kind="quality", at=at, **(of | told))
    yield row(observations, id=f"{pair}l", kind="left", at=start + 30 * MINUTE, **of)


async def insert(conn: AsyncConnection, table: Table, rows: Iterator[dict[str, object]]) -> None:
    """Put rows into a table, a few thousand at a time."""
    while batch := list(islice(rows, _BATCH)):
        await conn.execute(table.insert(), batch)
