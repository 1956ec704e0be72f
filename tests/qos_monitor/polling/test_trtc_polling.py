"""TRTC's users, their events and series are fetched after each class, over real HTTP, from a fake of its API."""

from collections import Counter
from collections.abc import AsyncIterator

import aiohttp
import pytest
from agora_analytics import Misdeed, answers, breaks_off
from aiohttp.test_utils import TestServer
from asking import Asking, told
from polling_parts import END
from service_parts import MONDAY, SetClock, school
from sqlalchemy.ext.asyncio import AsyncEngine
from trtc_calls import APP_ID, KEY, FakeTrtc, events, experience, room, series, user

from collectors.polls import Said
from collectors.trtc.calls import PLANS, statistics
from collectors.trtc.stats import TRTC_ANSWERS
from qos_monitor import roster
from qos_monitor.polling.poller import BACKOFF_FIRST, NOT_READY_AGAIN, REFUSED_AGAIN
from qos_monitor.polling.tc3 import Tc3
from qos_monitor.storage import engine as storage
from rules.observation import Fault, Kind
from rules.span import DAY, HOUR, MINUTE, SECOND

READY = END + 10 * MINUTE


class Trtc(Asking):
    """A poller of TRTC and the fake API."""

    fake: FakeTrtc


@pytest.fixture
async def trtc(engine: AsyncEngine) -> AsyncIterator[Trtc]:
    clock = SetClock(READY)
    fake = FakeTrtc(
        clock,
        rooms=[room(MONDAY - 5 * MINUTE, END + MINUTE)],
        users=[user("u1", MONDAY, END - MINUTE), user("t1", MONDAY - MINUTE, END)],
        events={"u1": events((7000, 0, MONDAY + 120), (7001, 1, END - MINUTE + 400))},
        series=[series("aBlock", "u1", "t1", MONDAY, [0] * 5 + [2000] * 5)],
        unusual=[experience(1, "u2", MONDAY + 2 * MINUTE, 1004)],
    )
    async with storage.writing(engine) as conn:
        await roster.apply(conn, school(provider="trtc"), MONDAY - DAY)
    async with TestServer(fake.app()) as server, aiohttp.ClientSession() as http:
        yield made(engine, fake, http, str(server.make_url("")))


def made(engine: AsyncEngine, fake: FakeTrtc, http: aiohttp.ClientSession, url: str) -> Trtc:
    asked = statistics(APP_ID, "standard")
    assert asked is not None
    readers = {"trtc-stats": TRTC_ANSWERS}
    trtc = Trtc(engine, fake.clock, http, url, asked, readers, lambda: Tc3(*KEY, "ap-guangzhou"))
    trtc.fake = fake
    return trtc


def actions(fake: FakeTrtc) -> Counter[str]:
    return Counter(action.removeprefix("Describe") for action, _ in fake.asked)


async def test_after_a_class_its_users_events_and_series_are_fetched_and_read(trtc: Trtc) -> None:
    await trtc.run()
    seen = await trtc.seen()

    assert actions(trtc.fake) == {
        "RoomInfo": 1,
        "UserInfo": 1,
        "UserEvent": 2,
        "CallDetailInfo": 2,
        "UnusualEvent": 2,
    }
    assert trtc.told.asked == {Said.GOOD: 8}
    assert Counter(told(seen)) == {
        ("joined", "c1", "u1"): 1,
        ("joined", "c1", "t1"): 1,
        ("left", "c1", "u1"): 1,
        ("left", "c1", "t1"): 1,
        ("join_failed", "c1", "u2"): 1,
        ("quality", "c1", "u1"): 2,
        ("feed_alive", None, None): 1,
    }
    assert [one.metrics for one in seen if one.kind is Kind.QUALITY] == [{"audio_frozen": 0}, {"audio_frozen": 1}]
    assert [one.fault for one in seen if one.kind is Kind.JOIN_FAILED] == [Fault.PLATFORM]
    assert (await trtc.row())[0] == "fetched"


async def test_nothing_is_asked_before_the_data_should_be_there(trtc: Trtc) -> None:
    trtc.clock.at = READY - 1
    await trtc.poller.step()
    assert trtc.fake.asked == []


async def test_a_room_that_nobody_was_in_is_a_feed_that_was_alive(trtc: Trtc) -> None:
    trtc.fake.rooms.clear()
    trtc.fake.unusual.clear()
    await trtc.run()

    assert told(await trtc.seen()) == [("feed_alive", None, None)]


