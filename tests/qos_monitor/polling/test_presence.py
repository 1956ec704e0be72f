"""While a class runs a LiveKit server is asked who is there, over real HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise

import pytest
from agora_analytics import answers, breaks_off
from aiohttp import web
from collector_specimens import livekit_event
from livekit.protocol.models import ParticipantInfo
from livekit_server import Guest, Misdeed, twirp, wrong
from presence_parts import END, OPEN, STRIDE, Presence, class_on_livekit
from service_parts import MONDAY, school
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from collectors.contract import Delivery
from collectors.livekit import LiveKit
from collectors.polls import Said, alive
from qos_monitor import observing, reading, roster, window_book
from qos_monitor.observing import Entry
from qos_monitor.polling.poller import BACKOFF_LIVE_MAX, COMPARE_AFTER
from qos_monitor.storage import engine as storage
from qos_monitor.storage.rows import observation_of
from qos_monitor.storage.tables import classes, deliveries, observations
from rules import judge, policy
from rules.span import DAY, HOUR, MINUTE, SECOND, Instant, format_instant


@pytest.fixture
async def presence(embedded: AsyncEngine) -> AsyncIterator[Presence]:
    async with class_on_livekit(embedded) as made:
        yield made


def asked_at(presence: Presence) -> list[int]:
    return [(at - MONDAY) // SECOND for _, at in presence.fake.asked]


async def webhook(presence: Presence, event: str, sid: str, at: Instant, identity: str = "u1") -> None:
    person: dict[str, object] = {"sid": sid, "identity": identity, "disconnectReason": "CLIENT_INITIATED"}
    body = livekit_event(event, person, createdAt=str(at // SECOND), id=f"EV_{event}_{sid}")
    found = LiveKit((("key", "secret"),)).read(Delivery("livekit", json.dumps(body).encode(), {}, at))
    async with storage.writing(presence.engine) as conn:
        seen = [reading._recorded(sighting, at) for sighting in found.sightings]
        await observing.store(conn, [Entry(sighting, 1) for sighting in seen], at)


async def test_a_room_is_asked_about_once_a_minute_from_the_join_window_to_the_end(presence: Presence) -> None:
    await presence.run(END + 5 * MINUTE)
    await presence.read()

    assert asked_at(presence) == list(range(-15 * 60, 10 * 60 + 1, 60))
    assert presence.told.asked == {Said.GOOD: 26}
    assert await presence.state() == "fetched"
    assert await presence.seen() == [
        ("joined", MONDAY - 5 * MINUTE, "t1", "PA_t"),
        ("joined", MONDAY - MINUTE, "u1", "PA_1"),
    ]
    assert presence.told.lost == 0


async def test_every_minute_of_a_class_that_was_watched_is_told_alive_once(presence: Presence) -> None:
    await presence.run(END + MINUTE)
    await presence.read()

    assert await presence.minutes_alive() == list(range(-15, 10))


async def test_a_room_that_nobody_could_enter_was_watched_all_the_same(presence: Presence) -> None:
    presence.fake.rooms.clear()
    await presence.run(END + MINUTE)
    await presence.read()

    assert presence.told.asked == {Said.GOOD: 26}
    assert await presence.seen() == []
    assert await presence.minutes_alive() == list(range(-15, 10))


async def test_a_leave_that_no_webhook_told_is_seen_at_the_next_question(presence: Presence) -> None:
    presence.fake.rooms["r1"][1].left = MONDAY + 70 * SECOND
    presence.fake.rooms["r1"].append(Guest("PA_2", "u1", MONDAY + 100 * SECOND))
    await presence.run(MONDAY + 4 * MINUTE)
    await presence.read()

    assert (await presence.seen())[1:] == [
        ("joined", MONDAY - MINUTE, "u1", "PA_1"),
        ("joined", MONDAY + 100 * SECOND, "u1", "PA_2"),
        ("left", MONDAY + 2 * MINUTE, "u1", "PA_1"),
    ]


async def test_whoever_came_and_went_in_one_room_that_was_closed_has_left_it(presence: Presence) -> None:
    await presence.run(MONDAY)
    presence.fake.rooms.clear()
    await presence.run(MONDAY + 2 * MINUTE)
    await presence.read()

    assert [seen[0] for seen in await presence.seen()] == ["joined", "joined", "left", "left"]


async def test_what_webhooks_told_counts_with_their_time_and_reason_and_polls_fill_the_rest(presence: Presence) -> None:
    presence.fake.rooms["r1"][1].left = MONDAY + 70 * SECOND
    presence.fake.rooms["r1"].append(Guest("PA_2", "u2", MONDAY + 80 * SECOND))
    await presence.run(MONDAY + 4 * MINUTE)
    await presence.read()
    await webhook(
        presence, "participant_joined", "PA_1", MONDAY - 50 * SECOND
    )  # media ran ten seconds after signalling
    await webhook(presence, "participant_left", "PA_1", MONDAY + 71 * SECOND)

    async with storage.reading(presence.engine) as conn:
        seen = await window_book.observations_of(conn, ["c1"])
    told = sorted((one.kind.value, one.at - MONDAY, one.session or "", one.fault.value) for one in seen)
    assert told == [
        ("joined", -5 * MINUTE, "PA_t", "unknown"),
        ("joined", -50 * SECOND, "PA_1", "unknown"),
        ("joined", 80 * SECOND, "PA_2", "unknown"),
        ("left", 71 * SECOND, "PA_1", "learner"),
    ]


async def test_events_that_only_polling_found_are_counted(presence: Presence) -> None:
    presence.fake.rooms["r1"][1].left = MONDAY + 70 * SECOND
    await webhook(presence, "participant_joined", "PA_1", MONDAY - 50 * SECOND)
    await presence.run(END + MINUTE)
    await presence.read()
    await presence.run(END + MINUTE + COMPARE_AFTER)

    assert presence.told.compared == [(1, 2)]
    assert await presence.state() == "done"


async def test_agents_recorders_and_those_without_media_are_not_people_in_class(presence: Presence) -> None:
    kinds = ParticipantInfo.Kind
    presence.fake.rooms["r1"] = [
        Guest("PA_a", "agent", MONDAY, kind=kinds.AGENT),
        Guest("PA_e", "egress", MONDAY, kind=kinds.EGRESS),
        Guest("PA_r", "recorder", MONDAY, recorder=True),
        Guest("PA_j", "u2", MONDAY, state=ParticipantInfo.State.JOINING),
    ]
    await presence.run(MONDAY + MINUTE)
    await presence.read()

    assert await presence.seen() == []


async def test_a_restart_in_the_middle_goes_on_where_it_was(presence: Presence) -> None:
    for at in range(OPEN, MONDAY + 3 * MINUTE, STRIDE):
        presence.clock.at = at
        await presence.run(at)
        presence.restart()

    assert asked_at(presence) == list(range(-15 * 60, 3 * 60, 60))


async def test_a_crash_between_the_answer_and_the_disk_asks_again_and_tells_nothing_twice(presence: Presence) -> None:
    await presence.run(MONDAY)
    await presence.read()
    before, alive = await presence.seen(), await presence.minutes_alive()
    async with storage.writing(presence.engine) as conn:
        await conn.execute(deliveries.update().values(state=0))
    await presence.read()

    assert (await presence.seen(), await presence.minutes_alive()) == (before, alive)


async def test_while_we_were_away_nothing_is_told_alive_and_who_left_meanwhile_left(presence: Presence) -> None:
    await presence.run(MONDAY + 2 * MINUTE)
    presence.fake.rooms["r1"][1].left = MONDAY + 5 * MINUTE
    presence.clock.at = MONDAY + 6 * MINUTE
    presence.restart()
    await presence.run(MONDAY + 8 * MINUTE)
    await presence.read()

    assert await presence.minutes_alive() == [*range(-15, 2), 6, 7]
    assert (await presence.seen())[-1] == ("left", MONDAY + 6 * MINUTE, "u1", "PA_1")


async def test_a_server_in_trouble_is_asked_again_within_the_minute_and_is_not_alive_meanwhile(
    presence: Presence,
) -> None:
    await presence.run(MONDAY + MINUTE)
    presence.fake.is_down = True
    await presence.run(MONDAY + 7 * MINUTE)
    presence.fake.is_down = False
    await presence.run(MONDAY + 9 * MINUTE)
    await presence.read()

    assert set(presence.told.asked) == {Said.GOOD, Said.UNAVAILABLE}
    asked = [at for at in asked_at(presence) if at > 60]
    assert max(later - one for one, later in pairwise(asked)) * SECOND <= 2 * BACKOFF_LIVE_MAX
    assert set(await presence.minutes_alive()).isdisjoint(range(3, 7))
    assert [seen[0] for seen in await presence.seen()] == ["joined", "joined"]


async def slow(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(1)
    return web.Response()


@pytest.mark.parametrize(
    ("misdeed", "said", "again"),
    [
        (wrong(429, "resource_exhausted", Retry_After="50"), Said.TOO_FAST, 60),
        (wrong(403, "resource_exhausted"), Said.TOO_FAST, 20),
        (wrong(500, "internal"), Said.UNAVAILABLE, 40),
        (wrong(503, "unavailable", Retry_After="70"), Said.UNAVAILABLE, 80),
        (wrong(408, "deadline_exceeded"), Said.UNAVAILABLE, 40),
        (wrong(404, "bad_route"), Said.BROKEN, 40),
        (answers(404, "<html>no such page"), Said.BROKEN, 40),
        (answers(200, "<html>welcome"), Said.BROKEN, 40),
        (answers(200, '{"participants": 7}'), Said.BROKEN, 40),
        (breaks_off, Said.UNAVAILABLE, 40),
        (slow, Said.UNAVAILABLE, 40),
    ],
)
async def test_each_trouble_is_told_apart_and_waited_out(
    presence: Presence, misdeed: Misdeed, said: Said, again: int
) -> None:
    presence.fake.misdeeds.append(misdeed)
    presence.timeout_s = 0.3
    presence.restart()
    presence.clock.at = MONDAY
    await presence.run(MONDAY + 80 * SECOND)

    assert presence.told.asked[said] == 1
    assert asked_at(presence)[:2] == [0, again]


async def test_a_wrong_secret_is_refused_and_tried_again_once_a_minute(presence: Presence) -> None:
    presence.secret = "another-secret-of-more-than-thirty-two-bytes"
    presence.restart()
    await presence.run(MONDAY - 10 * MINUTE)

    assert presence.told.asked == {Said.REFUSED: 6}


async def test_a_key_that_may_not_look_into_the_room_is_refused(presence: Presence) -> None:
    async def denied(_: web.Request) -> web.StreamResponse:
        return twirp(403, "permission_denied")

    presence.fake.misdeeds.append(denied)
    await presence.run(OPEN)

    assert presence.told.asked == {Said.REFUSED: 1}


async def test_a_class_that_ended_unseen_is_lost_for_ever(presence: Presence, caplog: pytest.LogCaptureFixture) -> None:
    await presence.run(OPEN - MINUTE)
    presence.clock.at = END + 10 * MINUTE
    await presence.run(END + 11 * MINUTE)

    assert presence.fake.asked == []
    assert await presence.state() == "lost"
    assert presence.told.lost == 1
    assert [record.__dict__["facts"]["provider"] for record in caplog.records if record.message == "statistics_lost"]


async def test_a_class_whose_end_we_missed_is_lost_but_not_one_seen_within_its_last_minute(
    presence: Presence,
) -> None:
    async with storage.writing(presence.engine) as conn:
        both = school(MONDAY, MONDAY - 29 * MINUTE, provider="livekit", ends_at=format_instant(END))
        await roster.apply(conn, both, MONDAY - DAY)
        await conn.execute(classes.update().where(classes.c.id == "c2").values(ends_at=MONDAY + 40 * SECOND))
    presence.clock.at = MONDAY - 5 * MINUTE
    await presence.run(MONDAY)
    presence.clock.at = END + 10 * MINUTE
    await presence.run(END + 10 * MINUTE)

    assert (await presence.state("c1"), await presence.state("c2")) == ("lost", "fetched")
    assert presence.told.lost == 1


async def test_what_was_over_before_polling_began_is_nobodys_loss(presence: Presence) -> None:
    presence.clock.at = END + 3 * MINUTE
    await presence.run(END + 4 * MINUTE)

    assert presence.told.lost == 0
    assert presence.fake.asked == []


async def test_each_class_has_its_own_room_and_they_share_one_row_a_minute(engine: AsyncEngine) -> None:
    async with class_on_livekit(engine, MONDAY, MONDAY) as presence:
        async with storage.writing(presence.engine) as conn:
            await conn.execute(classes.update().where(classes.c.id == "c2").values(room_id="r2"))
        presence.fake.rooms["r2"] = [Guest("PA_9", "u2", MONDAY - MINUTE)]
        await presence.run(MONDAY + 2 * MINUTE)
        await presence.read()

        assert {room for room, _ in presence.fake.asked} == {"r1", "r2"}
        assert await presence.minutes_alive() == list(range(-15, 2))
        async with storage.reading(presence.engine) as conn:
            seen = await window_book.observations_of(conn, ["c2"])
        assert [one.participant_id for one in seen if one.kind.value == "joined"] == ["u2"]


async def test_a_class_put_off_before_it_began_is_asked_about_when_it_is(presence: Presence) -> None:
    await presence.run(OPEN - MINUTE)
    async with storage.writing(presence.engine) as conn:
        await conn.execute(classes.update().values(starts_at=MONDAY + HOUR, ends_at=END + HOUR))
    await presence.run(OPEN + 2 * MINUTE)

    assert presence.fake.asked == []


async def judged(presence: Presence, learners: tuple[str, ...]) -> set[str]:
    """Watch the whole class and judge it by all that was seen of it."""
    given = school(MONDAY, provider="livekit", learners=learners, ends_at=format_instant(END))
    async with storage.writing(presence.engine) as conn:
        await roster.apply(conn, given, MONDAY - DAY)
    await presence.run(END + 5 * MINUTE)
    await presence.read()
    async with storage.reading(presence.engine) as conn:
        seen = tuple(observation_of(row) for row in await conn.execute(select(observations)))
    judgement = judge.judge(replace(given, observations=seen), END + DAY, policy.default(), lambda _: True)
    return {record.verdict.value for record in judgement.records}


async def test_when_nobody_can_get_in_the_empty_room_does_not_take_the_presumption_away(presence: Presence) -> None:
    presence.fake.rooms.clear()

    assert await judged(presence, tuple(f"u{number}" for number in range(24))) == {"UNABLE_PLATFORM"}


async def test_while_the_server_itself_does_not_answer_nobody_knows_who_was_there(presence: Presence) -> None:
    presence.fake.is_down = True
    async with storage.writing(presence.engine) as conn:
        before = alive("livekit", "yesterday", MONDAY - DAY, MONDAY - DAY + MINUTE)
        await observing.store(conn, [Entry(reading._recorded(before, MONDAY - DAY), 1)], MONDAY - DAY)

    assert await judged(presence, tuple(f"u{number}" for number in range(24))) == {"UNKNOWN"}
