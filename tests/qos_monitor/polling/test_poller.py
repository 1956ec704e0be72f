"""Statistics are fetched once after each class, over real HTTP, from an Analytics that behaves as documented."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from agora_analytics import FakeAnalytics, Misdeed, answers, breaks_off, session
from aiohttp import web
from polling_parts import END, READY, Polling, monday
from service_parts import MONDAY, school
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.polls import Said
from qos_monitor import remapping, roster
from qos_monitor.polling.client import ANSWER_BYTES_MAX
from qos_monitor.polling.poller import BACKOFF_FIRST, NOT_READY_AGAIN, REFUSED_AGAIN
from qos_monitor.polling.restraint import FAILURES_MAX
from qos_monitor.storage import engine as storage
from qos_monitor.storage.tables import classes, deliveries, polls
from qos_monitor.templates import participant_templates, room_templates
from rules.span import DAY, HOUR, MINUTE, SECOND


@pytest.fixture
async def polling(engine: AsyncEngine) -> AsyncIterator[Polling]:
    async with monday(engine) as made:
        yield made


def endpoints(fake: FakeAnalytics) -> list[str]:
    return [asked.partition("?")[0] for asked in fake.asked]


async def test_after_a_class_its_sessions_and_their_freezes_are_fetched_and_read(polling: Polling) -> None:
    await polling.run()
    await polling.read()

    assert endpoints(polling.fake) == ["lists", "sessions", "sessions", "metrics", "metrics"]
    assert Counter(await polling.seen()) == {
        ("joined", "c1", "u1"): 1,
        ("joined", "c1", "t1"): 1,
        ("left", "c1", "u1"): 1,
        ("left", "c1", "t1"): 1,
        ("quality", "c1", "u1"): 2,
        ("feed_alive", None, None): 1,
    }
    assert (await polling.row())[0] == "fetched"
    assert polling.told.asked == {Said.GOOD: 5}


async def test_a_room_and_a_teacher_are_asked_for_by_the_names_the_provider_knows(polling: Polling) -> None:
    """The fake's channel is r1 and its teacher t1; the roster knows neither, and has class 1 and teacher 1."""
    given = (*room_templates("r{class_id}"), *participant_templates("t{teacher_id}"))
    async with storage.writing(polling.engine) as conn:
        world = school(MONDAY, room=None, teacher_id="1")
        renamed = tuple(replace(one, id="1") for one in world.classes)
        await conn.execute(classes.delete())
        await roster.apply(conn, replace(world, classes=renamed), MONDAY)
    await remapping.adopt(polling.engine, given)

    await polling.run()
    await polling.read()

    assert endpoints(polling.fake) == ["lists", "sessions", "sessions", "metrics", "metrics"]
    assert ("joined", "1", "1") in await polling.seen()


async def test_nothing_is_asked_before_the_plans_delay_has_passed(polling: Polling) -> None:
    polling.clock.at = READY - 10 * SECOND
    await polling.run(10)
    assert polling.fake.asked == []

    await polling.run(1)
    assert endpoints(polling.fake) == ["lists"]


async def test_no_more_than_one_question_a_second_is_asked(polling: Polling) -> None:
    await polling.run(3)

    assert len(polling.fake.asked) == 3
    assert polling.told.asked == {Said.GOOD: 3}


async def test_pages_are_asked_one_after_the_other(polling: Polling) -> None:
    polling.fake.sessions = [session(f"s{n}", MONDAY, END, n, f"u{n}") for n in range(1, 46)]
    await polling.run(60)

    pages = [asked.partition("page_no=")[2].partition("&")[0] for asked in polling.fake.asked if "sessions" in asked]
    assert sorted(pages) == ["1", "1", "2", "2", "3", "3"]
    assert endpoints(polling.fake).count("metrics") == 2 * 3


async def test_samples_of_the_documentation_say_code_0_and_message_null_and_are_good(polling: Polling) -> None:
    polling.fake.code, polling.fake.message = 0, None
    await polling.run()

    assert set(polling.told.asked) == {Said.GOOD}


async def test_a_restart_goes_on_where_it_was_and_asks_nothing_twice(polling: Polling) -> None:
    for _ in range(30):
        await polling.run(1)
        polling.restart()
        polling.clock.at += SECOND

    assert len(polling.fake.asked) == 5
    assert len(set(polling.fake.asked)) == 5