async def test_users_are_asked_page_by_page_and_their_series_six_at_a_time(trtc: Trtc) -> None:
    trtc.fake.users = [user(f"u{n}", MONDAY, END) for n in range(103)]
    await trtc.run(30)

    assert actions(trtc.fake) == {
        "RoomInfo": 1,
        "UserInfo": 2,
        "UserEvent": 103,
        "CallDetailInfo": 2 * 18,
        "UnusualEvent": 2,
    }
    assert set(trtc.told.asked) == {Said.GOOD}
    assert sum(one.kind is Kind.FEED_ALIVE for one in await trtc.seen()) == 1


async def test_a_restart_goes_on_where_it_was_and_asks_nothing_twice(trtc: Trtc) -> None:
    for _ in range(12):
        await trtc.poller.step()
        trtc.clock.at += SECOND
        trtc.restart()

    assert len(trtc.fake.asked) == 8
    assert len({(action, str(given)) for action, given in trtc.fake.asked}) == 8


async def test_a_wrong_key_is_refused_and_asked_again_only_later(trtc: Trtc) -> None:
    trtc.authorizer = lambda: Tc3(KEY[0], "another", "ap-guangzhou")
    trtc.restart()
    await trtc.run()

    assert trtc.told.asked == {Said.REFUSED: 1}
    assert (await trtc.row())[2] == READY + REFUSED_AGAIN


async def test_a_class_older_than_the_version_keeps_is_lost_and_said_to_be(trtc: Trtc) -> None:
    trtc.clock.at = END
    await trtc.poller.step()  # begins to poll
    limits = PLANS["standard"]
    assert limits is not None
    await trtc.at(END + limits.kept_ms)

    assert trtc.told.lost == 1
    assert trtc.fake.asked == []
    assert (await trtc.row())[0] == "lost"


async def test_data_that_is_gone_over_there_is_lost_and_said_to_be(trtc: Trtc) -> None:
    trtc.fake.misdeeds.append(answers(200, error("InvalidParameter.StartTimeExpire")))
    await trtc.run()

    assert trtc.told.asked == {Said.GONE: 1}
    assert trtc.told.lost == 1


async def test_shortly_before_the_data_is_gone_all_of_it_is_still_fetched(trtc: Trtc) -> None:
    trtc.clock.at = END
    await trtc.poller.step()  # begins to poll
    await trtc.at(END + 6 * DAY + 12 * HOUR)

    assert trtc.told.asked == {Said.GOOD: 8}


def error(code: str) -> str:
    return f'{{"Response":{{"Error":{{"Code":"{code}","Message":"m"}},"RequestId":"r"}}}}'


@pytest.mark.parametrize(
    ("misdeed", "said", "wait"),
    [
        (answers(200, error("RequestLimitExceeded")), Said.TOO_FAST, SECOND),
        (answers(200, error("RequestLimitExceeded.UinLimitExceeded")), Said.TOO_FAST, SECOND),
        (answers(200, error("OperationDenied.FreqOverLimit")), Said.TOO_FAST, SECOND),
        (answers(429, "", Retry_After="30"), Said.TOO_FAST, 30 * SECOND),
        (answers(200, error("AuthFailure.SecretIdNotFound")), Said.REFUSED, REFUSED_AGAIN),
        (answers(200, error("UnauthorizedOperation.SdkAppId")), Said.REFUSED, REFUSED_AGAIN),
        (answers(200, error("FailedOperation.NotAllowed")), Said.REFUSED, REFUSED_AGAIN),
        (answers(200, error("FailedOperation.RoomNotExist")), Said.NOT_READY, NOT_READY_AGAIN),
        (answers(200, error("InternalError.EsQueryError")), Said.UNAVAILABLE, BACKOFF_FIRST),
        (answers(200, error("FailedOperation")), Said.UNAVAILABLE, BACKOFF_FIRST),
        (answers(200, error("MissingParameter.CommId")), Said.BROKEN, BACKOFF_FIRST),
        (answers(502, "<html>"), Said.UNAVAILABLE, BACKOFF_FIRST),
        (answers(200, "<html>"), Said.BROKEN, BACKOFF_FIRST),
        (answers(200, '{"Response":{"RequestId":"r"}}'), Said.BROKEN, BACKOFF_FIRST),
        (breaks_off, Said.UNAVAILABLE, BACKOFF_FIRST),
    ],
)
async def test_a_bad_answer_is_named_and_waited_for(trtc: Trtc, misdeed: Misdeed, said: Said, wait: int) -> None:
    trtc.fake.misdeeds.append(misdeed)
    await trtc.poller.step()

    assert trtc.told.asked == {said: 1}
    assert (await trtc.row())[2] == READY + wait


async def test_samples_that_say_code_0_without_an_envelope_are_good(trtc: Trtc) -> None:
    trtc.fake.misdeeds.append(answers(200, '{"code":0,"message":null,"Total":0,"RoomList":null}'))
    await trtc.poller.step()

    assert trtc.told.asked == {Said.GOOD: 1}
