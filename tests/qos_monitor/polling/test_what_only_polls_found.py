"""What polls show and webhooks did not counts like any other observation, and is counted once."""

import json
from collections.abc import AsyncIterator

import pytest
from polling_parts import END, Polling, monday
from service_parts import MONDAY
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.agora.webhook import Agora
from collectors.contract import Delivery
from qos_monitor import observing, reading, window_book
from qos_monitor.observing import Entry
from qos_monitor.polling.poller import COMPARE_AFTER
from qos_monitor.storage import engine as storage
from rules.observation import Kind
from rules.span import MINUTE, SECOND, Instant


@pytest.fixture
async def polling(engine: AsyncEngine) -> AsyncIterator[Polling]:
    async with monday(engine) as made:
        yield made


async def webhook(polling: Polling, event: int, at: Instant, uid: int, account: str) -> None:
    payload = {"channelName": "r1", "ts": at // SECOND, "uid": uid, "account": account, "clientSeq": at}
    body = {"noticeId": "n", "productId": 1, "eventType": event, "notifyMs": at, "payload": {**payload, "reason": 1}}
    found = Agora(("secret",)).read(Delivery("agora", json.dumps(body).encode(), {}, at))
    async with storage.writing(polling.engine) as conn:
        seen = [reading._recorded(sighting, at) for sighting in found.sightings]
        await observing.store(conn, [Entry(sighting, 1) for sighting in seen], at)


async def test_events_that_only_polling_found_are_counted_once_webhooks_had_their_time(polling: Polling) -> None:
    await webhook(polling, 103, MONDAY + SECOND, 7, "u1")
    await webhook(polling, 104, END - MINUTE, 7, "u1")
    await webhook(polling, 103, MONDAY, 100, "t1")
    await polling.run()
    await polling.read()
    assert polling.told.compared == []

    polling.clock.at += COMPARE_AFTER
    await polling.run(1)
    assert polling.told.compared == [(3, 1)]
    assert (await polling.row())[0] == "done"


async def test_nothing_is_compared_while_answers_wait_to_be_read(polling: Polling) -> None:
    await polling.run()
    polling.clock.at += COMPARE_AFTER
    await polling.run(1)
    assert polling.told.compared == []

    await polling.read()
    await polling.run(120)
    assert polling.told.compared == [(0, 4)]


async def test_a_session_that_webhooks_and_polls_told_is_judged_as_one_even_if_the_webhook_is_late(
    polling: Polling,
) -> None:
    await polling.run()
    await polling.read()
    await webhook(polling, 103, MONDAY, 7, "u1")
    await webhook(polling, 104, END - MINUTE, 7, "u1")

    async with storage.reading(polling.engine) as conn:
        seen = await window_book.observations_of(conn, ["c1"])

    mine = [one for one in seen if one.participant_id == "u1" and one.kind is not Kind.QUALITY]
    assert sorted((one.kind.value, one.session, one.fault.value) for one in mine) == [
        ("joined", "polled:s1", "unknown"),
        ("left", "polled:s1", "learner"),
    ]
