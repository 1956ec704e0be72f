"""Zoom's participants and their measurements are fetched after each class, over real HTTP, from a fake account."""

from collections import Counter
from collections.abc import AsyncIterator

import aiohttp
import pytest
from agora_analytics import Misdeed, answers, breaks_off
from aiohttp.test_utils import TestServer
from asking import Asking, told
from polling_parts import END
from service_parts import MONDAY, SetClock, school
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from zoom_account import ACCOUNT, NUMBER, FakeZoom, Holding, minute, person

from collectors.polls import Said
from collectors.zoom.dashboards import AGAIN, LOOKS, statistics
from collectors.zoom.stats import ZOOM_ANSWERS
from qos_monitor import roster
from qos_monitor.polling.oauth import AccountToken
from qos_monitor.polling.poller import BACKOFF_FIRST, REFUSED_AGAIN
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import deliveries
from rules.observation import Fault, Kind
from rules.span import DAY, HOUR, MINUTE, SECOND

READY = END + LOOKS[0]
AWKWARD = "/ajXp112QmuoKj4854875==".replace("oKj", "//o")


class Zoom(Asking):
    """A poller of Zoom and the fake account."""

    fake: FakeZoom


def holding(uuid: str = "4444AAAiAAAAAiAiAiiAii==") -> Holding:
    people = [
        person("u1", MONDAY, END - MINUTE, user_qos=[minute(MONDAY + n * MINUTE, "30.0 %") for n in (1, 2)]),
        person("t1", MONDAY - MINUTE, END, leave_reason="Host ended the meeting."),
    ]
    return Holding(uuid, MONDAY - 5 * MINUTE, END + MINUTE, people)


@pytest.fixture
async def zoom(engine: AsyncEngine) -> AsyncIterator[Zoom]:
    clock = SetClock(READY)
    fake = FakeZoom(clock, [holding()])
    async with storage.writing(engine) as conn:
        await roster.apply(conn, school(provider="zoom", room=NUMBER), MONDAY - DAY)
    async with TestServer(fake.app()) as server, aiohttp.ClientSession() as http:
        yield made(engine, fake, http, str(server.make_url("")))


def made(engine: AsyncEngine, fake: FakeZoom, http: aiohttp.ClientSession, url: str, plan: str = "business") -> Zoom:
    asked = statistics(plan)
    assert asked is not None
    root = url.rstrip("/")
    zoom = Zoom(
        engine,
        fake.clock,
        http,
        f"{root}/v2",
        asked,
        {"zoom-stats": ZOOM_ANSWERS},
        lambda: AccountToken(http, f"{root}/oauth/token", ACCOUNT),
    )
    zoom.fake = fake
    return zoom


def paths(fake: FakeZoom) -> list[str]:
    return [asked.partition("?")[0].rpartition("/")[2] for asked in fake.asked]


async def test_after_a_class_its_participants_and_what_they_measured_are_fetched_and_read(zoom: Zoom) -> None:
    await zoom.run()
    seen = await zoom.seen()

    assert paths(zoom.fake) == ["instances", "participants", "qos"]
    assert Counter(told(seen)) == {
        ("joined", "c1", "u1"): 1,
        ("joined", "c1", "t1"): 1,
        ("left", "c1", "u1"): 1,
        ("left", "c1", "t1"): 1,
        ("quality", "c1", "u1"): 2,
        ("feed_alive", None, None): 1,
    }
    assert {one.code for one in seen if one.kind is not Kind.QUALITY} == {"polled"}
    assert [one.metrics["loss"] for one in seen if one.kind is Kind.QUALITY] == [0.3, 0.3]
    assert {one.fault for one in seen if one.kind is Kind.LEFT} == {Fault.LEARNER, Fault.UNKNOWN}


async def test_a_measurement_names_a_guest_by_what_the_list_of_participants_knows(zoom: Zoom) -> None:
    await zoom.run()

    assert {one.participant_id for one in await zoom.seen() if one.kind is Kind.QUALITY} == {"u1"}


async def test_the_meeting_is_looked_for_again_and_a_second_holding_is_found_when_it_is_over(zoom: Zoom) -> None:
    await zoom.run()
    late = Holding(
        "second==",
        END - 20 * MINUTE,
        END + 30 * MINUTE,
        [person(name, END - 20 * MINUTE, END) for name in ("u2", "t1")],
    )
    zoom.fake.holdings.append(late)
    await zoom.at(END + LOOKS[1])
    await zoom.at(END + LOOKS[2])

    assert Counter(paths(zoom.fake)) == {"instances": 3, "participants": 2, "qos": 2}
    assert ("joined", "c1", "u2") in told(await zoom.seen())
    assert (await zoom.row())[0] == "fetched"