async def test_a_crash_between_the_answer_and_the_disk_asks_that_one_thing_again_and_changes_nothing(
    polling: Polling,
) -> None:
    await polling.run()
    await polling.read()
    before = await polling.seen()
    async with storage.writing(polling.engine) as conn:
        await conn.execute(polls.update().values(progress="", state="waiting", due_at=0))
    await polling.run()
    await polling.read()

    assert len(polling.fake.asked) == 10
    assert await polling.seen() == before
    async with storage.reading(polling.engine) as conn:
        assert len((await conn.execute(select(deliveries))).all()) == 5


async def test_while_one_worker_waits_for_the_answer_another_does_not_ask_the_same(polling: Polling) -> None:
    other = Polling(polling.engine, polling.clock, polling.fake, polling.session, polling.url)
    steps: list[int] = []

    async def meanwhile(_: web.Request) -> web.StreamResponse:
        steps.append(await other.poller.step())
        return web.Response(status=503)

    polling.fake.misdeeds.append(meanwhile)
    steps.append(await polling.poller.step())

    assert steps == [0, 1]
    assert len(polling.fake.asked) == 1


@pytest.mark.parametrize(
    ("misdeed", "said", "wait"),
    [
        (answers(503), Said.UNAVAILABLE, BACKOFF_FIRST),
        (answers(503, Retry_After="90"), Said.UNAVAILABLE, 90 * SECOND),
        (answers(429, Retry_After="7"), Said.TOO_FAST, 7 * SECOND),
        (answers(200, "<html>garbage"), Said.BROKEN, BACKOFF_FIRST),
        (answers(200, ""), Said.BROKEN, BACKOFF_FIRST),
        (answers(302, Location="https://elsewhere.example/"), Said.BROKEN, BACKOFF_FIRST),
        (answers(200, '{"code":300,"message":"qps limit error"}'), Said.TOO_FAST, SECOND),
        (answers(200, '{"code":300,"message":"query latency limit error"}'), Said.NOT_READY, NOT_READY_AGAIN),
        (answers(200, '{"code":300,"message":"query time length limit error"}'), Said.REFUSED, REFUSED_AGAIN),
        (answers(200, '{"code":300,"message":"no auth"}'), Said.REFUSED, REFUSED_AGAIN),
        (answers(401, "{}"), Said.REFUSED, REFUSED_AGAIN),
        (breaks_off, Said.UNAVAILABLE, BACKOFF_FIRST),
    ],
)
async def test_each_trouble_is_told_apart_waited_out_and_healed(
    polling: Polling, misdeed: Misdeed, said: Said, wait: int
) -> None:
    polling.fake.misdeeds.append(misdeed)
    await polling.poller.step()

    assert polling.told.asked == {said: 1}
    assert await polling.row() == ("waiting", 1, READY + wait)

    polling.clock.at = READY + wait - 1
    assert await polling.poller.step() == 0
    polling.clock.at = READY + wait
    await polling.run()
    assert (await polling.row())[:2] == ("fetched", 0)


