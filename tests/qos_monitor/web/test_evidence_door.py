"""The door for the school's own acts, over real HTTP: what its backend hears, and what is on the disk by then."""

import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web
from gates import gate_of
from service_parts import MONDAY, TOKEN, SetClock, school
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from qos_monitor import backend, reading, roster
from qos_monitor.intake import COLUMNS, Intake
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import deliveries, notices, observations
from qos_monitor.storage.writer import Writer
from qos_monitor.telemetry import Telemetry
from qos_monitor.web import app as web_app
from qos_monitor.web.evidence import OwnEvidence
from rules.span import DAY, MINUTE, format_instant

BEARER = {"Authorization": f"Bearer {TOKEN}"}
EVENT = {"id": "1", "kind": "token_issued", "at": format_instant(MONDAY), "class_id": "c1", "learner_id": "u1"}
OFF = {"id": "2", "kind": "class_cancelled", "at": EVENT["at"], "class_id": "c9", "by": "mutual", "technical": False}


@dataclass
class Door:
    """The door, what is behind it, and a client before it."""

    engine: AsyncEngine
    client: aiohttp.ClientSession
    telemetry: Telemetry
    writer: Writer
    clock: SetClock

    async def post(self, given: object, **headers: str) -> tuple[int, object]:
        """Post JSON, or bytes as they are, with the token."""
        body = given if isinstance(given, bytes) else json.dumps(given).encode()
        async with self.client.post("/v1/evidence", data=body, headers={**BEARER, **headers}) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text.startswith("{") else text

    async def stored(self) -> list[bytes]:
        """Give what is on the disk."""
        async with storage.reading(self.engine) as conn:
            rows = await conn.execute(select(deliveries.c.body).where(deliveries.c.provider == "evidence"))
            return list(rows.scalars())

    async def read(self) -> None:
        """Read what waits."""
        await reading.read_waiting(self.engine, {backend.PROVIDER: backend.Evidence()}, self.clock.now())

    async def known(self) -> list[tuple[str, str]]:
        """Give the kinds and ids of all that was read."""
        async with storage.reading(self.engine) as conn:
            seen = await conn.execute(select(observations.c.kind, observations.c.id).order_by(observations.c.id))
            told = (await conn.execute(select(notices.c.id).order_by(notices.c.id))).scalars()
            return [*(tuple(row) for row in seen), *(("notice", name) for name in told)]


@pytest.fixture
async def door(embedded: AsyncEngine) -> AsyncIterator[Door]:
    clock = SetClock(MONDAY + MINUTE)
    writer = Writer(embedded, deliveries, COLUMNS, queue_max=3)
    writer.start()
    telemetry = Telemetry([backend.PROVIDER])
    door = OwnEvidence(embedded, Intake({}, writer, clock), telemetry, clock, gate_of(embedded, clock))
    runner = web_app.runner(web_app.create([door], (), 10_000), 5.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with storage.writing(embedded) as conn:
        await roster.apply(conn, school(), MONDAY - DAY)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
        yield Door(embedded, client, telemetry, writer, clock)
    await runner.cleanup()
    await writer.stop()


async def test_one_event_is_stored_as_it_came_before_it_is_answered(door: Door) -> None:
    body = json.dumps(EVENT, indent=2).encode()

    assert await door.post(body) == (202, {"accepted": 1, "unknown_classes": []})
    assert await door.stored() == [body]


async def test_a_list_is_taken_whole_and_classes_the_roster_does_not_know_are_named(door: Door) -> None:
    assert await door.post([EVENT, OFF]) == (202, {"accepted": 2, "unknown_classes": ["c9"]})

    await door.read()

    assert await door.known() == [("attempted", "token_issued:1"), ("notice", "2")]


async def test_an_event_posted_again_alone_or_among_others_is_one_event(door: Door) -> None:
    for given in (EVENT, EVENT, [EVENT, {**EVENT, "id": "3"}], [EVENT, EVENT]):
        assert (await door.post(given))[0] == 202
        await door.read()

    assert len(await door.stored()) == 3
    assert await door.known() == [("attempted", "token_issued:1"), ("attempted", "token_issued:3")]


async def test_of_two_events_under_one_id_the_one_received_first_counts(door: Door) -> None:
    await door.post(EVENT)
    door.clock.at += MINUTE
    await door.post({**EVENT, "learner_id": "u2"})
    await door.read()

    async with storage.reading(door.engine) as conn:
        assert (await conn.execute(select(observations.c.participant_id))).scalars().all() == ["u1"]


async def test_a_mistake_names_its_path_and_nothing_of_the_list_is_stored(door: Door) -> None:
    status, told = await door.post([EVENT, {**EVENT, "kind": "kicked", "reason": "whim"}])

    assert status == 422
    message = "must be one of class_over, conduct, duplicate_login, mistake, moved, not 'whim'"
    assert told == {"errors": [{"path": "[1].reason", "message": message}]}
    assert await door.stored() == []


@pytest.mark.parametrize(
    ("ahead", "status"), [(backend.AHEAD_MAX, 202), (backend.AHEAD_MAX + 1, 422), (-400 * DAY, 202)]
)
async def test_a_clock_may_be_five_minutes_ahead_and_a_backlog_as_old_as_it_is(
    door: Door, ahead: int, status: int
) -> None:
    event = {**EVENT, "at": format_instant(door.clock.now() + ahead)}

    assert (await door.post(event))[0] == status


@pytest.mark.parametrize(
    ("body", "headers", "status", "result"),
    [
        (b"{", {}, 400, "invalid"),
        (b"7", {}, 422, "invalid"),
        (gzip.compress(b"{}", mtime=0), {"Content-Encoding": "gzip"}, 415, "invalid"),
        (b" " * 10_001, {}, 413, "too_large"),
        (b"{}", {"Authorization": "Bearer wrong"}, 401, "refused"),
    ],
)
async def test_what_is_not_taken_is_said_and_counted(
    door: Door, body: bytes, headers: dict[str, str], status: int, result: str
) -> None:
    assert (await door.post(body, **headers))[0] == status

    labels = {"provider": "evidence", "result": result}
    assert door.telemetry.registry.get_sample_value("qos_deliveries_total", labels) == 1
    assert await door.stored() == []


async def test_an_empty_list_is_fine(door: Door) -> None:
    assert await door.post([]) == (202, {"accepted": 0, "unknown_classes": []})


async def test_while_the_service_stops_the_backend_is_asked_to_come_again(door: Door) -> None:
    await door.writer.stop()

    status, _ = await door.post(EVENT)

    assert status == 503