async def test_after_the_last_look_a_meeting_that_was_nowhere_was_held_by_nobody_and_the_feed_was_alive(
    zoom: Zoom,
) -> None:
    zoom.fake.holdings.clear()
    await zoom.run()
    assert await zoom.seen() == []
    for wait in LOOKS[1:]:
        await zoom.at(END + wait)

    assert told(await zoom.seen()) == [("feed_alive", None, None)]
    assert (await zoom.row())[0] == "fetched"


async def test_a_uuid_with_slashes_is_encoded_twice(zoom: Zoom) -> None:
    zoom.fake.holdings = [holding(AWKWARD), holding("a/b+c==")]
    await zoom.run()

    segments = {asked.split("/")[3] for asked in zoom.fake.asked if "metrics" in asked}
    assert segments == {"%252FajXp112Qmu%252F%252Fo4854875%253D%253D", "a%2Fb%2Bc%3D%3D"}
    assert zoom.told.asked == {Said.GOOD: 5}


async def test_pages_are_asked_one_after_the_other(zoom: Zoom) -> None:
    zoom.fake.holdings[0].people = [person(f"u{n}", MONDAY, END) for n in range(25)]
    zoom.fake.page_size_max = 10
    await zoom.run()

    assert Counter(paths(zoom.fake)) == {"instances": 1, "participants": 3, "qos": 3}
    assert len(set(zoom.fake.asked)) == len(zoom.fake.asked)


async def test_a_page_token_that_ran_out_begins_its_list_anew_and_tells_nothing_twice(zoom: Zoom) -> None:
    zoom.fake.holdings[0].people = [person(f"u{n}", MONDAY, END) for n in range(1, 3)]
    zoom.fake.page_size_max = 1
    for _ in range(2):
        await zoom.poller.step()
        zoom.clock.at += SECOND
    zoom.clock.at += HOUR
    await zoom.run(5)

    assert zoom.told.asked[Said.STALE] == 1
    assert Counter(one.participant_id for one in await zoom.seen() if one.kind is Kind.JOINED) == {"u1": 1, "u2": 1}


async def test_a_token_is_kept_for_its_hour_and_then_replaced(zoom: Zoom) -> None:
    await zoom.run()
    assert zoom.fake.tokens_given == 1

    await zoom.at(END + LOOKS[2])
    assert zoom.fake.tokens_given == 2
    assert set(zoom.told.asked) == {Said.GOOD}


async def test_a_token_that_is_believed_no_more_is_replaced_at_once(zoom: Zoom) -> None:
    await zoom.poller.step()
    zoom.fake.revoke()
    await zoom.run()

    assert zoom.fake.tokens_given == 2
    assert set(zoom.told.asked) == {Said.GOOD}


async def test_wrong_keys_are_refused_and_asked_again_only_later(zoom: Zoom) -> None:
    zoom.authorizer = lambda: AccountToken(
        zoom.session, f"{zoom.url[:-3]}/oauth/token", ("the-account", "the-client", "x")
    )
    zoom.restart()
    await zoom.run()

    assert zoom.told.asked == {Said.REFUSED: 1}
    assert (await zoom.row())[2] == READY + REFUSED_AGAIN
    assert zoom.fake.asked == []


async def test_a_meeting_whose_details_are_not_there_yet_is_asked_again_until_they_are(zoom: Zoom) -> None:
    zoom.fake.ready_after = 12 * MINUTE
    await zoom.run(1)
    assert zoom.told.asked == {Said.GOOD: 1, Said.STALE: 2}
    assert (await zoom.row())[2] == END + AGAIN[0]

    await zoom.at(END + AGAIN[0])
    await zoom.at(END + AGAIN[1])
    assert ("joined", "c1", "u1") in told(await zoom.seen())


async def test_a_meeting_that_one_person_alone_came_to_is_asked_for_in_the_way_such_a_meeting_must_be(
    zoom: Zoom,
) -> None:
    zoom.fake.holdings[0].people = [person("u1", MONDAY, END, leave_reason="Host did not join.")]
    await zoom.run()
    seen = await zoom.seen()

    assert [(one.kind, one.fault, one.blames) for one in seen if one.kind is Kind.LEFT] == [
        (Kind.LEFT, Fault.PLATFORM, "teacher")
    ]
    assert Counter(paths(zoom.fake)) == {"instances": 1, "participants": 2, "qos": 2}