async def test_a_provider_that_never_ends_its_answer_is_left(polling: Polling) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(2 * ANSWER_BYTES_MAX // 2**20):
            await response.write(b" " * 2**20)
        return response

    polling.fake.misdeeds.append(endless)
    await polling.poller.step()

    assert polling.told.asked == {Said.UNAVAILABLE: 1}


async def test_a_provider_that_does_not_answer_in_time_is_left(polling: Polling) -> None:
    over = asyncio.Event()

    async def silent(_: web.Request) -> web.StreamResponse:
        await over.wait()
        return web.Response()

    polling.fake.misdeeds.append(silent)
    polling.timeout_s = 0.2
    polling.restart()
    await polling.poller.step()
    over.set()

    assert polling.told.asked == {Said.UNAVAILABLE: 1}
    assert (await polling.row())[:2] == ("waiting", 1)


async def test_failures_are_tried_again_ever_later(polling: Polling) -> None:
    polling.fake.misdeeds += [answers(500)] * 3
    waits = []
    for _ in range(3):
        await polling.poller.step()
        _, _, due_at = await polling.row()
        waits.append(due_at - polling.clock.at)
        polling.clock.at = due_at

    assert waits == [BACKOFF_FIRST, 2 * BACKOFF_FIRST, 4 * BACKOFF_FIRST]


async def test_a_provider_in_trouble_is_left_alone_whatever_is_due(polling: Polling) -> None:
    async with storage.writing(polling.engine) as conn:
        await roster.apply(conn, school(*[MONDAY] * 8), MONDAY - DAY)
    polling.fake.misdeeds += [answers(500)] * FAILURES_MAX
    await polling.run(30)
    assert len(polling.fake.asked) == FAILURES_MAX

    await polling.run(60)
    assert len(polling.fake.asked) > FAILURES_MAX
    assert polling.told.asked[Said.GOOD] > 0


async def test_when_the_provider_says_the_day_is_spent_the_next_day_goes_on(polling: Polling) -> None:
    polling.fake.misdeeds.append(answers(200, '{"code":300,"message":"qpd limit error"}'))
    await polling.run(5)
    midnight = MONDAY // DAY * DAY + DAY
    assert len(polling.fake.asked) == 1
    assert (await polling.row())[2] == midnight

    polling.clock.at = midnight
    await polling.run()
    assert (await polling.row())[0] == "fetched"


async def test_how_much_of_the_day_is_spent_outlives_a_restart(polling: Polling) -> None:
    await polling.run(2)
    polling.restart()
    await polling.poller.step()

    assert polling.poller._pace is not None
    assert polling.poller._pace.today == 3


async def test_what_is_asked_too_late_is_lost_for_ever_and_said_so(
    polling: Polling, caplog: pytest.LogCaptureFixture
) -> None:
    polling.clock.at = MONDAY
    await polling.poller.step()
    polling.clock.at = END + DAY
    await polling.run()

    assert polling.fake.asked == []
    assert (await polling.row())[0] == "lost"
    assert polling.told.lost == 1
    [line] = [record for record in caplog.records if record.message == "statistics_lost"]
    assert line.__dict__["facts"] == {"provider": "agora", "late_h": 24.0}


async def test_what_was_gone_before_polling_began_is_nobodys_loss(polling: Polling) -> None:
    polling.clock.at = END + DAY + 1
    await polling.run()

    assert polling.fake.asked == []
    assert polling.told.lost == 0


async def test_told_to_stop_it_hangs_up_and_asks_again_after_the_next_start(polling: Polling) -> None:
    asked, over = asyncio.Event(), asyncio.Event()

    async def silent(_: web.Request) -> web.StreamResponse:
        asked.set()
        await over.wait()
        return web.Response()

    polling.fake.misdeeds.append(silent)
    step = asyncio.create_task(polling.poller.step())
    await asked.wait()
    await polling.client.hang_up()
    await step
    over.set()
    assert (await polling.row())[:2] == ("waiting", 1)

    polling.clock.at += BACKOFF_FIRST
    polling.restart()
    await polling.run()
    assert (await polling.row())[:2] == ("fetched", 0)


async def test_what_the_provider_says_it_no_longer_has_is_lost(polling: Polling) -> None:
    polling.clock.at = MONDAY + DAY
    await polling.run()

    assert polling.told.asked == {Said.GONE: 1}
    assert (await polling.row())[0] == "lost"
    assert polling.told.lost == 1


async def test_a_class_that_was_moved_is_asked_about_after_its_new_end(polling: Polling) -> None:
    polling.clock.at = MONDAY + MINUTE
    await polling.run(1)
    async with storage.writing(polling.engine) as conn:
        await conn.execute(classes.update().values(ends_at=END + HOUR))
    polling.clock.at = READY
    await polling.run(5)

    assert polling.fake.asked == []
    assert (await polling.row())[2] == READY + HOUR


async def test_a_class_called_off_or_without_a_room_or_of_another_provider_is_not_polled(polling: Polling) -> None:
    others = [
        school(MONDAY, MONDAY, room=None),
        school(*[MONDAY] * 3, cancelled={"at": "2026-11-01T00:00:00Z", "by": "mutual", "technical": False}),
        school(*[MONDAY] * 4, provider="zoom"),
    ]
    async with storage.writing(polling.engine) as conn:
        for world in reversed(others):
            await roster.apply(conn, world, MONDAY - DAY)
    await polling.run(5)

    assert polling.fake.asked == []


async def test_a_wrong_key_is_refused_and_not_tried_again_at_once(polling: Polling) -> None:
    polling.key = ("customer", "wrong")
    polling.restart()
    await polling.run(60)

    assert polling.told.asked == {Said.REFUSED: 1}