async def test_a_holding_that_never_has_details_is_given_up_after_the_last_try(zoom: Zoom) -> None:
    zoom.fake.ready_after = DAY
    for wait in sorted({*LOOKS, *AGAIN}):
        await zoom.at(END + wait)

    assert (await zoom.row())[0] == "fetched"
    assert await zoom.seen() == []
    assert Counter(paths(zoom.fake)) == {"instances": 3, "participants": 2 * (1 + len(AGAIN))}


@pytest.mark.parametrize(
    ("misdeed", "said", "wait"),
    [
        (answers(503), Said.UNAVAILABLE, BACKOFF_FIRST),
        (answers(429, "", Retry_After="40"), Said.TOO_FAST, 40 * SECOND),
        (answers(429, '{"code":429,"message":"maximum per-second rate limit"}'), Said.TOO_FAST, SECOND),
        (answers(429, '{"code":429,"message":"maximum daily rate limit"}'), Said.SPENT, DAY - READY % DAY),
        (answers(400, '{"code":200,"message":"Only available for paid account"}'), Said.REFUSED, REFUSED_AGAIN),
        (answers(403, '{"code":104,"message":"no scope"}'), Said.REFUSED, REFUSED_AGAIN),
        (answers(400, '{"code":300,"message":"Can not access webinar info"}'), Said.BROKEN, BACKOFF_FIRST),
        (answers(200, "<html>"), Said.BROKEN, BACKOFF_FIRST),
        (answers(200, '{"code":0,"message":null}'), Said.BROKEN, BACKOFF_FIRST),
        (answers(302, ""), Said.BROKEN, BACKOFF_FIRST),
        (breaks_off, Said.UNAVAILABLE, BACKOFF_FIRST),
    ],
)
async def test_a_bad_answer_is_named_and_waited_for(zoom: Zoom, misdeed: Misdeed, said: Said, wait: int) -> None:
    zoom.fake.misdeeds.append(misdeed)
    await zoom.poller.step()

    assert zoom.told.asked == {said: 1}
    assert (await zoom.row())[2] == READY + wait


async def test_samples_with_code_0_beside_their_rows_are_good(zoom: Zoom) -> None:
    zoom.fake.misdeeds.append(answers(200, '{"code":0,"message":null,"meetings":[]}'))
    await zoom.poller.step()

    assert zoom.told.asked == {Said.GOOD: 1}


async def test_a_pro_account_is_asked_for_its_report(zoom: Zoom) -> None:
    zoom.fake.has_dashboard = False
    small = made(zoom.engine, zoom.fake, zoom.session, zoom.url[:-3], "pro")
    await small.run()

    assert paths(zoom.fake) == ["instances", "participants"]
    assert Counter(told(await small.seen()))["joined", "c1", "u1"] == 1


async def test_the_rate_of_the_plan_is_kept(zoom: Zoom) -> None:
    zoom.fake.holdings[0].people = [person(f"u{n}", MONDAY, END) for n in range(60)]
    zoom.fake.page_size_max, zoom.fake.per_second = 2, 10
    small = made(zoom.engine, zoom.fake, zoom.session, zoom.url[:-3], "pro")
    await small.run(5)

    assert set(small.told.asked) == {Said.GOOD}
    assert len(zoom.fake.asked) == 31


async def test_a_restart_goes_on_where_it_was_and_asks_nothing_twice(zoom: Zoom) -> None:
    zoom.fake.holdings[0].people = [person(f"u{n}", MONDAY, END) for n in range(25)]
    for _ in range(8):
        await zoom.poller.step()
        zoom.clock.at += SECOND
        zoom.restart()

    assert Counter(paths(zoom.fake)) == {"instances": 1, "participants": 1, "qos": 3}
    assert len(set(zoom.fake.asked)) == 5


async def test_a_class_that_nobody_asked_about_for_half_a_year_is_lost_and_said_to_be(zoom: Zoom) -> None:
    zoom.clock.at = END + 1
    await zoom.poller.step()  # begins to poll
    await zoom.at(END + 181 * DAY)

    assert zoom.told.lost == 1
    assert (await zoom.row())[0] == "lost"
    assert zoom.fake.asked == []


async def test_what_was_asked_is_kept_with_each_answer_and_no_answer_is_kept_twice(zoom: Zoom) -> None:
    await zoom.run()

    async with storage.reading(zoom.engine) as conn:
        kept = (await conn.execute(select(deliveries.c.provider, deliveries.c.event_id))).all()
    assert len({row.event_id for row in kept}) == len(kept) == 3
    assert {row.provider for row in kept} == {"zoom-stats"}
